//! Tasks of one process that wait for one key, which another client holds: what they cost while they wait, and how long
//! it takes until all have had it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lock_runtime::Client;
use serde::{Deserialize, Serialize};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::contestants::Outcome;
use crate::held::on_one_thread;
use crate::usage::{client_cpu, memory};

const KEY: &str = "awaited";
const TTL: Duration = Duration::from_secs(30);
/// For how long it is looked what waiting costs.
const WATCHED: Duration = Duration::from_secs(1);

/// What waiting came to.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Waited {
    /// Bytes of all waiters, their tasks included.
    pub(crate) memory: u64,
    /// In a second of waiting.
    pub(crate) waiting_cpu: Duration,
    /// From the release of the first holder until all have had it.
    pub(crate) served: Duration,
    pub(crate) served_cpu: Duration,
    /// In bytes, when nobody waits any more, above what was used before.
    pub(crate) kept: u64,
}

pub(super) fn run(url: &str, waiters: usize) -> Outcome<Waited> {
    on_one_thread(wait(url, waiters))
}

async fn wait(url: &str, waiters: usize) -> Outcome<Waited> {
    let (holder, client) = (Client::connect(url).await?, Client::connect(url).await?);
    client.lock("warm-up").acquire().await?.release().await?;
    let held = holder.lock(KEY).ttl(TTL).acquire().await?;
    let idle = memory()?.0;
    let (in_line, mut tasks) = (Arc::new(Barrier::new(waiters + 1)), JoinSet::new());
    for _ in 0..waiters {
        let (client, in_line) = (client.clone(), Arc::clone(&in_line));
        tasks.spawn(async move {
            in_line.wait().await;
            client.lock(KEY).ttl(TTL).wait_forever().acquire().await?.release().await?;
            Outcome::Ok(())
        });
    }
    in_line.wait().await;
    let cpu = client_cpu()?;
    tokio::time::sleep(WATCHED).await; // that is what is measured
    if client.stats().waiting != waiters as u64 {
        return Err(format!("{} wait instead of {waiters}", client.stats().waiting).into());
    }
    let (waiting_cpu, waiting_memory) = (client_cpu()?.saturating_sub(cpu), memory()?.0.saturating_sub(idle));
    let (cpu, began) = (client_cpu()?, Instant::now());
    held.release().await?;
    tasks.join_all().await.into_iter().collect::<Outcome<()>>()?;
    let (served, served_cpu) = (began.elapsed(), client_cpu()?.saturating_sub(cpu));
    let kept = memory()?.0.saturating_sub(idle);
    Ok(Waited { memory: waiting_memory, waiting_cpu, served, served_cpu, kept })
}
