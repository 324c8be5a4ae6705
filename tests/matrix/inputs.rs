//! What callers pass in and how they call: hostile values, locks in opposite orders, ends at awkward moments, secrets.

use std::error::Error;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use lock_runtime::{Client, LockError, Released, distributed_lock};
use lock_tests::{Proxy, Server, Worker, on_every_store};
use proptest::prelude::*;

use crate::{SOON, connect, connect_impatient, fake, lease, name, until};

#[distributed_lock(key = "pair:<a>:<b>", ttl = "30s", client = client)]
async fn pair(client: &Client, server: &Server, a: &str, b: &str) -> Result<Vec<String>, LockError> {
    Ok(server.keys())
}

/// Percent-encoding by another hand than the library's.
fn encoded(value: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    value.bytes().map(encode).collect()
}

/// Texts of what could break out of a name, and of what is merely unusual; long ones too.
fn hostile() -> impl Strategy<Value = String> {
    let pieces =
        ["{", "}", ":", "*", "<", ">", "%", "%3A", "?", "[", "\\", "\0", "\r\n", " ", "fence", "queue", "a", "é", "🔒"];
    let text = |pieces| proptest::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat());
    prop_oneof![
        9 => text(proptest::sample::select(pieces.to_vec())),
        1 => (0_usize..1500).prop_map(|length| "x".repeat(length)),
    ]
}

fn a_hundred_cases() -> ProptestConfig {
    ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() }
}

/// A server, a client and a runtime for many cases, on one thread.
fn for_many_cases() -> (Server, Client, tokio::runtime::Runtime) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = Server::redis();
    let client = runtime.block_on(connect(&server.url()));
    (server, client, runtime)
}

#[test]
fn hostile_values_stay_within_their_place_in_the_key() {
    let (server, client, runtime) = for_many_cases();
    proptest!(a_hundred_cases(), |(a in hostile(), b in hostile())| {
        let key = format!("pair:{}:{}", encoded(&a), encoded(&b));
        match runtime.block_on(pair(&client, &server, &a, &b)) {
            Ok(keys) => prop_assert_eq!(keys, ["dlock:fence".to_owned(), name(&key)]),
            Err(LockError::InvalidKey { .. }) => {
                prop_assert!(key.len() > 1024 || a.trim().is_empty() || b.trim().is_empty(), "{}", key);
            }
            Err(other) => prop_assert!(false, "{:?}", other),
        }
    });
    assert_eq!(server.keys(), ["dlock:fence"]);
}

