//! When the keeper has its client's card written.
//!
//! Once a session has opened, and every third of the time for which a store keeps a card. What must stay true: a store
//! that refused it once is not asked again; no card is written once the client takes leave. Absent on purpose: what a
//! card says.

use std::time::Duration;

use crate::store::{Card, Moment, StoreError, StoreErrorKind};

/// How long after a card the next one is written; with a store that keeps one for [`Card::LASTS`], two may be missed.
const EVERY: Duration = Duration::from_secs(Card::LASTS.as_secs() / 3);

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Introduction {
    /// No session is open.
    Waiting,
    /// The next card is due then.
    Due(Moment),
    /// No card is written any more.
    Over,
}

impl Introduction {
    /// For a store that keeps cards, or for one that does not.
    pub fn new(keeps_cards: bool) -> Self {
        if keeps_cards { Self::Waiting } else { Self::Over }
    }

    /// A session is open.
    pub fn connected(&mut self, now: Moment) {
        if *self != Self::Over {
            *self = Self::Due(now);
        }
    }

    /// No session is open any more.
    pub fn disconnected(&mut self) {
        if *self != Self::Over {
            *self = Self::Waiting;
        }
    }

    /// Whether to write a card now; if so, the next is due later.
    pub fn begin(&mut self, now: Moment) -> bool {
        let begins = matches!(self, Self::Due(at) if *at <= now);
        if begins {
            *self = Self::Due(now + EVERY);
        }
        begins
    }

    /// The answer to a card; says whether to tell of it, which is once.
    pub fn answered(&mut self, answer: &Result<(), StoreError>) -> bool {
        let refused = matches!(answer, Err(error) if error.kind() == StoreErrorKind::Refused);
        if refused { self.take_leave() } else { false }
    }

    /// The client goes; says whether it had a card to take back.
    pub fn take_leave(&mut self) -> bool {
        std::mem::replace(self, Self::Over) != Self::Over
    }

    /// When the keeper has something to do, given when the client has.
    pub fn wakes_at(&self, due: Moment) -> Moment {
        match self {
            Self::Due(at) => due.min(*at),
            Self::Waiting | Self::Over => due,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_nanos(1_000_000_000_000);

    fn failed(kind: StoreErrorKind) -> Result<(), StoreError> {
        Err(StoreError::new(kind, "for some reason"))
    }

    #[test]
    fn a_card_is_written_when_a_session_opens_and_then_each_minute() {
        let mut introduction = Introduction::new(true);
        assert!(!introduction.begin(NOW), "without a session");
        introduction.connected(NOW);
        assert!(introduction.begin(NOW));
        assert_eq!(introduction.wakes_at(Moment::MAX), NOW + Duration::from_secs(60));
        assert!(!introduction.begin(NOW + Duration::from_secs(59)));
        assert!(introduction.begin(NOW + Duration::from_secs(60)));
        introduction.disconnected();
        assert_eq!(introduction.wakes_at(Moment::MAX), Moment::MAX);
        introduction.connected(NOW + Duration::from_secs(61));
        assert!(introduction.begin(NOW + Duration::from_secs(61)), "the next server may have none");
    }

    #[test]
    fn a_refusal_is_told_once_and_the_last_word() {
        let mut introduction = Introduction::new(true);
        introduction.connected(NOW);
        assert!(introduction.begin(NOW));
        assert!(!introduction.answered(&failed(StoreErrorKind::Disconnected)), "it is tried again");
        assert!(introduction.begin(NOW + EVERY));
        assert!(introduction.answered(&failed(StoreErrorKind::Refused)));
        assert!(!introduction.answered(&failed(StoreErrorKind::Refused)));
        introduction.connected(NOW + EVERY);
        assert!(!introduction.begin(NOW + 2 * EVERY));
        assert!(!introduction.take_leave(), "there is none to take back");
    }

    #[test]
    fn whoever_took_leave_has_no_card_any_more() {
        let mut introduction = Introduction::new(true);
        introduction.connected(NOW);
        assert!(introduction.take_leave());
        assert!(!introduction.begin(NOW) && !introduction.take_leave());
        let mut elsewhere = Introduction::new(false);
        elsewhere.connected(NOW);
        assert!(!elsewhere.begin(NOW) && !elsewhere.take_leave(), "a store that keeps no cards");
    }
}
