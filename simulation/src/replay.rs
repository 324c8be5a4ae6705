//! One seed's history, for a reader.

use std::fs;
use std::process::ExitCode;

use crate::simulator::{Outcome, Plan, shrink, simulate};

use super::{Options, picture};

/// Tells the history of a seed, and what it breaks; if it breaks something, without the faults that take no part in it.
pub(super) fn replay(seed: u64, options: &Options) -> ExitCode {
    let all = Plan::of(seed);
    let plan = if options.whole { all.clone() } else { shrink(&all).unwrap_or_else(|| all.clone()) };
    let outcome = simulate(&plan, true);
    tell(&plan, all.faults.len(), &outcome);
    if let Some(file) = &options.picture {
        if let Err(error) = fs::write(file, picture::draw(&plan, &outcome)) {
            eprintln!("{}: {error}", file.display());
            return ExitCode::FAILURE;
        }
        println!("drawn: {}", file.display());
    }
    match outcome.violation {
        None => {
            println!("verdict: held, seed {seed}");
            ExitCode::SUCCESS
        }
        Some(violation) => {
            println!("at {:.3} ms: {}", violation.at.as_secs_f64() * 1000.0, violation.what);
            let mutant = options.mutant.map_or(String::new(), |mutant| format!(" --mutant {mutant:?}"));
            println!("again: cargo xtask simulate --seed {seed}{mutant}");
            println!("verdict: BROKEN, seed {seed}");
            ExitCode::FAILURE
        }
    }
}

fn tell(plan: &Plan, of: usize, outcome: &Outcome) {
    println!("seed {}, {:?}, {} of {of} faults", plan.seed, plan.kind, plan.faults.len());
    for note in &outcome.history {
        println!("{note}");
    }
    println!("{} tasks, {} grants", outcome.tasks, outcome.grants);
}
