//! One run: some processes contend for a while, and what they tell becomes one [`Ran`].
//!
//! What must stay true: they start together, at a moment that lies ahead when they are told; a process that does not
//! tell in time, or two that held at once and may not, make the run an error and never a figure; and when a run is over its
//! processes are gone. Deliberately absent: which runs there are, and what is made of their figures.

use std::io::{BufRead as _, BufReader, Write as _};
use std::ops::Range;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use lock_tests::Server;

use crate::clock::{Moment, nanos, now};
use crate::holds::{Hold, Holds, Waiter};
use crate::kind::Kind;
use crate::watch::{Sent, Watch};
use crate::worker::Orders;

/// How long a process may take until it is connected, and, after the end, until it has told.
const PATIENCE: Duration = Duration::from_secs(20);
/// How far the start lies ahead when it is told.
const AHEAD: Duration = Duration::from_millis(20);
/// The share of a run that is not counted in rates: its begin, when everybody comes at once.
const WARM_UP: u32 = 10;
/// At how many moments fairness is looked at.
const MOMENTS: u64 = 20;

/// What is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    pub(crate) processes: usize,
    /// What each process does.
    pub(crate) orders: Orders,
    pub(crate) lasts: Duration,
    /// Whether the server tells all commands that it gets. That slows it down, so no times are taken from such a run.
    pub(crate) watched: bool,
}

/// What was seen.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) holds: usize,
    pub(crate) handovers: usize,
    pub(crate) holds_per_second: f64,
    pub(crate) handovers_per_second: f64,
    /// The longest wait of any waiter, in nanoseconds.
    pub(crate) longest_wait: u64,
    /// Of those who asked for an exclusive lock, in nanoseconds.
    pub(crate) exclusive_waits: Vec<u64>,
    pub(crate) most_at_once: usize,
    /// The fewest holds of any waiter as a share of the most.
    pub(crate) fairness: Option<f64>,
    /// The same share of all holds so far, at so many seconds after the start.
    pub(crate) fairness_so_far: Vec<(f64, f64)>,
    /// Of hand-overs between processes, in nanoseconds.
    pub(crate) latencies: Vec<u64>,
    /// The commands that clients sent, if they were watched.
    pub(crate) sent: Option<Sent>,
}

/// What one process told.
#[derive(Debug, Default)]
struct Told {
    holds: Vec<Logged>,
    failed: Option<String>,
}

/// A hold, as a process tells it.
#[derive(Debug)]
struct Logged {
    task: usize,
    kind: Kind,
    asked: Moment,
    entered: Moment,
    left: Moment,
}

enum Heard {
    Ready,
    Done(Told),
    /// It ended, or said what nobody understands.
    Broke(String),
}

/// A running worker, killed when dropped.
struct Process {
    child: Child,
    heard: mpsc::Receiver<Heard>,
}

/// Runs it once.
pub(crate) fn run(server: &Server, workload: &Workload) -> Result<Ran, String> {
    workload.orders.contestant.prepare(server);
    let mut processes = Vec::with_capacity(workload.processes);
    for _ in 0..workload.processes {
        processes.push(Process::start(&server.url(), workload.orders)?);
    }
    let deadline = Instant::now() + PATIENCE;
    for process in &processes {
        process.until_ready(deadline)?;
    }
    let watch = workload.watched.then(|| Watch::start(server)).transpose()?;
    let start = now() + nanos(AHEAD);
    let end = start + nanos(workload.lasts);
    for process in &mut processes {
        process.go(start, end)?;
    }
    let deadline = Instant::now() + AHEAD + workload.lasts + PATIENCE;
    let told: Vec<Told> = processes.iter().map(|process| process.until_done(deadline)).collect::<Result<_, _>>()?;
    let sent = watch.map(|watch| watch.finish(server)).transpose()?;
    Ran::of(workload, told, start + nanos(workload.lasts / WARM_UP)..end, sent)
}

