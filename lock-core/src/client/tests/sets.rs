//! Calls of one client that hold a key beside each other, and the one that makes its lease a shared one.

use super::*;

const SHARED: Kind = Kind::Shared;
const TWO: Kind = Kind::permits(2);

fn of(kind: Kind, wait: Wait) -> Terms {
    Terms { kind, ..terms(wait) }
}

fn waits(kind: Kind) -> Terms {
    of(kind, Wait::Forever)
}

fn tries(kind: Kind) -> Terms {
    of(kind, Wait::AtMost(Duration::ZERO))
}

/// One that waits asks at once for a place in the queue, with one fence.
fn looks(story: &mut Story, id: CallId, kind: Kind) -> Enqueue {
    let Step::Send(AcquireRequest::Enqueue(look)) = story.next(id) else { panic!("it looks at once") };
    assert_eq!((look.entry.kind, look.fences, look.entry.fences), (kind, 1, 1));
    *look
}

/// A call that waits, asks, and is granted the key.
fn holds(story: &mut Story, kind: Kind) -> CallId {
    let id = story.arrive("a", waits(kind)).expect("nothing refuses it");
    looks(story, id, kind);
    let sent = story.now;
    story.grant(id, sent);
    id
}

/// The releases that are due, which are answered.
fn are_released(story: &mut Story, kind: Kind) -> usize {
    let jobs = story.work();
    for job in &jobs {
        let Sent::Release(id, ReleaseRequest::Release(release), _) = job else { panic!("{job:?} is no release") };
        assert_eq!(release.kind, kind);
        story.released(*id, KEEPER, Ok(Released::Freed));
    }
    jobs.len()
}

/// Whether a call is refused at once.
fn is_refused(story: &mut Story, terms: Terms) -> bool {
    matches!(story.arrive("a", terms), Err(Refusal::Busy { .. }))
}

#[test]
fn those_who_agree_hold_beside_each_other_and_ask_one_by_one() {
    for kind in [SHARED, Kind::permits(9)] {
        let mut story = Story::new();
        let [one, two, three] = [(); 3].map(|()| story.arrive("a", waits(kind)).expect("nothing refuses it"));
        let mut tokens = Vec::new();
        for (id, next) in [(one, Some(two)), (two, Some(three)), (three, None)] {
            tokens.push(looks(&mut story, id, kind).token);
            if let Some(next) = next {
                assert!(matches!(story.next(next), Step::Pending), "one asks at a time");
            }
            let sent = story.now;
            story.grant(id, sent);
        }
        tokens.sort_unstable();
        tokens.dedup();
        assert_eq!(tokens.len(), 3, "each has a token of its own");
        for id in [two, one, three] {
            story.end(id, None);
            assert_eq!(are_released(&mut story, kind), 1);
        }
        story.assert_nothing_is_left();
    }
}

#[test]
fn who_tries_asks_with_a_plain_request() {
    let mut story = Story::new();
    let (id, sent) = story.ask("a", tries(SHARED));
    story.grant(id, sent);
    let (beside, sent) = story.ask("a", tries(SHARED));
    story.held_elsewhere(beside, sent, TTL);
    assert!(matches!(story.next(beside), Step::Refused(Refusal::Busy { .. })), "a writer of others waits there");
    story.end(id, None);
    assert_eq!(are_released(&mut story, SHARED), 1);
    // The refused try is behind a release of its own, in case it was granted all the same: there is nothing in doubt.
    story.assert_nothing_is_left();
}

