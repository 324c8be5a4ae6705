//! How a lease is handed over inside a process, and by a rotation.

use super::*;

#[test]
fn a_lease_is_handed_over_locally_without_a_request_and_with_the_next_fence() {
    let mut story = Story::new();
    let (mut holder, waiters) = story.hold_with_fences(patient(), 4);
    for (fence, &waiter) in (101..).zip(&waiters) {
        story.end(holder, Some(ms(1000)));
        assert!(matches!(
            story.client.release_next(story.now, holder, Some(HERE)),
            ReleaseStep::Done(Ok(Released::Freed))
        ));
        story.granted(waiter, fence);
        holder = waiter;
    }
    assert!(story.work().is_empty(), "nothing was sent");
    assert_eq!((story.client.tally().locally, story.client.held()), (3, 1));
}

#[test]
fn after_thirty_two_local_holders_other_processes_are_served() {
    let mut story = Story::new();
    let (mut holder, waiters) = story.hold_with_fences(patient(), 40);
    for (fence, &waiter) in (101..132).zip(&waiters) {
        story.end(holder, None);
        story.granted(waiter, fence);
        holder = waiter;
    }
    let (_, rotation) = story.rotate(holder);
    assert_eq!((rotation.next, rotation.fences), (story.token(waiters[31]), 32));
}

#[test]
fn after_twenty_milliseconds_other_processes_are_served() {
    let mut story = Story::new();
    let (holder, waiters) = story.hold_with_fences(patient(), 3);
    story.pass(ms(19));
    story.end(holder, None);
    story.granted(waiters[0], 101);
    story.pass(ms(1));
    story.rotate(waiters[0]);
}

#[test]
fn without_local_hand_over_each_end_is_a_rotation() {
    let mut story = Story::with(Settings { local_handover: false, ..settings() });
    let (holder, _) = story.hold_with_fences(patient(), 2);
    let (_, rotation) = story.rotate(holder);
    assert_eq!(rotation.token, story.token(holder));
}

#[test]
fn a_rotation_that_goes_on_counts_from_when_it_was_sent() {
    let mut story = Story::new();
    let holder = story.hold("a", patient());
    let next = story.arrive("a", patient()).expect("it waits");
    let (id, rotation) = story.rotate(holder);
    let (sent, token) = (story.now, rotation.token);
    story.pass(ms(500));
    story.rotated(id, Rotated::Retained { fence: 9 });
    assert_eq!(story.granted(next, 9), deadline(sent, TTL));
    assert_eq!(story.token(next), token, "the lease keeps its token");
}

#[test]
fn a_rotation_that_hands_over_leaves_the_next_in_the_queue() {
    let mut story = Story::new();
    let holder = story.hold("a", patient());
    let next = story.arrive("a", patient()).expect("it waits");
    let (id, rotation) = story.rotate(holder);
    let sent = story.now;
    story.rotated(id, Rotated::HandedOver { clock: clock(sent) });
    assert!(matches!(story.next(next), Step::Pending));
    story.pass(ms(300));
    story.push(&grant(rotation.next, 40, ms(1000), clock(story.now)));
    let counted_from = sent + ms(297);
    assert_eq!(story.granted(next, 40), deadline(counted_from, ms(1000)));
    assert_eq!(story.client.tally(), Tally { by_message: 1, ..Tally::default() });
}

#[test]
fn a_waiter_with_a_longer_ttl_is_served_by_a_renewal_first() {
    let mut story = Story::new();
    let (holder, waiters) = story.hold_with_fences(Terms { ttl: ms(3000), ..patient() }, 2);
    let long = story.arrive("a", Terms { max_hold: Some(TTL), ..patient() }).expect("it waits");
    story.cancelled(waiters[0]);
    story.end(holder, None);
    assert!(matches!(story.next(long), Step::Pending), "a tenth of its ttl is left");
    let Sent::Renew(renewal) = story.only_job() else { panic!("it is renewed first") };
    let sent = story.now;
    assert_eq!((renewal.token, renewal.ttl), (story.token(long), TTL));
    story.pass(ms(50));
    story.renewed(long, sent, Ok(Renewed::Renewed));
    assert_eq!(story.granted(long, 101), deadline(sent, TTL));
    story.pass(usable(TTL));
    assert!(story.lost.is_empty(), "its time began with its grant");
}

