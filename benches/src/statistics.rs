//! Medians, ranks and ratios.
//!
//! What must stay true: a ratio is made of two figures of the same round, since the machine's mood changes from round
//! to round; and a round in which a figure is missing counts for nothing instead of for zero.

use serde_json::{Value, json};

/// The middle of some values, and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of those values that are there; none if none is.
    pub(crate) fn of(values: &[Option<f64>]) -> Option<Self> {
        let sorted = sorted(values.iter().copied().flatten());
        let (&least, &most) = (sorted.first()?, sorted.last()?);
        Some(Self { median: middle(&sorted), least, most })
    }

    pub(crate) fn to_json(self) -> Value {
        json!({ "median": self.median, "least": self.least, "most": self.most })
    }
}

/// Ours over the peer's, round by round; none where either is missing or the peer's is nothing.
pub(crate) fn ratios(ours: &[Option<f64>], peers: &[Option<f64>]) -> Vec<Option<f64>> {
    let ratio = |(ours, peer): (&Option<f64>, &Option<f64>)| {
        let peer = peer.filter(|peer| *peer > 0.0)?;
        ours.map(|ours| ours / peer)
    };
    ours.iter().zip(peers).map(ratio).collect()
}

/// The smallest value that is not below this share of all (nearest rank); `share` lies in 0 to 1.
pub(crate) fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let sorted = sorted(values.iter().copied());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank is a small positive number")]
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

/// A hundred values, evenly spread over the ranks, each with the share of all that are not above it.
pub(crate) fn percentiles(values: &[f64]) -> Vec<(f64, f64)> {
    let sorted = sorted(values.iter().copied());
    let at = |percent: usize| {
        Some((percent as f64 / 100.0, *sorted.get((sorted.len() * percent).div_ceil(100).max(1) - 1)?))
    };
    (1..=100).filter_map(at).collect()
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn middle(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[half] } else { f64::midpoint(sorted[half - 1], sorted[half]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_lies_in_the_middle_whatever_the_order() {
        let odd = Spread::of(&[Some(9.0), Some(1.0), None, Some(4.0)]);
        assert_eq!(odd, Some(Spread { median: 4.0, least: 1.0, most: 9.0 }));
        assert_eq!(Spread::of(&[Some(3.0), Some(1.0)]).map(|spread| spread.median), Some(2.0));
    }

    #[test]
    fn nothing_has_no_median() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[None, None]), None);
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        let ours = [Some(10.0), None, Some(30.0), Some(1.0)];
        let peers = [Some(5.0), Some(5.0), Some(60.0), Some(0.0)];
        assert_eq!(ratios(&ours, &peers), [Some(2.0), None, Some(0.5), None]);
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&values, 0.5), Some(50.0));
        assert_eq!(percentile(&values, 0.99), Some(99.0));
        assert_eq!(percentile(&values, 1.0), Some(100.0));
        assert_eq!(percentile(&[7.0], 0.01), Some(7.0));
        assert_eq!(percentile(&[], 0.5), None);
        let each = percentiles(&values);
        assert_eq!((each.len(), each[0], each[49], each[99]), (100, (0.01, 1.0), (0.5, 50.0), (1.0, 100.0)));
        assert_eq!((percentiles(&[]), percentiles(&[7.0])[42]), (vec![], (0.43, 7.0)));
    }
}
