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

mod board;
mod server;
mod usage;
mod worker;

use std::error::Error;
use std::fs;
use std::io::{self, IsTerminal as _};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use lock_runtime::redis::redis;
use redis::AsyncTypedCommands as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::interval;

use board::Board;
use server::OwnServer;
use usage::USAGE;

type Failure = Box<dyn Error + Send + Sync>;

async fn start(arguments: &[&str]) -> Result<ExitCode, Failure> {
    if let ["--worker", url, run, folder, worker, jobs] = arguments {
        worker::work(url, run, folder, worker.parse()?, jobs.parse()?).await?;
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

/// Runs the workers until they are done, or until we are told to stop; then they are, too.
async fn watch(mut workers: Vec<Child>, board: &mut Board) -> Result<(), Failure> {
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
    let terminal = io::stdout().is_terminal();
    let mut redraw = interval(if terminal { Duration::from_millis(100) } else { Duration::from_secs(1) });
    loop {
        tokio::select! {
            report = reports.recv() => match report {
                Some((worker, line)) => board.hear(worker, &line),
                None => break, // all are gone
            },
            _ = redraw.tick() => if terminal { board.draw() } else { println!("{}", board.counts()) },
            _ = interrupt.recv() => inputs.clear(),
            _ = terminate.recv() => inputs.clear(),
        }
    }
    if terminal {
        Board::clear();
    }
    for mut worker in workers {
        worker.wait().await?;
    }
    Ok(())
}

async fn be_parent(processes: u32, jobs: u32, url: Option<String>) -> Result<ExitCode, Failure> {
    if url.as_ref().is_some_and(|url| url.starts_with("memory:")) {
        return Err("the workers are processes, which share no memory: give the URL of a server, or none".into());
    }
    let server = if url.is_none() { Some(OwnServer::start()?) } else { None };
    let url = url.or(server.as_ref().map(|server| server.url.clone())).unwrap_or_default();
    let mut marks = redis::Client::open(url.as_str())?.get_multiplexed_async_connection().await?;
    let run = std::process::id().to_string();
    let folder = std::env::temp_dir().join(format!("fleet-{run}"));
    fs::create_dir_all(&folder)?;

    let worker = |worker: u32| {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--worker").args([&url, &run]).arg(&folder).args([worker, jobs].map(|number| number.to_string()));
        // A group of its own: Ctrl-C is for us, and we tell the workers.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0).kill_on_drop(true).spawn()
    };
    let workers = (0..processes).map(worker).collect::<Result<Vec<_>, _>>()?;
    let mut board = Board::new(processes, jobs);
    watch(workers, &mut board).await?;

    fs::remove_dir_all(&folder)?;
    let done = format!("fleet:{run}:done");
    let good = board.ended(u32::try_from(marks.scard(&done).await?)?);
    marks.del(&done).await?;
    println!("{processes} workers: {}", board.counts());
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
