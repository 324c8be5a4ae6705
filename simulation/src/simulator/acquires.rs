//! Tasks arrive, acquire a lock, and give up: drives the library's own walk.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use lock_core::LockKey;
use lock_core::key::{Refusal, SessionId, Via};
use lock_core::lease::{Period, Terms, Validity, Wait};
use lock_core::store::{Kind, StoreError};
use lock_core::walk::{AcquireStep, Acquiring, Holding};

use super::caller::Caller;
use super::event::Event;
use super::history::What;
use super::packet::From;
use super::plan::Over;
use super::process::OPERATION;
use super::task::{Body, Ending, Sent, State, Task};
use super::world::{LATE, LONGEST_MIN_HOLD, World};
use crate::request::{Reply, Request, acquire_answer};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl World {
    pub(super) fn task_arrives(&mut self, process: usize) {
        if !self.is_busy() {
            return;
        }
        if self.processes[process].is_running {
            let key = self.random.index(self.keys.len());
            let terms = self.draw_terms(key);
            self.arrives_at(process, key, terms);
        }
        let pause = self.random.between(0, 250);
        self.after(pause, Event::TaskArrives(process));
    }

    /// All faults are over: every key must be grantable.
    pub(super) fn probe_keys(&mut self) {
        self.probing = true;
        for key in 0..self.keys.len() {
            let key = self.keys[key].0.clone();
            self.probe_key(&key);
        }
    }

    pub(super) fn probe_key(&mut self, key: &LockKey) {
        let Some(number) = self.keys.iter().position(|(known, _)| known == key) else { return };
        let terms = Terms {
            kind: Kind::Exclusive,
            ttl: self.keys[number].1,
            wait: Wait::Forever,
            renew: true,
            max_hold: None,
            min_hold: None,
            once: None,
        };
        self.arrives_at(0, number, terms);
    }

    fn draw_terms(&mut self, key: usize) -> Terms {
        let longest = self.keys[key].1;
        let ttl = if self.random.chance(50) { longest } else { self.draw_ttl(longest) };
        let wait = match self.random.below(10) {
            0..=2 => Wait::AtMost(Duration::ZERO),
            3..=5 => Wait::AtMost(ms(300)),
            6..=8 => Wait::AtMost(ms(4_000)),
            _ => Wait::Forever,
        };
        let max_hold = self.random.chance(5).then(|| self.random.between(100, 1_000));
        // When a key expires, by its ttl or after it was kept, the first request takes it, out of order.
        let longest = u64::try_from(LONGEST_MIN_HOLD.min(ttl * 2 / 3).as_millis()).unwrap_or(u64::MAX);
        let min_hold = (!self.checker.is_calm() && self.random.chance(10)).then(|| self.random.between(1, longest));
        let renew = self.checker.is_calm() || max_hold.is_some() || self.random.chance(85);
        let kind = self.draw_kind();
        let once = (kind == Kind::Exclusive).then(|| self.draw_once()).flatten();
        Terms { kind, ttl, wait, renew, max_hold, min_hold, once }
    }

    /// Half of the simulations know exclusive locks alone; the others readers and writers, or permits, or all.
    fn draw_kind(&mut self) -> Kind {
        let permits = Kind::permits(2).with_weight(if self.kinds.chance(30) { 2 } else { 1 });
        let drawn = self.kinds.below(100);
        match (self.plan.seed / 8) % 8 {
            0 | 1 if drawn < 70 => Kind::Shared,
            2 if drawn < 90 => permits,
            3 if drawn < 40 => Kind::Shared,
            3 if drawn < 80 => permits,
            _ => Kind::Exclusive,
        }
    }

    /// In a quarter of the simulations, for how long a success counts; short, so that it is over before the end, when
    /// the first request takes the key, out of order.
    fn draw_once(&mut self) -> Option<Period> {
        let draws = !self.checker.is_calm() && (self.plan.seed / 64) % 4 == 3 && self.periods.chance(15);
        draws.then(|| Period::new(self.periods.between(1, 1_500))).flatten()
    }

    /// A ttl no longer than the key's.
    pub(super) fn draw_ttl(&mut self, longest: Duration) -> Duration {
        let shortest = 300;
        let longest = u64::try_from(longest.as_millis()).unwrap_or(shortest);
        self.random.between(shortest, longest.max(shortest + 1))
    }

    fn arrives_at(&mut self, process: usize, key: usize, terms: Terms) {
        let key = self.keys[key].0.clone();
        let number = self.tasks.len();
        let arrived = self.clock_of(process);
        self.tasks.push(Task {
            process,
            era: self.processes[process].era,
            caller: Rc::new(Caller { task: Some(number), validity: Validity::default() }),
            key,
            terms,
            is_on_runtime: self.random.chance(75),
            arrived,
            state: State::NotArrived,
            sent: None,
            manual_renewals: Vec::new(),
            is_woken: Cell::new(false),
            woken_at: Cell::new(self.now),
        });
        let about = self.about(number);
        self.note(Some(process), || What::Comes(about, shown(&terms)));
        if let Wait::AtMost(wait) = terms.wait {
            // Without faults, nobody waits longer than asked for.
            let longest = if self.checker.is_calm() { wait } else { wait.max(OPERATION) };
            let due = self.processes[process].when(arrived + longest + LATE);
            self.at(due, Event::Overdue(number));
        }
        if self.is_busy() && self.random.chance(15) {
            let patience = self.random.between(0, 600);
            self.after(patience, Event::GivesUp(number));
        }
        self.next(Event::Polls(number));
    }

    /// The session of a task's runtime, as the client's state knows it.
    fn via(&self, task: usize) -> Option<Via> {
        let session = self.session_of(task)?;
        let host = &self.processes[self.tasks[task].process];
        let has_push = host.connections[Over::Tasks as usize].has_push;
        Some(Via { session, listener: has_push.then(|| host.listener(Over::Tasks, session)) })
    }

    /// The answer to what the task sent itself, if it has arrived.
    pub(super) fn take_answer(&mut self, task: usize) -> Option<(Sent, Result<Reply, StoreError>)> {
        let mut sent = self.tasks[task].sent.take_if(|sent| sent.answer.is_some())?;
        let answer = sent.answer.take()?;
        if let Ok(reply) = &answer {
            self.confirm(sent.at, &sent.request, reply);
        }
        Some((sent, answer))
    }

    /// Polls a task that acquires. A task that has arrived is polled for its answer, or because it was woken.
    pub(super) fn poll_acquire(&mut self, task: usize) {
        let answer = self.take_answer(task).map(|(sent, answer)| acquire_answer(&sent.request, sent.at, answer));
        let (local, via) = (self.local(task), self.via(task));
        let Task { process, key, caller, terms, state, .. } = &mut self.tasks[task];
        let host = &mut self.processes[*process];
        let step = match state {
            State::NotArrived => {
                let arrival = (&*key, host.new_token(), Rc::clone(caller));
                let (walk, step) = Acquiring::arrive(&mut host.client, local, via, arrival, *terms);
                *state = State::Acquiring(walk);
                step
            }
            State::Acquiring(walk) => walk.go_on(&mut host.client, local, via, answer),
            _ => return,
        };
        self.on_acquire_step(task, step, via.map(|via| via.session));
    }

    fn on_acquire_step(&mut self, task: usize, step: AcquireStep, session: Option<SessionId>) {
        match (step, session) {
            (AcquireStep::Send(request), Some(session)) => self.send_for_task(task, session, Request::Ask(request)),
            (AcquireStep::AwaitAnswer, _) => {}
            (AcquireStep::Granted { holding, fence, until }, _) => {
                self.tasks[task].caller.validity.granted(fence, until);
                self.on_grant(task, holding);
            }
            (AcquireStep::Refused(refusal, _), _) => {
                match refusal {
                    Refusal::Unavailable(_) => self.checker.unavailable(task),
                    // Once that is over, it must be grantable, too.
                    Refusal::Done { until } if self.probing => {
                        let (over, key) =
                            (self.processes[self.tasks[task].process].when(until), self.tasks[task].key.clone());
                        self.at(over, Event::ProbesAgain(key));
                    }
                    _ => {}
                }
                let about = self.about(task);
                self.note(Some(self.tasks[task].process), || What::Refused(about, why(&refusal)));
                self.tasks[task].sent = None;
                self.tasks[task].state = State::Over;
            }
            // The answer to what this task sent is no longer awaited.
            _ => self.tasks[task].sent = None,
        }
    }

    pub(super) fn send_for_task(&mut self, task: usize, session: SessionId, request: Request) {
        let (process, at) = (self.tasks[task].process, self.local(task));
        let packet = self.send(process, session, From::Task(task), request.clone());
        self.tasks[task].sent = Some(Sent { packet, at, session, request, answer: None });
    }

    /// The task has its grant: its body begins with the next poll, which follows at once.
    fn on_grant(&mut self, task: usize, holding: Holding) {
        let Task { process, caller, .. } = &self.tasks[task];
        let (process, fence) = (*process, caller.validity.fence());
        let token = holding.id().and_then(|id| self.processes[process].client.token_of(id));
        let token = token.expect("a lease has a token");
        self.check_order(task);
        let longest = if self.random.chance(20) { 2_000 } else { 60 };
        let work = self.random.between(0, longest);
        let ending = match self.random.below(10) {
            0 => Ending::Fails,
            1 => Ending::Panics,
            2 | 3 => Ending::IsDropped,
            _ => Ending::Returns,
        };
        let body = Body { token, began: false, ends_at: self.now + work, ending, in_step: false, again: false };
        self.tasks[task].state = State::Holding(holding, body);
        self.tasks[task].sent = None;
        self.grants += 1;
        let about = self.about(task);
        self.note(Some(process), || What::Begins(about, fence));
        if self.random.chance(15) {
            let pause = self.random.between(0, 1 + longest);
            self.after(pause, Event::RenewsManually(task));
        }
    }

    /// Within a process, waiters are served in order of arrival. One of a set whose lease ended before its body could
    /// begin asks anew behind the one that asks meanwhile, so that what goes wrong may cost it a turn.
    fn check_order(&mut self, task: usize) {
        let granted = &self.tasks[task];
        if granted.terms.kind != Kind::Exclusive && !self.checker.is_undisturbed() {
            return;
        }
        let local = self.clock_of(granted.process);
        let overtaken = (0..task).filter(|other| !self.has_slept(*other)).find(|other| {
            let other = &self.tasks[*other];
            let waits = match other.terms.wait {
                Wait::Forever => true,
                Wait::AtMost(wait) => local < other.arrived + wait,
            };
            let same = (other.process, other.era, &other.key) == (granted.process, granted.era, &granted.key);
            let State::Acquiring(walk) = &other.state else { return false };
            let client = &self.processes[other.process].client;
            // One of a set may have its grant, and begin later.
            let is_granted = |id| client.kind_of(id).is_some();
            same && waits && walk.id().is_some_and(|id| !client.has_refused(id) && !is_granted(id))
        });
        if let Some(overtaken) = overtaken {
            let key: LockKey = granted.key.clone();
            self.checker.found(|| format!("task {task} overtook task {overtaken} on {key}"));
        }
    }

    pub(super) fn check_overdue(&mut self, task: usize) {
        if !matches!(self.tasks[task].state, State::NotArrived | State::Acquiring(_)) {
            return;
        }
        // A program that stood still, or believes so, asks before it gives up.
        let host = &self.processes[self.tasks[task].process];
        let asks_until = host.frozen_until.max(host.leapt_at) + OPERATION;
        let due = asks_until.max(self.due_after_sleep(task)) + LATE;
        if self.now < due {
            return self.at(due, Event::Overdue(task));
        }
        self.checker.found(|| format!("task {task} has no answer, and its time is over"));
    }
}

fn shown(terms: &Terms) -> String {
    let wait = match terms.wait {
        Wait::Forever => "waits forever".to_owned(),
        Wait::AtMost(wait) => format!("waits {} ms", wait.as_millis()),
    };
    let renew = if terms.renew { "" } else { ", not renewed" };
    let hold = |what: &str, hold: Option<Duration>| hold.map_or(String::new(), |hold| format!(", {what} {hold:?}"));
    let (max, min) = (hold("max_hold", terms.max_hold), hold("min_hold", terms.min_hold));
    let once = hold("once", terms.once.map(Period::duration));
    let kind = match terms.kind {
        Kind::Exclusive => String::new(),
        kind => format!("{kind}, "),
    };
    format!("{kind}ttl {} ms, {wait}{renew}{max}{min}{once}", terms.ttl.as_millis())
}

fn why(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Busy { .. } => "busy".to_owned(),
        Refusal::Done { .. } => "done".to_owned(),
        Refusal::ShuttingDown => "its process shuts down".to_owned(),
        Refusal::Unavailable(error) => error.to_string(),
    }
}
