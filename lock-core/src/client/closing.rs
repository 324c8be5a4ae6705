//! How a core comes to rest: nobody new, then a grace for bodies, then a loss for those still there, then the releases.

use std::time::Duration;

use super::{Action, Core, Stage, TicketId};
use crate::store::LockKey;
use crate::store::LossReason;
use crate::store::Moment;

/// How long the releases may take once the bodies are gone.
const RELEASES: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Closing<S> {
    /// When the grace is over.
    lose_at: Moment,
    /// When the releases are not waited for any more; unknown until the bodies are gone.
    give_up: Option<Moment>,
    lost: usize,
    over: bool,
    /// Who waits for the end.
    watchers: Vec<S>,
}

/// What a closing came to.
#[derive(Debug)]
pub struct Closed {
    /// How many leases were lost to it.
    pub lost: usize,
    /// Keys whose body still runs or whose release is not confirmed.
    pub left: Vec<LockKey>,
}

impl<S> Closing<S> {
    pub(super) fn due(&self) -> Moment {
        if self.over { Moment::MAX } else { self.give_up.unwrap_or(self.lose_at) }
    }
}

impl<S: Clone> Core<S> {
    /// Refuses everyone who waits or comes; leases may end by themselves until the grace is over.
    pub fn close(&mut self, now: Moment, grace: Duration, watcher: S) {
        let lose_at = now + grace;
        if let Some(closing) = &mut self.closing {
            closing.lose_at = closing.lose_at.min(lose_at);
            closing.watchers.push(watcher);
        } else {
            let watchers = vec![watcher];
            self.closing = Some(Closing { lose_at, give_up: None, lost: 0, over: false, watchers });
            self.refuse_waiting(now);
            self.hurry_releases(now);
        }
        self.tick_closing(now);
    }

    /// Releases that are repeated, in case that an ask comes late, are repeated now; the rest is left to the ttl.
    fn hurry_releases(&mut self, now: Moment) {
        for id in self.releasing() {
            if let Some(Stage::Releasing(releasing)) = self.stage_mut(id) {
                releasing.close(now);
            }
            self.file(id);
        }
    }

    /// The keeper sends what tasks have yet to send, or sent: nobody may poll them any more.
    fn take_over_releases(&mut self, now: Moment) {
        for id in self.releasing() {
            if let Some(Stage::Releasing(releasing)) = self.stage_mut(id)
                && releasing.take_over(now)
            {
                self.abandon_rotation(now, id);
            }
            self.file(id);
        }
    }

    fn releasing(&self) -> Vec<TicketId> {
        self.tickets
            .iter()
            .filter(|(_, ticket)| matches!(ticket.stage, Stage::Releasing(_)))
            .map(|(id, _)| id)
            .collect()
    }

    /// What it came to, once it is over.
    pub fn closed(&self) -> Option<Closed> {
        let closing = self.closing.as_ref().filter(|closing| closing.over)?;
        let left = self.tickets.iter().filter(|(_, ticket)| !matches!(ticket.stage, Stage::Waiting(_)));
        Some(Closed { lost: closing.lost, left: left.map(|(_, ticket)| ticket.key.clone()).collect() })
    }

    /// Refuses everyone who waits or comes, because the process ends; answers with the leases, for whoever can tell
    /// which of their bodies is in the middle of a step.
    pub fn close_at_exit(&mut self, now: Moment, watcher: S) -> Vec<(TicketId, S)> {
        if let Some(closing) = &mut self.closing {
            // What a shutdown gave up on, or would soon, is waited for anew.
            (closing.over, closing.give_up) = (false, None);
        }
        self.close(now, Duration::MAX, watcher);
        self.take_over_releases(now);
        let held = self.tickets.iter().filter(|(_, ticket)| matches!(ticket.stage, Stage::Held(_)));
        held.filter_map(|(id, ticket)| Some((id, ticket.seat.clone()?))).collect()
    }

    pub(super) fn tick_closing(&mut self, now: Moment) {
        let Some(closing) = &mut self.closing else { return };
        if closing.over {
            return;
        }
        match closing.give_up {
            None if self.held == 0 || closing.lose_at <= now => {
                closing.give_up = Some(now + RELEASES);
                closing.lost += self.held;
                self.lose_all(now);
                self.tick_closing(now);
            }
            Some(give_up) if self.tickets.len() == self.waiting + self.settled || give_up <= now => {
                closing.over = true;
                let watchers = std::mem::take(&mut closing.watchers);
                self.actions.extend(watchers.into_iter().map(Action::Wake));
            }
            _ => {}
        }
    }

    fn lose_all(&mut self, now: Moment) {
        let held = self.tickets.iter().filter(|(_, ticket)| match &ticket.stage {
            Stage::Held(held) => held.lost.is_none(),
            _ => false,
        });
        let held: Vec<TicketId> = held.map(|(id, _)| id).collect();
        for id in held {
            self.lose(now, id, LossReason::Shutdown);
        }
    }
}
