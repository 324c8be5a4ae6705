//! Tasks that are not polled: what was granted to them goes to the next, and they are never told that the store failed.

use super::*;

/// How long a task may take to look at a grant, with a store that answers at once.
const PATIENCE: Duration = ms(1000);

/// Two calls in line behind a holder whose lease has a block of fences.
fn two_behind(story: &mut Story, terms: Terms) -> (CallId, CallId, CallId) {
    let (holder, behind) = story.hold_with_fences(terms, 3);
    (holder, behind[0], behind[1])
}

#[test]
fn an_heir_whose_task_sleeps_holds_up_the_next_for_a_second_and_is_asked_for_again_once_it_is_polled() {
    let mut story = Story::new();
    let (holder, asleep, next) = two_behind(&mut story, patient());
    story.end(holder, None);
    let begun = story.now;
    let (rotating, rotation) = rotation_of(story.next_work().remove(0));
    assert_eq!(story.now.since(begun), PATIENCE, "the lease would last for {TTL:?}");
    assert_eq!((story.passed_over.len(), story.lost.len()), (1, 0));
    story.rotated(rotating, Rotated::Retained { fence: 200 });
    story.granted(next, 200);
    // Nothing happens to the call as long as its task sleeps, also when its time to wait is over.
    story.pass(Duration::from_secs(20));
    assert!(!story.work().iter().any(|job| matches!(job, Sent::Ask(..))));
    assert!(matches!(story.next(asleep), Step::Pending), "it stands in line again");
    story.renewed(next, story.now, Ok(Renewed::Renewed));
    story.end(next, None);
    let (again, second) = rotation_of(story.only_job());
    assert_ne!(second.next, rotation.token, "a token is used for one grant");
    story.rotated(again, Rotated::Retained { fence: 300 });
    story.granted(asleep, 300);
}

