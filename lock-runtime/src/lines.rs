//! Which session carries what: one for each tokio runtime that calls, one for the keeper.
//!
//! A runtime's line is opened by a task of that runtime at its first use, and is gone with the runtime. Until it is
//! open, and where there is no runtime, the keeper serves.
//! Must stay true: nobody waits for a runtime's line; a line that fails is replaced without a word.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use std::{fmt, io};

use foldhash::HashMap;
use tokio::runtime::{Handle, Id};
use tokio::sync::Notify;

use crate::clock::{self, Moment};
use crate::core::{LineId, Via};
use crate::mutex::enter;
use crate::random::Portion;
use crate::store::{Grant, Listener, ListenerId, Session, Store, StoreError, Token};

/// A line is replaced after this many operations in a row without an answer: a connection whose peer is gone says nothing.
const TIME_OUTS: u32 = 2;
/// How long after a failure a runtime tries again to open its line.
const PAUSE: Duration = Duration::from_secs(1);

/// Hears of a grant over a line, and says whether somebody waited for it; it returns at once.
pub(crate) type Hear = Arc<dyn Fn(LineId, Grant) -> bool + Send + Sync>;

/// A session with a number.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) id: LineId,
    /// The name under which the store tells of grants over it, if it does.
    listener: Option<ListenerId>,
    pub(crate) session: Arc<dyn Session>,
    /// What tokens are made of that are first sent over it.
    random: Portion,
    time_outs: AtomicU32,
    failed: Notify,
}

impl Line {
    /// A token that nobody else has.
    pub(crate) fn new_token(&self) -> io::Result<Token> {
        self.random.bits().map(Token::from_bits)
    }

    /// It, as the core knows it.
    pub(crate) fn via(&self) -> Via {
        Via { line: self.id, listener: self.listener }
    }

    pub(crate) fn is_usable(&self) -> bool {
        self.time_outs.load(Ordering::Relaxed) < TIME_OUTS && self.session.is_open()
    }

    /// An operation was answered, by the store or by an error.
    pub(crate) fn answered(&self) {
        if self.time_outs.load(Ordering::Relaxed) != 0 {
            self.time_outs.store(0, Ordering::Relaxed);
        }
        if !self.session.is_open() {
            self.failed.notify_one();
        }
    }

    /// An operation had no answer in time.
    pub(crate) fn timed_out(&self) {
        if self.time_outs.fetch_add(1, Ordering::Relaxed) + 1 >= TIME_OUTS {
            self.failed.notify_one();
        }
    }
}

#[derive(Debug)]
enum Slot {
    Opening,
    Open(Arc<Line>),
    Closed { again_at: Moment },
}

/// All lines of one client.
pub(crate) struct Lines {
    store: Arc<dyn Store>,
    /// Who hears over the keeper's lines; who hears over another line has the name that is so much further.
    keepers: ListenerId,
    hear: Hear,
    /// The only line of a store without connections.
    only: Option<Arc<Line>>,
    by_runtime: Mutex<HashMap<Id, Slot>>,
    by_id: Mutex<HashMap<LineId, Weak<Line>>>,
    next: AtomicU64,
    /// Tells the tasks that keep lines open that there is no client any more.
    ended: Arc<Notify>,
}

impl Lines {
    pub(crate) fn new(store: Arc<dyn Store>, keepers: ListenerId, hear: Hear) -> Arc<Self> {
        let only = store.session().map(|session| new_line(LineId(0), None, session));
        let lines = Self {
            only,
            store,
            keepers,
            hear,
            by_runtime: Mutex::default(),
            by_id: Mutex::default(),
            next: AtomicU64::new(1),
            ended: Arc::default(),
        };
        Arc::new(lines)
    }

    /// The line of the runtime that this is called on, if it has one that is open; else one is being opened.
    pub(crate) fn here(self: &Arc<Self>) -> Option<Arc<Line>> {
        if let Some(only) = &self.only {
            return Some(Arc::clone(only));
        }
        let runtime = Handle::try_current().ok()?;
        let mut slots = enter(&self.by_runtime);
        match slots.get(&runtime.id()) {
            Some(Slot::Open(line)) if line.is_usable() => return Some(Arc::clone(line)),
            Some(Slot::Opening) => return None,
            Some(Slot::Closed { again_at }) if clock::now() < *again_at => return None,
            _ => {}
        }
        let now = clock::now();
        slots.retain(|_, slot| !matches!(slot, Slot::Closed { again_at } if *again_at <= now));
        slots.insert(runtime.id(), Slot::Opening);
        drop(slots);
        // Made here: a runtime that is shutting down drops the task unpolled.
        let entry = Entry { lines: Arc::downgrade(self), runtime: runtime.id(), line: None };
        let id = self.next_id();
        let listener = ListenerId::from_bits(self.keepers.bits().wrapping_add(id.0.into()));
        runtime.spawn(keep_open(entry, self.open(id, listener), Arc::clone(&self.ended)));
        None
    }

