//! The events of a simulation, one after the other: the clock of everything, and who concerns whom.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use super::checker::Checker;
use super::history::{Note, What};
use super::network::Mail;
use super::node::{Node, Reply, Request};
use super::plan::{KEYS, Over, PROCESSES, Plan};
use super::process::{Process, START, State, Task};
use super::random::Random;
use super::tasks::LONGEST_MIN_HOLD;
use super::{Outcome, Violation};
use lock_core::LockKey;
use lock_core::Moment;
use lock_core::client::CallId;
use lock_core::key::{Action, Job, Number, SessionId};
use lock_core::store::{Grant, StoreError};

/// How long tasks keep coming.
const BUSY: Duration = Duration::from_millis(3_500);
/// How often the checker looks whether somebody waits in vain.
const WATCH: Duration = Duration::from_millis(250);
/// By then everything has come to rest.
const LONGEST: Duration = Duration::from_secs(400);

#[derive(Debug)]
pub(super) enum Event {
    /// A task comes to a process.
    Comes(usize),
    /// A task that waits for as long as it takes comes to each key, and then no more.
    Probes,
    Polls(usize),
    StepEnds(usize),
    GivesUp(usize),
    /// A task should have an answer by now; it was not stopped in the meantime.
    Overdue(usize),
    Works(usize, u64),
    Arrives(Box<Mail>),
    Returns(Box<Mail>, Result<Reply, StoreError>),
    /// A request comes back, to be sent once more.
    Bounces(Box<Mail>),
    TimesOut(usize, u64, u64),
    Hears(usize, u64, SessionId, Box<Grant>),
    /// A stranger tells of a grant, and goes on until then.
    Forges(usize, Moment),
    /// A task renews its lease by hand.
    RenewsByHand(usize),
    /// A renewal by hand should have come to something by now.
    ByHandOverdue(usize, Number),
    Opens(usize, u64, Over),
    CopyIsMade,
    Begins(usize),
    Over(usize),
    Watches,
}

pub(super) struct World {
    pub(super) random: Random,
    pub(super) now: Moment,
    pub(super) node: Node,
    pub(super) processes: Vec<Process>,
    pub(super) tasks: Vec<Task>,
    pub(super) checker: Checker,
    pub(super) plan: Plan,
    /// When the last request of a line arrives.
    pub(super) arrivals: HashMap<(usize, SessionId), Moment>,
    /// Whether what was under way on a line that closed is lost.
    pub(super) torn: HashMap<(usize, SessionId), bool>,
    /// Lines that lead to a server that is a replica by now.
    pub(super) demoted: HashSet<(usize, SessionId)>,
    /// Until when a new connection may lead there, too.
    pub(super) switching_until: Moment,
    /// How many lines with a listener ended without the store's notice.
    pub(super) unnoticed: u32,
    /// Requests that have arrived once already.
    pub(super) repeated: HashSet<u64>,
    pub(super) probing: bool,
    pub(super) grants: u64,
    pub(super) keys: Vec<(LockKey, Duration)>,
    events: BTreeMap<(Moment, u64), Event>,
    count: u64,
    history: Option<Vec<Note>>,
    quiet_from: Moment,
}

