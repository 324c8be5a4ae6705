//! The client's state behind its mutex, and the code that carries out its actions.
//!
//! Must stay true: no foreign code runs while the mutex is locked; the keeper is woken only when something is due
//! before it wakes by itself, or when it overslept because the machine was suspended.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::Notify;

use lock_core::{LockKey, Moment};

use crate::engine::alarms::Alarms;
use crate::engine::digest::Failed;
use crate::engine::inquiries::Inquiries;
use crate::engine::introduction::Introduction;
use crate::engine::lease_state::LeaseState;
use crate::engine::observe::{self, Observed};
use crate::engine::sessions::{OnGone, OnGrant, OnOpen, Sessions};
use crate::engine::thread::KeeperThread;
use crate::store::{Capabilities, Store, StoreError};
use crate::system::clock;
use crate::system::foreign;
use crate::system::forks::Process;
use crate::system::mutex::enter;
use lock_core::client::{ClientState, Probe, SessionTable as _};
use lock_core::key::{Action, Job, KeyId, SessionId, Settings};

/// Shared by all handles of a client, its guards, its bodies and its keeper.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) observed: Observed,
    pub(crate) introduction: Introduction,
    pub(crate) inquiries: Inquiries,
    pub(crate) alarms: Alarms,
    /// The store's identity.
    pub(crate) place: Arc<str>,
    /// What the store claims.
    pub(crate) capabilities: Capabilities,
    pub(crate) default_ttl: Duration,
    pub(crate) operation_timeout: Duration,
    /// How long the caller of a body that has ended waits for its release at most.
    pub(crate) release_timeout: Duration,
    /// Wakes the keeper.
    pub(crate) wake_keeper: Notify,
    pub(crate) thread: KeeperThread,
    /// No handle, guard or body is left.
    abandoned: AtomicBool,
    made_in: Process,
}

#[derive(Debug)]
struct State {
    client: ClientState<Arc<LeaseState>>,
    /// When the keeper wakes by itself.
    keeper_wakes: Moment,
}

impl State {
    /// Whether the keeper has to be woken: something is due before it wakes by itself, or it should be awake already.
    /// Its timer stops while the machine is suspended, and the clock does not.
    fn should_wake_keeper(&mut self, now: Moment) -> bool {
        let overslept = Moment::MIN < self.keeper_wakes && self.keeper_wakes <= now;
        let wake = overslept || self.client.soonest() < self.keeper_wakes;
        if wake {
            // One wake-up is enough.
            self.keeper_wakes = Moment::MIN;
        }
        wake
    }
}

/// The keeper's work in one round.
pub(crate) struct Round {
    pub(crate) now: Moment,
    pub(crate) jobs: Vec<(KeyId, Job)>,
    /// The session that carries them, the keeper's own or one that stands in for it; none if there is no job.
    pub(crate) over: Option<SessionId>,
    pub(crate) probes: Vec<Probe>,
    /// Until when it may sleep.
    pub(crate) due: Moment,
    pub(crate) idle: bool,
    /// Whether the client is closed.
    pub(crate) closed: bool,
}

/// What a client's calls have where they ask for nothing else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) default_ttl: Duration,
    pub(crate) release_timeout: Duration,
}

impl Shared {
    pub(crate) fn new(store: Arc<dyn Store>, bounds: Bounds, settings: Settings) -> Arc<Self> {
        let Bounds { default_ttl, release_timeout } = bounds;
        let (place, operation_timeout) = (Arc::from(store.identity()), settings.operation_timeout);
        Arc::new_cyclic(|shared: &Weak<Self>| {
            let (for_grants, for_open, for_gone) = (Weak::clone(shared), Weak::clone(shared), Weak::clone(shared));
            let on_grant: OnGrant = Arc::new(move |session: SessionId, grant| {
                for_grants
                    .upgrade()
                    .is_some_and(|shared| shared.with(|client, now| client.handed_over(now, session, &grant)))
            });
            let on_open: OnOpen = Arc::new(move |session| {
                if let Some(shared) = for_open.upgrade() {
                    shared.with(|client, now| client.session_opened(now, session));
                }
            });
            let on_gone: OnGone = Arc::new(move |session| {
                if let Some(shared) = for_gone.upgrade() {
                    shared.with(|client, now| client.session_gone(now, session));
                }
            });
            Self {
                state: Mutex::new(State { client: ClientState::new(settings), keeper_wakes: Moment::MIN }),
                sessions: Sessions::new(store, settings.listener, operation_timeout, on_grant, (on_open, on_gone)),
                observed: Observed::default(),
                introduction: Introduction::new(settings.listener),
                inquiries: Inquiries::default(),
                alarms: Alarms::default(),
                place,
                capabilities: settings.capabilities,
                default_ttl,
                operation_timeout,
                release_timeout,
                wake_keeper: Notify::new(),
                thread: KeeperThread::default(),
                abandoned: AtomicBool::new(false),
                made_in: Process::current(),
            }
        })
    }

