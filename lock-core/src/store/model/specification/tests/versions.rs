//! Waiters whose entries are of a version that the model does not know.

use super::*;
use crate::store::MOST_STEPPED_OVER;

const LISTENER: ListenerId = ListenerId::from_bits(7);

fn entry(version: u32) -> Entry {
    Entry::new(LISTENER, Duration::from_secs(1)).with_version(version)
}

fn queueing(token: u128, version: u32) -> Enqueue {
    Enqueue::new("a", Token::from_bits(token), TTL, entry(version))
}

fn rotate(token: u128, next: u128) -> Rotate {
    Rotate::new("a", Token::from_bits(token), TTL, Token::from_bits(next), entry(1))
}

/// A model whose key `a` token 1 holds, and for which others wait: how they are called, and the versions of their
/// entries.
fn queue_of(waiters: impl IntoIterator<Item = (u128, u32)>) -> Model {
    let mut model = Model::default();
    model.listen(LISTENER);
    model.acquire(at(0), &ask("a", 1));
    for (token, version) in waiters {
        model.enqueue(at(0), &queueing(token, version));
    }
    model
}

fn line(model: &Model) -> Vec<u128> {
    model.waiters(at(0), &"a".into()).into_iter().map(Token::bits).collect()
}

fn heirs(model: &mut Model) -> Vec<u128> {
    model.take_grants().into_iter().map(|(_, grant)| grant.token.bits()).collect()
}

#[test]
fn they_stay_in_their_places_while_those_behind_are_served() {
    let mut model = queue_of([(2, 2), (3, 1), (4, 3), (5, 1)]);
    for (holder, heir, left) in [(1, 3, vec![2, 4, 5]), (3, 5, vec![2, 4])] {
        assert_eq!(model.release(at(0), &release("a", holder, None)), Released::Freed);
        assert_eq!((heirs(&mut model), line(&model)), (vec![heir], left));
    }
}

#[test]
fn the_key_is_freed_for_them_and_taken_by_their_look() {
    let mut model = queue_of([(2, 2)]);
    model.release(at(0), &release("a", 1, None));
    assert_eq!(model.holder(at(0), &"a".into()), None);
    assert_eq!(line(&model), [2]);
    assert!(matches!(model.enqueue(at(0), &queueing(2, 2)), Acquired::Granted { .. }));
    assert_eq!(line(&model), []);
}

#[test]
fn they_count_as_waiting_when_a_holder_would_go_on() {
    let mut model = queue_of([(2, 2)]);
    assert_eq!(model.rotate(at(0), &rotate(1, 3)), Rotated::Freed);
    assert_eq!((model.holder(at(0), &"a".into()), line(&model)), (None, vec![2]));
    let mut model = queue_of([(2, 2), (4, 1)]);
    assert!(matches!(model.rotate(at(0), &rotate(1, 3)), Rotated::HandedOver { .. }));
    assert_eq!((heirs(&mut model), line(&model)), (vec![4], vec![2, 3]));
}

#[test]
fn so_many_of_them_are_stepped_over_and_no_more() {
    let unknown = |many: usize| (100..).zip(std::iter::repeat_n(2, many));
    let mut model = queue_of(unknown(MOST_STEPPED_OVER - 1).chain([(999, 1)]));
    model.release(at(0), &release("a", 1, None));
    assert_eq!(heirs(&mut model), [999]);
    let mut model = queue_of(unknown(MOST_STEPPED_OVER).chain([(999, 1)]));
    model.release(at(0), &release("a", 1, None));
    assert_eq!((heirs(&mut model), line(&model).len()), (vec![], MOST_STEPPED_OVER + 1));
    assert!(matches!(model.enqueue(at(0), &queueing(999, 1)), Acquired::Granted { .. }), "it takes what is free");
    assert_eq!(line(&model).len(), MOST_STEPPED_OVER);
}
