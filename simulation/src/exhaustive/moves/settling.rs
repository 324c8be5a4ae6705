//! What a client wants done once it was told something: tasks are woken, and leases extended or lost.

use lock_core::Moment;
use lock_core::key::Action;

use crate::exhaustive::state::memory::Broken;
use crate::exhaustive::state::task::State;
use crate::exhaustive::state::world::World;

impl World {
    /// To be called whenever a client was told anything.
    pub(crate) fn settle(&mut self, process: usize) {
        for action in self.processes[process].client.take_actions() {
            match action {
                Action::Wake(task) | Action::PassedOver(task, _) | Action::ShowPolled(task, _) => self.wake(task),
                Action::HalfOver(..) => {}
                Action::Extend(task, until) => self.extend(task, until),
                Action::Lose(task, reason) => {
                    if let State::Holding(body) = &mut self.tasks[task].state {
                        let validity = body.validity();
                        validity.lose(reason);
                        body.set_validity(&validity);
                    }
                    self.wake(task);
                }
                Action::Replace(session) => unreachable!("no session is probed here, so none is replaced: {session:?}"),
            }
        }
    }

    fn wake(&mut self, task: usize) {
        let task = &mut self.tasks[task];
        task.is_woken = !matches!(task.state, State::Over);
    }

    fn extend(&mut self, task: usize, until: Moment) {
        let State::Holding(body) = &mut self.tasks[task].state else { return };
        let (validity, was_lost) = (body.validity(), body.loss.is_some());
        validity.extend(until);
        body.set_validity(&validity);
        if was_lost {
            self.found(Broken::LossRevived);
        }
    }
}
