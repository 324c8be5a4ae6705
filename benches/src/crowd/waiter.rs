//! The process in which everybody waits: a task for each key, which releases it as soon as it has it.

use std::ops::Range;
use std::time::Duration;

use lock_runtime::{Client, Released};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::key::key;
use crate::child::{listen, say};
use crate::clock::{Moment, now};
use crate::contestants::Outcome;
use crate::usage::{client_cpu, memory, thread_cpu};

/// The thread that renews and looks.
const KEEPER: &str = "lock-keeper";

/// A runtime's connection is opened beside its first calls, and waiters hear over it from then on.
const WARM_UP: Duration = Duration::from_millis(300);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Ask {
    /// What was used so far.
    Used,
    /// When those who wait for these keys were granted them, once all were, or once so much time has passed. Is asked
    /// once for each key.
    Granted { keys: Range<usize>, within: Duration },
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Used {
    pub(super) at: Moment,
    pub(super) process: Duration,
    pub(super) keeper: Duration,
    /// In bytes, above what was used when nobody waited.
    pub(super) memory: u64,
    /// The most that it ever was.
    pub(super) most_memory: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Granted {
    /// In the order of the keys; none for those who were not granted theirs.
    pub(super) at: Vec<Option<Moment>>,
    pub(super) failures: Vec<String>,
}

type Waiting = JoinHandle<Result<Moment, String>>;

/// Lets everybody wait, says since when, then does what it is told.
pub(super) async fn run(url: &str, keys: Range<usize>, ttl: Duration) -> Outcome<()> {
    let mut asks = listen::<Ask>();
    let client = Client::connect(url).await?;
    let warm = Instant::now() + WARM_UP;
    while Instant::now() < warm {
        client.lock("warm-up").acquire().await?.release().await?;
    }
    let (idle, began) = (memory()?.0, now());
    let mut waiting: Vec<Option<Waiting>> =
        keys.map(|number| Some(tokio::spawn(wait(client.clone(), number, ttl)))).collect();
    say(&began)?;
    while let Some(ask) = asks.recv().await {
        match ask {
            Ask::Used => say(&used(idle)?)?,
            Ask::Granted { keys, within } => say(&granted(&mut waiting[keys], within).await)?,
        }
    }
    Ok(())
}

fn used(idle: u64) -> Outcome<Used> {
    let (memory, most) = memory()?;
    let (process, keeper) = (client_cpu()?, thread_cpu(KEEPER)?);
    let (memory, most_memory) = (memory.saturating_sub(idle), most.saturating_sub(idle));
    Ok(Used { at: now(), process, keeper, memory, most_memory })
}

async fn wait(client: Client, number: usize, ttl: Duration) -> Result<Moment, String> {
    let failed = |error| format!("waiter {number}: {error}");
    let held = client.lock(key(number)).ttl(ttl).wait_forever().acquire().await.map_err(failed)?;
    let granted = now();
    match held.release().await.map_err(failed)? {
        Released::Freed => Ok(granted),
        Released::NotOurs => Err(format!("waiter {number}: its lock was not its own when it was released")),
    }
}

async fn granted(waiting: &mut [Option<Waiting>], within: Duration) -> Granted {
    let until = Instant::now() + within;
    let mut granted = Granted { at: Vec::with_capacity(waiting.len()), failures: Vec::new() };
    for waiting in waiting.iter_mut().filter_map(Option::take) {
        let grant = match timeout_at(until, waiting).await {
            Ok(ended) => ended.map_err(|error| error.to_string()).flatten(),
            Err(_) => Err("a waiter waits still".to_owned()),
        };
        granted.at.push(grant.as_ref().ok().copied());
        granted.failures.extend(grant.err());
    }
    granted
}
