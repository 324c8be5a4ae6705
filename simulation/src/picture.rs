//! A history as a picture: a lane for the store and for each process, time from left to right.
//!
//! In a process's lane each key has a row of its own: a bar is a body, with the last digits of its fence. Faults are
//! red, above the lane that they befall; what breaks a promise is a red line through everything.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::simulator::{About, Fault, Outcome, Plan, What};
use svg::Document;
use svg::node::element::{Group, Line, Rectangle, Text, Title};

const LEFT: f64 = 90.0;
const WIDTH: f64 = 1400.0;
const ROW: f64 = 16.0;
/// Space above the rows of a lane, for its faults, which take turns with its heights.
const ABOVE: f64 = 48.0;
const HEIGHTS: usize = 3;
const COLOURS: [&str; 3] = ["#4477aa", "#228833", "#aa7733"];
const PROCESSES: usize = 3;

/// The picture of a plan's history.
pub(super) fn draw(plan: &Plan, outcome: &Outcome) -> String {
    let picture = Picture::new(outcome);
    let height = picture.lane(PROCESSES) + ABOVE + 20.0;
    let title = format!("seed {}, {:?}", plan.seed, plan.kind);
    let mut document = Document::new()
        .set("viewBox", (0.0, 0.0, LEFT + WIDTH + 20.0, height))
        .set("font-family", "sans-serif")
        .set("font-size", 10)
        .add(Rectangle::new().set("width", "100%").set("height", "100%").set("fill", "white"))
        .add(text(6.0, 14.0, &title).set("font-size", 13));
    document = picture.axis(document);
    for lane in picture.lanes() {
        document = document.add(lane);
    }
    document = picture.faults(plan).into_iter().fold(document, Document::add);
    document = picture.bodies(outcome).into_iter().fold(document, Document::add);
    if let Some(violation) = &outcome.violation {
        let at = picture.x(violation.at);
        document = document.add(rule(at, 20.0, at, height - 20.0).set("stroke", "red").set("stroke-width", 2));
        document = document.add(text((at - 300.0).max(LEFT), height - 6.0, &violation.what).set("fill", "red"));
    }
    document.to_string()
}

struct Picture {
    lasts: Duration,
    keys: Vec<String>,
}

impl Picture {
    fn new(outcome: &Outcome) -> Self {
        let about = |what: &What| match what {
            What::Comes(about, _) => Some(about.key.clone()),
            _ => None,
        };
        let mut keys: Vec<String> = outcome.history.iter().filter_map(|note| about(&note.what)).collect();
        keys.sort();
        keys.dedup();
        // What comes after the last body is nothing but patience.
        let bodies = outcome.history.iter().filter(|note| matches!(note.what, What::Ends(..) | What::Fault(..)));
        let last = bodies.map(|note| note.at).max().unwrap_or_default();
        let lasts = outcome.violation.as_ref().map_or(last, |violation| violation.at).max(Duration::from_millis(1));
        Self { lasts, keys }
    }

    fn x(&self, at: Duration) -> f64 {
        LEFT + WIDTH * (at.as_secs_f64() / self.lasts.as_secs_f64()).min(1.0)
    }

    /// Where the rows of a process's lane begin; those of the store come first.
    #[allow(clippy::cast_precision_loss)] // small numbers
    fn lane(&self, process: usize) -> f64 {
        let rows = ROW * self.keys.len() as f64;
        50.0 + 2.0 * ABOVE + process as f64 * (rows + ABOVE)
    }

    #[allow(clippy::cast_precision_loss)] // small numbers
    fn row(&self, process: usize, key: &str) -> f64 {
        let row = self.keys.iter().position(|known| known == key).unwrap_or(0);
        self.lane(process) + row as f64 * ROW
    }

    fn axis(&self, document: Document) -> Document {
        let steps = (0..=10).map(|step| self.lasts * step / 10);
        steps.fold(document, |document, at| {
            let x = self.x(at);
            let label = format!("{:.2} s", at.as_secs_f64());
            document.add(rule(x, 20.0, x, self.lane(PROCESSES)).set("stroke", "#eeeeee")).add(text(
                x - 10.0,
                30.0,
                &label,
            ))
        })
    }

