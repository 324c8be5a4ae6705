//! Several keys in one attribute.

use std::fmt::Display;
use std::time::Duration;

use lock_runtime::{Client, KeyFault, LeaseSet, LockError, current, current_set, distributed_lock};

use crate::{is_free, memory};

/// The leases under which the calling body runs.
fn leases() -> LeaseSet {
    current_set().expect("a body of several keys runs under several leases")
}

/// Their keys.
fn keys() -> Vec<String> {
    leases().keys().map(|key| key.as_str().to_owned()).collect()
}

#[tokio::test]
async fn each_element_is_what_a_key_is() {
    const REPORT: &str = "report";
    struct Accounts {
        tenant: &'static str,
        locks: Client,
    }
    impl Accounts {
        #[distributed_lock(
            client = self.locks,
            keys = ["{{<self.tenant>}}:<from>", "{{<self.tenant>}}:<to.0>"],
            ttl = "2s",
            wait = "1s",
            max_hold = "10s",
        )]
        async fn transfer<T: Display>(&self, from: T, (to, mut sum): ((u8,), u32)) -> Result<Vec<String>, LockError> {
            sum += 1;
            let _ = (from, to, sum);
            assert!(leases().remaining() <= Duration::from_secs(2));
            Ok(keys())
        }
    }
    #[distributed_lock(keys = [REPORT, "day:{day:02}", format!("year:{}", year - 1),], ttl = "2s")]
    async fn publish(day: u8, year: u32) -> Result<Vec<String>, LockError> {
        let _ = (day, year);
        Ok(keys())
    }
    let accounts = Accounts { tenant: "acme", locks: memory().await };
    let taken = accounts.transfer("b/1", ((2,), 3)).await.expect("free");
    assert_eq!(taken, ["{acme}:2", "{acme}:b%2F1"]);
    let client = memory().await;
    let taken = client.scope(publish(5, 2027)).await.expect("free");
    assert_eq!(taken, ["day:05", "report", "year:2026"]);
    for key in taken {
        assert!(is_free(&client, &key).await);
    }
}

#[tokio::test]
async fn one_element_is_a_set_of_one() {
    #[distributed_lock(keys = ["job:<id>"])]
    async fn job(id: u32) -> Result<Vec<String>, LockError> {
        assert!(current().is_none());
        let _ = id;
        Ok(keys())
    }
    assert_eq!(memory().await.scope(job(7)).await.expect("free"), ["job:7"]);
}

#[tokio::test]
async fn equal_keys_are_one_lock() {
    #[distributed_lock(keys = ["account:<from>", "account:<to>"])]
    async fn transfer(from: u32, to: u32) -> Result<usize, LockError> {
        let _ = (from, to);
        Ok(keys().len())
    }
    let client = memory().await;
    assert_eq!(client.scope(transfer(1, 1)).await.expect("free"), 1);
    assert_eq!(client.scope(transfer(1, 2)).await.expect("free"), 2);
}

#[tokio::test]
async fn failures_name_their_key_and_become_what_they_do_for_one() {
    #[distributed_lock(keys = ["a:<name>", "b:<name>"], on_busy = "skip")]
    async fn skips(name: &str) -> Result<Option<u32>, LockError> {
        let _ = name;
        Ok(Some(1))
    }
    #[distributed_lock(keys = ["a:<name>", "b:<name>"], or_else = |error| error.key().as_str().to_owned())]
    async fn tells(name: &str) -> String {
        let _ = name;
        "inside".to_owned()
    }
    let client = memory().await;
    let held = client.lock("b:x").acquire().await.expect("free");
    assert_eq!(client.scope(skips("x")).await.expect("a busy lock is skipped"), None);
    assert_eq!(client.scope(tells("x")).await, "b:x");
    held.release().await.expect("memory answers");
    assert_eq!(client.scope(skips("x")).await.expect("free"), Some(1));
    let refused = client.scope(skips("")).await;
    assert!(matches!(refused, Err(LockError::InvalidKey { fault: KeyFault::EmptyValue("name"), .. })), "{refused:?}");
    assert!(matches!(skips("x").await, Err(LockError::NotConfigured { key, .. }) if key.as_str() == "a:x"));
}

#[tokio::test]
async fn expressions_are_evaluated_in_the_order_in_which_they_are_written() {
    fn noted<T>(order: &std::cell::RefCell<Vec<u8>>, what: u8, value: T) -> T {
        order.borrow_mut().push(what);
        value
    }
    #[distributed_lock(
        ttl = noted(order, 1, Duration::from_secs(2)),
        keys = [noted(order, 2, "b"), noted(order, 3, "a")],
        wait = noted(order, 4, Duration::ZERO),
    )]
    async fn job(order: &std::cell::RefCell<Vec<u8>>) -> Result<(), LockError> {
        order.borrow_mut().push(5);
        Ok(())
    }
    let order = std::cell::RefCell::default();
    memory().await.scope(job(&order)).await.expect("free");
    assert_eq!(order.into_inner(), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_body_that_continues_can_ask_for_its_locks() {
    #[distributed_lock(keys = ["a", "b"], ttl = "100ms", renew = false, on_lost = "continue")]
    async fn job() -> Result<bool, LockError> {
        let leases = leases();
        leases.lost().await;
        Ok(leases.is_held())
    }
    assert!(!memory().await.scope(job()).await.expect("it runs on"));
}

#[tokio::test]
async fn it_stands_above_and_below_another_lock() {
    #[distributed_lock(key = "outer")]
    #[distributed_lock(keys = ["a", "b"])]
    async fn inner_several() -> Result<usize, LockError> {
        Ok(keys().len())
    }
    #[distributed_lock(keys = ["a", "b"])]
    #[distributed_lock(key = "inner")]
    async fn outer_several() -> Result<String, LockError> {
        Ok(crate::key())
    }
    let client = memory().await;
    assert_eq!(client.scope(inner_several()).await.expect("free"), 2);
    assert_eq!(client.scope(outer_several()).await.expect("free"), "inner");
    tokio::spawn(client.scope(outer_several())).await.expect("it is Send").expect("free");
}
