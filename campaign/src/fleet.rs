//! The workers of one phase: their processes, each behind a network of its own, and what becomes of them.
//!
//! A worker that is killed is replaced by one with a journal of its own. What must stay true: of every process that
//! ever ran there is a journal in the end, and whatever ended without being told to is said.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lock_tests::{Proxy, Worker};

use super::clock::{Moment, now};
use super::event::Line;
use super::history::{Process, Seen, SeenKind, Still};
use super::oracle::SOCKET;
use super::worker::{EXECUTORS, Orders};

/// How long a worker may take until all its calls have come back.
const PATIENCE: Duration = Duration::from_secs(15);

/// The workers.
#[derive(Debug)]
pub(crate) struct Fleet {
    /// Where the journals and the oracle's socket are.
    directory: PathBuf,
    binary: PathBuf,
    without_lock: bool,
    keys: u64,
    seed: u64,
    members: Vec<Member>,
    ended: Vec<Ended>,
    seen: Vec<Seen>,
}

/// One worker.
#[derive(Debug)]
pub(crate) struct Member {
    worker: Worker,
    proxy: Arc<Proxy>,
    place: usize,
    journal: PathBuf,
    stopped: Vec<Still>,
}

/// A process that has ended, and where its journal is.
#[derive(Debug)]
struct Ended {
    process: Process,
    journal: PathBuf,
}

impl Fleet {
    /// Starts one worker for each executor. The oracle of this directory listens already.
    pub(crate) fn start(directory: &Path, server: u16, keys: u64, seed: u64, without_lock: bool) -> Self {
        let us = std::env::current_exe().expect("a running program can be found");
        let binary = us.with_file_name("campaign-worker");
        let directory = directory.to_owned();
        let (members, ended) = Default::default();
        let mut fleet = Self { directory, binary, without_lock, keys, seed, members, ended, seen: Vec::new() };
        for place in 0..EXECUTORS.len() {
            let proxy = Arc::new(Proxy::to(server));
            let member = fleet.enlist(place, proxy);
            fleet.members.push(member);
        }
        fleet
    }

    /// The network of each worker, and of whoever takes its place.
    pub(crate) fn networks(&self) -> Vec<Arc<Proxy>> {
        self.members.iter().map(|member| Arc::clone(&member.proxy)).collect()
    }

    pub(crate) fn size(&self) -> u64 {
        self.members.len() as u64
    }

    pub(crate) fn member(&mut self, place: usize) -> &mut Member {
        &mut self.members[place]
    }

    /// Kills a worker and starts another one in its place after a while.
    pub(crate) fn replace(&mut self, place: usize, wait: impl FnOnce()) {
        let member = &mut self.members[place];
        let killed = now();
        let status = member.worker.kill();
        if status.signal().is_none() {
            self.seen.push(member.gone_by_itself(&status.to_string()));
        }
        let process = member.process_that_ended(Some(killed));
        self.ended.push(Ended { process, journal: member.journal.clone() });
        wait();
        let place = member.place;
        let proxy = self.members.remove(place).proxy;
        let member = self.enlist(place, proxy);
        self.members.insert(place, member);
    }

    /// Tells all to come to their end, and gives back what was written, and what was wrong.
    pub(crate) fn finish(mut self) -> (Vec<(Process, Vec<Line>)>, Vec<Seen>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a runtime can be built");
        for member in &mut self.members {
            member.worker.tell_no_more();
        }
        for mut member in std::mem::take(&mut self.members) {
            let told = now();
            let ended = runtime.block_on(async { tokio::time::timeout(PATIENCE, member.worker.ended()).await });
            let killed = match ended {
                Ok(status) if status.success() => None,
                Ok(status) => {
                    self.seen.push(member.gone_by_itself(&status.to_string()));
                    Some(told)
                }
                Err(_) => {
                    let what = format!("worker {} did not end within {PATIENCE:?}", member.place);
                    self.seen.push(Seen { at: told, kind: SeenKind::StuckWorker, what });
                    member.worker.kill();
                    None
                }
            };
            let process = member.process_that_ended(killed);
            self.ended.push(Ended { process, journal: member.journal });
        }
        let read = self.ended.drain(..).map(|ended| (ended.process, lines(&ended.journal))).collect();
        (read, self.seen)
    }

    fn enlist(&self, place: usize, proxy: Arc<Proxy>) -> Member {
        let incarnation = self.ended.len();
        let journal = self.directory.join(format!("worker-{place}-{incarnation}"));
        let orders = Orders {
            url: super::store::url_on(proxy.port()),
            oracle: self.directory.join(SOCKET),
            journal: journal.clone(),
            executor: place,
            seed: self.seed.wrapping_add(incarnation as u64),
            keys: self.keys,
            without_lock: self.without_lock,
        };
        let arguments = orders.to_arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let worker = Worker::start(self.binary.to_str().expect("a path of ours is text"), &arguments);
        Member { worker, proxy, place, journal, stopped: Vec::new() }
    }
}

impl Member {
    pub(crate) fn process(&self) -> &Worker {
        &self.worker
    }

    pub(crate) fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// Writes down when it was stopped.
    pub(crate) fn stood(&mut self, still: Still) {
        self.stopped.push(still);
    }

    fn process_that_ended(&mut self, killed: Option<Moment>) -> Process {
        let (stopped, starved) = (std::mem::take(&mut self.stopped), Vec::new());
        Process { executor: EXECUTORS[self.place], killed, stopped, starved }
    }

    fn gone_by_itself(&self, status: &str) -> Seen {
        let errors = self.worker.errors().join("\n");
        let what = format!("worker {} ended by itself: {status}\n{errors}", self.place);
        Seen { at: now(), kind: SeenKind::StuckWorker, what }
    }
}

/// What a process wrote; the last line of one that was killed may be half of one.
fn lines(journal: &Path) -> Vec<Line> {
    let text = std::fs::read_to_string(journal).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| line.parse().unwrap_or_else(|why: String| panic!("{why}"))).collect()
}
