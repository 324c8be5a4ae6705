//! The simulation: fleets of the library's own clients, thousands a second, and one history at a time for a reader.
//!
//! The [`simulator`] runs one seed. Many are run side by side (`search`), and one is told (`replay`) and drawn
//! (`picture`). Beside it, the [`exhaustive`] check leaves nothing to a seed: it sees every state of one key. What must
//! stay true: the last line is the verdict, and the exit code says the same.

pub mod exhaustive;
mod picture;
mod replay;
mod request;
mod search;
mod sets;
pub mod simulator;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lock_core::planted::{ALL, Mutant, plant};

pub use search::{Found, Searched, search};

const USAGE: &str = "usage: simulate [--schedules N | --minutes M] [--from SEED] [--mutant NAME]
       simulate --seed N [--whole] [--picture FILE] [--mutant NAME]

  --schedules  how many to run; 20000 by default
  --minutes    for how long to run them instead
  --from       the first seed; 0 by default, the time with --minutes
  --seed       tells the history of one seed; if it breaks a promise, without the faults that it takes no part of
  --whole      with all of its faults
  --picture    draws it, too, as an SVG file
  --mutant     plants a fault in the library first, to see that it is found";

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
struct Options {
    schedules: u64,
    minutes: Option<f64>,
    from: Option<u64>,
    seed: Option<u64>,
    whole: bool,
    picture: Option<PathBuf>,
    mutant: Option<Mutant>,
}

/// The program `simulate`.
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(options) = options(&arguments) else {
        eprintln!("{USAGE}\n\nmutants: {ALL:?}");
        return ExitCode::FAILURE;
    };
    plant(options.mutant);
    match options.seed {
        Some(seed) => replay::replay(seed, &options),
        None => run(&options),
    }
}

fn options(arguments: &[String]) -> Option<Options> {
    let mut options =
        Options { schedules: 20_000, minutes: None, from: None, seed: None, whole: false, picture: None, mutant: None };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--schedules" => options.schedules = words.next()?.parse().ok().filter(|&schedules| schedules > 0)?,
            "--minutes" => options.minutes = Some(words.next()?.parse().ok().filter(|&minutes| minutes > 0.0)?),
            "--from" => options.from = Some(words.next()?.parse().ok()?),
            "--seed" => options.seed = Some(words.next()?.parse().ok()?),
            "--whole" => options.whole = true,
            "--picture" => options.picture = Some(words.next()?.into()),
            "--mutant" => options.mutant = Some(mutant(words.next()?)?),
            _ => return None,
        }
    }
    let is_about_one = options.whole || options.picture.is_some();
    (options.seed.is_some() || !is_about_one).then_some(options)
}

/// The fault of this name.
fn mutant(name: &str) -> Option<Mutant> {
    ALL.into_iter().find(|mutant| format!("{mutant:?}") == name)
}

fn run(options: &Options) -> ExitCode {
    let started = Instant::now();
    let today = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let from = options.from.unwrap_or(if options.minutes.is_some() { today * 1_000_000 } else { 0 });
    let until = options.minutes.map(|minutes| started + Duration::from_secs_f64(minutes * 60.0));
    let to = until.map_or(from.saturating_add(options.schedules), |_| u64::MAX);
    println!("seeds from {from}");
    let searched = search(from..to, || until.is_some_and(|until| until <= Instant::now()));
    let seconds = started.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss)] // a rate
    let rate = searched.schedules as f64 / seconds;
    println!(
        "{} schedules, {} tasks, {} grants in {seconds:.1} s: {rate:.0} schedules a second",
        searched.schedules, searched.tasks, searched.grants
    );
    let Some(found) = searched.found else {
        println!("verdict: held, {} schedules", searched.schedules);
        return ExitCode::SUCCESS;
    };
    replay::replay(found.seed, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &str) -> Option<Options> {
        options(&words.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_asked_for_is_understood() {
        let usual = of("").expect("nothing has to be said");
        assert_eq!(usual.schedules, 20_000);
        assert_eq!(of("--minutes 0.5 --from 7"), Some(Options { minutes: Some(0.5), from: Some(7), ..usual.clone() }));
        let one = Options { seed: Some(7), whole: true, picture: Some("a.svg".into()), ..usual.clone() };
        assert_eq!(of("--seed 7 --whole --picture a.svg"), Some(one));
        assert_eq!(of("--mutant MessagesAlone"), Some(Options { mutant: Some(Mutant::MessagesAlone), ..usual }));
        for wrong in ["--seed", "--minutes 0", "--schedules 0", "7", "--mutant Nobody", "--whole", "--picture a.svg"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
