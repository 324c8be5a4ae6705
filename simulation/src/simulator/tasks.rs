//! What the tasks of a simulation do: the way of a ticket through its core, as the library's own futures walk it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::history::{About, What};
use super::node::{Reply, Request};
use super::plan::Over;
use super::process::{Body, Chair, Ending, OPERATION, Sent, State, Task};
use super::world::{Event, World};
use lock_core::LockKey;
use lock_core::LossReason;
use lock_core::Moment;
use lock_core::key::{ManualStep, Number, Refusal, ReleaseStep, SessionId, Step, Via};
use lock_core::lease::{Terms, Validity, Wait};
use lock_core::store::{Kind, StoreError};

/// How much later than its time a task may have its answer: the keeper and the task have to be awake for it.
const LATE: Duration = Duration::from_millis(100);
/// For how long a key may be kept for a holder that is gone.
pub(super) const LONGEST_MIN_HOLD: Duration = Duration::from_secs(2);

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl World {
    pub(super) fn comes(&mut self, process: usize) {
        if !self.is_busy() {
            return;
        }
        if self.processes[process].is_there {
            let key = self.random.index(self.keys.len());
            let terms = self.draw_terms(key);
            self.arrives_at(process, key, terms);
        }
        let pause = self.random.between(0, 250);
        self.after(pause, Event::Comes(process));
    }

    /// Whatever went wrong is over: each key can be had.
    pub(super) fn probes(&mut self) {
        self.probing = true;
        for key in 0..self.keys.len() {
            let ttl = self.keys[key].1;
            let terms =
                Terms { kind: Kind::Exclusive, ttl, wait: Wait::Forever, renew: true, max_hold: None, min_hold: None };
            self.arrives_at(0, key, terms);
        }
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
        // When a key expires, by its ttl or by what it was kept for, whoever comes first has it.
        let longest = u64::try_from(LONGEST_MIN_HOLD.min(ttl * 2 / 3).as_millis()).unwrap_or(u64::MAX);
        let min_hold = (!self.checker.is_calm() && self.random.chance(10)).then(|| self.random.between(1, longest));
        Terms {
            kind: Kind::Exclusive,
            ttl,
            wait,
            renew: self.checker.is_calm() || max_hold.is_some() || self.random.chance(85),
            max_hold,
            min_hold,
        }
    }

    /// A ttl that is no longer than the key's.
    fn draw_ttl(&mut self, longest: Duration) -> Duration {
        let shortest = 300;
        let longest = u64::try_from(longest.as_millis()).unwrap_or(shortest);
        self.random.between(shortest, longest.max(shortest + 1))
    }

    fn arrives_at(&mut self, process: usize, key: usize, terms: Terms) {
        let key = self.keys[key].0.clone();
        let number = self.tasks.len();

        let chair = Rc::new(Chair { task: Some(number), validity: Validity::default() });
        let host = &mut self.processes[process];
        let (local, token, era) = (host.clock(self.now), host.new_token(), host.era);
        self.note(Some(process), || What::Comes(about(number, &key), shown(&terms)));
        let arrival = self.processes[process].core.arrive(local, &key, token, terms, Rc::clone(&chair));
        let id = match arrival {
            Ok(id) => id,
            Err(refusal) => {
                self.note(Some(process), || What::Refused(about(number, &key), why(&refusal)));
                return self.settle(process);
            }
        };
        let is_on_runtime = self.random.chance(75);
        self.tasks.push(Task {
            process,
            era,
            chair,
            id,
            key,
            terms,
            is_on_runtime,
            arrived: local,
            state: State::Asking,
            sent: None,
            by_hand: Vec::new(),
            is_woken: Cell::new(false),
            woken_at: Cell::new(self.now),
        });
        if let Wait::AtMost(wait) = terms.wait {
            // When all is well, nobody waits longer than it said.
            let longest = if self.checker.is_calm() { wait } else { wait.max(OPERATION) };
            let due = self.processes[process].when(local + longest + LATE);
            self.at(due, Event::Overdue(number));
        }
        if self.is_busy() && self.random.chance(15) {
            let patience = self.random.between(0, 600);
            self.after(patience, Event::GivesUp(number));
        }
        self.polls(number);
    }

    /// The task is polled as soon as its runtime comes to it.
    pub(super) fn wake(&mut self, chair: &Chair) {
        if let Some(task) = chair.task {
            self.wake_soon(task);
        }
    }

    pub(super) fn wake_soon(&mut self, task: usize) {
        if self.tasks[task].is_woken.replace(true) {
            return;
        }
        self.tasks[task].woken_at.set(self.now);
        let delay = if self.random.chance(5) { self.random.between(0, 3) } else { Duration::from_micros(5) };
        self.after(delay, Event::Polls(task));
    }

    pub(super) fn polls(&mut self, task: usize) {
        self.tasks[task].is_woken.set(false);
        match &self.tasks[task].state {
            State::Asking => self.asks(task),
            State::Inside(_) => {
                self.hears_by_hand(task);
                self.steps(task);
            }
            State::Giving => self.gives(task),
            State::Over => {}
        }
        self.settle(self.tasks[task].process);
    }

    /// Its runtime's connection, if it runs on one and that is open.
    fn line(&self, task: usize) -> Option<SessionId> {
        let task = &self.tasks[task];
        self.processes[task.process].wires[Over::Tasks as usize].line.filter(|_| task.is_on_runtime)
    }

    fn local(&self, task: usize) -> Moment {
        self.processes[self.tasks[task].process].clock(self.now)
    }

    /// What the store answered to what the task sent itself.
    fn take_answer(&mut self, task: usize) -> Option<(Sent, Result<Reply, StoreError>)> {
        let mut sent = self.tasks[task].sent.take_if(|sent| sent.answer.is_some())?;
        let answer = sent.answer.take()?;
        Some((sent, answer))
    }

    fn asks(&mut self, task: usize) {
        let (process, id, local) = (self.tasks[task].process, self.tasks[task].id, self.local(task));
        if let Some((sent, answer)) = self.take_answer(task) {
            self.confirm_own(&sent, &answer);
            let answer = answer.map(|reply| match reply {
                Reply::Acquired(acquired) => acquired,
                other => unreachable!("{other:?} is no answer to an ask"),
            });
            self.processes[process].core.answered(local, id, sent.request.token(), sent.at, answer);
        }
        let line = self.line(task);
        let via = line.map(|line| {
            let host = &self.processes[process];
            let told = host.wires[Over::Tasks as usize].told;
            Via { session: line, listener: told.then(|| host.listener(Over::Tasks, line)) }
        });
        match (self.processes[process].core.next(local, id, via), line) {
            (Step::Send(question), Some(line)) => self.sends(task, line, Request::Ask(question)),
            (Step::Sent, _) => {}
            (Step::Granted { fence, until }, _) => self.enters(task, fence, until),
            (Step::Refused(refusal), _) => {
                let about = about(task, &self.tasks[task].key);
                if let Refusal::Unavailable(_) = refusal {
                    self.checker.unavailable(task);
                }
                self.note(Some(process), || What::Refused(about, why(&refusal)));
                self.tasks[task].state = State::Over;
            }
            // Whatever this task sent is the core's business no more.
            _ => self.tasks[task].sent = None,
        }
    }

    fn sends(&mut self, task: usize, line: SessionId, request: Request) {
        let (process, id, at) = (self.tasks[task].process, self.tasks[task].id, self.local(task));
        let asked = request.clone();
        let mail = self.send(process, line, Some(task), Some(id), request);
        self.tasks[task].sent = Some(Sent { mail, at, line, request: asked, answer: None });
    }

    fn confirm_own(&mut self, sent: &Sent, answer: &Result<Reply, StoreError>) {
        if let Ok(reply) = answer {
            self.confirm(sent.at, &sent.request, *reply);
        }
    }

    /// The grant is the task's: its body begins, if its time is not over.
    fn enters(&mut self, task: usize, fence: u64, until: Moment) {
        let Task { process, id, key, .. } = &self.tasks[task];
        let (process, key) = (*process, key.clone());
        let Some(token) = self.processes[process].core.token_of(*id) else { return };
        self.tasks[task].chair.validity.granted(fence, until);
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
        self.tasks[task].state = State::Inside(body);
        self.tasks[task].sent = None;
        self.grants += 1;
        self.note(Some(process), || What::Begins(about(task, &key), fence));
        if self.random.chance(15) {
            let pause = self.random.between(0, 1 + longest);
            self.after(pause, Event::RenewsByHand(task));
        }
        self.steps(task);
    }

    /// First come, first served, within a process.
    fn check_order(&mut self, task: usize) {
        let granted = &self.tasks[task];
        let local = self.processes[granted.process].clock(self.now);
        let overtaken = self.tasks[..task].iter().position(|other| {
            let waits = match other.terms.wait {
                Wait::Forever => true,
                Wait::AtMost(wait) => local < other.arrived + wait,
            };
            let same = (other.process, other.era, &other.key) == (granted.process, granted.era, &granted.key);
            let has_an_answer = self.processes[other.process].core.has_refused(other.id);
            same && waits && matches!(other.state, State::Asking) && !has_an_answer
        });
        if let Some(overtaken) = overtaken {
            let key = granted.key.clone();
            self.checker.found(|| format!("task {task} overtook task {overtaken} on {key}"));
        }
    }

    /// One step of the body, if it may start.
    fn steps(&mut self, task: usize) {
        let (process, id, local) = (self.tasks[task].process, self.tasks[task].id, self.local(task));
        let chair = Rc::clone(&self.tasks[task].chair);
        let validity = &chair.validity;
        let State::Inside(body) = &mut self.tasks[task].state else { return };
        if body.in_step {
            body.again = true;
            return;
        }
        if !validity.start_step(local) {
            match self.processes[process].core.lapsed(local, id) {
                Err(reason) => return self.loses(task, reason),
                Ok(until) => validity.extend(until),
            }
            if !validity.start_step(local) {
                return;
            }
        }
        let holder = self.node.model.holder(self.node.clock(self.now), &self.tasks[task].key).map(|(token, _)| token);
        let State::Inside(body) = &mut self.tasks[task].state else { return };
        let (token, began) = (body.token, std::mem::replace(&mut body.began, true));
        body.in_step = true;
        if !began {
            let key = self.tasks[task].key.clone();
            self.checker.begins(self.now, task, &key, validity.fence());
            if let Some(min_hold) = self.tasks[task].terms.min_hold {
                // It counts from the grant, for which the task was woken.
                let granted = self.tasks[task].woken_at.get();
                self.checker.keeps(granted, task, process, &key, min_hold);
            }
        }
        self.checker.steps(local, task, token, holder);
        let takes = match self.random.below(100) {
            0 => self.random.between(10, 1_500),
            1..=9 => self.random.between(0, 2),
            _ => return self.step_ends(task),
        };
        self.after(takes, Event::StepEnds(task));
    }

    pub(super) fn step_ends(&mut self, task: usize) {
        self.checker.stepped(self.now, task);
        self.tasks[task].chair.validity.end_step();
        let now = self.now;
        let State::Inside(body) = &mut self.tasks[task].state else { return };
        body.in_step = false;
        let again = std::mem::take(&mut body.again);
        if body.ends_at <= now {
            return self.ends(task);
        }
        let rest = body.ends_at.since(now);
        if again {
            self.wake_soon(task);
        } else {
            let pause = self.random.between(1, 40).min(rest);
            self.after(pause, Event::Polls(task));
        }
    }

    /// The body renews its lease by hand, now and then twice at once.
    pub(super) fn renews_by_hand(&mut self, task: usize) {
        if !matches!(self.tasks[task].state, State::Inside(_)) {
            return;
        }
        let (process, id, local) = (self.tasks[task].process, self.tasks[task].id, self.local(task));
        let key = self.tasks[task].key.clone();
        let longest = self.keys.iter().find(|(name, _)| *name == key).map_or(Duration::ZERO, |(_, ttl)| *ttl);
        let times = 1 + self.random.below(3);
        for _ in 0..times {
            let ttl = self.draw_ttl(longest);
            self.note(Some(process), || What::Text(format!("task {task} renews by hand for {} ms", ttl.as_millis())));
            let renewal = self.processes[process].core.renew_manually(local, id, ttl);
            self.tasks[task].by_hand.push(renewal);
            let at = self.processes[process].when(local + OPERATION + LATE);
            self.at(at, Event::ByHandOverdue(task, renewal));
        }
        self.hears_by_hand(task);
        self.settle(process);
    }

    /// What has become of the renewals by hand.
    fn hears_by_hand(&mut self, task: usize) {
        let (process, id, local) = (self.tasks[task].process, self.tasks[task].id, self.local(task));
        let core = &mut self.processes[process].core;
        self.tasks[task].by_hand.retain(|&renewal| matches!(core.manual_next(local, id, renewal), ManualStep::Stand));
    }

    pub(super) fn by_hand_overdue(&mut self, task: usize, renewal: Number) {
        if !matches!(self.tasks[task].state, State::Inside(_)) || !self.tasks[task].by_hand.contains(&renewal) {
            return;
        }
        let went_on = self.processes[self.tasks[task].process].frozen_until;
        if self.now < went_on + LATE {
            return self.at(went_on + LATE, Event::ByHandOverdue(task, renewal));
        }
        self.checker.found(|| format!("a renewal by hand of task {task} never comes back"));
    }

    /// The body has done its work, one way or the other.
    fn ends(&mut self, task: usize) {
        let State::Inside(body) = &self.tasks[task].state else { return };
        let (how, awaited) = match body.ending {
            Ending::Returns => ("returned", true),
            Ending::Fails => ("failed", true),
            Ending::Panics => ("panicked", true),
            Ending::IsDropped => ("was dropped", false),
        };
        self.leaves(task, how);
        let (process, id, local) = (self.tasks[task].process, self.tasks[task].id, self.local(task));
        let validity = &self.tasks[task].chair.validity;
        let (lost, until) = (validity.loss().is_some(), validity.until());
        validity.end();
        let wanted_until = if lost { local } else { until.min(local + Duration::from_secs(1)) };
        self.processes[process].core.end(local, id, awaited.then_some(wanted_until));
        self.tasks[task].state = if awaited { State::Giving } else { State::Over };
        if awaited {
            self.gives(task);
        }
        self.settle(process);
    }

    fn loses(&mut self, task: usize, reason: LossReason) {
        let renews = self.tasks[task].terms.renew;
        self.checker.lost(task, reason, renews);
        self.leaves(
            task,
            match reason {
                LossReason::Expired => "was dropped: the lease expired",
                LossReason::Stolen => "was dropped: the lock is not ours any more",
                LossReason::MaxHold => "was dropped: it had held the lock for long enough",
                _ => "was dropped: its process shuts down",
            },
        );
        let (process, id, local) = (self.tasks[task].process, self.tasks[task].id, self.local(task));
        self.tasks[task].chair.validity.end();
        self.processes[process].core.end(local, id, None);
        self.tasks[task].state = State::Over;
    }

    fn leaves(&mut self, task: usize, how: &'static str) {
        self.checker.gone(task);
        let (process, about) = (self.tasks[task].process, about(task, &self.tasks[task].key));
        self.note(Some(process), || What::Ends(about, how));
    }

    /// The task goes on with the release that it awaits.
    fn gives(&mut self, task: usize) {
        let (process, id, local) = (self.tasks[task].process, self.tasks[task].id, self.local(task));
        if let Some((sent, answer)) = self.take_answer(task) {
            self.confirm_own(&sent, &answer);
            let answer = answer.map(|reply| match reply {
                Reply::Released(reply) => reply,
                other => unreachable!("{other:?} is no answer to a release"),
            });
            self.processes[process].core.released(local, id, Some(sent.line), answer);
        }
        let line = self.line(task);
        match (self.processes[process].core.release_next(local, id, line), line) {
            (ReleaseStep::Send(giving), Some(line)) => self.sends(task, line, Request::Release(giving)),
            (ReleaseStep::Done(_), _) => {
                self.tasks[task].sent = None;
                self.tasks[task].state = State::Over;
            }
            (ReleaseStep::Sent, _) => {}
            _ => self.tasks[task].sent = None,
        }
    }

    /// The task is dropped, wherever it is; a step that has started ends first.
    pub(super) fn gives_up(&mut self, task: usize) {
        let (process, id, local) = (self.tasks[task].process, self.tasks[task].id, self.local(task));
        match &mut self.tasks[task].state {
            State::Over => return,
            State::Inside(body) if body.in_step => {
                body.ends_at = self.now;
                body.ending = Ending::IsDropped;
                return;
            }
            State::Inside(_) => {
                self.leaves(task, "was dropped");
                self.tasks[task].chair.validity.end();
                self.processes[process].core.end(local, id, None);
            }
            State::Asking => {
                self.note(Some(process), || What::Text(format!("task {task} gives up")));
                self.processes[process].core.left(local, id);
            }
            State::Giving => self.processes[process].core.release_left(local, id),
        }
        self.tasks[task].sent = None;
        self.tasks[task].state = State::Over;
        self.settle(process);
    }

    pub(super) fn overdue(&mut self, task: usize) {
        if !matches!(self.tasks[task].state, State::Asking) {
            return;
        }
        let went_on = self.processes[self.tasks[task].process].frozen_until;
        if self.now < went_on + LATE {
            return self.at(went_on + LATE, Event::Overdue(task));
        }
        self.checker.found(|| format!("task {task} has no answer, and its time is over"));
    }
}

fn about(task: usize, key: &LockKey) -> About {
    About { task, key: key.to_string() }
}

fn shown(terms: &Terms) -> String {
    let wait = match terms.wait {
        Wait::Forever => "waits forever".to_owned(),
        Wait::AtMost(wait) => format!("waits {} ms", wait.as_millis()),
    };
    let renew = if terms.renew { "" } else { ", not renewed" };
    let hold = |what: &str, hold: Option<Duration>| hold.map_or(String::new(), |hold| format!(", {what} {hold:?}"));
    let (max, min) = (hold("max_hold", terms.max_hold), hold("min_hold", terms.min_hold));
    format!("ttl {} ms, {wait}{renew}{max}{min}", terms.ttl.as_millis())
}

fn why(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Busy => "busy".to_owned(),
        Refusal::ShuttingDown => "its process shuts down".to_owned(),
        Refusal::Unavailable(error) => error.to_string(),
    }
}
