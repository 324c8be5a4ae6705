//! A second process: a worker that a test starts, listens to, stops and kills.
//!
//! What it prints is awaited line by line, so that a test knows where the worker is without sleeping. Deliberately
//! absent: what workers do; each is a `[[bin]]` of this package.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::process::Process;

/// How long a line or the end of a worker is awaited.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running worker, killed when dropped.
#[derive(Debug)]
pub struct Worker {
    process: Process,
    heard: watch::Receiver<Heard>,
    /// How many lines were awaited already.
    read: usize,
}

/// What a worker printed so far. Unbounded, since a worker prints a few lines a step and lives as long as a test.
#[derive(Debug, Default)]
struct Heard {
    lines: Vec<String>,
    errors: Vec<String>,
    /// How many of its two streams ended.
    ended: usize,
}

impl Worker {
    /// Starts a binary of this package: `Worker::start(env!("CARGO_BIN_EXE_name"), &["--key", "job:42"])`.
    pub fn start(binary: &str, arguments: &[&str]) -> Self {
        Self::start_with(binary, arguments, &[])
    }

    /// Starts it with environment variables on top of ours.
    pub fn start_with(binary: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(binary);
        command.args(arguments).envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let process = Process::start(command);
        Self::listening_to(process.unwrap_or_else(|error| panic!("{binary} cannot be started: {error}")))
    }

    fn listening_to(mut process: Process) -> Self {
        let (heard, receiver) = watch::channel(Heard::default());
        let heard = Arc::new(heard);
        let child = process.child();
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        listen(output.expect("its output is a pipe"), Arc::clone(&heard), |heard| &mut heard.lines);
        listen(errors.expect("its error output is a pipe"), heard, |heard| &mut heard.errors);
        Self { process, heard: receiver, read: 0 }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The next line that starts so, without its line end. Lines before it are skipped; panics with all that it printed
    /// when the worker ends first, or prints nothing of the kind for twenty seconds.
    pub async fn line_starting_with(&mut self, start: &str) -> String {
        let (place, line) = self.line_from(self.read, start).await;
        self.read = place + 1;
        line
    }

    /// The first of all its lines that starts so, be it skipped already or still to come; panics likewise.
    pub async fn any_line_starting_with(&mut self, start: &str) -> String {
        self.line_from(0, start).await.1
    }

    /// The first line from this place on that starts so, and its place.
    async fn line_from(&mut self, from: usize, start: &str) -> (usize, String) {
        let find = |heard: &Heard| heard.lines.iter().skip(from).position(|line| line.starts_with(start));
        let waited = self.heard.wait_for(|heard| find(heard).is_some() || heard.ended == 2);
        let found = match tokio::time::timeout(PATIENCE, waited).await {
            Ok(heard) => heard.ok().and_then(|heard| Some((find(&heard)?, heard.lines.clone()))),
            Err(_) => None,
        };
        let Some((skipped, lines)) = found else {
            panic!("worker {} printed no line that starts with `{start}`; {}", self.pid(), self.all_it_said())
        };
        (from + skipped, lines[from + skipped].clone())
    }

    /// All lines that it printed so far.
    pub fn lines(&self) -> Vec<String> {
        self.heard.borrow().lines.clone()
    }

    /// All lines of its output as soon as they are so; panics if that takes too long or it ends before.
    pub async fn lines_when(&mut self, so: impl Fn(&[String]) -> bool) -> Vec<String> {
        let waited = tokio::time::timeout(PATIENCE, self.heard.wait_for(|heard| so(&heard.lines) || heard.ended == 2));
        let lines = waited.await.ok().and_then(|heard| Some(heard.ok()?.lines.clone()));
        match lines {
            Some(lines) if so(&lines) => lines,
            _ => panic!("not so in {:#?}", self.lines()),
        }
    }

    /// All lines of its error output so far.
    pub fn errors(&self) -> Vec<String> {
        self.heard.borrow().errors.clone()
    }

    /// Writes a line to its input.
    pub fn tell(&mut self, line: &str) {
        let input = self.process.child().stdin.as_mut().expect("its input was not closed");
        writeln!(input, "{line}").and_then(|()| input.flush()).expect("a worker that is told something is there");
    }

    /// Closes its input.
    pub fn tell_no_more(&mut self) {
        self.process.child().stdin = None;
    }

    /// Stops it (SIGSTOP). Returns when it stands still.
    pub fn stop(&self) {
        self.process.stop();
    }

    /// Lets a stopped worker go on (SIGCONT).
    pub fn cont(&self) {
        self.process.cont();
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&self) {
        self.process.terminate();
    }

    /// Kills it (SIGKILL), and returns when it is gone.
    pub fn kill(&mut self) -> ExitStatus {
        self.process.kill()
    }

    /// How it ended, once it has; panics with all that it printed when it has not after twenty seconds.
    pub async fn ended(&mut self) -> ExitStatus {
        let waited = self.heard.wait_for(|heard| heard.ended == 2);
        let in_time = tokio::time::timeout(PATIENCE, waited).await.is_ok();
        assert!(in_time, "worker {} has not ended; {}", self.pid(), self.all_it_said());
        // Its streams have ended, so it is a moment from its own end.
        self.process.wait()
    }

    fn all_it_said(&self) -> String {
        let heard = self.heard.borrow();
        format!("its output:\n{}\nits error output:\n{}", heard.lines.join("\n"), heard.errors.join("\n"))
    }
}

/// Reads a stream to its end on a thread of its own, which ends with the worker.
fn listen(
    stream: impl Read + Send + 'static,
    heard: Arc<watch::Sender<Heard>>,
    place: impl Fn(&mut Heard) -> &mut Vec<String> + Send + 'static,
) {
    let read = move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            heard.send_modify(|heard| place(heard).push(line));
        }
        heard.send_modify(|heard| heard.ended += 1);
    };
    std::thread::Builder::new().name("listener".into()).spawn(read).expect("a thread can be started");
}
