//! Sets of holders: shared locks and permits. Token 7 hears of all that is granted, unless a test says otherwise.

use super::*;

const LISTENER: ListenerId = ListenerId::from_bits(7);
const NOBODY_HEARS: ListenerId = ListenerId::from_bits(8);
const FIRST: Duration = Duration::from_secs(1);
const NANO: Duration = Duration::from_nanos(1);

const SHARED: Kind = Kind::Shared;

fn permits(most: u32) -> Kind {
    Kind::permits(most)
}

fn token(bits: u128) -> Token {
    Token::from_bits(bits)
}

fn model() -> Model {
    let mut model = Model::default();
    model.listen(LISTENER);
    model
}

/// Tries, and says whether it was granted.
fn tries(model: &mut Model, now: Moment, bits: u128, kind: Kind) -> bool {
    let answer = model.acquire(now, &ask("a", bits).with_kind(kind).with_time_left());
    matches!(answer, Acquired::Granted { .. })
}

/// How long the key is held at most, for one of this kind who tries.
fn held_for(model: &mut Model, now: Moment, kind: Kind) -> Option<Duration> {
    match model.acquire(now, &ask("a", 99).with_kind(kind).with_time_left()) {
        Acquired::Held { for_at_most, .. } => for_at_most,
        other => panic!("it is held: {other:?}"),
    }
}

/// Waits, and says whether it was granted at once.
fn waits(model: &mut Model, now: Moment, bits: u128, kind: Kind) -> bool {
    waits_with(model, now, bits, kind, LISTENER)
}

fn waits_with(model: &mut Model, now: Moment, bits: u128, kind: Kind, listener: ListenerId) -> bool {
    let enqueue = Enqueue::new("a", token(bits), TTL, Entry::new(listener, FIRST).with_kind(kind));
    matches!(model.enqueue(now, &enqueue), Acquired::Granted { .. })
}

fn gives_back(model: &mut Model, now: Moment, bits: u128, kind: Kind) -> Released {
    model.release(now, &release("a", bits, None).with_kind(kind))
}

/// Gives back, and is no longer in the queue.
fn leaves(model: &mut Model, now: Moment, bits: u128, kind: Kind) -> Released {
    let entry = Entry::new(LISTENER, FIRST).with_kind(kind);
    model.release(now, &release("a", bits, None).with_kind(kind).with_leave(Some(entry)))
}

fn renews(model: &mut Model, now: Moment, bits: u128, ttl: Duration) -> Renewed {
    model.renew(now, &Renewal::new("a", token(bits), ttl))
}

fn downgrades(model: &mut Model, now: Moment, bits: u128) -> Renewed {
    model.downgrade(now, &Downgrade::new("a", token(bits), TTL))
}

/// To whom the key went since the last call.
fn heirs(model: &mut Model) -> Vec<u128> {
    model.take_grants().into_iter().map(|(_, grant)| grant.token.bits()).collect()
}

fn holders(model: &Model, now: Moment) -> Vec<u128> {
    let mut holders: Vec<u128> = model.holders(now, &"a".into()).into_iter().map(|(token, _)| token.bits()).collect();
    holders.sort_unstable();
    holders
}

fn line(model: &Model, now: Moment) -> Vec<u128> {
    model.waiters(now, &"a".into()).into_iter().map(Token::bits).collect()
}

#[test]
fn kinds_exclude_each_other_and_sharers_hold_beside_each_other() {
    for (one, other, beside) in [
        (Kind::Exclusive, Kind::Exclusive, false),
        (Kind::Exclusive, SHARED, false),
        (Kind::Exclusive, permits(5), false),
        (SHARED, Kind::Exclusive, false),
        (SHARED, SHARED, true),
        (SHARED, permits(5), false),
        (permits(5), Kind::Exclusive, false),
        (permits(5), SHARED, false),
        (permits(5), permits(5), true),
        (permits(1), permits(1), false),
    ] {
        let mut model = model();
        assert!(tries(&mut model, at(0), 1, one));
        assert_eq!(tries(&mut model, at(0), 2, other), beside, "{one} and {other}");
    }
}

#[test]
fn so_many_permits_are_given_and_no_more_and_the_time_left_is_that_of_the_first() {
    let mut model = model();
    for (second, bits) in [(0, 1), (1, 2), (2, 3)] {
        assert!(tries(&mut model, at(second), bits, permits(3)));
    }
    assert_eq!(held_for(&mut model, at(4), permits(3)), Some(Duration::from_secs(6)));
    assert_eq!(held_for(&mut model, at(4), SHARED), Some(Duration::from_secs(8)), "for others all have to go");
    assert!(tries(&mut model, at(10), 4, permits(3)), "the first has expired");
    assert!(!tries(&mut model, at(11) - NANO, 5, permits(3)));
    assert!(tries(&mut model, at(11), 5, permits(3)));
}

