//! How a client closes: no new calls, then a grace period for bodies, then their leases are lost, then the releases.

use std::time::Duration;

use crate::key::Census;
use crate::store::{LockKey, Moment};

/// How long the releases may take once no body runs any more.
const RELEASES: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Closing<C> {
    /// When the grace period is over.
    lose_at: Moment,
    /// When releases are no longer awaited; unknown until no body runs any more.
    give_up: Option<Moment>,
    /// How many leases were lost by closing.
    pub(super) lost: usize,
    pub(super) over: bool,
    /// Tasks that await the end.
    pub(super) watchers: Vec<C>,
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
        Self { lose_at, give_up: None, lost: 0, over: false, watchers: vec![watcher] }
    }

    /// Close was called again: one more task awaits it, and the grace period may become shorter.
    pub(super) fn again(&mut self, lose_at: Moment, watcher: C) {
        self.lose_at = self.lose_at.min(lose_at);
        self.watchers.push(watcher);
    }

    /// Awaits releases again that were given up on.
    pub(super) fn reopen(&mut self) {
        (self.over, self.give_up) = (false, None);
    }

    pub(super) fn due(&self) -> Moment {
        if self.over { Moment::MAX } else { self.give_up.unwrap_or(self.lose_at) }
    }

    pub(super) fn next(&mut self, now: Moment, census: &Census) -> Next {
        match self.give_up {
            _ if self.over => Next::Wait,
            None if census.held == 0 || self.lose_at <= now => {
                self.give_up = Some(now + RELEASES);
                self.lost += census.held;
                Next::LoseAll
            }
            Some(give_up) if census.unfinished == 0 || give_up <= now => {
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
        assert_eq!(closing.next(NOW, &held(2)), Next::Wait);
        assert_eq!(closing.next(NOW + Duration::from_secs(5), &held(2)), Next::LoseAll);
        let unfinished = Census { unfinished: 2, ..Census::default() };
        assert_eq!(closing.next(NOW + Duration::from_secs(5), &unfinished), Next::Wait);
        assert_eq!(closing.next(NOW + Duration::from_secs(6), &unfinished), Next::Over);
        assert_eq!((closing.lost, closing.due()), (2, Moment::MAX));
    }

    #[test]
    fn whoever_closes_again_may_shorten_the_grace_and_not_lengthen_it() {
        let mut closing = Closing::new(NOW + Duration::from_secs(5), ());
        closing.again(NOW + Duration::from_secs(9), ());
        assert_eq!(closing.due(), NOW + Duration::from_secs(5));
        closing.again(NOW, ());
        assert_eq!(closing.next(NOW, &held(1)), Next::LoseAll);
    }
}
