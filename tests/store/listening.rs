//! Hearing of a grant: over which connection, from when on, and until when.

use std::sync::Arc;
use std::time::Duration;

use lock_runtime::store::{Released, Session, Store as _, StoreErrorKind};
use lock_tests::Server;

use crate::rights::{CHANNELS, RIGHTS, allow};
use crate::waiters::{entry, heard, listen, queue, written};
use crate::{acquire, fake, fence, kind, open, release, store};

/// Fence, fences, first lease and clock, as they may be in a message.
const NUMBERS: &str = "1700000000000001 2 3 1700000000000004";

pub(crate) fn resp2(server: &Server) -> String {
    format!("{}?protocol=resp2", server.url())
}

/// One who waits is handed the key, told by its own session, which also sends the release.
async fn is_told(url: &str) {
    let (session, mut grants) = listen(url, 9).await;
    assert!(session.listens() && session.is_open());
    fence(acquire(&session, "a", 1).await);
    queue(&session, "a", 2, &entry(9)).await.expect("a look");
    release(&session, "a", 1).await.expect("a release");
    assert_eq!(heard(&mut grants).await.token.bits(), 2);
    release(&session, "a", 2).await.expect("a release");
}

/// Returns when the session is not open any more, which nothing announces.
async fn until_closed(session: &Arc<dyn Session>) {
    let closed = async {
        while session.is_open() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), closed).await.expect("a session that is closed in time");
    assert!(!session.listens());
}

/// How many connections read a channel of ours.
fn subscribers(server: &Server) -> usize {
    server.ask::<Vec<String>>(&["PUBSUB", "CHANNELS", "dlock:wake:*"]).len()
}

/// How many connections the server has, beside the one that asks; another that asked can still be counted.
fn connections(server: &Server) -> usize {
    server.ask::<String>(&["CLIENT", "LIST"]).lines().count() - 1
}

/// Returns when a number is there, which nothing announces.
async fn until_there_are(number: usize, count: impl Fn() -> usize) {
    let there = async {
        while count() != number {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), there).await.expect("the number in time");
}

