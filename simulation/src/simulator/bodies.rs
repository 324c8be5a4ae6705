//! Bodies under a lock: their steps, how they end, and the release that a task awaits.

use lock_core::key::{Completion, ManualStep, Number, ReleaseStep};
use lock_core::store::Kind;
use lock_core::walk::{RELEASE_TIMEOUT, ReleaseAnswer, Releasing, Start};
use lock_core::{LockKey, LossReason};

use std::rc::Rc;
use std::time::Duration;

use super::event::Event;
use super::history::What;
use super::process::OPERATION;
use super::task::{Ending, State};
use super::world::{LATE, World};
use crate::request::{Reply, Request};

impl World {
    /// One step of the body, if it may start.
    pub(super) fn poll_body(&mut self, task: usize) {
        let (process, local, caller) =
            (self.tasks[task].process, self.local(task), Rc::clone(&self.tasks[task].caller));
        let State::Holding(holding, body) = &mut self.tasks[task].state else { return };
        if body.in_step {
            body.again = true;
            return;
        }
        while !caller.validity.start_step(local) {
            match holding.ask_again(&mut self.processes[process].client, local, &caller.validity) {
                Start::Now => {}
                Start::NeverAgain => return,
                Start::Lost(reason) => return self.lose_body(task, reason),
            }
        }
        let holders = self.node.model.holders(self.node.clock(self.now), &self.tasks[task].key);
        let holders: Vec<_> = holders.into_iter().map(|(token, _)| token).collect();
        let State::Holding(_, body) = &mut self.tasks[task].state else { return };
        let (token, began) = (body.token, std::mem::replace(&mut body.began, true));
        body.in_step = true;
        if !began {
            let key = self.tasks[task].key.clone();
            let kind = self.tasks[task].terms.kind;
            self.update_kinds(&key);
            self.checker.body_begins(self.now, task, (&key, kind), caller.validity.fence());
            if let Some(min_hold) = self.tasks[task].terms.min_hold.filter(|_| kind == Kind::Exclusive) {
                // It counts from the grant, for which the task was woken.
                let granted = self.tasks[task].woken_at.get();
                self.checker.key_kept(granted, task, process, &key, min_hold);
            }
        }
        self.checker.step_starts(local, task, token, &holders);
        let takes = match self.random.below(100) {
            0 => self.random.between(10, 1_500),
            1..=9 => self.random.between(0, 2),
            _ => return self.end_step(task),
        };
        self.after(takes, Event::StepEnds(task));
    }

    /// Beside whom the bodies of a key run by now.
    fn update_kinds(&mut self, key: &LockKey) {
        for task in self.checker.bodies(key) {
            let State::Holding(holding, _) = &self.tasks[task].state else { continue };
            let client = &self.processes[self.tasks[task].process].client;
            if let Some(kind) = holding.id().and_then(|id| client.kind_of(id)) {
                self.checker.runs_as(task, kind);
            }
        }
    }

    pub(super) fn end_step(&mut self, task: usize) {
        self.checker.step_ended(self.now, task);
        self.tasks[task].caller.validity.end_step();
        let now = self.now;
        let State::Holding(_, body) = &mut self.tasks[task].state else { return };
        body.in_step = false;
        let again = std::mem::take(&mut body.again);
        if body.ends_at <= now {
            return self.end_body(task);
        }
        let rest = body.ends_at.since(now);
        if again {
            self.wake_soon(task);
        } else {
            let pause = self.random.between(1, 40).min(rest);
            self.after(pause, Event::Polls(task));
        }
    }

