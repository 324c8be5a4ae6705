use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::*;
use crate::store::{Enqueue, Entry, ListenerId, Token};

const TTL: Duration = Duration::from_secs(10);

/// The answer of an operation, at its first poll.
fn now<T>(mut operation: StoreFuture<T>) -> T {
    match operation.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("an operation in memory waits for nothing"),
    }
}

fn listen(store: &MemoryStore, id: u128) -> (Arc<dyn Session>, mpsc::Receiver<Grant>) {
    let (hear, heard) = mpsc::channel();
    let listener = Listener::new(ListenerId::from_bits(id), move |grant| hear.send(grant).is_ok());
    (now(store.listen(listener)).expect("memory is always there"), heard)
}

fn acquire(session: &Arc<dyn Session>, token: u128) {
    let ask = Ask::new("a", Token::from_bits(token), TTL);
    assert!(matches!(now(session.acquire(ask)), Ok(Acquired::Granted { .. })));
}

fn release(session: &Arc<dyn Session>, token: u128) {
    let release = Release::new("a", Token::from_bits(token));
    assert_eq!(now(session.release(release)).ok(), Some(Released::Freed));
}

/// Queues a waiter of this listener.
fn queue(session: &Arc<dyn Session>, token: u128, listener: u128) {
    let entry = Entry::new(ListenerId::from_bits(listener), TTL);
    let enqueue = Enqueue::new("a", Token::from_bits(token), TTL, entry);
    assert!(matches!(now(session.enqueue(enqueue)), Ok(Acquired::Held { queued_at: Some(_), .. })));
}

#[test]
fn names_share_and_namespaces_part() {
    let shared = |a: &MemoryStore, b: &MemoryStore| Arc::ptr_eq(&a.memory, &b.memory);
    let one = MemoryStore::named("names_share");
    assert!(shared(&one, &MemoryStore::named("names_share")));
    assert!(!shared(&one, &MemoryStore::new()));
    let tenant = one.clone().with_namespace("7");
    assert!(!shared(&one, &tenant));
    assert!(shared(&tenant, &MemoryStore::named("names_share").with_namespace("7")));
    assert_ne!(MemoryStore::named("names_share#7").identity(), tenant.identity());
}

#[test]
fn only_a_session_with_a_listener_listens() {
    let store = MemoryStore::new();
    assert!(store.capabilities().queues());
    assert!(listen(&store, 7).0.listens());
    assert!(store.session().is_some_and(|session| !session.listens()));
    assert!(now(store.open()).is_ok_and(|session| !session.listens()));
}

#[test]
fn a_listener_hears_of_its_own_waiters() {
    let store = MemoryStore::new();
    let ((session, heard), (_other, heard_by_other)) = (listen(&store, 7), listen(&store, 8));
    acquire(&session, 1);
    queue(&session, 2, 7);
    release(&session, 1);
    assert_eq!(heard.try_recv().map(|grant| grant.token), Ok(Token::from_bits(2)));
    assert!(heard_by_other.try_recv().is_err());
}

#[test]
fn a_session_that_ends_listens_no_more() {
    let store = MemoryStore::new();
    let session = store.session().expect("memory needs no opening");
    let (listening, heard) = listen(&store, 7);
    acquire(&session, 1);
    queue(&session, 2, 7);
    drop(listening);
    release(&session, 1);
    assert!(matches!(heard.try_recv(), Err(mpsc::TryRecvError::Disconnected)));
    acquire(&session, 3);
    assert!(enter(&store.memory).listeners.is_empty());
}

#[test]
fn the_end_of_an_old_session_does_not_end_the_next() {
    let store = MemoryStore::new();
    let (old, _) = listen(&store, 7);
    let (next, heard) = listen(&store, 7);
    drop(old);
    acquire(&next, 1);
    queue(&next, 2, 7);
    release(&next, 1);
    assert_eq!(heard.try_recv().map(|grant| grant.token), Ok(Token::from_bits(2)));
}

#[test]
fn a_listener_may_use_the_store() {
    let store = MemoryStore::new();
    let session = store.session().expect("memory needs no opening");
    let (hear, heard) = mpsc::channel();
    let (own, memory) = (Arc::clone(&session), Arc::clone(&store.memory));
    let listener = Listener::new(ListenerId::from_bits(7), move |grant| {
        // A mutex that is still locked would deadlock the release.
        let is_let_go = memory.try_lock().is_ok();
        let release = Release::new(grant.key, grant.token);
        hear.send(is_let_go && now(own.release(release)).is_ok_and(|released| released == Released::Freed)).is_ok()
    });
    let _listening = now(store.listen(listener));
    acquire(&session, 1);
    queue(&session, 2, 7);
    release(&session, 1);
    assert_eq!(heard.try_recv(), Ok(true));
    acquire(&session, 3);
}

#[test]
fn a_listener_is_not_told_before_the_first_poll() {
    let store = MemoryStore::new();
    let (hear, heard) = mpsc::channel::<Grant>();
    let listening = store.listen(Listener::new(ListenerId::from_bits(7), move |grant| hear.send(grant).is_ok()));
    let session = store.session().expect("memory needs no opening");
    acquire(&session, 1);
    queue(&session, 2, 7);
    release(&session, 1);
    acquire(&session, 3);
    drop(listening);
    assert!(heard.try_recv().is_err());
}

#[test]
fn fences_begin_at_the_clock_as_a_server_s_do() {
    let fence_of_a_new_store = || {
        let session = MemoryStore::new().session().expect("it needs no opening");
        let ask = Ask::new("a", Token::from_bits(1), Duration::from_secs(30));
        match now(session.acquire(ask)) {
            Ok(Acquired::Granted { fence, .. }) => fence,
            other => panic!("a free key: {other:?}"),
        }
    };
    let before = clock::since_1970().as_micros();
    let first = fence_of_a_new_store();
    assert!(u128::from(first) > before && before > 1_600_000_000_000_000, "{first} after {before}");
    // Another run of the program, which begins later.
    while clock::since_1970().as_micros() <= u128::from(first) {
        std::thread::yield_now();
    }
    assert!(fence_of_a_new_store() > first);
}
