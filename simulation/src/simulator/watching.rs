//! A periodic check whether a key is waited for in vain, or held by an orphaned token.

use std::time::Duration;

use super::event::Event;
use super::process::START;
use super::task::{State, Task};
use super::tokens::owner;
use super::world::World;

/// How often.
pub(super) const WATCH: Duration = Duration::from_millis(250);

/// How long a task that is not polled holds up a key that was granted to it.
const LOOKS_WITHIN: Duration = Duration::from_millis(1_200);

impl World {
    /// Checks whether a key is waited for in vain, or held by an orphaned token.
    pub(super) fn watch(&mut self) {
        let troubled = self.plan.faults.iter().any(|fault| {
            let (from, to) = (START + fault.from, START + fault.from + fault.lasts + WATCH);
            (from..=to).contains(&self.now) && !fault.trouble.is_unpolled()
        });
        // A half-open connection is found by two operations without an answer, as soon as there are any.
        let half_open =
            self.processes.iter().any(|process| process.connections.iter().any(|connection| connection.dead));
        if troubled || half_open {
            self.checker.in_trouble();
        } else {
            for n in 0..self.keys.len() {
                self.watch_key(n);
            }
        }
        let at_rest = self.probing
            && self.tasks.iter().all(|task| matches!(task.state, State::Over))
            && self.processes.iter().all(|process| process.client.is_idle());
        if !at_rest {
            self.after(WATCH, Event::Watches);
        }
    }

    fn watch_key(&mut self, n: usize) {
        let (key, ttl) = self.keys[n].clone();
        let asks = |task: &Task| matches!(task.state, State::Acquiring(_)) && task.key == key;
        let sleeps = |task: usize| self.now < self.task_sleeps_until(task) + LOOKS_WITHIN;
        let (asleep, awake): (Vec<usize>, Vec<usize>) =
            (0..self.tasks.len()).filter(|&task| asks(&self.tasks[task])).partition(|&task| sleeps(task));
        let waited_for = !awake.is_empty();
        // A waiter that died without the store's notice is handed the key once, and one whose task is not polled too.
        let lasts = if self.checker.is_calm() { Duration::from_millis(500) } else { ttl };
        let asleep = u32::try_from(asleep.len()).unwrap_or(u32::MAX);
        let bound = (lasts + Duration::from_secs(1)) * (1 + self.unnoticed) + LOOKS_WITHIN * asleep;
        self.checker.watch_waiters(self.now, &key, waited_for, bound);
        let holders = self.node.model.holders(self.node.clock(self.now), &key);
        let orphan = holders.into_iter().map(|(token, _)| token).find(|token| {
            let process = self.processes.get(owner(*token));
            process.is_some_and(|process| !process.may_leave(*token) && !process.client.knows(*token))
        });
        self.checker.watch_orphans(self.now, &key, orphan);
    }
}
