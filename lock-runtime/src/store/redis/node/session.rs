//! One connection's operations: each writes a command or a script and reads the reply, and that is all.
//!
//! What must stay true: a future sends nothing before its first poll, and owns all that it needs. An error after which
//! only a new connection helps marks the session as closed; a connection that dies while it is idle is noticed by the
//! next operation, or by the session's push receiver (`wake`). Only without a push receiver may an operation stay
//! without an answer, if it is sent at the very moment at which its connection ends. Absent on purpose: time-outs,
//! retries, and the meaning of replies (`reply`) and errors (`fault`).

use std::fmt;
use std::sync::Arc;

use ::redis::aio::MultiplexedConnection;
use ::redis::{Cmd, Pipeline, RedisError, Value};

use super::calls::{Downgrading, Freeing, Looking, Releasing, Renewing, Repair, Rotating};
use super::fault::{self, About};
use super::inspect;
use super::names::{Names, TokenText, ttl_ms};
use super::reply::{self, Minted, Taken};
use super::script::{self, Arguments, Known, Script};
use super::state::NodeState;
use super::task::Task;
use super::wake::Subscription;
use crate::store::{
    Acquired, Ask, Card, ClientId, ClockId, Downgrade, Enqueue, Entry, Inspection, Kind, Look, Release, Released,
    Renewal, Renewed, Rotate, Rotated, Session, StoreError, StoreErrorKind, StoreFuture,
};
use lock_core::LockKey;

/// How many keys one call of the renewal script carries: enough to spread the cost of a call, and few enough not to
/// delay the server's other clients.
const RENEWALS_PER_CALL: usize = 64;

/// A session that a client holds.
pub(crate) struct RedisSession(Arc<Connection>);

/// A connection and what is known about it; operations in flight keep it alive.
pub(crate) struct Connection {
    multiplexed: MultiplexedConnection,
    /// Reads and writes the connection, unless it has a task of its own.
    _task: Option<Task>,
    state: Arc<NodeState>,
    /// False if the server was out of memory when the connection was made, so that the counter was not raised.
    raised: bool,
    known: Known,
    subscription: Subscription,
    /// Of the server.
    clock: ClockId,
}

impl RedisSession {
    pub(crate) fn new(
        (multiplexed, task): (MultiplexedConnection, Option<Task>),
        state: Arc<NodeState>,
        (raised, clock): (bool, ClockId),
        subscription: Subscription,
    ) -> Self {
        let known = Known::default();
        Self(Arc::new(Connection { multiplexed, _task: task, state, raised, known, subscription, clock }))
    }
}

/// Constructs a future in its box: those of redis-rs exceed a kilobyte, and would otherwise be moved there.
#[inline]
fn in_place<F: Future + Send + 'static>(make: impl FnOnce() -> F) -> StoreFuture<F::Output> {
    let place = Box::<F>::new_uninit();
    let operation: Box<F> = Box::write(place, make());
    Box::into_pin(operation)
}

impl Session for RedisSession {
    fn acquire(&self, ask: Ask) -> StoreFuture<Result<Acquired, StoreError>> {
        let connection = Arc::clone(&self.0);
        in_place(move || async move { connection.acquire(&ask).await })
    }

    fn look(&self, look: Look) -> StoreFuture<Result<Acquired, StoreError>> {
        let connection = Arc::clone(&self.0);
        in_place(move || async move { connection.look(&look, None).await })
    }

    fn enqueue(&self, enqueue: Enqueue) -> StoreFuture<Result<Acquired, StoreError>> {
        let connection = Arc::clone(&self.0);
        in_place(move || async move {
            let (look, entry) = enqueue.into_look();
            connection.look(&look, Some(&entry)).await
        })
    }

    fn renew(&self, batch: Vec<Renewal>) -> StoreFuture<Vec<Result<Renewed, StoreError>>> {
        let connection = Arc::clone(&self.0);
        in_place(move || async move { connection.renew(&batch).await })
    }

