//! Locks without anybody who waits.

mod done;
mod queues;
mod sets;
mod versions;

use super::*;

const TTL: Duration = Duration::from_secs(10);

fn at(seconds: u64) -> Moment {
    Moment::from_nanos(seconds * 1_000_000_000)
}

fn ask(key: &str, token: u128) -> Ask {
    Ask::new(key, Token::from_bits(token), TTL)
}

fn look(key: &str, token: u128) -> Look {
    Look::new(key, Token::from_bits(token), TTL)
}

fn release(key: &str, token: u128, keep: Option<Duration>) -> Release {
    Release::new(key, Token::from_bits(token)).with_keep(keep)
}

#[test]
fn a_lock_is_held_until_its_expiry_and_not_at_it() {
    let mut model = Model::default();
    assert_eq!(model.acquire(at(0), &ask("a", 1)), Acquired::granted(1));
    let almost = at(10) - Duration::from_nanos(1);
    assert_eq!(model.acquire(almost, &ask("a", 2)), Acquired::held(None));
    let left = TTL.saturating_sub(almost.since(at(0)));
    assert_eq!(model.acquire(almost, &ask("a", 2).with_time_left()), Acquired::held(Some(left)));
    assert_eq!(model.acquire(at(10), &ask("a", 2)), Acquired::granted(2));
}

#[test]
fn a_release_that_keeps_makes_the_lease_last_exactly_that_long() {
    let mut model = Model::default();
    model.acquire(at(0), &ask("a", 1));
    assert_eq!(model.release(at(1), &release("a", 1, Some(Duration::from_secs(2)))), Released::Freed);
    let left = Duration::from_secs(2);
    assert_eq!(model.look(at(1), &look("a", 2)), Acquired::held(Some(left)));
    assert_eq!(model.look(at(3), &look("a", 2)), Acquired::granted(2));
}

#[test]
fn expired_locks_are_forgotten_a_few_at_a_time() {
    let mut model = Model::default();
    for n in 0..1000 {
        model.acquire(at(n), &ask(&format!("job:{n}"), u128::from(n)));
        assert!(model.locks.len() <= 10, "ten are alive at any time");
    }
}

#[test]
fn an_expired_lock_is_free_before_it_is_forgotten() {
    let mut model = Model::default();
    for n in 0..10 {
        model.acquire(at(0), &ask(&format!("job:{n}"), 1));
    }
    assert!(matches!(model.acquire(at(10), &ask("job:9", 2)), Acquired::Granted { .. }));
    let renewal = Renewal::new("job:8", Token::from_bits(1), TTL);
    assert_eq!(model.renew(at(10), &renewal), Renewed::NotOurs);
}

#[test]
fn renewing_and_releasing_leave_nothing_behind() {
    let mut model = Model::default();
    model.acquire(at(0), &ask("a", 1));
    for second in 1..100 {
        let renewal = Renewal::new("a", Token::from_bits(1), TTL);
        assert_eq!(model.renew(at(second), &renewal), Renewed::Renewed);
        assert_eq!(model.locks.len(), 1);
    }
    model.release(at(100), &release("a", 1, None));
    assert_eq!(model.locks.len(), 0);
}
