//! What the future costs, and where it may go.

use std::cell::Cell;
use std::hint::black_box;
use std::time::Duration;

use lock_runtime::{LockError, distributed_lock};
use tokio::task::yield_now;
use tokio::time::sleep;

/// Twice what it was, and room for the call.
fn assert_small<P: Future, L: Future>(plain: &P, locked: &L) {
    let (plain, locked) = (size_of_val(plain), size_of_val(locked));
    println!("{plain} bytes became {locked}");
    assert!(locked <= 2 * plain + 200, "{plain} bytes became {locked}");
}

async fn plain_number(id: u64) -> Result<u64, LockError> {
    yield_now().await;
    Ok(id)
}

#[distributed_lock(key = "job:<id>", ttl = "30s")]
async fn locked_number(id: u64) -> Result<u64, LockError> {
    yield_now().await;
    Ok(id)
}

#[allow(clippy::large_types_passed_by_value)] // what it would cost is the question
async fn plain_array(array: [u8; 1024]) -> Result<u8, LockError> {
    yield_now().await;
    Ok(array[0])
}

#[distributed_lock(key = "job", ttl = "30s")]
async fn locked_array(array: [u8; 1024]) -> Result<u8, LockError> {
    yield_now().await;
    Ok(array[0])
}

async fn plain_body(id: u64) -> Result<u64, LockError> {
    let held = black_box([0_u8; 1024]);
    yield_now().await;
    black_box(&held);
    Ok(id)
}

#[distributed_lock(key = "job:<id>", ttl = "30s")]
async fn locked_body(id: u64) -> Result<u64, LockError> {
    let held = black_box([0_u8; 1024]);
    yield_now().await;
    black_box(&held);
    Ok(id)
}

/// A name that is `mut` is bound anew, which takes up more.
#[allow(clippy::large_types_passed_by_value)] // what it would cost is the question
async fn plain_changed(mut array: [u8; 1024]) -> Result<u8, LockError> {
    array[0] += 1;
    yield_now().await;
    Ok(array[0])
}

#[distributed_lock(key = "job", ttl = "30s")]
async fn locked_changed(mut array: [u8; 1024]) -> Result<u8, LockError> {
    array[0] += 1;
    yield_now().await;
    Ok(array[0])
}

#[test]
fn the_future_is_at_most_twice_the_plain_one_and_some() {
    assert_small(&plain_number(1), &locked_number(1));
    assert_small(&plain_array([0; 1024]), &locked_array([0; 1024]));
    assert_small(&plain_body(1), &locked_body(1));
    assert_small(&plain_changed([0; 1024]), &locked_changed([0; 1024]));
}

fn assert_send<T: Send>(_: &T) {}

#[test]
fn the_future_is_send_when_the_plain_one_is() {
    #[distributed_lock(key = "<id>")]
    async fn sends_what_is_not_sync(id: u64, cell: Cell<u8>, call: Box<dyn Fn() + Send>) -> Result<u8, LockError> {
        let _ = id;
        call();
        yield_now().await;
        Ok(cell.get())
    }
    #[distributed_lock(key = "<id>", or_else = |_| id)]
    async fn generic<T: Send>(id: u64, value: T) -> u64 {
        yield_now().await;
        drop(value);
        id
    }
    assert_send(&sends_what_is_not_sync(1, Cell::new(1), Box::new(|| ())));
    assert_send(&generic(1, Cell::new(1)));
    assert_send(&locked_number(1));
}

/// Functions that call each other, the last one first.
macro_rules! chain {
    ($last:ident $($name:ident)*) => {
        #[distributed_lock(key = stringify!($last))]
        async fn $last(depth: u32) -> Result<u32, LockError> {
            // What most bodies end in, and deep to the compiler.
            sleep(Duration::from_millis(1)).await;
            Ok(depth)
        }
        chain!(@ $last $($name)*);
    };
    (@ $called:ident $name:ident $($rest:ident)*) => {
        #[distributed_lock(key = stringify!($name))]
        async fn $name(depth: u32) -> Result<u32, LockError> {
            $called(depth + 1).await
        }
        chain!(@ $name $($rest)*);
    };
    (@ $called:ident) => {};
}

chain!(twentieth nineteenth eighteenth seventeenth sixteenth fifteenth fourteenth thirteenth twelfth eleventh
    tenth ninth eighth seventh sixth fifth fourth third second first);

/// Each is as deep as two plain ones to the compiler, and this crate has its default recursion limit.
#[tokio::test]
async fn twenty_functions_in_a_row_compile_and_may_be_spawned() {
    let client = crate::memory().await;
    let call = tokio::spawn(client.scope(first(1)));
    assert_eq!(call.await.expect("no panic").expect("all free"), 20);
}
