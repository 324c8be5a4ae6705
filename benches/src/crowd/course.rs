//! What happens, in order: all keys are taken, everybody waits for one and settles, the server tells for a while what
//! it gets, one holder is killed, a minute is measured, the dead holder's keys are had, and the rest is released.
//!
//! What must stay true: nothing is measured while the server tells all that it gets, since that slows it down; and
//! whoever was not granted its key in time is told, not waited for.

use std::ops::Range;
use std::time::{Duration, Instant};

use lock_tests::Server;

use super::holder::{Gave, Release};
use super::queues::Ages;
use super::steps::Steps;
use super::waiter::{Ask, Granted, Used};
use super::{Crowd, Part};
use crate::child::Talk;
use crate::clock::{Moment, now};
use crate::watch::Watch;

/// How long a process may take for what is no part of what is measured.
const PATIENCE: Duration = Duration::from_secs(60);
/// How much later than it has to be somebody is granted its key at most, before that counts as never.
const GRACE: Duration = Duration::from_secs(15);
/// How often it is looked whether all stand in line.
const PAUSE: Duration = Duration::from_millis(20);
/// How often the queues are looked at while they settle, and in what is measured.
const SAMPLES: u32 = 12;
/// How often the server is asked for nothing, to see what a round trip takes.
const PINGS: usize = 1000;

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// From the first call until all stand in the server's queues.
    pub(super) enqueued: Duration,
    /// Bytes that the server got meanwhile.
    pub(super) sent: u64,
    /// A second, while they wait.
    pub(super) looks: f64,
    pub(super) used: (Used, Used),
    /// Calls of scripts between those two.
    pub(super) scripts: u64,
    /// The worst that was seen.
    pub(super) ages: Ages,
    /// In nanoseconds.
    pub(super) round_trips: Vec<f64>,
    /// In nanoseconds since the holder died.
    pub(super) orphaned: Vec<f64>,
    /// In nanoseconds since its release began.
    pub(super) released: Vec<f64>,
    /// From the first release to the last grant.
    pub(super) released_in: Duration,
    pub(super) never: usize,
    pub(super) failures: Vec<String>,
}

/// The processes, and a connection of our own.
struct Stage<'a> {
    server: &'a Server,
    steps: &'a Steps,
    asked: redis::Connection,
    waiter: Talk,
}

/// Runs it once.
pub(super) fn run(server: &Server, steps: &Steps) -> Result<Course, String> {
    let asked = redis::Client::open(server.url()).and_then(|client| client.get_connection());
    let asked = asked.map_err(|error| format!("the server does not answer: {error}"))?;
    let mut holder = hold(server, steps, steps.released())?;
    let doomed = hold(server, steps, steps.orphaned())?;
    let (keys, before) = (0..steps.waiters, sent(server)?);
    let waiter = Talk::start(&job(server, Part::Waiter { keys, ttl: steps.ttl }))?;
    let mut stage = Stage { server, steps, asked, waiter };
    let mut course = Course { enqueued: stage.until_all_wait()?, sent: sent(server)? - before, ..Course::default() };
    stage.settle(&mut course)?;
    course.looks = stage.watch()?;
    course.round_trips = stage.round_trips()?;
    let died = now();
    drop(doomed); // that kills it
    stage.measure(&mut course)?;
    // It may have been renewed just before, and looked for just before that ttl was over.
    let orphaned = stage.granted(steps.orphaned(), steps.ttl + steps.longest_rest() + GRACE)?;
    course.orphaned = course.take(&orphaned, |_| died);
    holder.tell(&Release { over: steps.releasing })?;
    let gave: Gave = holder.hear(steps.releasing + PATIENCE)?;
    // What is not heard of is found by a look, once its first lease is over.
    let granted = stage.granted(steps.released(), steps.longest_rest() + GRACE)?;
    course.released = course.take(&granted, |place| gave.at[place]);
    let last = granted.at.iter().flatten().max().copied().unwrap_or_default();
    let first = gave.at.first().copied().unwrap_or_default();
    course.released_in = Duration::from_nanos(last.saturating_sub(first));
    course.failures.extend(gave.failures);
    Ok(course)
}

fn job(server: &Server, part: Part) -> Crowd {
    Crowd { url: server.url(), part }
}

fn hold(server: &Server, steps: &Steps, keys: Range<usize>) -> Result<Talk, String> {
    let holder = Talk::start(&job(server, Part::Holder { keys, ttl: steps.ttl }))?;
    holder.hear::<()>(PATIENCE)?;
    Ok(holder)
}

