//! No foreign code runs while the client's mutex is locked: neither a waker's nor that of an error's source. Here both
//! call the client, which locks that mutex.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::store::{
    Acquired, Ask, Look, MemoryStore, Release, Released, Renewal, Renewed, Session, Store, StoreError, StoreErrorKind,
    StoreFuture,
};
use crate::system::strange::Family;
use crate::{Client, LockError};

/// Even what takes no time may take some on a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// Fails instead of hanging if a mutex is locked twice.
fn in_time<T: Send + 'static>(code: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, outcome) = mpsc::channel();
    std::thread::spawn(move || done.send(code()));
    outcome.recv_timeout(SOON).expect("nobody waits for themselves, and nobody panics")
}

fn client() -> Client {
    Client::connect_lazy("memory://").expect("memory is always there")
}

/// A waker that calls the client whatever happens to it.
fn curious(client: &Client) -> Waker {
    let client = client.clone();
    Family::new().waker(move |_| {
        client.stats();
    })
}

/// Polls once with such a waker.
fn poll<F: Future>(client: &Client, future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&curious(client)))
}

fn until_free(client: &Client, key: &'static str) {
    futures::executor::block_on(client.lock(key).wait(SOON / 2).run(async {})).expect("it was released");
}

#[test]
fn a_guard_may_be_acquired_dropped_and_lost_for_a_waker_that_asks_the_client() {
    in_time(|| {
        let client = client();
        let Poll::Ready(Ok(guard)) = poll(&client, pin!(client.lock("a").acquire())) else { panic!("it is free") };
        drop(guard);
        until_free(&client, "a");
        let request = client.lock("a").ttl(Duration::from_millis(50)).renew(false);
        let Poll::Ready(Ok(guard)) = poll(&client, pin!(request.acquire())) else { panic!("it is free") };
        futures::executor::block_on(guard.lost());
        drop(guard);
        until_free(&client, "a");
    });
}

#[test]
fn a_wait_may_be_given_up_or_refused_for_a_waker_that_asks_the_client() {
    in_time(|| {
        let client = client();
        let guard = futures::executor::block_on(client.lock("a").acquire()).expect("it is free");
        {
            let mut waiting = Box::pin(client.lock("a").wait(SOON).acquire());
            assert!(poll(&client, waiting.as_mut()).is_pending());
            assert!(poll(&client, waiting.as_mut()).is_pending());
        }
        let mut refused = Box::pin(client.lock("a").wait(Duration::from_millis(1)).acquire());
        while poll(&client, refused.as_mut()).is_pending() {
            std::thread::yield_now();
        }
        let mut granted = Box::pin(client.lock("a").wait(SOON).acquire());
        assert!(poll(&client, granted.as_mut()).is_pending());
        drop(guard);
        // Granted, and its task does not look.
        while client.stats().held == 0 {
            std::thread::yield_now();
        }
        drop(granted);
        until_free(&client, "a");
    });
}

#[test]
fn a_body_may_be_dropped_lost_and_released_for_a_waker_that_asks_the_client() {
    in_time(|| {
        let client = client();
        let mut dropped = Box::pin(client.lock("a").run(std::future::pending::<()>()));
        assert!(poll(&client, dropped.as_mut()).is_pending());
        drop(dropped);
        until_free(&client, "a");
        let request = client.lock("a").ttl(Duration::from_millis(50)).renew(false);
        let mut lost = Box::pin(request.run(std::future::pending::<()>()));
        while poll(&client, lost.as_mut()).is_pending() {
            std::thread::yield_now();
        }
        drop(lost);
        until_free(&client, "a");
        let mut returned = Box::pin(client.lock("a").run(async {}));
        while poll(&client, returned.as_mut()).is_pending() {
            std::thread::yield_now();
        }
        drop(returned);
        until_free(&client, "a");
    });
}

#[test]
fn a_release_may_be_given_up_for_a_waker_that_asks_the_client() {
    in_time(|| {
        let store = Troubled::default();
        let silent = Arc::clone(&store.silent);
        let client = futures::executor::block_on(Client::builder().connect_store(store)).expect("it is there");
        let guard = futures::executor::block_on(client.lock("a").acquire()).expect("it is free");
        silent.store(true, Ordering::SeqCst);
        let mut releasing = Box::pin(guard.release());
        assert!(poll(&client, releasing.as_mut()).is_pending());
        silent.store(false, Ordering::SeqCst);
        drop(releasing);
        until_free(&client, "a");
    });
}

