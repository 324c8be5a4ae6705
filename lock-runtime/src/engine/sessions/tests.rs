//! Sessions that close, hang and answer late, at a store that can switch to another memory.

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::task::Context;

use tokio::runtime::Builder;

use super::*;
use crate::Client;
use crate::store::{
    Acquired, Ask, Capabilities, Look, MemoryStore, Release, Released, Renewal, Renewed, Rotate, Rotated, Session,
    StoreErrorKind, StoreFuture,
};
use lock_core::client::SessionTable as _;

const SOON: Duration = Duration::from_secs(10);
const OPERATION: Duration = Duration::from_secs(2);

/// What all sessions of a store share.
#[derive(Debug, Default)]
struct World {
    /// The memory that new sessions use.
    memory: Mutex<MemoryStore>,
    sessions: Mutex<Vec<Weak<FakeSession>>>,
    /// So many openings to come never complete.
    hanging: AtomicUsize,
    /// How often a runtime has to be polled until a session is open.
    stages: AtomicUsize,
    openings: AtomicUsize,
    releases: AtomicUsize,
    renewals: AtomicUsize,
    /// Whether sessions notify when they close.
    tells: AtomicBool,
    /// Whether the sessions that exist now hold back their answers.
    held: Mutex<Option<tokio::sync::watch::Sender<bool>>>,
}

#[derive(Debug, Clone, Default)]
struct Fake(Arc<World>);

#[derive(Debug)]
struct FakeSession {
    session: Arc<dyn Session>,
    open: AtomicBool,
    closed: Arc<Notify>,
    world: Arc<World>,
    tells: bool,
    held: tokio::sync::watch::Receiver<bool>,
}

impl Fake {
    fn sessions(&self) -> Vec<Arc<FakeSession>> {
        enter(&self.0.sessions).iter().filter_map(Weak::upgrade).collect()
    }

    /// Every session closes; its answers may still arrive.
    fn close_all(&self) {
        for session in self.sessions() {
            session.open.store(false, Ordering::SeqCst);
            session.closed.notify_waiters();
        }
    }

    /// The sessions that exist now hold back their answers.
    fn hold_answers(&self) {
        if let Some(held) = &*enter(&self.0.held) {
            held.send_replace(true);
        }
    }

    /// Detaches the sessions that exist now, so that only they answer when this is released.
    fn only_those_there(&self) -> tokio::sync::watch::Sender<bool> {
        enter(&self.0.held).take().expect("a session was opened")
    }

    /// New sessions use another memory, which is empty.
    fn fail_over(&self) -> MemoryStore {
        let memory = MemoryStore::new();
        *enter(&self.0.memory) = memory.clone();
        memory
    }

    fn opening(&self, listener: Option<Listener>) -> StoreFuture<Result<Arc<dyn Session>, StoreError>> {
        let fake = self.clone();
        Box::pin(async move {
            let fewer = |hanging: usize| hanging.checked_sub(1);
            if fake.0.hanging.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer).is_ok() {
                std::future::pending::<()>().await;
            }
            fake.0.openings.fetch_add(1, Ordering::SeqCst);
            for _ in 0..fake.0.stages.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
            let memory = enter(&fake.0.memory).clone();
            let session = match listener {
                Some(listener) => memory.listen(listener).await?,
                None => memory.open().await?,
            };
            let held = enter(&fake.0.held).get_or_insert_with(|| tokio::sync::watch::Sender::new(false)).subscribe();
            let session = Arc::new(FakeSession {
                session,
                open: AtomicBool::new(true),
                closed: Arc::default(),
                world: Arc::clone(&fake.0),
                tells: fake.0.tells.load(Ordering::SeqCst),
                held,
            });
            enter(&fake.0.sessions).push(Arc::downgrade(&session));
            Ok(session as Arc<dyn Session>)
        })
    }

    async fn client(&self) -> Client {
        let builder = Client::builder().operation_timeout(OPERATION);
        builder.connect_store(self.clone()).await.expect("it is there")
    }
}

impl Store for Fake {
    fn identity(&self) -> &'static str {
        "fake"
    }

    fn open(&self) -> StoreFuture<Result<Arc<dyn Session>, StoreError>> {
        self.opening(None)
    }

    fn listen(&self, listener: Listener) -> StoreFuture<Result<Arc<dyn Session>, StoreError>> {
        self.opening(Some(listener))
    }

    fn capabilities(&self) -> Capabilities {
        MemoryStore::new().capabilities()
    }
}

