//! A session's subscription to its wake channel, on which the server sends grants to waiters; and the end of both.
//!
//! What must stay true: a session that says that it listens was subscribed before it was handed out, and closes once
//! nothing can arrive over its subscription any more, without an operation having to fail first. The task that reads
//! the channel ends with the session. Absent on purpose: subscribing again, which a new session does, and what a grant
//! is worth when it arrives.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::task::{Context, Poll};
use std::time::Duration;

use ::redis::aio::{MultiplexedConnection, PubSub, PubSubStream};
use ::redis::{Cmd, PushInfo, PushKind, RedisError, Value};
use futures_core::Stream as _;
use once_cell::sync::OnceCell;
use pin_project_lite::pin_project;
use tokio::sync::Notify;

use super::state::NodeState;
use super::task::Task;
use super::{fault, reply};
use crate::store::{ClockId, Listener, StoreErrorKind};

/// Whether a session is open, and whether it is subscribed to its wake channel.
pub(crate) struct Subscription {
    open: Arc<Open>,
    /// The push receiver of the operations' connection was dropped, because the connection has ended.
    disconnected: Arc<AtomicBool>,
    clock: Arc<OnceCell<ClockId>>,
    /// Its channel, if it listens.
    channel: Option<String>,
    /// Told of each empty message, which only we send.
    echo: Arc<Notify>,
    _reader: Option<Task>,
}

pin_project! {
    /// The replies to operations over a connection, or an error if it has ended.
    ///
    /// A message that is put into a tokio channel just after its receiver was dropped stays there
    /// (tokio-rs/tokio#7714), and so would an operation that is sent while redis-rs ends the connection. The push
    /// receiver is dropped before that channel's receiver: either the channel's receiver still takes the operation, or
    /// the operation finds the push receiver dropped.
    pub(crate) struct UnlessDisconnected<'a, F> {
        #[pin]
        replies: F,
        subscription: &'a Subscription,
    }
}

/// Receives the messages of a wake channel. It is owned by whatever reads the connection, and dropped with that.
pub(crate) struct PushReceiver {
    state: Arc<NodeState>,
    listener: Listener,
    open: Arc<Open>,
    /// The clock of the server, once that is known; no message is sent before.
    clock: Arc<OnceCell<ClockId>>,
    disconnected: Option<Arc<AtomicBool>>,
    echo: Arc<Notify>,
}

/// True until a session closes, which wakes the tasks that wait for it.
struct Open {
    is: AtomicBool,
    closed: Notify,
}

impl Open {
    fn close(&self) {
        self.is.store(false, Ordering::Relaxed);
        self.closed.notify_waiters();
    }
}

impl Subscription {
    /// For a session that does not listen.
    pub(crate) fn none() -> Self {
        let open = Open { is: AtomicBool::new(true), closed: Notify::new() };
        Self {
            open: Arc::new(open),
            disconnected: Arc::default(),
            clock: Arc::default(),
            channel: None,
            echo: Arc::default(),
            _reader: None,
        }
    }

    pub(crate) fn listens(&self) -> bool {
        self.channel.is_some() && self.is_open()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.is.load(Ordering::Relaxed)
    }

    pub(crate) fn close(&self) {
        self.open.close();
    }

    /// Its channel, if it listens, and a future that completes once an empty message has come over it from now on.
    pub(crate) fn hears_itself(&self) -> Option<(&str, impl Future<Output = ()> + Send + use<>)> {
        let mut heard = Box::pin(Arc::clone(&self.echo).notified_owned());
        heard.as_mut().enable();
        self.channel.as_deref().map(|channel| (channel, heard))
    }

    /// Completes when the session closes, and does not keep it alive.
    pub(crate) fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        let open = Arc::clone(&self.open);
        async move {
            let mut closed = pin!(open.closed.notified());
            // A close from here on notifies, and an earlier one shows in the flag.
            closed.as_mut().enable();
            if open.is.load(Ordering::Relaxed) {
                closed.await;
            }
        }
    }

    /// A receiver that closes this session when it is dropped.
    fn receiver(&self, state: &Arc<NodeState>, listener: &Listener) -> PushReceiver {
        let (state, listener, open) = (Arc::clone(state), listener.clone(), Arc::clone(&self.open));
        let (clock, echo) = (Arc::clone(&self.clock), Arc::clone(&self.echo));
        PushReceiver { state, listener, open, clock, disconnected: None, echo }
    }

    /// The same, for the pushes of the operations' connection.
    pub(crate) fn receiver_of_operations(&self, state: &Arc<NodeState>, listener: &Listener) -> PushReceiver {
        let mut receiver = self.receiver(state, listener);
        receiver.disconnected = Some(Arc::clone(&self.disconnected));
        receiver
    }

    pub(crate) fn unless_disconnected<F>(&self, replies: F) -> UnlessDisconnected<'_, F> {
        UnlessDisconnected { replies, subscription: self }
    }
}

