//! Forged messages.

use std::time::Duration;

use lock_core::Moment;
use lock_core::store::{ClockId, ClockReading, Grant, Token};

use super::event::Event;
use super::history::What;
use super::plan::Over;
use super::tokens::owner;
use super::world::World;

impl World {
    /// A stranger sends a process a grant message over one of its sessions, and goes on with that until then.
    pub(super) fn forge_grant(&mut self, process: usize, until: Moment) {
        let over = if self.random.chance(50) { Over::Keepers } else { Over::Tasks };
        if let (Some(session), true) =
            (self.processes[process].connection(over).session, self.processes[process].is_running)
        {
            let old = self.processes[process].last_grant.clone().filter(|_| self.random.chance(50));
            let grant = old.unwrap_or_else(|| self.forged());
            self.note(Some(process), || What::Text(format!("is told by a stranger that {} is granted", grant.key)));
            let local = self.clock_of(process);
            let is_forged = owner(grant.token) >= self.processes.len();
            if self.processes[process].client.handed_over(local, session, &grant) && is_forged {
                self.checker.found(|| "a stranger's message was taken for a grant".to_owned());
            }
            self.settle(process);
        }
        if self.now < until {
            let pause = self.random.between(1, 60);
            self.after(pause, Event::Forges(process, until));
        }
    }

    /// A grant to a token that never existed.
    fn forged(&mut self) -> Grant {
        let key = self.keys[self.random.index(self.keys.len())].0.clone();
        let token = Token::from_bits(u128::MAX - u128::from(self.random.below(1 << 40)));
        let number = [0, 1, 1 << 53, u64::MAX][self.random.index(4)];
        let first_lease = Duration::from_millis(number);
        let clock = ClockReading::new(ClockId::from_bits(0), number);
        Grant::new(key, token, number, first_lease, clock).with_fences(u32::MAX)
    }
}
