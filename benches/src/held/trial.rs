//! What a process does that holds many locks: it takes them, holds them for a while, looks whether all are still held,
//! and gives them back.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::takers::{Bare, Ours, TASKS, Taker, Taking, name, on_one_thread};
use crate::contestants::Outcome;
use crate::usage::{Meter, Used, client_cpu, memory};

/// The name by which the warm-up goes.
const WARM_UP: usize = usize::MAX;
/// How many keys are asked for at once.
const ASKED_AT_ONCE: usize = 1000;

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Trial {
    pub(crate) taker: Taker,
    pub(crate) locks: usize,
    pub(crate) held_for: Duration,
    pub(crate) ttl: Duration,
    pub(crate) ending: Ending,
}

/// How locks are given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ending {
    /// Each is released, by as many tasks as took them.
    Released,
    /// All guards are dropped, and the client is shut down.
    Dropped,
}

/// What was seen.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) taking: Duration,
    pub(crate) taking_cpu: Duration,
    /// In bytes, with all held, above what was used with a connection and no lock.
    pub(crate) memory: u64,
    /// While all were held; none if that was no time at all.
    pub(crate) held: Option<Used>,
    /// Calls of scripts meanwhile.
    pub(crate) scripts: u64,
    /// Locks of which their guards say that they are not held any more.
    pub(crate) lost: usize,
    /// Keys that are not in the server.
    pub(crate) missing: usize,
    pub(crate) giving_back: Duration,
    /// Keys of which a shutdown says that they are left.
    pub(crate) left: usize,
}

/// Does a trial.
pub(crate) fn run(url: &str, trial: Trial) -> Outcome<Seen> {
    on_one_thread(async {
        match trial.taker {
            Taker::Ours => {
                let ours = Ours::connect(url).await?;
                let client = ours.0.clone();
                hold(url, trial, ours, async || client.shutdown(Duration::ZERO).await.left.len()).await
            }
            Taker::Bare => hold(url, trial, Bare::connect(url).await?, async || 0).await,
        }
    })
}

async fn hold<T: Taking>(url: &str, trial: Trial, taking: T, shut_down: impl AsyncFnOnce() -> usize) -> Outcome<Seen> {
    // A runtime's connection is made when it is first needed, and scripts are known from their first call on.
    taking.give_back(taking.take(WARM_UP, trial.ttl).await?).await?;
    let (idle, cpu, began) = (memory()?.0, client_cpu()?, Instant::now());
    let mut held = take_all(&taking, trial).await?;
    let (taking_time, taking_cpu) = (began.elapsed(), client_cpu()?.saturating_sub(cpu));
    let (used, scripts) = if trial.held_for.is_zero() { (None, 0) } else { wait(url, trial.held_for).await? };
    let memory = memory()?.0.saturating_sub(idle);
    let lost = held.iter().flatten().filter(|held| !T::is_held(held)).count();
    // One that knows nothing of renewals holds its keys for the ttl only.
    let missing = if used.is_some() { missing(url, trial.locks)? } else { 0 };
    let began = Instant::now();
    let left = match trial.ending {
        Ending::Released => give_all_back(&taking, held).await?,
        Ending::Dropped => {
            held.clear();
            shut_down().await
        }
    };
    let giving_back = began.elapsed();
    Ok(Seen { taking: taking_time, taking_cpu, memory, held: used, scripts, lost, missing, giving_back, left })
}

/// Each task takes its share, which is what comes back.
async fn take_all<T: Taking>(taking: &T, trial: Trial) -> Outcome<Vec<Vec<T::Held>>> {
    let mut tasks = JoinSet::new();
    for share in shares(trial.locks) {
        let taking = taking.clone();
        tasks.spawn(async move {
            let mut held = Vec::with_capacity(share.len());
            for number in share {
                held.push(taking.take(number, trial.ttl).await?);
            }
            Ok(held)
        });
    }
    tasks.join_all().await.into_iter().collect()
}

async fn give_all_back<T: Taking>(taking: &T, held: Vec<Vec<T::Held>>) -> Outcome<usize> {
    let mut tasks = JoinSet::new();
    for share in held {
        let taking = taking.clone();
        tasks.spawn(async move {
            for held in share {
                taking.give_back(held).await?;
            }
            Outcome::Ok(())
        });
    }
    tasks.join_all().await.into_iter().collect::<Outcome<()>>()?;
    Ok(0)
}

/// The numbers of the keys of each task.
pub(crate) fn shares(count: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..TASKS).map(move |task| count * task / TASKS..count * (task + 1) / TASKS)
}

/// Lets the time pass that is to be measured.
async fn wait(url: &str, held_for: Duration) -> Outcome<(Option<Used>, u64)> {
    let mut server = redis::Client::open(url)?.get_connection()?;
    let before = calls_of_scripts(&mut server)?;
    let meter = Meter::start(url)?;
    tokio::time::sleep(held_for).await;
    let used = meter.stop()?;
    Ok((Some(used), calls_of_scripts(&mut server)? - before))
}

fn calls_of_scripts(server: &mut redis::Connection) -> Outcome<u64> {
    let stats: String = redis::cmd("INFO").arg("commandstats").query(server)?;
    let calls = |line: &str| {
        let stats = line.strip_prefix("cmdstat_evalsha:").or_else(|| line.strip_prefix("cmdstat_eval:"))?;
        stats.strip_prefix("calls=")?.split(',').next()?.parse::<u64>().ok()
    };
    Ok(stats.lines().filter_map(calls).sum())
}

/// How many keys are not in the server.
fn missing(url: &str, locks: usize) -> Outcome<usize> {
    let mut server = redis::Client::open(url)?.get_connection()?;
    let numbers: Vec<usize> = (0..locks).collect();
    let mut found = 0;
    for numbers in numbers.chunks(ASKED_AT_ONCE) {
        let names: Vec<String> = numbers.iter().map(|&number| name(number)).collect();
        found += redis::cmd("EXISTS").arg(names).query::<usize>(&mut server)?;
    }
    Ok(locks - found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_all_there_is_and_about_equal() {
        for count in [0, 1, 64, 100, 100_000] {
            let numbers: Vec<usize> = shares(count).flatten().collect();
            assert_eq!(numbers, (0..count).collect::<Vec<_>>());
            assert!(shares(count).all(|share| share.len().abs_diff(count / TASKS) <= 1));
        }
    }
}
