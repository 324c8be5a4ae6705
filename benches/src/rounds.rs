//! Every trial in every round, in turn: A B C, then C B A, then A B C.
//!
//! What must stay true: a trial has one result a round, so that the results of two trials can be compared round by
//! round; one that failed is kept as its error, and the rest goes on. Every second round goes backwards, so that a
//! machine that slows down, or whoever ran before, favours nobody.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde_json::{Value, json};

use crate::progress::Progress;

/// The results of each trial, one a round.
pub(crate) struct Rounds<T, R>(BTreeMap<T, Vec<Result<R, String>>>);

/// Runs all trials `count` times.
pub(crate) fn run<T: Copy + Ord + Display, R>(
    count: usize,
    trials: &[T],
    mut once: impl FnMut(T) -> Result<R, String>,
) -> Rounds<T, R> {
    let mut results: BTreeMap<T, Vec<Result<R, String>>> = BTreeMap::new();
    let progress = Progress::new(count * trials.len());
    for round in 1..=count {
        for trial in in_order(round, trials) {
            progress.begin(format!("round {round}/{count}: {trial}"));
            let result = once(trial);
            if let Err(why) = &result {
                progress.tell(&format!("{trial} failed: {why}"));
            }
            progress.end();
            results.entry(trial).or_default().push(result);
        }
    }
    Rounds(results)
}

fn in_order<T: Copy>(round: usize, trials: &[T]) -> Vec<T> {
    let mut trials = trials.to_vec();
    if round.is_multiple_of(2) {
        trials.reverse();
    }
    trials
}

impl<T: Copy + Ord + Display, R> Rounds<T, R> {
    /// A figure of one trial, round by round.
    pub(crate) fn figures(&self, trial: T, figure: impl Fn(&R) -> Option<f64>) -> Vec<Option<f64>> {
        self.of(trial).iter().map(|result| result.as_ref().ok().and_then(&figure)).collect()
    }

    /// The last result of a trial that did not fail.
    pub(crate) fn last(&self, trial: T) -> Option<&R> {
        self.of(trial).iter().rev().find_map(|result| result.as_ref().ok())
    }

    /// What failed.
    pub(crate) fn failures(&self) -> Vec<(T, usize, &str)> {
        let mut failures = Vec::new();
        for (&trial, results) in &self.0 {
            for (round, result) in (1..).zip(results) {
                failures.extend(result.as_ref().err().map(|why| (trial, round, why.as_str())));
            }
        }
        failures
    }

    /// The same, for the report.
    pub(crate) fn told_failures(&self) -> Vec<String> {
        self.failures().into_iter().map(|(trial, round, why)| format!("round {round}, {trial}: {why}")).collect()
    }

    pub(crate) fn to_json(&self, of: impl Fn(&R) -> Value) -> Value {
        let result = |result: &Result<R, String>| match result {
            Ok(result) => of(result),
            Err(why) => json!({ "failed": why }),
        };
        let trials = self.0.iter().map(|(trial, results)| {
            let rounds: Vec<Value> = results.iter().map(result).collect();
            json!({ "trial": trial.to_string(), "rounds": rounds })
        });
        trials.collect()
    }

    fn of(&self, trial: T) -> &[Result<R, String>] {
        self.0.get(&trial).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trials_take_turns_and_a_failure_is_kept() {
        let mut order = String::new();
        let rounds = run(2, &['b', 'a'], |trial| {
            order.push(trial);
            if order.len() == 3 { Err("it was stuck".to_owned()) } else { Ok(order.len()) }
        });
        assert_eq!(order, "baab");
        let figures = |trial| rounds.figures(trial, |&result| Some(result as f64));
        assert_eq!((figures('b'), figures('a')), (vec![Some(1.0), Some(4.0)], vec![Some(2.0), None]));
        assert_eq!(rounds.failures(), [('a', 2, "it was stuck")]);
        assert_eq!((rounds.last('a'), rounds.last('c')), (Some(&2), None));
        assert_eq!(figures('c'), []);
    }
}