    /// The line of this number, if it is still there and works.
    pub(crate) fn find(&self, id: LineId) -> Option<Arc<Line>> {
        let only = self.only.as_ref().filter(|only| only.id == id).cloned();
        only.or_else(|| enter(&self.by_id).get(&id)?.upgrade()).filter(|line| line.is_usable())
    }

    /// Something that was sent on this line had no answer in time.
    pub(crate) fn timed_out(&self, id: LineId) {
        if let Some(line) = self.find(id) {
            line.timed_out();
        }
    }

    /// Opens the keeper's line, on the runtime that polls this.
    pub(crate) fn open_keepers(self: &Arc<Self>) -> impl Future<Output = Result<Arc<Line>, StoreError>> + use<> {
        let (lines, opening) = (Arc::clone(self), self.open(self.next_id(), self.keepers));
        async move { opening.await.map(|line| lines.add(line)) }
    }

    fn next_id(&self) -> LineId {
        LineId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Opens a line over which grants are heard of, where the store tells of them.
    fn open(&self, id: LineId, name: ListenerId) -> impl Future<Output = Result<Arc<Line>, StoreError>> + use<> {
        let hear = Arc::clone(&self.hear);
        let opening = self.store.listen(Listener::new(name, move |grant| hear(id, grant)));
        async move {
            let session = opening.await?;
            Ok(new_line(id, session.listens().then_some(name), session))
        }
    }

    fn add(&self, line: Arc<Line>) -> Arc<Line> {
        let mut by_id = enter(&self.by_id);
        by_id.retain(|_, line| line.strong_count() > 0);
        by_id.insert(line.id, Arc::downgrade(&line));
        line
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.ended.notify_waiters();
    }
}

fn new_line(id: LineId, listener: Option<ListenerId>, session: Arc<dyn Session>) -> Arc<Line> {
    Arc::new(Line {
        id,
        listener,
        session,
        random: Portion::default(),
        time_outs: AtomicU32::new(0),
        failed: Notify::new(),
    })
}

/// Opens a runtime's line and stays until it fails or the runtime ends; then the runtime has none.
async fn keep_open(mut entry: Entry, opening: impl Future<Output = Result<Arc<Line>, StoreError>>, ended: Arc<Notify>) {
    let mut ended = std::pin::pin!(ended.notified_owned());
    ended.as_mut().enable();
    let Ok(line) = opening.await else { return };
    let Some(line) = entry.opened(line) else { return };
    let mut failed = std::pin::pin!(line.failed.notified());
    std::future::poll_fn(|cx| {
        if failed.as_mut().poll(cx).is_ready() { std::task::Poll::Ready(()) } else { ended.as_mut().poll(cx) }
    })
    .await;
}

/// However its task ends, by a panic for want of drivers or by the end of the runtime too, the entry goes.
struct Entry {
    lines: Weak<Lines>,
    runtime: Id,
    line: Option<Arc<Line>>,
}

impl Entry {
    fn opened(&mut self, line: Arc<Line>) -> Option<Arc<Line>> {
        let lines = self.lines.upgrade()?;
        let line = lines.add(line);
        self.line = Some(Arc::clone(&line));
        enter(&lines.by_runtime).insert(self.runtime, Slot::Open(Arc::clone(&line)));
        Some(line)
    }

    /// A runtime without drivers makes the opening panic, and would do so each time.
    fn again_at() -> Moment {
        if std::thread::panicking() { Moment::MAX } else { clock::now() + PAUSE }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let Some(lines) = self.lines.upgrade() else { return };
        let mut slots = enter(&lines.by_runtime);
        let old = match (slots.get(&self.runtime), &self.line) {
            (Some(Slot::Opening), None) => slots.insert(self.runtime, Slot::Closed { again_at: Self::again_at() }),
            // A runtime may have the number of one that ended: leave its entry alone.
            (Some(Slot::Open(open)), Some(line)) if Arc::ptr_eq(open, line) => slots.remove(&self.runtime),
            _ => None,
        };
        drop(slots);
        drop(old);
    }
}
