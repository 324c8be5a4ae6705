//! One piece of work in a process of its own, so that its processor time and its memory are nobody else's.
//!
//! The parent starts this program again with the word `child`, the name of a [`Job`] and the job as JSON; the child
//! does it and prints what it saw as JSON, alone on its output. With a [`Talk`] both go on talking, a line of JSON at a
//! time, until the parent has heard enough. What must stay true: no child outlives its parent. Deliberately absent:
//! what the jobs are, which each benchmark knows.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::contestants::Outcome;

/// What a child can be asked for.
pub(crate) trait Job: Serialize + DeserializeOwned {
    /// Its name on a command line.
    const NAME: &'static str;

    /// Does it, and says what it saw.
    fn run(self) -> Outcome<()>;
}

/// Has a job done by a process of its own.
pub(crate) fn ask<T: DeserializeOwned>(job: &impl Job) -> Result<T, String> {
    let output = command(job)?.stdin(Stdio::null()).stderr(Stdio::piped()).output();
    let output = output.map_err(|error| format!("a child cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("a child said what nobody understands: {error}"))
}

fn command<J: Job>(job: &J) -> Result<Command, String> {
    let us = std::env::current_exe().map_err(|error| format!("this program cannot be found: {error}"))?;
    let job = serde_json::to_string(job).map_err(|error| format!("a job cannot be told: {error}"))?;
    let mut command = Command::new(us);
    command.arg("child").arg(J::NAME).arg(job);
    Ok(command)
}

/// A child with which the parent talks. It is killed (SIGKILL) when this is dropped.
pub(crate) struct Talk {
    child: Child,
    heard: mpsc::Receiver<String>,
}

impl Talk {
    pub(crate) fn start(job: &impl Job) -> Result<Self, String> {
        let child = command(job)?.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| format!("a child cannot be started: {error}"))?;
        let output = child.stdout.take().expect("its output is a pipe");
        let (tell, heard) = mpsc::channel();
        // On a thread of its own, so that a child that says nothing can be given up.
        std::thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
        });
        Ok(Self { child, heard })
    }

    pub(crate) fn tell(&mut self, ask: &impl Serialize) -> Result<(), String> {
        let line = serde_json::to_string(ask).map_err(|error| format!("a child cannot be told: {error}"))?;
        let input = self.child.stdin.as_mut().expect("its input is a pipe");
        writeln!(input, "{line}").and_then(|()| input.flush()).map_err(|error| format!("a child ended: {error}"))
    }

    /// The next that it says, within so long.
    pub(crate) fn hear<T: DeserializeOwned>(&self, within: Duration) -> Result<T, String> {
        let line = self.heard.recv_timeout(within).map_err(|error| format!("a child said nothing: {error}"))?;
        serde_json::from_str(&line).map_err(|error| format!("a child said what nobody understands: {error}"))
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the parent says to a child with which it talks, heard on a thread of its own, which ends the process when the
/// parent is gone. The parent hears the answer before it says the next, so that few wait here.
pub(crate) fn listen<T: DeserializeOwned + Send + 'static>() -> UnboundedReceiver<T> {
    let (tell, told) = unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let Ok(ask) = serde_json::from_str(&line) else { break };
            let _ = tell.send(ask);
        }
        std::process::exit(1);
    });
    told
}

/// Tells the parent.
pub(crate) fn say(what: &impl Serialize) -> Outcome<()> {
    println!("{}", serde_json::to_string(what)?);
    Ok(())
}
