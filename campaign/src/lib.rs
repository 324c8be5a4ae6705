//! The campaign: a fleet of processes on a real server with a replica, a nemesis, and a ledger outside Redis.
//!
//! It runs in phases of two sorts. In one (S) only such things go wrong that a lock must survive, and then two bodies
//! are never there at once that may not be beside each other: an exclusive one is alone, shared ones are beside shared
//! ones, and of permits no more are taken than there are. In the other (X) the server loses what it acknowledged, or
//! somebody else writes lock keys; then bodies may meet, which is counted, but fences still grow, no step begins after
//! a deadline, and a resource that compares fences is still right. All kinds are mixed on the same keys, and some calls
//! want several keys at once.
//!
//! In reading order: `phase` is one phase, `fleet` its workers (`worker`, in processes of their own), `nemesis` what
//! goes wrong (`fault`), `oracle` the resources that are locked, `scan` a look at the keys in Redis; `event` is what is
//! written down, `history` what it is put together to, `check` what is wrong with that, and `report` tells, with
//! `stuck` for keys that nobody was granted. What must stay true: the last line is the verdict, and the exit code says
//! the same. Deliberately absent: mending anything, and times that are judged closely; the machine may be busy.

mod chance;
mod check;
mod clock;
mod event;
mod fault;
mod fleet;
mod history;
mod nemesis;
mod oracle;
mod phase;
mod report;
mod scan;
mod store;
mod stuck;
mod worker;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use history::Fences;
use phase::Phase;
use report::Report;

const USAGE: &str = "usage: campaign [--seconds N] [--seed S] [--keep DIRECTORY] [--without-lock] [--without-faults]

  --seconds         for how long faults are planted; 60 by default
  --seed            what chance goes by; by default the time
  --keep            where all that is known of a phase with findings is left; by default nowhere
  --without-lock    the workers lock nothing, to see that this is noticed
  --without-faults  nothing goes wrong, but for a fault of the library's own that LOCK_MUTANT names";

/// About how long a phase with faults of both kinds lasts, and which part of it keeps the assumptions.
const ROUND: u64 = 30;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    seconds: u64,
    seed: u64,
    keep: Option<PathBuf>,
    without_lock: bool,
    without_faults: bool,
}

/// The program `campaign`.
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(options) = options(&arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    run(&options)
}

/// The program `campaign-worker`.
pub fn work() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    worker::run(&arguments);
}

fn options(arguments: &[String]) -> Option<Options> {
    let mut options =
        Options { seconds: 60, seed: clock::now(), keep: None, without_lock: false, without_faults: false };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seconds" => options.seconds = words.next()?.parse().ok().filter(|&seconds| seconds > 0)?,
            "--seed" => options.seed = words.next()?.parse().ok()?,
            "--keep" => options.keep = Some(words.next()?.into()),
            "--without-lock" => options.without_lock = true,
            "--without-faults" => options.without_faults = true,
            _ => return None,
        }
    }
    Some(options)
}

fn run(options: &Options) -> ExitCode {
    println!("seed {}", options.seed);
    let mut servers = store::start();
    let mut report = Report::default();
    let mut fences = BTreeMap::new();
    for phase in phases(options) {
        let kind = if phase.intact { "S, assumptions intact" } else { "X, assumptions broken" };
        println!("phase {kind}, seed {}, {:?}", phase.seed, phase.lasts);
        let mut ran = phase::run(&mut servers, phase, options.without_lock);
        ran.history.fences_before.clone_from(&fences);
        for (key, granted) in ran.history.granted() {
            let greatest: &mut Fences = fences.entry(key).or_default();
            for (call, grant) in granted {
                greatest.take_in(call.kind, grant.fence);
            }
        }
        report.take_in(&ran, options.keep.as_deref());
    }
    report.tell();
    let verdict = if report.is_clean() { "held" } else { "BROKEN" };
    println!("verdict: {verdict}, seed {}", options.seed);
    if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Rounds of both kinds; without locks there is no promise that could be broken by assumptions, and without faults no
/// assumption is.
fn phases(options: &Options) -> Vec<Phase> {
    let all = Duration::from_secs(options.seconds);
    let has_faults = !options.without_faults;
    if options.without_lock || options.without_faults {
        return vec![Phase { intact: true, lasts: all, seed: options.seed, has_faults }];
    }
    let rounds = options.seconds.div_ceil(ROUND);
    let round = all / u32::try_from(rounds).unwrap_or(u32::MAX);
    let of_round = |number: u64| {
        let seed = options.seed.wrapping_mul(1_000).wrapping_add(2 * number);
        let intact = Phase { intact: true, lasts: round * 2 / 3, seed, has_faults };
        [intact, Phase { intact: false, lasts: round / 3, seed: seed + 1, has_faults }]
    };
    (0..rounds).flat_map(of_round).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &str) -> Option<Options> {
        options(&words.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_asked_for_is_understood() {
        let options =
            Options { seconds: 5, seed: 7, keep: Some("there".into()), without_lock: true, without_faults: true };
        assert_eq!(of("--seed 7 --seconds 5 --keep there --without-lock --without-faults"), Some(options));
        for wrong in ["--seed", "--keep", "--seconds 0", "--seconds x", "5", "--with-lock"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn phases_of_both_kinds_take_as_long_as_is_asked_for() {
        for seconds in [1, 30, 31, 300] {
            let phases = phases(&Options { seconds, seed: 1, keep: None, without_lock: false, without_faults: false });
            let lasts: Duration = phases.iter().map(|phase| phase.lasts).sum();
            assert!(lasts.abs_diff(Duration::from_secs(seconds)) < Duration::from_millis(1), "{lasts:?}");
            assert!(phases[0].intact && !phases[1].intact);
        }
    }
}
