//! Which session carries what: one for each tokio runtime that calls, one for the keeper; or the keeper's for all, where the
//! store wants one alone.
//!
//! A runtime's session is opened by a task of that runtime at its first use, and is gone with the runtime. Until it is
//! open, and where there is no runtime, the keeper serves.
//! Must stay true: nobody waits for a runtime's session; a session that fails is replaced without a word, stays replaced, and
//! nothing that comes over it afterwards counts; a runtime has one task of ours for its session, and one more while that
//! one is told to end. Deliberately absent: timers of a runtime's, which it may not have; what takes too long there is
//! found by the next who calls.

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

use crate::store::{Grant, Listener, ListenerId, Store, StoreError};
use crate::system::clock;
use crate::system::mutex::enter;
use lock_core::key::SessionId;

pub(crate) use client_session::ClientSession;

/// How long after a failure a runtime tries again to open its session.
const PAUSE: Duration = Duration::from_secs(1);

/// How often a session is asked for, of a runtime that should have it by now, until its opening is begun anew: so often
/// that the runtime must have been polled long enough for one.
const ASKED_LATE: u32 = 16;

/// Hears of a grant over a session, and says whether somebody waited for it; it returns at once.
pub(crate) type Hear = Arc<dyn Fn(SessionId, Grant) -> bool + Send + Sync>;

#[derive(Debug, Clone)]
enum Slot {
    Opening(Opening),
    Open(Arc<ClientSession>),
    Closed { again_at: Moment },
}

impl Slot {
    /// Whether nothing has happened between two looks.
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Opening(one), Self::Opening(other)) => one.id == other.id,
            (Self::Open(one), Self::Open(other)) => one.id == other.id,
            (Self::Closed { again_at: one }, Self::Closed { again_at: other }) => one == other,
            _ => false,
        }
    }
}

/// A session that is being opened.
#[derive(Debug, Clone)]
struct Opening {
    id: SessionId,
    since: Moment,
    /// How often it was asked for since it should have been open.
    asked_late: u32,
    /// Tells its task that another has taken its place.
    given_up: Arc<Notify>,
}

impl Opening {
    /// Whether it is better begun anew, now that it is asked for. Time alone does not tell: a runtime that is polled for
    /// a call now and then goes on with it in the next.
    fn is_hopeless(&mut self, timeout: Duration) -> bool {
        let is_late = self.since + timeout <= clock::now();
        self.asked_late += u32::from(is_late);
        self.asked_late > ASKED_LATE
    }
}

/// Hears that a runtime's session is there no more; it returns at once.
pub(crate) type Gone = Arc<dyn Fn(SessionId) + Send + Sync>;

/// All sessions of one client.
pub(crate) struct Sessions {
    store: Arc<dyn Store>,
    /// Who hears over the keeper's sessions; who hears over another session has the name that is so much further.
    keepers: ListenerId,
    operation_timeout: Duration,
    hear: Hear,
    gone: Gone,
    /// The only session of a store without connections.
    only: Option<Arc<ClientSession>>,
    /// The keeper's, while it is there, if the store wants that one for all.
    of_all: Option<Mutex<Weak<ClientSession>>>,
    by_runtime: Mutex<HashMap<Id, Slot>>,
    by_id: Mutex<HashMap<SessionId, Weak<ClientSession>>>,
    next: AtomicU64,
    /// Tells the tasks that keep sessions open that there is no client any more.
    ended: Arc<Notify>,
}

