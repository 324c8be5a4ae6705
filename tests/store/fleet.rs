//! A fleet of which a part knows exclusive locks alone: what its scripts, as they were, do to sets of holders, and what
//! ours do to its waiters. The texts in `before_sets/` are those of the last release without sets.

use std::sync::Arc;

use lock_runtime::store::{Acquired, Downgrade, Kind, Release, Released, Renewal, Renewed, Session, Token};
use lock_tests::Server;

use crate::waiters::{entry, heard, listen, queue, written};
use crate::{TTL, acquire, ask, fence, open};

const LOCK: &str = "dlock:{a}";
const QUEUE: &str = "dlock:{a}:queue";
const HELD: &str = "dlock:{a}:held";
const KEYS: [&str; 4] = [LOCK, "dlock:fence", QUEUE, "dlock:{a}\u{1}"];

const LOOK: &str = include_str!("before_sets/look.lua");
const RELEASE: &str = include_str!("before_sets/release.lua");
const ROTATE: &str = include_str!("before_sets/rotate.lua");
const RENEW: &str = include_str!("before_sets/renew.lua");
const FREE: &str = include_str!("before_sets/free.lua");

/// What a program of the last release is answered, as text.
fn old(server: &Server, script: &str, keys: &[&str], arguments: &[&str]) -> String {
    let count = keys.len().to_string();
    let answer: redis::Value = server.ask(&[&["EVAL", script, &count], keys, arguments].concat());
    format!("{answer:?}")
}

fn old_entry(token: u128, listener: u128) -> String {
    format!("1|{}|{}|10000|1|x", written(token), written(listener))
}

/// A look with an entry, or without.
fn old_look(server: &Server, token: u128, entry: &str) -> String {
    old(server, LOOK, &KEYS, &[&written(token), "0", "dlock:wake:", "30000", "1", entry, "", "", ""])
}

fn old_release(server: &Server, token: u128, entry: &str) -> String {
    old(server, RELEASE, &KEYS, &[&written(token), "0", "dlock:wake:", "", entry])
}

async fn holds(session: &Arc<dyn Session>, token: u128, kind: Kind) {
    fence(session.acquire(ask("a", token).with_kind(kind)).await);
}

async fn gives_back(session: &Arc<dyn Session>, token: u128, kind: Kind) -> Released {
    session.release(Release::new("a", Token::from_bits(token)).with_kind(kind)).await.expect("an answer")
}

async fn renews(session: &Arc<dyn Session>, token: u128, kind: Kind) -> Renewed {
    let renewal = Renewal::new("a", Token::from_bits(token), TTL).with_kind(kind);
    session.renew(vec![renewal]).await.remove(0).expect("an answer")
}

