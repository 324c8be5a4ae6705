//! Which values an option accepts, of any store and of this one; the one place where requests and clients are checked.

use std::time::Duration;

use crate::store::{Capabilities, Kind};
use lock_core::lease::{Period, Terms, Wait};
use lock_core::{LockError, LockKey, OptionFault};

/// Under this, network and drift would eat a lease up.
pub(crate) const SHORTEST_TTL: Duration = Duration::from_millis(50);
/// Over this, a number is a mistake.
pub(crate) const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
/// The longest that a success counts.
const LONGEST_ONCE: Duration = Duration::from_secs(366 * 24 * 3600);

/// The ttl as a store gets it: whole milliseconds, within bounds, its own too.
pub(crate) fn check_ttl(ttl: Duration, store: &Capabilities) -> Result<Duration, OptionFault> {
    let ttl = match ttl {
        ttl if ttl < SHORTEST_TTL => return Err(OptionFault::TtlTooShort(ttl)),
        ttl if ttl > LONGEST => return Err(OptionFault::TtlTooLong(ttl)),
        ttl => Duration::new(ttl.as_secs(), ttl.subsec_millis() * 1_000_000),
    };
    store.check_ttl(ttl).map(|()| ttl)
}

/// Beside whom a lock is to be held, or the first fault in what was said of that.
pub(crate) fn kind(shared: bool, permits: Option<u32>, weight: Option<u32>) -> Result<Kind, OptionFault> {
    match (permits, weight) {
        (Some(_), _) if shared => Err(OptionFault::SharedWithPermits),
        (Some(0), _) => Err(OptionFault::NoPermits),
        (None, Some(_)) => Err(OptionFault::WeightWithoutPermits),
        (Some(_), Some(0)) => Err(OptionFault::NoWeight),
        (Some(permits), Some(weight)) if weight > permits => Err(OptionFault::WeightOverPermits { weight, permits }),
        (Some(permits), weight) => Ok(Kind::permits(permits).with_weight(weight.unwrap_or(1))),
        (None, None) if shared => Ok(Kind::Shared),
        (None, None) => Ok(Kind::Exclusive),
    }
}

/// The terms as the core gets them, or the first fault in them: what the store did not claim is one.
pub(crate) fn check(terms: Terms, store: &Capabilities) -> Result<Terms, OptionFault> {
    let ttl = check_ttl(terms.ttl, store)?;
    store.check(terms.kind, ttl)?;
    match terms.wait {
        Wait::AtMost(wait) if wait > LONGEST => return Err(OptionFault::WaitTooLong(wait)),
        _ => {}
    }
    if terms.min_hold.is_some_and(|min_hold| min_hold > ttl) {
        return Err(OptionFault::MinHoldOverTtl);
    }
    if let Some(max_hold) = terms.max_hold {
        if !terms.renew {
            return Err(OptionFault::MaxHoldWithoutRenewal);
        }
        if max_hold < ttl {
            return Err(OptionFault::MaxHoldUnderTtl);
        }
    }
    Ok(Terms { ttl, ..terms })
}

/// For how long a success of a lock of this kind counts, or the first fault in that.
pub(crate) fn once(period: Duration, kind: Kind, store: &Capabilities) -> Result<Option<Period>, OptionFault> {
    match period {
        _ if kind != Kind::Exclusive => Err(OptionFault::OnceNeedsExclusive),
        Duration::ZERO => Err(OptionFault::OnceTooShort),
        period if period > LONGEST_ONCE => Err(OptionFault::OnceTooLong(period)),
        _ if !store.marks_done() => Err(OptionFault::OnceNotKept),
        period => Ok(Period::new(period)),
    }
}

