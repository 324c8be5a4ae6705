//! Tasks that are not polled for a while, by themselves or with their runtime.

use lock_core::Moment;
use lock_core::key::SessionId;
use lock_core::lease::Wait;

use super::event::Event;
use super::plan::Over;
use super::process::OPERATION;
use super::task::{State, Task};
use super::world::World;

impl World {
    /// The runtime of a process stands still, and the bodies on it.
    pub(super) fn stand_still(&mut self, process: usize, until: Moment) {
        self.processes[process].still_until = self.processes[process].still_until.max(until);
        for task in 0..self.tasks.len() {
            if self.tasks[task].process == process && self.tasks[task].is_on_runtime {
                self.checker.held_up(task, until);
            }
        }
    }

    /// Until when this event has to wait, because it takes a task that is polled or a runtime that goes on.
    pub(super) fn sleeps_until(&self, event: &Event) -> Option<Moment> {
        let until = match event {
            Event::Polls(task) | Event::StepEnds(task) | Event::GivesUp(task) | Event::RenewsManually(task) => {
                self.task_sleeps_until(*task)
            }
            Event::Arrives(packet) | Event::Returns(packet, _) | Event::ScriptForgotten(packet) => {
                self.session_sleeps_until(packet.process, packet.session)
            }
            Event::ReceivesGrant(process, _, session, _) => self.session_sleeps_until(*process, *session),
            Event::Opens(process, _, Over::Tasks) => self.processes[*process].still_until,
            _ => return None,
        };
        (self.now < until).then_some(until)
    }

    /// Until when this task is not polled; in the past if it is.
    pub(super) fn task_sleeps_until(&self, task: usize) -> Moment {
        let Some(it) = self.tasks.get(task) else { return Moment::MIN };
        let host = &self.processes[it.process];
        let is_asleep = task % 4 == 0 && matches!(it.state, State::Acquiring(_));
        let still = if it.is_on_runtime { host.still_until } else { Moment::MIN };
        if is_asleep { host.sleeps_until.max(still) } else { still }
    }

    /// Until when a task was not polled, if it was there by then; it may have been passed over.
    fn slept_until(&self, task: usize) -> Option<Moment> {
        let Task { process, arrived, .. } = &self.tasks[task];
        let host = &self.processes[*process];
        let until = host.sleeps_until.max(host.still_until);
        // It may have been stopped at the end of that.
        (host.when(*arrived) < until).then_some(until.max(host.frozen_until))
    }

    /// Whether its place in line may be another than that of its coming.
    pub(super) fn has_slept(&self, task: usize) -> bool {
        self.slept_until(task).is_some()
    }

    /// When a task that was not polled for a while should have its answer: its time counts from its first poll, and one
    /// that was passed over is asked for once more.
    pub(super) fn due_after_sleep(&self, task: usize) -> Moment {
        let Wait::AtMost(wait) = self.tasks[task].terms.wait else { return Moment::MIN };
        self.slept_until(task).map_or(Moment::MIN, |until| until + wait.max(OPERATION))
    }

    /// Until when nobody reads or writes over the session of a runtime.
    pub(super) fn session_sleeps_until(&self, process: usize, session: SessionId) -> Moment {
        let host = &self.processes[process];
        if host.connection_of(session) == Some(Over::Tasks) { host.still_until } else { Moment::MIN }
    }
}
