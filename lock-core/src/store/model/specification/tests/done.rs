//! Keys whose work is done.

use super::*;
use crate::store::{ListenerId, Owner};

const HOUR: Duration = Duration::from_secs(3600);

/// All of the hour but so many seconds.
fn but(seconds: u64) -> Duration {
    HOUR.saturating_sub(Duration::from_secs(seconds))
}

fn done(token: u128) -> Release {
    release("a", token, Some(HOUR)).with_done()
}

fn enqueue(token: u128) -> Enqueue {
    let entry = Entry::new(ListenerId::from_bits(7), TTL);
    Enqueue::new("a", Token::from_bits(token), TTL, entry)
}

#[test]
fn what_is_done_is_told_to_whoever_asks_until_its_time_is_over_and_not_at_it() {
    let mut model = Model::default();
    model.acquire(at(0), &ask("a", 1));
    assert_eq!(model.release(at(1), &done(1)), Released::Freed);
    let left = but(2);
    assert_eq!(model.acquire(at(3), &ask("a", 2)), Acquired::held(None), "it did not ask for more");
    assert_eq!(model.acquire(at(3), &ask("a", 2).with_time_left()), Acquired::done(left));
    assert_eq!(model.look(at(3), &look("a", 2)), Acquired::done(left));
    assert_eq!(model.look(at(3), &look("a", 2).with_kind(Kind::Shared)), Acquired::done(left));
    assert_eq!(model.enqueue(at(3), &enqueue(2)), Acquired::done(left));
    assert!(model.waiters(at(3), &"a".into()).is_empty());
    let almost = at(3601) - Duration::from_nanos(1);
    assert_eq!(model.look(almost, &look("a", 2)), Acquired::done(Duration::from_nanos(1)));
    assert_eq!(model.look(at(3601), &look("a", 2)), Acquired::granted(2));
}

#[test]
fn what_is_done_is_nobodys_and_stays_so_whatever_comes_late() {
    let mut model = Model::default();
    model.acquire(at(0), &ask("a", 1));
    model.release(at(1), &done(1));
    assert_eq!(model.release(at(2), &done(1)), Released::NotOurs);
    assert_eq!(model.release(at(2), &release("a", 1, None)), Released::NotOurs);
    assert_eq!(model.renew(at(2), &Renewal::new("a", Token::from_bits(1), 2 * HOUR)), Renewed::NotOurs);
    assert_eq!(model.downgrade(at(2), &Downgrade::new("a", Token::from_bits(1), TTL)), Renewed::NotOurs);
    assert_eq!(model.look(at(2), &look("a", 1)), Acquired::done(but(1)));
    assert_eq!(model.inspect(at(2), &"a".into()).holders[0].owner, Owner::Done(None));
}

#[test]
fn who_stands_in_the_queue_is_told_by_its_next_look_and_leaves() {
    let mut model = Model::default();
    model.listen(ListenerId::from_bits(7));
    model.acquire(at(0), &ask("a", 1));
    model.enqueue(at(0), &enqueue(2));
    model.enqueue(at(0), &enqueue(3));
    model.release(at(1), &done(1));
    assert!(model.take_grants().is_empty(), "nobody is handed what is done");
    assert_eq!(model.enqueue(at(2), &enqueue(2)), Acquired::done(but(1)));
    assert_eq!(model.waiters(at(2), &"a".into()), [Token::from_bits(3)]);
}

#[test]
fn what_was_lost_cannot_be_done() {
    let mut model = Model::default();
    model.acquire(at(0), &ask("a", 1));
    model.acquire(at(10), &ask("a", 2));
    assert_eq!(model.release(at(11), &done(1)), Released::NotOurs);
    assert_eq!(model.holder(at(11), &"a".into()), Some((Token::from_bits(2), at(20))));
}
