//! What is made of the samples: the rows of the report, each with its floor or peer and its target.

use super::Samples;
use super::trials::{CROWDS, Setting, Trial};
use crate::contestants::Contestant::{
    self, Blpop, LocalQueue, OursAsShipped, OursByServer, Rlock, RlockEveryMillisecond, Rslock, RslockEveryMillisecond,
};
use crate::fleet::Ran;
use crate::report::Bound::{AtLeast, AtMost};
use crate::report::{Row, Target};
use crate::statistics::percentile;

const PEERS: [Contestant; 4] = [Rslock, RslockEveryMillisecond, Rlock, RlockEveryMillisecond];
/// How long a process may hand a lock around among its own waiters, and by how much a wait may exceed all that.
const LOCAL_TURN_NS: f64 = 20e6;
const PROCESSES: f64 = 4.0;

type Figure = fn(&Ran) -> Option<f64>;

const HANDOVERS: Figure = |ran| Some(ran.handovers_per_second);
const HOLDS: Figure = |ran| Some(ran.holds_per_second);
const FAIRNESS: Figure = |ran| ran.fairness;
const LONGEST_WAIT: Figure = |ran| Some(ran.longest_wait as f64);
const COMMANDS_A_HANDOVER: Figure = |ran| ran.sent.as_ref()?.per(ran.handovers);
const COMMANDS_A_HOLD: Figure = |ran| ran.sent.as_ref()?.per(ran.holds);
const P50: Figure = |ran| latency(ran, 0.5);
const P99: Figure = |ran| latency(ran, 0.99);

/// All rows, in the order of the report.
pub(super) fn all(samples: &Samples) -> Vec<Row> {
    let mut rows = by_server(samples);
    rows.extend(working(samples));
    rows.extend(as_shipped(samples));
    rows.extend(one_process(samples));
    rows.extend(apart(samples));
    rows.extend(crowds(samples));
    rows
}

fn by_server(samples: &Samples) -> Vec<Row> {
    let timed = |one| Trial::timed(Setting::FourByFour, one);
    let watched = |one| Trial::watched(Setting::FourByFour, one);
    let line = Line { samples, work: "4 processes × 4 waiters, by the server" };
    let ours = |measure, figure| line.row(measure, timed(OursByServer), figure);
    let mut rows = vec![
        ours("hand-overs/s", HANDOVERS)
            .beside(samples, timed(Blpop), HANDOVERS)
            .hoping(Target::Ratio(AtLeast(0.7)), (0, "against BLPOP")),
        line.row("commands a hand-over", watched(OursByServer), COMMANDS_A_HANDOVER)
            .beside(samples, watched(Blpop), COMMANDS_A_HANDOVER)
            .hoping(Target::Ours(AtMost(2.2)), (0, "commands each")),
        ours("fewest/most holds of any waiter", FAIRNESS)
            .beside(samples, timed(Blpop), FAIRNESS)
            .hoping(Target::Ours(AtLeast(0.8)), (0, "fewest/most holds")),
    ];
    rows.extend(PEERS.map(|peer| ours("hand-overs/s", HANDOVERS).beside(samples, timed(peer), HANDOVERS)));
    rows
}

fn working(samples: &Samples) -> Vec<Row> {
    let watched = |one| Trial::watched(Setting::Working, one);
    let line = Line { samples, work: "4 × 4, by the server, 2 ms in the critical section" };
    let commands = line.row("commands a hand-over, looks included", watched(OursByServer), COMMANDS_A_HANDOVER).beside(
        samples,
        watched(Blpop),
        COMMANDS_A_HANDOVER,
    );
    vec![commands.hoping(Target::Ours(AtMost(2.2)), (0, "with 2 ms of work"))]
}

fn as_shipped(samples: &Samples) -> Vec<Row> {
    let timed = |one| Trial::timed(Setting::FourByFour, one);
    let line = Line { samples, work: "4 × 4, as shipped" };
    let ours = |measure, figure| line.row(measure, timed(OursAsShipped), figure);
    let bound = LOCAL_TURN_NS * PROCESSES + LOCAL_TURN_NS;
    let mut rows = vec![
        ours("holds/s", HOLDS)
            .beside(samples, timed(Blpop), HOLDS)
            .hoping(Target::Ratio(AtLeast(3.0)), (1, "holds against BLPOP")),
        ours("longest wait of any waiter", LONGEST_WAIT)
            .beside(samples, timed(Blpop), LONGEST_WAIT)
            .in_time()
            .hoping(Target::Ours(AtMost(bound)), (1, "longest wait")),
    ];
    rows.extend(PEERS.map(|peer| ours("holds/s", HOLDS).beside(samples, timed(peer), HOLDS)));
    let waits = |peer| ours("longest wait of any waiter", LONGEST_WAIT).beside(samples, timed(peer), LONGEST_WAIT);
    rows.extend(PEERS.map(|peer| waits(peer).in_time()));
    rows
}

fn one_process(samples: &Samples) -> Vec<Row> {
    let line = Line { samples, work: "1 process × 16 waiters, as shipped" };
    let timed = |one| Trial::timed(Setting::OneProcess, one);
    let watched = |one| Trial::watched(Setting::OneProcess, one);
    vec![
        line.row("hand-overs/s", timed(OursAsShipped), HANDOVERS)
            .beside(samples, timed(LocalQueue), HANDOVERS)
            .hoping(Target::Ratio(AtLeast(10.0)), (1, "one process against a local queue")),
        line.row("commands a hold", watched(OursAsShipped), COMMANDS_A_HOLD)
            .beside(samples, watched(LocalQueue), COMMANDS_A_HOLD)
            .hoping(Target::Ours(AtMost(0.1)), (1, "commands a hold")),
    ]
}

