//! Beside attributes that copy, wrap, or make a function sync: ours comes first, and expands first.

use lock_neighbours::{blocks, calls, copies, runs_inner, wraps};
use lock_runtime::{Client, LockError, distributed_lock};

use crate::{key, memory};

fn client() -> Client {
    Client::connect_lazy("memory://").expect("memory needs no server")
}

#[distributed_lock(key = "<id>")]
#[copies]
pub(crate) async fn served(id: u64) -> Result<String, LockError> {
    Ok(format!("{} {id}", key()))
}

#[tokio::test]
async fn it_stands_above_an_attribute_that_copies_others() {
    assert_eq!(memory().await.scope(served(7)).await.expect("one lock, once"), "7 7");
}

#[distributed_lock(key = "<id>")]
#[wraps]
async fn cached(id: u64) -> Result<String, LockError> {
    let _ = id;
    Ok(key())
}

#[wraps]
#[distributed_lock(key = "<id>")]
async fn cached_under_the_lock(id: u64) -> Result<String, LockError> {
    let _ = id;
    Ok(key())
}

#[tokio::test]
async fn above_a_cache_the_lock_is_taken_for_what_is_not_in_it_and_below_always() {
    let client = memory().await;
    assert_eq!(client.scope(cached(7)).await.expect("free"), "7");
    assert_eq!(client.scope(cached_under_the_lock(7)).await.expect("free"), "7");
    let _held = client.lock("7").acquire().await.expect("released");
    assert_eq!(client.scope(cached(7)).await.expect("from the cache"), "7");
    assert!(matches!(client.scope(cached_under_the_lock(7)).await, Err(LockError::Busy { .. })));
}

#[distributed_lock(key = "test:<pool>", client = client())]
#[runs_inner]
async fn run_with_what_it_needs(pool: u64) -> Result<String, LockError> {
    let _ = pool;
    Ok(key())
}

#[distributed_lock(key = "test", client = client())]
#[blocks]
async fn blocked_on() -> Result<String, LockError> {
    Ok(key())
}

#[test]
fn it_stands_above_attributes_that_make_the_function_sync() {
    assert_eq!(run_with_what_it_needs().expect("free"), "test:0");
    assert_eq!(blocked_on().expect("free"), "test");
}

#[distributed_lock(key = "case:<number>", client = client())]
#[calls]
async fn called_with_a_case(number: u64) -> Result<String, LockError> {
    let _ = number;
    Ok(key())
}

#[tokio::test]
async fn it_stands_above_an_attribute_that_calls_the_function() {
    assert_eq!(called_with_a_case().await.expect("free"), "case:0");
}
