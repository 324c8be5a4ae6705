//! Listeners and entries, and what is asked with them.

use std::sync::Arc;
use std::time::Duration;

use lock_runtime::store::{
    Acquired, Enqueue, Entry, Grant, Listener, ListenerId, Release, Released, Rotate, Rotated, Session, Store,
    StoreError, Token,
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::{TTL, store};

/// For how long a hand-over grants, unless a test says otherwise.
pub(crate) const FIRST_LEASE: Duration = Duration::from_secs(10);

/// A session at a URL that listens under a name, and what it hears.
pub(crate) async fn listen(url: &str, name: u128) -> (Arc<dyn Session>, UnboundedReceiver<Grant>) {
    listen_to(&store(url), name).await
}

pub(crate) async fn listen_to(store: &impl Store, name: u128) -> (Arc<dyn Session>, UnboundedReceiver<Grant>) {
    let (sender, receiver) = unbounded_channel();
    let listener = Listener::new(ListenerId::from_bits(name), move |grant| sender.send(grant).is_ok());
    (store.listen(listener).await.expect("a session can be opened"), receiver)
}

/// The next grant, which must come.
pub(crate) async fn heard(grants: &mut UnboundedReceiver<Grant>) -> Grant {
    let grant = tokio::time::timeout(Duration::from_secs(10), grants.recv()).await;
    grant.expect("a grant in time").expect("a session that is there")
}

/// One that waits, told by this listener.
pub(crate) fn entry(listener: u128) -> Entry {
    let listener = ListenerId::from_bits(listener);
    Entry::new(listener, FIRST_LEASE)
}

/// A look that queues.
pub(crate) async fn queue(
    session: &Arc<dyn Session>,
    key: &str,
    token: u128,
    entry: &Entry,
) -> Result<Acquired, StoreError> {
    let (token, entry) = (Token::from_bits(token), entry.clone());
    session.enqueue(Enqueue::new(key, token, TTL, entry).with_fences(1)).await
}

/// A release that takes an entry out of the queue.
pub(crate) async fn leave(
    session: &Arc<dyn Session>,
    key: &str,
    token: u128,
    entry: &Entry,
) -> Result<Released, StoreError> {
    let (token, leave) = (Token::from_bits(token), Some(entry.clone()));
    session.release(Release::new(key, token).with_leave(leave)).await
}

/// A rotation to the next token.
pub(crate) async fn rotate(
    session: &Arc<dyn Session>,
    key: &str,
    [token, next]: [u128; 2],
    entry: &Entry,
) -> Result<Rotated, StoreError> {
    let (token, next) = (Token::from_bits(token), Token::from_bits(next));
    session.rotate(Rotate::new(key, token, TTL, next, entry.clone()).with_fences(1)).await
}

/// A token as it stands in Redis.
pub(crate) fn written(token: u128) -> String {
    format!("{token:032x}")
}