impl Ran {
    fn of(workload: &Workload, told: Vec<Told>, window: Range<Moment>, sent: Option<Sent>) -> Result<Self, String> {
        if let Some(why) = told.iter().find_map(|told| told.failed.as_ref()) {
            return Err(format!("a waiter gave up: {why}"));
        }
        let of_process = |(process, told): (usize, Told)| {
            let hold = move |Logged { task, kind, asked, entered, left }| Hold {
                kind,
                asked,
                entered,
                left,
                owner: Waiter { process, task },
            };
            told.holds.into_iter().map(hold)
        };
        let holds = Holds::merged(told.into_iter().enumerate().flat_map(of_process).collect());
        if let Some(overlap) = holds.overlap() {
            return Err(format!("{HELD_AT_ONCE}: {overlap:?}"));
        }
        let waiters = |process| (0..workload.orders.waiters).map(move |task| Waiter { process, task });
        let waiters: Vec<Waiter> = (0..workload.processes).flat_map(waiters).collect();
        let a_second = |count: usize| count as f64 * 1e9 / (window.end - window.start) as f64;
        Ok(Self {
            holds: holds.count(),
            handovers: holds.handovers().count(),
            holds_per_second: a_second(holds.count_within(&window)),
            handovers_per_second: a_second(holds.handovers_within(&window)),
            longest_wait: holds.longest_wait(),
            exclusive_waits: holds.waits(Kind::Exclusive, &window),
            most_at_once: holds.most_at_once(),
            fairness: holds.fairness(&waiters, &window),
            fairness_so_far: so_far(&holds, &waiters, &window),
            latencies: holds.latencies(),
            sent,
        })
    }
}

/// How fair it was up to each of some moments.
fn so_far(holds: &Holds, waiters: &[Waiter], window: &Range<Moment>) -> Vec<(f64, f64)> {
    let length = window.end - window.start;
    let until = |part: u64| window.start..window.start + length * part / MOMENTS;
    let at = |part: u64| (length * part / MOMENTS) as f64 / 1e9;
    (1..=MOMENTS).filter_map(|part| Some((at(part), holds.fairness(waiters, &until(part))?))).collect()
}

/// How the error of a run begins in which two held at once that may not.
pub(crate) const HELD_AT_ONCE: &str = "two held at once";

impl Process {
    fn start(url: &str, orders: Orders) -> Result<Self, String> {
        let us = std::env::current_exe().map_err(|error| format!("this program cannot be found: {error}"))?;
        let mut command = Command::new(us);
        command.arg("worker").arg(url).args(orders.to_arguments());
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| format!("a worker cannot be started: {error}"))?;
        let (tell, heard) = mpsc::channel();
        let output = child.stdout.take().expect("its output is a pipe");
        std::thread::spawn(move || listen(output, &tell));
        Ok(Self { child, heard })
    }

    fn until_ready(&self, deadline: Instant) -> Result<(), String> {
        match self.next(deadline) {
            Some(Heard::Ready) => Ok(()),
            Some(Heard::Broke(why)) => Err(why),
            Some(Heard::Done(_)) => Err("a worker was done before it was ready".to_owned()),
            None => Err("a worker was not ready in time".to_owned()),
        }
    }

    fn go(&mut self, start: Moment, end: Moment) -> Result<(), String> {
        let input = self.child.stdin.as_mut().expect("its input is a pipe");
        let told = writeln!(input, "go {start} {end}").and_then(|()| input.flush());
        told.map_err(|error| format!("a worker ended before the start: {error}"))
    }

    fn until_done(&self, deadline: Instant) -> Result<Told, String> {
        match self.next(deadline) {
            Some(Heard::Done(told)) => Ok(told),
            Some(Heard::Broke(why)) => Err(why),
            Some(Heard::Ready) => Err("a worker was ready twice".to_owned()),
            None => Err(format!("stuck: a waiter still waits {PATIENCE:?} after the end")),
        }
    }

    fn next(&self, deadline: Instant) -> Option<Heard> {
        self.heard.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads what a worker says until it is done.
fn listen(output: ChildStdout, tell: &mpsc::Sender<Heard>) {
    let mut told = Told::default();
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        match line.as_str() {
            "ready" => {
                let _ = tell.send(Heard::Ready);
            }
            "done" => {
                let _ = tell.send(Heard::Done(told));
                return;
            }
            line => {
                if told.take(line).is_none() {
                    let _ = tell.send(Heard::Broke(format!("a worker said `{line}`")));
                    return;
                }
            }
        }
    }
    let _ = tell.send(Heard::Broke("a worker ended before it was done".to_owned()));
}