#[test]
fn those_who_do_not_agree_wait_here_or_are_refused_at_once() {
    let mut story = Story::new();
    let reader = holds(&mut story, SHARED);
    for kind in [Kind::Exclusive, TWO] {
        assert!(is_refused(&mut story, tries(kind)), "{kind}");
    }
    let writer = story.arrive("a", waits(Kind::Exclusive)).expect("it waits");
    assert!(matches!(story.next(writer), Step::Pending));
    assert!(is_refused(&mut story, tries(SHARED)), "nobody passes the writer");
    let next = story.arrive("a", waits(SHARED)).expect("it waits");
    assert!(matches!(story.next(next), Step::Pending));
    story.end(reader, None);
    assert!(matches!(story.next(writer), Step::Pending), "the release is not answered yet");
    are_released(&mut story, SHARED);
    assert!(matches!(story.next(writer), Step::Send(AcquireRequest::Ask(_))));
    let sent = story.now;
    story.grant(writer, sent);
    assert!(matches!(story.next(next), Step::Pending));
    story.end(writer, None);
    are_released(&mut story, Kind::Exclusive);
    looks(&mut story, next, SHARED);
}

#[test]
fn a_client_that_holds_all_permits_refuses_a_try_and_has_who_waits_stand_in_line() {
    let mut story = Story::new();
    let (one, two) = (holds(&mut story, TWO), holds(&mut story, TWO));
    assert!(is_refused(&mut story, tries(TWO)));
    let (other, sent) = story.ask("a", tries(Kind::permits(3)));
    story.held_elsewhere(other, sent, TTL);
    let three = story.arrive("a", waits(TWO)).expect("it waits");
    let look = looks(&mut story, three, TWO);
    story.found_held(three);
    story.end(one, None);
    are_released(&mut story, TWO);
    story.push(&Grant {
        key: "a".into(),
        token: look.token,
        fence: 9,
        fences: 1,
        first_lease: ms(1000),
        clock: clock(story.now),
    });
    story.granted(three, 9);
    story.end(two, None);
    are_released(&mut story, TWO);
}

#[test]
fn a_reader_does_not_wait_for_the_release_of_another() {
    let mut story = Story::new();
    let reader = holds(&mut story, SHARED);
    story.end(reader, None);
    let next = story.arrive("a", waits(SHARED)).expect("it waits");
    looks(&mut story, next, SHARED);
    // A permit may be the very one that is given back.
    let mut story = Story::new();
    let holder = holds(&mut story, TWO);
    story.end(holder, None);
    let next = story.arrive("a", waits(TWO)).expect("it waits");
    assert!(matches!(story.next(next), Step::Pending));
    are_released(&mut story, TWO);
    looks(&mut story, next, TWO);
}

#[test]
fn each_is_renewed_and_lost_by_itself() {
    let mut story = Story::new();
    let (one, two) = (holds(&mut story, SHARED), holds(&mut story, SHARED));
    let renewals = story.next_work();
    let sent = story.now;
    assert_eq!(renewals.len(), 2, "those of one client go together: {renewals:?}");
    for (id, answer) in [(one, Renewed::NotOurs), (two, Renewed::Renewed)] {
        let token = story.token(id);
        assert!(renewals.iter().any(|job| matches!(job, Sent::Renew(r) if r.token == token && r.kind == SHARED)));
        story.renewed(id, sent, Ok(answer));
    }
    assert_eq!(story.lost, [(0, LossReason::Stolen)]);
    story.end(one, None);
    story.pass(ms(27_000));
    assert!(story.client.lapsed(story.now, two).is_ok(), "the other holds on");
    story.end(two, None);
    assert_eq!(are_released(&mut story, SHARED), 2);
    story.assert_nothing_is_left();
}

#[test]
fn one_that_expires_is_lost_while_another_holds_on() {
    let mut story = Story::new();
    let short = Terms { ttl: ms(2000), renew: false, ..waits(SHARED) };
    let one = story.arrive("a", short).expect("nothing refuses it");
    looks(&mut story, one, SHARED);
    let sent = story.now;
    story.grant(one, sent);
    let two = holds(&mut story, SHARED);
    let jobs = story.next_work();
    assert!(jobs.is_empty(), "{jobs:?}");
    assert_eq!(story.lost, [(0, LossReason::Expired)]);
    for id in [one, two] {
        story.end(id, None);
    }
    assert_eq!(are_released(&mut story, SHARED), 2);
}