#[test]
fn a_waiter_whose_lease_is_not_renewed_gets_its_whole_ttl() {
    let mut story = Story::new();
    let (holder, waiters) = story.hold_with_fences(Terms { renew: false, ..patient() }, 2);
    story.pass(ms(5));
    story.end(holder, None);
    assert!(matches!(story.next(waiters[0]), Step::Pending));
    assert!(matches!(story.only_job(), Sent::Renew(..)));
    let sent = story.now;
    story.renewed(waiters[0], sent, Ok(Renewed::Renewed));
    assert_eq!(story.granted(waiters[0], 101), deadline(sent, TTL));
    story.pass(TTL / 2);
    assert!(story.work().is_empty(), "and is not renewed");
}

#[test]
fn a_lease_that_is_gone_before_its_next_holder_begins_is_waited_for_again() {
    let mut story = Story::new();
    let (holder, waiters) = story.hold_with_fences(Terms { renew: false, ..patient() }, 2);
    story.pass(ms(5));
    story.end(holder, None);
    assert!(matches!(story.only_job(), Sent::Renew(..)));
    let (sent, token) = (story.now, story.token(waiters[0]));
    story.renewed(waiters[0], sent, Ok(Renewed::NotOurs));
    let (release, given_back, _) = release_of(story.only_job());
    assert_eq!(given_back.token, token);
    story.released(release, KEEPER, Ok(Released::NotOurs));
    let Step::Send(AcquireRequest::Ask(ask)) = story.next(waiters[0]) else { panic!("it may ask") };
    assert_ne!(ask.token, token);
}

#[test]
fn a_waiter_behind_a_renewal_without_an_answer_is_refused_in_time() {
    let mut story = Story::new();
    let terms = Terms { renew: false, ttl: TTL * 10, ..terms(Wait::AtMost(ms(7000))) };
    let (holder, waiters) = story.hold_with_fences(terms, 2);
    let arrived = story.now;
    story.pass(ms(5));
    story.end(holder, None);
    story.woken();
    while story.woken().is_empty() {
        story.next_work();
    }
    assert!(matches!(story.next(waiters[0]), Step::Refused(Refusal::Unavailable(_))));
    assert_eq!(story.now.since(arrived), ms(7000));
}

#[test]
fn a_waiter_whose_time_is_up_while_its_lease_is_renewed_was_kept_waiting_by_a_neighbour() {
    let mut story = Story::new();
    let (first, look) = story.queue("a", patient());
    let late = story.arrive("a", terms(Wait::AtMost(ms(7000)))).expect("it waits");
    story.now = story.now + ms(6995);
    story.push(&Grant { fences: 2, ..grant(look.token, 9, ms(1000), clock(story.now)) });
    story.granted(first, 9);
    story.end(first, None);
    assert!(matches!(story.next(late), Step::Pending), "it needs more than a first lease");
    story.pass(ms(5));
    story.work();
    assert!(matches!(story.next(late), Step::Refused(Refusal::Busy { .. })));
}

#[test]
fn a_renewal_under_way_is_the_next_holders() {
    let mut story = Story::new();
    let (holder, waiters) = story.hold_with_fences(patient(), 2);
    story.client.renew_manually(story.now, holder, TTL * 2);
    assert!(matches!(story.only_job(), Sent::Renew(..)));
    let sent = story.now;
    story.pass(ms(5));
    story.end(holder, None);
    story.client.renewed(story.now, holder.key, story.token(waiters[0]), (sent, TTL * 2), Ok(Renewed::Renewed));
    assert_eq!(story.granted(waiters[0], 101), deadline(sent, TTL * 2));
}

