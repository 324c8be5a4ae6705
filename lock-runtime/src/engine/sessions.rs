//! All sessions of a client: to each node of the store one for each tokio runtime that calls, and one for the keeper;
//! or the keeper's for all, where the store wants one alone. Every store so far has one node.
//!
//! A runtime's session is opened by a task on that runtime once it has called a few times, and ends with the runtime:
//! one that is made for a call and dropped behind it costs the server no connection. Until it is open, and where there
//! is no runtime, the keeper's is used.
//! Must stay true: nobody waits for a runtime's session; a session that fails is silently replaced, stays replaced, and
//! nothing that arrives over it afterwards counts; what changes with a node lives with its session; a runtime has one
//! task of ours for each session, and briefly a second while the first is told to end. Deliberately absent: timers on a
//! user's runtime, which may have none; an opening that takes too long is noticed by the next call.

mod client_session;

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::Poll;
use std::time::Duration;

use foldhash::HashMap;
use tokio::runtime::{Handle, Id};
use tokio::sync::Notify;

use lock_core::Moment;
use lock_core::store::NodeId;

use crate::store::{Grant, Listener, ListenerId, Store, StoreError};
use crate::system::clock;
use crate::system::mutex::enter;
use lock_core::key::SessionId;

pub(crate) use client_session::ClientSession;

/// How long after a failure a runtime tries again to open its session.
const PAUSE: Duration = Duration::from_secs(1);

/// How often a session that should be open by now is asked for before its opening is started again: so often that the
/// runtime must have been polled enough to finish it.
const ASKED_LATE: u32 = 16;

/// How often a runtime asks for its session before one is opened for it. A call asks about four times.
const ASKED_FIRST: u32 = 12;

/// How many runtimes that have not asked so often are remembered; each may be gone already.
const MOST_NEW: usize = 64;

/// Receives a grant message over a session; returns at once whether a waiter expected it.
pub(crate) type OnGrant = Arc<dyn Fn(SessionId, Grant) -> bool + Send + Sync>;

/// The runtime and the node that a slot's session joins.
type Ends = (Id, NodeId);

#[derive(Debug, Clone)]
enum Slot {
    /// The runtime has asked so often, first at this moment.
    New {
        asked: u32,
        since: Moment,
    },
    Opening(Opening),
    Open(Arc<ClientSession>),
    Closed {
        again_at: Moment,
    },
}

impl Slot {
    /// Whether the slot has not changed between two looks.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Opening(one), Self::Opening(other)) => one.id == other.id,
            (Self::Open(one), Self::Open(other)) => one.id == other.id,
            (Self::New { since: one, .. }, Self::New { since: other, .. })
            | (Self::Closed { again_at: one }, Self::Closed { again_at: other }) => one == other,
            _ => false,
        }
    }
}

/// A session that is being opened.
#[derive(Debug, Clone)]
struct Opening {
    id: SessionId,
    since: Moment,
    /// How often it was asked for after it should have been open.
    asked_late: u32,
    /// Tells its task that another opening has replaced it.
    given_up: Arc<Notify>,
}

impl Opening {
    /// Whether to start again, now that the session is asked for. The time alone does not tell: a runtime that is
    /// polled only during calls continues the opening in the next one.
    fn is_stuck(&mut self, timeout: Duration) -> bool {
        let is_late = self.since + timeout <= clock::now();
        self.asked_late += u32::from(is_late);
        self.asked_late > ASKED_LATE
    }
}

/// Is told that a runtime's session is there; returns at once.
pub(crate) type OnOpen = Arc<dyn Fn(SessionId) + Send + Sync>;

/// Is told that a runtime's session is gone; returns at once.
pub(crate) type OnGone = Arc<dyn Fn(SessionId) + Send + Sync>;

/// All sessions of one client.
pub(crate) struct Sessions {
    store: Arc<dyn Store>,
    /// The listener of the keeper's sessions; that of another session is this plus the session's number.
    keeper_listener: ListenerId,
    operation_timeout: Duration,
    on_grant: OnGrant,
    on_open: OnOpen,
    on_gone: OnGone,
    /// The only session of a store without connections.
    only: Option<Arc<ClientSession>>,
    /// The keeper's, while they are there, if the store wants those for all.
    of_all: Option<Mutex<HashMap<NodeId, Weak<ClientSession>>>>,
    slots: Mutex<HashMap<Ends, Slot>>,
    by_id: Mutex<HashMap<SessionId, Weak<ClientSession>>>,
    next: AtomicU64,
    /// Tells the tasks that keep sessions open that the client is gone.
    ended: Arc<Notify>,
    /// No runtime opens a session any more.
    has_ended: AtomicBool,
}