/// How many bytes the server got so far.
fn sent(server: &Server) -> Result<u64, String> {
    let info: String = server.ask(&["INFO", "stats"]);
    let line = info.lines().find_map(|line| line.strip_prefix("total_net_input_bytes:"));
    line.and_then(|bytes| bytes.trim().parse().ok()).ok_or_else(|| "INFO does not tell what was sent".to_owned())
}

impl Stage<'_> {
    /// How long it takes until each has its place in the server's queue of its key.
    fn until_all_wait(&mut self) -> Result<Duration, String> {
        let began: Moment = self.waiter.hear(PATIENCE)?;
        let deadline = Instant::now() + PATIENCE;
        // A lock and a queue for each, and the counter of fences.
        while self.server.ask::<usize>(&["DBSIZE"]) < 2 * self.steps.waiters + 1 {
            if deadline < Instant::now() {
                return Err(format!("not all stand in line after {PATIENCE:?}"));
            }
            // The server has no word for that; a pause bounds what asking costs it.
            std::thread::sleep(PAUSE);
        }
        Ok(Duration::from_nanos(now() - began))
    }

    /// Lets them spread their looks. How old these are is not known yet, as whoever came when they were few asked for a
    /// queue that lasts less long; but all are there.
    fn settle(&mut self, course: &mut Course) -> Result<(), String> {
        for _ in 0..SAMPLES {
            std::thread::sleep(self.steps.settling / SAMPLES); // that is what is watched
            course.ages.missing = course.ages.missing.max(self.ages()?.missing);
        }
        Ok(())
    }

    fn ages(&mut self) -> Result<Ages, String> {
        Ages::read(&mut self.asked, self.steps, self.steps.released()).map_err(|error| error.to_string())
    }

    /// How many looks a second it gets.
    fn watch(&self) -> Result<f64, String> {
        let (watch, began) = (Watch::start(self.server)?, Instant::now());
        std::thread::sleep(self.steps.watched);
        let sent = watch.finish(self.server)?;
        Ok(sent.of("evalsha look") as f64 / began.elapsed().as_secs_f64())
    }

    fn round_trips(&mut self) -> Result<Vec<f64>, String> {
        let mut ping = |_| {
            let began = now();
            let answered = redis::cmd("PING").query::<()>(&mut self.asked);
            answered.map(|()| (now() - began) as f64).map_err(|error| format!("the server does not answer: {error}"))
        };
        (0..PINGS).map(&mut ping).collect()
    }

    fn measure(&mut self, course: &mut Course) -> Result<(), String> {
        let (before, scripts) = (self.used()?, self.scripts());
        for _ in 0..SAMPLES {
            std::thread::sleep(self.steps.measured / SAMPLES); // that is what is measured
            course.ages = course.ages.or(self.ages()?);
        }
        course.used = (before, self.used()?);
        course.scripts = self.scripts() - scripts;
        Ok(())
    }

    fn used(&mut self) -> Result<Used, String> {
        self.waiter.tell(&Ask::Used)?;
        self.waiter.hear(PATIENCE)
    }

    fn scripts(&self) -> u64 {
        let calls = self.server.commandstats();
        ["evalsha", "eval"].iter().filter_map(|name| calls.get(*name)).sum()
    }

    fn granted(&mut self, keys: Range<usize>, within: Duration) -> Result<Granted, String> {
        self.waiter.tell(&Ask::Granted { keys, within })?;
        self.waiter.hear(within + PATIENCE)
    }
}

impl Course {
    /// How long each grant took since a moment; who was not granted its key is counted.
    fn take(&mut self, granted: &Granted, since: impl Fn(usize) -> Moment) -> Vec<f64> {
        self.never += granted.at.iter().filter(|at| at.is_none()).count();
        self.failures.extend(granted.failures.iter().cloned());
        let took = |(place, at): (usize, &Option<Moment>)| Some(at.as_ref()?.saturating_sub(since(place)) as f64);
        granted.at.iter().enumerate().filter_map(took).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_counts() {
        let server = Server::redis();
        let before = sent(&server).expect("it tells");
        server.command(&["SET", "a", &"x".repeat(100_000)]);
        let more = sent(&server).expect("it tells") - before;
        assert!((100_000..110_000).contains(&more), "{more}");
    }

    #[test]
    fn whoever_is_not_granted_its_key_is_counted() {
        let mut course = Course::default();
        let granted = Granted { at: vec![Some(30), None, Some(50)], failures: vec!["a waiter waits still".to_owned()] };
        let took = course.take(&granted, |place| 10 * place as Moment);
        assert_eq!((took, course.never), (vec![30.0, 30.0], 1));
        assert_eq!(course.failures, ["a waiter waits still"]);
    }
}
