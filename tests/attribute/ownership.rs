//! Arguments belong to the body, and go with it.

use std::future;
use std::sync::{Arc, Mutex, PoisonError};

use lock_runtime::{LockError, distributed_lock};

use crate::{key, memory};

type Log = Arc<Mutex<Vec<String>>>;

fn logged(log: &Log) -> Vec<String> {
    log.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
}

/// Says when it is dropped, and whether under the lock.
struct Noted {
    name: &'static str,
    log: Log,
}

impl Noted {
    fn new(name: &'static str, log: &Log) -> Self {
        Self { name, log: log.clone() }
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        let held = if lock_runtime::current().is_some_and(|lease| lease.is_held()) { "held" } else { "free" };
        let note = format!("{} {held}", self.name);
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push(note);
    }
}

#[tokio::test]
async fn an_argument_that_the_body_does_not_name_is_dropped_under_the_lock() {
    #[distributed_lock(key = "job")]
    async fn locked(_permit: Noted, (unnamed, _): (Noted, u8)) -> Result<(), LockError> {
        Ok(())
    }
    let log = Log::default();
    let client = memory().await;
    let (one, two) = (Noted::new("permit", &log), Noted::new("unnamed", &log));
    client.scope(locked(one, (two, 0))).await.expect("free");
    assert_eq!(logged(&log), ["unnamed held", "permit held"]);
}

#[tokio::test]
async fn arguments_are_dropped_in_the_order_of_a_plain_function() {
    async fn plain(a: Noted, (b, c): (Noted, Noted), mut d: Noted, log: Log) -> Result<(), LockError> {
        let _local = Noted::new("local", &log);
        d.name = "d";
        let _moved = c;
        tokio::task::yield_now().await;
        let _ = (&a, &b);
        Ok(())
    }
    #[distributed_lock(key = "job")]
    async fn locked(a: Noted, (b, c): (Noted, Noted), mut d: Noted, log: Log) -> Result<(), LockError> {
        let _local = Noted::new("local", &log);
        d.name = "d";
        let _moved = c;
        tokio::task::yield_now().await;
        let _ = (&a, &b);
        Ok(())
    }
    let log = Log::default();
    let noted = |name| Noted::new(name, &log);
    let client = memory().await;
    plain(noted("a"), (noted("b"), noted("c")), noted("x"), log.clone()).await.expect("plain");
    let expected: Vec<String> = logged(&log).into_iter().map(|note| note.replace("free", "held")).collect();
    client.scope(locked(noted("a"), (noted("b"), noted("c")), noted("x"), log.clone())).await.expect("free");
    assert_eq!(logged(&log), expected);
    assert_eq!(expected.len(), 5);
}

#[tokio::test]
async fn without_mut_the_order_is_the_same() {
    async fn plain(a: Noted, (b, c): (Noted, Noted), _d: Noted, log: Log) -> Result<(), LockError> {
        let _local = Noted::new("local", &log);
        let _moved = b;
        tokio::task::yield_now().await;
        let _ = (&c, &a);
        Ok(())
    }
    #[distributed_lock(key = "job")]
    async fn locked(a: Noted, (b, c): (Noted, Noted), _d: Noted, log: Log) -> Result<(), LockError> {
        let _local = Noted::new("local", &log);
        let _moved = b;
        tokio::task::yield_now().await;
        let _ = (&c, &a);
        Ok(())
    }
    let log = Log::default();
    let noted = |name| Noted::new(name, &log);
    let client = memory().await;
    plain(noted("a"), (noted("b"), noted("c")), noted("d"), log.clone()).await.expect("plain");
    let expected: Vec<String> = logged(&log).into_iter().map(|note| note.replace("free", "held")).collect();
    client.scope(locked(noted("a"), (noted("b"), noted("c")), noted("d"), log.clone())).await.expect("free");
    assert_eq!(logged(&log), expected);
}

#[tokio::test]
async fn a_part_that_the_body_takes_brings_the_whole_argument_along() {
    struct Whole {
        used: u8,
        _rest: Noted,
    }
    #[distributed_lock(key = "job")]
    async fn locked(whole: Whole) -> Result<u8, LockError> {
        Ok(whole.used)
    }
    let log = Log::default();
    let whole = Whole { used: 1, _rest: Noted::new("rest", &log) };
    memory().await.scope(locked(whole)).await.expect("free");
    assert_eq!(logged(&log), ["rest held"]);
}

#[tokio::test]
async fn a_refused_call_drops_its_arguments_too() {
    #[distributed_lock(key = "job")]
    async fn locked(_permit: Noted) -> Result<(), LockError> {
        Ok(())
    }
    let log = Log::default();
    locked(Noted::new("permit", &log)).await.expect_err("no client is configured");
    assert_eq!(logged(&log), ["permit free"]);
}

#[tokio::test]
async fn a_dropped_call_drops_its_body_and_releases() {
    #[distributed_lock(key = "job")]
    async fn locked(_permit: Noted) -> Result<(), LockError> {
        future::pending().await
    }
    let log = Log::default();
    let client = memory().await;
    let mut call = Box::pin(client.scope(locked(Noted::new("permit", &log))));
    while client.stats().held == 0 {
        assert!(still_pending(&mut call).await);
        tokio::task::yield_now().await;
    }
    drop(call);
    assert_eq!(logged(&log).len(), 1);
    let _free = client.lock("job").wait(std::time::Duration::from_secs(20)).acquire().await.expect("released");
}

/// Polls once; says whether the future is still pending.
async fn still_pending<F: Future + Unpin>(future: &mut F) -> bool {
    future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())).await
}

#[tokio::test]
async fn the_key_is_written_before_the_body_takes_the_arguments_and_without_cloning() {
    struct NotClone(String);
    #[distributed_lock(key = "<text.0>:<list>")]
    async fn locked(mut text: NotClone, list: &mut String) -> Result<String, LockError> {
        text.0.push('!');
        list.push('!');
        Ok(key() + &text.0)
    }
    let mut list = "l".to_owned();
    let seen = memory().await.scope(locked(NotClone("t".into()), &mut list)).await.expect("free");
    assert_eq!((seen.as_str(), list.as_str()), ("t:lt!", "l!"));
}