#[test]
fn each_brings_the_number_of_permits_along() {
    let mut model = model();
    assert!(tries(&mut model, at(0), 1, permits(2)) && tries(&mut model, at(0), 2, permits(2)));
    assert!(!tries(&mut model, at(0), 3, permits(2)));
    assert!(tries(&mut model, at(0), 4, permits(3)));
}

#[test]
fn a_weight_counts_as_so_many() {
    let (two, three) = (permits(5).with_weight(2), permits(5).with_weight(3));
    let mut model = model();
    assert!(tries(&mut model, at(0), 1, three));
    assert!(!tries(&mut model, at(0), 2, three));
    assert!(tries(&mut model, at(0), 3, two));
    assert!(!tries(&mut model, at(0), 4, permits(5)));
    assert_eq!(gives_back(&mut model, at(0), 1, three), Released::Freed);
    assert!(tries(&mut model, at(0), 5, two) && tries(&mut model, at(0), 6, permits(5)));
    let mut model = self::model();
    assert!(tries(&mut model, at(0), 1, permits(2).with_weight(9)), "alone, rather than never");
}

#[test]
fn each_expires_by_itself_and_nobody_is_shortened() {
    let mut model = model();
    assert!(tries(&mut model, at(0), 1, SHARED) && tries(&mut model, at(1), 2, SHARED));
    assert_eq!(renews(&mut model, at(9), 2, TTL), Renewed::Renewed);
    assert_eq!(renews(&mut model, at(9), 2, FIRST), Renewed::Renewed);
    assert_eq!(renews(&mut model, at(10), 1, TTL), Renewed::NotOurs, "expired is expired");
    assert_eq!(gives_back(&mut model, at(10), 1, SHARED), Released::NotOurs);
    assert_eq!(holders(&model, at(10)), [2]);
    assert_eq!(held_for(&mut model, at(10), Kind::Exclusive), Some(Duration::from_secs(9)));
    assert!(!tries(&mut model, at(19) - NANO, 3, Kind::Exclusive));
    assert!(tries(&mut model, at(19), 3, Kind::Exclusive), "free when the last has expired");
}

#[test]
fn one_who_gives_back_leaves_the_others_and_the_last_frees_the_key() {
    let mut model = model();
    for bits in [1, 2, 3] {
        assert!(tries(&mut model, at(0), bits, SHARED));
    }
    assert_eq!(gives_back(&mut model, at(1), 2, SHARED), Released::Freed);
    assert_eq!(gives_back(&mut model, at(1), 2, SHARED), Released::NotOurs);
    assert_eq!((holders(&model, at(1)), tries(&mut model, at(1), 4, Kind::Exclusive)), (vec![1, 3], false));
    gives_back(&mut model, at(1), 3, SHARED);
    gives_back(&mut model, at(1), 1, SHARED);
    assert!(tries(&mut model, at(1), 4, Kind::Exclusive));
}

#[test]
fn nobody_passes_the_queue_though_there_is_room() {
    let mut model = model();
    assert!(tries(&mut model, at(0), 1, SHARED));
    assert!(!waits(&mut model, at(1), 2, Kind::Exclusive));
    assert!(!tries(&mut model, at(2), 3, SHARED) && !waits(&mut model, at(2), 4, SHARED));
    assert_eq!((line(&model, at(2)), heirs(&mut model)), (vec![2, 4], vec![]));
    gives_back(&mut model, at(3), 1, SHARED);
    assert_eq!((heirs(&mut model), line(&model, at(3))), (vec![2], vec![4]));
}

#[test]
fn those_at_the_head_who_fit_come_in_together_and_no_further() {
    let mut model = model();
    assert!(tries(&mut model, at(0), 1, Kind::Exclusive));
    for (bits, kind) in [(2, SHARED), (3, SHARED), (4, Kind::Exclusive), (5, SHARED)] {
        assert!(!waits(&mut model, at(1), bits, kind));
    }
    gives_back(&mut model, at(2), 1, Kind::Exclusive);
    assert_eq!((heirs(&mut model), line(&model, at(2))), (vec![2, 3], vec![4, 5]));
    gives_back(&mut model, at(2), 3, SHARED);
    assert_eq!(heirs(&mut model), []);
    gives_back(&mut model, at(2), 2, SHARED);
    assert_eq!((heirs(&mut model), holders(&model, at(2))), (vec![4], vec![4]));
}

