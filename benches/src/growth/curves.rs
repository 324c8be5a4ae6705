//! What is made of the samples: costs of each over how many there are, as rows and as plots.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::keys::Touched;
use super::waiters::Waited;
use crate::held::{Seen, percent_of_a_core};
use crate::plot::{Axis, Line, Plot, Scale};
use crate::report::Bound::AtMost;
use crate::report::{Row, Target, Unit};

/// A cost is flat if it grows by no more than that.
const FLAT: f64 = 1.5;
/// By how much fewer the number is that the largest is compared with.
const FEWER: usize = 100;
const MEGABYTE: f64 = 1_000_000.0;

/// What was seen, by how many there were.
pub(super) struct Curve<T>(BTreeMap<usize, T>);

/// All that was seen.
#[derive(Default)]
pub(super) struct Curves {
    pub(super) held: Curve<Seen>,
    pub(super) held_bare: Curve<Seen>,
    pub(super) keys: Curve<Touched>,
    pub(super) keys_bare: Curve<Touched>,
    pub(super) waiters: Curve<Waited>,
    pub(super) failures: Vec<String>,
}

impl<T> Default for Curve<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Serialize> Curve<T> {
    /// Notes what was seen of so many, or says why it was not.
    pub(super) fn add(&mut self, count: usize, seen: Result<T, String>) -> Option<String> {
        match seen {
            Ok(seen) => {
                self.0.insert(count, seen);
                None
            }
            Err(why) => Some(format!("{count}: {why}")),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        self.0.iter().map(|(count, seen)| json!({ "count": count, "seen": seen })).collect()
    }

    /// The cost of each at the largest number, and by how much it has grown.
    fn growth(&self, cost: impl Fn(&T) -> f64) -> (Option<f64>, Option<f64>) {
        let each = |count: usize| Some(cost(self.0.get(&count)?) / count as f64);
        let Some((&most, _)) = self.0.last_key_value() else { return (None, None) };
        let (last, earlier) = (each(most), each(most / FEWER));
        let growth = last.zip(earlier.filter(|&earlier| earlier > 0.0)).map(|(last, earlier)| last / earlier);
        (last, growth)
    }

    fn at_most(&self, figure: impl Fn(&T) -> f64) -> Option<f64> {
        self.0.last_key_value().map(|(_, seen)| figure(seen))
    }

    fn line(&self, name: &str, figure: impl Fn(f64, &T) -> Option<f64>) -> Line {
        let point = |(&count, seen): (&usize, &T)| Some((count as f64, figure(count as f64, seen)?));
        Line { name: name.to_owned(), points: self.0.iter().filter_map(point).filter(|&(_, y)| y > 0.0).collect() }
    }
}

/// One cost of each, ours and a peer's.
struct Cost {
    work: &'static str,
    measure: &'static str,
    unit: Unit,
    ours: (Option<f64>, Option<f64>),
    bare: Option<(Option<f64>, Option<f64>)>,
    summary: (usize, &'static str),
}

impl Cost {
    fn rows(self) -> [Row; 2] {
        let Self { work, measure, unit, ours, bare, summary } = self;
        let row = |measure: String, unit, ours, bare: Option<Option<f64>>, target, summary| Row {
            work,
            measure,
            unit,
            ours: vec![ours],
            peer: bare.map(|bare| ("redis-rs", vec![bare])),
            target,
            summary,
        };
        let flat = Some(Target::Ours(AtMost(FLAT)));
        let growth = format!("{measure}: growth");
        [
            row(measure.to_owned(), unit, ours.0, bare.map(|bare| bare.0), None, None),
            row(growth, Unit::Number, ours.1, bare.map(|bare| bare.1), flat, Some(summary)),
        ]
    }
}

fn nanos(time: Duration) -> f64 {
    time.as_nanos() as f64
}

fn while_held(seen: &Seen) -> f64 {
    seen.held.map_or(0.0, |held| nanos(held.client_cpu) / held.wall.as_secs_f64())
}

impl Curves {
    pub(super) fn rows(&self) -> Vec<Row> {
        let taking = |seen: &Seen| nanos(seen.taking);
        let memory = |seen: &Seen| seen.memory as f64;
        let (wall, cpu) = (|touched: &Touched| nanos(touched.wall), |touched: &Touched| nanos(touched.cpu));
        let cost = |work, measure, unit, ours, bare, summary| Cost { work, measure, unit, ours, bare, summary };
        let (held, keys, waiters) = ("locks held", "keys touched once", "waiters for one key");
        let (ours, bare) = (&self.held, &self.held_bare);
        let held_costs = [
            cost(held, "time to take each", Unit::Time, ours.growth(taking), Some(bare.growth(taking)), (0, "time")),
            cost(held, "bytes for each", Unit::Number, ours.growth(memory), Some(bare.growth(memory)), (0, "memory")),
            cost(held, "processor time a second for each", Unit::Time, ours.growth(while_held), None, (0, "processor")),
        ];
        let (ours, bare) = (&self.keys, &self.keys_bare);
        let key_costs = [
            cost(keys, "time for each", Unit::Time, ours.growth(wall), Some(bare.growth(wall)), (1, "time")),
            cost(
                keys,
                "processor time for each",
                Unit::Time,
                ours.growth(cpu),
                Some(bare.growth(cpu)),
                (1, "processor"),
            ),
        ];
        let served = self.waiters.growth(|waited| nanos(waited.served));
        let crowd = self.waiters.growth(|waited| waited.memory as f64);
        let waiter_costs = [
            cost(waiters, "time until each was served", Unit::Time, served, None, (2, "time")),
            cost(waiters, "bytes for each", Unit::Number, crowd, None, (2, "memory")),
        ];
        let costs = held_costs.into_iter().chain(key_costs).chain(waiter_costs);
        costs.flat_map(Cost::rows).chain(self.kept()).collect()
    }