#[test]
fn a_release_goes_behind_the_renewal_that_was_under_way_when_the_lease_came() {
    let mut story = Story::new();
    let (holder, waiters) = story.hold_with_fences(patient(), 2);
    let unrenewed = Terms { ttl: TTL / 2, renew: false, min_hold: Some(ms(1000)), ..patient() };
    let heir = story.arrive("a", unrenewed).expect("it waits");
    story.cancelled(waiters[0]);
    story.client.renew_manually(story.now, holder, TTL);
    assert!(matches!(story.only_job(), Sent::Renew(..)));
    story.end(holder, None);
    story.granted(heir, 101);
    story.end(heir, Some(ms(5000)));
    assert!(matches!(story.client.release_next(story.now, heir, Some(HERE)), ReleaseStep::Pending));
    let (_, order, via) = release_of(story.only_job());
    assert_eq!((order.keep, via), (Some(ms(1000)), None), "a renewal behind it would make the key last");
}

#[test]
fn a_renewal_of_the_holder_before_is_not_tried_again_for_one_without_renewals() {
    let mut story = Story::new();
    let (holder, waiters) = story.hold_with_fences(patient(), 2);
    let heir = story.arrive("a", Terms { ttl: TTL / 2, renew: false, ..patient() }).expect("it waits");
    story.cancelled(waiters[0]);
    story.client.renew_manually(story.now, holder, TTL);
    assert!(matches!(story.only_job(), Sent::Renew(..)));
    let sent = story.now;
    story.end(holder, None);
    story.granted(heir, 101);
    story.renewed(heir, sent, Err(error(StoreErrorKind::Disconnected)));
    story.pass(TTL / 4);
    assert!(story.work().is_empty());
}

#[test]
fn while_min_hold_lasts_the_lock_goes_to_nobody() {
    let mut story = Story::new();
    let first = story.hold("a", patient());
    let keeps = story.arrive("a", Terms { min_hold: Some(ms(1000)), ..patient() }).expect("it waits");
    story.arrive("a", patient()).expect("it waits");
    let (id, _) = story.rotate(first);
    story.rotated(id, Rotated::Retained { fence: 9 });
    story.granted(keeps, 9);
    story.pass(ms(400));
    story.end(keeps, None);
    assert_eq!(release_of(story.only_job()).1.keep, Some(ms(600)));
}

#[test]
fn a_heir_that_leaves_passes_the_lease_on() {
    let mut story = Story::new();
    let (holder, waiters) = story.hold_with_fences(patient(), 3);
    story.end(holder, None);
    story.cancelled(waiters[0]);
    story.granted(waiters[1], 102);
}

#[test]
fn the_next_waiter_may_leave_while_its_rotation_is_in_flight() {
    let mut story = Story::new();
    let holder = story.hold("a", patient());
    let next = story.arrive("a", patient()).expect("it waits");
    let (id, rotation) = story.rotate(holder);
    story.cancelled(next);
    let (leaving, release, _) = release_of(story.only_job());
    assert_eq!((release.token, release.leave), (rotation.next, Some(Box::new(rotation.entry))));
    story.rotated(id, Rotated::Retained { fence: 9 });
    let (freeing, release, _) = release_of(story.only_job());
    assert_eq!(release.token, rotation.token, "nobody goes on");
    story.released(freeing, KEEPER, Ok(Released::Freed));
    story.released(leaving, KEEPER, Ok(Released::NotOurs));
    story.assert_nothing_is_left();
}

