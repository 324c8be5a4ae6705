//! Does the lock hold across processes?
//!
//! Workers of one fleet work off one list of jobs, each in an order of its own, each job under its lock. A detector
//! that knows nothing of the lock counts those who meet inside.
//!
//! ```sh
//! cargo run -p examples --example fleet -- --processes 4 --jobs 2000                     # starts a redis-server
//! cargo run -p examples --example fleet -- --processes 4 --jobs 2000 redis://127.0.0.1   # uses yours
//! ```
//!
//! Stop, continue or kill workers meanwhile: the others take over what a dead one held, after its ttl. Ctrl-C releases
//! what is held. Nothing stays behind on your server but the one counter of fences.

use std::collections::hash_map::DefaultHasher;
use std::error::Error;
use std::fs::{self, File};
use std::hash::{Hash as _, Hasher as _};
use std::io::{self, IsTerminal as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use lock_runtime::redis::redis;
use lock_runtime::{LockError, distributed_lock};
use redis::AsyncTypedCommands as _;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{interval, sleep};

type Failure = Box<dyn Error + Send + Sync>;

const USAGE: &str = "usage: fleet [--processes 1..64] [--jobs N] [redis://host:port]";

/// All workers are within so many jobs of each other, so that they get in each other's way.
const BLOCK: u32 = 16;

// ---- A worker

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
    sleep(Duration::from_millis(1)).await; // the work
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

async fn be_worker(url: &str, run: &str, folder: &str, worker: u32, jobs: u32) -> Result<(), Failure> {
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

// ---- Their parent

/// Who holds what, and what happened so far.
struct Board {
    started: Instant,
    jobs: u32,
    holds: Vec<Option<String>>,
    done: u32,
    busy: u32,
    lost: u32,
    again: u32,
    overlapped: u32,
}

impl Board {
    fn hear(&mut self, worker: usize, line: &str) {
        let (what, job) = line.split_once(' ').unwrap_or((line, ""));
        self.holds[worker] = (what == "hold" || what == "overlap").then(|| job.to_owned());
        match what {
            "done" => self.done += 1,
            "busy" => self.busy += 1,
            "lost" => self.lost += 1,
            "again" => self.again += 1,
            "overlap" => self.overlapped += 1,
            _ => {}
        }
    }

    fn counts(&self) -> String {
        let Self { jobs, done, busy, lost, again, overlapped, started, .. } = self;
        let time = started.elapsed().as_secs_f32();
        let twice = if *again == 0 { String::new() } else { format!(", {again} done twice") };
        format!("{done} of {jobs} done, {busy} times skipped (busy), {lost} lost{twice}, {overlapped} overlapped, {time:.1} s")
    }

    fn draw(&self) {
        let mut picture = format!("{}\x1b[K\n", self.counts());
        for (worker, held) in self.holds.iter().enumerate() {
            let held = held.as_ref().map_or_else(|| "-".to_owned(), |job| format!("holds job {job}"));
            picture += &format!("  worker {worker:2}  {held}\x1b[K\n");
        }
        print!("{picture}\x1b[{}A", self.holds.len() + 1);
        let _ = io::stdout().flush();
    }
}

/// Runs the workers until they are done, or until we are told to stop; then they are, too.
async fn watch(mut workers: Vec<tokio::process::Child>, board: &mut Board) -> Result<(), Failure> {
    let (sender, mut reports) = mpsc::channel(1024);
    let mut inputs = Vec::new(); // closing them stops the workers
    for (worker, child) in workers.iter_mut().enumerate() {
        inputs.push(child.stdin.take());
        let (sender, output) = (sender.clone(), child.stdout.take().ok_or("a worker without an output")?);
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let _ = sender.send((worker, line)).await;
            }
            let _ = sender.send((worker, "gone".to_owned())).await;
        });
    }
    drop(sender);
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let live = io::stdout().is_terminal();
    let mut redraw = interval(if live { Duration::from_millis(100) } else { Duration::from_secs(1) });
    loop {
        tokio::select! {
            report = reports.recv() => match report {
                Some((worker, line)) => board.hear(worker, &line),
                None => break, // all are gone
            },
            _ = redraw.tick() => if live { board.draw() } else { println!("{}", board.counts()) },
            _ = interrupt.recv() => inputs.clear(),
            _ = terminate.recv() => inputs.clear(),
        }
    }
    if live {
        board.draw();
        print!("\x1b[{}B", board.holds.len() + 1);
    }
    for mut worker in workers {
        worker.wait().await?;
    }
    Ok(())
}

async fn be_parent(processes: u32, jobs: u32, url: Option<String>) -> Result<ExitCode, Failure> {
    let server = if url.is_none() { Some(OwnServer::start()?) } else { None };
    let url = url.or(server.as_ref().map(|server| server.url.clone())).unwrap_or_default();
    let mut marks = redis::Client::open(url.as_str())?.get_multiplexed_async_connection().await?;
    let run = std::process::id().to_string();
    let folder = std::env::temp_dir().join(format!("fleet-{run}"));
    fs::create_dir_all(&folder)?;

    let worker = |worker: u32| {
        let mut command = tokio::process::Command::new(std::env::current_exe()?);
        command.arg("--worker").args([&url, &run]).arg(&folder).args([worker, jobs].map(|number| number.to_string()));
        // A group of its own: Ctrl-C is for us, and we tell the workers.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0).kill_on_drop(true).spawn()
    };
    let workers = (0..processes).map(worker).collect::<Result<Vec<_>, _>>()?;
    let holds = vec![None; workers.len()];
    let mut board = Board { started: Instant::now(), jobs, holds, done: 0, busy: 0, lost: 0, again: 0, overlapped: 0 };
    watch(workers, &mut board).await?;

    // What a worker that was killed could not tell any more is marked all the same.
    board.done = u32::try_from(marks.scard(format!("fleet:{run}:done")).await?)?;
    marks.del(format!("fleet:{run}:done")).await?;
    fs::remove_dir_all(&folder)?;
    println!("{processes} workers: {}", board.counts());
    let good = board.done == jobs && board.overlapped == 0 && board.again == 0;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A `redis-server` of our own, stopped when this is dropped.
struct OwnServer {
    child: Child,
    url: String,
}

impl OwnServer {
    fn start() -> Result<Self, Failure> {
        use std::os::unix::process::CommandExt as _;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]).process_group(0);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().map_err(|error| {
            format!("redis-server cannot be started ({error}); install it, or give the URL of a server\n{USAGE}")
        })?;
        let server = Self { child, url: format!("redis://127.0.0.1:{port}") };
        for _ in 0..100 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err("redis-server was started, but does not answer".into())
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn start(arguments: &[&str]) -> Result<ExitCode, Failure> {
    if let ["--worker", url, run, folder, worker, jobs] = arguments {
        be_worker(url, run, folder, worker.parse()?, jobs.parse()?).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let (mut processes, mut jobs, mut url) = (4, 2000, None);
    let mut rest = arguments;
    while let Some((first, others)) = rest.split_first() {
        rest = match (*first, others) {
            ("--processes", [number, others @ ..]) => (processes = number.parse()?, others).1,
            ("--jobs", [number, others @ ..]) => (jobs = number.parse()?, others).1,
            (given, others) if given.contains("://") => (url = Some(given.to_owned()), others).1,
            _ => return Err(USAGE.into()),
        };
    }
    if !(1..=64).contains(&processes) {
        return Err(USAGE.into());
    }
    be_parent(processes, jobs, url).await
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    start(&arguments).await.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}
