//! Keys that are touched once: each is taken and released, and nothing of it may stay.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::contestants::Outcome;
use crate::held::{Bare, Ours, Taker, Taking, on_one_thread, shares};
use crate::usage::{client_cpu, memory};

/// No lock expires while it is touched.
const TTL: Duration = Duration::from_secs(30);
/// How many are touched to warm up.
const WARM_UP: usize = 1000;

/// What touching some keys came to.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Touched {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
    /// In bytes, when nothing is held any more, above what was used before.
    pub(crate) kept: u64,
}

pub(super) fn run(url: &str, taker: Taker, keys: usize) -> Outcome<Touched> {
    let touched = on_one_thread(async {
        match taker {
            Taker::Ours => touch(Ours::connect(url).await?, keys).await,
            Taker::Bare => touch(Bare::connect(url).await?, keys).await,
        }
    })?;
    let mut server = redis::Client::open(url)?.get_connection()?;
    let left: usize = redis::cmd("DBSIZE").query(&mut server)?;
    let counters = usize::from(taker == Taker::Ours);
    if left == counters { Ok(touched) } else { Err(format!("{left} keys are left in the server").into()) }
}

async fn touch<T: Taking>(taking: T, keys: usize) -> Outcome<Touched> {
    touch_all(&taking, WARM_UP).await?;
    let (idle, cpu, began) = (memory()?.0, client_cpu()?, Instant::now());
    touch_all(&taking, keys).await?;
    let (wall, cpu) = (began.elapsed(), client_cpu()?.saturating_sub(cpu));
    Ok(Touched { wall, cpu, kept: memory()?.0.saturating_sub(idle) })
}

async fn touch_all<T: Taking>(taking: &T, keys: usize) -> Outcome<()> {
    let mut tasks = JoinSet::new();
    for share in shares(keys) {
        let taking = taking.clone();
        tasks.spawn(async move {
            for number in share {
                let held = taking.take(number, TTL).await?;
                taking.give_back(held).await?;
            }
            Outcome::Ok(())
        });
    }
    tasks.join_all().await.into_iter().collect()
}
