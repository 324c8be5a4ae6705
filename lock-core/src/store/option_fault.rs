//! Which options cannot work, and what to write instead.

use std::time::Duration;

use super::kind::Kind;

/// Which option cannot work, and what to write instead. Durations are the ones given, but for a store's bounds.
///
/// ```
/// use lock_runtime::OptionFault;
///
/// let fault = OptionFault::MinHoldOverTtl;
/// assert_eq!(fault.to_string(), "min_hold is longer than ttl; raise ttl or lower min_hold");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionFault {
    /// A `ttl` under 50 ms: network and drift would eat it up.
    #[error("ttl {0:?} is too short; 50ms is the shortest")]
    TtlTooShort(Duration),
    /// A `ttl` over 30 days.
    #[error("ttl {0:?} is too long; 30 days is the longest, and a held lock is renewed anyway")]
    TtlTooLong(Duration),
    /// A `wait` over 30 days that is not `forever`.
    #[error(
        "wait {0:?} is too long; 30 days is the longest, or wait for ever with wait_forever() or wait = \"forever\""
    )]
    WaitTooLong(Duration),
    /// A `min_hold` over the `ttl`.
    #[error("min_hold is longer than ttl; raise ttl or lower min_hold")]
    MinHoldOverTtl,
    /// A `max_hold` under the `ttl`.
    #[error("max_hold is shorter than ttl; raise max_hold or lower ttl")]
    MaxHoldUnderTtl,
    /// A `max_hold` without renewal: it bounds the renewal.
    #[error("max_hold has no meaning with renew = false; leave one of them out")]
    MaxHoldWithoutRenewal,
    /// A call for several keys that names none.
    #[error("there are no keys; name at least one")]
    NoKeys,
    /// A guard that would be part of an enclosing body, which it can leave.
    #[error("a guard cannot join the body that holds its lock; give the work to run(), or leave join_held() out")]
    GuardThatJoins,
    /// A `once` of no time at all.
    #[error("once lasts for no time; write for how long a success counts")]
    OnceTooShort,
    /// A `once` over 366 days.
    #[error("once {0:?} is too long; 366 days is the longest")]
    OnceTooLong(Duration),
    /// A `once` for a lock that others may hold at the same time.
    #[error("once needs an exclusive lock; leave once or shared() and permits(..) out")]
    OnceNeedsExclusive,
    /// A `once` for a call that may be part of an enclosing body, which goes on when the call has succeeded.
    #[error("a call that joins an enclosing body cannot mark its success; leave once or join_held() out")]
    OnceThatJoins,
    /// A lease with `once` that is made a shared one.
    #[error("a lock with once cannot be made a shared one; release it with complete(), and take a shared one")]
    DowngradeWithOnce,
    /// A guard that was told of a success, and whose request had no `once`.
    #[error("complete() is for a request with once(..); add that, or call release()")]
    CompleteWithoutOnce,
    /// A `once` at a store that does not claim to keep what is done.
    #[error("the store does not keep what is done; leave once out, or use a store that does")]
    OnceNotKept,
    /// A kind of lock that the store does not claim to keep.
    #[error("the store keeps no {0}; leave the option out, or use a store that keeps them")]
    KindNotKept(Kind),
    /// A `ttl` under the store's own bound, which is this.
    #[error("ttl is too short for the store; {0:?} is its shortest")]
    TtlUnderStores(Duration),
    /// A `ttl` over the store's own bound, which is this.
    #[error("ttl is too long for the store; {0:?} is its longest, and a held lock is renewed anyway")]
    TtlOverStores(Duration),
    /// `permits` for a shared lock, which any number may hold beside each other.
    #[error("a shared lock has no number of permits; leave shared() or permits(..) out")]
    SharedWithPermits,
    /// No permit at all, which nobody could ever have.
    #[error("permits(0) lets nobody in; the least is 1")]
    NoPermits,
    /// A `weight` without `permits`.
    #[error("weight says how many permits are taken, and there are none; add permits(..)")]
    WeightWithoutPermits,
    /// A `weight` of nothing.
    #[error("weight(0) takes no permit; the least is 1")]
    NoWeight,
    /// A `weight` over the `permits`: it could never be granted.
    #[error("a weight of {weight} is more than the {permits} permits that there are; raise permits or lower weight")]
    WeightOverPermits {
        /// How many are asked for.
        weight: u32,
        /// How many there are.
        permits: u32,
    },
}
