//! Sessions that fall silent: which of them are suspected, probed and replaced, and what goes over which meanwhile.

use super::*;

/// A client whose runtime has a session, as its keeper does.
fn with_both() -> Story {
    let mut story = Story::new();
    story.client.session_opened(story.now, HERE);
    story
}

/// A call asks over the session of its runtime, and after a while the keeper asks for it, and neither has an answer in
/// time. It is given back behind that, blindly: the requests may have arrived.
fn silent(story: &mut Story) -> CallId {
    let (id, sent) = story.ask("a", no_wait());
    assert_eq!(asks(&story.next_work()[0]), KEEPER);
    story.pass(OPERATION.saturating_sub(story.now.since(sent)));
    let (_, _, via) = release_of(story.only_job());
    assert_eq!(via, None, "two sessions carried what it undoes");
    assert!(matches!(story.next(id), Step::Refused(Refusal::Unavailable(_))));
    id
}

fn asks(job: &Sent) -> SessionId {
    match job {
        Sent::Ask(_, _, session) => *session,
        other => panic!("not a request: {other:?}"),
    }
}

#[test]
fn silence_on_a_runtimes_session_has_the_keepers_probed_before_a_call_is_left_to_it() {
    let mut story = with_both();
    silent(&mut story);
    assert_eq!(story.probed(), [HERE, KEEPER]);
    let next = story.arrive("b", no_wait()).expect("it may");
    assert!(matches!(story.next(next), Step::Pending), "neither is trusted");
    assert!(!story.work().iter().any(|job| matches!(job, Sent::Ask(..))));
    story.answers(KEEPER, true);
    let jobs = story.work();
    assert!(jobs.iter().any(|job| matches!(job, Sent::Ask(id, _, KEEPER) if *id == next)), "{jobs:?}");
    assert!(story.replaced.is_empty());
}

#[test]
fn sessions_that_do_not_answer_their_probe_are_replaced_and_a_new_one_serves_what_waited_for_it() {
    let mut story = with_both();
    silent(&mut story);
    story.probed();
    let next = story.arrive("b", no_wait()).expect("it may");
    assert!(matches!(story.next(next), Step::Pending));
    story.pass(ms(1000));
    story.answers(HERE, false);
    story.answers(KEEPER, false);
    assert_eq!(story.replaced, [HERE, KEEPER]);
    assert!(story.work().is_empty());
    let new = SessionId(3);
    story.client.connected(story.now, new, true);
    let jobs = story.work();
    assert!(jobs.iter().any(|job| matches!(job, Sent::Ask(id, _, session) if (*id, *session) == (next, new))));
}

#[test]
fn a_session_that_answers_its_probe_is_used_as_before() {
    let mut story = with_both();
    silent(&mut story);
    story.probed();
    story.answers(HERE, true);
    let id = story.arrive("b", no_wait()).expect("it may");
    assert!(matches!(story.next(id), Step::Send(AcquireRequest::Ask(_))));
}

#[test]
fn renewals_go_over_any_session_when_the_keeper_has_none() {
    let mut story = with_both();
    let held = story.hold("a", no_wait());
    story.client.disconnected();
    assert_eq!(story.client.carrier(), Some(HERE));
    let jobs = story.next_work();
    assert!(matches!(&jobs[..], [Sent::Renew(_)]), "{jobs:?}");
    story.renewed(held, story.now, Ok(Renewed::Renewed));
    story.end(held, None);
    let (release, _, _) = release_of(story.only_job());
    story.released(release, HERE, Ok(Released::Freed));
    story.assert_nothing_is_left();
}

/// Where only the replies are lost, this keeps the lease.
#[test]
fn a_renewal_is_sent_also_where_no_session_is_trusted() {
    let mut story = with_both();
    story.hold("a", no_wait());
    story.client.timed_out(story.now, ms(500));
    assert_eq!(story.probed(), [HERE, KEEPER]);
    assert!(matches!(&story.next_work()[..], [Sent::Renew(_)]));
    assert_eq!(story.client.carrier(), Some(KEEPER));
}

#[test]
fn what_is_parked_goes_over_a_runtimes_session_as_soon_as_there_is_one() {
    let mut story = Story::unconnected();
    let id = story.arrive("a", no_wait()).expect("it may");
    story.pass(ms(20));
    assert!(story.work().is_empty());
    story.client.session_opened(story.now, HERE);
    assert_eq!(asks(&story.only_job()), HERE);
    story.client.connected(story.now, KEEPER, true);
    assert_eq!(story.client.carrier(), Some(KEEPER), "its own, now that there is one");
    assert!(matches!(story.next(id), Step::AwaitAnswer | Step::Pending));
}