    fn release(&self, release: Release) -> StoreFuture<Result<Released, StoreError>> {
        let connection = Arc::clone(&self.0);
        in_place(move || async move { connection.release(&release).await })
    }

    fn rotate(&self, rotation: Rotate) -> StoreFuture<Result<Rotated, StoreError>> {
        let connection = Arc::clone(&self.0);
        in_place(move || async move { connection.rotate(&rotation).await })
    }

    fn downgrade(&self, downgrade: Downgrade) -> StoreFuture<Result<Renewed, StoreError>> {
        let connection = Arc::clone(&self.0);
        Box::pin(async move { connection.downgrade(&downgrade).await })
    }

    fn probe(&self) -> StoreFuture<Result<(), StoreError>> {
        let connection = Arc::clone(&self.0);
        in_place(move || async move { connection.probe().await })
    }

    fn inspect(&self, key: LockKey) -> StoreFuture<Result<Inspection, StoreError>> {
        let connection = Arc::clone(&self.0);
        in_place(move || async move { connection.inspect(&key).await })
    }

    fn introduce(&self, client: ClientId, card: Card) -> StoreFuture<Result<(), StoreError>> {
        let connection = Arc::clone(&self.0);
        Box::pin(async move { connection.about_client(&inspect::introducing(connection.names(), client, &card)).await })
    }

    fn take_leave(&self, client: ClientId) -> StoreFuture<Result<(), StoreError>> {
        let connection = Arc::clone(&self.0);
        Box::pin(async move { connection.about_client(&inspect::leaving(connection.names(), client)).await })
    }

    fn listens(&self) -> bool {
        self.0.subscription.listens()
    }

    fn is_open(&self) -> bool {
        self.0.subscription.is_open()
    }

    fn closed(&self) -> StoreFuture<()> {
        Box::pin(self.0.subscription.closed())
    }
}

/// Shows where it leads to, but neither credentials nor tokens.
impl fmt::Debug for RedisSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSession").field("to", &self.0.state.identity).field("open", &self.is_open()).finish()
    }
}

impl Connection {
    async fn acquire(&self, ask: &Ask) -> Result<Acquired, StoreError> {
        if !self.raised || ask.kind != Kind::Exclusive {
            // The counter may lag behind the clock; a look reserves fences by the clock. And whether there is room
            // beside others is more than a plain command can tell.
            let look = Look::new(ask.key.clone(), ask.token, ask.ttl).with_kind(ask.kind);
            // Boxed, like everything rare: it would make every operation's future larger.
            return Box::pin(async { self.look(&look, None).await }).await;
        }
        // Read before sending: a fence that another task receives in the meantime says nothing about ours.
        let floor = self.state.greatest_fence();
        let commands = self.set_and_count(ask);
        let mut connection = self.multiplexed.clone();
        let replies = self.subscription.unless_disconnected(connection.send_packed_commands(&commands, 0, 2)).await;
        match replies.and_then(|replies| reply::taken(replies, floor)).map_err(|e| self.fault(e, &ask.key))? {
            Taken::Fenced(fence) => {
                self.state.saw_fences(fence, 1);
                Ok(Acquired::granted(fence))
            }
            Taken::Unfenced => Box::pin(self.repair(ask)).await,
            Taken::Held if ask.time_left => Ok(Box::pin(self.held(ask)).await),
            Taken::Held => Ok(Acquired::held(None)),
        }
    }

    /// What can be learnt of a key that was found held: whether what was to be done is done, and for how long at most.
    /// It is asked behind the refusal, so that a free key costs nothing more.
    async fn held(&self, ask: &Ask) -> Acquired {
        let mut commands = Pipeline::with_capacity(2);
        commands.cmd("GET").arg(self.names().lock(&ask.key));
        commands.cmd("PTTL").arg(self.names().lock(&ask.key));
        let mut connection = self.multiplexed.clone();
        let replies = self.subscription.unless_disconnected(connection.send_packed_commands(&commands, 0, 2)).await;
        reply::held(&replies.unwrap_or_default())
    }

