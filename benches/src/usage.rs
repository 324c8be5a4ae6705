//! What was used between two moments: processor time and memory of this process, processor time and calls of the
//! server.
//!
//! What must stay true: each is told by whoever knows it (`getrusage`, `/proc`, `INFO`), and asking the server is not
//! part of what is measured.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use rustix::param::clock_ticks_per_second;
use serde::{Deserialize, Serialize};

use crate::contestants::Outcome;

/// What was used.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Used {
    pub(crate) wall: Duration,
    /// By this process, in user and in system mode.
    pub(crate) client_cpu: Duration,
    pub(crate) server_cpu: Duration,
    /// While the server carried out scripts, as it counts by itself.
    pub(crate) scripts: Duration,
    /// What the server carried out, what scripts called included.
    pub(crate) server_calls: u64,
}

/// A stretch that is being measured.
pub(crate) struct Meter {
    server: redis::Connection,
    began: Instant,
    client_cpu: Duration,
    at_server: AtServer,
}

#[derive(Clone, Copy)]
struct AtServer {
    cpu: Duration,
    scripts: Duration,
    calls: u64,
}

impl Meter {
    /// Begins, over a connection of its own to the server.
    pub(crate) fn start(url: &str) -> Outcome<Self> {
        let mut server = redis::Client::open(url)?.get_connection()?;
        let at_server = AtServer::read(&mut server)?;
        Ok(Self { server, began: Instant::now(), client_cpu: client_cpu()?, at_server })
    }

    /// Ends.
    pub(crate) fn stop(mut self) -> Outcome<Used> {
        let wall = self.began.elapsed();
        let client_cpu = client_cpu()?.saturating_sub(self.client_cpu);
        let after = AtServer::read(&mut self.server)?;
        let server_cpu = after.cpu.saturating_sub(self.at_server.cpu);
        // The first of the two questions was counted before the second one was answered.
        let server_calls = after.calls.saturating_sub(self.at_server.calls + 1);
        let scripts = after.scripts.saturating_sub(self.at_server.scripts);
        Ok(Used { wall, client_cpu, server_cpu, scripts, server_calls })
    }
}

impl AtServer {
    fn read(server: &mut redis::Connection) -> Outcome<Self> {
        let info: String = redis::cmd("INFO").arg("everything").query(server)?;
        let number = |name: &str| -> Outcome<f64> {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            Ok(line.ok_or_else(|| format!("INFO says nothing of {name}"))?.trim().parse()?)
        };
        let cpu = number("used_cpu_user")? + number("used_cpu_sys")?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let calls = number("total_commands_processed")? as u64;
        Ok(Self { cpu: Duration::from_secs_f64(cpu), scripts: scripts(&info), calls })
    }
}

/// The time that scripts took, those that they call included, from the lines of `INFO commandstats`:
/// `cmdstat_evalsha:calls=12,usec=345,usec_per_call=28.75,..`.
fn scripts(info: &str) -> Duration {
    let micros = |line: &str| {
        let stats = line.strip_prefix("cmdstat_evalsha:").or_else(|| line.strip_prefix("cmdstat_eval:"))?;
        stats.split(',').find_map(|part| part.strip_prefix("usec="))?.parse::<u64>().ok()
    };
    Duration::from_micros(info.lines().filter_map(micros).sum())
}

/// Processor time of this process so far.
pub(crate) fn client_cpu() -> Outcome<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(micros.unsigned_abs()))
}

/// Processor time so far of the threads of this process that have this name.
pub(crate) fn thread_cpu(name: &str) -> Outcome<Duration> {
    let mut ticks = None;
    for thread in std::fs::read_dir("/proc/self/task")? {
        // A thread that ended meanwhile is not the one that is looked for.
        let Ok(stat) = std::fs::read_to_string(thread?.path().join("stat")) else { continue };
        if let Some((_, used)) = named_ticks(&stat).filter(|&(of, _)| of == name) {
            ticks = Some(ticks.unwrap_or(0) + used);
        }
    }
    let ticks = ticks.ok_or_else(|| format!("there is no thread `{name}`"))?;
    Ok(Duration::from_secs(1) * ticks / u32::try_from(clock_ticks_per_second())?)
}

/// The name of a thread and its ticks in user and in system mode, from its `stat`: `42 (lock-keeper) S 1 ..`.
fn named_ticks(stat: &str) -> Option<(&str, u32)> {
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    let mut numbers = rest.split_whitespace().skip(11);
    let mut next = || numbers.next()?.parse::<u32>().ok();
    Some((name, next()? + next()?))
}

/// Bytes of memory that this process has now, and the most that it ever had.
pub(crate) fn memory() -> Outcome<(u64, u64)> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let bytes = |name: &str| -> Outcome<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")).ok_or("the system does not tell")?;
        Ok(kilobytes.trim().parse::<u64>()? * 1024)
    };
    Ok((bytes("VmRSS:")?, bytes("VmHWM:")?))
}

#[cfg(test)]
mod tests {
    use lock_tests::Server;

    use super::*;

    #[test]
    fn a_threads_time_is_found_whatever_its_name() {
        let stat = "42 (a ) (b) S 1 1 1 0 -1 4194368 10 0 0 0 123 45 6 7 20 0 3 0 99";
        assert_eq!(named_ticks(stat), Some(("a ) (b", 168)));
        assert_eq!(named_ticks("42"), None);
    }

    #[test]
    fn the_time_of_scripts_is_told_by_the_server_and_that_of_other_commands_is_none_of_it() {
        let info =
            "cmdstat_get:calls=9,usec=70\r\ncmdstat_evalsha:calls=2,usec=30,x=1\r\ncmdstat_eval:calls=1,usec=5\r\n";
        assert_eq!((scripts(info), scripts("")), (Duration::from_micros(35), Duration::ZERO));

        let server = Server::redis();
        let used = |command: &[&str]| {
            let meter = Meter::start(&server.url()).expect("the server tells");
            server.command(command);
            meter.stop().expect("the server tells").scripts
        };
        assert!(used(&["EVAL", "for n = 1, 10000 do redis.call('INCR', 'a') end", "0"]) > Duration::ZERO);
        assert_eq!(used(&["SET", "a", "1"]), Duration::ZERO);
    }

    #[test]
    fn only_the_threads_of_the_name_count() {
        let (busy, idle) = ("busy-in-a-test", "idle-in-a-test");
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let named = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let rests = named(idle).spawn(move || ended.recv()).expect("a thread starts");
        let works = named(busy).spawn(move || {
            let began = Instant::now();
            while thread_cpu(busy).expect("it is there") < Duration::from_millis(50) {
                assert!(began.elapsed() < Duration::from_secs(60), "its time is not counted");
            }
            thread_cpu(idle).expect("it is there")
        });
        let idle_for = works.expect("a thread starts").join().expect("it worked");
        assert!(idle_for < Duration::from_millis(50), "{idle_for:?}");
        drop(end);
        assert!(rests.join().expect("it ends").is_err());
        assert!(thread_cpu("nobody").is_err());
    }
}