lock_tests::on_every_server! {
    async fn one_connection_does_it_all_where_the_server_pushes(server: Server) {
        is_told(&server.url()).await;
        is_told(&format!("{}?protocol=resp3", server.url())).await;
        until_there_are(0, || connections(&server)).await;
        let (session, _grants) = listen(&server.url(), 9).await;
        until_there_are(1, || connections(&server)).await;
        assert_eq!(subscribers(&server), 1);
        drop(session);
    }

    async fn a_second_connection_listens_where_it_does_not(server: Server) {
        is_told(&resp2(&server)).await;
        until_there_are(0, || connections(&server)).await;
        let (session, _grants) = listen(&resp2(&server), 9).await;
        until_there_are(2, || connections(&server)).await;
        assert_eq!(subscribers(&server), 1);
        drop(session);
    }

    async fn a_session_subscribes_before_it_is_there_and_until_it_is_gone(server: Server) {
        for url in [server.url(), resp2(&server)] {
            let (session, grants) = listen(&url, 9).await;
            assert_eq!(server.ask::<Vec<String>>(&["PUBSUB", "CHANNELS", "*"]), [format!("dlock:wake:{}", written(9))]);
            drop(session);
            until_there_are(0, || subscribers(&server)).await;
            until_there_are(0, || connections(&server)).await;
            assert!(grants.is_closed() || grants.is_empty());
        }
    }

    async fn a_session_closes_by_itself_when_nobody_can_tell_it(server: Server) {
        for url in [server.url(), resp2(&server)] {
            let (session, _grants) = listen(&url, 9).await;
            server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
            until_closed(&session).await;
        }
    }

    async fn a_session_closes_by_itself_when_its_operations_are_cut_off(server: Server) {
        let (session, _grants) = listen(&server.url(), 9).await;
        server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        until_closed(&session).await;
        assert_eq!(kind(acquire(&session, "a", 1).await), StoreErrorKind::Disconnected);
    }

    async fn an_operation_that_meets_the_end_of_its_connection_is_answered(server: Server) {
        for _ in 0..200 {
            let (session, _grants) = listen(&server.url(), 9).await;
            let until_an_error = tokio::spawn(async move {
                while acquire(&session, "a", 1).await.is_ok() {}
            });
            server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
            tokio::time::timeout(Duration::from_secs(10), until_an_error).await.expect("an answer").expect("no panic");
        }
    }

    async fn a_user_with_just_the_needed_rights_is_told(server: Server) {
        let url = allow(&server, &RIGHTS, &CHANNELS);
        is_told(&url).await;
        is_told(&format!("{url}?protocol=resp2")).await;
    }

    async fn a_user_without_the_channels_waits_by_looking(server: Server) {
        let (told, mut grants) = listen(&server.url(), 9).await;
        for suffix in ["", "?protocol=resp2"] {
            let url = format!("{}{suffix}", allow(&server, &RIGHTS, &["resetchannels"]));
            let (session, _grants) = listen(&url, 8).await;
            assert!(!session.listens() && session.is_open());
            // Nothing is left of the attempt, but one session for each of both.
            until_there_are(2, || connections(&server)).await;
            fence(acquire(&session, "a", 1).await);
            queue(&told, "a", 2, &entry(9)).await.expect("a look");
            assert_eq!(release(&session, "a", 1).await.expect("a release"), Released::Freed);
            assert_eq!(server.get("dlock:{a}"), None, "one who cannot publish can free");
            fence(queue(&told, "a", 2, &entry(9)).await);
            queue(&session, "a", 3, &entry(8).with_alive_for(Some(crate::TTL))).await.expect("a look");
            release(&told, "a", 2).await.expect("a release");
            assert_eq!(server.get("dlock:{a}"), Some(written(3)), "one who looks is handed it");
            release(&session, "a", 3).await.expect("a release");
        }
        assert!(grants.try_recv().is_err());
    }

    async fn a_user_who_may_not_subscribe_waits_by_looking(server: Server) {
        let url = allow(&server, &RIGHTS, &["resetchannels", "&dlock:wake:*", "-subscribe"]);
        for url in [url.clone(), format!("{url}?protocol=resp2")] {
            let (session, _grants) = listen(&url, 9).await;
            assert!(!session.listens() && session.is_open());
            fence(acquire(&session, "a", 1).await);
            release(&session, "a", 1).await.expect("a release");
        }
    }

    async fn a_users_rights_of_before_there_were_queues_still_release(server: Server) {
        let (told, _grants) = listen(&server.url(), 9).await;
        let url = allow(&server, &RIGHTS[..9], &["resetchannels"]);
        let session = open(&url).await;
        fence(acquire(&session, "a", 1).await);
        queue(&told, "a", 2, &entry(9)).await.expect("a look");
        assert_eq!(release(&session, "a", 1).await.expect("a release"), Released::Freed);
        assert_eq!(server.get("dlock:{a}"), None);
        assert_eq!(kind(queue(&session, "a", 3, &entry(9)).await), StoreErrorKind::Refused);
        fence(queue(&told, "a", 2, &entry(9)).await);
    }

    async fn what_strangers_publish_is_not_heard(server: Server) {
        // The server may not have noticed yet that the first is gone.
        for (url, listener) in [(server.url(), 9), (resp2(&server), 8)] {
            let (session, mut grants) = listen(&url, listener).await;
            let channel = format!("dlock:wake:{}", written(listener));
            for message in ["", "hello", "1 2 3 4 5 6", &format!("{} {NUMBERS} other:{{a}}", written(1))] {
                assert_eq!(server.ask::<u64>(&["PUBLISH", &channel, message]), 1);
            }
            server.command(&["PUBLISH", &channel, &format!("{} {NUMBERS} dlock:{{a b}}", written(1))]);
            let grant = heard(&mut grants).await;
            assert_eq!((grant.key.as_str(), grant.fence, grant.clock.micros), ("a b", 1_700_000_000_000_001, 1_700_000_000_000_004));
            assert!(session.listens());
        }
    }

    async fn each_listener_is_told_of_its_own(server: Server) {
        let (one, mut grants_of_one) = listen(&server.url(), 1).await;
        let (two, mut grants_of_two) = listen(&resp2(&server), 2).await;
        fence(acquire(&one, "a", 10).await);
        queue(&one, "a", 11, &entry(1)).await.expect("a look");
        queue(&two, "a", 12, &entry(2)).await.expect("a look");
        release(&two, "a", 10).await.expect("a release");
        release(&two, "a", 11).await.expect("a release");
        assert_eq!(heard(&mut grants_of_one).await.token.bits(), 11);
        assert_eq!(heard(&mut grants_of_two).await.token.bits(), 12);
        assert!(grants_of_one.is_empty() && grants_of_two.is_empty());
    }

    async fn a_server_that_is_gone_cannot_be_listened_to(mut server: Server) {
        let (session, _grants) = listen(&server.url(), 9).await;
        let (second, _grants) = listen(&resp2(&server), 8).await;
        server.kill();
        until_closed(&session).await;
        until_closed(&second).await;
        for url in [server.url(), resp2(&server)] {
            let listener = lock_runtime::store::Listener::new(lock_runtime::store::ListenerId::from_bits(9), |_| false);
            assert_eq!(kind(store(&url).listen(listener).await), StoreErrorKind::Disconnected);
        }
    }
}

