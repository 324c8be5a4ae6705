//! Who asks, in which order, and what waiters are told.

use super::*;

#[test]
fn an_uncontended_lock_disturbs_nobody() {
    let mut story = Story::new();
    let id = story.hold("a", no_wait());
    assert!(story.work().is_empty());
    story.end(id, Some(ms(1000)));
    assert!(matches!(story.client.release_next(story.now, id, Some(HERE)), ReleaseStep::Send(_)));
    story.released(id, HERE, Ok(Released::Freed));
    assert!(matches!(story.client.release_next(story.now, id, Some(HERE)), ReleaseStep::Done(Ok(Released::Freed))));
    story.assert_nothing_is_left();
}

#[test]
fn one_call_of_a_key_asks_and_the_others_queue() {
    let mut story = Story::new();
    let (first, sent) = story.ask("a", patient());
    let second = story.arrive("a", patient()).expect("it waits");
    let other_key = story.arrive("b", patient()).expect("it waits");
    story.woken();
    assert!(matches!(story.next(second), Step::Pending));
    assert!(matches!(story.next(other_key), Step::Send(AcquireRequest::Ask(_))));
    story.grant(first, sent);
    assert!(matches!(story.next(second), Step::Pending));
}

#[test]
fn waiters_are_served_in_the_order_of_arrival() {
    // A lease with a min_hold is not handed over locally.
    let keeps = Terms { min_hold: Some(ms(1000)), ..patient() };
    let mut story = Story::new();
    let mut holder = story.hold("a", keeps);
    let waiters: Vec<_> = (0..3).map(|_| story.arrive("a", keeps).expect("it waits")).collect();
    story.woken();
    for (caller, &waiter) in (1..).zip(&waiters) {
        story.end(holder, None);
        let (id, _, _) = release_of(story.only_job());
        assert!(matches!(story.next(waiter), Step::Pending), "not before the release is answered");
        story.released(id, KEEPER, Ok(Released::Freed));
        assert_eq!(story.woken(), [caller]);
        assert!(matches!(story.next(waiter), Step::Send(AcquireRequest::Ask(_))));
        let sent = story.now;
        story.grant(waiter, sent);
        holder = waiter;
    }
}

#[test]
fn a_waiter_that_gives_up_is_passed_over() {
    let mut story = Story::new();
    let holder = story.hold("a", patient());
    let gone = story.arrive("a", patient()).expect("it waits");
    let next = story.arrive("a", patient()).expect("it waits");
    story.cancelled(gone);
    let next_token = story.token(next);
    story.end(holder, None);
    assert_eq!(rotation_of(story.only_job()).1.next, next_token);
}

#[test]
fn a_task_that_sleeps_through_its_rotation_is_helped_by_the_keeper() {
    let mut story = Story::new();
    let holder = story.hold("a", patient());
    let sleeper = story.arrive("a", patient()).expect("it waits");
    story.renewed(holder, story.now, Ok(Renewed::NotOurs));
    story.end(holder, None);
    let (id, _, _) = release_of(story.only_job());
    story.released(id, KEEPER, Ok(Released::Freed));
    let jobs = story.next_work();
    assert!(matches!(jobs[..], [Sent::Ask(id, AcquireRequest::Ask(_), _)] if id == sleeper), "{jobs:?}");
}

#[test]
fn who_does_not_wait_is_told_at_once_that_a_neighbour_holds() {
    let mut story = Story::new();
    story.hold("a", no_wait());
    assert!(matches!(story.arrive("a", no_wait()), Err(Refusal::Busy { .. })));
}

