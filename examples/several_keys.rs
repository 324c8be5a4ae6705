//! How does one body hold two locks without a deadlock?
//!
//! Ten clerks transfer money between three accounts, some from the first to the second while others do the reverse.
//!
//! ```sh
//! cargo run -p examples --example several_keys                           # in memory
//! cargo run -p examples --example several_keys redis://127.0.0.1:6379
//! ```

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use lock_runtime::{LockError, current_set, distributed_lock};

/// What the locks are for: read and written back in two steps.
type Accounts = [AtomicI64; 3];

// Whatever the order in which they are named, the keys are acquired in one order, and released in reverse.
#[distributed_lock(keys = ["account:<from>", "account:<to>"], ttl = "10s", wait = "30s")]
async fn transfer(from: usize, to: usize, amount: i64, accounts: &Accounts) -> Result<(), LockError> {
    let (theirs, ours) = (accounts[from].load(Ordering::Relaxed), accounts[to].load(Ordering::Relaxed));
    tokio::task::yield_now().await; // a query, for instance; others run meanwhile
    // A database would compare the fence of each account's key.
    assert!(current_set().is_some_and(|leases| leases.fence_of(format!("account:{from}")).is_some()));
    accounts[from].store(theirs - amount, Ordering::Relaxed);
    accounts[to].store(ours + amount, Ordering::Relaxed);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory://".to_owned());
    let client = lock_runtime::init(&url).await?;
    let accounts: Arc<Accounts> = Arc::new([1000, 1000, 1000].map(AtomicI64::new));

    let clerks = (0..10_usize).map(|clerk| {
        let accounts = Arc::clone(&accounts);
        tokio::spawn(async move {
            for turn in 0..20 {
                let (from, to) = ((clerk + turn) % 3, (clerk + 2 * turn + 1) % 3);
                if from != to {
                    transfer(from, to, 5, &accounts).await?;
                }
            }
            Ok::<(), LockError>(())
        })
    });
    for clerk in clerks.collect::<Vec<_>>() {
        clerk.await??;
    }
    let balances: Vec<i64> = accounts.iter().map(|account| account.load(Ordering::Relaxed)).collect();
    println!("{balances:?}: {} in all, after {} locks", balances.iter().sum::<i64>(), client.stats().acquired);
    assert_eq!(balances.iter().sum::<i64>(), 3000);
    Ok(())
}