impl Sessions {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        keepers: ListenerId,
        operation_timeout: Duration,
        hear: Hear,
        gone: Gone,
    ) -> Arc<Self> {
        let only = store.session().map(|session| Arc::new(ClientSession::only(SessionId(0), session)));
        let of_all = store.capabilities().wants_one_session().then(Mutex::default);
        let sessions = Self {
            only,
            of_all,
            store,
            keepers,
            operation_timeout,
            hear,
            gone,
            by_runtime: Mutex::default(),
            by_id: Mutex::default(),
            next: AtomicU64::new(1),
            ended: Arc::default(),
        };
        Arc::new(sessions)
    }

    /// The session of the runtime that this is called on, or of all, if it has one that is open; else one is being opened.
    pub(crate) fn here(self: &Arc<Self>) -> Option<Arc<ClientSession>> {
        if let Some(only) = &self.only {
            return Some(Arc::clone(only));
        }
        if let Some(of_all) = &self.of_all {
            let found = enter(of_all).upgrade();
            return found.filter(|session| session.is_usable());
        }
        let runtime = Handle::try_current().ok()?;
        // A session is asked, and dropped, where nothing is locked.
        let found = {
            let mut slots = enter(&self.by_runtime);
            let mut slot = slots.get_mut(&runtime.id());
            if let Some(Slot::Opening(opening)) = &mut slot
                && !opening.is_hopeless(self.operation_timeout)
            {
                return None;
            }
            slot.cloned()
        };
        let hopeless = match &found {
            Some(Slot::Open(session)) if session.is_usable() => return Some(Arc::clone(session)),
            Some(Slot::Closed { again_at }) if clock::now() < *again_at => return None,
            Some(Slot::Opening(opening)) => Some(Arc::clone(&opening.given_up)),
            _ => None,
        };
        let opening = Opening { id: self.next_id(), since: clock::now(), asked_late: 0, given_up: Arc::default() };
        if self.takes_place(runtime.id(), found.as_ref(), opening.clone()) {
            if let Some(given_up) = hopeless {
                given_up.notify_one();
            }
            self.open_here(&runtime, opening);
        }
        None
    }

    /// Puts it into the place of what was found there, unless somebody was quicker.
    fn takes_place(&self, runtime: Id, found: Option<&Slot>, opening: Opening) -> bool {
        let mut slots = enter(&self.by_runtime);
        let is_as_found = match (slots.get(&runtime), found) {
            (None, None) => true,
            (Some(slot), Some(found)) => slot.is(found),
            _ => false,
        };
        if is_as_found {
            let now = opening.since;
            slots.retain(|_, slot| !matches!(slot, Slot::Closed { again_at } if *again_at <= now));
            // Whoever asks has what was there, so that nothing is dropped here.
            slots.insert(runtime, Slot::Opening(opening));
        }
        is_as_found
    }

    fn open_here(self: &Arc<Self>, runtime: &Handle, Opening { id, given_up, .. }: Opening) {
        // Made here: a runtime that is shutting down drops the task unpolled.
        let entry = Entry { sessions: Arc::downgrade(self), runtime: runtime.id(), id, session: None };
        let listener = ListenerId::from_bits(self.keepers.bits().wrapping_add(id.0.into()));
        runtime.spawn(keep_open(entry, self.open(id, listener), given_up, Arc::clone(&self.ended)));
    }

    /// The session of this number, if it is still there and works.
    pub(crate) fn find(&self, id: SessionId) -> Option<Arc<ClientSession>> {
        let only = self.only.as_ref().filter(|only| only.id == id).cloned();
        only.or_else(|| enter(&self.by_id).get(&id)?.upgrade()).filter(|session| session.is_usable())
    }

    /// Something that was sent on this session had no answer in time.
    pub(crate) fn timed_out(&self, id: SessionId) {
        if let Some(session) = self.find(id) {
            session.timed_out();
        }
    }

    /// Opens the keeper's session, on the runtime that polls this.
    pub(crate) fn open_keepers(
        self: &Arc<Self>,
    ) -> impl Future<Output = Result<Arc<ClientSession>, StoreError>> + use<> {
        let (sessions, opening) = (Arc::clone(self), self.open(self.next_id(), self.keepers));
        async move {
            let session = sessions.add(opening.await?);
            if let Some(of_all) = &sessions.of_all {
                *enter(of_all) = Arc::downgrade(&session);
            }
            Ok(session)
        }
    }

    fn next_id(&self) -> SessionId {
        SessionId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Opens a session over which grants are heard of, where the store tells of them.
    fn open(
        &self,
        id: SessionId,
        name: ListenerId,
    ) -> impl Future<Output = Result<Arc<ClientSession>, StoreError>> + use<> {
        let hear = Arc::clone(&self.hear);
        let retired: Arc<AtomicBool> = Arc::default();
        let is_retired = Arc::clone(&retired);
        // What comes over a session that was replaced may have been decided by somebody who decides no more.
        let hear_while_current = move |grant| !is_retired.load(Ordering::SeqCst) && hear(id, grant);
        let opening = self.store.listen(Listener::new(name, hear_while_current));
        async move {
            let session = opening.await?;
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

/// Opens a runtime's session and stays until it fails or closes, or the runtime ends; then the runtime has none.
async fn keep_open(
    mut entry: Entry,
    opening: impl Future<Output = Result<Arc<ClientSession>, StoreError>>,
    given_up: Arc<Notify>,
    ended: Arc<Notify>,
) {
    let mut ended = pin!(ended.notified_owned());
    ended.as_mut().enable();
    if entry.sessions.strong_count() == 0 {
        // It ended before this could be told.
        return;
    }
    let Some(Ok(session)) = unless(opening, unless(given_up.notified(), ended.as_mut())).await else { return };
    let Some(session) = entry.opened(session) else { return };
    unless(session.retired(), unless(session.store.closed(), ended)).await;
}

/// What comes of the work, if the end of it does not come first.
async fn unless<T>(work: impl Future<Output = T>, end: impl Future) -> Option<T> {
    let (mut work, mut end) = (pin!(work), pin!(end));
    std::future::poll_fn(|cx| match Pin::as_mut(&mut work).poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => end.as_mut().poll(cx).map(|_| None),
    })
    .await
}

/// However its task ends, by a panic for want of drivers or by the end of the runtime too, the entry goes.
struct Entry {
    sessions: Weak<Sessions>,
    runtime: Id,
    /// Of the session, from its opening on: the runtime may have another by now, or its number be another runtime's.
    id: SessionId,
    session: Option<Arc<ClientSession>>,
}

impl Entry {
    /// None if it took too long, and another was put in its place.
    fn opened(&mut self, session: Arc<ClientSession>) -> Option<Arc<ClientSession>> {
        let sessions = self.sessions.upgrade()?;
        let session = sessions.add(session);
        let mut slots = enter(&sessions.by_runtime);
        let is_awaited = matches!(slots.get(&self.runtime), Some(Slot::Opening(opening)) if opening.id == self.id);
        if is_awaited {
            slots.insert(self.runtime, Slot::Open(Arc::clone(&session)));
        }
        drop(slots);
        self.session = Some(Arc::clone(&session));
        is_awaited.then_some(session)
    }

    /// A runtime without drivers makes the opening panic, and would do so each time.
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
        let mut slots = enter(&sessions.by_runtime);
        let old = match slots.get(&self.runtime) {
            Some(Slot::Opening(opening)) if opening.id == self.id => {
                slots.insert(self.runtime, Slot::Closed { again_at: Self::again_at() })
            }
            Some(Slot::Open(open)) if open.id == self.id => slots.remove(&self.runtime),
            _ => None,
        };
        drop(slots);
        drop(old);
        if self.session.is_some() {
            (sessions.gone)(self.id);
        }
    }
}

#[cfg(test)]
mod tests;