impl Sessions {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        keeper_listener: ListenerId,
        operation_timeout: Duration,
        on_grant: OnGrant,
        (on_open, on_gone): (OnOpen, OnGone),
    ) -> Arc<Self> {
        let only = store.session().map(|session| Arc::new(ClientSession::only(SessionId(0), session)));
        let of_all = store.capabilities().wants_one_session().then(Mutex::default);
        let sessions = Self {
            only,
            of_all,
            store,
            keeper_listener,
            operation_timeout,
            on_grant,
            on_open,
            on_gone,
            slots: Mutex::default(),
            by_id: Mutex::default(),
            next: AtomicU64::new(1),
            ended: Arc::default(),
            has_ended: AtomicBool::new(false),
        };
        Arc::new(sessions)
    }

    /// The session to a node of the current runtime, or of all, if it is open; otherwise one is being opened.
    pub(crate) fn current(self: &Arc<Self>, node: NodeId) -> Option<Arc<ClientSession>> {
        if let Some(only) = &self.only {
            return Some(Arc::clone(only));
        }
        if let Some(of_all) = &self.of_all {
            let found = enter(of_all).get(&node).and_then(Weak::upgrade);
            return found.filter(|session| session.is_usable());
        }
        let runtime = Handle::try_current().ok().filter(|_| !self.has_ended.load(Ordering::SeqCst))?;
        let ends = (runtime.id(), node);
        // A session is queried and dropped while nothing is locked.
        let found = {
            let mut slots = enter(&self.slots);
            match slots.get_mut(&ends) {
                None => {
                    remember_new(&mut slots, ends);
                    return None;
                }
                Some(Slot::New { asked, .. }) if *asked < ASKED_FIRST => {
                    *asked += 1;
                    return None;
                }
                Some(Slot::Opening(opening)) => {
                    if !opening.is_stuck(self.operation_timeout) {
                        return None;
                    }
                    Slot::Opening(opening.clone())
                }
                Some(slot) => slot.clone(),
            }
        };
        let stuck = match &found {
            Slot::Open(session) if session.is_usable() => return Some(Arc::clone(session)),
            Slot::Closed { again_at } if clock::now() < *again_at => return None,
            Slot::Opening(opening) => Some(Arc::clone(&opening.given_up)),
            _ => None,
        };
        let opening = Opening { id: self.next_id(), since: clock::now(), asked_late: 0, given_up: Arc::default() };
        if self.claim_slot(ends, &found, opening.clone()) {
            if let Some(given_up) = stuck {
                given_up.notify_one();
            }
            self.open_here(&runtime, node, opening);
        }
        None
    }

    /// The client is closed: each runtime gives up its session when it is polled next, and opens none.
    pub(crate) fn end(&self) {
        self.has_ended.store(true, Ordering::SeqCst);
        self.ended.notify_waiters();
    }

    /// Replaces what was found in the slot, unless another thread was faster.
    fn claim_slot(&self, ends: Ends, found: &Slot, opening: Opening) -> bool {
        let mut slots = enter(&self.slots);
        let is_as_found = slots.get(&ends).is_some_and(|slot| slot.is_same(found));
        if is_as_found {
            forget_closed(&mut slots, opening.since);
            // The caller still holds what was in the slot, so nothing is dropped here.
            slots.insert(ends, Slot::Opening(opening));
        }
        is_as_found
    }

    fn open_here(self: &Arc<Self>, runtime: &Handle, node: NodeId, Opening { id, given_up, .. }: Opening) {
        // Created here, because a runtime that is shutting down drops the task without polling it.
        let entry = Entry { sessions: Arc::downgrade(self), ends: (runtime.id(), node), id, session: None };
        let listener = ListenerId::from_bits(self.keeper_listener.bits().wrapping_add(id.0.into()));
        runtime.spawn(keep_open(entry, self.open(id, listener), given_up, Arc::clone(&self.ended)));
    }

    /// The session of this number, if it is still usable.
    pub(crate) fn find(&self, id: SessionId) -> Option<Arc<ClientSession>> {
        let only = self.only.as_ref().filter(|only| only.id == id).cloned();
        only.or_else(|| enter(&self.by_id).get(&id)?.upgrade()).filter(|session| session.is_usable())
    }

    /// This session does not answer: another one has to replace it.
    pub(crate) fn replace(&self, id: SessionId) {
        if let Some(session) = self.find(id) {
            session.retire();
        }
    }

    /// Opens the keeper's session to a node, on the runtime that polls this.
    pub(crate) fn open_keepers(
        self: &Arc<Self>,
        node: NodeId,
    ) -> impl Future<Output = Result<Arc<ClientSession>, StoreError>> + use<> {
        let (sessions, opening) = (Arc::clone(self), self.open(self.next_id(), self.keeper_listener));
        async move {
            let session = sessions.add(opening.await?);
            if let Some(of_all) = &sessions.of_all {
                enter(of_all).insert(node, Arc::downgrade(&session));
            }
            Ok(session)
        }
    }

    fn next_id(&self) -> SessionId {
        SessionId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Opens a session that receives grant messages, if the store sends them. The store's code runs when this is
    /// polled, so that a panic of it is one of the task that opens.
    fn open(
        &self,
        id: SessionId,
        name: ListenerId,
    ) -> impl Future<Output = Result<Arc<ClientSession>, StoreError>> + use<> {
        let on_grant = Arc::clone(&self.on_grant);
        let retired: Arc<AtomicBool> = Arc::default();
        let is_retired = Arc::clone(&retired);
        // A message over a replaced session may come from a server that is no longer the primary.
        let forward_while_current = move |grant| !is_retired.load(Ordering::SeqCst) && on_grant(id, grant);
        let (store, listener) = (Arc::clone(&self.store), Listener::new(name, forward_while_current));
        async move {
            let session = store.listen(listener).await?;
            Ok(Arc::new(ClientSession::new(id, session.listens().then_some(name), session, retired)))
        }
    }

    fn add(&self, session: Arc<ClientSession>) -> Arc<ClientSession> {
        let mut by_id = enter(&self.by_id);
        by_id.retain(|_, session| session.strong_count() > 0);
        by_id.insert(session.id, Arc::downgrade(&session));
        session
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        self.ended.notify_waiters();
    }
}

