//! The program `exhaustive`: checks plans, and says how many states it saw.
//!
//! What must stay true: the last line is the verdict, and the exit code says the same.

use std::process::ExitCode;
use std::thread;

use lock_core::planted::{ALL, Mutant, plant};

use super::check::{Report, check};
use super::plan::Plan;
use super::plans::{large, named, small};

const USAGE: &str = "usage: exhaustive [--small | PLAN..] [--mutant NAME]

  --small   only the plans that the tests check, too
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
    let (mut plans, mut mutant) = (Vec::new(), None);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--small" => plans.extend(small()),
            "--mutant" => {
                let name = words.next()?;
                mutant = Some(ALL.into_iter().find(|mutant| format!("{mutant:?}") == *name)?);
            }
            name => plans.push(named(name)?),
        }
    }
    if plans.is_empty() {
        plans = small().into_iter().chain(large()).collect();
    }
    Some(Options { plans, mutant })
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
        for wrong in ["nothing", "--mutant", "--mutant Nobody", "--help"] {
            assert!(of(wrong).is_none(), "{wrong}");
        }
    }
}
