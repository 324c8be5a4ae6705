//! Those who wait: every one of them has the listener 7, which listens unless a test says otherwise.

use super::*;

const LISTENER: ListenerId = ListenerId::from_bits(7);
const FIRST: Duration = Duration::from_secs(1);

fn token(bits: u128) -> Token {
    Token::from_bits(bits)
}

/// What the clock shows then.
fn reading(seconds: u64) -> ClockReading {
    ClockReading::new(ClockId::from_bits(0), seconds * 1_000_000)
}

fn entry() -> Entry {
    Entry::new(LISTENER, FIRST).with_fences(4)
}

fn queueing(token: u128, entry: Entry) -> Enqueue {
    Enqueue::new("a", self::token(token), TTL, entry).with_fences(1)
}

fn rotate(token: u128, next: u128) -> Rotate {
    Rotate::new("a", self::token(token), TTL, self::token(next), entry())
}

fn leave(token: u128) -> Release {
    Release { leave: Some(Box::new(entry())), ..release("a", token, None) }
}

/// A model whose key `a` token 1 took at 0 s, and for which each of these tokens queued, the first at 1 s, the next at
/// 2 s and so on.
fn queue_of(waiters: &[u128]) -> Model {
    let mut model = Model::default();
    model.listen(LISTENER);
    model.acquire(at(0), &ask("a", 1));
    for (second, waiter) in (1..).zip(waiters) {
        let answer = model.enqueue(at(second), &queueing(*waiter, entry()));
        let left = TTL.saturating_sub(Duration::from_secs(second));
        assert_eq!(answer, Acquired::Held { for_at_most: Some(left), queued_at: Some(reading(second)) });
    }
    model
}

/// To whom the key went since the last call.
fn heirs(model: &mut Model) -> Vec<Token> {
    model.take_grants().into_iter().map(|(_, grant)| grant.token).collect()
}

/// Who has the key, one after the other, if each heir gives it back at once.
fn line(model: &mut Model, now: Moment, holder: u128) -> Vec<Token> {
    let (mut line, mut holder) = (Vec::new(), token(holder));
    while let (Released::Freed, [heir]) =
        (model.release(now, &release("a", holder.bits(), None)), heirs(model).as_slice())
    {
        line.push(*heir);
        holder = *heir;
    }
    line
}

#[test]
fn a_release_makes_the_key_the_first_waiters_and_says_so() {
    let mut model = queue_of(&[2, 3]);
    assert_eq!(model.release(at(4), &release("a", 1, None)), Released::Freed);
    let grant = Grant { key: "a".into(), token: token(2), fence: 2, fences: 4, first_lease: FIRST, clock: reading(4) };
    assert_eq!(model.take_grants(), [(LISTENER, grant)]);
    assert_eq!(model.take_grants(), []);
    assert_eq!(model.look(at(4), &look("a", 9)), Acquired::Held { for_at_most: Some(FIRST), queued_at: None });
}

#[test]
fn a_granted_lease_lasts_from_the_clock_in_the_grant_and_no_longer() {
    let mut model = queue_of(&[2]);
    model.release(at(4), &release("a", 1, None));
    let almost = at(5) - Duration::from_nanos(1);
    assert!(matches!(model.acquire(almost, &ask("a", 9)), Acquired::Held { .. }));
    assert!(matches!(model.acquire(at(5), &ask("a", 9)), Acquired::Granted { .. }));
}

#[test]
fn waiters_are_served_in_the_order_of_their_first_look() {
    let mut model = queue_of(&[5, 3, 4, 2]);
    model.enqueue(at(5), &queueing(5, entry()));
    assert_eq!(line(&mut model, at(6), 1), [5, 3, 4, 2].map(token));
    assert!(matches!(model.acquire(at(6), &ask("a", 9)), Acquired::Granted { .. }));
}

#[test]
fn of_two_who_came_in_one_microsecond_the_lower_token_is_first() {
    let mut model = queue_of(&[4]);
    model.enqueue(at(1), &queueing(3, entry()));
    model.enqueue(at(1) + Duration::from_nanos(999), &queueing(2, entry()));
    assert_eq!(line(&mut model, at(6), 1), [2, 3, 4].map(token));
}