impl World {
    pub(super) fn new(plan: &Plan, recorded: bool) -> Self {
        let mut random = Random::new(plan.seed);
        let skew = |random: &mut Random| i64::try_from(random.below(19_000)).unwrap_or(0) - 9_500;
        let processes = (0..PROCESSES).map(|n| Process::new(n, skew(&mut random))).collect();
        // Locks of the last key outlive every delay, so that one that stayed behind is found.
        let ttl = |n: usize| if n + 1 == KEYS { 60_000 } else { 300 + 750 * n as u64 };
        let keys = (0..KEYS).map(|n| (LockKey::from(format!("job:{n}")), Duration::from_millis(ttl(n)))).collect();
        let ends = plan.faults.iter().map(|fault| fault.from + fault.lasts).max().unwrap_or_default();
        let mut world = Self {
            random,
            now: START,
            node: Node::new(),
            processes,
            tasks: Vec::new(),
            checker: Checker::new(plan.kind),
            plan: plan.clone(),
            arrivals: HashMap::new(),
            torn: HashMap::new(),
            demoted: HashSet::new(),
            switching_until: Moment::MIN,
            unnoticed: 0,
            repeated: HashSet::new(),
            probing: false,
            grants: 0,
            keys,
            events: BTreeMap::new(),
            count: 0,
            history: recorded.then(Vec::new),
            quiet_from: START + ends,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for process in 0..PROCESSES {
            self.open(process, Over::Keepers);
            self.open(process, Over::Tasks);
            let first = self.random.between(0, 20);
            self.after(first, Event::Comes(process));
        }
        for fault in 0..self.plan.faults.len() {
            self.plan_fault(fault);
        }
        self.after(WATCH, Event::Watches);
        let probes = (START + BUSY).max(self.quiet_from) + Duration::from_millis(10);
        self.at(probes, Event::Probes);
    }

    /// Runs to the end, or to the first violation.
    pub(super) fn run(mut self) -> Outcome {
        let mut violation = None;
        while let Some(((at, number), event)) = self.events.pop_first() {
            self.now = at;
            if let Some((until, event)) = self.happens(event) {
                // In its old place, or what was sent over one connection would not stay in order.
                self.events.insert((until, number), event);
            }
            if self.now > START + LONGEST {
                self.checker.found(|| "it never comes to rest".to_owned());
            }
            if let Some(what) = self.checker.violation() {
                violation = Some(what.to_owned());
                break;
            }
        }
        let violation = violation.or_else(|| self.residue());
        let at = self.now.since(START);
        let violation = violation.map(|what| Violation { at, what });
        let tasks = self.tasks.len() as u64;
        Outcome { violation, tasks, grants: self.grants, history: self.history.take().unwrap_or_default() }
    }

    /// What is left at the end; nothing should be.
    fn residue(&mut self) -> Option<String> {
        let keys: BTreeSet<LockKey> = self.keys.iter().map(|(key, _)| key.clone()).collect();
        // A key may be kept for a holder that is gone until its min_hold is over.
        let left = self.node.residue(self.now + LONGEST_MIN_HOLD, &keys, |token| {
            // What a process that was killed had sent may take effect after all; nobody is left to undo that.
            self.processes.get(super::process::owner(token)).is_none_or(|process| !process.has_forgotten(token))
        });
        let cores = self.processes.iter_mut().filter_map(|process| {
            let residue = process.core.residue()?;
            Some(format!("process {} keeps {residue}", process.number))
        });
        let tasks = self.tasks.iter().position(|task| !matches!(task.state, State::Over));
        let store = (!left.is_empty()).then(|| format!("the store keeps {left:?}"));
        store.into_iter().chain(cores).chain(tasks.map(|task| format!("task {task} has no answer"))).next()
    }

    /// Whether somebody has to be tended to when the event comes; then it comes later.
    fn happens(&mut self, event: Event) -> Option<(Moment, Event)> {
        let concerns = match &event {
            Event::Comes(process)
            | Event::TimesOut(process, ..)
            | Event::Works(process, _)
            | Event::Hears(process, ..)
            | Event::Forges(process, _)
            | Event::Opens(process, ..) => Some(*process),
            Event::Polls(task)
            | Event::StepEnds(task)
            | Event::GivesUp(task)
            | Event::Overdue(task)
            | Event::RenewsByHand(task)
            | Event::ByHandOverdue(task, _) => Some(self.tasks[*task].process),
            Event::Returns(mail, _) | Event::Bounces(mail) => Some(mail.process),
            _ => None,
        };
        if let Some(frozen_until) = concerns.map(|process| self.processes[process].frozen_until)
            && self.now < frozen_until
        {
            return Some((frozen_until, event));
        }
        if matches!(event, Event::Arrives(_)) && self.now < self.node.stands_until {
            return Some((self.node.stands_until, event));
        }
        match event {
            Event::Comes(process) => self.comes(process),
            Event::Probes => self.probes(),
            Event::Polls(task) if self.is_current(task) => self.polls(task),
            Event::StepEnds(task) if self.is_current(task) => self.step_ends(task),
            Event::GivesUp(task) if self.is_current(task) => self.gives_up(task),
            Event::Overdue(task) if self.is_current(task) => self.overdue(task),
            Event::Works(process, era) if self.processes[process].era == era => self.works(process),
            Event::Arrives(mail) => self.arrives(*mail),
            Event::Returns(mail, answer) if self.processes[mail.process].era == mail.era => {
                self.returns(&mail, answer);
            }
            Event::Bounces(mail) if self.processes[mail.process].era == mail.era => self.bounced(*mail),
            Event::Forges(process, until) => self.forges(process, until),
            Event::RenewsByHand(task) if self.is_current(task) => self.renews_by_hand(task),
            Event::ByHandOverdue(task, renewal) if self.is_current(task) => self.by_hand_overdue(task, renewal),
            Event::TimesOut(process, era, mail) if self.processes[process].era == era => {
                self.times_out(process, mail);
            }
            Event::Hears(process, era, line, grant) if self.processes[process].era == era => {
                self.hears(process, line, *grant);
            }
            Event::Opens(process, era, over) if self.processes[process].era == era => self.opens(process, over),
            Event::CopyIsMade => self.node.keep_copy(),
            Event::Begins(fault) => self.begins(fault),
            Event::Over(fault) => self.is_over(fault),
            Event::Watches => self.watches(),
            _ => {}
        }
        None
    }

    fn is_current(&self, task: usize) -> bool {
        let task = &self.tasks[task];
        self.processes[task.process].era == task.era
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

    pub(super) fn note(&mut self, process: Option<usize>, what: impl FnOnce() -> What) {
        if let Some(history) = &mut self.history {
            history.push(Note { at: self.now.since(START), process, what: what() });
        }
    }

    /// The keeper of a process does everything that is due.
    fn works(&mut self, process: usize) {
        self.processes[process].works_at = Moment::MAX;
        let local = self.processes[process].clock(self.now);
        let jobs = self.processes[process].core.work(local);
        let Some(keepers) = self.processes[process].wires[0].line else {
            debug_assert!(jobs.is_empty(), "there is nobody to send {jobs:?}");
            return self.settle(process);
        };
        for (key, job) in jobs {
            let is_open = |line: &SessionId| self.processes[process].wire_of(*line).is_some();
            let call = |number| CallId { key, number };
            match job {
                Job::Ask(number, _, line) if !is_open(&line) => {
                    self.processes[process].core.cut_off(local, call(number));
                    continue;
                }
                Job::Ask(number, question, line) => {
                    self.send(process, line, None, Some(call(number)), Request::Ask(question))
                }
                Job::Renew(renewal) => {
                    self.send(process, keepers, None, Some(call(Number(0))), Request::Renew(renewal))
                }
                Job::Release(number, release, via) => {
                    let line = via.filter(is_open).unwrap_or(keepers);
                    self.send(process, line, None, Some(call(number)), Request::Release(release))
                }
            };
        }
        self.settle(process);
    }

    /// Carries out what a core decided, and has its keeper wake when something is due.
    pub(super) fn settle(&mut self, process: usize) {
        for action in self.processes[process].core.take_actions() {
            match action {
                Action::Wake(chair) => self.wake(&chair),
                Action::Extend(chair, until) => chair.validity.extend(until),
                Action::Lose(chair, reason) => {
                    chair.validity.lose(reason);
                    self.wake(&chair);
                }
                Action::TimedOut(line) => self.timed_out(process, line),
            }
        }
        let due = self.processes[process].core.next_due();
        if due == Moment::MAX {
            return;
        }
        let (at, era) = (self.processes[process].when(due).max(self.now), self.processes[process].era);
        if at < self.processes[process].works_at {
            self.processes[process].works_at = at;
            self.at(at, Event::Works(process, era));
        }
    }

    /// Looks whether somebody waits in vain, or holds what nobody gives back.
    fn watches(&mut self) {
        let troubled = self.plan.faults.iter().any(|fault| {
            let (from, to) = (START + fault.from, START + fault.from + fault.lasts + WATCH);
            (from..=to).contains(&self.now)
        });
        // A line that is dead is found out by two operations without an answer, whenever there is one to send.
        let half_open = self.processes.iter().any(|process| process.wires.iter().any(|wire| wire.dead));
        if troubled || half_open {
            self.checker.in_trouble();
        } else {
            for n in 0..self.keys.len() {
                self.watch_key(n);
            }
        }
        let at_rest = self.probing
            && self.tasks.iter().all(|task| matches!(task.state, State::Over))
            && self.processes.iter().all(|process| process.core.is_idle());
        if !at_rest {
            self.after(WATCH, Event::Watches);
        }
    }

    fn watch_key(&mut self, n: usize) {
        let (key, ttl) = self.keys[n].clone();
        let asks = |task: &Task| matches!(task.state, State::Asking) && task.key == key;
        let waited_for = self.tasks.iter().any(asks);
        // A waiter who is gone without the store's notice is handed the key once.
        let bound = (ttl + Duration::from_secs(1)) * (1 + self.unnoticed);
        self.checker.watch_waiters(self.now, &key, waited_for, bound);
        let holder = self.node.model.holder(self.node.clock(self.now), &key).map(|(token, _)| token);
        let orphan = holder.filter(|token| {
            let process = self.processes.get(super::process::owner(*token));
            process.is_some_and(|process| !process.may_leave(*token) && !process.core.knows(*token))
        });
        self.checker.watch_orphans(self.now, &key, orphan);
    }
}
