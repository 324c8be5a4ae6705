//! A process of the bench: its waiters acquire, hold and release until the end, and then tell when they held.
//!
//! Its input is one line, `go START END` (two moments), and then stays open; at its end the process ends, so that none
//! outlives its parent. Its output is `ready`, and after the end a line `hold TASK KIND ASKED ENTERED LEFT` for each
//! hold, `failed TASK WHY` for a waiter that gave up, and `done`.
//!
//! What must stay true: all contestants run here in the same way, on one current-thread runtime, and nothing is printed
//! while they run. A waiter that waits at the end has its turn all the same: its wait was real.

use std::io::{BufRead as _, BufWriter, Write};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::LocalSet;

use crate::clock::{Moment, now};
use crate::contestants::{
    Blpop, CONTENDED, Contestant, LocalQueue, Locking, Locks, Nothing, Ours, Outcome, Rlock, RlockReadWrite, Rslock,
};
use crate::kind::{Kind, Mix};

/// What the parent says on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Orders {
    pub(crate) contestant: Contestant,
    pub(crate) waiters: usize,
    /// What each of them asks for.
    pub(crate) mix: Mix,
    /// How long a critical section lasts; nothing at all when it is zero.
    pub(crate) hold: Duration,
    /// How long a waiter rests after a release.
    pub(crate) pause: Duration,
}

impl Orders {
    pub(crate) fn to_arguments(self) -> [String; 5] {
        let Self { contestant, waiters, mix, hold, pause } = self;
        let micros = |span: Duration| span.as_micros().to_string();
        [contestant.name().to_owned(), waiters.to_string(), mix.to_string(), micros(hold), micros(pause)]
    }

    fn of_arguments(arguments: &[String]) -> Option<Self> {
        let [contestant, waiters, mix, hold, pause] = arguments else { return None };
        let micros = |text: &String| text.parse().ok().map(Duration::from_micros);
        Some(Self {
            contestant: Contestant::of_name(contestant)?,
            waiters: waiters.parse().ok()?,
            mix: Mix::of_text(mix)?,
            hold: micros(hold)?,
            pause: micros(pause)?,
        })
    }
}

/// What one waiter has to tell.
#[derive(Default)]
struct Log {
    holds: Vec<Hold>,
    failed: Option<String>,
}

struct Hold {
    kind: Kind,
    asked: Moment,
    entered: Moment,
    left: Moment,
}

/// When the waiters begin and when they end.
#[derive(Clone, Copy)]
struct Times {
    start: Moment,
    end: Moment,
}

/// Runs one; `arguments` are the server's URL and [`Orders::to_arguments`].
pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let (url, orders) = arguments.split_first().ok_or("a worker was started without arguments")?;
    let orders = Orders::of_arguments(orders).ok_or_else(|| format!("what are {orders:?}?"))?;
    let go = listen();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, contend(url, orders, go))
}

async fn contend(url: &str, orders: Orders, go: oneshot::Receiver<Times>) -> Outcome<()> {
    let ms = Duration::from_millis;
    match orders.contestant {
        Contestant::OursByServer => work(Ours::connect(url, false).await?, orders, go).await,
        Contestant::OursAsShipped => work(Ours::connect(url, true).await?, orders, go).await,
        Contestant::Blpop => work(Blpop::open(url)?, orders, go).await,
        Contestant::LocalQueue => work(LocalQueue::connect(url).await?, orders, go).await,
        Contestant::Rslock => work(Rslock::connect(url, None).await?, orders, go).await,
        // It pauses for a random whole number of milliseconds below the given one.
        Contestant::RslockEveryMillisecond => work(Rslock::connect(url, Some(ms(3))).await?, orders, go).await,
        Contestant::Rlock => work(Rlock::connect(url, None).await?, orders, go).await,
        Contestant::RlockEveryMillisecond => work(Rlock::connect(url, Some(ms(1))).await?, orders, go).await,
        Contestant::RlockReadWrite => work(RlockReadWrite::connect(url, None).await?, orders, go).await,
        Contestant::RlockReadWriteEveryMillisecond => {
            work(RlockReadWrite::connect(url, Some(ms(1))).await?, orders, go).await
        }
        Contestant::Nothing => work(Nothing, orders, go).await,
    }
}