    /// The body renews its lease manually, up to three times at once.
    pub(super) fn renew_manually(&mut self, task: usize) {
        let (process, local) = (self.tasks[task].process, self.local(task));
        let State::Holding(holding, _) = &self.tasks[task].state else { return };
        let Some(id) = holding.id() else { return };
        let key = &self.tasks[task].key;
        let longest = self.keys.iter().find(|(name, _)| name == key).map_or(Duration::ZERO, |(_, ttl)| *ttl);
        let knows_sets = (self.plan.seed / 8) % 8 < 4 && (self.plan.seed / 8) % 8 != 2;
        if knows_sets && self.tasks[task].terms.kind == Kind::Exclusive && self.kinds.chance(60) {
            self.note(Some(process), || What::Text(format!("task {task} makes its lock a shared one")));
            self.checker.shares(task);
            let renewal = self.processes[process].client.downgrade(local, id);
            self.tasks[task].manual_renewals.push(renewal);
            let at = self.processes[process].when(local + OPERATION + LATE);
            self.at(at, Event::ManualOverdue(task, renewal));
            self.poll_manual_renewals(task);
            return self.settle(process);
        }
        let times = 1 + self.random.below(3);
        for _ in 0..times {
            let ttl = self.draw_ttl(longest);
            self.note(Some(process), || What::Text(format!("task {task} renews by hand for {} ms", ttl.as_millis())));
            let renewal = self.processes[process].client.renew_manually(local, id, ttl);
            self.tasks[task].manual_renewals.push(renewal);
            let at = self.processes[process].when(local + OPERATION + LATE);
            self.at(at, Event::ManualOverdue(task, renewal));
        }
        self.poll_manual_renewals(task);
        self.settle(process);
    }

    /// Drops the manual renewals that have an outcome.
    pub(super) fn poll_manual_renewals(&mut self, task: usize) {
        let (process, local) = (self.tasks[task].process, self.local(task));
        let State::Holding(holding, _) = &self.tasks[task].state else { return };
        let Some(id) = holding.id() else { return };
        let client = &mut self.processes[process].client;
        let awaits = |renewal: &Number| matches!(client.manual_next(local, id, *renewal), ManualStep::Pending);
        self.tasks[task].manual_renewals.retain(awaits);
    }

    pub(super) fn check_manual_overdue(&mut self, task: usize, renewal: Number) {
        if !matches!(self.tasks[task].state, State::Holding(..)) || !self.tasks[task].manual_renewals.contains(&renewal)
        {
            return;
        }
        let went_on = self.processes[self.tasks[task].process].frozen_until.max(self.task_sleeps_until(task));
        if self.now < went_on + LATE {
            return self.at(went_on + LATE, Event::ManualOverdue(task, renewal));
        }
        self.checker.found(|| format!("a renewal by hand of task {task} never comes back"));
    }

    /// The body ends by itself, one way or another.
    fn end_body(&mut self, task: usize) {
        let State::Holding(_, body) = &self.tasks[task].state else { return };
        let (token, succeeds) = (body.token, body.ending == Ending::Returns);
        let how = match body.ending {
            Ending::Returns => "returned",
            Ending::Fails => "failed",
            Ending::Panics => "panicked",
            Ending::IsDropped => return self.drop_body(task, "was dropped"),
        };
        self.note_body_gone(task, how);
        let (process, local, session) = (self.tasks[task].process, self.local(task), self.session_of(task));
        let caller = Rc::clone(&self.tasks[task].caller);
        let State::Holding(holding, _) = std::mem::replace(&mut self.tasks[task].state, State::Over) else { return };
        let client = &mut self.processes[process].client;
        if succeeds && holding.complete(client, local) == Completion::Done {
            self.node.marks.succeeded(token);
        }
        let (releasing, step) = holding.end(client, local, &caller.validity, RELEASE_TIMEOUT, session);
        self.on_release_step(task, releasing, step);
        self.settle(process);
    }

    fn lose_body(&mut self, task: usize, reason: LossReason) {
        let renews = self.tasks[task].terms.renew;
        self.checker.body_lost(task, reason, renews);
        let how = match reason {
            LossReason::Expired => "was dropped: the lease expired",
            LossReason::Stolen => "was dropped: the lock is not ours any more",
            LossReason::MaxHold => "was dropped: it had held the lock for long enough",
            _ => "was dropped: its process shuts down",
        };
        self.drop_body(task, how);
    }

