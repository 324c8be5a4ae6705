//! A process that holds all keys, and releases them one after the other when it is told to.

use std::ops::Range;
use std::time::Duration;

use lock_runtime::{Client, LockGuard, Released};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::key::key;
use crate::child::{listen, say};
use crate::clock::{Moment, now};
use crate::contestants::Outcome;
use crate::held::shares;

/// To release all keys, evenly over so long.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Release {
    pub(super) over: Duration,
}

/// All keys were released.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Gave {
    /// When each release began, in the order of the keys.
    pub(super) at: Vec<Moment>,
    /// What the releases came to that did not free a lock of ours.
    pub(super) failures: Vec<String>,
}

/// Says that it holds them, then does what it is told.
pub(super) async fn run(url: &str, keys: Range<usize>, ttl: Duration) -> Outcome<()> {
    let mut asks = listen::<Release>();
    let client = Client::connect(url).await?;
    let held = take(&client, keys, ttl).await?;
    say(&())?;
    let Some(Release { over }) = asks.recv().await else { return Ok(()) };
    say(&release(held, over).await?)?;
    // The parent ends us when it has heard enough.
    std::future::pending().await
}

async fn take(client: &Client, keys: Range<usize>, ttl: Duration) -> Outcome<Vec<LockGuard>> {
    let take = |share: Range<usize>| {
        let (client, first) = (client.clone(), keys.start);
        tokio::spawn(async move {
            let mut held = Vec::with_capacity(share.len());
            for number in share {
                held.push(client.lock(key(first + number)).ttl(ttl).acquire().await?);
            }
            Outcome::Ok(held)
        })
    };
    let tasks: Vec<_> = shares(keys.len()).map(take).collect();
    let mut held = Vec::with_capacity(keys.len());
    for task in tasks {
        held.extend(task.await??);
    }
    Ok(held)
}

async fn release(held: Vec<LockGuard>, over: Duration) -> Outcome<Gave> {
    let (began, count) = (Instant::now(), held.len());
    let mut tasks = Vec::with_capacity(count);
    for (place, guard) in held.into_iter().enumerate() {
        // That is the pace: nobody waits for the answer before the next is released.
        tokio::time::sleep_until(began + over.mul_f64(place as f64 / count as f64)).await;
        tasks.push(tokio::spawn(async move { (now(), guard.release().await) }));
    }
    let mut gave = Gave { at: Vec::with_capacity(count), failures: Vec::new() };
    for task in tasks {
        let (at, released) = task.await?;
        gave.at.push(at);
        match released {
            Ok(Released::Freed) => {}
            Ok(Released::NotOurs) => gave.failures.push("a lock was not its holder's when it was released".to_owned()),
            Err(error) => gave.failures.push(format!("a lock was not released: {error}")),
        }
    }
    Ok(gave)
}
