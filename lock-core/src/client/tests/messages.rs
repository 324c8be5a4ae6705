//! Grant messages: over which session, from when they count, and what becomes of those that arrive late.

use super::*;

#[test]
fn a_message_is_never_counted_from_later_than_its_arrival() {
    let mut story = Story::new();
    let (id, look) = story.queue("a", patient());
    story.pass(ms(10));
    story.push(&grant(look.token, 9, ms(1000), ahead(story.now, 60_000_000)));
    assert_eq!(story.granted(id, 9), deadline(story.now, ms(1000)));
}

#[test]
fn a_message_that_overtakes_the_reply_is_counted_from_the_question() {
    let mut story = Story::new();
    let (id, sent) = story.ask("a", patient());
    story.answer(id, sent, Ok(Acquired::Held { for_at_most: None, queued_at: None }));
    let Step::Send(AcquireRequest::Enqueue(look)) = story.next(id) else { panic!("it looks at once") };
    let asked = story.now;
    story.pass(ms(200));
    story.push(&grant(look.token, 9, ms(1000), clock(story.now)));
    assert_eq!(story.granted(id, 9), deadline(asked, ms(1000)));
    // The reply arrives after all, and settles what the look has done.
    story.answer(id, asked, Ok(Acquired::Held { for_at_most: Some(TTL), queued_at: Some(clock(asked)) }));
    story.end(id, None);
    assert_eq!(release_of(story.only_job()).1.leave, None);
}

#[test]
fn a_message_by_another_clock_is_counted_from_the_question() {
    let mut story = Story::new();
    let (id, look) = story.queue("a", patient());
    let asked = story.now;
    story.pass(ms(300));
    // By the readings alone the hand-over was just now.
    let other = ClockReading { of: ClockId::from_bits(2), ..clock(story.now) };
    story.push(&Grant { clock: other, ..grant(look.token, 9, ms(1000), clock(story.now)) });
    assert_eq!(story.granted(id, 9), deadline(asked, ms(1000)));
}

#[test]
fn a_message_that_comes_too_late_is_given_back_and_the_old_place_asked_for() {
    let mut story = Story::new();
    let (id, look) = story.queue("a", patient());
    let place = clock(story.now).micros;
    story.pass(ms(1100));
    story.push(&grant(look.token, 9, ms(1000), ahead(story.now, -1_000_000)));
    assert!(matches!(story.next(id), Step::Pending), "no body may start");
    let (release, given_back, _) = release_of(story.only_job());
    assert_eq!(given_back.token, look.token);
    story.released(release, KEEPER, Ok(Released::Freed));
    let Step::Send(AcquireRequest::Enqueue(again)) = story.next(id) else {
        panic!("it is in a queue, and goes there again")
    };
    let entry = again.entry;
    assert_ne!(again.token, look.token);
    assert_eq!((entry.since, entry.first_lease), (Some(place), ms(2000)), "and asks for twice the time");
}

/// A process that was stopped handles everything in one instant when it continues.
#[test]
fn an_answer_for_a_token_that_was_given_back_in_the_same_instant_grants_nothing() {
    let mut story = Story::new();
    let (id, look) = story.queue("a", patient());
    let enqueued = story.now;
    story.pass(ms(1300));
    let Sent::Ask(_, AcquireRequest::Enqueue(again), _) = story.only_job() else { panic!("its rest is over") };
    assert_eq!(again.token, look.token);
    story.push(&grant(look.token, 9, ms(1000), clock(enqueued)));
    let (_, release, _) = release_of(story.only_job());
    assert_eq!(release.token, look.token);
    story.answer(id, story.now, Ok(Acquired::Granted { fence: 10 }));
    assert!(matches!(story.next(id), Step::Pending), "that lock was given back");
}

#[test]
fn a_key_that_nobody_waits_for_is_given_back_at_once() {
    let mut story = Story::new();
    let (id, look) = story.queue("a", patient());
    story.cancelled(id);
    let (leaving, release, _) = release_of(story.only_job());
    assert_eq!((release.token, release.leave), (look.token, Some(Box::new(look.entry))));
    story.push(&grant(look.token, 9, ms(1000), clock(story.now)));
    let (giving_back, release, _) = release_of(story.only_job());
    assert_eq!(release.token, look.token);
    story.released(leaving, KEEPER, Ok(Released::Freed));
    story.released(giving_back, KEEPER, Ok(Released::NotOurs));
    story.assert_nothing_is_left();
}

#[test]
fn a_grant_that_is_told_twice_counts_once() {
    let mut story = Story::new();
    let (id, look) = story.queue("a", patient());
    story.push(&grant(look.token, 9, ms(1000), clock(story.now)));
    story.granted(id, 9);
    story.push(&grant(look.token, 10, ms(1000), clock(story.now)));
    assert!(story.work().is_empty());
    story.granted(id, 9);
}

#[test]
fn a_grant_that_is_told_again_to_the_next_holder_is_not_given_back() {
    let mut story = Story::new();
    let short = Terms { ttl: ms(2000), ..patient() };
    let (id, look) = story.queue("a", short);
    let next = story.arrive("a", short).expect("it waits");
    story.push(&Grant { fences: 2, ..grant(look.token, 9, ms(1000), clock(story.now)) });
    story.granted(id, 9);
    story.end(id, None);
    story.granted(next, 10);
    story.work();
    story.push(&grant(look.token, 9, ms(1000), clock(story.now)));
    assert!(story.work().is_empty());
}