    /// `SET` comes first, so that a grant's fence is counted after the grant.
    fn set_and_count(&self, ask: &Ask) -> Pipeline {
        let (name, counter) = (self.names().lock(&ask.key), self.names().counter());
        let mut set = Cmd::with_capacity(6, 32 + name.len() + TokenText::LEN);
        set.arg("SET").arg(name).arg(TokenText(ask.token)).arg("NX").arg("PX").arg(ttl_ms(ask.ttl));
        let mut count = Cmd::with_capacity(2, 4 + counter.len());
        count.arg("INCR").arg(counter);
        let mut commands = Pipeline::with_capacity(2);
        commands.add_command(set).add_command(count);
        commands
    }

    async fn repair(&self, ask: &Ask) -> Result<Acquired, StoreError> {
        let call = Repair { names: self.names(), ask, seen: self.state.greatest_fence() };
        let mut connection = self.multiplexed.clone();
        let reply = self
            .subscription
            .unless_disconnected(script::call(&mut connection, &self.known, &script::REPAIR, &call))
            .await;
        self.minted(reply, &ask.key, call.seen, 1)
    }

    async fn look(&self, look: &Look, entry: Option<&Entry>) -> Result<Acquired, StoreError> {
        let call = Looking { names: self.names(), look, entry, seen: self.state.greatest_fence() };
        let reply = self.once(&script::LOOK, &call, &look.key).await?;
        self.minted(Ok(reply), &look.key, call.seen, look.fences)
    }

    /// Reads the reply to a script that reserves so many fences if it grants the key.
    fn minted(
        &self,
        reply: Result<Value, RedisError>,
        key: &LockKey,
        seen: u64,
        fences: u32,
    ) -> Result<Acquired, StoreError> {
        let minted = reply.and_then(|reply| reply::minted(reply, self.clock)).map_err(|e| self.fault(e, key))?;
        match minted {
            Minted::Known(answer) => {
                if let Acquired::Granted { fence, .. } = answer {
                    self.state.minted_fences(seen, fence, fences);
                }
                Ok(answer)
            }
            Minted::HeldForEver => Err(self.held_for_ever(key)),
        }
    }

    /// Calls a script that must not be sent again behind what was sent in the meantime.
    async fn once(&self, script: &Script, call: &impl Arguments, key: &LockKey) -> Result<Value, StoreError> {
        let mut connection = self.multiplexed.clone();
        let reply =
            self.subscription.unless_disconnected(script::call_once(&mut connection, &self.known, script, call)).await;
        reply.map_err(|e| self.fault(e, key))?.ok_or_else(|| {
            let text = "the server has forgotten a script and executed nothing; the next call sends the script again";
            StoreError::new(StoreErrorKind::NotExecuted, text)
        })
    }

    async fn release(&self, release: &Release) -> Result<Released, StoreError> {
        let mut connection = self.multiplexed.clone();
        let is_plain = release.keep.is_none() && release.leave.is_none() && release.kind == Kind::Exclusive;
        if !release.contended && is_plain {
            let call = Freeing { names: self.names(), release };
            let reply = self
                .subscription
                .unless_disconnected(script::call(&mut connection, &self.known, &script::FREE, &call))
                .await;
            if reply.and_then(reply::freed).map_err(|e| self.fault(e, &release.key))? {
                return Ok(Released::Freed);
            }
        }
        let call = Releasing { names: self.names(), release, seen: self.state.greatest_fence() };
        let reply = self
            .subscription
            .unless_disconnected(script::call(&mut connection, &self.known, &script::RELEASE, &call))
            .await;
        reply.and_then(reply::released).map_err(|e| self.fault(e, &release.key))
    }

    async fn rotate(&self, rotation: &Rotate) -> Result<Rotated, StoreError> {
        let call = Rotating { names: self.names(), rotation, seen: self.state.greatest_fence() };
        let reply = self.once(&script::ROTATE, &call, &rotation.key).await?;
        let rotated = reply::rotated(reply, self.clock).map_err(|e| self.fault(e, &rotation.key))?;
        if let Rotated::Retained { fence, .. } = rotated {
            self.state.minted_fences(call.seen, fence, rotation.fences);
        }
        Ok(rotated)
    }