#[test]
fn a_renewal_without_an_answer_has_sessions_probed_long_before_the_lease_is_lost() {
    let mut story = with_both();
    story.hold("a", no_wait());
    story.next_work();
    story.client.timed_out(story.now, ms(500));
    let probes = story.client.take_probes();
    assert_eq!(probes.len(), 2);
    assert!(probes.iter().all(|probe| probe.limit == ms(500)), "{probes:?}");
}

/// Calls that asked later than the first are not left to their own time-outs.
#[test]
fn a_request_in_flight_over_a_session_that_is_replaced_is_sent_again_over_another() {
    let mut story = with_both();
    let (first, sent) = story.ask("a", no_wait());
    story.next_work();
    story.pass(OPERATION.saturating_sub(story.now.since(sent) + ms(100)));
    let (second, _) = story.ask("b", no_wait());
    story.pass(ms(100));
    story.work();
    assert!(matches!(story.next(first), Step::Refused(Refusal::Unavailable(_))));
    story.probed();
    story.answers(KEEPER, true);
    story.pass(ms(1000));
    story.answers(HERE, false);
    let jobs = story.work();
    let again = jobs.iter().find_map(|job| match job {
        Sent::Ask(id, request, session) if *id == second => Some((request.token(), *session)),
        _ => None,
    });
    assert_eq!(again, Some((story.token(second), KEEPER)), "{jobs:?}");
    story.answer(second, story.now, Ok(Acquired::Granted { fence: 7 }));
    assert!(matches!(story.next(second), Step::Granted { .. }));
}

/// The caller went away while its request was in flight, and the next call for that key stands behind its release.
#[test]
fn the_release_of_an_orphan_holds_its_line_until_the_first_silence_was_noticed_and_no_longer() {
    let mut story = with_both();
    let (gone, _) = story.ask("a", no_wait());
    story.cancelled(gone);
    let (release, _, via) = release_of(story.only_job());
    assert_eq!(via, Some(HERE));
    let next = story.arrive("a", no_wait()).expect("it may");
    story.pass(ms(1000));
    story.client.timed_out(story.now, ms(1000));
    story.released(release, HERE, Err(StoreError::no_answer()));
    assert_eq!(story.probed(), [HERE, KEEPER]);
    let (again, _, _) = release_of(story.only_job());
    story.pass(ms(1000));
    story.answers(HERE, false);
    story.answers(KEEPER, false);
    // Whoever carried it says so as soon as the session is replaced.
    story.released(again, KEEPER, Err(StoreError::no_answer()));
    story.client.connected(story.now, SessionId(3), true);
    let (again, _, _) = release_of(story.next_work().remove(0));
    story.released(again, SessionId(3), Ok(Released::Freed));
    story.pass(ms(10));
    let jobs = story.work();
    assert!(jobs.iter().any(|job| matches!(job, Sent::Ask(id, _, _) if *id == next)), "{jobs:?}");
}

#[test]
fn a_request_that_was_sent_a_moment_before_its_call_gave_up_raises_no_suspicion() {
    let mut story = with_both();
    let (id, sent) = story.ask("a", terms(Wait::AtMost(OPERATION)));
    story.held_elsewhere(id, sent, ms(4900));
    story.pass(ms(4990));
    assert!(!story.work().is_empty(), "it looks again");
    story.pass(ms(10));
    story.work();
    assert!(story.probed().is_empty());
}

/// The keeper overtakes a task whose request has no answer, perhaps a moment before the call gives up.
#[test]
fn a_request_that_was_overtaken_counts_from_when_it_was_sent() {
    let operation_timeout = ms(1000);
    let mut story = Story::with(Settings { operation_timeout, ..settings() });
    story.client.session_opened(story.now, HERE);
    let (id, sent) = story.ask("a", no_wait());
    story.pass(ms(501));
    assert_eq!(asks(&story.only_job()), KEEPER);
    story.now = sent + operation_timeout;
    story.work();
    assert!(matches!(story.next(id), Step::Refused(Refusal::Unavailable(_))));
    assert_eq!(story.probed(), [HERE, KEEPER]);
}

#[test]
fn a_grant_that_was_to_be_heard_and_is_found_by_a_look_has_the_session_probed_that_did_not_tell() {
    let mut story = Story::new();
    let (id, _) = story.queue("a", patient());
    let jobs = story.next_work();
    assert_eq!(asks(&jobs[0]), KEEPER);
    story.answer(id, story.now, Ok(Acquired::Granted { fence: 9 }));
    assert_eq!(story.probed(), [KEEPER]);
    assert_eq!(story.client.carrier(), Some(KEEPER), "which is trusted meanwhile");
    story.answers(KEEPER, false);
    assert_eq!(story.replaced, [KEEPER]);
}
