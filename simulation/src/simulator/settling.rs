//! Carries out a client's actions after it was told an event: wakes tasks, and schedules its keeper.

use lock_core::Moment;
use lock_core::key::Action;

use super::event::Event;
use super::world::World;

impl World {
    /// To be called whenever a client was told anything.
    pub(super) fn settle(&mut self, process: usize) {
        let era = self.processes[process].era;
        for action in self.processes[process].client.take_actions() {
            match action {
                Action::HalfOver(..) => {}
                Action::Wake(caller) | Action::PassedOver(caller, _) | Action::ShowPolled(caller, _) => {
                    if let Some(task) = caller.task {
                        self.wake_soon(task);
                    }
                }
                Action::Extend(caller, until) => caller.validity.extend(until),
                Action::Lose(caller, reason) => {
                    caller.validity.lose(reason);
                    if let Some(task) = caller.task {
                        self.wake_soon(task);
                    }
                }
                Action::Replace(session) => self.next(Event::Ends(process, era, session)),
            }
        }
        let host = &mut self.processes[process];
        if let Some(what) = host.client.inconsistency() {
            self.checker.found(|| format!("process {process}: {what}"));
        }
        let due = host.client.next_due();
        let due = host.keeper.wakes_at(due);
        if due == Moment::MAX {
            return;
        }
        let at = host.when(due).max(self.now);
        if at < host.keeper_wakes_at {
            host.keeper_wakes_at = at;
            self.at(at, Event::KeeperWakes(process, era));
        }
    }
}
