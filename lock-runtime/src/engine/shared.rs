//! The client's state behind its mutex, and who carries out what it decides.
//!
//! Must stay true: under the mutex no foreign code runs; the keeper is woken only when something is due before what it
//! sleeps to, or when it overslept because the machine did.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::Notify;

use lock_core::Moment;

use crate::engine::lease_state::LeaseState;
use crate::engine::observe::Observed;
use crate::engine::sessions::{Gone, Hear, Sessions};
use crate::store::{Capabilities, Store};
use crate::system::clock;
use crate::system::foreign;
use crate::system::mutex::enter;
use lock_core::client::{ClientState, KeyId};
use lock_core::key::{Action, Job, SessionId, Settings};

/// What all handles of a client, its guards, its bodies and its keeper share.
#[derive(Debug)]
pub(crate) struct Shared {
    desk: Mutex<Desk>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) observed: Observed,
    /// The store's identity.
    pub(crate) place: Arc<str>,
    /// What the store claims.
    pub(crate) capabilities: Capabilities,
    pub(crate) default_ttl: Duration,
    pub(crate) operation_timeout: Duration,
    /// Wakes the keeper.
    pub(crate) rouse: Notify,
    /// No handle, guard or body is left.
    abandoned: AtomicBool,
}

#[derive(Debug)]
struct Desk {
    client: ClientState<Arc<LeaseState>>,
    /// When the keeper wakes by itself.
    keeper_wakes: Moment,
}

impl Desk {
    /// Whether the keeper has to be woken: something is due before it wakes by itself, or it should be awake already.
    /// Its timer stands still while the machine sleeps, and the clock does not.
    fn rouses_keeper(&mut self, now: Moment) -> bool {
        let overslept = Moment::MIN < self.keeper_wakes && self.keeper_wakes <= now;
        let rouse = overslept || self.client.soonest() < self.keeper_wakes;
        if rouse {
            // Once is enough.
            self.keeper_wakes = Moment::MIN;
        }
        rouse
    }
}

/// What the keeper does in one round.
pub(crate) struct Round {
    pub(crate) now: Moment,
    pub(crate) jobs: Vec<(KeyId, Job)>,
    /// Until when it may sleep.
    pub(crate) due: Moment,
    pub(crate) idle: bool,
}

impl Shared {
    pub(crate) fn new(store: Arc<dyn Store>, default_ttl: Duration, settings: Settings) -> Arc<Self> {
        let (place, operation_timeout) = (Arc::from(store.identity()), settings.operation_timeout);
        Arc::new_cyclic(|shared: &Weak<Self>| {
            let (hearing, tended) = (Weak::clone(shared), Weak::clone(shared));
            let hear: Hear = Arc::new(move |session: SessionId, grant| {
                hearing.upgrade().is_some_and(|shared| shared.with(|client, now| client.handed(now, session, &grant)))
            });
            let gone: Gone = Arc::new(move |session| {
                if let Some(shared) = tended.upgrade() {
                    shared.with(|client, now| client.session_gone(now, session));
                }
            });
            Self {
                desk: Mutex::new(Desk { client: ClientState::new(settings), keeper_wakes: Moment::MIN }),
                sessions: Sessions::new(store, settings.listener, operation_timeout, hear, gone),
                observed: Observed::default(),
                place,
                capabilities: settings.capabilities,
                default_ttl,
                operation_timeout,
                rouse: Notify::new(),
                abandoned: AtomicBool::new(false),
            }
        })
    }

    /// Tells the core what happened, at the time that it is told, and does what it answers.
    pub(crate) fn with<R>(&self, tell: impl FnOnce(&mut ClientState<Arc<LeaseState>>, Moment) -> R) -> R {
        let outside = foreign::stays_out();
        let mut desk = enter(&self.desk);
        let now = clock::now();
        let answer = tell(&mut desk.client, now);
        let actions = desk.client.take_actions();
        let rouse = desk.rouses_keeper(now);
        drop(desk);
        drop(outside);
        if rouse {
            self.rouse.notify_one();
        }
        self.carry_out(actions);
        answer
    }

    /// The keeper's round: everything that is due.
    pub(crate) fn keeper_round(&self) -> Round {
        let outside = foreign::stays_out();
        let mut desk = enter(&self.desk);
        let now = clock::now();
        let jobs = desk.client.work(now);
        let actions = desk.client.take_actions();
        let due = desk.client.next_due();
        desk.keeper_wakes = due;
        let idle = desk.client.is_idle();
        drop(desk);
        drop(outside);
        self.carry_out(actions);
        Round { now, jobs, due, idle }
    }

    /// No handle, guard or body is left: the keeper ends when it has nothing more to do.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::SeqCst);
        self.rouse.notify_one();
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::SeqCst)
    }

    /// Whoever is told last is told also when something panics that is told before.
    fn carry_out(&self, actions: Vec<Action<Arc<LeaseState>>>) {
        for action in actions {
            match action {
                Action::Wake(state) => state.wake(),
                Action::Extend(state, until) => state.validity.extend(until),
                Action::Lose(state, reason) => {
                    // Counted before anybody is woken; told after, since a subscriber is foreign code and may be slow.
                    self.observed.count_lost();
                    state.lose(reason);
                    foreign::run(|| Observed::lost(&state.key, state.validity.fence(), reason));
                }
                // It asks a session whether it is open.
                Action::TimedOut(session) => foreign::run(|| self.sessions.timed_out(session)),
            }
        }
    }
}

#[cfg(test)]
mod tests;