    fn kept(&self) -> [Row; 3] {
        let row = |work, measure: &str, ours, bare: Option<Option<f64>>, most: f64, summary| Row {
            work,
            measure: measure.to_owned(),
            unit: Unit::Number,
            ours: vec![ours],
            peer: bare.map(|bare| ("redis-rs", vec![bare])),
            target: Some(Target::Ours(AtMost(most))),
            summary: Some(summary),
        };
        let kept = |touched: &Touched| touched.kept as f64 / MEGABYTE;
        let waiting = |waited: &Waited| nanos(waited.waiting_cpu) / 1e7;
        let after = |waited: &Waited| waited.kept as f64 / MEGABYTE;
        let (keys, waiters) = ("keys touched once", "waiters for one key");
        let bare = Some(self.keys_bare.at_most(kept));
        [
            row(keys, "MB kept afterwards", self.keys.at_most(kept), bare, 1.0, (1, "MB kept")),
            row(waiters, "% of a core while all wait", self.waiters.at_most(waiting), None, 2.0, (2, "% of a core")),
            row(waiters, "MB kept afterwards", self.waiters.at_most(after), None, 20.0, (2, "MB kept")),
        ]
    }

    pub(super) fn plots(&self) -> Vec<Plot> {
        let plot = |name, title: &str, x, y, lines| Plot {
            name,
            title: title.to_owned(),
            x: Axis { label: x, scale: Scale::Logarithmic },
            y: Axis { label: y, scale: Scale::Logarithmic },
            lines,
        };
        let memory = |_, seen: &Seen| Some(seen.memory as f64 / MEGABYTE);
        let taking = |count, seen: &Seen| Some(nanos(seen.taking) / 1e3 / count);
        let touching = |count, touched: &Touched| Some(nanos(touched.wall) / 1e3 / count);
        let serving = |count, waited: &Waited| Some(nanos(waited.served) / 1e3 / count);
        let memory = vec![self.held.line("ours", memory), self.held_bare.line("redis-rs", memory)];
        let cpu = vec![self.held.line("ours", |_, seen| percent_of_a_core(seen))];
        let costs = vec![
            self.held.line("take and keep, ours", taking),
            self.held_bare.line("take and keep, redis-rs", taking),
            self.keys.line("take and release, ours", touching),
            self.keys_bare.line("take and release, redis-rs", touching),
            self.waiters.line("serve a waiter for one key, ours", serving),
        ];
        vec![
            plot("held-memory", "Memory of locks that are held", "locks held", "memory above idle [MB]", memory),
            plot("held-cpu", "Processor time while locks are held", "locks held", "client [% of a core]", cpu),
            plot("growth-cost", "What one costs among many", "how many", "time for each [µs]", costs),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_compares_with_a_hundredth() {
        let mut curve = Curve::default();
        for (count, cost) in [(1, 1.0), (10, 20.0), (100, 100.0), (1000, 3000.0)] {
            assert_eq!(curve.add(count, Ok(cost)), None);
        }
        assert_eq!(curve.growth(|&cost: &f64| cost), (Some(3.0), Some(1.5)));
        assert_eq!(Curve::<f64>::default().growth(|&cost| cost), (None, None));
    }
}
