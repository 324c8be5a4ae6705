//! Who of three processes leads, and who does when the leader is killed, hangs, or is told to stop?
//!
//! ```sh
//! cargo run -p examples --example leader                       # starts a redis-server
//! cargo run -p examples --example leader redis://127.0.0.1     # uses yours
//! ```

#[path = "../fleet/server.rs"]
mod server;
mod usage;

use std::error::Error;
use std::ops::ControlFlow;
use std::process::Stdio;
use std::time::{Duration, Instant};

use lock_runtime::{Client, LockError, Term};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use server::OwnServer;

type Failure = Box<dyn Error + Send + Sync>;

/// The longest time in which nobody leads, after a crash.
const TTL: Duration = Duration::from_secs(3);
const NAMES: [&str; 3] = ["ann", "bob", "cat"];

/// Leads until it is stopped. Each step may be its last: it is dropped where it awaits when the lead is lost.
async fn lead(term: Term) -> ControlFlow<()> {
    println!("leads in term {}", term.fence());
    loop {
        // .. UPDATE state SET .. WHERE term <= {fence}
        sleep(Duration::from_millis(100)).await;
    }
}

/// What each of the processes does.
async fn stand(url: &str) -> Result<(), Failure> {
    let client = Client::connect(url).await?;
    let election = client.elect("example:leader").ttl(TTL);
    let mut watch = election.watch();
    let standing = tokio::spawn(election.run(lead));
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            leads = watch.changed() => match leads {
                Some(true) => {}
                Some(false) => println!("leads no more"),
                None => break,
            },
        }
    }
    // The next one leads at once, and does not wait for the ttl.
    client.shutdown(Duration::ZERO).await;
    match standing.await? {
        Err(LockError::ShuttingDown { .. }) => Ok(()),
        other => Ok(other?),
    }
}

/// What the processes say.
struct Said {
    lines: mpsc::Receiver<(usize, String)>,
    /// The greatest term so far.
    term: u64,
}

impl Said {
    /// The next one who leads; everything that is said is shown.
    async fn leader(&mut self, since: Instant) -> Result<usize, Failure> {
        loop {
            let (who, line) = self.lines.recv().await.ok_or("all have ended")?;
            println!("{:>6.2} s  {}: {line}", since.elapsed().as_secs_f64(), NAMES[who]);
            if let Some(term) = line.strip_prefix("leads in term ") {
                let before = std::mem::replace(&mut self.term, term.parse()?);
                assert!(self.term > before, "terms grow");
                return Ok(who);
            }
        }
    }
}

async fn hold_elections(url: &str) -> Result<(), Failure> {
    let (sender, lines) = mpsc::channel(64);
    let mut processes = Vec::new();
    for who in 0..NAMES.len() {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.args(["--candidate", url]).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let (sender, output) = (sender.clone(), child.stdout.take().ok_or("a process without an output")?);
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let _ = sender.send((who, line)).await;
            }
        });
        processes.push(child);
    }
    drop(sender);
    let mut said = Said { lines, term: 0 };

    let first = said.leader(Instant::now()).await?;
    println!("-- {} is killed: the next leads when the ttl of {TTL:?} is over", NAMES[first]);
    processes[first].kill().await?;
    let second = said.leader(Instant::now()).await?;
    sleep(Duration::from_millis(500)).await; // in which it leads

    println!("-- {} is stopped: the next leads, and the one that wakes up does not", NAMES[second]);
    send(&processes[second], Signal::STOP)?;
    let third = said.leader(Instant::now()).await?;
    send(&processes[second], Signal::CONT)?;
    let two = timeout(TTL, said.leader(Instant::now())).await;
    assert!(two.is_err(), "there is one leader");

    println!("-- {} is told to end: the next leads at once", NAMES[third]);
    send(&processes[third], Signal::TERM)?;
    let start = Instant::now();
    let last = said.leader(start).await?;
    assert!(start.elapsed() < TTL / 2, "{:?} is not at once", start.elapsed());

    send(&processes[last], Signal::TERM)?;
    for who in [third, last] {
        processes[who].wait().await?;
    }
    Ok(())
}

fn send(process: &Child, what: Signal) -> Result<(), Failure> {
    let pid = process.id().and_then(|pid| Pid::from_raw(pid.try_into().ok()?)).ok_or("it has ended")?;
    Ok(kill_process(pid, what)?)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--candidate", url] => stand(url).await,
        [url] if url.contains("://") => hold_elections(url).await,
        [] => {
            let server = OwnServer::start()?;
            hold_elections(&server.url).await
        }
        _ => Err(usage::USAGE.into()),
    }
}