#[test]
fn a_release_of_permits_lets_in_as_many_as_fit() {
    let (one, two) = (permits(3), permits(3).with_weight(2));
    let mut model = model();
    assert!(tries(&mut model, at(0), 1, two) && tries(&mut model, at(0), 2, one));
    for (second, bits, kind) in [(1, 3, one), (2, 4, two), (3, 5, one)] {
        assert!(!waits(&mut model, at(second), bits, kind));
    }
    gives_back(&mut model, at(4), 1, two);
    assert_eq!((heirs(&mut model), line(&model, at(4))), (vec![3], vec![4, 5]), "the large one holds up the small one");
    gives_back(&mut model, at(4), 2, one);
    assert_eq!((heirs(&mut model), line(&model, at(4))), (vec![4], vec![5]));
}

#[test]
fn a_look_at_a_key_that_has_expired_lets_in_the_run_and_the_one_who_looks() {
    let mut model = model();
    assert!(tries(&mut model, at(0), 1, Kind::Exclusive));
    for (second, bits) in [(1, 2), (2, 3), (3, 4)] {
        assert!(!waits(&mut model, at(second), bits, SHARED));
    }
    assert!(waits(&mut model, at(10), 3, SHARED));
    assert_eq!((heirs(&mut model), holders(&model, at(10))), (vec![2, 4], vec![2, 3, 4]));
}

#[test]
fn an_heir_that_nobody_hears_costs_no_place() {
    let mut model = model();
    assert!(tries(&mut model, at(0), 1, permits(1)));
    assert!(!waits_with(&mut model, at(1), 2, permits(1), NOBODY_HEARS) && !waits(&mut model, at(2), 3, permits(1)));
    gives_back(&mut model, at(3), 1, permits(1));
    assert_eq!((heirs(&mut model), holders(&model, at(3))), (vec![3], vec![3]));
}

#[test]
fn a_look_finds_a_dead_head_that_does_not_fit() {
    let mut model = model();
    assert!(tries(&mut model, at(0), 1, SHARED));
    assert!(!waits_with(&mut model, at(1), 2, Kind::Exclusive, NOBODY_HEARS));
    assert!(waits(&mut model, at(2), 3, SHARED), "a look probes");
    assert_eq!((holders(&model, at(2)), line(&model, at(2))), (vec![1, 3], vec![]));
}

#[test]
fn who_leaves_the_queue_lets_in_those_behind() {
    let mut model = model();
    assert!(tries(&mut model, at(0), 1, SHARED));
    assert!(!waits(&mut model, at(1), 2, Kind::Exclusive) && !waits(&mut model, at(2), 3, SHARED));
    assert_eq!(leaves(&mut model, at(3), 2, Kind::Exclusive), Released::NotOurs);
    assert_eq!((heirs(&mut model), holders(&model, at(3))), (vec![3], vec![1, 3]));
}

#[test]
fn a_downgrade_lets_readers_in_and_shortens_nothing() {
    let mut model = model();
    let long = Ask { ttl: 3 * TTL, ..ask("a", 1) };
    assert!(matches!(model.acquire(at(0), &long), Acquired::Granted { .. }));
    assert!(!waits(&mut model, at(1), 2, SHARED) && !waits(&mut model, at(2), 3, Kind::Exclusive));
    assert_eq!(downgrades(&mut model, at(3), 1), Renewed::Renewed);
    assert_eq!((heirs(&mut model), holders(&model, at(3)), line(&model, at(3))), (vec![2], vec![1, 2], vec![3]));
    assert_eq!(downgrades(&mut model, at(3), 1), Renewed::Renewed, "asking twice does no harm");
    assert_eq!(holders(&model, at(30) - NANO), [1]);
    assert_eq!(downgrades(&mut model, at(30), 1), Renewed::NotOurs);
    let mut model = self::model();
    assert!(tries(&mut model, at(0), 1, permits(2)));
    assert_eq!(
        (downgrades(&mut model, at(1), 1), downgrades(&mut model, at(1), 2)),
        (Renewed::NotOurs, Renewed::NotOurs)
    );
    assert!(tries(&mut model, at(1), 2, permits(2)), "they are permits still");
}