    async fn downgrade(&self, downgrade: &Downgrade) -> Result<Renewed, StoreError> {
        let call = Downgrading { names: self.names(), downgrade, seen: self.state.greatest_fence() };
        let mut connection = self.multiplexed.clone();
        let calling = script::call(&mut connection, &self.known, &script::DOWNGRADE, &call);
        let reply = self.subscription.unless_disconnected(calling).await;
        reply.and_then(reply::downgraded).map_err(|e| self.fault(e, &downgrade.key))
    }

    /// Those of one kind of script go together: first those who hold alone, then those who hold beside others.
    async fn renew(&self, batch: &[Renewal]) -> Vec<Result<Renewed, StoreError>> {
        let alone = |renewal: &Renewal| renewal.kind == Kind::Exclusive;
        if batch.iter().all(alone) {
            return self.renew_all(batch).await;
        }
        Box::pin(async {
            let (exclusive, in_sets): (Vec<_>, Vec<_>) = batch.iter().cloned().partition(alone);
            let mut of_exclusive = self.renew_all(&exclusive).await.into_iter();
            let mut of_sets = self.renew_all(&in_sets).await.into_iter();
            batch.iter().filter_map(|one| if alone(one) { of_exclusive.next() } else { of_sets.next() }).collect()
        })
        .await
    }

    /// The same of some that go together.
    async fn renew_all(&self, batch: &[Renewal]) -> Vec<Result<Renewed, StoreError>> {
        let mut answers = Vec::with_capacity(batch.len());
        for (part, reply) in self.renewals(batch, RENEWALS_PER_CALL).await {
            match reply {
                Ok(each) => answers.extend(self.by_key(part, each)),
                Err(error) if part.len() > 1 && fault::may_be_of_one_key(&error) => {
                    // One key can fail the whole batch, by a missing permission for instance; the others are renewed
                    // singly.
                    for (one, reply) in self.renewals(part, 1).await {
                        answers.extend(self.by_key(one, reply.unwrap_or_else(|error| vec![Err(error)])));
                    }
                }
                Err(error) => answers.extend(self.by_key(part, vec![Err(error); part.len()])),
            }
        }
        answers
    }

