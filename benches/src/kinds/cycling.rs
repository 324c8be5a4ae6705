//! One task that acquires and releases, again and again, in a process of its own: two keys at once, or one that others
//! hold beside it.
//!
//! What must stay true: those who hold beside it are clients of their own, so that nothing is shared with them but the
//! server; their leases are longer than a run, so that none is renewed meanwhile.

use std::fmt;
use std::time::{Duration, Instant};

use ::rlock::LockKeys;
use ::rlock::async_lock::RLock;
use lock_runtime::{Client, LockGuard, Released};
use serde::{Deserialize, Serialize};

use crate::child::{self, Job};
use crate::contestants::Outcome;
use crate::cycles::Cycled;
use crate::extent::Extent;
use crate::held::on_one_thread;
use crate::usage::Meter;

const TTL: Duration = Duration::from_secs(60);
const KEYS: [&str; 2] = ["cycle:a", "cycle:b"];
/// How many hold it beside the task, where many do.
pub(super) const MANY: usize = 100;

/// What is done again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Cycle {
    OneKey,
    /// By `lock_all`.
    TwoKeys,
    RlockOneKey,
    RlockTwoKeys,
    /// A shared lock, beside so many holders.
    SharedBeside(usize),
}

/// What a process of its own can be asked for: a stretch of cycles.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Round {
    url: String,
    cycle: Cycle,
    warm_up: Duration,
    lasts: Duration,
}

impl Cycle {
    pub(super) const ALL: [Self; 6] = [
        Self::OneKey,
        Self::TwoKeys,
        Self::RlockOneKey,
        Self::RlockTwoKeys,
        Self::SharedBeside(1),
        Self::SharedBeside(MANY),
    ];

    pub(super) fn is_ours(self) -> bool {
        !matches!(self, Self::RlockOneKey | Self::RlockTwoKeys)
    }
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneKey => f.write_str("one key"),
            Self::TwoKeys => f.write_str("two keys"),
            Self::RlockOneKey => f.write_str("one key, rlock"),
            Self::RlockTwoKeys => f.write_str("two keys, rlock"),
            Self::SharedBeside(holders) => write!(f, "shared beside {holders}"),
        }
    }
}

impl Round {
    pub(super) fn new(cycle: Cycle, url: String, extent: Extent) -> Self {
        let ms = Duration::from_millis;
        let (warm_up, lasts) = if extent == Extent::Full { (ms(100), ms(400)) } else { (ms(10), ms(20)) };
        Self { url, cycle, warm_up, lasts }
    }
}

impl Job for Round {
    const NAME: &'static str = "kinds";

    fn run(self) -> Outcome<()> {
        child::say(&on_one_thread(cycled(self))?)
    }
}

async fn cycled(round: Round) -> Outcome<Cycled> {
    match round.cycle {
        Cycle::OneKey => {
            let client = connect(&round.url).await?;
            repeat(&round, async || freed(client.lock(KEYS[0]).ttl(TTL).acquire().await?.release().await?)).await
        }
        Cycle::TwoKeys => {
            let client = connect(&round.url).await?;
            repeat(&round, async || freed(client.lock_all(KEYS).ttl(TTL).acquire().await?.release().await?)).await
        }
        Cycle::RlockOneKey => {
            let client = RLock::new(round.url.as_str()).await?;
            repeat(&round, async || Ok(client.acquire_mutex(KEYS[0]).await?.release().await?)).await
        }
        Cycle::RlockTwoKeys => {
            let (client, keys) = (RLock::new(round.url.as_str()).await?, LockKeys::new(KEYS)?);
            repeat(&round, async || Ok(client.acquire_multi_key_mutex(&keys).await?.release().await?)).await
        }
        Cycle::SharedBeside(holders) => {
            let holders = hold(&round.url, holders).await?;
            let client = connect(&round.url).await?;
            let shared = async || freed(client.lock(KEYS[0]).shared().ttl(TTL).acquire().await?.release().await?);
            let cycled = repeat(&round, shared).await?;
            // They have held all the while.
            for (_client, guard) in holders {
                freed(guard.release().await?)?;
            }
            Ok(cycled)
        }
    }
}

async fn connect(url: &str) -> Outcome<Client> {
    let client = Client::connect(url).await?;
    // A runtime's connection is made when it is first needed.
    client.lock("warm").acquire().await?.release().await?;
    Ok(client)
}

/// So many who hold the first key beside each other, each with a client of its own.
async fn hold(url: &str, holders: usize) -> Outcome<Vec<(Client, LockGuard)>> {
    let mut guards = Vec::with_capacity(holders);
    for _ in 0..holders {
        let client = Client::connect(url).await?;
        let guard = client.lock(KEYS[0]).shared().ttl(TTL).acquire().await?;
        guards.push((client, guard));
    }
    Ok(guards)
}

fn freed(released: Released) -> Outcome<()> {
    match released {
        Released::Freed => Ok(()),
        Released::NotOurs => Err("a release found that the lock was not ours".into()),
    }
}

async fn repeat(round: &Round, cycle: impl AsyncFn() -> Outcome<()>) -> Outcome<Cycled> {
    let stretch = async |lasts| {
        let (end, mut cycles) = (Instant::now() + lasts, 0);
        while Instant::now() < end {
            cycle().await?;
            cycles += 1;
        }
        Outcome::Ok(cycles)
    };
    stretch(round.warm_up).await?;
    let meter = Meter::start(&round.url)?;
    let cycles = stretch(round.lasts).await?;
    Ok(Cycled { cycles, used: meter.stop()?, ..Cycled::default() })
}