#[test]
fn a_place_that_is_kept_counts_and_is_nobodys() {
    let mut model = model();
    assert!(tries(&mut model, at(0), 1, permits(2)) && tries(&mut model, at(0), 2, permits(2)));
    let kept = release("a", 1, Some(Duration::from_secs(20))).with_kind(permits(2));
    assert_eq!(model.release(at(1), &kept), Released::Freed);
    assert_eq!((renews(&mut model, at(2), 1, TTL), model.release(at(2), &kept)), (Renewed::NotOurs, Released::NotOurs));
    assert!(!tries(&mut model, at(2), 3, permits(2)));
    assert!(tries(&mut model, at(10), 3, permits(2)));
    assert!(!tries(&mut model, at(11), 4, permits(2)) && !tries(&mut model, at(20), 4, SHARED));
    assert!(tries(&mut model, at(21), 4, SHARED));
}

#[test]
fn who_asks_again_is_granted_again_and_holds_one_place() {
    let mut model = model();
    assert!(tries(&mut model, at(0), 1, permits(2)) && tries(&mut model, at(1), 1, permits(2)));
    assert!(tries(&mut model, at(1), 2, permits(2)));
    assert_eq!(holders(&model, at(10)), [1, 2], "the later look made it last");
}

#[test]
fn what_a_stranger_deleted_is_revived_by_nothing() {
    let mut model = model();
    assert!(tries(&mut model, at(0), 1, SHARED) && tries(&mut model, at(0), 2, SHARED));
    model.strike(at(1), &"a".into());
    assert!(tries(&mut model, at(1), 3, SHARED));
    assert_eq!([1, 2].map(|bits| renews(&mut model, at(2), bits, TTL)), [Renewed::NotOurs; 2]);
    assert_eq!(holders(&model, at(2)), [3]);
}

#[test]
fn each_grant_has_a_fence_of_its_own_and_every_later_one_is_greater() {
    let mut model = model();
    let fence = |answer| match answer {
        Acquired::Granted { fence } => fence,
        other => panic!("it is free: {other:?}"),
    };
    let mut fences = vec![fence(model.acquire(at(0), &ask("a", 1)))];
    for bits in [2, 3] {
        waits(&mut model, at(1), bits, SHARED);
    }
    gives_back(&mut model, at(2), 1, Kind::Exclusive);
    fences.extend(model.take_grants().into_iter().map(|(_, grant)| grant.fence));
    fences.push(fence(model.acquire(at(2), &ask("a", 4).with_kind(SHARED))));
    assert!(fences.is_sorted_by(|one, next| one < next), "{fences:?}");
    assert_eq!(fences.len(), 4);
}

#[test]
fn a_rotation_hands_over_to_a_run() {
    let mut model = model();
    assert!(tries(&mut model, at(0), 1, Kind::Exclusive));
    assert!(!waits(&mut model, at(1), 2, SHARED) && !waits(&mut model, at(2), 3, SHARED));
    let rotate = Rotate::new("a", token(1), TTL, token(4), Entry::new(LISTENER, FIRST));
    assert!(matches!(model.rotate(at(3), &rotate), Rotated::HandedOver { .. }));
    assert_eq!((heirs(&mut model), line(&model, at(3))), (vec![2, 3], vec![4]));
}

#[test]
fn an_inspection_tells_of_all_who_hold_and_what_the_others_want() {
    let mut model = model();
    assert!(tries(&mut model, at(0), 1, permits(5).with_weight(2)) && tries(&mut model, at(1), 2, permits(5)));
    assert!(!waits(&mut model, at(2), 3, SHARED));
    let seen = model.inspect(at(3), &"a".into());
    let holders: Vec<_> = seen.holders.iter().map(|holding| (holding.owner.token(), holding.remaining)).collect();
    let left = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(holders, [(Some(token(1)), left(7)), (Some(token(2)), left(8))]);
    assert_eq!(seen.holders[0].kind.map(Kind::weight), Some(2));
    assert_eq!(seen.waiters, [Waiting::new(Some(token(3)), Some(SHARED))]);
}

#[test]
fn no_more_are_let_in_at_once_than_that() {
    let mut model = model();
    assert!(tries(&mut model, at(0), 1, Kind::Exclusive));
    for bits in 0..MOST_HEIRS as u128 + 2 {
        waits(&mut model, at(1), 100 + bits, SHARED);
    }
    gives_back(&mut model, at(2), 1, Kind::Exclusive);
    assert_eq!((heirs(&mut model).len(), line(&model, at(2)).len()), (MOST_HEIRS, 2));
    assert!(waits(&mut model, at(2), 100 + MOST_HEIRS as u128 + 1, SHARED), "a later look lets in the rest");
    assert_eq!(line(&model, at(2)).len(), 0);
}