/// Remembers that a runtime has asked once, in the place of the oldest that is new if there are too many.
fn remember_new(slots: &mut HashMap<Ends, Slot>, ends: Ends) {
    let now = clock::now();
    forget_closed(slots, now);
    let age = |(ends, slot): (&Ends, &Slot)| match slot {
        Slot::New { since, .. } => Some((*since, *ends)),
        _ => None,
    };
    let new = slots.iter().filter_map(age);
    if new.clone().count() >= MOST_NEW
        && let Some((_, oldest)) = new.min_by_key(|(since, _)| *since)
    {
        slots.remove(&oldest);
    }
    slots.insert(ends, Slot::New { asked: 1, since: now });
}

/// The runtimes of sessions that closed may be gone.
fn forget_closed(slots: &mut HashMap<Ends, Slot>, now: Moment) {
    slots.retain(|_, slot| !matches!(slot, Slot::Closed { again_at } if *again_at <= now));
}

/// Opens a runtime's session and waits until it fails or closes, or the runtime ends; then the runtime has none.
async fn keep_open(
    mut entry: Entry,
    opening: impl Future<Output = Result<Arc<ClientSession>, StoreError>>,
    given_up: Arc<Notify>,
    ended: Arc<Notify>,
) {
    let mut ended = pin!(ended.notified_owned());
    ended.as_mut().enable();
    if entry.sessions.upgrade().is_none_or(|sessions| sessions.has_ended.load(Ordering::SeqCst)) {
        // The client was dropped or closed before this could be notified.
        return;
    }
    let Some(Ok(session)) = run_until(opening, run_until(given_up.notified(), ended.as_mut())).await else { return };
    let Some(session) = entry.opened(session) else { return };
    run_until(session.retired(), run_until(session.store.closed(), ended)).await;
}

/// The result of `work`, unless `end` completes first.
async fn run_until<T>(work: impl Future<Output = T>, end: impl Future) -> Option<T> {
    let (mut work, mut end) = (pin!(work), pin!(end));
    std::future::poll_fn(|cx| match Pin::as_mut(&mut work).poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => end.as_mut().poll(cx).map(|_| None),
    })
    .await
}

/// The slot of a runtime's session, which is cleared however its task ends: also by a panic of a runtime without
/// drivers, or by the end of the runtime.
struct Entry {
    sessions: Weak<Sessions>,
    ends: Ends,
    /// The session's number since its opening began: by now the slot may hold another one, and the id may be another
    /// runtime's.
    id: SessionId,
    session: Option<Arc<ClientSession>>,
}

impl Entry {
    /// None if the opening took too long and was replaced.
    fn opened(&mut self, session: Arc<ClientSession>) -> Option<Arc<ClientSession>> {
        let sessions = self.sessions.upgrade()?;
        let session = sessions.add(session);
        // Before it can carry anything.
        (sessions.on_open)(session.id);
        let mut slots = enter(&sessions.slots);
        let is_awaited = matches!(slots.get(&self.ends), Some(Slot::Opening(opening)) if opening.id == self.id);
        if is_awaited {
            slots.insert(self.ends, Slot::Open(Arc::clone(&session)));
        }
        drop(slots);
        self.session = Some(Arc::clone(&session));
        is_awaited.then_some(session)
    }

    /// On a runtime without drivers opening panics, and would do so each time.
    fn again_at() -> Moment {
        if std::thread::panicking() { Moment::MAX } else { clock::now() + PAUSE }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(session) = &self.session {
            session.retire();
        }
        let Some(sessions) = self.sessions.upgrade() else { return };
        let mut slots = enter(&sessions.slots);
        let old = match slots.get(&self.ends) {
            Some(Slot::Opening(opening)) if opening.id == self.id => {
                slots.insert(self.ends, Slot::Closed { again_at: Self::again_at() })
            }
            Some(Slot::Open(open)) if open.id == self.id => {
                slots.insert(self.ends, Slot::Closed { again_at: clock::now() })
            }
            _ => None,
        };
        drop(slots);
        drop(old);
        if self.session.is_some() {
            (sessions.on_gone)(self.id);
        }
    }
}

#[cfg(test)]
mod tests;