#[test]
fn who_queued_before_takes_its_old_place_but_none_in_the_future() {
    let mut model = queue_of(&[2, 3]);
    let since = |micros| Entry { since: Some(micros), ..entry() };
    model.enqueue(at(4), &queueing(4, since(1_500_000)));
    model.enqueue(at(5), &queueing(6, since(u64::MAX)));
    model.enqueue(at(6), &queueing(5, since(u64::MAX)));
    assert_eq!(line(&mut model, at(7), 1), [2, 4, 3, 6, 5].map(token));
}

#[test]
fn queueing_again_changes_neither_place_nor_entry() {
    let mut model = queue_of(&[2, 3]);
    let other = Entry { since: Some(0), fences: 9, first_lease: TTL, ..entry() };
    model.enqueue(at(4), &queueing(3, other));
    model.release(at(5), &release("a", 1, None));
    assert_eq!(heirs(&mut model), [token(2)]);
    model.release(at(5), &release("a", 2, None));
    let (_, grant) = model.take_grants().remove(0);
    assert_eq!((grant.token, grant.fences, grant.first_lease), (token(3), 4, FIRST));
    assert_eq!(line(&mut model, at(5), 3), []);
}

#[test]
fn a_waiter_whom_nobody_hears_for_is_skipped_and_forgotten() {
    let mut model = queue_of(&[2, 3]);
    let deaf = Entry { listener: ListenerId::from_bits(8), since: Some(0), ..entry() };
    model.enqueue(at(4), &queueing(4, deaf));
    model.release(at(5), &release("a", 1, None));
    assert_eq!(heirs(&mut model), [token(2)]);
    model.listen(ListenerId::from_bits(8));
    assert_eq!(line(&mut model, at(5), 2), [token(3)]);
}

#[test]
fn a_release_that_finds_nobody_alive_frees_the_key() {
    let mut model = queue_of(&[2, 3]);
    model.unsubscribe(LISTENER);
    assert_eq!(model.release(at(4), &release("a", 1, None)), Released::Freed);
    assert_eq!(heirs(&mut model), []);
    assert_eq!((model.locks.len(), model.queues.len()), (0, 0));
}

#[test]
fn a_mark_keeps_a_waiter_alive_until_it_is_over() {
    let marked = Entry { alive_for: Some(Duration::from_secs(3)), ..entry() };
    for (served_at, served) in [(at(4) - Duration::from_nanos(1), true), (at(4), false)] {
        let mut model = queue_of(&[]);
        model.unsubscribe(LISTENER);
        model.enqueue(at(1), &queueing(2, marked.clone()));
        model.release(served_at, &release("a", 1, None));
        assert_eq!(!heirs(&mut model).is_empty(), served, "{served_at:?}");
    }
}

#[test]
fn each_look_writes_the_mark_anew_or_wipes_it() {
    let marked = Entry { alive_for: Some(Duration::from_secs(3)), ..entry() };
    // The first mark lasts until 4 s.
    for (last, released_at, served) in [(marked.clone(), at(5), true), (entry(), at(3), false)] {
        let mut model = queue_of(&[]);
        model.unsubscribe(LISTENER);
        model.enqueue(at(1), &queueing(2, marked.clone()));
        model.enqueue(at(3), &queueing(2, last));
        model.release(released_at, &release("a", 1, None));
        assert_eq!(!heirs(&mut model).is_empty(), served);
    }
}

#[test]
fn a_name_listens_until_its_last_session_is_gone() {
    let mut model = queue_of(&[2, 3]);
    model.listen(LISTENER);
    model.unsubscribe(LISTENER);
    model.release(at(4), &release("a", 1, None));
    assert_eq!(heirs(&mut model), [token(2)]);
    model.unsubscribe(LISTENER);
    assert_eq!(line(&mut model, at(4), 2), []);
}

#[test]
fn a_waiter_that_left_is_not_served() {
    let mut model = queue_of(&[2, 3, 4]);
    assert_eq!(model.release(at(5), &leave(3)), Released::NotOurs);
    assert_eq!(model.release(at(5), &release("a", 2, None)), Released::NotOurs);
    assert_eq!(model.release(at(5), &leave(1)), Released::Freed);
    assert_eq!(heirs(&mut model), [token(2)]);
    assert_eq!(line(&mut model, at(5), 2), [token(4)]);
}