/// On a runtime that ends before the session does.
#[test]
fn a_session_closes_with_its_runtime() {
    let server = Server::redis();
    for url in [server.url(), resp2(&server)] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (session, _grants) = runtime.block_on(listen(&url, 9));
        assert!(session.listens());
        drop(runtime);
        assert!(!session.is_open() && !session.listens());
    }
}

#[tokio::test]
async fn what_lies_between_and_knows_neither_pushes_nor_channels_is_worked_with() {
    let address = fake::server(|words| match words[0].as_str() {
        "HELLO" | "SUBSCRIBE" => format!("-ERR unknown command `{}`, with args beginning with: \r\n", words[0]),
        "INFO" => "$19\r\nredis_version:7.2.0\r\n".to_owned(),
        "EVAL" => "$1\r\n1\r\n".to_owned(),
        _ => "+OK\r\n".to_owned(),
    });
    let (session, _grants) = listen(&format!("redis://{}", address.await), 9).await;
    assert!(!session.listens() && session.is_open());
}

#[tokio::test]
async fn what_lies_between_and_knows_no_pushes_is_listened_through() {
    let address = fake::server(|words| match words[0].as_str() {
        "HELLO" => "-NOPROTO unsupported protocol version\r\n".to_owned(),
        "SUBSCRIBE" => {
            let (channel, message) = (&words[1], format!("{} {NUMBERS} dlock:{{a}}", written(2)));
            let told = format!(
                "*3\r\n$7\r\nmessage\r\n${}\r\n{channel}\r\n${}\r\n{message}\r\n",
                channel.len(),
                message.len()
            );
            format!("*3\r\n$9\r\nsubscribe\r\n${}\r\n{channel}\r\n:1\r\n{told}", channel.len())
        }
        "INFO" => "$19\r\nredis_version:7.2.0\r\n".to_owned(),
        "EVAL" => "$1\r\n1\r\n".to_owned(),
        _ => "+OK\r\n".to_owned(),
    });
    let (session, mut grants) = listen(&format!("redis://{}", address.await), 9).await;
    assert!(session.listens());
    assert_eq!(heard(&mut grants).await.token.bits(), 2);
}
