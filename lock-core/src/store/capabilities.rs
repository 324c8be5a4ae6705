//! Capabilities: what a store claims to do, beyond what every store must.
//!
//! A client asks for them once, when it is made, and sends nothing that was not claimed. So a store that knows nothing
//! of a field refuses by not claiming it, instead of granting what it does not keep.
//! Must stay true: what is claimed by default is what every store that was ever written keeps.

use std::time::Duration;

use super::kind::Kind;
use super::option_fault::OptionFault;

/// What a store claims to do.
///
/// By default: exclusive locks alone, no queues, any ttl, one fence for each grant, and a session for each runtime.
///
/// ```
/// use std::time::Duration;
/// use lock_runtime::store::{Capabilities, Kind};
///
/// let capabilities = Capabilities::new().with_shortest_ttl(Duration::from_secs(2)).with_one_session();
/// assert!(capabilities.keeps(Kind::Exclusive) && !capabilities.keeps(Kind::Shared));
/// assert!(!capabilities.queues() && !capabilities.reserves_fences());
/// ```
#[allow(clippy::struct_excessive_bools)] // each is claimed by itself
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Capabilities {
    sets: Sets,
    queues: bool,
    reserves_fences: bool,
    inspects: bool,
    marks_done: bool,
    sessions: Sessions,
    shortest_ttl: Duration,
    longest_ttl: Duration,
}

/// Which sets of holders it keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Sets {
    shared: bool,
    permits: Permits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Permits {
    None,
    OneEach,
    Weighted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Sessions {
    PerRuntime,
    One,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self::new()
    }
}

impl Capabilities {
    /// What every store does, and no more.
    ///
    /// ```
    /// use lock_runtime::store::{Capabilities, Kind};
    ///
    /// let plain = Capabilities::new();
    /// assert!(plain.keeps(Kind::Exclusive) && !plain.keeps(Kind::Shared) && !plain.queues());
    /// ```
    pub const fn new() -> Self {
        Self {
            sets: Sets { shared: false, permits: Permits::None },
            queues: false,
            reserves_fences: false,
            inspects: false,
            marks_done: false,
            sessions: Sessions::PerRuntime,
            shortest_ttl: Duration::ZERO,
            longest_ttl: Duration::MAX,
        }
    }

    /// Waiters queue at the store, so that a release hands the key to the first of them, and tells its listener.
    ///
    /// Of a store that does not, whoever looks first has the key: it is sent no entry, no enqueue and no rotation.
    ///
    /// ```
    /// use lock_runtime::store::Capabilities;
    ///
    /// assert!(Capabilities::new().with_queues().queues());
    /// ```
    #[must_use]
    pub const fn with_queues(self) -> Self {
        Self { queues: true, ..self }
    }

    /// It keeps [`Kind::Shared`].
    ///
    /// ```
    /// use lock_runtime::store::{Capabilities, Kind};
    ///
    /// assert!(Capabilities::new().with_shared().keeps(Kind::Shared));
    /// ```
    #[must_use]
    pub const fn with_shared(self) -> Self {
        Self { sets: Sets { shared: true, ..self.sets }, ..self }
    }

    /// It keeps [`Kind::Permits`] of which each holder takes one.
    ///
    /// ```
    /// use lock_runtime::store::{Capabilities, Kind};
    ///
    /// let capabilities = Capabilities::new().with_permits();
    /// assert!(capabilities.keeps(Kind::permits(5)) && !capabilities.keeps(Kind::permits(5).with_weight(2)));
    /// ```
    #[must_use]
    pub const fn with_permits(self) -> Self {
        let permits = match self.sets.permits {
            Permits::None => Permits::OneEach,
            more => more,
        };
        Self { sets: Sets { permits, ..self.sets }, ..self }
    }

    /// It keeps [`Kind::Permits`] of which each holder takes as many as it asks for.
    ///
    /// ```
    /// use lock_runtime::store::{Capabilities, Kind};
    ///
    /// assert!(Capabilities::new().with_weights().keeps(Kind::permits(5).with_weight(2)));
    /// ```
    #[must_use]
    pub const fn with_weights(self) -> Self {
        Self { sets: Sets { permits: Permits::Weighted, ..self.sets }, ..self }
    }

