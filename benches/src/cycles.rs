//! A process that acquires and releases, again and again, and tells how often it could and what that used.
//!
//! What must stay true: all entrants run here in the same way: tasks of one runtime, each with a key of its own, warmed
//! up before anything is counted; a cycle that fails ends the process, so that no figure has errors in it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lock_runtime::{Client, LockError, distributed_lock};
use serde::{Deserialize, Serialize};
use tokio::sync::Barrier;
use tokio::task::{JoinSet, consume_budget};

use crate::child::{self, Job};
use crate::contestants::{
    AsyncRedisLock, Bare, Distkit, DistributedLockRedis, Locking, Locks, Ours, Outcome, Rlock, Rslock, SameCommands,
};
use crate::distance::Distance;
use crate::entrant::Entrant;
use crate::usage::{Meter, Used};

/// Which runtime the tasks run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Flavor {
    MultiThread,
    CurrentThread,
}

/// What to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cycles {
    pub(crate) entrant: Entrant,
    /// The server, as `host:port`.
    pub(crate) server: String,
    /// A round trip that is put in between; none if it is zero.
    pub(crate) round_trip: Duration,
    pub(crate) flavor: Flavor,
    pub(crate) tasks: usize,
    pub(crate) nodelay: bool,
    pub(crate) warm_up: Duration,
    pub(crate) lasts: Duration,
}

/// What was seen.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Cycled {
    pub(crate) cycles: u64,
    pub(crate) used: Used,
    /// How long each cycle took, in nanoseconds; of one task of several.
    pub(crate) latencies: Vec<u64>,
    /// How often the client spoke after it had heard; counted where a round trip was put in between.
    pub(crate) round_trips: u64,
}

impl Cycled {
    pub(crate) fn per_second(&self) -> f64 {
        self.cycles as f64 / self.used.wall.as_secs_f64()
    }

    /// Processor time of the client for each cycle, in nanoseconds.
    pub(crate) fn client_cpu(&self) -> Option<f64> {
        (self.cycles > 0).then(|| self.used.client_cpu.as_nanos() as f64 / self.cycles as f64)
    }

    /// What the server carried out for each cycle, what scripts called included.
    pub(crate) fn server_calls(&self) -> Option<f64> {
        (self.cycles > 0).then(|| self.used.server_calls as f64 / self.cycles as f64)
    }

    /// The time that the server's scripts took for each cycle, in nanoseconds.
    pub(crate) fn scripts(&self) -> Option<f64> {
        (self.cycles > 0).then(|| self.used.scripts.as_nanos() as f64 / self.cycles as f64)
    }

    /// Processor time of the server for each cycle, in nanoseconds.
    pub(crate) fn server_cpu(&self) -> Option<f64> {
        (self.cycles > 0).then(|| self.used.server_cpu.as_nanos() as f64 / self.cycles as f64)
    }
}

/// Something that is done again and again.
trait Cycle: Send + 'static {
    fn cycle(&mut self) -> impl Future<Output = Outcome<()>> + Send;
}

impl<L: Locking + 'static> Cycle for L {
    async fn cycle(&mut self) -> Outcome<()> {
        let held = self.acquire().await?;
        self.release(held).await
    }
}

/// A function with the attribute.
struct Annotated {
    client: Client,
    key: String,
}

#[distributed_lock(key = "<key>", client = client)]
async fn annotated(client: &Client, key: &str) -> Result<(), LockError> {
    Ok(())
}

impl Cycle for Annotated {
    async fn cycle(&mut self) -> Outcome<()> {
        Ok(annotated(&self.client, &self.key).await?)
    }
}

impl Job for Cycles {
    const NAME: &'static str = "cycles";

    fn run(self) -> Outcome<()> {
        child::say(&cycled(self)?)
    }
}

/// Does it, on a runtime of its own.
fn cycled(job: Cycles) -> Outcome<Cycled> {
    let mut runtime = match job.flavor {
        Flavor::MultiThread => tokio::runtime::Builder::new_multi_thread(),
        Flavor::CurrentThread => tokio::runtime::Builder::new_current_thread(),
    };
    runtime.enable_all().build()?.block_on(enter(job))
}

async fn enter(job: Cycles) -> Outcome<Cycled> {
    if job.round_trip.is_zero() {
        let url = job.url();
        return by(&url, job, || 0).await;
    }
    let distance = Distance::to(job.server.clone(), job.round_trip)?;
    by(&distance.url(), job, || distance.round_trips()).await
}