fn apart(samples: &Samples) -> Vec<Row> {
    let line = Line { samples, work: "release → body in another process, held 200 ms" };
    let timed = |one| Trial::timed(Setting::Apart, one);
    let latency = |measure, figure| {
        line.row(measure, timed(OursAsShipped), figure).beside(samples, timed(Blpop), figure).in_time()
    };
    vec![
        latency("latency, p50", P50).hoping(Target::Ratio(AtMost(1.25)), (2, "p50 against BLPOP")),
        latency("latency, p99", P99).hoping(Target::Ratio(AtMost(2.0)), (2, "p99")),
        line.row("commands a hand-over", Trial::watched(Setting::Apart, OursAsShipped), COMMANDS_A_HANDOVER)
            .hoping(Target::Ours(AtMost(6.0)), (2, "commands")),
    ]
}

fn crowds(samples: &Samples) -> Vec<Row> {
    let line = Line { samples, work: "2 to 500 waiters of 4 processes, by the server" };
    let trial = |crowd| Trial::watched(Setting::Crowd(crowd), OursByServer);
    let mut rows: Vec<Row> = CROWDS
        .iter()
        .map(|&crowd| line.row(&format!("commands a hand-over, {crowd} waiters"), trial(crowd), COMMANDS_A_HANDOVER))
        .collect();
    let growth = growth(&rows);
    let mut flat = line.row("most of these, as against 2 waiters", trial(CROWDS[0]), COMMANDS_A_HANDOVER);
    flat.ours = growth;
    rows.push(flat.hoping(Target::Ours(AtMost(1.25)), (2, "growth of commands from 2 to 500 waiters")));
    rows
}

/// The most over the first, round by round; none where one is missing.
fn growth(rows: &[Row]) -> Vec<Option<f64>> {
    let rounds = rows.iter().map(|row| row.ours.len()).min().unwrap_or_default();
    let of_round = |round: usize| {
        let figures: Vec<f64> = rows.iter().map(|row| row.ours[round]).collect::<Option<_>>()?;
        Some(percentile(&figures, 1.0)? / figures.first()?)
    };
    (0..rounds).map(of_round).collect()
}

fn latency(ran: &Ran, share: f64) -> Option<f64> {
    let latencies: Vec<f64> = ran.latencies.iter().map(|&latency| latency as f64).collect();
    percentile(&latencies, share)
}

/// A piece of work, of which rows are made.
#[derive(Clone, Copy)]
struct Line<'s> {
    samples: &'s Samples,
    work: &'static str,
}

impl Line<'_> {
    fn row(self, measure: &str, ours: Trial, figure: Figure) -> Row {
        Row::new(self.work, measure, self.samples.figures(ours, figure))
    }
}

impl Row {
    fn beside(self, samples: &Samples, peer: Trial, figure: Figure) -> Self {
        self.against(peer.contestant.name(), samples.figures(peer, figure))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rounds;

    fn ran(handovers: usize, latencies: Vec<u64>) -> Ran {
        Ran {
            holds: handovers,
            handovers,
            holds_per_second: handovers as f64,
            handovers_per_second: handovers as f64,
            longest_wait: 7,
            exclusive_waits: Vec::new(),
            most_at_once: 1,
            fairness: None,
            fairness_so_far: Vec::new(),
            latencies,
            sent: None,
        }
    }

    #[test]
    fn every_row_with_a_target_is_in_the_summary_and_every_trial_in_a_row() {
        let trials = super::super::trials::all();
        let samples = rounds::run(2, &trials, |_| Ok(ran(10, vec![3, 1, 2])));
        let rows = all(&samples);
        assert!(rows.iter().all(|row| row.target.is_some() == row.summary.is_some()));
        assert!(rows.iter().all(|row| row.ours.len() == 2 && row.peer.as_ref().is_none_or(|(_, its)| its.len() == 2)));
        for trial in trials {
            let without: Vec<Trial> = super::super::trials::all().into_iter().filter(|other| *other != trial).collect();
            let samples = rounds::run(1, &without, |_| Ok(ran(10, Vec::new())));
            let missed = |row: &Row| row.ours.is_empty() || row.peer.as_ref().is_some_and(|(_, its)| its.is_empty());
            assert!(all(&samples).iter().any(missed), "{trial} is run for no row");
        }
    }

    #[test]
    fn latencies_are_ranked() {
        let ran = ran(3, vec![30, 10, 20]);
        assert_eq!((P50(&ran), P99(&ran)), (Some(20.0), Some(30.0)));
    }

    #[test]
    fn growth_is_made_within_a_round_and_needs_all() {
        let samples = rounds::run(1, &[Trial::CONTROL], |_| Ok(ran(1, Vec::new())));
        let line = Line { samples: &samples, work: "" };
        let row = |ours: [Option<f64>; 2]| Row { ours: ours.into(), ..line.row("", Trial::CONTROL, HOLDS) };
        let rows = [row([Some(2.0), Some(2.0)]), row([Some(3.0), None])];
        assert_eq!(growth(&rows), [Some(1.5), None]);
    }
}