    /// Renews in parts of this size, all in one write; each part has its own reply.
    async fn renewals<'a>(
        &self,
        batch: &'a [Renewal],
        size: usize,
    ) -> Vec<(&'a [Renewal], Result<Vec<Result<Renewed, RedisError>>, RedisError>)> {
        let calls: Vec<_> = batch.chunks(size).map(|batch| Renewing { names: self.names(), batch }).collect();
        let mut connection = self.multiplexed.clone();
        let in_sets = calls.first().is_some_and(Renewing::is_of_sets);
        let script = if in_sets { &script::RENEW_SET } else { &script::RENEW };
        let calling = script::call_each(&mut connection, &self.known, script, &calls);
        let replies = self.subscription.unless_disconnected(calling).await;
        let replies: Vec<Result<Value, _>> = match replies {
            Ok(replies) => replies.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error); calls.len()],
        };
        let read = |part: &[Renewal], reply: Result<_, _>| reply.and_then(|reply| reply::renewed(reply, part.len()));
        batch.chunks(size).zip(replies).map(|(part, reply)| (part, read(part, reply))).collect()
    }

    fn by_key(
        &self,
        part: &[Renewal],
        each: Vec<Result<Renewed, RedisError>>,
    ) -> impl Iterator<Item = Result<Renewed, StoreError>> {
        part.iter().zip(each).map(|(renewal, answer)| answer.map_err(|e| self.fault(e, &renewal.key)))
    }

    /// Reads the counter; and, if the session listens, sends a message to itself and awaits that, too, since a
    /// connection for messages may be silent by itself. Any error is an answer; the reply to another command is none.
    async fn probe(&self) -> Result<(), StoreError> {
        let heard = self.subscription.hears_itself();
        let mut commands = Pipeline::with_capacity(2);
        commands.cmd("GET").arg(self.names().counter());
        if let Some((channel, _)) = &heard {
            commands.cmd("PUBLISH").arg(*channel).arg("");
        }
        let replies = self.replies(&commands, 1 + usize::from(heard.is_some())).await;
        let replies = replies.map_err(|error| self.plain_fault(error))?;
        let is_its_own = matches!(replies.first(), Some(Value::BulkString(_) | Value::Nil | Value::ServerError(_)));
        match (replies.get(1), heard) {
            _ if !is_its_own => Err(self.plain_fault(fault::out_of_step())),
            (Some(Value::Int(0)), _) => Err(self.plain_fault(fault::out_of_step())),
            (Some(Value::Int(_)), Some((_, heard))) => {
                heard.await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn inspect(&self, key: &LockKey) -> Result<Inspection, StoreError> {
        let replies = self.replies(&inspect::inspection(self.names(), key), inspect::COMMANDS).await;
        let replies = replies.map_err(|error| self.fault(error, key))?;
        if let Some(Value::ServerError(error)) = replies.last() {
            return Err(self.no_queue(error.clone().into(), key));
        }
        let inspection = inspect::inspected(replies).map_err(|error| self.fault(error, key))?;
        let clients = inspection.clients();
        let cards = self.replies(&inspect::asking_for_cards(self.names(), &clients), 2 * clients.len()).await;
        let cards = cards.map_err(|error| self.fault(error, key))?;
        Ok(inspection.with_cards(inspect::cards(&clients, &cards)))
    }

    /// The replies to so many commands in one write; none to none.
    async fn replies(&self, commands: &Pipeline, count: usize) -> Result<Vec<Value>, RedisError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut connection = self.multiplexed.clone();
        self.subscription.unless_disconnected(connection.send_packed_commands(commands, 0, count)).await
    }

    async fn about_client(&self, command: &Cmd) -> Result<(), StoreError> {
        let mut connection = self.multiplexed.clone();
        let reply = self.subscription.unless_disconnected(connection.send_packed_command(command)).await;
        match reply {
            Ok(Value::ServerError(error)) => Err(self.plain_fault(error.into())),
            Ok(_) => Ok(()),
            Err(error) => Err(self.plain_fault(error)),
        }
    }

    /// Why a queue cannot be read, which no operation of a lock does by this command.
    fn no_queue(&self, error: RedisError, key: &LockKey) -> StoreError {
        match fault::code(&error) {
            Some("NOPERM") => {
                let text = "the user may not use ZRANGE, which says who waits; grant it `+zrange`";
                StoreError::new(StoreErrorKind::Refused, text)
            }
            Some("WRONGTYPE") => self.fault(fault::from_text("QUEUEBAD the queue holds another type"), key),
            _ => self.fault(error, key),
        }
    }

    /// Turns an error into one of ours that is about no key, and closes the session if it has to be.
    fn plain_fault(&self, error: RedisError) -> StoreError {
        self.closed_by(fault::store_error(error, About { counter: self.names().counter(), lock: None, queue: None }))
    }

    fn closed_by(&self, error: StoreError) -> StoreError {
        if error.kind() == StoreErrorKind::Disconnected {
            self.subscription.close();
        }
        error
    }

    /// Turns an error into one of ours, and closes the session if it has to be.
    fn fault(&self, error: RedisError, key: &LockKey) -> StoreError {
        let (lock, queue) = (Some(self.names().lock(key)), Some(self.names().queue(key)));
        let about = About { counter: self.names().counter(), lock, queue };
        self.closed_by(fault::store_error(error, about))
    }

    fn held_for_ever(&self, key: &LockKey) -> StoreError {
        let name = self.names().lock(key);
        let text = format!(
            "key `{name}` exists without a ttl: it is another program's, or was persisted by hand; \
             delete it or use another namespace"
        );
        StoreError::new(StoreErrorKind::Refused, text)
    }

    fn names(&self) -> &Names {
        &self.state.names
    }
}