#[test]
fn a_task_that_does_not_look_leaves_its_place_and_the_others_hold_on() {
    let mut story = Story::new();
    let one = holds(&mut story, SHARED);
    let two = story.arrive("a", waits(SHARED)).expect("it waits");
    looks(&mut story, two, SHARED);
    let sent = story.now;
    story.answer(two, sent, Ok(Acquired::Granted { fence: 8 }));
    story.pass(ms(1000));
    assert_eq!(are_released(&mut story, SHARED), 1);
    assert_eq!(story.passed_over, [1]);
    assert!(matches!(story.next(two), Step::Pending));
    looks(&mut story, two, SHARED);
    story.cancelled(two);
    story.end(one, None);
    let left = story.work().len();
    assert!(left >= 2, "both are given back: {left}");
}

#[test]
fn whoever_closes_loses_all_of_them() {
    let mut story = Story::new();
    let ids = [holds(&mut story, SHARED), holds(&mut story, SHARED)];
    story.client.close(story.now, ms(100), 99);
    assert!(matches!(story.arrive("a", waits(SHARED)), Err(Refusal::ShuttingDown)));
    story.pass(ms(100));
    story.work();
    story.collect_actions();
    story.lost.sort_unstable_by_key(|(caller, _)| *caller);
    assert_eq!(story.lost, [(0, LossReason::Shutdown), (1, LossReason::Shutdown)]);
    for id in ids {
        story.end(id, None);
    }
    assert_eq!(are_released(&mut story, SHARED), 2);
}

#[test]
fn a_writer_that_becomes_a_reader_counts_as_one_at_once_and_asks_until_it_is_answered() {
    let mut story = Story::new();
    let writer = story.hold("a", waits(Kind::Exclusive));
    let reader = story.arrive("a", waits(SHARED)).expect("it waits");
    assert!(matches!(story.next(reader), Step::Pending));
    let renewal = story.client.downgrade(story.now, writer);
    let Sent::Downgrade(downgrade) = story.only_job() else { panic!("it is asked for") };
    assert_eq!((downgrade.token, downgrade.ttl), (story.token(writer), TTL));
    looks(&mut story, reader, SHARED);
    let sent = story.now;
    story.grant(reader, sent);
    story.renewed(writer, sent, Err(error(StoreErrorKind::Disconnected)));
    let again = story.next_work();
    assert!(matches!(again[..], [Sent::Downgrade(_)]), "{again:?}");
    let sent = story.now;
    story.renewed(writer, sent, Ok(Renewed::Renewed));
    assert!(matches!(story.client.manual_next(story.now, writer, renewal), ManualStep::Renewed));
    let later = story.next_work();
    assert!(later.iter().any(|job| matches!(job, Sent::Renew(renewal) if renewal.kind == SHARED)), "{later:?}");
    story.end(writer, None);
}

#[test]
fn what_a_renewal_before_the_downgrade_is_answered_ends_nothing() {
    let mut story = Story::new();
    let writer = story.hold("a", waits(Kind::Exclusive));
    let renewals = story.next_work();
    assert!(matches!(renewals[..], [Sent::Renew(_)]));
    let sent = story.now;
    story.pass(ms(1));
    story.client.downgrade(story.now, writer);
    // It came behind the downgrade, where no token is the lock's value.
    story.renewed(writer, sent, Ok(Renewed::NotOurs));
    assert_eq!(story.lost, []);
    let jobs = story.next_work();
    assert!(matches!(jobs[..], [Sent::Downgrade(_)]), "{jobs:?}");
    let sent = story.now;
    story.renewed(writer, sent, Ok(Renewed::NotOurs));
    assert_eq!(story.lost, [(0, LossReason::Stolen)]);
    story.end(writer, None);
    assert_eq!(are_released(&mut story, SHARED), 1);
}
