//! How long a candidate stands back between two terms.

use std::time::Duration;

/// A term that is shorter has ended at once.
const AT_ONCE: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What a candidate's terms have come to so far. A candidate that is broken would else win each time that it stands,
/// and keep those from leading who could.
#[derive(Debug, Clone, Copy, Default)]
pub struct Candidacy {
    /// How many ended at once since one did not.
    short: u32,
}

impl Candidacy {
    /// A term has ended after so long, or an attempt without one: for how long to stand back.
    pub fn pause_after(&mut self, term: Duration) -> Duration {
        if term >= AT_ONCE {
            self.short = 0;
            return Duration::ZERO;
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.short.min(16)).min(LONGEST_PAUSE);
        self.short = self.short.saturating_add(1);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_after_a_term_that_lasts() {
        let mut candidacy = Candidacy::default();
        let mut pause = |term: u64| candidacy.pause_after(Duration::from_millis(term)).as_secs();
        assert_eq!([0, 0, 999, 0, 0, 0, 0].map(&mut pause), [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!([1000, 0, 0, 60_000, 999].map(&mut pause), [0, 1, 2, 0, 1]);
        for _ in 0..100 {
            assert!(pause(0) <= 30);
        }
    }
}
