//! Locks for a living: the processes of the exclusion tests.
//!
//! `hammer URL LEDGER SECONDS TASKS KEYS` takes keys over and over through the attribute; `hold URL LEDGER KEY TTL_MS`
//! takes one key and works under it, step by step, until it is lost or told to stop; `transfer URL LEDGER TRANSFERS
//! ACCOUNTS SEED` takes two keys at once for each transfer between two accounts.

use std::task::Poll;
use std::time::{Duration, Instant};

use lock_runtime::{LockError, current, current_set, distributed_lock};
use lock_tests::Ledger;
use redis::AsyncTypedCommands as _;
use redis::aio::MultiplexedConnection;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["hammer", url, ledger, seconds, tasks, keys] => {
            lock_runtime::init(url).await.expect("the server is up");
            hammer(ledger, number(seconds), number(tasks), number(keys)).await;
        }
        ["hold", url, ledger, key, ttl] => {
            lock_runtime::init(url).await.expect("the server is up");
            hold(ledger, key, Duration::from_millis(number(ttl))).await;
        }
        ["transfer", url, ledger, transfers, accounts, seed] => {
            lock_runtime::init(url).await.expect("the server is up");
            transfer_all(url, ledger, number(transfers), number(accounts), number(seed)).await;
        }
        _ => panic!("what to do? {arguments:?}"),
    }
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

#[distributed_lock(key = "hammer:<key>", ttl = "2s", wait = "20s")]
async fn strike(key: u64, ledger: &Ledger) -> Result<u64, LockError> {
    let fence = current().expect("inside a body").fence();
    let _inside = ledger.enter(&key.to_string(), fence);
    tokio::task::yield_now().await;
    Ok(fence)
}

async fn hammer(ledger: &str, seconds: u64, tasks: u64, keys: u64) {
    let end = Instant::now() + Duration::from_secs(seconds);
    let hands = (0..tasks).map(|task| {
        let ledger = Ledger::at(ledger);
        tokio::spawn(async move {
            let mut strikes = 0_u64;
            while Instant::now() < end {
                strike((task + strikes) % keys, &ledger).await.expect("a turn comes within 20 s");
                strikes += 1;
            }
            strikes
        })
    });
    let hands: Vec<_> = hands.collect();
    let mut strikes = 0;
    for hand in hands {
        strikes += hand.await.expect("no striker panics");
    }
    println!("strikes {strikes}");
}

/// Works in short steps, each written into the ledger; says what became of the lock.
async fn hold(ledger: &str, key: &str, ttl: Duration) {
    let ledger = Ledger::at(ledger);
    let outcome = work(key, ttl, &ledger).await;
    match outcome {
        Err(LockError::Lost { reason, .. }) => println!("lost {reason:?}"),
        other => println!("ended {other:?}"),
    }
}

#[distributed_lock(key = key, ttl = ttl)]
async fn work(key: &str, ttl: Duration, ledger: &Ledger) -> Result<(), LockError> {
    let fence = current().expect("inside a body").fence();
    println!("holds {fence}");
    loop {
        // Stopped and continued, the process must not get here again once its time is over.
        drop(ledger.step(key, fence));
        println!("rests");
        until_woken().await;
    }
}

/// Rests until its task is woken, by whatever it is: in ten seconds by itself.
///
/// So the test has ten seconds to stop the process in its rest (a step that has begun cannot be taken back), and a poll
/// of the body after the process was continued is a step, whoever asked for it.
async fn until_woken() {
    let mut alarm = std::pin::pin!(tokio::time::sleep(Duration::from_secs(10)));
    let mut rested = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut rested, true) {
            return Poll::Ready(());
        }
        alarm.as_mut().poll(cx).map(|()| unreachable!("ten seconds have not passed"))
    })
    .await;
}

/// Transfers from one random account to another, one after the other; says how much each account has gained.
async fn transfer_all(url: &str, ledger: &str, transfers: u64, accounts: u64, seed: u64) {
    let server = redis::Client::open(url).expect("a URL of the harness");
    let mut connection = server.get_multiplexed_async_connection().await.expect("the server is up");
    let ledger = Ledger::at(ledger);
    let mut random = seed;
    let mut draw = |below: u64| {
        // Knuth's generator, of which the upper bits are good enough.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut moved: Vec<i64> = (0..accounts).map(|_| 0).collect();
    for done in 1..=transfers {
        let from = draw(accounts);
        // Another one.
        let to = (from + 1 + draw(accounts - 1)) % accounts;
        let sum = i64::try_from(1 + draw(100)).expect("small");
        transfer(from, to, sum, &ledger, &mut connection).await.expect("a turn comes within 20 s");
        for (account, gain) in [(from, -sum), (to, sum)] {
            moved[usize::try_from(account).expect("small")] += gain;
        }
        if done * 10 % transfers == 0 {
            println!("tenth {}", done * 10 / transfers);
        }
    }
    println!("moved {}", moved.iter().map(i64::to_string).collect::<Vec<_>>().join(" "));
}

#[distributed_lock(keys = ["account:<from>", "account:<to>"], ttl = "5s", wait = "20s")]
async fn transfer(
    from: u64,
    to: u64,
    sum: i64,
    ledger: &Ledger,
    connection: &mut MultiplexedConnection,
) -> Result<(), LockError> {
    let leases = current_set().expect("inside a body of several keys");
    let enter = |account: u64| {
        let key = format!("account:{account}");
        ledger.enter(&key, leases.fence_of(&key).expect("one of its keys"))
    };
    let _inside = (enter(from), enter(to));
    for (account, gain) in [(from, -sum), (to, sum)] {
        let name = format!("balance:{account}");
        let balance = connection.get(&name).await.expect("the server is there");
        let balance: i64 = balance.map_or(0, |sum| sum.parse().expect("a number"));
        connection.set(&name, balance + gain).await.expect("the server is there");
    }
    Ok(())
}
