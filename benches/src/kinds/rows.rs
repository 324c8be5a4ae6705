//! What is made of the samples: the rows of the report, each with its floor or peer and its target.

use super::Samples;
use super::cycling::{Cycle, MANY};
use super::trials::{EXCLUSIVE, NINE_TO_ONE, OF_FIVE, PERMITS, READERS, READERS_AND_WRITERS, SHARED, Trial, WAITERS};
use crate::contestants::Contestant::{self, Nothing, OursAsShipped, RlockReadWrite, RlockReadWriteEveryMillisecond};
use crate::cycles::Cycled;
use crate::fleet::Ran;
use crate::kind::Mix;
use crate::report::Bound::{AtLeast, AtMost};
use crate::report::{Row, Target};
use crate::statistics::percentile;

type Figure = fn(&Ran) -> Option<f64>;

const HOLDS: Figure = |ran| Some(ran.holds_per_second);
const COMMANDS: Figure = |ran| ran.sent.as_ref()?.per(ran.holds);
const MOST_AT_ONCE: Figure = |ran| Some(ran.most_at_once as f64);
const P99: Figure = |ran| percentile(&waits(ran), 0.99);
const MEAN: Figure = |ran| mean(&waits(ran));
const P99_OVER_MEAN: Figure = |ran| Some(percentile(&waits(ran), 0.99)? / mean(&waits(ran))?);

/// All rows, in the order of the report.
pub(super) fn all(samples: &Samples) -> Vec<Row> {
    [readers(samples), readers_and_writers(samples), permits(samples), alone(samples)].concat()
}

fn readers(samples: &Samples) -> Vec<Row> {
    let of = Fleet { samples, work: "64 readers of 4 processes", waiters: READERS };
    let holds = |name, mix, peer| of.ours("holds/s", SHARED, HOLDS).against(name, of.timed(mix, peer, HOLDS));
    vec![
        holds("exclusive", EXCLUSIVE, OursAsShipped)
            .hoping(Target::Ratio(AtLeast(10.0)), (0, "holds against exclusive ones")),
        holds("no lock", SHARED, Nothing),
        holds(RlockReadWrite.name(), SHARED, RlockReadWrite).hoping(Target::Ratio(AtLeast(1.0)), (0, "against rlock")),
        of.sent(SHARED)
            .against(RlockReadWrite.name(), of.watched(SHARED, RlockReadWrite))
            .hoping(Target::Ours(AtMost(0.5)), (0, "commands a hold")),
        of.ours("most inside at once", SHARED, MOST_AT_ONCE),
    ]
}

fn readers_and_writers(samples: &Samples) -> Vec<Row> {
    let of = Fleet { samples, work: "9 readers to a writer, 16 waiters of 4 processes", waiters: READERS_AND_WRITERS };
    let beside = |measure, figure, peer: Contestant| {
        of.ours(measure, NINE_TO_ONE, figure).against(peer.name(), of.timed(NINE_TO_ONE, peer, figure))
    };
    let mut rows = vec![
        beside("a writer's wait, p99 over mean", P99_OVER_MEAN, RlockReadWriteEveryMillisecond)
            .hoping(Target::Ours(AtMost(3.0)), (1, "a writer's p99 wait over its mean")),
        of.ours("holds/s", NINE_TO_ONE, HOLDS).against("exclusive", of.timed(EXCLUSIVE, OursAsShipped, HOLDS)),
    ];
    for (peer, name) in
        [(RlockReadWrite, "holds against rlock"), (RlockReadWriteEveryMillisecond, "against rlock every 1 ms")]
    {
        rows.push(beside("holds/s", HOLDS, peer).hoping(Target::Ratio(AtLeast(1.0)), (1, name)));
        rows.push(beside("a writer's wait, mean", MEAN, peer).in_time());
        rows.push(beside("a writer's wait, p99", P99, peer).in_time());
    }
    rows.push(of.sent(NINE_TO_ONE).against(RlockReadWrite.name(), of.watched(NINE_TO_ONE, RlockReadWrite)));
    rows
}

fn permits(samples: &Samples) -> Vec<Row> {
    let of = Fleet { samples, work: "5 permits, 20 waiters of 4 processes", waiters: WAITERS };
    vec![
        of.ours("holds/s", OF_FIVE, HOLDS)
            .against("exclusive", of.timed(EXCLUSIVE, OursAsShipped, HOLDS))
            .hoping(Target::Ratio(AtLeast(3.0)), (2, "holds against exclusive ones")),
        of.ours("most inside at once", OF_FIVE, MOST_AT_ONCE)
            .hoping(Target::Ours(AtMost(PERMITS as f64)), (2, "most inside at once")),
        of.sent(OF_FIVE).against("exclusive", of.watched(EXCLUSIVE, OursAsShipped)),
    ]
}

