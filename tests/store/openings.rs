//! Opening a session: who is let in, who is told to give up, and who is told to try again.

use std::time::Duration;

use lock_runtime::ConnectError;
use lock_runtime::redis::{RedisSettings, RedisStore, redis};
use lock_runtime::store::{Released, Renewed, Rotated, Store as _, StoreError, StoreErrorKind};
use lock_tests::Server;

use crate::rights::{CHANNELS, RIGHTS, allow};
use crate::waiters::{entry, heard, leave, listen, queue, rotate};
use crate::{acquire, fake, fence, kind, look, open, release, renew, store};

lock_tests::on_every_server! {
    async fn a_user_with_just_the_needed_rights_can_lock(server: Server) {
        let url = allow(&server, &RIGHTS, &CHANNELS);
        let (session, mut grants) = listen(&url, 9).await;
        fence(acquire(&session, "a", 1).await);
        fence(look(&session, "a", 1).await);
        let looking = entry(8).with_alive_for(Some(Duration::from_secs(9)));
        for (token, entry) in [(2, looking), (3, entry(8)), (4, entry(9))] {
            queue(&session, "a", token, &entry).await.expect("a look");
        }
        assert!(matches!(rotate(&session, "a", [1, 5], &entry(9)).await, Ok(Rotated::HandedOver { .. })));
        release(&session, "a", 2).await.expect("a release");
        assert_eq!(heard(&mut grants).await.token.bits(), 4);
        leave(&session, "a", 5, &entry(9)).await.expect("a release");
        release(&session, "a", 4).await.expect("a release");
        fence(acquire(&session, "a", 1).await);
        assert_eq!(renew(&session, "a", 1).await.expect("a renewal"), Renewed::Renewed);
        assert_eq!(renew(&session, "b", 1).await.expect("a renewal"), Renewed::NotOurs);
        server.command(&["DEL", "dlock:fence"]);
        assert_eq!(release(&session, "a", 1).await.expect("a release"), Released::Freed);
        assert_eq!(release(&session, "a", 1).await.expect("a release"), Released::NotOurs);
        fence(acquire(&session, "a", 1).await);
    }

    async fn a_user_of_another_database_may_select_it_besides(server: Server) {
        let url = format!("{}/3", allow(&server, &RIGHTS, &CHANNELS));
        assert_eq!(kind(store(&url).open().await), StoreErrorKind::Refused);
        let url = format!("{}/3", allow(&server, &[&RIGHTS[..], &["+select"]].concat(), &CHANNELS));
        for url in [url.clone(), format!("{url}?protocol=resp2")] {
            let (session, mut grants) = listen(&url, 9).await;
            assert!(session.listens());
            fence(acquire(&session, "a", 1).await);
            queue(&session, "a", 2, &entry(9)).await.expect("a look");
            release(&session, "a", 1).await.expect("a release");
            assert_eq!(heard(&mut grants).await.token.bits(), 2);
            release(&session, "a", 2).await.expect("a release");
        }
        assert!(server.ask::<String>(&["INFO", "keyspace"]).contains("db3:keys=1"));
    }

    async fn a_missing_right_is_refused_and_not_a_wrong_answer(server: Server) {
        // Without INCR each grant has its fence repaired, and without EXISTS each release looks into the queue, which
        // is slow and not wrong. Some are for sets of holders and reports alone. Without the others nobody is told or
        // handed a lock, so that those who wait look.
        let slow = ["+incr", "+incrby", "+exists", "+publish", "+subscribe", "+zscore", "+zpopmin"];
        let dispensable = [&slow[..], &["+zrange", "+zcard", "+zremrangebyscore", "+pexpireat"]].concat();
        for missing in RIGHTS.into_iter().filter(|right| !dispensable.contains(right)) {
            let rights: Vec<_> = RIGHTS.into_iter().filter(|right| *right != missing).collect();
            let error = everything(&allow(&server, &rights, &CHANNELS)).await.expect_err(missing);
            assert_eq!(error.kind(), StoreErrorKind::Refused, "without {missing}: {error:?}");
            assert!(error.to_string().contains("permission"), "without {missing}: {error:?}");
            server.flushall();
        }
    }

    async fn keys_outside_the_users_pattern_are_refused(server: Server) {
        allow(&server, &RIGHTS, &CHANNELS);
        server.command(&["ACL", "SETUSER", "app", "resetkeys", "~dlock:{a*", "~dlock:fence"]);
        let session = open(&server.url().replace("redis://", "redis://app:secret@")).await;
        fence(acquire(&session, "a", 1).await);
        assert_eq!(kind(acquire(&session, "b", 1).await), StoreErrorKind::Refused);
        let renewal =
            |key: &str| lock_runtime::store::Renewal::new(key, lock_runtime::store::Token::from_bits(1), crate::TTL);
        let answers = session.renew(["a", "b", "a2"].map(renewal).into()).await;
        assert_eq!(answers[0].as_ref().ok(), Some(&Renewed::Renewed), "{answers:?}");
        assert_eq!(answers[1].as_ref().map_err(StoreError::kind), Err(StoreErrorKind::Refused));
        assert_eq!(answers[2].as_ref().ok(), Some(&Renewed::NotOurs));
    }

    async fn wrong_credentials_are_refused(server: Server) {
        server.command(&["ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all"]);
        for user in ["app:wrong@", "nobody:secret@", ":wrong@"] {
            let url = server.url().replace("redis://", &format!("redis://{user}"));
            assert_eq!(kind(store(&url).open().await), StoreErrorKind::Refused, "{user}");
        }
        server.command(&["ACL", "SETUSER", "default", "resetpass", ">other"]);
        assert_eq!(kind(store(&server.url()).open().await), StoreErrorKind::Refused, "no password");
    }

    async fn a_client_of_ones_own_will_do(server: Server) {
        let client = redis::Client::open(server.url()).expect("a client");
        let store = RedisStore::from_client(client, RedisSettings::default()).expect("a store");
        fence(acquire(&store.open().await.expect("a session"), "a", 1).await);
    }
}

