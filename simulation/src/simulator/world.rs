//! The world of a simulation: all its parts, the time, and the next event.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use lock_core::key::SessionId;
use lock_core::{LockKey, Moment};

use super::checker::Checker;
use super::event::Event;
use super::history::{About, Note, What};
use super::node::Node;
use super::plan::{KEYS, Over, PROCESSES, Plan};
use super::process::{Process, START};
use super::random::Random;
use super::task::Task;

/// How long tasks keep arriving.
pub(super) const BUSY: Duration = Duration::from_millis(3_500);
/// How late a task may have its answer: the keeper and the task have to be awake for it.
pub(super) const LATE: Duration = Duration::from_millis(100);
/// How long a key may be kept for a past holder.
pub(super) const LONGEST_MIN_HOLD: Duration = Duration::from_secs(2);

pub(super) struct World {
    pub(super) random: Random,
    /// For kinds alone, so that nothing else depends on them.
    pub(super) kinds: Random,
    /// Likewise for how long a success counts.
    pub(super) periods: Random,
    pub(super) now: Moment,
    pub(super) node: Node,
    pub(super) processes: Vec<Process>,
    pub(super) tasks: Vec<Task>,
    pub(super) checker: Checker,
    pub(super) plan: Plan,
    /// When the last request over a session arrives, by key.
    pub(super) arrivals: HashMap<(usize, SessionId), HashMap<LockKey, Moment>>,
    /// Whether what was in flight over a closed session is lost.
    pub(super) torn: HashMap<(usize, SessionId), bool>,
    /// Sessions to a server that is a replica by now.
    pub(super) demoted: BTreeSet<(usize, SessionId)>,
    /// Until when a new connection may lead to it, too.
    pub(super) switching_until: Moment,
    /// How many sessions with a listener ended without the store's notice.
    pub(super) unnoticed: u32,
    /// Requests that have arrived once already.
    pub(super) repeated: HashSet<u64>,
    pub(super) probing: bool,
    pub(super) grants: u64,
    pub(super) keys: Vec<(LockKey, Duration)>,
    pub(super) history: Option<Vec<Note>>,
    events: BTreeMap<(Moment, u64), Event>,
    count: u64,
}

impl World {
    pub(super) fn new(plan: &Plan, recorded: bool) -> Self {
        let mut random = Random::new(plan.seed);
        let skew = |random: &mut Random| i64::try_from(random.below(19_000)).unwrap_or(0) - 9_500;
        let processes = (0..PROCESSES).map(|n| Process::new(n, skew(&mut random))).collect();
        // The last key's locks outlive every delay, so that an orphaned one is found.
        let ttl = |n: usize| if n + 1 == KEYS { 60_000 } else { 300 + 750 * n as u64 };
        let keys = (0..KEYS).map(|n| (LockKey::from(format!("job:{n}")), Duration::from_millis(ttl(n)))).collect();
        Self {
            random,
            kinds: Random::new(plan.seed ^ 0x0c1d_5eed),
            periods: Random::new(plan.seed ^ 0x09e1_0d5e),
            now: START,
            node: Node::new(),
            processes,
            tasks: Vec::new(),
            checker: Checker::new(plan.kind, plan.faults.is_empty()),
            plan: plan.clone(),
            arrivals: HashMap::new(),
            torn: HashMap::new(),
            demoted: BTreeSet::new(),
            switching_until: Moment::MIN,
            unnoticed: 0,
            repeated: HashSet::new(),
            probing: false,
            grants: 0,
            keys,
            history: recorded.then(Vec::new),
            events: BTreeMap::new(),
            count: 0,
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.now < START + BUSY
    }

    pub(super) fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    pub(super) fn after(&mut self, time: Duration, event: Event) {
        self.at(self.now + time, event);
    }

    pub(super) fn at(&mut self, at: Moment, event: Event) {
        let number = self.number();
        self.events.insert((at.max(self.now), number), event);
    }

    /// Behind all events of this moment.
    pub(super) fn next(&mut self, event: Event) {
        self.at(self.now, event);
    }

    /// Takes the next event, with its number, and advances the time to it.
    pub(super) fn take_event(&mut self) -> Option<(u64, Event)> {
        let ((at, number), event) = self.events.pop_first()?;
        self.now = at;
        Some((number, event))
    }

    /// Postpones an event, keeping its number, so that what was sent over one connection stays in order.
    pub(super) fn put_off(&mut self, until: Moment, number: u64, event: Event) {
        self.events.insert((until, number), event);
    }

    pub(super) fn note(&mut self, process: Option<usize>, what: impl FnOnce() -> What) {
        if let Some(history) = &mut self.history {
            history.push(Note { at: self.now.since(START), process, what: what() });
        }
    }

    /// The clock of a process.
    pub(super) fn clock_of(&self, process: usize) -> Moment {
        self.processes[process].clock(self.now)
    }

    /// The clock of a task's process.
    pub(super) fn local(&self, task: usize) -> Moment {
        self.clock_of(self.tasks[task].process)
    }

    /// The session of a task's runtime, if it runs on one with an open session.
    pub(super) fn session_of(&self, task: usize) -> Option<SessionId> {
        let task = &self.tasks[task];
        self.processes[task.process].connections[Over::Tasks as usize].session.filter(|_| task.is_on_runtime)
    }

    pub(super) fn about(&self, task: usize) -> About {
        About { task, key: self.tasks[task].key.to_string() }
    }

    /// The task is polled as soon as its runtime gets to it.
    pub(super) fn wake_soon(&mut self, task: usize) {
        if self.tasks[task].is_woken.replace(true) {
            return;
        }
        self.tasks[task].woken_at.set(self.now);
        let delay = if self.random.chance(5) { self.random.between(0, 3) } else { Duration::from_micros(5) };
        self.after(delay, Event::Polls(task));
    }
}