impl FakeSession {
    fn late<T: Send + 'static>(&self, answer: StoreFuture<T>) -> StoreFuture<T> {
        let mut held = self.held.clone();
        Box::pin(async move {
            let answer = answer.await;
            // The sender may be gone, and then nothing is held back.
            let _ = held.wait_for(|held| !held).await;
            answer
        })
    }
}

impl Session for FakeSession {
    fn acquire(&self, ask: Ask) -> StoreFuture<Result<Acquired, StoreError>> {
        self.late(self.session.acquire(ask))
    }

    fn look(&self, look: Look) -> StoreFuture<Result<Acquired, StoreError>> {
        self.late(self.session.look(look))
    }

    fn renew(&self, batch: Vec<Renewal>) -> StoreFuture<Vec<Result<Renewed, StoreError>>> {
        self.world.renewals.fetch_add(1, Ordering::SeqCst);
        self.late(self.session.renew(batch))
    }

    fn release(&self, release: Release) -> StoreFuture<Result<Released, StoreError>> {
        self.world.releases.fetch_add(1, Ordering::SeqCst);
        self.late(self.session.release(release))
    }

    fn rotate(&self, rotation: Rotate) -> StoreFuture<Result<Rotated, StoreError>> {
        self.late(self.session.rotate(rotation))
    }

    fn listens(&self) -> bool {
        self.session.listens()
    }

    fn is_open(&self) -> bool {
        self.open.load(Ordering::SeqCst)
    }

    fn closed(&self) -> StoreFuture<()> {
        if !self.tells {
            return Box::pin(std::future::pending());
        }
        let mut closed = Box::pin(Arc::clone(&self.closed).notified_owned());
        closed.as_mut().enable();
        closed
    }
}