#[test]
fn a_lease_by_message_is_renewed_at_once_if_others_of_this_process_are_to_have_it() {
    let mut story = Story::new();
    let (id, look) = story.queue("a", patient());
    story.arrive("a", patient()).expect("it waits");
    story.push(&Grant { fences: 2, ..grant(look.token, 9, ms(1000), clock(story.now)) });
    story.granted(id, 9);
    assert!(matches!(story.only_job(), Sent::Renew(..)));
}

#[test]
fn a_lease_by_message_is_renewed_soon_and_not_at_all_for_a_short_body() {
    let mut story = Story::new();
    let (id, look) = story.queue("a", patient());
    story.push(&grant(look.token, 9, ms(1000), clock(story.now)));
    story.granted(id, 9);
    story.pass(ms(9));
    assert!(story.work().is_empty());
    story.pass(ms(1));
    assert!(matches!(&story.work()[..], [Sent::Renew(renewal)] if renewal.ttl == TTL));
}

#[test]
fn a_message_over_an_old_session_is_left_to_the_look_over_the_new_one() {
    let mut story = Story::new();
    let (id, look) = story.queue("a", patient());
    story.client.disconnected();
    story.client.connected(story.now, SessionId(3), true);
    story.push(&grant(look.token, 9, ms(1000), clock(story.now)));
    let Sent::Ask(_, AcquireRequest::Enqueue(again), _) = story.only_job() else {
        panic!("it looks whether it missed anything")
    };
    // With its place, in case the store took it for dead.
    let since = again.entry.since.filter(|since| *since >= CLOCK);
    assert_eq!((again.token, again.entry), (look.token, look.entry.with_since(since)));
    assert!(since.is_some());
    let sent = story.now;
    story.answer(id, sent, Ok(Acquired::Granted { fence: 9 }));
    story.granted(id, 9);
    assert_eq!(story.client.tally(), Tally { by_look: 1, ..Tally::default() });
}

#[test]
fn a_new_session_says_nothing_of_the_clock_by_the_old_ones_readings() {
    let mut story = Story::new();
    let (id, look) = story.queue("a", patient());
    let asked = story.now;
    story.pass(ms(300));
    story.client.disconnected();
    story.client.connected(story.now, SessionId(3), true);
    story.client.handed_over(story.now, SessionId(3), &grant(look.token, 9, ms(1000), clock(story.now)));
    assert_eq!(story.granted(id, 9), deadline(asked, ms(1000)));
}

#[test]
fn a_waiter_who_is_told_of_nothing_says_for_how_long_it_is_alive() {
    let mut story = Story::unconnected();
    story.client.connected(story.now, KEEPER, false);
    let (_, look) = story.queue("a", patient());
    let entry = look.entry;
    assert_eq!(entry, Entry { alive_for: Some(ms(450)), ..entry.clone() });
    let queued = story.now;
    let Sent::Ask(_, AcquireRequest::Enqueue(look), _) = story.next_work().remove(0) else { panic!("it looks again") };
    assert!(story.now.since(queued) <= ms(150) && look.entry.alive_for.is_some());
}

#[test]
fn a_task_with_a_push_session_is_told_over_it() {
    let mut story = Story::new();
    let (own, name) = (HERE, ListenerId::from_bits(9));
    let id = story.arrive("a", patient()).expect("it waits");
    let here = Some(Via { session: own, listener: Some(name) });
    assert!(matches!(story.client.next(story.now, id, here), Step::Send(AcquireRequest::Ask(_))));
    let sent = story.now;
    story.answer(id, sent, Ok(Acquired::Held { for_at_most: None, queued_at: None }));
    let Step::Send(AcquireRequest::Enqueue(look)) = story.client.next(story.now, id, here) else {
        panic!("it looks at once")
    };
    assert_eq!((look.entry.listener, look.entry.alive_for), (name, None));
    story.found_held(id);
    let Sent::Ask(_, AcquireRequest::Enqueue(again), over) = story.next_work().remove(0) else {
        panic!("it looks again")
    };
    let since = again.entry.since;
    assert!(since.is_some());
    assert_eq!((again.entry, over), (look.entry.with_since(since), own));
    story.found_held(id);
    story.push(&grant(look.token, 9, ms(1000), clock(story.now)));
    assert!(matches!(story.next(id), Step::Pending), "that is not its push session");
    story.client.handed_over(story.now, own, &grant(look.token, 9, ms(1000), clock(story.now)));
    story.granted(id, 9);
}

#[test]
fn a_waiter_whose_own_session_is_gone_goes_to_its_old_place_under_another_name() {
    let mut story = Story::new();
    let here = Some(Via { session: HERE, listener: Some(ListenerId::from_bits(9)) });
    let id = story.arrive("a", patient()).expect("it waits");
    assert!(matches!(story.client.next(story.now, id, here), Step::Send(AcquireRequest::Ask(_))));
    let sent = story.now;
    story.answer(id, sent, Ok(Acquired::Held { for_at_most: None, queued_at: None }));
    let Step::Send(AcquireRequest::Enqueue(look)) = story.client.next(story.now, id, here) else {
        panic!("it looks at once")
    };
    let place = clock(story.now).micros;
    story.found_held(id);
    assert!(matches!(story.next_work()[..], [Sent::Ask(_, _, HERE)]));
    story.client.cut_off(story.now, id);
    let (leaving, release, _) = release_of(story.only_job());
    assert_eq!((release.token, release.leave), (look.token, Some(Box::new(look.entry))));
    story.released(leaving, KEEPER, Ok(Released::NotOurs));
    let Step::Send(AcquireRequest::Enqueue(again)) = story.next(id) else { panic!("it queues again") };
    let entry = again.entry;
    assert_eq!((entry.listener, entry.since), (LISTENER, Some(place)));
    assert_ne!(again.token, look.token);
}