    fn lanes(&self) -> Vec<Group> {
        let lane = |process: usize| {
            let names = self.keys.iter().map(|key| text(LEFT - 34.0, self.row(process, key) + 11.0, key));
            let name = text(6.0, self.lane(process) + 11.0, &format!("process {process}"));
            let top = self.lane(process) - ABOVE + 4.0;
            let group = Group::new().add(name).add(rule(0.0, top, LEFT + WIDTH, top).set("stroke", "#bbbbbb"));
            names.fold(group, Group::add)
        };
        let store = Group::new().add(text(6.0, 50.0 + ABOVE / 2.0, "store"));
        std::iter::once(store).chain((0..PROCESSES).map(lane)).collect()
    }

    #[allow(clippy::cast_precision_loss)] // small numbers
    fn faults(&self, plan: &Plan) -> Vec<Group> {
        let fault = |(number, fault): (usize, &Fault)| {
            let below = fault.trouble.process().map_or(50.0 + ABOVE, |process| self.lane(process));
            let y = below - 14.0 * (1 + number % HEIGHTS) as f64;
            let (from, to) = (self.x(fault.from), self.x(fault.from + fault.lasts));
            let what = fault.trouble.to_string();
            let bar = Rectangle::new()
                .set("x", from)
                .set("y", y)
                .set("width", (to - from).max(2.0))
                .set("height", 10)
                .set("fill", "#cc3333")
                .set("fill-opacity", 0.4);
            Group::new()
                .add(bar.add(Title::new(what.clone())))
                .add(text(from + 2.0, y + 8.0, &what).set("font-size", 8))
        };
        plan.faults.iter().enumerate().map(fault).collect()
    }

    /// From a body's first step to its end, or to the end of everything.
    fn bodies(&self, outcome: &Outcome) -> Vec<Group> {
        let mut begun: BTreeMap<usize, (Duration, usize, About, u64)> = BTreeMap::new();
        let mut bodies = Vec::new();
        for note in &outcome.history {
            match (&note.what, note.process) {
                (What::Begins(about, fence), Some(process)) => {
                    begun.insert(about.task, (note.at, process, about.clone(), *fence));
                }
                (What::Ends(about, how), _) => {
                    if let Some((from, process, about, fence)) = begun.remove(&about.task) {
                        bodies.push(self.body(process, &about, fence, (from, note.at), how));
                    }
                }
                _ => {}
            }
        }
        let left = begun.into_values();
        bodies.extend(left.map(|(from, process, about, fence)| {
            self.body(process, &about, fence, (from, self.lasts), "is still there")
        }));
        bodies
    }

    fn body(&self, process: usize, about: &About, fence: u64, (from, to): (Duration, Duration), how: &str) -> Group {
        let (from, to, y) = (self.x(from), self.x(to), self.row(process, &about.key));
        let key = self.keys.iter().position(|known| *known == about.key).unwrap_or(0);
        let title = format!("{about}, fence {fence}: {how}");
        let bar = Rectangle::new()
            .set("x", from)
            .set("y", y)
            .set("width", (to - from).max(1.0))
            .set("height", ROW - 3.0)
            .set("fill", COLOURS[key % COLOURS.len()])
            .add(Title::new(title));
        let group = Group::new().add(bar);
        if to - from < 30.0 {
            return group;
        }
        let label = format!("..{:04}", fence % 10_000);
        group.add(text(from + 2.0, y + 10.0, &label).set("fill", "white").set("font-size", 9))
    }
}

fn text(x: f64, y: f64, what: &str) -> Text {
    Text::new(what).set("x", x).set("y", y)
}

fn rule(x1: f64, y1: f64, x2: f64, y2: f64) -> Line {
    Line::new().set("x1", x1).set("y1", y1).set("x2", x2).set("y2", y2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::simulate;

    #[test]
    fn every_body_and_every_fault_is_drawn() {
        let plan = Plan::of(3);
        let outcome = simulate(&plan, true);
        let drawn = draw(&plan, &outcome);
        let began = outcome.history.iter().filter(|note| matches!(note.what, What::Begins(..))).count();
        assert!(began > 20 && !plan.faults.is_empty());
        // And the background.
        assert_eq!(drawn.matches("<rect").count(), began + plan.faults.len() + 1);
        for fault in &plan.faults {
            assert!(drawn.contains(&fault.trouble.to_string()), "{:?}", fault.trouble);
        }
    }
}
