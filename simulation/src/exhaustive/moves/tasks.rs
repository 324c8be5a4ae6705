//! The tasks: they drive the library's own walk from arrival to release.

use lock_core::key::{Number, Refusal, ReleaseStep, Via};
use lock_core::lease::{Terms, Validity, Wait};
use lock_core::store::{Kind, StoreError};
use lock_core::walk::{AcquireStep, Acquiring, Holding, RELEASE_TIMEOUT, ReleaseAnswer, Releasing, Start};
use lock_core::{LossReason, Moment};

use crate::exhaustive::plan::Plan;
use crate::exhaustive::state::client::KEY;
use crate::exhaustive::state::memory::Broken;
use crate::exhaustive::state::packet::{From, listener};
use crate::exhaustive::state::task::{Body, Sent, State, Task};
use crate::exhaustive::state::world::World;
use crate::request::{Reply, Request, acquire_answer};

impl World {
    pub(crate) fn task_arrives(&mut self, plan: &Plan, task: usize) {
        let (process, terms) = plan.calls[task];
        let (token, now, via) = (self.new_token(), self.now, self.via(plan, process));
        let client = &mut self.processes[process].client;
        let (walk, step) = Acquiring::arrive(client, now, via, (&*KEY, token, task), terms);
        self.tasks[task].state = State::Acquiring(walk, now);
        self.on_acquire_step(plan, task, step);
    }

    /// A task is polled: it takes its answer, and goes on.
    pub(crate) fn task_polls(&mut self, plan: &Plan, task: usize) {
        self.tasks[task].is_woken = false;
        match self.tasks[task].state {
            State::Acquiring(..) => self.poll_acquire(plan, task),
            State::Releasing(_) => self.poll_release(plan, task),
            State::Holding(_) => {
                self.poll_manual_renewals(plan, task);
                self.poll_body(plan, task);
            }
            State::NotArrived | State::Over => {}
        }
    }

    fn take_answer(&mut self, task: usize) -> Option<(Sent, Result<Reply, StoreError>)> {
        let mut sent = self.tasks[task].sent.take_if(|sent| sent.answer.is_some())?;
        let answer = sent.answer.take()?;
        if let Ok(reply) = &answer {
            self.memory.answered(sent.at, &sent.request, reply);
        }
        Some((sent, answer))
    }

    /// The session of the tasks' runtime, as the client's state knows it.
    fn via(&self, plan: &Plan, process: usize) -> Option<Via> {
        let session = self.tasks_session(process)?;
        Some(Via { session, listener: plan.has_messages.then(|| listener(process, session)) })
    }

    fn poll_acquire(&mut self, plan: &Plan, task: usize) {
        let answer = self.take_answer(task).map(|(sent, answer)| acquire_answer(&sent.request, sent.at, answer));
        let (process, now) = (plan.calls[task].0, self.now);
        let via = self.via(plan, process);
        let State::Acquiring(walk, _) = &mut self.tasks[task].state else { return };
        let step = walk.go_on(&mut self.processes[process].client, now, via, answer);
        self.on_acquire_step(plan, task, step);
    }

    fn on_acquire_step(&mut self, plan: &Plan, task: usize, step: AcquireStep) {
        match step {
            AcquireStep::Send(request) => self.send_for_task(plan, task, Request::Ask(request)),
            AcquireStep::AwaitAnswer => {}
            AcquireStep::Pending => self.tasks[task].sent = None,
            AcquireStep::Granted { holding, fence, until } => self.begin(plan, task, holding, fence, until),
            AcquireStep::Refused(refusal, _) => {
                if matches!(refusal, Refusal::Unavailable(_)) {
                    self.check_cause(plan);
                }
                self.task_is_over(task);
            }
        }
        self.settle(plan.calls[task].0);
    }

    fn send_for_task(&mut self, plan: &Plan, task: usize, request: Request) {
        let process = plan.calls[task].0;
        let session = self.tasks_session(process).expect("a task sends over a session that is open");
        let number = self.send(process, session, From::Task(task), request.clone());
        self.tasks[task].sent = Some(Sent { number, at: self.now, session, request, answer: None });
    }