    /// A look, an enqueue or a rotation may ask for many fences at once, all of them greater than each fence before and
    /// smaller than each that is reserved later. With them a lock goes from hand to hand inside a process.
    ///
    /// A store that cannot is asked for one at a time.
    ///
    /// ```
    /// use lock_runtime::store::Capabilities;
    ///
    /// assert!(Capabilities::new().with_fence_blocks().reserves_fences());
    /// ```
    #[must_use]
    pub const fn with_fence_blocks(self) -> Self {
        Self { reserves_fences: true, ..self }
    }

    /// The same of a store that says who holds a key and who waits, and keeps the cards of its clients:
    /// [`Session::inspect`](super::Session::inspect), [`Session::introduce`](super::Session::introduce).
    ///
    /// ```
    /// assert!(lock_runtime::store::Capabilities::new().with_inspection().inspects());
    /// ```
    #[must_use]
    pub const fn with_inspection(self) -> Self {
        Self { inspects: true, ..self }
    }

    /// The same of a store that keeps a key as done for a while, and tells whoever asks:
    /// [`Release::done`](super::Release::done), [`Acquired::Done`](super::Acquired::Done).
    ///
    /// ```
    /// assert!(lock_runtime::store::Capabilities::new().with_done_marks().marks_done());
    /// ```
    #[must_use]
    pub const fn with_done_marks(self) -> Self {
        Self { marks_done: true, ..self }
    }

    /// No lease is shorter. What a release still keeps is none, and may be shorter: it is rounded up where it must be.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::Capabilities;
    ///
    /// let second = Duration::from_secs(1);
    /// assert_eq!(Capabilities::new().with_shortest_ttl(second).shortest_ttl(), second);
    /// ```
    #[must_use]
    pub const fn with_shortest_ttl(self, shortest_ttl: Duration) -> Self {
        Self { shortest_ttl, ..self }
    }

    /// No lease is longer.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::Capabilities;
    ///
    /// let hour = Duration::from_secs(3600);
    /// assert_eq!(Capabilities::new().with_longest_ttl(hour).longest_ttl(), hour);
    /// ```
    #[must_use]
    pub const fn with_longest_ttl(self, longest_ttl: Duration) -> Self {
        Self { longest_ttl, ..self }
    }

    /// Connections are dear: a client opens one session, and all its runtimes use it.
    ///
    /// Else each runtime has one of its own, which wakes no other thread, and the client one for what nobody awaits.
    ///
    /// ```
    /// use lock_runtime::store::Capabilities;
    ///
    /// assert!(Capabilities::new().with_one_session().wants_one_session());
    /// ```
    #[must_use]
    pub const fn with_one_session(self) -> Self {
        Self { sessions: Sessions::One, ..self }
    }

    /// Whether it keeps locks of this kind; exclusive ones in any case.
    ///
    /// ```
    /// use lock_runtime::store::{Kind, MemoryStore, Store};
    ///
    /// assert!(MemoryStore::new().capabilities().keeps(Kind::Exclusive));
    /// ```
    pub const fn keeps(&self, kind: Kind) -> bool {
        match (kind, self.sets.permits) {
            (Kind::Exclusive, _) | (Kind::Permits { .. }, Permits::Weighted) => true,
            (Kind::Shared, _) => self.sets.shared,
            (Kind::Permits { weight, .. }, permits) => weight == 1 && matches!(permits, Permits::OneEach),
        }
    }

    /// Whether waiters queue at the store.
    ///
    /// ```
    /// use lock_runtime::store::{MemoryStore, Store};
    ///
    /// assert!(MemoryStore::new().capabilities().queues());
    /// ```
    pub const fn queues(&self) -> bool {
        self.queues
    }

    /// Whether it may be asked for many fences at once.
    ///
    /// ```
    /// use lock_runtime::store::{MemoryStore, Store};
    ///
    /// assert!(MemoryStore::new().capabilities().reserves_fences());
    /// ```
    pub const fn reserves_fences(&self) -> bool {
        self.reserves_fences
    }