async fn work<L: Locks>(locks: L, orders: Orders, go: oneshot::Receiver<Times>) -> Outcome<()> {
    let mut waiters = Vec::with_capacity(orders.waiters);
    for _ in 0..orders.waiters {
        waiters.push(locks.waiter(CONTENDED).await?);
    }
    say("ready\n")?;
    let times = go.await?;
    let task = |(task, waiter)| tokio::task::spawn_local(repeat(waiter, task, orders, times));
    let tasks = waiters.into_iter().enumerate().map(task);
    // All are spawned before the first is awaited.
    let tasks: Vec<_> = tasks.collect();
    let mut logs = Vec::with_capacity(tasks.len());
    for task in tasks {
        logs.push(task.await?);
    }
    tell(&logs)?;
    // The parent ends us when it has read that; until then the clients live on, as they do in a fleet.
    std::future::pending().await
}

/// One waiter from start to end.
async fn repeat(mut waiter: impl Locking, task: usize, orders: Orders, times: Times) -> Log {
    let Orders { mix, hold, pause, .. } = orders;
    // Processes that are started one after the other have numbers beside each other.
    let place = task + std::process::id() as usize;
    tokio::time::sleep(Duration::from_nanos(times.start.saturating_sub(now()))).await;
    let mut log = Log::default();
    while now() < times.end {
        if let Err(why) = once(&mut waiter, mix.kind(place, log.holds.len()), hold, &mut log).await {
            log.failed = Some(why.to_string());
            break;
        }
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
    log
}

async fn once(waiter: &mut impl Locking, kind: Kind, hold: Duration, log: &mut Log) -> Outcome<()> {
    waiter.want(kind)?;
    let asked = now();
    let lock = waiter.acquire().await?;
    let entered = now();
    if !hold.is_zero() {
        tokio::time::sleep(hold).await;
    }
    let left = now();
    let released = waiter.release(lock).await;
    log.holds.push(Hold { kind, asked, entered, left });
    released
}

fn tell(logs: &[Log]) -> Outcome<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    for (task, log) in logs.iter().enumerate() {
        for Hold { kind, asked, entered, left } in &log.holds {
            writeln!(out, "hold {task} {kind} {asked} {entered} {left}")?;
        }
        if let Some(why) = &log.failed {
            writeln!(out, "failed {task} {}", why.replace('\n', " "))?;
        }
    }
    out.write_all(b"done\n")?;
    Ok(out.flush()?)
}

fn say(line: &str) -> Outcome<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes())?;
    Ok(out.flush()?)
}

/// Hears the start on a thread of its own, which ends the process when the parent is gone.
fn listen() -> oneshot::Receiver<Times> {
    let (started, start) = oneshot::channel();
    let hear = move || {
        let mut started = Some(started);
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if let (Some(times), Some(started)) = (times(&line), started.take()) {
                let _ = started.send(times);
            }
        }
        std::process::exit(1);
    };
    std::thread::spawn(hear);
    start
}

fn times(line: &str) -> Option<Times> {
    let (start, end) = line.strip_prefix("go ")?.split_once(' ')?;
    Some(Times { start: start.parse().ok()?, end: end.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_survive_a_command_line() {
        let orders = Orders {
            contestant: Contestant::Blpop,
            waiters: 125,
            mix: Mix::NineReadOneWrites,
            hold: Duration::from_micros(1500),
            pause: Duration::ZERO,
        };
        assert_eq!(Orders::of_arguments(&orders.to_arguments()), Some(orders));
        assert_eq!(Orders::of_arguments(&["BLPOP".to_owned()]), None);
    }
}