/// Every kind of operation, also those that find a broken counter.
async fn everything(url: &str) -> Result<(), StoreError> {
    let session = store(url).open().await?;
    acquire(&session, "a", 1).await?;
    look(&session, "a", 1).await?;
    look(&session, "a", 2).await?;
    queue(&session, "a", 2, &entry(9)).await?;
    look(&session, "b", 2).await?;
    renew(&session, "a", 1).await?;
    let (key, token) = ("a", lock_runtime::store::Token::from_bits(1));
    session.release(lock_runtime::store::Release::new(key, token).with_keep(Some(Duration::from_secs(9)))).await?;
    release(&session, "a", 1).await?;
    release(&session, "a", 1).await.map(drop)
}

#[tokio::test]
async fn an_unreachable_server_disconnects() {
    // Ports 1 and 9 of the loopback address have no listener, and the name has no address.
    for url in ["redis://127.0.0.1:1", "redis://name.invalid", "redis+unix:///nowhere/socket"] {
        assert_eq!(kind(store(url).open().await), StoreErrorKind::Disconnected, "{url}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_disconnects_in_time() {
    let server = Server::redis();
    server.stop();
    let mut settings = RedisSettings::default();
    settings.operation_timeout = Duration::from_millis(100);
    // With a password there is something to be answered while the connection is made.
    let url = server.url().replace("redis://", "redis://:secret@");
    let store = RedisStore::from_url(&url, settings).expect("a valid URL");
    let opened = tokio::time::timeout(Duration::from_secs(5), store.open()).await.expect("an answer in time");
    assert_eq!(kind(opened), StoreErrorKind::Disconnected);
    server.cont();
}

#[tokio::test]
async fn old_servers_are_refused_with_both_versions_named() {
    let hello = |words: &[String]| match words[0].as_str() {
        "HELLO" => "*4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n6.0.16\r\n".to_owned(),
        "EVAL" => "-ERR Error running script (call to f_1): @user_script:1: an old server\r\n".to_owned(),
        _ => "+OK\r\n".to_owned(),
    };
    let info = |words: &[String]| match words[0].as_str() {
        "INFO" => "$23\r\nredis_version:4.0.14\r\nx\r\n".to_owned(),
        "CLIENT" => "+OK\r\n".to_owned(),
        word => format!("-ERR unknown command `{word}`, with args beginning with: \r\n"),
    };
    for (address, version) in [(fake::server(hello).await, "6.0.16"), (fake::server(info).await, "4.0.14")] {
        let error = store(&format!("redis://{address}")).open().await.expect_err(version);
        assert_eq!(error.kind(), StoreErrorKind::Refused);
        assert!(error.to_string().contains(version) && error.to_string().contains("6.2"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_tells_no_version_is_given_a_chance() {
    let address = fake::server(|words| match words[0].as_str() {
        "HELLO" | "INFO" => "-NOPERM this user has no permissions\r\n".to_owned(),
        "EVAL" => "$1\r\n1\r\n".to_owned(),
        _ => "+OK\r\n".to_owned(),
    });
    open(&format!("redis://{}", address.await)).await;
}

#[tokio::test]
async fn a_server_without_scripts_is_refused_by_the_commands_name() {
    let address = fake::server(|words| match words[0].as_str() {
        "HELLO" => "*2\r\n$7\r\nversion\r\n$5\r\n7.2.0\r\n".to_owned(),
        "EVAL" => "-ERR unknown command 'EVAL', with args beginning with: 'local' \r\n".to_owned(),
        _ => "+OK\r\n".to_owned(),
    });
    let error = store(&format!("redis://{}", address.await)).open().await.expect_err("no EVAL");
    assert_eq!(error.kind(), StoreErrorKind::Refused);
    assert!(error.to_string().ends_with(": EVAL"), "{error}");
}

#[tokio::test]
async fn strange_replies_are_errors() {
    for strange in ["+HELLO\r\n", "$-1\r\n", "*0\r\n", ":17\r\n", "*2\r\n:1\r\n$1\r\nx\r\n", "-WEIRD thing\r\n"] {
        let address = match strange {
            "+HELLO\r\n" => fake::server(|words| strange_to(words, "+HELLO\r\n")).await,
            "$-1\r\n" => fake::server(|words| strange_to(words, "*-1\r\n")).await,
            "*0\r\n" => fake::server(|words| strange_to(words, "*0\r\n")).await,
            ":17\r\n" => fake::server(|words| strange_to(words, ":17\r\n")).await,
            "-WEIRD thing\r\n" => fake::server(|words| strange_to(words, "-WEIRD thing\r\n")).await,
            _ => fake::server(|words| strange_to(words, "*2\r\n:1\r\n$1\r\nx\r\n")).await,
        };
        let session = open(&format!("redis://{address}")).await;
        // An unknown error may be a proxy's, and pass.
        let expected = if strange.starts_with('-') { StoreErrorKind::Unready } else { StoreErrorKind::Refused };
        for kind in [kind(look(&session, "a", 1).await), kind(renew(&session, "a", 1).await)] {
            assert_eq!(kind, expected, "{strange:?}");
        }
        assert_eq!(kind(release(&session, "a", 1).await), expected, "{strange:?}");
        assert!(session.is_open());
    }
}

/// Lets a session be opened, and answers strangely from then on.
fn strange_to(words: &[String], strange: &str) -> String {
    match words[0].as_str() {
        "HELLO" | "CLIENT" => "*2\r\n$7\r\nversion\r\n$5\r\n7.2.0\r\n".to_owned(),
        "EVAL" if words[2] == "1" => "$1\r\n1\r\n".to_owned(),
        _ => strange.to_owned(),
    }
}

#[tokio::test]
async fn what_is_no_redis_at_all_disconnects() {
    let address = fake::server(|_| "HTTP/1.1 400 Bad Request\r\n\r\n".to_owned()).await;
    assert_eq!(kind(store(&format!("redis://{address}")).open().await), StoreErrorKind::Disconnected);
}

#[test]
fn bad_urls_and_options_say_what_to_write() {
    let error = |url: &str| RedisStore::from_url(url, RedisSettings::default()).expect_err(url).to_string();
    assert!(error("localhost:6379").contains("redis://"));
    assert!(error("http://localhost").contains("redis://"));
    assert!(error("redis://localhost/notanumber").contains("database number"));
    assert!(error("redis://").contains("names no host"));
    if cfg!(not(feature = "tls")) {
        assert!(error("rediss://localhost").contains("feature `tls`"));
    }
    let mut settings = RedisSettings::default();
    settings.name_format = Some("lock".to_owned());
    let error = RedisStore::from_url("redis://localhost", settings).expect_err("no <key>");
    assert!(matches!(error, ConnectError::InvalidOptions(ref text) if text.contains("<key>")), "{error}");
}
