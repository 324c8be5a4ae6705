//! Who holds a key, as anybody may ask: the reports of [`Client::inspect`], and the cards by which they name clients.

use std::time::{Duration, SystemTime};

use lock_runtime::store::{Card, Kind, Release, Token};
use lock_runtime::{Client, ClientReport, HolderState, KeyReport, LockError};
use lock_tests::Server;

use crate::rights::{CHANNELS, RIGHTS, allow};
use crate::waiters::{entry, queue, written};
use crate::{acquire, ask, fence, open};

/// Of clients and keepers that have what they need.
const SOON: Duration = Duration::from_secs(10);

const QUEUE: &str = "dlock:{a}:queue";

async fn connected(server: &Server) -> Client {
    Client::connect(&server.url()).await.expect("it is there")
}

async fn inspected(client: &Client) -> KeyReport {
    client.inspect("a").await.expect("a report")
}

/// A report of the key, once it is as expected.
async fn until(client: &Client, what: &str, is_so: impl Fn(&KeyReport) -> bool) -> KeyReport {
    let asking = async {
        loop {
            let report = inspected(client).await;
            if is_so(&report) {
                return report;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, asking).await.unwrap_or_else(|_| panic!("{what}: never"))
}

/// A keeper writes its client's card as soon as it has a session, which nobody is told of.
async fn until_cards(server: &Server, count: usize) -> Vec<String> {
    let looking = async {
        while server.cards().len() != count {
            tokio::task::yield_now().await;
        }
    };
    let looked = tokio::time::timeout(SOON, looking).await;
    assert!(looked.is_ok(), "{count} cards: {:?}", server.cards());
    server.cards()
}

fn is_this_process(client: Option<&ClientReport>) -> bool {
    client.is_some_and(|client| {
        client.pid == std::process::id()
            && !client.host.is_empty()
            && !client.program.is_empty()
            && client.version == Card::VERSION
            && client.last_seen < SOON
            && is_now(client.since)
    })
}

fn is_now(moment: SystemTime) -> bool {
    let now = SystemTime::now();
    now.duration_since(moment).unwrap_or_else(|error| error.duration()) < SOON
}

lock_tests::on_every_server! {
    async fn holder_and_waiters_are_told_by_their_clients_and_never_by_a_token(server: Server) {
        let (holder, waiter) = (connected(&server).await, connected(&server).await);
        let cards = until_cards(&server, 2).await;
        let guard = holder.lock("a").ttl(Duration::from_secs(90)).acquire().await.expect("it is free");
        let waiting = waiter.lock("a").wait(SOON).run(async {});
        let asking = until(&holder, "in line", |report| report.waiters.len() == 1);
        let report = tokio::select! {
            done = waiting => panic!("{done:?}"),
            report = asking => report,
        };
        assert_eq!((report.kind, report.holders.len()), (Some(Kind::Exclusive), 1));
        let (holds, waits) = (&report.holders[0], &report.waiters[0]);
        assert_eq!((holds.state, waits.kind), (HolderState::Holds, Some(Kind::Exclusive)));
        assert!(holds.remaining.is_some_and(|left| left > Duration::from_secs(80) && left <= Duration::from_secs(90)));
        assert!(holds.asked_at.is_some_and(is_now) && waits.asked_at.is_some_and(is_now), "{report:?}");
        assert!(is_this_process(holds.client.as_ref()) && is_this_process(waits.client.as_ref()), "{report:?}");
        let ids = [&holds.client, &waits.client].map(|client| client.as_ref().map(|client| client.id.to_string()));
        assert_ne!(ids[0], ids[1]);
        for id in ids.into_iter().flatten() {
            assert!(cards.contains(&format!("dlock:client:{id}")), "{id} in {cards:?}");
        }
        let token = server.get("dlock:{a}").expect("it is held");
        assert!(holds.id.as_ref().is_some_and(|id| id.starts_with(&token[..8])), "whose it is");
        let shown = format!("{report:?}");
        assert!(!shown.contains(&token) && !shown.contains(&token[16..24]), "{shown}");
        drop(guard);
        until(&holder, "free", |report| report.holders.is_empty() && report.waiters.is_empty()).await;
    }

    async fn what_nobody_of_ours_wrote_is_told_as_unknown(server: Server) {
        let client = connected(&server).await;
        assert_eq!(inspected(&client).await.kind, None, "a free key");
        for (value, ttl) in [("another program's", None), (&"A".repeat(32), Some("60000")), ("kept|x", Some("60000")), ("*s", None)] {
            server.command(&["SET", "dlock:{a}", value]);
            if let Some(ttl) = ttl {
                server.command(&["PEXPIRE", "dlock:{a}", ttl]);
            }
            let report = inspected(&client).await;
            let [holder] = &report.holders[..] else { panic!("{report:?}") };
            assert_eq!((holder.state, &holder.id, holder.asked_at), (HolderState::Unknown, &None, None), "{value}");
            assert_eq!((holder.remaining.is_some(), report.kind), (ttl.is_some(), None), "{value}");
        }
        server.del("dlock:{a}");
        server.command(&["RPUSH", "dlock:{a}", "x"]);
        let error = client.inspect("a").await.expect_err("a list");
        assert!(format!("{error:?}").contains("is not a lock"), "{error:?}");
        server.del("dlock:{a}");
        server.command(&["SET", QUEUE, "x"]);
        let error = client.inspect("a").await.expect_err("a queue that is a string");
        assert!(format!("{error:?}").contains("is not a queue"), "{error:?}");
        assert!(matches!(client.inspect("").await, Err(LockError::InvalidKey { .. })));
    }

    async fn a_key_that_is_kept_is_told_with_whose_it_was(server: Server) {
        let client = connected(&server).await;
        until_cards(&server, 1).await;
        client.lock("a").min_hold(Duration::from_secs(20)).run(async {}).await.expect("it is free");
        let report = inspected(&client).await;
        assert_eq!(report.holders[0].state, HolderState::Kept, "{report:?}");
        assert!(is_this_process(report.holders[0].client.as_ref()), "{report:?}");
    }

    async fn all_who_hold_beside_each_other_are_told(server: Server) {
        let (client, session) = (connected(&server).await, open(&server.url()).await);
        let two = Kind::permits(5).with_weight(2);
        for (token, kind) in [(1, two), (2, Kind::permits(5)), (3, two)] {
            fence(session.acquire(ask("a", token).with_kind(kind)).await);
        }
        let keeps = Release::new("a", Token::from_bits(3)).with_kind(two).with_keep(Some(Duration::from_secs(3)));
        session.release(keeps).await.expect("a release");
        let resp3 = Client::connect(&format!("{}?protocol=resp3", server.url())).await.expect("it is there");
        for report in [inspected(&client).await, inspected(&resp3).await] {
            let told: Vec<_> = report.holders.iter().map(|holder| (holder.state, holder.remaining > Some(SOON))).collect();
            let holds = (HolderState::Holds, true);
            assert_eq!(told, [(HolderState::Kept, false), holds, holds], "{report:?}");
            assert_eq!(report.kind.map(Kind::weight), Some(2), "{report:?}");
            assert!(!format!("{report:?}").contains(&written(2)));
        }
    }

    async fn entries_that_are_not_known_and_marks_are_told_as_far_as_they_can_be(server: Server) {
        let (client, session) = (connected(&server).await, open(&server.url()).await);
        fence(acquire(&session, "a", 1).await);
        let looks = entry(8).with_alive_for(Some(SOON));
        for (token, entry) in [(2, looks.clone()), (3, looks.with_kind(Kind::Shared)), (4, entry(8))] {
            queue(&session, "a", token, &entry).await.expect("a look");
        }
        server.command(&["ZADD", QUEUE, "17", "9|of a release to come"]);
        let report = inspected(&client).await;
        let told: Vec<_> = report.waiters.iter().map(|waiter| (waiter.id.is_some(), waiter.kind)).collect();
        let exclusive = (true, Some(Kind::Exclusive));
        assert_eq!(told, [(false, None), exclusive, (true, Some(Kind::Shared)), exclusive]);
        assert_eq!(report.holders[0].client, None, "nobody has this card");
        assert!(!format!("{report:?}").contains(&written(2)));
    }

    async fn who_may_not_ask_is_told_the_right_and_locks_all_the_same(server: Server) {
        let rights: Vec<_> = RIGHTS.into_iter().filter(|right| *right != "+zrange").collect();
        let client = Client::connect(&allow(&server, &rights, &CHANNELS)).await.expect("it is let in");
        let guard = client.lock("a").acquire().await.expect("it is free");
        let error = client.inspect("a").await.expect_err("without the right");
        assert!(matches!(error, LockError::Unavailable { .. }), "{error:?}");
        assert!(format!("{error:?}").contains("+zrange"), "{error:?}");
        guard.release().await.expect("a release");
    }

    async fn a_client_has_a_card_from_its_first_session_to_its_shutdown(server: Server) {
        let client = connected(&server).await;
        let cards = until_cards(&server, 1).await;
        assert!((170_000..=180_000).contains(&server.pttl(&cards[0])), "{}", server.pttl(&cards[0]));
        let card = server.get(&cards[0]).expect("a card");
        assert!(card.starts_with(&format!("1|{}|", std::process::id())), "{card}");
        let lease = client.lock("a").acquire().await.expect("it is free");
        let token = server.get("dlock:{a}").expect("it is held");
        assert!(cards[0].ends_with(&token[..8]), "{} has {}", cards[0], &token[..8]);
        let second = u64::from_str_radix(&token[8..16], 16).expect("digits");
        assert!(is_now(SystemTime::UNIX_EPOCH + Duration::from_secs(second)), "{second}");
        drop(lease);
        client.shutdown(SOON).await;
        assert_eq!(server.cards(), [""; 0], "taken back before the shutdown is over");
        client.shutdown(SOON).await;
    }

    async fn a_client_that_is_dropped_takes_its_card_back(server: Server) {
        let client = connected(&server).await;
        until_cards(&server, 1).await;
        drop(client);
        until_cards(&server, 0).await;
    }

    async fn a_user_who_may_write_no_card_locks_all_the_same(server: Server) {
        let url = allow(&server, &RIGHTS, &CHANNELS);
        server.command(&["ACL", "SETUSER", "app", "resetkeys", "~dlock:{*", "~dlock:fence"]);
        let client = Client::connect(&url).await.expect("it is let in");
        let guard = client.lock("a").acquire().await.expect("it is free");
        assert_eq!(inspected(&client).await.holders[0].client, None, "without a card");
        guard.release().await.expect("a release");
        assert_eq!(server.cards(), [""; 0]);
        client.shutdown(SOON).await;
    }
}
