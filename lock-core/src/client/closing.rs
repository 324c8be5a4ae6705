//! How a client closes: no new calls, then a grace period for bodies, then their leases are lost, then the releases.

use std::time::Duration;

use crate::key::Census;
use crate::store::{LockKey, Moment};

/// How long the releases may take once no body runs any more: so long, and so much longer for each ten, unless the
/// store is out of reach.
const RELEASES: Duration = Duration::from_secs(1);
const PER_TEN: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(super) struct Closing<C> {
    /// When the grace period is over.
    lose_at: Moment,
    /// None before no body runs any more.
    releases: Option<Releases>,
    /// How many leases were lost by closing.
    pub(super) lost: usize,
    pub(super) over: bool,
    /// Tasks that await the end.
    pub(super) watchers: Vec<C>,
}

/// Until when the releases are awaited at the end.
#[derive(Debug, Clone, Copy)]
struct Releases {
    /// When they are no longer awaited.
    give_up: Moment,
    /// The same, while the store is out of reach.
    give_up_unsent: Moment,
}

impl Releases {
    fn new(now: Moment, unfinished: usize) -> Self {
        let all = PER_TEN.saturating_mul(u32::try_from(unfinished / 10).unwrap_or(u32::MAX));
        Self { give_up: now + (RELEASES + all), give_up_unsent: now + RELEASES }
    }

    fn due(&self, in_reach: bool) -> Moment {
        if in_reach { self.give_up } else { self.give_up_unsent }
    }
}

/// How a closing ended.
#[derive(Debug)]
pub struct Closed {
    /// How many leases were lost by closing.
    pub lost: usize,
    /// Keys whose body still runs or whose release is not confirmed.
    pub left: Vec<LockKey>,
}

/// What closing does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Wait,
    /// No body runs any more, or the grace period is over.
    LoseAll,
    /// Every release is confirmed or no longer awaited.
    Over,
}

impl<C> Closing<C> {
    pub(super) fn new(lose_at: Moment, watcher: C) -> Self {
        Self { lose_at, releases: None, lost: 0, over: false, watchers: vec![watcher] }
    }

    /// Close was called again: one more task awaits it, and the grace period may become shorter.
    pub(super) fn again(&mut self, lose_at: Moment, watcher: C) {
        self.lose_at = self.lose_at.min(lose_at);
        self.watchers.push(watcher);
    }

    /// Awaits releases again that were given up on.
    pub(super) fn reopen(&mut self) {
        (self.over, self.releases) = (false, None);
    }

    /// When the clock changes something, given whether the store is in reach.
    pub(super) fn due(&self, in_reach: bool) -> Moment {
        if self.over { Moment::MAX } else { self.releases.map_or(self.lose_at, |releases| releases.due(in_reach)) }
    }

    pub(super) fn next(&mut self, now: Moment, census: &Census, in_reach: bool) -> Next {
        match &self.releases {
            _ if self.over => Next::Wait,
            None if census.held == 0 || self.lose_at <= now => {
                self.releases = Some(Releases::new(now, census.unfinished));
                self.lost += census.held;
                Next::LoseAll
            }
            Some(releases) if census.unfinished == 0 || releases.due(in_reach) <= now => {
                self.over = true;
                Next::Over
            }
            _ => Next::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_nanos(1_000_000_000_000);

    fn held(held: usize) -> Census {
        Census { held, unfinished: held, ..Census::default() }
    }

    #[test]
    fn bodies_have_their_grace_and_then_releases_a_second() {
        let mut closing = Closing::new(NOW + Duration::from_secs(5), ());
        assert_eq!(closing.next(NOW, &held(2), true), Next::Wait);
        assert_eq!(closing.next(NOW + Duration::from_secs(5), &held(2), true), Next::LoseAll);
        let unfinished = Census { unfinished: 2, ..Census::default() };
        assert_eq!(closing.next(NOW + Duration::from_secs(5), &unfinished, true), Next::Wait);
        assert_eq!(closing.next(NOW + Duration::from_secs(6), &unfinished, true), Next::Over);
        assert_eq!((closing.lost, closing.due(true)), (2, Moment::MAX));
    }

    #[test]
    fn many_releases_have_longer_while_the_store_is_in_reach() {
        let unfinished = Census { unfinished: 20_000, ..Census::default() };
        let (almost, three_seconds) = (NOW + Duration::from_millis(2999), NOW + Duration::from_secs(3));
        let mut closing = Closing::new(NOW, ());
        assert_eq!(closing.next(NOW, &held(20_000), true), Next::LoseAll);
        assert_eq!((closing.due(true), closing.next(almost, &unfinished, true)), (three_seconds, Next::Wait));
        assert_eq!(closing.next(three_seconds, &unfinished, true), Next::Over);
    }

    #[test]
    fn many_releases_that_cannot_be_sent_have_a_second() {
        let unfinished = Census { unfinished: 100_000, ..Census::default() };
        let mut closing = Closing::new(NOW, ());
        assert_eq!(closing.next(NOW, &held(100_000), true), Next::LoseAll);
        assert_eq!(closing.due(false), NOW + Duration::from_secs(1));
        assert_eq!(closing.next(NOW + Duration::from_secs(1), &unfinished, true), Next::Wait);
        assert_eq!(closing.next(NOW + Duration::from_secs(1), &unfinished, false), Next::Over);
    }

    #[test]
    fn whoever_closes_again_may_shorten_the_grace_and_not_lengthen_it() {
        let mut closing = Closing::new(NOW + Duration::from_secs(5), ());
        closing.again(NOW + Duration::from_secs(9), ());
        assert_eq!(closing.due(true), NOW + Duration::from_secs(5));
        closing.again(NOW, ());
        assert_eq!(closing.next(NOW, &held(1), true), Next::LoseAll);
    }
}
