//! How a client hears that a key was handed to one of its waiters: its wake channel, and when that falls silent.
//!
//! What must stay true: a session that says that it listens was subscribed before it was handed out, and is no longer
//! open once nothing can come over its subscription any more, without an operation that finds out. What reads the
//! channel ends with the session. Absent on purpose: subscribing again, as a new session does, and what a grant is
//! worth when it arrives.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::task::{Context, Poll};
use std::time::Duration;

use ::redis::aio::{MultiplexedConnection, PubSub, PubSubStream};
use ::redis::{PushInfo, PushKind, RedisError, Value};
use futures_core::Stream as _;
use pin_project_lite::pin_project;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::state::NodeState;
use super::{fault, reply};
use crate::store::{Listener, StoreErrorKind};

/// Whether a session is open, and whether it listens.
pub(crate) struct Hearing {
    open: Arc<Open>,
    /// The ear of the connection of operations is gone, and with it the connection.
    cut: Arc<AtomicBool>,
    listens: bool,
    _reading: Option<Reading>,
}

pin_project! {
    /// Replies to what is sent over a connection of operations, or an error if it has ended.
    ///
    /// What is put into a tokio channel just after its receiver was dropped stays there (tokio-rs/tokio#7714), and so
    /// would an operation that is sent in the very moment in which redis-rs ends the connection. The ear is dropped
    /// before that receiver is: either the receiver still finds the operation, or the operation finds the ear gone.
    pub(crate) struct UnlessCut<'a, F> {
        #[pin]
        replies: F,
        hearing: &'a Hearing,
    }
}

/// Hears what comes over a connection, for as long as the connection is there: whatever reads it owns the ear.
pub(crate) struct Ear {
    state: Arc<NodeState>,
    listener: Listener,
    open: Arc<Open>,
    cut: Option<Arc<AtomicBool>>,
}

/// True until a session is closed; who waits for that is told.
struct Open {
    is: AtomicBool,
    closed: Notify,
}

/// A task that reads a wake channel, until this is dropped.
struct Reading(AbortHandle);

impl Open {
    fn close(&self) {
        self.is.store(false, Ordering::Relaxed);
        self.closed.notify_waiters();
    }
}

impl Hearing {
    /// Of a session that does not listen.
    pub(crate) fn nothing() -> Self {
        let open = Open { is: AtomicBool::new(true), closed: Notify::new() };
        Self { open: Arc::new(open), cut: Arc::default(), listens: false, _reading: None }
    }

    pub(crate) fn listens(&self) -> bool {
        self.listens && self.is_open()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.is.load(Ordering::Relaxed)
    }

    pub(crate) fn close(&self) {
        self.open.close();
    }

    /// Comes back when this is not open any more, and keeps nothing of it alive.
    pub(crate) fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        let open = Arc::clone(&self.open);
        async move {
            let mut closed = pin!(open.closed.notified());
            // Whoever closes it from here on tells, and who did before is seen.
            closed.as_mut().enable();
            if open.is.load(Ordering::Relaxed) {
                closed.await;
            }
        }
    }

    /// An ear that closes this when it can hear no more.
    fn ear(&self, state: &Arc<NodeState>, listener: &Listener) -> Ear {
        Ear { state: Arc::clone(state), listener: listener.clone(), open: Arc::clone(&self.open), cut: None }
    }

    /// The same, for what the connection of operations itself pushes.
    pub(crate) fn ear_of_operations(&self, state: &Arc<NodeState>, listener: &Listener) -> Ear {
        let mut ear = self.ear(state, listener);
        ear.cut = Some(Arc::clone(&self.cut));
        ear
    }

    pub(crate) fn unless_cut<F>(&self, replies: F) -> UnlessCut<'_, F> {
        UnlessCut { replies, hearing: self }
    }
}

impl<T, F: Future<Output = Result<T, RedisError>>> Future for UnlessCut<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let polled = this.replies.poll(context);
        if polled.is_pending() {
            // Between the sending and this look, as between the ear's end and the receiver's.
            fence(Ordering::SeqCst);
            if this.hearing.cut.load(Ordering::Relaxed) {
                return Poll::Ready(Err(io::Error::from(io::ErrorKind::BrokenPipe).into()));
            }
        }
        polled
    }
}

impl Ear {
    /// Hears what a server pushes over a connection of operations.
    pub(crate) fn hear_push(&self, push: &PushInfo) {
        match push.kind {
            PushKind::Message => push.data.get(1).into_iter().for_each(|message| self.hear(message)),
            PushKind::Disconnection => self.open.close(),
            _ => {}
        }
    }

    fn hear(&self, message: &Value) {
        // Once an answer said that the session leads to nobody who decides, what is told over it counts no more either.
        if self.open.is.load(Ordering::Relaxed)
            && let Some(grant) = reply::grant(message, &self.state.names)
        {
            let (fence, fences) = (grant.fence, grant.fences);
            // Only then: whoever may publish can forge the rest of a message, but not the token that somebody waits under.
            if self.listener.hear(grant) {
                self.state.saw_fences(fence, fences);
            }
        }
    }
}

/// Also when the runtime that read the connection is gone.
impl Drop for Ear {
    fn drop(&mut self) {
        self.open.close();
        if let Some(cut) = &self.cut {
            cut.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Subscribes over a connection of operations, whose pushes go to an ear of this hearing, unless the server refuses.
pub(crate) async fn by_push(
    hearing: Hearing,
    connection: &mut MultiplexedConnection,
    channel: String,
) -> Result<Hearing, RedisError> {
    let listens = unless_refused(connection.subscribe(channel).await)?.is_some();
    Ok(Hearing { listens, ..hearing })
}

/// Subscribes over a connection of its own and reads it in a task of this runtime, unless the server refuses.
pub(crate) async fn by_reading(
    state: &Arc<NodeState>,
    listener: &Listener,
    connecting: impl Future<Output = Result<PubSub, RedisError>>,
    at_most: Duration,
) -> Result<Hearing, RedisError> {
    let hearing = Hearing::nothing();
    let channel = state.names.channel(listener.id());
    let within = tokio::time::timeout(at_most, subscribed(connecting, channel)).await;
    let subscribed = within.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
    let Some(stream) = unless_refused(subscribed)? else { return Ok(hearing) };
    let reading = tokio::spawn(read(stream, hearing.ear(state, listener)));
    Ok(Hearing { listens: true, _reading: Some(Reading(reading.abort_handle())), ..hearing })
}

async fn subscribed(
    connecting: impl Future<Output = Result<PubSub, RedisError>>,
    channel: String,
) -> Result<PubSubStream, RedisError> {
    let mut connection = connecting.await?;
    connection.subscribe(channel).await?;
    Ok(connection.into_on_message())
}

async fn read(mut stream: PubSubStream, ear: Ear) {
    while let Some(message) = std::future::poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await {
        if let Ok(payload) = message.get_payload() {
            ear.hear(&payload);
        }
    }
}

/// A refusal is an answer: those who wait look by themselves then.
fn unless_refused<T>(answer: Result<T, RedisError>) -> Result<Option<T>, RedisError> {
    match answer {
        Err(error) if fault::kind(&error) == StoreErrorKind::Refused => Ok(None),
        answer => answer.map(Some),
    }
}
