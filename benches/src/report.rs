//! What benchmarks tell: tables for people, everything for programs, plots, and a summary of a few lines.
//!
//! What must stay true: a figure stands beside its floor or its peer, its target, and the spread over the rounds; one
//! that could not be measured is shown as missing and reaches no target. A short run judges nothing. All of a run goes
//! to `target/bench`: `report.md`, and the samples of each benchmark as `NAME.json`, and its plots as `NAME.svg`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::checkout;
use crate::extent::Extent;
use crate::machine::Fact;
use crate::plot::Plot;
use crate::statistics::{Spread, ratios};

/// What is shown of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Number,
    /// Kept in nanoseconds.
    Time,
}

/// What is hoped for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// Of what it is hoped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    /// Of our figure itself.
    Ours(Bound),
    /// Of its ratio to the peer's.
    Ratio(Bound),
}

/// One figure of one piece of work, round by round.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) work: &'static str,
    pub(crate) measure: String,
    pub(crate) unit: Unit,
    pub(crate) ours: Vec<Option<f64>>,
    pub(crate) peer: Option<(&'static str, Vec<Option<f64>>)>,
    pub(crate) target: Option<Target>,
    /// The line of the summary that it is part of, and what it is called there.
    pub(crate) summary: Option<(usize, &'static str)>,
}

/// What one benchmark saw.
#[derive(Debug, Default)]
pub(crate) struct Section {
    pub(crate) name: &'static str,
    /// How it was run.
    pub(crate) settings: Vec<Fact>,
    pub(crate) rows: Vec<Row>,
    /// How the lines of the summary begin.
    pub(crate) headings: &'static [&'static str],
    pub(crate) notes: Vec<String>,
    pub(crate) failures: Vec<String>,
    pub(crate) samples: Value,
    pub(crate) plots: Vec<Plot>,
    /// Why what it saw does not count: this library could not be measured, or a check is blind.
    pub(crate) broken: Option<String>,
}

/// All that was seen in one run.
pub(crate) struct Report {
    pub(crate) extent: Extent,
    pub(crate) facts: Vec<Fact>,
    pub(crate) sections: Vec<Section>,
}

impl Bound {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }

    fn shown(self, unit: Unit) -> String {
        match self {
            Self::AtLeast(least) => format!("≥ {}", unit.shown(least)),
            Self::AtMost(most) => format!("≤ {}", unit.shown(most)),
        }
    }
}

impl Unit {
    fn shown(self, value: f64) -> String {
        match self {
            Self::Time if value >= 1e10 => format!("{} s", number(value / 1e9)),
            Self::Time if value < 1e3 => format!("{} ns", number(value)),
            Self::Time if value >= 1e7 => format!("{} ms", number(value / 1e6)),
            Self::Time => format!("{} µs", number(value / 1e3)),
            Self::Number => number(value),
        }
    }

    fn spread(self, spread: Option<Spread>) -> String {
        let Some(Spread { median, least, most }) = spread else { return "–".to_owned() };
        format!("{} [{} – {}]", self.shown(median), self.shown(least), self.shown(most))
    }
}

/// Three digits, and all those before the point.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        large if large >= 99.95 => 0,
        middle if middle >= 9.995 => 1,
        1.0.. => 2,
        _ => 3,
    };
    let shown = format!("{value:.digits$}");
    if shown.contains('.') { shown.trim_end_matches('0').trim_end_matches('.').to_owned() } else { shown }
}

impl Row {
    pub(crate) fn new(work: &'static str, measure: &str, ours: Vec<Option<f64>>) -> Self {
        let measure = measure.to_owned();
        Self { work, measure, unit: Unit::Number, ours, peer: None, target: None, summary: None }
    }

    pub(crate) fn against(mut self, peer: &'static str, figures: Vec<Option<f64>>) -> Self {
        self.peer = Some((peer, figures));
        self
    }

