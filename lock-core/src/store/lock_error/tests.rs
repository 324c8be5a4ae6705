use super::*;
use crate::store::Kind;
use crate::store::StoreErrorKind;

#[test]
fn a_text_says_what_failed_and_of_which_lock() {
    let key = || LockKey::from("job");
    let source = || StoreError::new(StoreErrorKind::Unready, "the server is out of memory");
    let texts = [
        (LockError::unavailable(key(), source()), "failed to acquire lock `job`: the store is unavailable"),
        (
            LockError::unanswered(Operation::Renew, key(), source()),
            "failed to renew lock `job`: the store is unavailable",
        ),
        (
            LockError::unanswered(Operation::Release, key(), source()),
            "failed to release lock `job`: the store is unavailable",
        ),
        (LockError::shutting_down(key()), "failed to acquire lock `job`: the client is shutting down"),
        (
            LockError::forked(key()),
            "lock `job` cannot be used in this process: its client was made before the process was forked; make a \
             client after the fork",
        ),
        (LockError::lost(key(), LossReason::MaxHold), "lock `job` was lost: `max_hold` was reached"),
        (LockError::busy(key(), Duration::from_secs(2)), "lock `job` is held elsewhere (waited 2s)"),
        (LockError::busy(key(), Duration::ZERO), "lock `job` is held elsewhere"),
        (LockError::busy(key(), Duration::from_nanos(999_999)), "lock `job` is held elsewhere"),
        (LockError::busy(key(), Duration::from_micros(1500)), "lock `job` is held elsewhere (waited 1ms)"),
    ];
    for (error, text) in texts {
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn what_is_left_of_the_holders_ttl_is_rounded_up() {
    let left = [
        (Duration::from_nanos(11_000_000_001), "12s"),
        (Duration::from_secs(12), "12s"),
        (Duration::from_millis(1001), "2s"),
        (Duration::from_secs(1), "1s"),
        (Duration::from_micros(250_001), "251ms"),
        (Duration::from_secs(7200), "7200s"),
    ];
    for (left, shown) in left {
        let error = LockError::busy("job", Duration::ZERO).with_free_in(left);
        let text = format!("lock `job` is held elsewhere (free in at most {shown} unless renewed)");
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn a_missing_client_is_looked_for_in_scopes_only_where_there_are_some() {
    let error = LockError::not_configured("job");
    assert!(error.to_string().contains("init(url)") && !error.to_string().contains("scope"));
    let error = error.with_scopes_used(true).to_string();
    assert!(error.contains("init(url)") && error.contains("client.scope(future)"), "{error}");
}

#[test]
fn what_a_store_cannot_is_told_with_what_it_can() {
    let (short, long) = (Duration::from_secs(1), Duration::from_secs(60));
    let texts = [
        (
            OptionFault::KindNotKept(Kind::Shared),
            "the store keeps no shared locks; leave the option out, or use a store that keeps them",
        ),
        (
            OptionFault::KindNotKept(Kind::permits(5).with_weight(2)),
            "the store keeps no permits with a weight; leave the option out, or use a store that keeps them",
        ),
        (OptionFault::TtlUnderStores(long), "ttl is too short for the store; 60s is its shortest"),
        (
            OptionFault::TtlOverStores(short),
            "ttl is too long for the store; 1s is its longest, and a held lock is renewed anyway",
        ),
    ];
    for (fault, text) in texts {
        assert_eq!(fault.to_string(), text);
    }
}