    /// The task has its grant, and its body begins at once.
    fn begin(&mut self, plan: &Plan, task: usize, holding: Holding, fence: u64, until: Moment) {
        let (process, Terms { kind, min_hold, .. }) = plan.calls[task];
        let token = holding.id().and_then(|id| self.processes[process].client.token_of(id));
        let token = token.expect("a lease has a token");
        self.check_order(plan, task);
        if self.memory.kept_until.is_some_and(|until| self.now < until) {
            self.found(Broken::MinHoldIgnored);
        }
        if let Some(broken) = self.memory.begins(token, kind, fence) {
            self.found(broken);
        }
        // It counts from the grant, which a stalled task sees later.
        let sees_at_once = self.faults.stalls == plan.faults.stalls;
        self.memory.kept_until = min_hold.filter(|_| sees_at_once).map(|min_hold| self.now + min_hold);
        let ends_by = self.now + plan.longest_body;
        let mut body = Body { holding, token, until: Moment::MIN, loss: None, ends_by };
        let validity = Validity::default();
        validity.granted(fence, until);
        body.set_validity(&validity);
        (self.tasks[task].state, self.tasks[task].sent) = (State::Holding(body), None);
    }

    /// Within a client, calls are served in order of arrival.
    fn check_order(&mut self, plan: &Plan, granted: usize) {
        let arrival = |task: usize| match &self.tasks[task].state {
            State::Acquiring(walk, arrived) => walk.id().map(|id| (id, *arrived)),
            _ => None,
        };
        let (process, now) = (plan.calls[granted].0, self.now);
        let Some((id, _)) = arrival(granted) else { return };
        let is_overtaken = plan.calls.iter().enumerate().any(|(other, (of, terms))| {
            let still_waits = |arrived: Moment| match terms.wait {
                Wait::Forever => true,
                Wait::AtMost(wait) => now < arrived + wait,
            };
            *of == process
                && arrival(other).is_some_and(|(earlier, arrived)| {
                    earlier < id && still_waits(arrived) && !self.processes[process].client.has_refused(earlier)
                })
        });
        if is_overtaken {
            self.found(Broken::OutOfOrder);
        }
    }

    /// One step of the body, or its end.
    fn poll_body(&mut self, plan: &Plan, task: usize) {
        let (process, now) = (plan.calls[task].0, self.now);
        let State::Holding(body) = &mut self.tasks[task].state else { return };
        if body.may_step(now) {
            return;
        }
        let validity = body.validity();
        let start = body.holding.ask_again(&mut self.processes[process].client, now, &validity);
        body.set_validity(&validity);
        match start {
            Start::Now | Start::NeverAgain => self.settle(process),
            Start::Lost(reason) => self.lose_body(plan, task, reason),
        }
    }

    /// The body renews its lease manually.
    pub(crate) fn renews_manually(&mut self, plan: &Plan, task: usize) {
        let (process, Terms { ttl, .. }) = plan.calls[task];
        let State::Holding(body) = &self.tasks[task].state else { return };
        let Some(id) = body.holding.id() else { return };
        let renewal = self.processes[process].client.renew_manually(self.now, id, ttl / 2);
        self.tasks[task].manual.push((renewal, self.now));
        self.settle(process);
    }

    /// The body makes its lease a shared one, once.
    pub(crate) fn makes_shared(&mut self, plan: &Plan, task: usize) {
        let process = plan.calls[task].0;
        let State::Holding(body) = &self.tasks[task].state else { return };
        let Some(id) = body.holding.id() else { return };
        let renewal = self.processes[process].client.downgrade(self.now, id);
        self.tasks[task].manual.push((renewal, self.now));
        self.settle(process);
    }

    /// Whether this body's lease is exclusive still.
    pub(crate) fn is_exclusive(&self, plan: &Plan, task: usize) -> bool {
        let State::Holding(body) = &self.tasks[task].state else { return false };
        let client = &self.processes[plan.calls[task].0].client;
        body.holding.id().and_then(|id| client.kind_of(id)) == Some(Kind::Exclusive)
    }