/// Connects to the server, or to what stands before it.
async fn by(url: &str, job: Cycles, round_trips: impl Fn() -> u64) -> Outcome<Cycled> {
    match job.entrant {
        Entrant::Bare => of_locks(Bare::connect(url, job.nodelay).await?, job, round_trips).await,
        Entrant::SameCommands => of_locks(SameCommands::connect(url, job.nodelay).await?, job, round_trips).await,
        Entrant::Ours => of_locks(Ours::from(ours(url, &job).await?), job, round_trips).await,
        Entrant::Memory => of_locks(Ours::from(Client::connect("memory://").await?), job, round_trips).await,
        Entrant::Attribute => {
            let client = ours(url, &job).await?;
            let tasks = (0..job.tasks).map(|task| Annotated { client: client.clone(), key: key(task) });
            measured(tasks.collect(), job, round_trips).await
        }
        Entrant::Rslock => of_locks(Rslock::connect(url, None).await?, job, round_trips).await,
        Entrant::Rlock => of_locks(Rlock::connect(url, None).await?, job, round_trips).await,
        Entrant::DistributedLockRedis => of_locks(DistributedLockRedis::connect(url).await?, job, round_trips).await,
        Entrant::AsyncRedisLock => of_locks(AsyncRedisLock::connect(url).await?, job, round_trips).await,
        Entrant::Distkit => of_locks(Distkit::connect(url).await?, job, round_trips).await,
    }
}

impl Cycles {
    fn url(&self) -> String {
        format!("redis://{}", self.server)
    }
}

async fn ours(url: &str, job: &Cycles) -> Outcome<Client> {
    let client = Client::builder().nodelay(job.nodelay).connect(url).await?;
    // A runtime's connection is made when it is first needed.
    client.lock("warm").acquire().await?.release().await?;
    Ok(client)
}

fn key(task: usize) -> String {
    format!("cycle:{task}")
}

async fn of_locks<L: Locks>(locks: L, job: Cycles, round_trips: impl Fn() -> u64) -> Outcome<Cycled> {
    let mut waiters = Vec::with_capacity(job.tasks);
    for task in 0..job.tasks {
        waiters.push(locks.waiter(&key(task)).await?);
    }
    measured(waiters, job, round_trips).await
}

/// All tasks warm up, then begin together; the first of them keeps its latencies.
async fn measured<C: Cycle>(cycles: Vec<C>, job: Cycles, round_trips: impl Fn() -> u64) -> Outcome<Cycled> {
    let warm = Arc::new(Barrier::new(job.tasks + 1));
    let start = Arc::new(Barrier::new(job.tasks + 1));
    let mut tasks = JoinSet::new();
    for (task, cycle) in cycles.into_iter().enumerate() {
        let (warm, start) = (Arc::clone(&warm), Arc::clone(&start));
        tasks.spawn(async move {
            let mut cycle = cycle;
            repeat(&mut cycle, job.warm_up, &mut None).await?;
            warm.wait().await;
            start.wait().await;
            let mut latencies = (task == 0).then(Vec::new);
            let cycles = repeat(&mut cycle, job.lasts, &mut latencies).await?;
            Outcome::Ok((cycles, latencies))
        });
    }
    tokio::select! {
        _ = warm.wait() => {}
        // Whoever is done now has failed, and the others would wait for it.
        Some(failed) = tasks.join_next() => drop(failed??),
    }
    let meter = Meter::start(&job.url())?;
    let round_trips_before = round_trips();
    start.wait().await;
    let mut seen = (0, Vec::new());
    while let Some(done) = tasks.join_next().await {
        let (cycles, latencies) = done??;
        seen.0 += cycles;
        seen.1.extend(latencies.into_iter().flatten());
    }
    let round_trips = round_trips() - round_trips_before;
    Ok(Cycled { cycles: seen.0, latencies: seen.1, used: meter.stop()?, round_trips })
}

async fn repeat<C: Cycle>(cycle: &mut C, lasts: Duration, latencies: &mut Option<Vec<u64>>) -> Outcome<u64> {
    let end = Instant::now() + lasts;
    let mut count = 0;
    let mut began = Instant::now();
    while began < end {
        cycle.cycle().await?;
        let now = Instant::now();
        if let Some(latencies) = latencies {
            latencies.push(crate::clock::nanos(now - began));
        }
        began = now;
        count += 1;
        // Whoever never has to wait would keep the others from running.
        consume_budget().await;
    }
    Ok(count)
}