impl Told {
    /// Takes in one line; none if it makes no sense.
    fn take(&mut self, line: &str) -> Option<()> {
        let (what, rest) = line.split_once(' ')?;
        let (task, rest) = rest.split_once(' ')?;
        let task: usize = task.parse().ok()?;
        match what {
            "hold" => self.holds.push(Logged::of_text(task, rest)?),
            "failed" => self.failed = Some(rest.to_owned()),
            _ => return None,
        }
        Some(())
    }
}

impl Logged {
    /// From `KIND ASKED ENTERED LEFT`.
    fn of_text(task: usize, text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let kind = Kind::of_text(words.next()?)?;
        let mut moment = || words.next()?.parse().ok();
        let (asked, entered, left) = (moment()?, moment()?, moment()?);
        words.next().is_none().then_some(Self { task, kind, asked, entered, left })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contestants::Contestant;
    use crate::kind::Mix;

    const SECOND: Moment = 1_000_000_000;

    fn workload(processes: usize, waiters: usize) -> Workload {
        let (contestant, mix, none) = (Contestant::Nothing, Mix::All(Kind::Exclusive), Duration::ZERO);
        let orders = Orders { contestant, waiters, mix, hold: none, pause: none };
        Workload { processes, orders, lasts: Duration::from_secs(1), watched: false }
    }

    fn told(lines: &[&str]) -> Told {
        let mut told = Told::default();
        for line in lines {
            told.take(line).expect("a line that makes sense");
        }
        told
    }

    #[test]
    fn what_processes_tell_becomes_figures() {
        let logs = vec![
            told(&["hold 0 exclusive 5 10 20", "hold 0 exclusive 25 50 60"]),
            told(&["hold 0 exclusive 0 30 40", "hold 0 exclusive 1999999930 2000000000 2000000001"]),
        ];
        let ran = Ran::of(&workload(2, 1), logs, 0..SECOND, None).expect("nobody met anybody");
        assert_eq!((ran.holds, ran.handovers, ran.longest_wait), (4, 3, 70));
        assert!((ran.holds_per_second - 3.0).abs() < 1e-9 && (ran.handovers_per_second - 2.0).abs() < 1e-9);
        assert_eq!((ran.exclusive_waits, ran.most_at_once), (vec![5, 30, 25], 1));
        assert_eq!(ran.fairness, Some(0.5));
        assert_eq!((ran.fairness_so_far.len(), ran.fairness_so_far.last()), (20, Some(&(1.0, 0.5))));
        assert_eq!(ran.latencies, [10, 10, SECOND * 2 - 60]);
    }

    #[test]
    fn two_at_once_are_an_error_and_no_figure() {
        let logs = vec![told(&["hold 0 exclusive 9 10 20"]), told(&["hold 0 exclusive 9 15 40"])];
        let error = Ran::of(&workload(2, 1), logs, 0..SECOND, None).expect_err("they met");
        assert!(error.starts_with(HELD_AT_ONCE), "{error}");
    }

    #[test]
    fn readers_may_hold_at_once() {
        let logs = vec![told(&["hold 0 shared 9 10 20"]), told(&["hold 0 shared 9 15 40"])];
        let ran = Ran::of(&workload(2, 1), logs, 0..SECOND, None).expect("there was room");
        assert_eq!((ran.holds, ran.most_at_once, ran.exclusive_waits), (2, 2, vec![]));
    }

    #[test]
    fn a_waiter_that_gave_up_is_an_error() {
        let logs = vec![told(&["hold 0 exclusive 5 10 20", "failed 0 the server is gone"])];
        let error = Ran::of(&workload(1, 1), logs, 0..SECOND, None).expect_err("it gave up");
        assert!(error.ends_with("the server is gone"), "{error}");
    }

    #[test]
    fn a_line_without_sense_is_not_taken() {
        let mut told = Told::default();
        for line in [
            "",
            "hold 0 exclusive 0 1",
            "hold x exclusive 0 1 2",
            "hold 0 most 0 1 2",
            "hold 0 shared 0 1 2 3",
            "held 0 1 2",
        ] {
            assert_eq!(told.take(line), None, "{line}");
        }
    }
}