/// A panic of one task's waker does not keep others from being told.
#[test]
fn a_waker_that_panics_keeps_no_loss_from_others() {
    in_time(|| {
        let client = client();
        let guards: Vec<_> = (0..3)
            .map(|n| {
                let request = client.lock(format!("{n}"));
                let guard = futures::executor::block_on(request.acquire()).expect("it is free");
                let mut lost = Box::pin(guard.lost());
                let waker = Family::new().waker(|what| {
                    assert!(what != crate::system::strange::Happened::Woken, "for a test");
                });
                assert!(lost.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
                (guard, lost)
            })
            .collect();
        let closing = client.shutdown(Duration::ZERO);
        let report = futures::executor::block_on(closing);
        assert_eq!(report.lost, 3);
        assert!(guards.iter().all(|(guard, _)| !guard.is_held()), "each is told");
    });
}

#[test]
fn what_an_error_brings_along_may_ask_the_client_when_it_is_dropped() {
    in_time(|| {
        let store = Troubled::default();
        let (errors, asks) = (Arc::clone(&store.errors), Arc::clone(&store.asks));
        let dropped = Arc::new(AtomicUsize::new(0));
        let client = futures::executor::block_on(Client::builder().connect_store(store)).expect("it is there");
        assert!(asks.set((client.clone(), Arc::clone(&dropped))).is_ok());
        // Each attempt replaces the error of the one before it.
        errors.store(3, Ordering::SeqCst);
        let guard = futures::executor::block_on(client.lock("a").wait(SOON).acquire()).expect("the fourth is granted");
        assert_eq!(errors.load(Ordering::SeqCst), 0);
        errors.store(2, Ordering::SeqCst);
        futures::executor::block_on(guard.release()).expect("the third is answered");
        errors.store(1, Ordering::SeqCst);
        let refused = futures::executor::block_on(client.lock("a").acquire());
        assert!(matches!(refused, Err(LockError::Unavailable { .. })), "{refused:?}");
        drop(refused);
        until_free(&client, "a");
        assert!(dropped.load(Ordering::SeqCst) >= 3, "this is about errors that are dropped");
    });
}

/// How an error's source finds the client, and a count of dropped sources.
type Asks = OnceLock<(Client, Arc<AtomicUsize>)>;

/// A store that fails, or does not answer.
#[derive(Debug, Default)]
struct Troubled {
    store: MemoryStore,
    /// So many operations to come fail.
    errors: Arc<AtomicUsize>,
    /// Operations have no answer.
    silent: Arc<AtomicBool>,
    asks: Arc<Asks>,
}

impl Store for Troubled {
    fn identity(&self) -> &str {
        self.store.identity()
    }

    fn open(&self) -> StoreFuture<Result<Arc<dyn Session>, StoreError>> {
        let (errors, silent, asks) = (Arc::clone(&self.errors), Arc::clone(&self.silent), Arc::clone(&self.asks));
        let session = TroubledSession { session: self.store.session().expect("memory has one"), errors, silent, asks };
        Box::pin(std::future::ready(Ok(Arc::new(session) as Arc<dyn Session>)))
    }

    fn session(&self) -> Option<Arc<dyn Session>> {
        let (errors, silent, asks) = (Arc::clone(&self.errors), Arc::clone(&self.silent), Arc::clone(&self.asks));
        Some(Arc::new(TroubledSession { session: self.store.session()?, errors, silent, asks }))
    }
}

#[derive(Debug)]
struct TroubledSession {
    session: Arc<dyn Session>,
    errors: Arc<AtomicUsize>,
    silent: Arc<AtomicBool>,
    asks: Arc<Asks>,
}

impl TroubledSession {
    fn or_trouble<T: Send + 'static>(
        &self,
        answer: StoreFuture<Result<T, StoreError>>,
    ) -> StoreFuture<Result<T, StoreError>> {
        let fewer = |errors: usize| errors.checked_sub(1);
        if self.errors.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer).is_ok() {
            let source = Source(Arc::clone(&self.asks));
            let error = StoreError::new(StoreErrorKind::Unready, "for a test").with_source(source);
            return Box::pin(std::future::ready(Err(error)));
        }
        if self.silent.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        answer
    }
}

impl Session for TroubledSession {
    fn acquire(&self, ask: Ask) -> StoreFuture<Result<Acquired, StoreError>> {
        self.or_trouble(self.session.acquire(ask))
    }

    fn look(&self, look: Look) -> StoreFuture<Result<Acquired, StoreError>> {
        self.or_trouble(self.session.look(look))
    }

    fn renew(&self, batch: Vec<Renewal>) -> StoreFuture<Vec<Result<Renewed, StoreError>>> {
        self.session.renew(batch)
    }

    fn release(&self, release: Release) -> StoreFuture<Result<Released, StoreError>> {
        self.or_trouble(self.session.release(release))
    }

    fn is_open(&self) -> bool {
        true
    }
}

/// An error source that calls the client when it is dropped.
struct Source(Arc<Asks>);

impl Drop for Source {
    fn drop(&mut self) {
        if let Some((client, dropped)) = self.0.get() {
            client.stats();
            dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("for a test")
    }
}

impl std::error::Error for Source {}