#[test]
fn a_rotation_without_an_answer_is_a_release_and_a_look() {
    let mut story = Story::new();
    let holder = story.hold("a", patient());
    let next = story.arrive("a", patient()).expect("it waits");
    let (id, rotation) = story.rotate(holder);
    story.client.released(story.now, id, Some(KEEPER), Err(StoreError::no_answer()));
    let jobs = story.work();
    let [Sent::Release(_, ReleaseRequest::Release(release), _), Sent::Ask(looking, AcquireRequest::Enqueue(look), _)] =
        &jobs[..]
    else {
        panic!("{jobs:?}")
    };
    assert_eq!((release.token, *looking), (rotation.token, next));
    assert_eq!((look.token, &look.entry), (rotation.next, &rotation.entry));
}

#[test]
fn a_rotation_at_a_store_that_only_frees_lets_the_next_ask() {
    let mut story = Story::new();
    let holder = story.hold("a", patient());
    let next = story.arrive("a", patient()).expect("it waits");
    let (id, _) = story.rotate(holder);
    story.rotated(id, Rotated::Freed);
    assert!(matches!(story.next(next), Step::Send(AcquireRequest::Ask(_))));
}

#[test]
fn a_place_in_the_queue_is_given_back_for_longer_than_a_short_ttl() {
    let mut story = Story::new();
    let (id, _) = story.queue("a", Terms { ttl: ms(100), ..patient() });
    story.cancelled(id);
    let (release, _, _) = release_of(story.only_job());
    story.pass(OPERATION);
    story.released(release, KEEPER, Err(error(StoreErrorKind::Disconnected)));
    let (release, order, _) = release_of(story.only_job());
    assert!(order.leave.is_some());
    story.released(release, KEEPER, Ok(Released::NotOurs));
    story.assert_nothing_is_left();
}

#[test]
fn a_lease_that_ends_when_the_next_waiter_has_timed_out_is_released_at_once() {
    let mut story = Story::new();
    let holder = story.hold("a", patient());
    let late = story.arrive("a", terms(Wait::AtMost(ms(100)))).expect("it waits");
    story.now = story.now + ms(100);
    story.end(holder, Some(ms(1000)));
    let step = story.client.release_next(story.now, holder, Some(HERE));
    assert!(matches!(step, ReleaseStep::Send(ReleaseRequest::Release(_))), "{step:?}");
    story.released(holder, HERE, Ok(Released::Freed));
    assert!(matches!(story.client.release_next(story.now, holder, Some(HERE)), ReleaseStep::Done(Ok(Released::Freed))));
    assert!(
        matches!(story.next(late), Step::Send(AcquireRequest::Ask(_))),
        "it asks once more, as one that does not wait"
    );
}

#[test]
fn whoever_does_not_wait_does_not_queue() {
    let mut story = Story::new();
    let (id, sent) = story.ask("a", no_wait());
    story.answer(id, sent, Err(error(StoreErrorKind::Disconnected)));
    assert!(matches!(story.only_job(), Sent::Ask(_, AcquireRequest::Look(_), _)), "it tries again");
}

#[test]
fn who_asks_again_for_a_contended_key_goes_to_its_queue_at_once() {
    let mut story = Story::new();
    let (id, look) = story.queue("a", patient());
    story.push(&grant(look.token, 9, ms(1000), clock(story.now)));
    story.granted(id, 9);
    story.end(id, None);
    let (release, _, _) = release_of(story.only_job());
    story.released(release, KEEPER, Ok(Released::Freed));
    let again = story.arrive("a", patient()).expect("it waits");
    assert!(matches!(story.next(again), Step::Send(AcquireRequest::Enqueue(_))));
    let hasty = story.arrive("b", no_wait()).expect("it asks");
    assert!(matches!(story.next(hasty), Step::Send(AcquireRequest::Ask(_))));
    story.taken(hasty, story.now);
    story.cancelled(again);
    story.pass(ms(1000));
    let (release, _, _) = release_of(story.only_job());
    story.released(release, KEEPER, Ok(Released::Freed));
    let later = story.arrive("a", patient()).expect("it waits");
    assert!(matches!(story.next(later), Step::Send(AcquireRequest::Ask(_))));
}