#[test]
fn a_look_with_no_entry_neither_queues_nor_leaves() {
    let mut model = queue_of(&[2]);
    assert!(matches!(model.look(at(3), &look("a", 9)), Acquired::Held { queued_at: None, .. }));
    assert!(matches!(model.look(at(3), &look("a", 2)), Acquired::Held { queued_at: None, .. }));
    assert_eq!(line(&mut model, at(4), 1), [token(2)]);
}

#[test]
fn a_look_by_the_holder_leaves_the_queue_and_shortens_nothing() {
    let mut model = queue_of(&[2, 3]);
    model.release(at(4), &release("a", 1, None));
    let again = Enqueue { ttl: Duration::from_millis(1), fences: 3, ..queueing(2, entry()) };
    // Fences 2 to 5 went with the grant; the look has three of its own.
    assert_eq!(model.enqueue(at(4), &again), Acquired::Granted { fence: 6 });
    assert_eq!(model.look(at(4), &look("a", 9)), Acquired::Held { for_at_most: Some(FIRST), queued_at: None });
    heirs(&mut model);
    assert_eq!(line(&mut model, at(4), 2), [token(3)]);
}

#[test]
fn who_takes_an_expired_key_from_the_queue_stands_there_no_more() {
    let mut model = queue_of(&[2, 3]);
    assert_eq!(model.enqueue(at(10), &queueing(2, entry())), Acquired::Granted { fence: 2 });
    assert_eq!(model.look(at(10), &look("a", 9)), Acquired::Held { for_at_most: Some(TTL), queued_at: None });
    assert_eq!(line(&mut model, at(10), 2), [token(3)]);
}

#[test]
fn a_look_at_a_free_key_serves_the_first_in_line() {
    let look = |model: &mut Model| model.look(at(10), &look("a", 9));
    let enqueue = |model: &mut Model| model.enqueue(at(10), &queueing(3, entry()));
    for (waits, queued_at) in [(false, None), (true, Some(reading(10)))] {
        let mut model = queue_of(&[2, 3]);
        let answer = if waits { enqueue(&mut model) } else { look(&mut model) };
        assert_eq!(answer, Acquired::Held { for_at_most: Some(FIRST), queued_at });
        assert_eq!(heirs(&mut model), [token(2)]);
        assert_eq!(line(&mut model, at(10), 2), [token(3)]);
    }
}

#[test]
fn who_looks_is_alive_and_all_the_dead_before_it_are_gone() {
    let mut model = queue_of(&[2, 3, 4]);
    model.unsubscribe(LISTENER);
    assert!(matches!(model.enqueue(at(10), &queueing(3, entry())), Acquired::Granted { .. }));
    model.listen(LISTENER);
    assert_eq!(line(&mut model, at(10), 3), [token(4)]);
}

#[test]
fn a_look_with_no_entry_takes_a_free_key_from_the_dead() {
    let mut model = queue_of(&[2, 3]);
    model.unsubscribe(LISTENER);
    assert!(matches!(model.look(at(10), &look("a", 9)), Acquired::Granted { .. }));
    assert_eq!(model.queues.len(), 0);
}

#[test]
fn an_acquire_does_not_look_at_the_queue() {
    let mut model = queue_of(&[2]);
    assert!(matches!(model.acquire(at(10), &ask("a", 9)), Acquired::Granted { .. }));
    assert_eq!(line(&mut model, at(11), 9), [token(2)]);
}

#[test]
fn a_release_that_keeps_hands_over_to_nobody() {
    let mut model = queue_of(&[2]);
    assert_eq!(model.release(at(3), &release("a", 1, Some(FIRST))), Released::Freed);
    assert_eq!(heirs(&mut model), []);
    assert!(matches!(model.acquire(at(4) - Duration::from_nanos(1), &ask("a", 9)), Acquired::Held { .. }));
    assert!(matches!(model.enqueue(at(4), &queueing(2, entry())), Acquired::Granted { .. }));
}