    /// With a target, which is not in the summary.
    pub(crate) fn aiming(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// With a target, and a place in the summary.
    pub(crate) fn hoping(mut self, target: Target, summary: (usize, &'static str)) -> Self {
        self.summary = Some(summary);
        self.aiming(target)
    }

    pub(crate) fn in_time(mut self) -> Self {
        self.unit = Unit::Time;
        self
    }

    fn ours(&self) -> Option<Spread> {
        Spread::of(&self.ours)
    }

    fn peer(&self) -> Option<Spread> {
        self.peer.as_ref().and_then(|(_, figures)| Spread::of(figures))
    }

    fn ratio(&self) -> Option<Spread> {
        self.peer.as_ref().and_then(|(_, figures)| Spread::of(&ratios(&self.ours, figures)))
    }

    /// Whether the median reaches the target; none where there is no target.
    fn reached(&self) -> Option<bool> {
        let (spread, bound) = match self.target? {
            Target::Ours(bound) => (self.ours(), bound),
            Target::Ratio(bound) => (self.ratio(), bound),
        };
        Some(spread.is_some_and(|spread| bound.is_met_by(spread.median)))
    }

    fn target(&self) -> String {
        match self.target {
            Some(Target::Ours(bound)) => bound.shown(self.unit),
            Some(Target::Ratio(bound)) => format!("{} ×", bound.shown(Unit::Number)),
            None => String::new(),
        }
    }

    fn verdict(&self, extent: Extent) -> &'static str {
        match (self.reached(), extent) {
            (None, _) => "",
            (Some(_), Extent::Short) => "not judged",
            (Some(true), Extent::Full) => "yes",
            (Some(false), Extent::Full) => "NO",
        }
    }

    fn to_line(&self, extent: Extent) -> String {
        let peer = self
            .peer
            .as_ref()
            .map_or_else(String::new, |(name, _)| format!("{name} {}", self.unit.spread(self.peer())));
        let ratio = self.peer.as_ref().map_or_else(String::new, |_| Unit::Number.spread(self.ratio()));
        let ours = self.unit.spread(self.ours());
        let (work, measure, target, verdict) = (self.work, &self.measure, self.target(), self.verdict(extent));
        format!("| {work} | {measure} | {ours} | {peer} | {ratio} | {target} | {verdict} |\n")
    }

    /// Its part of a summary: name, figure, target, and whether that was missed.
    fn to_phrase(&self, name: &str, extent: Extent) -> String {
        let figure = match self.target {
            Some(Target::Ratio(_)) => self.ratio().map(|ratio| format!("{} ×", number(ratio.median))),
            _ => self.ours().map(|ours| self.unit.shown(ours.median)),
        };
        let figure = figure.unwrap_or_else(|| "–".to_owned());
        let missed = if self.verdict(extent) == "NO" { " MISSED" } else { "" };
        format!("{name} {figure} ({}{missed})", self.target())
    }

    fn to_json(&self, extent: Extent) -> Value {
        let peer = self.peer.as_ref().map(|(name, figures)| json!({ "name": name, "rounds": figures }));
        json!({
            "work": self.work, "measure": self.measure,
            "unit": if self.unit == Unit::Time { "nanoseconds" } else { "number" },
            "ours": { "rounds": self.ours, "spread": self.ours().map(Spread::to_json) },
            "peer": peer, "ratio": self.ratio().map(Spread::to_json),
            "target": self.target(), "reached": if extent == Extent::Full { self.reached() } else { None },
        })
    }
}

impl Section {
    fn summary(&self, extent: Extent) -> Vec<String> {
        let line = |(number, heading): (usize, &&str)| {
            let phrase = |row: &Row| match row.summary {
                Some((of, name)) if of == number => Some(row.to_phrase(name, extent)),
                _ => None,
            };
            format!("{heading}: {}", self.rows.iter().filter_map(phrase).collect::<Vec<_>>().join(", "))
        };
        self.headings.iter().enumerate().map(line).collect()
    }

    fn to_markdown(&self, extent: Extent) -> String {
        let mut text = format!("\n## {}\n\n", self.name);
        facts(&mut text, &self.settings);
        text.push_str("\n| work | measure | ours | peer | ratio | target | reached |\n|---|---|---|---|---|---|---|\n");
        text.extend(self.rows.iter().map(|row| row.to_line(extent)));
        for plot in &self.plots {
            let _ = write!(text, "\n![{}]({})\n", plot.title, plot.file());
        }
        list(&mut text, "Notes", &self.notes);
        list(&mut text, "What failed", &self.failures);
        list(&mut text, "Why this does not count", self.broken.as_slice());
        text
    }

