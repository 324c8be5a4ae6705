//! What is made of the samples: the rows of the report, each with its floor or peer and its target.

use super::Samples;
use super::trials::{Setting, Trial};
use crate::cycles::{Cycled, Flavor};
use crate::entrant::Entrant;
use crate::report::Bound::{AtLeast, AtMost};
use crate::report::{Row, Target};
use crate::statistics::percentile;

type Figure = fn(&Cycled) -> Option<f64>;

const CYCLES: Figure = |seen| Some(seen.per_second());
const CLIENT_CPU: Figure = Cycled::client_cpu;
const SERVER_CPU: Figure = Cycled::server_cpu;
const P50: Figure = |seen| latency(seen, 0.5);
const P99: Figure = |seen| latency(seen, 0.99);

/// All rows, in the order of the report.
pub(super) fn all(samples: &Samples) -> Vec<Row> {
    Setting::ALL.into_iter().flat_map(|setting| Work { samples, setting }.rows()).collect()
}

/// The rows of one setting.
#[derive(Clone, Copy)]
struct Work<'s> {
    samples: &'s Samples,
    setting: Setting,
}

impl Work<'_> {
    fn rows(self) -> Vec<Row> {
        let mut rows = match self.setting {
            Setting::OneTask => self.one_task(0),
            Setting::OneTaskSpun => self.one_task(1),
            Setting::Many(flavor) => self.many(flavor),
        };
        rows.extend(self.setting.peers().iter().map(|&peer| match self.setting {
            Setting::Many(_) => self.row("cycles/s", CYCLES, peer).aiming(Target::Ratio(AtLeast(1.0))),
            _ => self.row("cycles/s", CYCLES, peer),
        }));
        rows.push(self.row("cycles/s", CYCLES, Entrant::Memory));
        rows
    }

    fn one_task(self, line: usize) -> Vec<Row> {
        let attribute = self.of(Entrant::Attribute, "cycles/s by the attribute", CYCLES);
        vec![
            self.row("cycles/s", CYCLES, Entrant::SameCommands)
                .hoping(Target::Ratio(AtLeast(0.95)), (line, "against the same commands")),
            self.row("cycles/s", CYCLES, Entrant::Bare)
                .hoping(Target::Ratio(AtLeast(0.9)), (line, "against SET + EVALSHA")),
            attribute
                .against("LockRequest", self.figures(Entrant::Ours, CYCLES))
                .hoping(Target::Ratio(AtLeast(0.97)), (line, "the attribute against LockRequest")),
            self.row("latency, p50", P50, Entrant::SameCommands).in_time(),
            self.row("latency, p99", P99, Entrant::SameCommands).in_time(),
        ]
    }

    fn many(self, flavor: Flavor) -> Vec<Row> {
        let [same, bare, cpu_same, cpu_bare] = match flavor {
            Flavor::MultiThread => [
                "multi-thread against the same commands",
                "against SET + EVALSHA",
                "client CPU against the same commands",
                "against SET + EVALSHA",
            ],
            Flavor::CurrentThread => [
                "current-thread against the same commands",
                "against SET + EVALSHA",
                "client CPU against the same commands",
                "against SET + EVALSHA",
            ],
        };
        let cpu = "client CPU a cycle";
        let at_most = Target::Ratio(AtMost(1.15));
        vec![
            self.row("cycles/s", CYCLES, Entrant::SameCommands).hoping(Target::Ratio(AtLeast(0.95)), (2, same)),
            self.row("cycles/s", CYCLES, Entrant::Bare).hoping(Target::Ratio(AtLeast(0.85)), (2, bare)),
            self.row(cpu, CLIENT_CPU, Entrant::SameCommands).in_time().hoping(at_most, (2, cpu_same)),
            self.row(cpu, CLIENT_CPU, Entrant::Bare).in_time().hoping(at_most, (2, cpu_bare)),
            self.row("server CPU a cycle", SERVER_CPU, Entrant::SameCommands).in_time(),
            self.of(Entrant::Attribute, "cycles/s by the attribute", CYCLES)
                .against("LockRequest", self.figures(Entrant::Ours, CYCLES)),
        ]
    }

    fn row(self, measure: &str, figure: Figure, peer: Entrant) -> Row {
        self.of(Entrant::Ours, measure, figure).against(peer.name(), self.figures(peer, figure))
    }

    fn of(self, entrant: Entrant, measure: &str, figure: Figure) -> Row {
        Row::new(self.setting.name(), measure, self.figures(entrant, figure))
    }

    fn figures(self, entrant: Entrant, figure: Figure) -> Vec<Option<f64>> {
        self.samples.figures(Trial { setting: self.setting, entrant }, figure)
    }
}

fn latency(seen: &Cycled, share: f64) -> Option<f64> {
    let latencies: Vec<f64> = seen.latencies.iter().map(|&latency| latency as f64).collect();
    percentile(&latencies, share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rounds;
    use crate::uncontended::trials;

    #[test]
    fn every_trial_is_in_a_row() {
        for trial in trials::all() {
            let without: Vec<Trial> = trials::all().into_iter().filter(|other| *other != trial).collect();
            let samples = rounds::run(1, &without, |_| Ok(Cycled::default()));
            let missed = |row: &Row| row.ours.is_empty() || row.peer.as_ref().is_some_and(|(_, its)| its.is_empty());
            assert!(all(&samples).iter().any(missed), "{trial} is run for no row");
        }
    }
}