/// The session of this runtime, as soon as it is open.
async fn here(client: &Client) -> Arc<ClientSession> {
    let opened = async {
        loop {
            if let Some(session) = client.shared().sessions.current(NodeId::ONLY) {
                return session;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, opened).await.expect("a session is opened")
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let so = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, so).await.unwrap_or_else(|_| panic!("not {what} in time"));
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test]
async fn sessions_that_close_while_nobody_asks_leave_neither_tasks_nor_sessions() {
    let fake = Fake::default();
    fake.0.tells.store(true, Ordering::SeqCst);
    let client = fake.client().await;
    for _ in 0..50 {
        drop(here(&client).await);
        assert_eq!(tasks(), 1);
        fake.close_all();
        // Without a call.
        until("idle", || tasks() == 0).await;
    }
    // The keeper checks its own session when it has something to do.
    assert_eq!(fake.sessions().len(), 1);
    client.lock("a").run(async {}).await.expect("it is free");
}

#[tokio::test]
async fn sessions_that_close_without_a_word_leave_one_task_until_the_next_call() {
    let fake = Fake::default();
    let client = fake.client().await;
    for _ in 0..50 {
        drop(here(&client).await);
        client.lock("a").run(async {}).await.expect("it is free");
        fake.close_all();
        assert!(tasks() <= 2, "{} tasks", tasks());
    }
    drop(here(&client).await);
    until("replaced", || tasks() == 1).await;
    until("dropped", || fake.sessions().len() <= 2).await;
}

/// As by a server or proxy that accepts and then stays silent; on a runtime without timers.
#[test]
fn an_opening_that_never_ends_is_given_up_and_begun_anew() {
    let fake = Fake::default();
    let client = futures::executor::block_on(fake.client());
    fake.0.hanging.store(1, Ordering::SeqCst);
    let runtime = Builder::new_current_thread().build().expect("a runtime can be built");
    let began = clock::now();
    let sessions = &client.shared().sessions;
    assert!(runtime.block_on(async { sessions.current(NodeId::ONLY) }).is_none());
    // The keeper's session is used meanwhile.
    runtime.block_on(client.lock("a").run(async {})).expect("it is free");
    let mut session = None;
    while session.is_none() && clock::now() < began + SOON {
        session = runtime.block_on(async {
            tokio::task::yield_now().await;
            sessions.current(NodeId::ONLY)
        });
    }
    assert!(session.expect("it is opened").is_usable());
    assert!(clock::now() >= began + OPERATION);
    runtime.block_on(async {
        tokio::task::yield_now().await;
        assert_eq!(tasks(), 1, "the first has ended");
    });
}

/// A runtime of one thread does nothing between two calls of `block_on`, however long that is.
#[test]
fn an_opening_on_a_runtime_that_is_polled_now_and_then_is_not_begun_anew_each_time() {
    let (fake, operation) = (Fake::default(), Duration::from_millis(50));
    let builder = Client::builder().operation_timeout(operation);
    let client = futures::executor::block_on(builder.connect_store(fake.clone())).expect("it is there");
    fake.0.stages.store(5, Ordering::SeqCst);
    let openings = fake.0.openings.load(Ordering::SeqCst);
    let runtime = Builder::new_current_thread().build().expect("a runtime can be built");
    let mut session = None;
    for _ in 0..24 {
        session = session.or_else(|| {
            runtime.block_on(async {
                let session = client.shared().sessions.current(NodeId::ONLY);
                tokio::task::yield_now().await;
                session
            })
        });
        // Nobody polls the runtime for as long as an operation may take, which is what this is about. There is no event
        // to await: whatever awaited one on this runtime would poll it.
        std::thread::sleep(operation);
    }
    assert!(session.is_some_and(|session| session.is_usable()));
    assert_eq!(fake.0.openings.load(Ordering::SeqCst), openings + 1);
}

#[tokio::test]
async fn a_session_is_not_revived_by_an_answer_that_comes_after_it_was_replaced() {
    let fake = Fake::default();
    let client = fake.client().await;
    let session = here(&client).await;
    client.shared().sessions.replace(session.id);
    assert!(!session.is_usable());
    let late = session.accept(Ok(()));
    assert_eq!(late.expect_err("it is late").kind(), StoreErrorKind::Disconnected);
    assert!(!session.is_usable());
    assert!(here(&client).await.id != session.id);
    let own = StoreError::new(StoreErrorKind::Disconnected, "its own");
    assert_eq!(session.accept(Err::<(), _>(own)).expect_err("it is one").to_string(), "its own");
}

#[tokio::test]
async fn a_session_that_answers_its_probes_is_kept() {
    let fake = Fake::default();
    let client = fake.client().await;
    let session = here(&client).await;
    for n in 1..6 {
        client.shared().with(|client, now| client.timed_out(now, OPERATION));
        // The keeper's and that of this runtime, which is trusted again by then.
        until("probed", || fake.0.renewals.load(Ordering::SeqCst) == 2 * n).await;
        client.lock("a").run(async {}).await.expect("it is free");
    }
    assert_eq!(here(&client).await.id, session.id);
}

#[tokio::test]
async fn sessions_that_do_not_answer_their_probes_are_replaced_and_what_waits_for_an_answer_is_asked_again() {
    let fake = Fake::default();
    let client = fake.client().await;
    let session = here(&client).await;
    fake.hold_answers();
    let run = tokio::spawn(client.lock("a").run(async {}));
    tokio::task::yield_now().await;
    let _silent = fake.only_those_there();
    client.shared().with(|client, now| client.timed_out(now, OPERATION));
    let began = clock::now();
    run.await.expect("no panic").expect("over another session");
    assert!(clock::now() < began + OPERATION, "and not by its own time-out");
    assert!(here(&client).await.id != session.id);
}

/// For a store without connections there is no other session.
#[tokio::test]
async fn the_only_session_is_never_replaced() {
    let client = Client::connect("memory://").await.expect("memory is always there");
    let session = here(&client).await;
    client.shared().with(|client, now| client.timed_out(now, OPERATION));
    client.shared().sessions.replace(session.id);
    session.accept(Ok(())).expect("it is the only one");
    assert!(client.shared().sessions.find(session.id).is_some());
}

#[tokio::test]
async fn a_grant_that_comes_over_a_session_that_was_replaced_starts_no_body() {
    let fake = Fake::default();
    let client = fake.client().await;
    here(&client).await;
    fake.hold_answers();
    let mut run = Box::pin(client.lock("a").wait(SOON).acquire());
    assert!(futures::poll!(&mut run).is_pending());
    let release_answers = fake.only_those_there();
    let now = fake.fail_over();
    fake.close_all();
    release_answers.send_replace(false);
    let guard = run.await.expect("the new one grants it");
    let stranger = Client::builder().connect_store(now).await.expect("memory is always there");
    drop(stranger.lock("a").acquire().await.expect_err("this is where it is held"));
    drop(guard);
    stranger.lock("a").wait(SOON).run(async {}).await.expect("and where it is released");
}

#[tokio::test]
async fn a_renewal_that_is_confirmed_over_a_session_that_was_replaced_is_no_renewal_and_no_loss() {
    let fake = Fake::default();
    let client = fake.client().await;
    here(&client).await;
    let guard = client.lock("a").renew(false).acquire().await.expect("it is free");
    fake.hold_answers();
    let mut renewing = Box::pin(guard.renew(Duration::from_secs(120)));
    assert!(futures::poll!(&mut renewing).is_pending());
    until("sent", || fake.0.renewals.load(Ordering::SeqCst) == 1).await;
    let release_answers = fake.only_those_there();
    fake.close_all();
    release_answers.send_replace(false);
    renewing.await.expect("the second is confirmed, as the key is there");
    assert!(client.stats().renew_failed >= 1, "{:?}", client.stats());
    assert_eq!(client.stats().lost, 0);
    assert!(guard.is_held());
}

/// The server behind the replaced session does not have the lock; the one behind the next session does.
#[tokio::test]
async fn a_loss_that_is_told_over_a_session_that_was_replaced_is_none() {
    let fake = Fake::default();
    let client = fake.client().await;
    let guard = client.lock("a").renew(false).acquire().await.expect("it is free");
    let there = enter(&fake.0.memory).clone();
    fake.fail_over();
    fake.close_all();
    // The keeper's session uses the wrong memory from here on.
    let mut renewing = Box::pin(client.lock("b").acquire());
    let _other = (&mut renewing).await.expect("it is free");
    let mut astray = Box::pin(guard.renew(Duration::from_secs(120)));
    fake.hold_answers();
    assert!(futures::poll!(&mut astray).is_pending());
    until("asked", || fake.0.renewals.load(Ordering::SeqCst) == 1).await;
    let release_answers = fake.only_those_there();
    *enter(&fake.0.memory) = there;
    fake.close_all();
    release_answers.send_replace(false);
    astray.await.expect("the key is there");
    assert_eq!(client.stats().lost, 0);
    assert!(guard.is_held());
}

#[tokio::test]
async fn a_release_that_is_answered_over_a_session_that_was_replaced_is_sent_again() {
    let fake = Fake::default();
    let client = fake.client().await;
    here(&client).await;
    let mut body = Box::pin(client.lock("a").run(async {
        fake.hold_answers();
        42
    }));
    assert!(futures::poll!(&mut body).is_pending());
    let release_answers = fake.only_those_there();
    fake.close_all();
    release_answers.send_replace(false);
    assert_eq!(body.await.expect("the body's value is what comes"), 42);
    // The keeper may have been about to send it over its own session, too.
    assert!(fake.0.releases.load(Ordering::SeqCst) >= 2);
    client.lock("a").run(async {}).await.expect("it was freed");
}

/// The message comes from a server that is no longer the primary.
#[tokio::test]
async fn a_message_that_comes_over_a_session_that_was_replaced_is_no_grant() {
    let fake = Fake::default();
    let client = fake.client().await;
    here(&client).await;
    let there = enter(&fake.0.memory).clone();
    let stranger = Client::builder().connect_store(there).await.expect("memory is always there");
    let theirs = stranger.lock("a").acquire().await.expect("it is free");
    let mut waiting = Box::pin(client.lock("a").wait(SOON).acquire());
    let mut context = Context::from_waker(std::task::Waker::noop());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    assert_eq!(client.stats().waiting, 1);
    fake.close_all();
    // The next call finds it closed.
    drop(client.lock("b").acquire().await.expect("the keeper serves"));
    theirs.release().await.expect("memory answers");
    assert_eq!(client.stats().granted_by_message, 0);
    drop(waiting.await.expect("its next look finds it free"));
    assert_eq!(client.stats().granted_by_message, 0);
}

#[tokio::test]
async fn a_runtime_has_a_session_of_its_own_to_each_node() {
    let client = Fake::default().client().await;
    let sessions = &client.shared().sessions;
    let open = async |node| {
        until("open", || sessions.current(node).is_some()).await;
        sessions.current(node).expect("it is open").id
    };
    let (one, other) = (open(NodeId::ONLY).await, open(NodeId(1)).await);
    assert_ne!(one, other);
    assert_eq!((open(NodeId::ONLY).await, open(NodeId(1)).await), (one, other));
}

#[test]
fn runtimes_that_are_made_for_one_call_open_no_session_and_are_forgotten() {
    let fake = Fake::default();
    let client = futures::executor::block_on(fake.client());
    for number in 0..3 * MOST_NEW {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
        runtime.block_on(client.lock(number.to_string()).run(async {})).expect("it is free");
    }
    assert_eq!(fake.0.openings.load(Ordering::SeqCst), 1, "the keeper's");
    assert!(enter(&client.shared().sessions.slots).len() <= MOST_NEW);
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
    runtime.block_on(async {
        until("open", || {
            let _ = client.shared().sessions.current(NodeId::ONLY);
            fake.0.openings.load(Ordering::SeqCst) == 2
        })
        .await;
    });
}