    /// Whether this is a copy in a process that was forked from the client's own. Nothing in here may be used then: a
    /// thread that is not here may have it locked.
    pub(crate) fn is_forked(&self) -> bool {
        self.made_in.is_parent()
    }

    /// Tells the client's state an event at the current time, and carries out the actions.
    pub(crate) fn with<R>(&self, tell: impl FnOnce(&mut ClientState<Arc<LeaseState>>, Moment) -> R) -> R {
        let outside = foreign::stays_out();
        let mut state = enter(&self.state);
        let now = clock::now();
        let answer = tell(&mut state.client, now);
        let actions = state.client.take_actions();
        let wake = state.should_wake_keeper(now);
        drop(state);
        drop(outside);
        if wake {
            self.wake_keeper.notify_one();
        }
        self.carry_out(actions);
        answer
    }

    /// The keeper's round: everything that is due.
    pub(crate) fn keeper_round(&self) -> Round {
        let outside = foreign::stays_out();
        let mut state = enter(&self.state);
        let now = clock::now();
        // What is sent in this round goes over it, also if it is suspected at the end.
        let over = state.client.carrier();
        let jobs = state.client.work(now);
        let probes = state.client.take_probes();
        let actions = state.client.take_actions();
        let due = state.client.next_due();
        state.keeper_wakes = due;
        let (idle, closed) = (state.client.is_idle(), state.client.is_closed());
        drop(state);
        drop(outside);
        self.carry_out(actions);
        Round { now, jobs, over, probes, due, idle, closed }
    }

    /// No handle, guard or body is left: the keeper ends when it has nothing left to do.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::SeqCst);
        self.wake_keeper.notify_one();
    }

    /// Something failed that may fail for very many locks at once. The keeper wakes to tell what is held back.
    pub(crate) fn tell_of(&self, failed: Failed, key: &LockKey, error: Option<&StoreError>) {
        let mut wakes = false;
        foreign::run(|| wakes = self.observed.failed(clock::now(), failed, key, error));
        if wakes {
            self.wake_keeper.notify_one();
        }
    }

    /// Returns after so long, or at once when the client shuts down. The keeper keeps the time.
    pub(crate) async fn pause(&self, time: Duration) {
        if time.is_zero() || self.is_forked() {
            return;
        }
        let rings = self.alarms.set(clock::now() + time);
        self.wake_keeper.notify_one();
        // Whoever begins to shut down rings all after this is so, and the keeper before it ends.
        let is_over = self.with(|client, _| client.is_closing()) || self.thread.has_ended();
        if !is_over {
            let _ = rings.await;
        }
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::SeqCst)
    }

    /// A panic in one action does not keep the others from being carried out.
    fn carry_out(&self, actions: Vec<Action<Arc<LeaseState>>>) {
        for action in actions {
            match action {
                Action::Wake(state) => state.wake(),
                Action::Extend(state, until) => state.validity.extend(until),
                Action::Lose(state, reason) => {
                    // Counted before anybody is woken; logged after, because a subscriber is foreign code and may be
                    // slow.
                    self.observed.count_lost();
                    state.lose(reason);
                    foreign::run(|| Observed::lost(state.span.as_ref(), &state.key, state.validity.fence(), reason));
                }
                Action::PassedOver(state, _) => {
                    state.wake();
                    self.tell_of(Failed::Look, &state.key, None);
                }
                Action::HalfOver(state, since) => {
                    foreign::run(|| observe::half_over(state.span.as_ref(), &state.key, since));
                }
                Action::ShowPolled(state, ttl) => {
                    if state.show_polled() {
                        foreign::run(|| observe::not_polled(state.span.as_ref(), &state.key, ttl));
                    }
                }
                // It asks a session whether it is open, which is foreign code.
                Action::Replace(session) => foreign::run(|| self.sessions.replace(session)),
            }
        }
    }
}

#[cfg(test)]
mod tests;