fn alone(samples: &Samples) -> Vec<Row> {
    let figures = |cycle, figure: fn(&Cycled) -> Option<f64>| samples.cycles.figures(cycle, figure);
    let shared = |measure, figure| {
        Row::new("a shared lock beside 100 holders", measure, figures(Cycle::SharedBeside(MANY), figure))
            .against("beside 1", figures(Cycle::SharedBeside(1), figure))
            .in_time()
    };
    let lasts: fn(&Cycled) -> Option<f64> = |seen| (seen.cycles > 0).then(|| 1e9 / seen.per_second());
    let two_keys = |name, cycle| {
        let row = Row::new("two keys at once, nobody else wants them", "time a cycle", figures(Cycle::TwoKeys, lasts));
        row.against(name, figures(cycle, lasts)).in_time()
    };
    let rlock = Row::new("the same, by rlock", "time a cycle", figures(Cycle::RlockTwoKeys, lasts));
    vec![
        shared("scripts' time a cycle", Cycled::scripts)
            .hoping(Target::Ratio(AtMost(1.3)), (3, "the server's time a shared cycle, 100 holders against 1")),
        shared("server CPU a cycle", Cycled::server_cpu),
        shared("time a cycle", lasts),
        two_keys("one key", Cycle::OneKey).hoping(Target::Ratio(AtMost(2.2)), (3, "two keys against one")),
        two_keys("rlock", Cycle::RlockTwoKeys),
        rlock.against("one key, rlock", figures(Cycle::RlockOneKey, lasts)).in_time(),
    ]
}

/// How long each waited who wanted to write.
fn waits(ran: &Ran) -> Vec<f64> {
    ran.exclusive_waits.iter().map(|&wait| wait as f64).collect()
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Fleets of one size, of which rows are made.
#[derive(Clone, Copy)]
struct Fleet<'s> {
    samples: &'s Samples,
    work: &'static str,
    waiters: usize,
}

impl Fleet<'_> {
    fn ours(self, measure: &str, mix: Mix, figure: Figure) -> Row {
        Row::new(self.work, measure, self.timed(mix, OursAsShipped, figure))
    }

    fn sent(self, mix: Mix) -> Row {
        Row::new(self.work, "commands a hold", self.watched(mix, OursAsShipped))
    }

    fn timed(self, mix: Mix, contestant: Contestant, figure: Figure) -> Vec<Option<f64>> {
        let trial = Trial { waiters: self.waiters, mix, contestant, watched: false };
        self.samples.fleets.figures(trial, figure)
    }

    fn watched(self, mix: Mix, contestant: Contestant) -> Vec<Option<f64>> {
        let trial = Trial { waiters: self.waiters, mix, contestant, watched: true };
        self.samples.fleets.figures(trial, COMMANDS)
    }
}

#[cfg(test)]
mod tests {
    use super::super::trials;
    use super::*;
    use crate::rounds;

    fn ran(exclusive_waits: Vec<u64>) -> Ran {
        Ran {
            holds: 10,
            handovers: 9,
            holds_per_second: 10.0,
            handovers_per_second: 9.0,
            longest_wait: 7,
            exclusive_waits,
            most_at_once: 5,
            fairness: None,
            fairness_so_far: Vec::new(),
            latencies: Vec::new(),
            sent: None,
        }
    }

    fn samples(fleets: &[Trial], cycles: &[Cycle]) -> Samples {
        Samples {
            fleets: rounds::run(2, fleets, |_| Ok(ran(vec![1, 3]))),
            cycles: rounds::run(2, cycles, |_| Ok(Cycled::default())),
        }
    }

    #[test]
    fn every_row_with_a_target_is_in_the_summary_and_every_trial_in_a_row() {
        let (fleets, cycles) = (trials::all(), Cycle::ALL.to_vec());
        let missed = |row: &Row| row.ours.is_empty() || row.peer.as_ref().is_some_and(|(_, its)| its.is_empty());
        let complete = all(&samples(&fleets, &cycles));
        assert!(complete.iter().all(|row| row.target.is_some() == row.summary.is_some() && !missed(row)));
        for left_out in &fleets {
            let without: Vec<Trial> = fleets.iter().copied().filter(|trial| trial != left_out).collect();
            assert!(all(&samples(&without, &cycles)).iter().any(missed), "{left_out} is run for no row");
        }
        for left_out in &cycles {
            let without: Vec<Cycle> = cycles.iter().copied().filter(|cycle| cycle != left_out).collect();
            assert!(all(&samples(&fleets, &without)).iter().any(missed), "{left_out} is run for no row");
        }
    }

    #[test]
    fn a_writers_worst_wait_is_set_against_its_mean() {
        // One of a hundred is a hundred times as long: it is no part of 99 of 100, and doubles the mean nearly.
        let mut waits = vec![10; 99];
        waits.push(1000);
        assert_eq!((P99(&ran(waits.clone())), MEAN(&ran(waits.clone()))), (Some(10.0), Some(19.9)));
        waits.extend([1000; 2]);
        let of_mean = P99_OVER_MEAN(&ran(waits)).expect("there are some");
        assert!((of_mean - 1000.0 / (3990.0 / 102.0)).abs() < 1e-9, "{of_mean}");
        assert_eq!((P99_OVER_MEAN(&ran(Vec::new())), MEAN(&ran(Vec::new()))), (None, None));
    }
}
