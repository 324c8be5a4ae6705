//! One worker: what it does under a lock, in which order, and how it is told to stop.

use std::collections::hash_map::DefaultHasher;
use std::fs::File;
use std::hash::{Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use lock_runtime::redis::redis;
use lock_runtime::{LockError, distributed_lock};
use redis::AsyncTypedCommands as _;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::Failure;

/// All workers are within so many jobs of each other, so that they get in each other's way.
const BLOCK: u32 = 16;

/// Where a worker marks what is done, and where it looks whether it is alone.
struct Desk {
    marks: redis::aio::MultiplexedConnection,
    folder: String,
}

/// Does a job that is not done yet. `None` if somebody is at it just now.
#[distributed_lock(key = "fleet:<run>:job:<job>", ttl = "10s", on_busy = "skip")]
async fn work_off(desk: &mut Desk, run: &str, job: u32) -> Result<Option<()>, Failure> {
    let done = format!("fleet:{run}:done");
    if desk.marks.sismember(&done, job).await? {
        return Ok(Some(()));
    }
    tell("hold", job);
    let _inside = enter(&desk.folder, job)?;
    sleep(Duration::from_millis(2)).await; // the work
    let is_first = desk.marks.sadd(&done, job).await? == 1;
    tell(if is_first { "done" } else { "again" }, job);
    Ok(Some(()))
}

/// The detector: a locked file, which the system frees when the body or its process is gone.
fn enter(folder: &str, job: u32) -> io::Result<File> {
    let file = File::create(Path::new(folder).join(job.to_string()))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => tell("overlap", job),
        other => other?,
    }
    Ok(file)
}

/// Walks over all jobs in this worker's order, and once more over those that somebody else was at.
async fn walk(desk: &mut Desk, run: &str, worker: u32, jobs: u32) -> Result<(), Failure> {
    let mut left: Vec<u32> = (0..jobs).collect();
    left.sort_by_cached_key(|job| (job / BLOCK, shuffled(worker, *job)));
    while !left.is_empty() {
        let mut later = Vec::new();
        for job in left {
            match work_off(desk, run, job).await {
                Ok(Some(())) => continue,
                Ok(None) => tell("busy", job),
                Err(error) => match error.downcast_ref() {
                    Some(LockError::Lost { .. }) => tell("lost", job),
                    _ => return Err(error),
                },
            }
            later.push(job);
        }
        left = later;
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

fn shuffled(worker: u32, job: u32) -> u64 {
    let mut hasher = DefaultHasher::new();
    (worker, job).hash(&mut hasher);
    hasher.finish()
}

/// A line for the parent. If it is gone, our standard input ends too, and so do we.
fn tell(what: &str, job: u32) {
    let _ = writeln!(io::stdout(), "{what} {job}");
}

pub(crate) async fn work(url: &str, run: &str, folder: &str, worker: u32, jobs: u32) -> Result<(), Failure> {
    let (stop, stopped) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        drop(stop);
    });
    let client = lock_runtime::init(url).await?;
    let marks = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let mut desk = Desk { marks, folder: folder.to_owned() };
    let walked = tokio::select! {
        walked = walk(&mut desk, run, worker, jobs) => walked,
        _ = stopped => Ok(()), // a body that runs is dropped here, and then its lock is released
    };
    client.shutdown(Duration::ZERO).await;
    walked
}
