//! The report: what was held, what was faulted, what was found; and for each finding what happened around it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::check::{self, Check, Excuse, Finding, Judged};
use super::clock::Moment;
use super::event::Line;
use super::fault::{Fault, kind};
use super::history::Planted;
use super::phase::Ran;
use super::stuck;

/// How many events before and behind a finding are shown.
const AROUND: usize = 100;
/// How many findings of a phase are shown with what was around them.
const SHOWN: usize = 3;
/// How many findings of a phase are told at all.
const TOLD: usize = 30;

/// What all phases came to.
#[derive(Debug, Default)]
pub(crate) struct Report {
    grants: BTreeMap<&'static str, usize>,
    /// How many grants of each kind, and the most at once for a key.
    kinds: BTreeMap<&'static str, (usize, usize)>,
    /// How many grants of calls for several keys.
    of_several: usize,
    outcomes: BTreeMap<String, usize>,
    faults: BTreeMap<Fault, usize>,
    found: BTreeMap<Check, usize>,
    excused: BTreeMap<(bool, Check, Excuse), usize>,
    /// How many, and for how long the longest.
    caused: BTreeMap<(Check, Option<Fault>), (usize, u64)>,
    deeds: usize,
}

impl Report {
    /// Judges a phase, shows what is wrong with it, and then leaves all that is known of it in that directory.
    pub(crate) fn take_in(&mut self, ran: &Ran, keep_in: Option<&Path>) {
        let history = &ran.history;
        for call in &history.calls {
            if call.grant.is_some() {
                *self.grants.entry(history.process(call).executor).or_default() += 1;
                self.kinds.entry(check::kind_name(call.kind)).or_default().0 += 1;
                self.of_several += usize::from(call.is_one_of_several());
            }
            let outcome = call.ended.as_ref().map_or("killed", |(_, outcome)| outcome);
            *self.outcomes.entry(outcome.to_owned()).or_default() += 1;
        }
        for (kind, most) in check::most_beside(history) {
            let known = &mut self.kinds.entry(kind).or_default().1;
            *known = most.max(*known);
        }
        for planted in &history.faults {
            *self.faults.entry(planted.fault).or_default() += 1;
        }
        self.deeds += history.deeds.len();
        let Judged { findings, excused, caused } = check::judge(history);
        for (finding, excuse) in &excused {
            *self.excused.entry((history.intact, finding.check, *excuse)).or_default() += 1;
        }
        for (finding, cause) in &caused {
            let (count, longest) = self.caused.entry((finding.check, *cause)).or_default();
            (*count, *longest) = (*count + 1, finding.lasted.max(*longest));
        }
        for (place, finding) in findings.iter().enumerate() {
            *self.found.entry(finding.check).or_default() += 1;
            if place < TOLD {
                println!("FOUND {finding}");
            }
            if place < SHOWN {
                show_around(ran, finding);
            }
        }
        if findings.len() > TOLD {
            println!("FOUND {} more", findings.len() - TOLD);
        }
        for line in stuck::tell(history, &ran.script) {
            println!("  {line}");
        }
        if let Some(directory) = keep_in.filter(|_| !findings.is_empty()) {
            keep(ran, directory);
        }
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.found.is_empty()
    }

    pub(crate) fn tell(&self) {
        println!("\nheld");
        let grants: usize = self.grants.values().sum();
        println!("  {grants:>8} grants, {} deeds under them", self.deeds);
        for (executor, count) in &self.grants {
            println!("  {count:>8} {executor}");
        }
        for (kind, (count, most)) in &self.kinds {
            println!("  {count:>8} {kind}, {most} of a key at once");
        }
        println!("  {:>8} of one of several keys", self.of_several);
        println!("calls");
        for (outcome, count) in &self.outcomes {
            println!("  {count:>8} {outcome}");
        }
        println!("faulted");
        for (fault, count) in &self.faults {
            println!("  {count:>8} {} {fault}", kind(fault.keeps_assumptions()));
        }
        println!("excused");
        for ((intact, check, excuse), count) in &self.excused {
            let why = match excuse {
                Excuse::Stopped => "the nemesis had stopped the process",
                Excuse::Starved => "the machine had no time for the process",
            };
            println!("  {count:>8} {} {}: {why}", kind(*intact), check.plural());
        }
        println!("explained by broken assumptions");
        for ((check, cause), (count, longest)) in &self.caused {
            let cause = cause.map_or_else(|| "an earlier phase".to_owned(), |fault| fault.to_string());
            let longest = match longest {
                0 => String::new(),
                longest => format!(", the longest for {:.3}s", Duration::from_nanos(*longest).as_secs_f64()),
            };
            println!("  {count:>8} {} after {cause}{longest}", check.plural());
        }
        println!("found");
        for check in Check::ALL {
            println!("  {:>8} {}", self.found.get(&check).copied().unwrap_or_default(), check.plural());
        }
    }
}

/// What happened around a finding: the faults, and everybody's events, unless `stuck` tells which of them matter.
fn show_around(ran: &Ran, finding: &Finding) {
    println!("  the faults around it:");
    let near = |planted: &&Planted| planted.from.abs_diff(finding.at).min(planted.to.abs_diff(finding.at)) < NEAR;
    for planted in ran.history.faults.iter().filter(near) {
        println!("    {} .. {}  {}", planted.from, planted.to, ran.script.line(planted));
    }
    if finding.check == Check::StuckKey {
        return;
    }
    println!("  the events around it, by worker and task:");
    let all = events(ran);
    let middle = all.partition_point(|&(at, ..)| at < finding.at);
    for (_, process, line) in &all[middle.saturating_sub(AROUND)..(middle + AROUND).min(all.len())] {
        println!("    worker {process} {line}");
    }
}

/// Everybody's events, with the place of the process, in the order of their times.
fn events(ran: &Ran) -> Vec<(Moment, usize, &Line)> {
    let mut all = Vec::new();
    for (process, lines) in ran.lines.iter().enumerate() {
        all.extend(lines.iter().map(|line| (line.at, process, line)));
    }
    all.sort_by_key(|&(at, process, _)| (at, process));
    all
}

/// Leaves everything that is known of a phase in a file, and says where.
fn keep(ran: &Ran, directory: &Path) {
    let file = directory.join(format!("phase-{}.log", ran.seed));
    let faults = ran.history.faults.iter().map(|it| format!("{} {} {}", it.from, it.to, ran.script.line(it)));
    let deeds = ran.history.deeds.iter().map(|deed| format!("{} {deed:?}", deed.at));
    let lines = events(ran).into_iter().map(|(at, process, line)| format!("{at} worker {process} {line}"));
    let text: Vec<String> = faults.chain(deeds).chain(lines).collect();
    match std::fs::create_dir_all(directory).and_then(|()| std::fs::write(&file, text.join("\n"))) {
        Ok(()) => println!("  all that is known of this phase is in {}", file.display()),
        Err(error) => println!("  {} cannot be written: {error}", file.display()),
    }
}

/// Faults within five seconds of a finding are shown with it.
const NEAR: u64 = 5_000_000_000;