    /// Whether it keeps a key as [done](super::Release::done), and says so to whoever asks.
    ///
    /// ```
    /// assert!(!lock_runtime::store::Capabilities::new().marks_done());
    /// ```
    pub const fn marks_done(&self) -> bool {
        self.marks_done
    }

    /// Whether it says who holds a key, and keeps the cards of its clients.
    ///
    /// ```
    /// assert!(!lock_runtime::store::Capabilities::new().inspects());
    /// ```
    pub const fn inspects(&self) -> bool {
        self.inspects
    }

    /// Zero if it has no bound.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::Capabilities;
    ///
    /// assert_eq!(Capabilities::new().shortest_ttl(), Duration::ZERO);
    /// ```
    pub const fn shortest_ttl(&self) -> Duration {
        self.shortest_ttl
    }

    /// [`Duration::MAX`] if it has no bound.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::Capabilities;
    ///
    /// assert_eq!(Capabilities::new().longest_ttl(), Duration::MAX);
    /// ```
    pub const fn longest_ttl(&self) -> Duration {
        self.longest_ttl
    }

    /// Whether a client opens one session instead of one for each runtime and one for itself.
    ///
    /// ```
    /// use lock_runtime::store::Capabilities;
    ///
    /// assert!(!Capabilities::new().wants_one_session());
    /// ```
    pub const fn wants_one_session(&self) -> bool {
        matches!(self.sessions, Sessions::One)
    }

    /// Says why a lock of this kind and ttl may not be asked of the store, if that is so.
    #[doc(hidden)]
    pub fn check(&self, kind: Kind, ttl: Duration) -> Result<(), OptionFault> {
        if !self.keeps(kind) {
            return Err(OptionFault::KindNotKept(kind));
        }
        self.check_ttl(ttl)
    }

    /// The same of a ttl alone.
    #[doc(hidden)]
    pub fn check_ttl(&self, ttl: Duration) -> Result<(), OptionFault> {
        let Self { shortest_ttl: shortest, longest_ttl: longest, .. } = *self;
        match ttl {
            ttl if ttl < shortest => Err(OptionFault::TtlUnderStores(shortest)),
            ttl if ttl > longest => Err(OptionFault::TtlOverStores(longest)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_store_that_claims_nothing_keeps_exclusive_locks_alone() {
        let plain = Capabilities::default();
        assert!(plain.keeps(Kind::Exclusive));
        for kind in [Kind::Shared, Kind::permits(5), Kind::permits(5).with_weight(2)] {
            assert_eq!(plain.check(kind, S), Err(OptionFault::KindNotKept(kind)));
        }
        assert!(!plain.queues() && !plain.reserves_fences() && !plain.wants_one_session());
        assert_eq!(plain.check(Kind::Exclusive, Duration::from_nanos(1)), Ok(()));
        assert_eq!(plain.check(Kind::Exclusive, Duration::MAX), Ok(()));
    }

    #[test]
    fn each_claim_is_of_its_own_kind() {
        let (shared, permits) = (Capabilities::new().with_shared(), Capabilities::new().with_permits());
        let (one, two) = (Kind::permits(5), Kind::permits(5).with_weight(2));
        assert!(shared.keeps(Kind::Shared) && !shared.keeps(one));
        assert!(permits.keeps(one) && !permits.keeps(two) && !permits.keeps(Kind::Shared));
        for weighted in [permits.with_weights(), Capabilities::new().with_weights().with_permits()] {
            assert!(weighted.keeps(one) && weighted.keeps(two));
        }
    }

    #[test]
    fn a_ttl_at_a_bound_is_within_it() {
        let bounded = Capabilities::new().with_shortest_ttl(2 * S).with_longest_ttl(10 * S);
        for (ttl, fault) in [
            (S, Err(OptionFault::TtlUnderStores(2 * S))),
            (2 * S, Ok(())),
            (10 * S, Ok(())),
            (11 * S, Err(OptionFault::TtlOverStores(10 * S))),
        ] {
            assert_eq!(bounded.check(Kind::Exclusive, ttl), fault);
        }
    }
}