#[test]
fn hostile_keys_stay_within_the_namespace() {
    let (server, client, runtime) = for_many_cases();
    proptest!(a_hundred_cases(), |(key in hostile())| {
        match runtime.block_on(client.lock(key.as_str()).run(async { server.keys() })) {
            Ok(keys) => prop_assert_eq!(keys, ["dlock:fence".to_owned(), name(&key)]),
            Err(LockError::InvalidKey { .. }) => {
                prop_assert!(key.is_empty() || key.len() > 1024 || key.contains(char::is_control), "{:?}", key);
            }
            Err(other) => prop_assert!(false, "{:?}", other),
        }
    });
    assert_eq!(server.keys(), ["dlock:fence"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_of_a_megabyte_is_refused_and_nothing_is_sent() {
    let server = Server::redis();
    let client = connect(&server.url()).await;
    server.reset_commandstats();
    let refused = pair(&client, &server, &"x".repeat(1 << 20), "b").await;
    assert!(matches!(refused, Err(LockError::InvalidKey { .. })), "{refused:?}");
    assert!(format!("{refused:?}").len() < 1000, "it is not repeated");
    client.shutdown(SOON).await;
    assert_eq!(server.commandstats().get("set"), None);
}

on_every_store! {
    async fn two_locks_in_opposite_orders_end_within_the_wait_and_one_may_win(url: String) {
        let (client, barrier) = (connect(&url).await, std::sync::Arc::new(tokio::sync::Barrier::new(2)));
        let both = |first: &'static str, second: &'static str, wait: Duration| {
            let (inner, barrier) = (client.clone(), std::sync::Arc::clone(&barrier));
            let body = async move {
                barrier.wait().await;
                inner.lock(second).wait(wait).run(async {}).await
            };
            tokio::spawn(client.lock(first).run(body))
        };
        let started = Instant::now();
        let (short, long) = (both("one", "two", Duration::from_millis(300)), both("two", "one", SOON));
        let short = short.await.expect("no panic").expect("its first lock is free");
        assert!(matches!(short, Err(LockError::Busy { .. })), "{short:?}");
        long.await.expect("no panic").expect("its first lock is free").expect("the other has given up");
        assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_ends_at_the_instant_of_its_renewal_leaves_no_key() {
    let server = Server::redis();
    let proxy = Proxy::before(&server);
    let client = connect(&proxy.url()).await;
    for round in 0..6 {
        // The renewal has left the client and not yet come to the server, or is being answered, or has been.
        proxy.delay_requests(Duration::from_millis(round));
        let renewal = proxy.until_request_containing(b"PEXPIRE");
        let by_hash = proxy.until_request_containing(b"EVALSHA");
        let body = async {
            tokio::select! {
                () = renewal => {}
                () = by_hash => {}
            }
            round
        };
        let outcome = client.lock("race").ttl(Duration::from_millis(500)).run(body).await;
        assert_eq!(outcome.expect("it is not lost"), round);
        assert_eq!(server.pttl(&name("race")), -2, "released when the call returns");
    }
    proxy.pass();
    client.shutdown(SOON).await;
    assert_eq!(server.keys(), ["dlock:fence"], "no renewal brought it back");
    assert_eq!(client.stats().lost, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_ends_at_the_instant_of_its_loss_has_one_outcome() {
    let server = Server::redis();
    let client = connect(&server.url()).await;
    let mut values = 0;
    for _ in 0..10 {
        let body = async {
            let lease = lease();
            server.del(&name("instant"));
            lease.lost().await;
        };
        let before = client.stats();
        match client.lock("instant").ttl(Duration::from_millis(200)).run(body).await {
            Ok(()) => values += 1,
            Err(LockError::Lost { .. }) => until("counted", || client.stats().lost == before.lost + 1).await,
            Err(other) => panic!("{other:?}"),
        }
        assert_eq!(client.stats().acquired, before.acquired + 1);
        until("over", || client.stats().held == 0).await;
    }
    assert!(values < 10, "whoever is told of the loss is told by being dropped, mostly");
}

/// Everything that somebody could print of what they were given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_password_nor_token_is_in_anything_that_can_be_printed() {
    const CANARY: &str = "canary-41c9";
    let server = Server::redis();
    server.command(&["ACL", "SETUSER", "app", "on", &format!(">{CANARY}"), "~*", "&*", "+@all"]);
    let url = server.url().replace("redis://", &format!("redis://app:{CANARY}@"));
    let client = connect_impatient(&url).await;
    let guard = client.lock("secret").acquire().await.expect("it is free");
    let mut printed =
        vec![format!("{client:?} {client:#?} {guard:?} {guard:#?} {:?} {:#?}", guard.lease(), guard.lease())];
    let held = server.get(&name("secret")).expect("it is held");
    printed.push(format!("{:?} {:?}", client.lock("secret").acquire().await, client.lock("")));
    let (body_token, lease) =
        client.lock("body").run(async { (server.get(&name("body")), lease()) }).await.expect("free");
    printed.push(format!("{lease:?} {lease:#?}"));
    server.command(&["SET", &name("secret"), "stranger", "PX", "60000"]);
    assert_eq!(guard.release().await.expect("the server is there"), Released::NotOurs);
    server.command(&["ACL", "DELUSER", "app"]);
    let refused = client.lock("secret").acquire().await.expect_err("nobody knows it any more");
    printed.push(format!("{refused:?} {refused:#?} {refused} {:?}", client.stats()));
    let said = printed.join("\n");
    for secret in [CANARY, &held, &body_token.expect("it was held")] {
        assert!(secret.len() >= 8 && !said.contains(secret), "{secret} is in\n{said}");
    }
}

/// A server that repeats what was sent to it, where commands may have been renamed, while the token holds its key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_comes_back_out_of_what_a_server_repeats() {
    static TOKENS: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let address = fake::server(|words| {
        if words[0] == "SET" && words.contains(&"NX".to_owned()) {
            TOKENS.lock().expect("no panic").push(words[2].clone());
        }
        fake::grants_every_lock(words, |said| format!("-ERR unknown command {said}\r\n"))
    });
    let client = connect_impatient(&format!("redis://{}", address.await)).await;
    let mut said = Vec::new();
    for round in 0..3 {
        // Each of another key: what cannot be released is waited for.
        let guard = client.lock(format!("secret:{round}")).acquire().await.expect("every lock is granted");
        let renewed = guard.renew(Duration::from_secs(60)).await.expect_err("no script is known");
        said.push(texts(&renewed));
        said.push(guard.release().await.map_or_else(|error| texts(&error), |released| format!("{released:?}")));
        // A body that is longer than its ttl, and has to be ended.
        let outcome =
            client.lock(format!("body:{round}")).ttl(Duration::from_millis(300)).run(tokio::time::sleep(SOON)).await;
        said.push(outcome.map_or_else(|error| texts(&error), |()| panic!("it cannot be renewed")));
    }
    let (said, tokens) = (said.join("\n"), TOKENS.lock().expect("no panic"));
    assert!(said.contains("EVAL") && tokens.len() >= 6, "{said}");
    for token in tokens.iter() {
        assert!(token.len() == 32 && !said.contains(&token[..16]), "{token} is in\n{said}");
    }
}

/// All that can be printed of an error.
fn texts(error: &(dyn Error + 'static)) -> String {
    let mut texts = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        texts.push(format!("{error} {error:?} {error:#?}"));
        next = error.source();
    }
    texts.join("\n")
}

/// With a body that panics, one that fails, and one that is told that nobody is there.
#[tokio::test]
async fn no_secret_is_in_what_a_process_says_of_its_panics_and_errors() {
    const CANARY: &str = "canary-9d02";
    let server = Server::redis();
    server.command(&["ACL", "SETUSER", "app", "on", &format!(">{CANARY}"), "~*", "&*", "+@all"]);
    let url = server.url().replace("redis://", &format!("redis://app:{CANARY}@"));
    let mut worker = Worker::start(crate::processes::WORKER, &[&url, "500"]);
    worker.line_starting_with("ready").await;
    worker.tell("guard held");
    worker.line_starting_with("held held").await;
    let token = server.get(&name("held")).expect("it is held");
    server.command(&["ACL", "DELUSER", "app"]);
    worker.tell("try job");
    worker.line_starting_with("tried job").await;
    worker.tell("connect");
    let refused = worker.line_starting_with("connect").await;
    assert!(refused.contains("Refused"), "{refused}");
    worker.tell("double-panic twice 1000");
    worker.tell_no_more();
    worker.ended().await;
    let said = [worker.lines(), worker.errors()].concat().join("\n");
    for secret in [CANARY, &token] {
        assert!(secret.len() >= 8 && !said.contains(secret), "{secret} is in\n{said}");
    }
}