pub(crate) fn invalid(key: &LockKey, fault: OptionFault) -> LockError {
    LockError::invalid_options(key.clone(), fault)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::Config;

    use super::*;

    const PLAIN: Capabilities = Capabilities::new();
    const TERMS: Terms = Terms {
        kind: Kind::Exclusive,
        ttl: Duration::from_secs(30),
        wait: Wait::AtMost(Duration::ZERO),
        renew: true,
        max_hold: None,
        min_hold: None,
        once: None,
    };

    fn fault(terms: Terms) -> Option<OptionFault> {
        check(terms, &PLAIN).err()
    }

    #[test]
    fn a_kind_is_one_of_three_and_a_weight_within_the_permits() {
        assert_eq!(kind(false, None, None), Ok(Kind::Exclusive));
        assert_eq!(kind(true, None, None), Ok(Kind::Shared));
        assert_eq!(kind(false, Some(1), None), Ok(Kind::permits(1)));
        assert_eq!(kind(false, Some(5), Some(5)), Ok(Kind::permits(5).with_weight(5)));
        for (shared, permits, weight, fault) in [
            (true, Some(5), None, OptionFault::SharedWithPermits),
            (false, Some(0), None, OptionFault::NoPermits),
            (false, None, Some(1), OptionFault::WeightWithoutPermits),
            (true, None, Some(1), OptionFault::WeightWithoutPermits),
            (false, Some(5), Some(0), OptionFault::NoWeight),
            (false, Some(5), Some(6), OptionFault::WeightOverPermits { weight: 6, permits: 5 }),
        ] {
            assert_eq!(kind(shared, permits, weight), Err(fault), "{fault}");
        }
    }

    #[test]
    fn a_ttl_is_50_ms_to_30_days() {
        let ttl = |ttl| fault(Terms { ttl, ..TERMS });
        let (under, over) = (Duration::from_nanos(49_999_999), LONGEST + Duration::from_nanos(1));
        assert_eq!(ttl(SHORTEST_TTL), None);
        assert_eq!(ttl(under), Some(OptionFault::TtlTooShort(under)));
        assert_eq!(ttl(LONGEST), None);
        assert_eq!(ttl(over), Some(OptionFault::TtlTooLong(over)));
    }

    #[test]
    fn a_wait_is_up_to_30_days_or_for_ever() {
        let wait = |wait| fault(Terms { wait, ..TERMS });
        let over = LONGEST + Duration::from_nanos(1);
        assert_eq!(wait(Wait::AtMost(LONGEST)), None);
        assert_eq!(wait(Wait::AtMost(over)), Some(OptionFault::WaitTooLong(over)));
        assert_eq!(wait(Wait::Forever), None);
    }

    #[test]
    fn min_hold_is_at_most_the_ttl_and_max_hold_at_least() {
        let (less, more) = (Duration::from_secs(29), Duration::from_secs(31));
        assert_eq!(fault(Terms { min_hold: Some(TERMS.ttl), max_hold: Some(TERMS.ttl), ..TERMS }), None);
        assert_eq!(fault(Terms { min_hold: Some(more), ..TERMS }), Some(OptionFault::MinHoldOverTtl));
        assert_eq!(fault(Terms { max_hold: Some(less), ..TERMS }), Some(OptionFault::MaxHoldUnderTtl));
        let bounded = Terms { max_hold: Some(more), renew: false, ..TERMS };
        assert_eq!(fault(bounded), Some(OptionFault::MaxHoldWithoutRenewal));
    }

    #[test]
    fn once_is_up_to_366_days_of_an_exclusive_lock_where_it_is_kept() {
        let keeps = PLAIN.with_done_marks().with_shared();
        let fault = |period, kind| once(period, kind, &keeps).err();
        let (least, over) = (Duration::from_nanos(1), LONGEST_ONCE + Duration::from_nanos(1));
        assert_eq!((fault(least, Kind::Exclusive), fault(LONGEST_ONCE, Kind::Exclusive)), (None, None));
        assert_eq!(fault(Duration::ZERO, Kind::Exclusive), Some(OptionFault::OnceTooShort));
        assert_eq!(fault(over, Kind::Exclusive), Some(OptionFault::OnceTooLong(over)));
        assert_eq!(fault(least, Kind::Shared), Some(OptionFault::OnceNeedsExclusive));
        assert_eq!(once(least, Kind::Exclusive, &PLAIN), Err(OptionFault::OnceNotKept));
        assert_eq!(once(least, Kind::Exclusive, &keeps), Ok(Period::new(least)));
    }

    #[test]
    fn a_ttl_reaches_the_store_in_whole_milliseconds() {
        let ttl = Duration::from_micros(1_500_700);
        assert_eq!(check_ttl(ttl, &PLAIN), Ok(Duration::from_millis(1500)));
    }

    #[test]
    fn what_the_store_did_not_claim_is_refused() {
        let s = Duration::from_secs(1);
        let bounded = Capabilities::new().with_shortest_ttl(2 * s).with_longest_ttl(10 * s);
        let ttl = |ttl| check(Terms { ttl, ..TERMS }, &bounded).err();
        assert!(matches!(ttl(Duration::from_millis(1_999)), Some(OptionFault::TtlUnderStores(_))));
        assert_eq!((ttl(2 * s), ttl(10 * s)), (None, None));
        assert!(matches!(ttl(10 * s + Duration::from_millis(1)), Some(OptionFault::TtlOverStores(_))));
        let shared = Terms { kind: Kind::Shared, ..TERMS };
        assert_eq!(fault(shared), Some(OptionFault::KindNotKept(Kind::Shared)));
        assert_eq!(check(shared, &PLAIN.with_shared()).err(), None);
    }

    /// Any duration, mostly one near to where something changes.
    fn any_duration() -> impl Strategy<Value = Duration> {
        let bounds = proptest::sample::select(vec![Duration::ZERO, SHORTEST_TTL, LONGEST]);
        let (under, over) = (0_u64..2_000_000, 0_u64..2_000_000);
        let near = (bounds, under, over).prop_map(|(bound, under, over)| {
            bound.saturating_sub(Duration::from_nanos(under)) + Duration::from_nanos(over)
        });
        prop_oneof![3 => near, 1 => any::<Duration>()]
    }

    fn any_terms() -> impl Strategy<Value = Terms> {
        let wait = prop_oneof![4 => any_duration().prop_map(Wait::AtMost), 1 => Just(Wait::Forever)];
        let hold = || proptest::option::of(any_duration());
        (any_duration(), wait, any::<bool>(), hold(), hold()).prop_map(|(ttl, wait, renew, max_hold, min_hold)| Terms {
            kind: Kind::Exclusive,
            ttl,
            wait,
            renew,
            max_hold,
            min_hold,
            once: None,
        })
    }

    proptest! {
        #![proptest_config(Config { cases: if cfg!(miri) { 8 } else { 256 }, failure_persistence: None, ..Config::default() })]

        #[test]
        fn terms_that_are_accepted_are_within_bounds_and_stay_so(terms in any_terms()) {
            let Ok(accepted) = check(terms, &PLAIN) else { return Ok(()) };
            let ttl = accepted.ttl;
            prop_assert!(ttl <= terms.ttl && terms.ttl < ttl + Duration::from_millis(1));
            prop_assert!(SHORTEST_TTL <= ttl && ttl <= LONGEST && ttl.subsec_nanos().is_multiple_of(1_000_000));
            prop_assert!(accepted.min_hold.is_none_or(|min_hold| min_hold <= ttl));
            prop_assert!(accepted.max_hold.is_none_or(|max_hold| max_hold >= ttl && accepted.renew));
            prop_assert_eq!(check(accepted, &PLAIN).map(|again| again.ttl), Ok(ttl));
        }
    }
}