#[test]
fn a_release_by_a_stranger_or_too_late_hands_over_to_nobody() {
    let mut model = queue_of(&[2]);
    assert_eq!(model.release(at(3), &release("a", 9, None)), Released::NotOurs);
    assert_eq!(model.release(at(10), &release("a", 1, None)), Released::NotOurs);
    assert_eq!(heirs(&mut model), []);
}

#[test]
fn a_rotation_hands_over_and_queues_behind() {
    let mut model = queue_of(&[2, 3]);
    assert_eq!(model.rotate(at(4), &rotate(1, 0)), Rotated::HandedOver { clock: reading(4) });
    assert_eq!(heirs(&mut model), [token(2)]);
    assert_eq!(line(&mut model, at(4), 2), [3, 0].map(token));
}

#[test]
fn a_rotation_with_nobody_waiting_goes_on_with_new_fences_and_shortens_nothing() {
    let mut model = queue_of(&[2]);
    model.unsubscribe(LISTENER);
    assert_eq!(model.rotate(at(5), &Rotate { ttl: FIRST, ..rotate(1, 3) }), Rotated::Retained { fence: 2 });
    let left = Duration::from_secs(5);
    assert_eq!(model.look(at(5), &look("a", 9)), Acquired::Held { for_at_most: Some(left), queued_at: None });
    assert_eq!(model.rotate(at(5), &rotate(1, 3)), Rotated::Retained { fence: 6 });
    assert_eq!(model.look(at(5), &look("a", 9)), Acquired::Held { for_at_most: Some(TTL), queued_at: None });
    model.listen(LISTENER);
    assert_eq!(line(&mut model, at(5), 1), []);
}

#[test]
fn a_rotation_by_a_stranger_or_too_late_changes_nothing() {
    let mut model = queue_of(&[2]);
    assert_eq!(model.rotate(at(3), &rotate(9, 3)), Rotated::NotOurs);
    assert_eq!(model.rotate(at(10), &rotate(1, 3)), Rotated::NotOurs);
    assert_eq!(heirs(&mut model), []);
    assert!(matches!(model.enqueue(at(10), &queueing(2, entry())), Acquired::Granted { .. }));
    assert_eq!(line(&mut model, at(10), 2), []);
}

#[test]
fn a_token_has_the_key_by_one_hand_over_only() {
    let mut model = queue_of(&[2]);
    model.release(at(2), &release("a", 1, None));
    assert_eq!(heirs(&mut model), [token(2)]);
    assert!(matches!(model.rotate(at(2), &rotate(2, 3)), Rotated::Retained { .. }));
    assert!(matches!(model.enqueue(at(2), &queueing(2, entry())), Acquired::Granted { .. }));
    assert_eq!(line(&mut model, at(2), 2), []);
}

#[test]
fn a_waiter_whose_acquire_came_late_is_served_once_if_it_looks() {
    let mut model = queue_of(&[2]);
    assert!(matches!(model.acquire(at(10), &ask("a", 2)), Acquired::Granted { .. }));
    assert!(matches!(model.enqueue(at(10), &queueing(2, entry())), Acquired::Granted { .. }));
    assert_eq!(line(&mut model, at(10), 2), []);
}

#[test]
fn asking_twice_does_no_harm() {
    let mut model = queue_of(&[2, 3]);
    assert!(matches!(model.rotate(at(3), &rotate(1, 4)), Rotated::HandedOver { .. }));
    assert_eq!(model.rotate(at(3), &rotate(1, 4)), Rotated::NotOurs);
    assert_eq!(heirs(&mut model), [token(2)]);
    assert_eq!(model.release(at(4) - FIRST / 2, &leave(2)), Released::Freed);
    assert_eq!(model.release(at(4) - FIRST / 2, &leave(2)), Released::NotOurs);
    assert_eq!(heirs(&mut model), [token(3)]);
    assert_eq!(line(&mut model, at(4), 3), [token(4)]);
}

#[test]
fn keys_have_queues_of_their_own() {
    let mut model = queue_of(&[2]);
    model.acquire(at(1), &ask("b", 3));
    model.release(at(2), &release("b", 3, None));
    assert_eq!(heirs(&mut model), []);
    assert_eq!(line(&mut model, at(3), 1), [token(2)]);
}