/// Until when a call that was refused is told that the key is held.
fn told_free_at(step: Step) -> Option<Moment> {
    match step {
        Step::Refused(Refusal::Busy { free_at }) => free_at,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_does_not_wait_asks_for_the_holders_ttl_and_is_told() {
    let mut story = Story::new();
    let id = story.arrive("a", no_wait()).expect("nothing refuses it");
    let Step::Send(AcquireRequest::Ask(ask)) = story.next(id) else { panic!("it asks") };
    assert!(ask.time_left);
    let sent = story.now;
    story.pass(ms(5));
    story.held_elsewhere(id, sent, ms(700));
    assert_eq!(told_free_at(story.next(id)), Some(story.now + ms(700)));
}

#[test]
fn who_waits_learns_the_holders_ttl_from_its_looks() {
    let mut story = Story::new();
    let (id, sent) = story.ask("a", terms(Wait::AtMost(ms(40))));
    story.taken(id, sent);
    assert!(matches!(story.next(id), Step::Send(AcquireRequest::Enqueue(_))));
    story.found_held(id);
    let answered = story.now;
    let behind = story.arrive("a", terms(Wait::AtMost(ms(30)))).expect("it waits");
    story.pass(ms(30));
    story.work();
    assert_eq!(told_free_at(story.next(behind)), Some(answered + TTL));
    story.pass(ms(10));
    story.work();
    assert_eq!(told_free_at(story.next(id)), Some(answered + TTL));
}

#[test]
fn what_was_learnt_is_not_told_once_it_is_past() {
    let mut story = Story::new();
    let (id, sent) = story.ask("a", terms(Wait::AtMost(ms(60))));
    story.held_elsewhere(id, sent, ms(50));
    story.pass(ms(60));
    story.work();
    assert_eq!(told_free_at(story.next(id)), None);
}

#[test]
fn a_neighbours_lease_is_told_with_its_whole_ttl() {
    let mut story = Story::new();
    let from = story.now;
    story.hold("a", no_wait());
    story.pass(ms(20));
    assert_eq!(story.arrive("a", no_wait()), Err(Refusal::Busy { free_at: Some(from + TTL) }));
    let waiter = story.arrive("a", terms(Wait::AtMost(ms(10)))).expect("it waits");
    story.pass(ms(10));
    story.work();
    assert_eq!(told_free_at(story.next(waiter)), Some(from + TTL));
}

#[test]
fn who_waited_is_told_that_a_neighbour_holds_however_long_the_wait_was() {
    for wait in [OPERATION / 2, OPERATION, OPERATION * 2] {
        let mut story = Story::new();
        let _holder = story.hold("a", Terms { ttl: TTL * 10, ..patient() });
        let waiter = story.arrive("a", terms(Wait::AtMost(wait))).expect("it waits");
        story.pass(wait);
        assert!(story.work().is_empty());
        let step = story.next(waiter);
        assert!(matches!(step, Step::Refused(Refusal::Busy { .. })), "{wait:?}: {step:?}");
    }
}

#[test]
fn who_does_not_wait_goes_behind_a_pending_release_and_is_woken_by_it() {
    let mut story = Story::new();
    let holder = story.hold("a", no_wait());
    story.end(holder, None);
    let next = story.arrive("a", no_wait()).expect("it waits for the release");
    assert!(matches!(story.next(next), Step::Pending));
    let (id, _, _) = release_of(story.only_job());
    story.released(id, KEEPER, Ok(Released::Freed));
    assert_eq!(story.woken(), [1]);
    assert!(matches!(story.next(next), Step::Send(AcquireRequest::Ask(_))));
}

#[test]
fn one_busy_answer_serves_all_who_came_before_its_question() {
    let mut story = Story::new();
    let (first, sent) = story.ask("a", no_wait());
    let before = story.arrive("a", no_wait()).expect("it waits for the answer");
    story.pass(ms(1));
    let after = story.arrive("a", no_wait()).expect("it waits for the answer");
    story.answer(first, sent, Ok(Acquired::Held { for_at_most: None, queued_at: None }));
    assert!(matches!(story.next(first), Step::Refused(Refusal::Busy { .. })));
    // The call that arrived when the request was sent shares its answer; the later one asks for itself.
    assert!(matches!(story.next(before), Step::Refused(Refusal::Busy { .. })));
    assert!(matches!(story.next(after), Step::Send(AcquireRequest::Ask(_))));
}

#[test]
fn a_neighbours_busy_answer_is_told_at_once_to_who_does_not_wait() {
    let mut story = Story::new();
    let (first, sent) = story.ask("a", patient());
    story.pass(ms(1));
    let after = story.arrive("a", no_wait()).expect("it waits for the answer");
    story.answer(first, sent, Ok(Acquired::Held { for_at_most: None, queued_at: None }));
    assert!(matches!(story.next(after), Step::Refused(Refusal::Busy { .. })), "the neighbour found_held before it");
}

#[test]
fn a_grant_tells_all_who_do_not_wait() {
    let mut story = Story::new();
    let (first, sent) = story.ask("a", no_wait());
    story.pass(ms(1));
    let late = story.arrive("a", no_wait()).expect("it waits for the answer");
    story.grant(first, sent);
    assert!(matches!(story.next(late), Step::Refused(Refusal::Busy { .. })));
}

#[test]
fn a_waiter_looks_again_until_its_time_is_up_and_is_then_told_busy() {
    let mut story = Story::new();
    let (id, sent) = story.ask("a", terms(Wait::AtMost(ms(1000))));
    let arrived = story.now;
    story.answer(id, sent, Ok(Acquired::Held { for_at_most: None, queued_at: None }));
    let mut looks = 0;
    while let [Sent::Ask(_, AcquireRequest::Enqueue(_), _)] = &story.next_work()[..] {
        looks += 1;
        let sent = story.now;
        story.held_elsewhere(id, sent, TTL);
    }
    assert!((6..=20).contains(&looks), "{looks} looks in a second");
    assert_eq!(story.now.since(arrived), ms(1000));
    assert!(matches!(story.next(id), Step::Refused(Refusal::Busy { .. })));
    let (leaving, release, _) = release_of(story.next_work().remove(0));
    assert!(release.leave.is_some(), "it leaves the queue");
    story.released(leaving, KEEPER, Ok(Released::NotOurs));
    story.assert_nothing_is_left();
}

#[test]
fn who_lost_its_connection_to_a_refusal_is_told_of_the_refusal() {
    let mut story = Story::new();
    let (id, sent) = story.ask("a", terms(Wait::AtMost(OPERATION)));
    story.client.disconnected();
    story.answer(id, sent, Err(error(StoreErrorKind::Disconnected)));
    story.client.out_of_reach(error(StoreErrorKind::Refused));
    story.pass(OPERATION);
    story.work();
    let Step::Refused(Refusal::Unavailable(told)) = story.next(id) else { panic!("its time is up") };
    assert_eq!(told.kind(), StoreErrorKind::Refused);
}

#[test]
fn a_waiter_whose_time_is_up_while_a_neighbour_looks_is_told_busy() {
    let mut story = Story::new();
    let (first, sent) = story.ask("a", patient());
    let late = story.arrive("a", terms(Wait::AtMost(OPERATION))).expect("it waits");
    story.answer(first, sent, Ok(Acquired::Held { for_at_most: None, queued_at: None }));
    while story.now.since(sent) + ms(200) < OPERATION {
        story.next_work();
        let sent = story.now;
        story.held_elsewhere(first, sent, TTL);
    }
    // This look is still in flight.
    assert!(matches!(story.next_work()[..], [Sent::Ask(_, AcquireRequest::Enqueue(_), _)]));
    story.now = sent + OPERATION;
    assert!(story.work().is_empty());
    assert!(matches!(story.next(late), Step::Refused(Refusal::Busy { .. })));
}

#[test]
fn a_waiter_whose_time_is_up_while_a_neighbour_gives_back_is_told_busy() {
    let mut story = Story::new();
    let holder = story.hold("a", Terms { min_hold: Some(OPERATION), ..patient() });
    let late = story.arrive("a", terms(Wait::AtMost(OPERATION))).expect("it waits");
    story.pass(OPERATION / 2);
    story.end(holder, None);
    assert!(matches!(story.only_job(), Sent::Release(..)));
    story.pass(OPERATION / 2);
    story.work();
    assert!(matches!(story.next(late), Step::Refused(Refusal::Busy { .. })));
}

#[test]
fn a_waiter_looks_as_soon_as_the_holder_expires() {
    let mut story = Story::new();
    let (id, sent) = story.ask("a", patient());
    story.held_elsewhere(id, sent, ms(20));
    let before = story.now;
    assert!(matches!(story.next_work()[..], [Sent::Ask(_, AcquireRequest::Enqueue(_), _)]));
    assert!(story.now.since(before) <= ms(25));
}

#[test]
fn an_ask_without_an_answer_is_followed_by_a_look_with_the_same_token() {
    let mut story = Story::new();
    let id = story.arrive("a", patient()).expect("it waits");
    let Step::Send(AcquireRequest::Ask(ask)) = story.next(id) else { panic!("it may ask") };
    let jobs = story.next_work();
    let [Sent::Ask(_, AcquireRequest::Enqueue(look), _)] = &jobs[..] else { panic!("{jobs:?}") };
    assert_eq!(look.token, ask.token);
}

#[test]
fn trouble_is_retried_until_the_operation_time_out_and_told_as_unavailable() {
    let mut story = Story::new();
    let (id, sent) = story.ask("a", no_wait());
    let arrived = story.now;
    story.answer(id, sent, Err(error(StoreErrorKind::Disconnected)));
    let mut looks = 0;
    while let [Sent::Ask(..)] = story.next_work()[..] {
        looks += 1;
        let sent = story.now;
        story.answer(id, sent, Err(error(StoreErrorKind::Disconnected)));
    }
    assert!((5..40).contains(&looks), "{looks} looks");
    assert_eq!(story.now.since(arrived), OPERATION);
    assert!(matches!(story.next(id), Step::Refused(Refusal::Unavailable(_))));
}

#[test]
fn a_refusal_by_the_store_is_told_at_once() {
    let mut story = Story::new();
    let (id, sent) = story.ask("a", patient());
    story.answer(id, sent, Err(error(StoreErrorKind::Refused)));
    assert!(matches!(story.next(id), Step::Refused(Refusal::Unavailable(_))));
    // Whatever the error, a part of it may have taken effect.
    let (_, _, via) = release_of(story.only_job());
    assert_eq!(via, Some(HERE));
}

#[test]
fn a_store_that_is_not_ready_is_waited_for_no_longer_than_a_busy_lock() {
    let mut story = Story::new();
    let (hasty, sent) = story.ask("a", no_wait());
    let (patient, sent_too) = story.ask("b", patient());
    story.answer(hasty, sent, Err(error(StoreErrorKind::Unready)));
    story.answer(patient, sent_too, Err(error(StoreErrorKind::Unready)));
    assert!(matches!(story.next(hasty), Step::Refused(Refusal::Unavailable(_))));
    assert!(matches!(story.next(patient), Step::Pending));
}

#[test]
fn whoever_has_looked_often_is_not_late_after_one_look_without_an_answer() {
    let mut story = Story::new();
    let (id, sent) = story.ask("a", patient());
    story.taken(id, sent);
    assert!(matches!(story.next(id), Step::Send(AcquireRequest::Enqueue(_))));
    for _ in 0..10 {
        let sent = story.now;
        story.answer(id, sent, Ok(Acquired::Held { for_at_most: Some(TTL), queued_at: Some(clock(sent)) }));
        assert!(matches!(story.next_work()[..], [Sent::Ask(_, AcquireRequest::Enqueue(_), _)]));
    }
    story.answer(id, story.now, Err(error(StoreErrorKind::Disconnected)));
    assert!(matches!(story.only_job(), Sent::Ask(_, AcquireRequest::Enqueue(_), _)), "the first retry is at once");
    story.answer(id, story.now, Err(error(StoreErrorKind::Disconnected)));
    assert!(story.work().is_empty(), "and the next is not");
}

#[test]
fn without_a_connection_asks_are_parked_and_woken_when_it_is_back() {
    let mut story = Story::unconnected();
    let id = story.arrive("a", patient()).expect("it waits");
    assert!(matches!(story.client.next(story.now, id, None), Step::Pending));
    assert!(story.work().is_empty());
    story.client.connected(story.now, KEEPER, true);
    assert!(matches!(story.work()[..], [Sent::Ask(_, AcquireRequest::Ask(_), _)]));
}

#[test]
fn without_a_connection_an_acquire_fails_when_its_time_is_up() {
    let mut story = Story::unconnected();
    let id = story.arrive("a", no_wait()).expect("it waits for the connection");
    let arrived = story.now;
    assert!(matches!(story.client.next(story.now, id, None), Step::Pending));
    assert!(story.work().is_empty());
    assert!(story.next_work().is_empty());
    assert_eq!(story.now.since(arrived), OPERATION);
    assert!(matches!(story.next(id), Step::Refused(Refusal::Unavailable(_))));
    story.assert_nothing_is_left();
}

#[test]
fn a_grant_that_comes_too_late_is_given_back_and_asked_for_again_under_a_new_token() {
    let mut story = Story::new();
    let short = Terms { ttl: ms(100), ..patient() };
    let id = story.arrive("a", short).expect("it waits");
    let Step::Send(AcquireRequest::Ask(ask)) = story.next(id) else { panic!("it may ask") };
    let sent = story.now;
    story.pass(ms(93));
    story.answer(id, sent, Ok(Acquired::Granted { fence: 1 }));
    let (release_id, release, _) = release_of(story.only_job());
    assert_eq!((release.token, release.keep), (ask.token, None));
    assert!(matches!(story.next(id), Step::Pending));
    story.released(release_id, KEEPER, Ok(Released::Freed));
    let Step::Send(AcquireRequest::Ask(again)) = story.next(id) else { panic!("it may ask") };
    assert_ne!(again.token, ask.token);
}