lock_tests::on_every_server! {
    async fn a_program_that_knows_no_sets_is_kept_out_by_them(server: Server) {
        let session = open(&server.url()).await;
        for kind in [Kind::Shared, Kind::permits(5), Kind::permits(5).with_weight(2)] {
            holds(&session, 1, kind).await;
            let nothing: redis::Value = server.ask(&["SET", LOCK, &written(2), "NX", "PX", "1000"]);
            assert_eq!(nothing, redis::Value::Nil, "{kind}");
            let held = old_look(&server, 2, "");
            assert!(held.starts_with("array([int(0), int(29") || held.ends_with("int(30000)])"), "{held}");
            assert_eq!(old(&server, FREE, &[LOCK, QUEUE], &[&written(1)]), "nil");
            assert_eq!(old_release(&server, 1, ""), "int(0)");
            let arguments = [written(1), written(3)];
            assert_eq!(old(&server, RENEW, &[LOCK, KEYS[3]], &["90000", &arguments[0]]), "array([int(0)])");
            let rotation = [&*arguments[0], "0", "dlock:wake:", "30000", "1", &old_entry(3, 9), "", "", "", &arguments[1]];
            assert_eq!(old(&server, ROTATE, &KEYS, &rotation), "array([int(0)])");
            assert_eq!(renews(&session, 1, kind).await, Renewed::Renewed);
            assert_eq!(gives_back(&session, 1, kind).await, Released::Freed);
            assert_eq!(server.keys(), ["dlock:fence"]);
        }
    }

    async fn it_keeps_sets_out_and_is_given_its_turn_by_them(server: Server) {
        let (session, mut grants) = listen(&server.url(), 9).await;
        fence(acquire(&session, "a", 1).await);
        let tried = session.acquire(ask("a", 2).with_kind(Kind::Shared)).await;
        assert!(matches!(tried, Ok(Acquired::Held { .. })), "{tried:?}");
        queue(&session, "a", 2, &entry(9).with_kind(Kind::Shared)).await.expect("a look");
        old_look(&server, 3, &old_entry(3, 9));
        queue(&session, "a", 4, &entry(9).with_kind(Kind::Shared)).await.expect("a look");
        gives_back(&session, 1, Kind::Exclusive).await;
        assert_eq!(heard(&mut grants).await.token.bits(), 2);
        assert_eq!(gives_back(&session, 2, Kind::Shared).await, Released::Freed);
        assert_eq!(heard(&mut grants).await.token.bits(), 3, "before the reader behind it");
        // It knows nothing of the reader who is next, and serves those behind; a look of the reader's own finds that.
        assert_eq!(old_release(&server, 3, &old_entry(3, 9)), "int(1)");
        assert_eq!(server.get(LOCK), None);
        fence(queue(&session, "a", 4, &entry(9).with_kind(Kind::Shared)).await);
        assert_eq!(gives_back(&session, 4, Kind::Shared).await, Released::Freed);
        assert_eq!(server.keys(), ["dlock:fence"]);
    }

    async fn what_is_left_of_a_set_counts_for_nobody(server: Server) {
        let session = open(&server.url()).await;
        holds(&session, 1, Kind::Shared).await;
        holds(&session, 2, Kind::Shared).await;
        server.del(LOCK);
        // Somebody takes the free key, and gives it back.
        fence(acquire(&session, "a", 3).await);
        assert_eq!(renews(&session, 1, Kind::Shared).await, Renewed::NotOurs);
        gives_back(&session, 3, Kind::Exclusive).await;
        holds(&session, 4, Kind::permits(1)).await;
        assert_eq!(renews(&session, 1, Kind::Shared).await, Renewed::NotOurs);
        assert_eq!(gives_back(&session, 2, Kind::Shared).await, Released::NotOurs);
        assert_eq!(server.ask::<Vec<String>>(&["ZRANGE", HELD, "0", "-1"]), [written(4)]);
    }

    async fn a_holder_is_gone_with_its_score_and_the_lock_with_the_last(server: Server) {
        let session = open(&server.url()).await;
        for token in [1, 2] {
            holds(&session, token, Kind::permits(2)).await;
        }
        let time: Vec<u64> = server.ask(&["TIME"]);
        let now_ms = time[0] * 1000 + time[1] / 1000;
        let expires = |token, at: u64| server.command(&["ZADD", HELD, "XX", &at.to_string(), &written(token)]);
        let finds_room = async || matches!(session.acquire(ask("a", 3).with_kind(Kind::permits(2))).await, Ok(Acquired::Granted { .. }));
        expires(1, now_ms + 3_600_000);
        assert!(!finds_room().await);
        expires(1, now_ms);
        assert_eq!(renews(&session, 1, Kind::permits(2)).await, Renewed::NotOurs);
        assert!(finds_room().await);
        // The others are renewed, and the lock outlasts them all.
        assert_eq!(renews(&session, 2, Kind::permits(2)).await, Renewed::Renewed);
        let last: Vec<String> = server.ask(&["ZRANGE", HELD, "-1", "-1", "WITHSCORES"]);
        let last: u64 = last[1].parse().expect("a score");
        let left = u64::try_from(server.pttl(LOCK)).expect("a ttl");
        let time: Vec<u64> = server.ask(&["TIME"]);
        assert!(last.abs_diff(time[0] * 1000 + time[1] / 1000 + left) <= 50, "{last} and {left}");
    }

    async fn a_full_server_renews_releases_and_downgrades_all_the_same(server: Server) {
        let session = open(&server.url()).await;
        for token in [1, 2] {
            holds(&session, token, Kind::Shared).await;
        }
        fence(acquire(&session, "b", 3).await);
        server.command(&["CONFIG", "SET", "maxmemory", "1"]);
        assert_eq!(renews(&session, 1, Kind::Shared).await, Renewed::Renewed);
        let longer = Renewal::new("a", Token::from_bits(1), 2 * TTL).with_kind(Kind::Shared);
        assert!(matches!(session.renew(vec![longer]).await[..], [Ok(Renewed::Renewed)]));
        assert!((40_000..=60_000).contains(&server.pttl(LOCK)), "{}", server.pttl(LOCK));
        assert_eq!(gives_back(&session, 1, Kind::Shared).await, Released::Freed);
        let downgraded = session.downgrade(Downgrade::new("b", Token::from_bits(3), TTL)).await;
        assert_eq!(downgraded.expect("an answer"), Renewed::Renewed);
        assert_eq!(server.get("dlock:{b}").as_deref(), Some("*s"));
        assert_eq!(gives_back(&session, 2, Kind::Shared).await, Released::Freed);
    }
}
