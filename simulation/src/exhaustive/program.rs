//! The program `exhaustive`: checks plans, and says how many states it saw.
//!
//! What must stay true: the last line is the verdict, and the exit code says the same.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use lock_core::planted::{ALL, Mutant, plant};

use super::check::{Report, check};
use super::plan::Plan;
use super::plans::{large, named, small};

const USAGE: &str = "usage: exhaustive [--small | PLAN..] [--FAULT N ..] [--body MS] [--mutant NAME]

  --small   only the plans that the tests check, too
  --FAULT   how often it may occur instead: losses, errors, stalls, cancellations, crashes, resets
  --body    how long a body lasts at most instead
  --mutant  plants a fault in the library first, to see that it is found";

/// What is asked for.
#[derive(Debug)]
struct Options {
    plans: Vec<Plan>,
    mutant: Option<Mutant>,
}

/// See the module.
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(Options { plans, mutant }) = options(&arguments) else {
        let names: Vec<_> = small().into_iter().chain(large()).map(|plan| plan.name).collect();
        eprintln!("{USAGE}\n\nplans: {}\nmutants: {ALL:?}", names.join(", "));
        return ExitCode::FAILURE;
    };
    plant(mutant);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut seen = 0;
    for plan in &plans {
        let report = check(plan, threads);
        println!("{}: {report}", plan.name);
        seen += report.different;
        if !tell(&report) {
            return ExitCode::FAILURE;
        }
    }
    println!("verdict: held in every one of {seen} states of {} plans", plans.len());
    ExitCode::SUCCESS
}

/// Tells what is wrong; returns whether nothing is.
fn tell(report: &Report) -> bool {
    if let Some((broken, history)) = &report.broken {
        for (at, step) in history {
            println!("{:>8} ms  {step}", at.as_millis());
        }
        println!("verdict: {broken}");
    } else if !report.is_exhausted {
        println!("verdict: states were left out");
    }
    report.broken.is_none() && report.is_exhausted
}

fn options(arguments: &[String]) -> Option<Options> {
    let (mut plans, mut changes, mut mutant) = (Vec::new(), Vec::new(), None);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--small" => plans.extend(small()),
            "--mutant" => {
                let name = words.next()?;
                mutant = Some(ALL.into_iter().find(|mutant| format!("{mutant:?}") == *name)?);
            }
            option if option.starts_with("--") => changes.push((&option[2..], words.next()?)),
            name => plans.push(named(name)?),
        }
    }
    if plans.is_empty() {
        plans = small().into_iter().chain(large()).collect();
    }
    for (what, value) in changes {
        plans.iter_mut().try_for_each(|plan| change(plan, what, value))?;
    }
    Some(Options { plans, mutant })
}

/// The same plan with something else than it says.
fn change(plan: &mut Plan, what: &str, value: &str) -> Option<()> {
    let faults = &mut plan.faults;
    let fault = match what {
        "losses" => &mut faults.losses,
        "errors" => &mut faults.errors,
        "stalls" => &mut faults.stalls,
        "cancellations" => &mut faults.cancellations,
        "crashes" => &mut faults.crashes,
        "resets" => &mut faults.resets,
        "body" => {
            plan.longest_body = Duration::from_millis(value.parse().ok()?);
            return Some(());
        }
        _ => return None,
    };
    *fault = value.parse().ok()?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &str) -> Option<Options> {
        options(&words.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_asked_for_is_understood() {
        let names = |words| of(words).map(|options| options.plans.len());
        assert_eq!(names(""), Some(small().len() + large().len()));
        assert_eq!(names("--small"), Some(small().len()));
        assert_eq!(names("stall three-clients"), Some(2));
        assert_eq!(of("stall --mutant MessagesAlone").and_then(|options| options.mutant), Some(Mutant::MessagesAlone));
        let plans = of("stall min-hold --losses 2 --body 70").expect("that can be said").plans;
        assert!(plans.iter().all(|plan| plan.faults.losses == 2 && plan.longest_body.as_millis() == 70));
        for wrong in ["nothing", "--losses", "--losses many", "--wishes 3", "--mutant", "--mutant Nobody", "--help"] {
            assert!(of(wrong).is_none(), "{wrong}");
        }
    }
}