    fn to_json(&self, report: &Report) -> Value {
        let facts = report.facts.iter().chain(&self.settings);
        let facts: serde_json::Map<_, _> = facts.map(|(name, fact)| ((*name).into(), json!(fact))).collect();
        let rows: Vec<Value> = self.rows.iter().map(|row| row.to_json(report.extent)).collect();
        json!({
            "name": self.name, "short": report.extent == Extent::Short, "facts": facts, "rows": rows,
            "summary": self.summary(report.extent), "failures": self.failures, "trials": self.samples,
        })
    }
}

impl Report {
    /// Writes it to `target/bench`, and prints the tables and, as the last lines, the summary.
    pub(crate) fn publish(&self) -> Result<(), String> {
        let folder = checkout::root().join("target/bench");
        self.write(&folder).map_err(|error| format!("{} cannot be written: {error}", folder.display()))?;
        println!("{}", self.to_markdown());
        for line in self.sections.iter().flat_map(|section| section.summary(self.extent)) {
            println!("{line}");
        }
        Ok(())
    }

    fn write(&self, folder: &Path) -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("report.md"), self.to_markdown())?;
        for section in &self.sections {
            fs::write(folder.join(format!("{}.json", section.name)), format!("{:#}\n", section.to_json(self)))?;
            for plot in &section.plots {
                plot.draw(&folder.join(plot.file())).map_err(std::io::Error::other)?;
            }
        }
        Ok(())
    }

    fn to_markdown(&self) -> String {
        let mut text = "# Measured\n\n".to_owned();
        if self.extent == Extent::Short {
            text.push_str("A short run, to see that everything works: its figures mean nothing.\n\n");
        }
        facts(&mut text, &self.facts);
        text.push_str("\nEvery figure is the median over the rounds [least – most]; a ratio is made within a round.\n");
        text.extend(self.sections.iter().map(|section| section.to_markdown(self.extent)));
        text
    }
}

fn facts(text: &mut String, facts: &[Fact]) {
    for (name, fact) in facts {
        let _ = writeln!(text, "- {name}: {fact}");
    }
}

fn list(text: &mut String, heading: &str, lines: &[String]) {
    if !lines.is_empty() {
        let _ = writeln!(text, "\n### {heading}\n");
    }
    for line in lines {
        let _ = writeln!(text, "- {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(target: Option<Target>) -> Row {
        Row {
            work: "4 × 4",
            measure: "hand-overs/s".to_owned(),
            unit: Unit::Number,
            ours: vec![Some(50.0), Some(60.0), Some(90.0)],
            peer: Some(("BLPOP", vec![Some(100.0), Some(100.0), Some(100.0)])),
            target,
            summary: Some((0, "against BLPOP")),
        }
    }

    #[test]
    fn the_median_decides() {
        assert_eq!(row(Some(Target::Ratio(Bound::AtLeast(0.6)))).reached(), Some(true));
        assert_eq!(row(Some(Target::Ratio(Bound::AtLeast(0.7)))).reached(), Some(false));
        assert_eq!(row(Some(Target::Ours(Bound::AtMost(60.0)))).reached(), Some(true));
        assert_eq!(row(None).reached(), None);
    }

    #[test]
    fn what_was_not_measured_reaches_no_target() {
        let mut row = row(Some(Target::Ours(Bound::AtMost(60.0))));
        row.ours = vec![None];
        assert_eq!(row.verdict(Extent::Full), "NO");
        assert_eq!(row.to_phrase("it", Extent::Full), "it – (≤ 60 MISSED)");
    }

    #[test]
    fn a_row_shows_its_floor_its_target_and_its_spread() {
        let row = row(Some(Target::Ratio(Bound::AtLeast(0.7))));
        let line = "| 4 × 4 | hand-overs/s | 60 [50 – 90] | BLPOP 100 [100 – 100] | 0.6 [0.5 – 0.9] | ≥ 0.7 × | NO |\n";
        assert_eq!(row.to_line(Extent::Full), line);
        assert_eq!(row.to_line(Extent::Short), line.replace("NO", "not judged"));
        assert_eq!(row.to_phrase("against BLPOP", Extent::Full), "against BLPOP 0.6 × (≥ 0.7 × MISSED)");
    }

    #[test]
    fn numbers_have_three_digits() {
        let shown = [0.012_34, 2.046, 15.55, 123.4, 98_765.4, 3.0, 20.0].map(number);
        assert_eq!(shown, ["0.012", "2.05", "15.6", "123", "98765", "3", "20"]);
        let times = [47.0, 950_000.0, 1e8, 1.5e10].map(|time| Unit::Time.shown(time));
        assert_eq!(times, ["47 ns", "950 µs", "100 ms", "15 s"]);
    }
}
