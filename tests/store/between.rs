//! What lies between a client and its server, and knows less, or answers for itself: what a server can do is learnt by
//! doing it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lock_runtime::store::{Session, Store as _, StoreError, StoreErrorKind};
use lock_runtime::{Client, LockError};
use lock_tests::{Kind, Server};

use crate::fake::{self, Fate};
use crate::{acquire, fence, kind, look, open, release, renew, store};

/// Greets, and answers all that locks need.
async fn works(address: &str) {
    for query in ["", "?protocol=resp2", "?protocol=resp3"] {
        let url = format!("redis://{address}{query}");
        let session = open(&url).await;
        fence(acquire(&session, "a", 1).await);
        renew(&session, "a", 1).await.expect("a renewal");
        release(&session, "a", 1).await.expect("a release");
        let client = Client::connect(&url).await.expect("it can keep locks");
        client.lock("b").run(async {}).await.expect("it is free");
        let guard = client.lock("b").acquire().await.expect("it is free");
        let waiting = tokio::spawn(client.lock("b").wait(Duration::from_secs(10)).run(async {}));
        guard.release().await.expect("a release");
        waiting.await.expect("no panic").expect("it is its turn");
    }
}

fn is_one_of(words: &[String], unknown: &[&str]) -> bool {
    unknown.iter().any(|command| words[0].eq_ignore_ascii_case(command))
}

#[tokio::test]
async fn a_proxy_that_hangs_up_on_what_it_does_not_know_is_worked_with() {
    let server = Server::redis();
    let unknown: [&[&str]; 5] = [
        &["HELLO", "CLIENT", "INFO", "SELECT", "SUBSCRIBE", "PUBLISH", "ROLE"],
        &["HELLO"],
        &["CLIENT"],
        &["SUBSCRIBE"],
        &["HELLO", "PUBLISH"],
    ];
    for unknown in unknown {
        let cuts = move |words: &[String]| if is_one_of(words, unknown) { Fate::Cut } else { Fate::Pass };
        works(&fake::proxy(server.port(), cuts).await).await;
    }
}

#[tokio::test]
async fn a_greeting_that_is_answered_strangely_is_worked_with() {
    let server = Server::redis();
    let version = "*4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n4.0.0\r\n";
    let answers = [
        version,
        "%1\r\n$7\r\nversion\r\n$5\r\n4.0.0\r\n",
        "%1\r\n:1\r\n*0\r\n",
        "*0\r\n",
        "+OK\r\n",
        "-ERR unknown command 'HELLO'\r\n",
        "-ERR nothing of that kind\r\n",
        "-NOPROTO unsupported protocol version\r\n",
        "-DENIED by a rule\r\n",
    ];
    for answer in answers {
        let greets = move |words: &[String]| match words[0].as_str() {
            "HELLO" => Fate::Answer(answer.to_owned()),
            _ => Fate::Pass,
        };
        let address = fake::proxy(server.port(), greets).await;
        let session = open(&format!("redis://{address}?protocol=resp2")).await;
        fence(acquire(&session, "a", 1).await);
        release(&session, "a", 1).await.expect("a release");
        if answer.starts_with('-') {
            works(&address).await;
        }
    }
}

async fn refusal(address: &str) -> StoreError {
    store(&format!("redis://{address}")).open().await.expect_err("no scripts")
}

#[tokio::test]
async fn without_scripts_nothing_works_and_the_text_says_so() {
    let server = Server::redis();
    let cut = fake::proxy(server.port(), |words: &[String]| match words[0].as_str() {
        "EVAL" | "EVALSHA" => Fate::Cut,
        _ => Fate::Pass,
    });
    assert!(refusal(&cut.await).await.to_string().contains("EVAL"));
    let unknown = fake::proxy(server.port(), |words: &[String]| match words[0].as_str() {
        "EVAL" => Fate::Answer("-ERR unknown command 'EVAL'\r\n".to_owned()),
        "HELLO" => Fate::Cut,
        _ => Fate::Pass,
    });
    let error = refusal(&unknown.await).await;
    assert_eq!((error.kind(), error.to_string().contains("EVAL")), (StoreErrorKind::Refused, true), "{error}");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_told() {
    let server = Server::redis();
    let error = store(&format!("{}/99", server.url())).open().await.expect_err("there are sixteen");
    assert_eq!(error.kind(), StoreErrorKind::Refused);
    assert!(error.to_string().contains("database"), "{error}");
}

/// One shard has all slots, so that nothing is redirected: single keys work, and waiting would not.
#[tokio::test]
async fn cluster_mode_is_refused_by_name_whatever_hides_it() {
    let server = Server::builder(Kind::Redis).arg("--cluster-enabled", "yes").start();
    server.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    while !server.ask::<String>(&["CLUSTER", "INFO"]).contains("cluster_state:ok") {
        // Nothing tells when it is.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let hidden: [fn(&[String]) -> Fate; 3] = [
        |_| Fate::Pass,
        |words| if is_one_of(words, &["HELLO", "CLIENT", "INFO"]) { Fate::Cut } else { Fate::Pass },
        |words| match words[0].as_str() {
            "HELLO" => Fate::Answer("-ERR unknown command 'HELLO'\r\n".to_owned()),
            _ => Fate::Pass,
        },
    ];
    for hidden in hidden {
        let address = fake::proxy(server.port(), hidden).await;
        for query in ["", "?protocol=resp2"] {
            let error = Client::connect(&format!("redis://{address}{query}")).await.expect_err("it is a cluster's");
            let lock_runtime::ConnectError::Refused { source, .. } = error else { panic!("{error:?}") };
            assert!(source.to_string().contains("cluster mode"), "{source}");
        }
    }
}

/// Answers every command but the greeting's with an error, while it is told to.
async fn failing(server: &Server, error: &'static str) -> (String, Arc<AtomicBool>) {
    let fails = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&fails);
    let answers = move |words: &[String]| {
        let is_asked = is_one_of(words, &["SET", "INCR", "EVALSHA"]) || words.iter().any(|word| word.contains("{a}"));
        if told.load(Ordering::SeqCst) && is_asked { Fate::Answer(error.to_owned()) } else { Fate::Pass }
    };
    (fake::proxy(server.port(), answers).await, fails)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_error_is_tried_again_while_the_wait_lasts_and_closes_nothing() {
    let server = Server::redis();
    for error in [
        "-ERR upstream failure\r\n",
        "-TRYAGAIN later\r\n",
        "-CLUSTERDOWN it is\r\n",
        "-MOVED 1 h:1\r\n",
        "-DENIED x\r\n",
    ] {
        let (address, fails) = failing(&server, error).await;
        let client = Client::connect(&format!("redis://{address}")).await.expect("it is there");
        client.lock("a").run(async {}).await.expect("it is free");
        let session: Arc<dyn Session> = open(&format!("redis://{address}")).await;
        fails.store(true, Ordering::SeqCst);
        assert_eq!(kind(look(&session, "a", 1).await), StoreErrorKind::Unready, "{error}");
        assert!(session.is_open(), "{error}");
        let now = client.lock("a").acquire().await.expect_err("it fails");
        assert!(matches!(now, LockError::Unavailable { .. }), "{now:?}");
        let waiting = tokio::spawn(client.lock("a").wait(Duration::from_secs(20)).run(async {}));
        // For as long as several tries take; nothing announces that one has failed.
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert!(!waiting.is_finished(), "{error}");
        fails.store(false, Ordering::SeqCst);
        waiting.await.expect("no panic").expect("the error has passed");
    }
}