#[test]
fn fences_grow_over_every_kind_of_hand_over() {
    let mut model = queue_of(&[2, 3, 4]);
    let mut above = 1;
    let mut rise = |fence: u64, fences: u32| {
        assert_eq!(fence, above + 1, "behind the last block, and no further");
        above += u64::from(fences);
    };
    model.release(at(4), &release("a", 1, None));
    model.take_grants().iter().for_each(|(_, grant)| rise(grant.fence, grant.fences));
    let Acquired::Granted { fence } = model.enqueue(at(4), &Enqueue { fences: 3, ..queueing(2, entry()) }) else {
        panic!("the holder looked")
    };
    rise(fence, 3);
    assert!(matches!(model.rotate(at(4), &rotate(2, 5)), Rotated::HandedOver { .. }));
    model.take_grants().iter().for_each(|(_, grant)| rise(grant.fence, grant.fences));
    // Token 3 expires.
    assert!(matches!(model.look(at(30), &look("a", 9)), Acquired::Held { .. }));
    model.take_grants().iter().for_each(|(_, grant)| rise(grant.fence, grant.fences));
    model.release(at(30), &leave(4));
    model.take_grants().iter().for_each(|(_, grant)| rise(grant.fence, grant.fences));
    let Rotated::Retained { fence } = model.rotate(at(30), &rotate(5, 6)) else { panic!("nobody else waits") };
    rise(fence, 4);
    model.release(at(30), &release("a", 5, None));
    let Acquired::Granted { fence } = model.acquire(at(30), &ask("a", 8)) else { panic!("the key is free") };
    rise(fence, 1);
    assert_eq!(above, 1 + 4 + 3 + 4 + 4 + 4 + 4 + 1);
}

#[test]
fn a_queue_is_gone_30_seconds_after_the_last_look() {
    let end = at(5) + QUEUE_LASTS;
    for (released_at, served) in [(end - Duration::from_nanos(1), true), (end, false)] {
        let mut model = queue_of(&[2]);
        model.enqueue(at(5), &queueing(3, entry()));
        // None of these keeps a queue.
        model.look(at(9), &look("a", 9));
        model.renew(at(9), &Renewal::new("a", token(1), 10 * TTL));
        model.release(at(9), &leave(3));
        model.release(released_at, &release("a", 1, None));
        assert_eq!(!heirs(&mut model).is_empty(), served, "at {released_at:?}");
    }
}

#[test]
fn a_queue_lasts_for_as_long_as_anybody_asked_who_looks_seldom_and_nobody_makes_it_less() {
    let end = at(5) + Duration::from_secs(120);
    for (released_at, served) in [(end - Duration::from_nanos(1), true), (end, false)] {
        let mut model = queue_of(&[2]);
        model.renew(at(5), &Renewal::new("a", token(1), 20 * TTL));
        model.enqueue(at(5), &queueing(2, Entry { lasts: Some(Duration::from_secs(120)), ..entry() }));
        model.enqueue(at(6), &queueing(3, entry()));
        model.release(released_at, &release("a", 1, None));
        assert_eq!(!heirs(&mut model).is_empty(), served, "at {released_at:?}");
    }
}

#[test]
fn a_token_that_queues_again_after_its_queue_expired_is_new() {
    let mut model = queue_of(&[2]);
    model.renew(at(9), &Renewal::new("a", token(1), 10 * TTL));
    model.enqueue(at(40), &queueing(3, entry()));
    model.enqueue(at(41), &queueing(2, entry()));
    assert_eq!(line(&mut model, at(42), 1), [3, 2].map(token));
}

#[test]
fn expired_queues_are_forgotten_and_empty_ones_are_none() {
    let mut model = Model::default();
    model.listen(LISTENER);
    for second in 0..1000 {
        let key = format!("job:{second}");
        model.acquire(at(second), &ask(&key, 1));
        model.enqueue(at(second), &Enqueue { key: key.into(), ..queueing(2, entry()) });
        assert!(model.queues.len() <= 30, "thirty are alive at any time");
    }
    let mut model = queue_of(&[2, 3]);
    model.release(at(4), &leave(2));
    model.release(at(4), &leave(3));
    assert_eq!(model.queues.len(), 0);
}
