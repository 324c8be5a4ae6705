use futures::FutureExt as _;
use futures::StreamExt as _;
use futures::executor::block_on;
use futures::stream::FuturesUnordered;

use super::*;
use crate::store::Released;

fn client() -> Client {
    Client::connect_lazy("memory://").expect("memory needs no server")
}

fn goes_anywhere<T: Send + 'static>(_: &T) {}

#[test]
fn it_goes_anywhere() {
    let client = client();
    let acquire = client.lock_all(vec![String::from("a")]).acquire();
    goes_anywhere(&acquire);
    let set = block_on(acquire).expect("free");
    goes_anywhere(&set);
    goes_anywhere(&set.lost());
    goes_anywhere(&set.ended());
    goes_anywhere(&client.lock_all(["a", "b"]).run(async {}));
    goes_anywhere(&set.release());
}

#[test]
fn nothing_happens_before_it_is_polled() {
    let client = client();
    drop(client.lock_all(["a", "b"]).acquire());
    drop(client.lock_all(["a", "b"]).run(async {}));
    assert_eq!((client.stats().acquired, client.stats().waiting), (0, 0));
}

#[test]
fn each_key_is_taken_once_in_the_order_of_bytes() {
    let client = client();
    let set = block_on(client.lock_all(["b", "a", "b", "B", "é", "a"]).acquire()).expect("free");
    assert!(set.keys().map(LockKey::as_str).eq(["B", "a", "b", "é"]));
    let fences: Vec<u64> = set.keys().filter_map(|key| set.fence_of(key.as_str())).collect();
    assert!(fences.len() == 4 && fences.is_sorted(), "{fences:?}");
    assert_eq!(set.fence_of("c"), None);
    assert_eq!(client.stats().held, 4);
    assert_eq!(block_on(set.release()).expect("memory answers"), Released::Freed);
    assert_eq!((client.stats().held, client.stats().acquired), (0, 4));
}

#[test]
fn no_keys_are_invalid_options() {
    let none = client().lock_all::<&str>([]);
    let fault = |error| match error {
        LockError::InvalidOptions { fault, .. } => fault,
        other => panic!("{other:?}"),
    };
    assert_eq!(fault(block_on(none.clone().acquire()).expect_err("no keys")), OptionFault::NoKeys);
    assert_eq!(fault(block_on(none.run(async {})).expect_err("no keys")), OptionFault::NoKeys);
}

#[test]
fn a_fault_names_the_key_that_has_it_and_nothing_is_taken() {
    let client = client();
    let refused = block_on(client.lock_all(["a", "b\n", ""]).acquire()).expect_err("two are faulty");
    assert!(matches!(&refused, LockError::InvalidKey { key, .. } if key.as_str() == "b\n"), "{refused:?}");
    let refused = block_on(client.lock_all(["b", "a"]).ttl(Duration::from_millis(1)).acquire()).expect_err("too short");
    assert!(matches!(&refused, LockError::InvalidOptions { key, .. } if key.as_str() == "a"), "{refused:?}");
    assert_eq!(client.stats().acquired, 0);
}

#[test]
fn while_it_waits_it_holds_what_comes_before_and_nothing_behind() {
    let client = client();
    let held = block_on(client.lock("b").acquire()).expect("free");
    let mut waits = client.lock_all(["c", "b", "a"]).wait_forever().acquire();
    assert!((&mut waits).now_or_never().is_none());
    assert_eq!((client.stats().held, client.stats().waiting), (2, 1));
    assert!(client.lock("a").acquire().now_or_never().is_some_and(|answer| answer.is_err()));
    drop(block_on(client.lock("c").acquire()).expect("not taken yet"));
    drop(waits);
    drop(block_on(client.lock("a").wait_forever().acquire()).expect("given back"));
    drop(held);
}

#[test]
fn its_turn_at_the_last_key_completes_it() {
    let client = client();
    let held = block_on(client.lock("b").acquire()).expect("free");
    let mut waits = client.lock_all(["a", "b"]).wait_forever().acquire();
    assert!((&mut waits).now_or_never().is_none());
    drop(held);
    assert!(block_on(waits).expect("its turn").is_held());
}

/// Whoever is woken first was handed its lock first.
#[test]
fn they_are_released_in_reverse() {
    let client = client();
    let set = block_on(client.lock_all(["a", "b", "c"]).acquire()).expect("free");
    let wait = |key| client.lock(key).wait_forever().acquire().map(move |guard| guard.map(|guard| (key, guard)));
    let mut waits: FuturesUnordered<_> = ["a", "b", "c"].into_iter().map(wait).collect();
    assert!(waits.next().now_or_never().is_none());
    assert_eq!(block_on(set.release()).expect("memory answers"), Released::Freed);
    let turns: Vec<_> = (0..3).map(|_| block_on(waits.next()).expect("three wait").expect("its turn")).collect();
    assert!(turns.iter().map(|(key, _)| *key).eq(["c", "b", "a"]), "{turns:?}");
}

#[test]
#[should_panic(expected = "polled after it had ended")]
fn it_answers_once() {
    let mut acquire = client().lock_all(["a"]).acquire();
    let _set = block_on(&mut acquire);
    let _ = acquire.now_or_never();
}

#[test]
fn the_body_is_dropped_before_its_locks_are_released() {
    struct Asks(Client);
    impl Drop for Asks {
        fn drop(&mut self) {
            let free = self.0.lock("b").acquire().now_or_never().is_some_and(|answer| answer.is_ok());
            assert!(!free && self.0.stats().held == 2, "they are held still");
        }
    }
    let client = client();
    let asks = Asks(client.clone());
    let body = async move {
        let _asks = asks;
        std::future::pending::<()>().await;
    };
    let mut call = Box::pin(client.lock_all(["a", "b"]).run(body));
    assert!((&mut call).now_or_never().is_none());
    drop(call);
    block_on(client.lock_all(["a", "b"]).wait_forever().run(async {})).expect("released");
}

#[test]
fn with_nobody_to_await_the_release_the_keeper_has_it() {
    let client =
        Client::builder().release_timeout(Duration::ZERO).connect_lazy("memory://").expect("memory needs no server");
    assert_eq!(block_on(client.lock_all(["a", "b"]).run(async { 7 })).expect("free"), 7);
    block_on(client.lock_all(["a", "b"]).wait_forever().run(async {})).expect("released by the keeper");
}