    /// Drops the manual renewals that have an outcome.
    fn poll_manual_renewals(&mut self, plan: &Plan, task: usize) {
        let (now, Task { state, manual, .. }) = (self.now, &mut self.tasks[task]);
        let State::Holding(body) = state else { return };
        let Some(id) = body.holding.id() else { return };
        let client = &mut self.processes[plan.calls[task].0].client;
        manual.retain(|(renewal, _)| client.awaits_manual(now, id, *renewal));
    }

    fn lose_body(&mut self, plan: &Plan, task: usize, reason: LossReason) {
        let (_, Terms { renew, .. }) = plan.calls[task];
        if reason == LossReason::Stolen || reason == LossReason::Expired && renew {
            self.check_cause(plan);
        }
        self.memory.kept_until = None;
        self.drop_body(plan, task);
    }

    fn drop_body(&mut self, plan: &Plan, task: usize) {
        let (process, now) = (plan.calls[task].0, self.now);
        if let State::Holding(body) = &mut self.tasks[task].state {
            body.holding.abandon(&mut self.processes[process].client, now);
        }
        self.task_is_over(task);
        self.settle(process);
    }

    /// The body returns, and its release is awaited.
    pub(crate) fn body_ends(&mut self, plan: &Plan, task: usize) {
        let (process, now) = (plan.calls[task].0, self.now);
        let session = self.tasks_session(process);
        self.tasks[task].manual.clear();
        let State::Holding(body) = std::mem::replace(&mut self.tasks[task].state, State::Over) else { return };
        let validity = body.validity();
        let (releasing, step) =
            body.holding.end(&mut self.processes[process].client, now, &validity, RELEASE_TIMEOUT, session);
        self.on_release_step(plan, task, releasing, step);
    }

    fn poll_release(&mut self, plan: &Plan, task: usize) {
        let answer = self.take_answer(task).map(|(sent, answer)| {
            let result = answer.map(|reply| match reply {
                Reply::Released(reply) => reply,
                other => unreachable!("{other:?} is no answer to a release"),
            });
            ReleaseAnswer { via: sent.session, result }
        });
        let (process, now) = (plan.calls[task].0, self.now);
        let session = self.tasks_session(process);
        let State::Releasing(mut walk) = std::mem::replace(&mut self.tasks[task].state, State::Over) else { return };
        let step = walk.go_on(&mut self.processes[process].client, now, session, answer);
        self.on_release_step(plan, task, walk, step);
    }

    fn on_release_step(&mut self, plan: &Plan, task: usize, walk: Releasing, step: ReleaseStep) {
        self.tasks[task].state = State::Releasing(walk);
        match step {
            ReleaseStep::Send(request) => self.send_for_task(plan, task, Request::Release(request)),
            ReleaseStep::AwaitAnswer => {}
            ReleaseStep::Pending => self.tasks[task].sent = None,
            ReleaseStep::Done(_) => self.task_is_over(task),
        }
        self.settle(plan.calls[task].0);
    }

    /// The task is dropped, whatever it does.
    pub(crate) fn task_is_dropped(&mut self, plan: &Plan, task: usize) {
        let (process, now) = (plan.calls[task].0, self.now);
        let client = &mut self.processes[process].client;
        match &mut self.tasks[task].state {
            State::NotArrived | State::Over => return,
            State::Holding(_) => return self.drop_body(plan, task),
            State::Acquiring(walk, _) => walk.abandon(client, now),
            State::Releasing(walk) => walk.abandon(client, now),
        }
        self.task_is_over(task);
        self.settle(process);
    }

    /// An answer reaches a task, unless it does not await it any more.
    pub(crate) fn task_receives(&mut self, task: usize, number: Number, answer: Result<Reply, StoreError>) {
        let awaited = self.tasks[task].sent.as_mut().filter(|sent| sent.number == number);
        if let Some(sent) = awaited.filter(|sent| sent.answer.is_none()) {
            sent.answer = Some(answer);
        }
    }

    fn task_is_over(&mut self, task: usize) {
        self.tasks[task].stop();
    }

    /// While nothing went wrong, no call fails.
    fn check_cause(&mut self, plan: &Plan) {
        if self.faults == plan.faults {
            self.found(Broken::LostWithoutCause);
        }
    }
}
