//! How do functions that lock the same key call each other?
//!
//! ```sh
//! cargo run -p examples --example join
//! cargo run -p examples --example join redis://127.0.0.1:6379
//! ```
//!
//! `add` locks its cart, since it is called by itself. `refill` locks the same cart, and calls `add` from inside. A call
//! that is to be part of the body around it says `on_held = "join"`: it takes no lock of its own, and gives none back.
//! Without it, the call would wait for itself, and so it is refused.

use std::error::Error;
use std::sync::Mutex;

use lock_runtime::{LockError, current, distributed_lock};

/// The number of goods, and the fence under which each of them was put in.
#[derive(Default)]
struct Cart(Mutex<Vec<u64>>);

impl Cart {
    fn put(&self) {
        let fence = current().expect("inside the body there is a lease").fence();
        self.0.lock().expect("nobody panics").push(fence);
    }

    fn fences(&self) -> Vec<u64> {
        self.0.lock().expect("nobody panics").clone()
    }
}

#[distributed_lock(key = "cart:<id>", on_held = "join", wait = "2s")]
async fn add(id: u64, cart: &Cart) -> Result<(), LockError> {
    cart.put();
    Ok(())
}

/// The same without `on_held`.
#[distributed_lock(key = "cart:<id>", wait = "2s")]
async fn add_alone(id: u64, cart: &Cart) -> Result<(), LockError> {
    cart.put();
    Ok(())
}

/// Nobody sees the cart between the first and the last of them.
#[distributed_lock(key = "cart:<id>", wait = "2s")]
async fn refill(id: u64, cart: &Cart) -> Result<(), LockError> {
    for _ in 0..3 {
        add(id, cart).await?;
    }
    Ok(())
}

#[distributed_lock(key = "cart:<id>", wait = "2s")]
async fn refill_without_joining(id: u64, cart: &Cart) -> Result<(), LockError> {
    add_alone(id, cart).await
}

/// A task of its own is not inside of the body that spawned it: it waits for the lock as anybody does.
#[distributed_lock(key = "cart:<id>", wait = "2s")]
async fn spawn_one(id: u64, cart: &'static Cart) -> Result<tokio::task::JoinHandle<Result<(), LockError>>, LockError> {
    Ok(tokio::spawn(add(id, cart)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory://".to_owned());
    let client = lock_runtime::init(&url).await?;
    let cart: &'static Cart = Box::leak(Box::default());

    add(1, cart).await?;
    println!("by itself: {} lock", client.stats().acquired);

    refill(1, cart).await?;
    let fences = cart.fences();
    println!("three within one body: {} lock more, under one fence", client.stats().acquired - 1);
    assert!(client.stats().acquired == 2 && fences[1] == fences[2] && fences[2] == fences[3] && fences[0] < fences[1]);

    match refill_without_joining(1, cart).await {
        Err(error @ LockError::AlreadyHeld { .. }) => println!("without joining: {error}"),
        other => return Err(format!("it waited for itself: {other:?}").into()),
    }

    spawn_one(1, cart).await?.await??;
    let fences = cart.fences();
    println!("in a task of its own: a lock of its own, fence {} after {}", fences[4], fences[3]);
    assert!(fences[3] < fences[4]);
    Ok(())
}