impl<T, F: Future<Output = Result<T, RedisError>>> Future for UnlessDisconnected<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let polled = this.replies.poll(context);
        if polled.is_pending() {
            // Pairs with the fence in the receiver's drop: the send above comes before this load.
            fence(Ordering::SeqCst);
            if this.subscription.disconnected.load(Ordering::Relaxed) {
                return Poll::Ready(Err(io::Error::from(io::ErrorKind::BrokenPipe).into()));
            }
        }
        polled
    }
}

impl PushReceiver {
    /// Handles what a server pushes over the operations' connection.
    pub(crate) fn on_push(&self, push: &PushInfo) {
        match push.kind {
            PushKind::Message => push.data.get(1).into_iter().for_each(|message| self.on_message(message)),
            PushKind::Disconnection => self.open.close(),
            _ => {}
        }
    }

    fn on_message(&self, message: &Value) {
        if matches!(message, Value::BulkString(bytes) if bytes.is_empty()) {
            return self.echo.notify_waiters();
        }
        // A session was closed if its server turned out not to be the primary, and then its messages do not count
        // either.
        if self.open.is.load(Ordering::Relaxed)
            && let Some(clock) = self.clock.get()
            && let Some(grant) = reply::grant(message, &self.state.names, *clock)
        {
            let (fence, fences) = (grant.fence, grant.fences);
            // Only if it was expected: anybody who may publish can forge a message, but cannot guess a waiter's token.
            if self.listener.hear(grant) {
                self.state.saw_fences(fence, fences);
            }
        }
    }
}

/// Runs also when the runtime that read the connection has ended.
impl Drop for PushReceiver {
    fn drop(&mut self) {
        self.open.close();
        if let Some(disconnected) = &self.disconnected {
            disconnected.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
        }
    }
}

/// Subscribes over the operations' connection, whose pushes go to a receiver of this subscription, unless the server
/// refuses.
pub(crate) async fn subscribe_by_push(
    subscription: Subscription,
    connection: &mut MultiplexedConnection,
    channel: String,
    clock: ClockId,
) -> Result<Subscription, RedisError> {
    let _ = subscription.clock.set(clock);
    let listens = unless_refused(connection.subscribe(&channel).await)?.is_some();
    Ok(Subscription { channel: listens.then_some(channel), ..subscription })
}

/// The connection for operations beside which another one subscribes.
pub(crate) struct Beside<'a> {
    /// None if it can only be used for what locks cannot do without: then a connection that is closed in answer to the
    /// subscription is a refusal, too, and it stays unknown which server was subscribed to.
    pub(crate) connection: Option<&'a mut MultiplexedConnection>,
    /// Of its server.
    pub(crate) clock: ClockId,
    /// Another name than any server's clock has.
    pub(crate) unknown: ClockId,
}

/// Subscribes over a separate connection, which a task on this runtime reads, unless the server refuses.
pub(crate) async fn subscribe_apart(
    state: &Arc<NodeState>,
    listener: &Listener,
    connecting: impl Future<Output = Result<PubSub, RedisError>>,
    at_most: Duration,
    beside: Beside<'_>,
) -> Result<Subscription, RedisError> {
    let subscription = Subscription::none();
    let channel = state.names.channel(listener.id());
    let within = tokio::time::timeout(at_most, subscribed(connecting, &channel)).await;
    let subscribed = within.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
    let subscribed = match unless_refused(subscribed) {
        Err(error) if beside.connection.is_none() && fault::is_cut(&error) => None,
        subscribed => subscribed?,
    };
    let Some(stream) = subscribed else { return Ok(subscription) };
    // Both connections were made to one address, which a failover may have changed between them.
    let is_one_server = match beside.connection {
        Some(connection) => is_heard(connection, &channel).await?,
        None => false,
    };
    let _ = subscription.clock.set(if is_one_server { beside.clock } else { beside.unknown });
    let reader = Task::spawn(read(stream, subscription.receiver(state, listener)));
    Ok(Subscription { channel: Some(channel), _reader: Some(reader), ..subscription })
}

async fn subscribed(
    connecting: impl Future<Output = Result<PubSub, RedisError>>,
    channel: &str,
) -> Result<PubSubStream, RedisError> {
    let mut connection = connecting.await?;
    connection.subscribe(channel).await?;
    Ok(connection.into_on_message())
}

/// Whether a message to this channel is heard by anybody at this very server. A receiver ignores an empty one.
async fn is_heard(connection: &mut MultiplexedConnection, channel: &str) -> Result<bool, RedisError> {
    let mut publish = Cmd::new();
    publish.arg("PUBLISH").arg(channel).arg("");
    let reply = connection.send_packed_command(&publish).await?;
    Ok(matches!(reply, Value::Int(receivers) if receivers > 0))
}

async fn read(mut stream: PubSubStream, receiver: PushReceiver) {
    while let Some(message) = std::future::poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await {
        if let Ok(payload) = message.get_payload() {
            receiver.on_message(&payload);
        }
    }
}

/// A refusal is an answer: the waiters of a session that does not listen poll instead.
fn unless_refused<T>(answer: Result<T, RedisError>) -> Result<Option<T>, RedisError> {
    match answer {
        Err(error) if fault::kind(&error) != StoreErrorKind::Disconnected => Ok(None),
        answer => answer.map(Some),
    }
}