    fn drop_body(&mut self, task: usize, how: &'static str) {
        self.note_body_gone(task, how);
        let (process, local) = (self.tasks[task].process, self.local(task));
        self.tasks[task].caller.validity.end();
        if let State::Holding(holding, _) = &mut self.tasks[task].state {
            holding.abandon(&mut self.processes[process].client, local);
        }
        self.tasks[task].state = State::Over;
        self.settle(process);
    }

    fn note_body_gone(&mut self, task: usize, how: &'static str) {
        self.checker.body_gone(task);
        let (process, about) = (self.tasks[task].process, self.about(task));
        self.note(Some(process), || What::Ends(about, how));
    }

    /// Polls a release that the task awaits.
    pub(super) fn poll_release(&mut self, task: usize) {
        let answer = self.take_answer(task).map(|(sent, answer)| {
            let result = answer.map(|reply| match reply {
                Reply::Released(reply) => reply,
                other => unreachable!("{other:?} is no answer to a release"),
            });
            ReleaseAnswer { via: sent.session, result }
        });
        let (process, local, session) = (self.tasks[task].process, self.local(task), self.session_of(task));
        let State::Releasing(mut releasing) = std::mem::replace(&mut self.tasks[task].state, State::Over) else {
            return;
        };
        let step = releasing.go_on(&mut self.processes[process].client, local, session, answer);
        self.on_release_step(task, releasing, step);
    }

    fn on_release_step(&mut self, task: usize, releasing: Releasing, step: ReleaseStep) {
        self.tasks[task].state = State::Releasing(releasing);
        match (step, self.session_of(task)) {
            (ReleaseStep::Send(request), Some(session)) => self.send_for_task(task, session, Request::Release(request)),
            (ReleaseStep::Done(_), _) => {
                self.tasks[task].sent = None;
                self.tasks[task].state = State::Over;
            }
            (ReleaseStep::AwaitAnswer, _) => {}
            _ => self.tasks[task].sent = None,
        }
    }

    /// The task is dropped, in whatever state; a step that has started ends first.
    pub(super) fn give_up(&mut self, task: usize) {
        let (process, local) = (self.tasks[task].process, self.local(task));
        let client = &mut self.processes[process].client;
        match &mut self.tasks[task].state {
            State::NotArrived => {}
            State::Over => return,
            State::Holding(_, body) if body.in_step => {
                body.ends_at = self.now;
                body.ending = Ending::IsDropped;
                return;
            }
            State::Holding(..) => return self.drop_body(task, "was dropped"),
            State::Acquiring(walk) => walk.abandon(client, local),
            State::Releasing(walk) => walk.abandon(client, local),
        }
        self.note(Some(process), || What::Text(format!("task {task} gives up")));
        self.tasks[task].sent = None;
        self.tasks[task].state = State::Over;
        self.settle(process);
    }

    /// An answer arrives at a task, which takes it if it still awaits it.
    pub(super) fn task_receives(
        &mut self,
        task: usize,
        packet: u64,
        answer: Result<Reply, lock_core::store::StoreError>,
    ) {
        let waits = self.tasks[task].sent.as_mut().filter(|sent| sent.packet == packet && sent.answer.is_none());
        if let Some(sent) = waits {
            sent.answer = Some(answer);
            self.wake_soon(task);
        }
    }

    pub(super) fn poll_task(&mut self, task: usize) {
        self.tasks[task].is_woken.set(false);
        if let State::NotArrived | State::Acquiring(_) = self.tasks[task].state {
            self.poll_acquire(task);
        } else if let State::Releasing(_) = self.tasks[task].state {
            self.poll_release(task);
        }
        if let State::Holding(..) = self.tasks[task].state {
            self.poll_manual_renewals(task);
            self.poll_body(task);
        }
        self.settle(self.tasks[task].process);
    }
}