#[test]
fn a_call_that_sleeps_past_its_time_is_told_busy_if_the_key_is_held_and_else_asked_for_once_more() {
    for is_held in [true, false] {
        let mut story = Story::new();
        let (id, sent) = story.ask("a", no_wait());
        story.answer(id, sent, Ok(Acquired::Granted { fence: 1 }));
        let (releasing, release, _) = release_of(story.next_work().remove(0));
        assert_eq!((release.keep, story.now.since(sent)), (None, PATIENCE));
        story.released(releasing, KEEPER, Ok(Released::Freed));
        if is_held {
            story.hold("a", patient());
        }
        story.pass(ms(5_000));
        match story.next(id) {
            Step::Refused(Refusal::Busy { .. }) => assert!(is_held),
            Step::Pending => {
                assert!(!is_held);
                let Step::Send(AcquireRequest::Ask(_)) = story.next(id) else { panic!("it asks once more") };
                story.grant(id, story.now);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_task_that_is_slow_each_time_has_longer_each_time() {
    let mut story = Story::new();
    let (id, sent) = story.ask("a", no_wait());
    story.answer(id, sent, Ok(Acquired::Granted { fence: 1 }));
    let mut patience = PATIENCE;
    for _ in 0..3 {
        let granted = story.now;
        let (releasing, _, _) = release_of(story.next_work().remove(0));
        assert_eq!(story.now.since(granted), patience);
        patience *= 2;
        story.released(releasing, KEEPER, Ok(Released::Freed));
        assert!(matches!(story.next(id), Step::Pending));
        assert!(matches!(story.next(id), Step::Send(_)));
        story.answer(id, story.now, Ok(Acquired::Granted { fence: 2 }));
    }
    story.pass(ms(7_000));
    assert!(matches!(story.next(id), Step::Granted { fence: 2, .. }));
}

#[test]
fn an_answer_that_nobody_takes_is_asked_for_by_the_keeper_and_the_grant_goes_on_within_a_second() {
    let mut story = Story::new();
    let (id, sent) = story.ask("a", no_wait());
    let Sent::Ask(_, AcquireRequest::Look(look), KEEPER) = story.next_work().remove(0) else { panic!("it looks") };
    assert_eq!(look.token, story.token(id));
    assert_eq!(story.now.since(sent), PATIENCE / 2);
    story.answer(id, story.now, Ok(Acquired::Granted { fence: 1 }));
    let (_, release, _) = release_of(story.next_work().remove(0));
    assert_eq!((release.token, story.now.since(sent)), (look.token, PATIENCE));
    assert!(story.probed().is_empty(), "a task that sleeps says nothing of its session");
    // Its task is polled, and the answer was there: it came to a token that was given back.
    story.pass(ms(5_000));
    story.answer_of_gone(id, sent, Ok(Acquired::Granted { fence: 1 }));
    assert!(matches!(story.next(id), Step::Pending));
}

#[test]
fn an_answer_that_lay_there_is_taken_if_the_lease_still_lasts() {
    let mut story = Story::new();
    let (id, sent) = story.ask("a", no_wait());
    assert!(matches!(story.next_work()[..], [Sent::Ask(_, AcquireRequest::Look(_), KEEPER)]));
    story.answer(id, sent, Ok(Acquired::Granted { fence: 7 }));
    let Step::Granted { fence: 7, until } = story.next(id) else { panic!("it is granted") };
    assert_eq!(until, deadline(sent, TTL));
    assert!(story.probed().is_empty());
}

#[test]
fn a_program_that_stood_still_for_longer_than_an_operation_may_take_asks_before_it_gives_up() {
    for terms in [no_wait(), terms(Wait::AtMost(ms(3_000)))] {
        let mut story = Story::new();
        let (id, sent) = story.ask("a", terms);
        story.pass(OPERATION * 2);
        assert!(matches!(story.only_job(), Sent::Ask(_, _, KEEPER)), "{terms:?}");
        assert!(matches!(story.next(id), Step::AwaitAnswer));
        story.answer(id, sent, Ok(Acquired::Granted { fence: 7 }));
        assert!(matches!(story.next(id), Step::Granted { fence: 7, .. }));
    }
}

#[test]
fn a_session_that_leaves_a_task_without_an_answer_where_the_keeper_has_one_is_doubted() {
    let mut story = Story::new();
    let (id, _) = story.ask("a", no_wait());
    assert!(matches!(story.next_work()[..], [Sent::Ask(_, AcquireRequest::Look(_), KEEPER)]));
    assert!(matches!(story.next(id), Step::AwaitAnswer), "its own answer may still be the first");
    assert!(story.probed().is_empty());
    story.answer(id, story.now, Ok(Acquired::Granted { fence: 7 }));
    assert_eq!(story.probed(), [KEEPER]);
    assert!(matches!(story.next(id), Step::Granted { fence: 7, .. }));
}

#[test]
fn a_lease_that_ends_before_its_task_looks_is_no_failure_of_the_store() {
    let mut story = Story::new();
    let short = Terms { ttl: ms(300), ..no_wait() };
    let (id, sent) = story.ask("a", short);
    story.answer(id, sent, Ok(Acquired::Granted { fence: 1 }));
    let (releasing, _, _) = release_of(story.next_work().remove(0));
    assert_eq!(story.now, deadline(sent, ms(300)) - ms(2));
    story.released(releasing, KEEPER, Ok(Released::Freed));
    story.pass(OPERATION * 2);
    assert!(matches!(story.next(id), Step::Pending));
    assert!(matches!(story.next(id), Step::Send(AcquireRequest::Ask(_))));
}

#[test]
fn a_call_that_sleeps_is_refused_when_its_client_closes_and_leaves_nothing_when_it_is_dropped() {
    for closes in [true, false] {
        let mut story = Story::new();
        let (id, sent) = story.ask("a", patient());
        story.answer(id, sent, Ok(Acquired::Granted { fence: 1 }));
        let (releasing, _, _) = release_of(story.next_work().remove(0));
        story.released(releasing, KEEPER, Ok(Released::Freed));
        if closes {
            story.client.close(story.now, ms(1000), u32::MAX);
            assert!(matches!(story.next(id), Step::Refused(Refusal::ShuttingDown)));
        } else {
            story.cancelled(id);
        }
        story.assert_nothing_is_left();
    }
}

#[test]
fn a_task_that_looks_so_late_that_its_lease_might_end_begins_once_that_is_renewed() {
    let mut story = Story::new();
    let short = Terms { ttl: ms(600), ..patient() };
    let (id, sent) = story.ask("a", short);
    story.answer(id, sent, Ok(Acquired::Granted { fence: 7 }));
    story.pass(ms(450));
    assert!(matches!(story.next(id), Step::Pending), "a hundred milliseconds are too few");
    let Sent::Renew(renewal) = story.only_job() else { panic!("it is renewed first") };
    let asked = (story.now, renewal.ttl);
    story.client.renewed(story.now, id.key, renewal.token, asked, Ok(Renewed::Renewed));
    let Step::Granted { fence: 7, until } = story.next(id) else { panic!("it begins") };
    assert_eq!(until, deadline(asked.0, ms(600)));
}

#[test]
fn what_a_runtime_that_stood_still_sends_late_is_given_back_before_the_call_asks_again() {
    let mut story = Story::new();
    let (id, _) = story.ask("a", no_wait());
    assert!(matches!(story.next_work()[..], [Sent::Ask(_, AcquireRequest::Look(_), KEEPER)]));
    let token = story.token(id);
    story.answer(id, story.now, Ok(Acquired::Granted { fence: 7 }));
    let (releasing, _, _) = release_of(story.next_work().remove(0));
    story.released(releasing, KEEPER, Ok(Released::Freed));
    assert!(matches!(story.next(id), Step::Pending));
    let (behind, release, via) = release_of(story.only_job());
    assert_eq!((release.token, via), (token, Some(HERE)), "behind what the task has sent");
    assert!(matches!(story.next(id), Step::Pending), "not before that is answered");
    story.released(behind, HERE, Ok(Released::Freed));
    assert!(matches!(story.next(id), Step::Send(AcquireRequest::Ask(_))));
}

#[test]
fn a_grant_that_comes_when_its_lease_is_nearly_over_is_renewed_first_and_its_call_stays_ahead_of_the_next() {
    let terms = Terms { ttl: ms(300), ..patient() };
    let mut story = Story::new();
    let (first, _) = story.ask("a", terms);
    let next = story.arrive("a", terms).expect("it waits");
    assert!(matches!(story.next_work()[..], [Sent::Ask(..)]), "the keeper asks in its place");
    let sent = story.now;
    story.now = deadline(sent, ms(300)) - ms(4);
    story.answer(first, sent, Ok(Acquired::Granted { fence: 1 }));
    let renewal = story.work();
    assert!(matches!(renewal[..], [Sent::Renew(..)]), "{renewal:?}");
    // The renewal is as late as the grant was.
    story.pass(ms(4));
    let (releasing, _, _) = release_of(story.only_job());
    story.released(releasing, KEEPER, Ok(Released::Freed));
    assert!(story.passed_over.is_empty(), "its task had no time to look");
    assert!(matches!(story.next(next), Step::Pending));
    assert!(matches!(story.next(first), Step::Send(_)), "it asks again, before the next");
}

#[test]
fn a_grant_of_which_next_to_nothing_is_left_came_too_late_if_it_is_not_renewed() {
    let terms = Terms { ttl: ms(300), renew: false, ..patient() };
    let mut story = Story::new();
    let (id, sent) = story.ask("a", terms);
    let token = story.token(id);
    story.now = deadline(sent, ms(300)) - ms(4);
    story.answer(id, sent, Ok(Acquired::Granted { fence: 1 }));
    let (releasing, release, _) = release_of(story.only_job());
    assert_eq!(release.token, token);
    story.released(releasing, KEEPER, Ok(Released::Freed));
    assert!(matches!(story.next(id), Step::Send(_)), "it asks again");
}
