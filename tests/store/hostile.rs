//! Texts under our names that nobody of ours wrote: whatever they are, they can cost the key that they name, and
//! neither a client nor any other key.

use std::time::Duration;

use lock_runtime::Client;
use lock_tests::Server;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::counter::clock;
use crate::listening::resp2;
use crate::waiters::{entry, heard, listen, queue, written};
use crate::{acquire, fence, look, release};

const QUEUE: &str = "dlock:{a}:queue";

/// Where marks begin.
const MARKS: u64 = 4_000_000_000_000_000;

/// How long the fleet may take for a key that nobody spoilt.
const SOON: Duration = Duration::from_secs(10);

lock_tests::on_every_server! {
    async fn an_entry_that_no_client_writes_loses_its_place_and_gets_nothing(server: Server) {
        let (session, mut grants) = listen(&server.url(), 9).await;
        fence(acquire(&session, "a", 1).await);
        let (token, told) = (written(7), written(9));
        let many = "9".repeat(400);
        let strange = [
            format!("1|{token}|{told}|1000|1000000000000000|x"), // fences
            format!("1|{token}|{told}|1000|1025|x"),
            format!("1|{token}|{told}|1000|0|x"),
            format!("1|{token}|{told}|1000|{many}|x"),
            format!("1|{token}|{told}|0|1|x"), // a first lease
            format!("1|{token}|{told}|01000|1|x"),
            format!("1|{token}|{told}|3153600000001|1|x"),
            format!("1|{token}|{told}|9223372036854775807|1|x"),
            format!("1|{token}|{told}|{many}|1|x"),
            format!("1|7|{told}|1000|1|x"), // a token
            format!("1|{}|{told}|1000|1|x", "A".repeat(32)),
            format!("1|{token}0|{told}|1000|1|x"),
            format!("1|{token}|9|1000|1|x"), // a listener
            format!("1|{token}|{told}|1000|1|x|"),
            format!("1|{token}|{told}|1000|1|x\n"),
            format!("1|{token}|{told}|1000|1"), // a kind
            format!("1|{token}|{told}|1000|1|"),
            format!("1|{token}|{told}|1000|1|X"),
            format!("1|{token}|{told}|1000|1|5"),
            format!("1|{token}|{told}|1000|1|s s"),
            format!("1|{token}|{told}|1000|1|s|x"),
        ];
        for (place, strange) in strange.iter().enumerate() {
            server.command(&["ZADD", QUEUE, &place.to_string(), strange]);
        }
        server.command(&["ZADD", QUEUE, "-inf", "the very first"]);
        queue(&session, "a", 2, &entry(9)).await.expect("a look");
        release(&session, "a", 1).await.expect("a release");
        let grant = heard(&mut grants).await;
        assert_eq!((grant.token.bits(), grants.is_empty()), (2, true));
        assert!(grant.fence < clock(&server) + 600_000_000, "{}", grant.fence);
        assert_eq!(server.keys(), ["dlock:fence", "dlock:{a}"]);
        // By a look at a free key, likewise.
        for strange in &strange {
            server.command(&["ZADD", QUEUE, "1", strange]);
        }
        server.del("dlock:{a}");
        fence(look(&session, "a", 3).await);
        assert_eq!(server.get("dlock:{a}"), Some(written(3)));
    }

    async fn a_mark_that_no_client_writes_makes_nobody_alive(server: Server) {
        let (session, mut grants) = listen(&server.url(), 9).await;
        let in_two_days = MARKS + clock(&server) + 2 * 24 * 3600 * 1_000_000;
        for mark in ["inf", "-inf", "0", "9007199254740993", &in_two_days.to_string()] {
            fence(acquire(&session, "a", 1).await);
            // Nobody listens for the first.
            queue(&session, "a", 2, &entry(8)).await.expect("a look");
            queue(&session, "a", 3, &entry(9)).await.expect("a look");
            server.command(&["ZADD", QUEUE, mark, &format!("seen|{}", written(2))]);
            release(&session, "a", 1).await.expect("a release");
            assert_eq!(heard(&mut grants).await.token.bits(), 3, "{mark}");
            release(&session, "a", 3).await.expect("a release");
            assert_eq!(server.get("dlock:{a}"), None, "{mark}");
            server.del(QUEUE);
        }
    }

    async fn who_says_that_it_looks_in_a_year_is_alive_for_a_day(server: Server) {
        let (session, _grants) = listen(&server.url(), 9).await;
        fence(acquire(&session, "a", 1).await);
        let entry = entry(8).with_alive_for(Some(Duration::from_secs(365 * 24 * 3600)));
        queue(&session, "a", 2, &entry).await.expect("a look");
        let mark: u64 = server.ask(&["ZSCORE", QUEUE, &format!("seen|{}", written(2))]);
        assert!(mark <= MARKS + clock(&server) + 24 * 3600 * 1_000_000, "{mark}");
        release(&session, "a", 1).await.expect("a release");
        assert_eq!(server.get("dlock:{a}"), Some(written(2)));
    }

    async fn whatever_stands_under_our_names_costs_the_key_that_it_names_and_nothing_else(server: Server) {
        let fleet = [
            Client::connect(&server.url()).await.expect("a client"),
            Client::connect(&resp2(&server)).await.expect("a client"),
        ];
        for client in &fleet {
            // So that the runtime has a line of its own, which listens.
            client.lock("other").run(async {}).await.expect("it is free");
        }
        let runtime = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| {
            let config = Config { cases: 60, failure_persistence: None, max_shrink_iters: 64, ..Config::default() };
            let ran = TestRunner::new(config).run(&proptest::collection::vec(any_trick(), 1..6), |tricks| {
                runtime.block_on(survives(&server, &fleet, &tricks))
            });
            ran.unwrap_or_else(|failure| panic!("{failure}"));
        });
    }
}

/// What somebody does who has every right on the server but no token.
#[derive(Debug, Clone)]
enum Trick {
    /// A message on everybody's channel.
    Tell(String),
    /// A member of the key's queue, at a score.
    Queue(String, String),
    /// A string of the key, for a while or for ever.
    Lock(String, bool),
    /// Another type under one of the key's names.
    List(&'static str),
}

/// Numbers at which something changes, and any.
fn any_number() -> impl Strategy<Value = String> {
    let edges = ["0", "1", "-1", "1024", "1025", "9007190000000000", "18446744073709551615", "1e300", "nan", "inf", ""];
    prop_oneof![
        2 => proptest::sample::select(edges.to_vec()).prop_map(str::to_owned),
        2 => (1_700_000_000_000_000_u64..1_900_000_000_000_000).prop_map(|number| number.to_string()),
        1 => any::<u64>().prop_map(|number| number.to_string()),
    ]
}

/// Tokens and listeners: mostly of their shape.
fn any_token() -> impl Strategy<Value = String> {
    prop_oneof![4 => any::<u128>().prop_map(written), 1 => (0_u128..10).prop_map(written), 1 => "[0-9a-fA-Fg|]{0,40}"]
}

fn any_trick() -> impl Strategy<Value = Trick> {
    let numbers = || [any_number(), any_number(), any_number(), any_number()];
    let name = prop_oneof![4 => Just("dlock:{a}"), 1 => Just("dlock:{other}"), 1 => Just("x"), 1 => Just("dlock:{}")];
    let message = (any_token(), numbers(), name)
        .prop_map(|(token, numbers, name)| format!("{token} {} {name}", numbers.join(" ")));
    let kind = prop_oneof![4 => Just("x".to_owned()), 1 => "[a-z0-9|]{0,4}"];
    let entry = (any_token(), any_token(), any_number(), any_number(), kind)
        .prop_map(|(token, listener, lease, fences, kind)| format!("1|{token}|{listener}|{lease}|{fences}|{kind}"));
    let mark = any_token().prop_map(|token| format!("seen|{token}"));
    let score = prop_oneof![
        2 => proptest::sample::select(vec!["-inf", "inf", "0", "4000000000000000", "5700000000000000", "-1.5", "1e300"])
            .prop_map(str::to_owned),
        1 => any::<u32>().prop_map(|number| number.to_string()),
    ];
    prop_oneof![
        3 => prop_oneof![3 => message, 1 => ".{0,80}"].prop_map(Trick::Tell),
        3 => (prop_oneof![3 => entry, 1 => mark, 1 => ".{0,80}"], score).prop_map(|(member, score)| Trick::Queue(member, score)),
        1 => (prop_oneof![any_token(), any_token().prop_map(|token| format!("kept|{token}")), ".{0,40}"], any::<bool>())
            .prop_map(|(value, expires)| Trick::Lock(value, expires)),
        1 => proptest::sample::select(vec!["dlock:{a}", "dlock:{a}:queue"]).prop_map(Trick::List),
    ]
}

/// Plays the tricks on the key `a`; the fleet goes on with others, and with this one as soon as it is cleared.
async fn survives(server: &Server, fleet: &[Client], tricks: &[Trick]) -> Result<(), TestCaseError> {
    let channels: Vec<String> = server.ask(&["PUBSUB", "CHANNELS", "dlock:wake:*"]);
    prop_assert!(channels.len() >= fleet.len(), "{:?}", channels);
    for trick in tricks {
        // One that the server refuses, for its type or its score, was none.
        let _: Result<redis::Value, _> = match trick {
            Trick::Tell(message) => {
                for channel in &channels {
                    let _ = server.try_ask::<u64>(&["PUBLISH", channel, message]);
                }
                continue;
            }
            Trick::Queue(member, score) => server.try_ask(&["ZADD", QUEUE, score, member]),
            Trick::Lock(value, true) => server.try_ask(&["SET", "dlock:{a}", value, "PX", "60000"]),
            Trick::Lock(value, false) => server.try_ask(&["SET", "dlock:{a}", value]),
            Trick::List(name) => server.try_ask(&["RPUSH", name, "x"]),
        };
    }
    for client in fleet {
        // Whatever comes of it, it comes at once.
        let spoilt = tokio::time::timeout(SOON, client.lock("a").wait(Duration::ZERO).run(async {})).await;
        prop_assert!(spoilt.is_ok(), "no answer about a spoilt key");
        let other = client.lock("other").wait(SOON).run(async {}).await;
        prop_assert!(other.is_ok(), "{:?}", other);
    }
    server.del("dlock:{a}");
    server.del(QUEUE);
    for client in fleet {
        let guard = client.lock("a").wait(SOON).acquire().await;
        prop_assert!(guard.is_ok(), "{:?}", guard.err());
        let guard = guard.expect("it was looked at");
        prop_assert!(guard.fence() < clock(server) + 600_000_000, "fence {}", guard.fence());
        let _ = guard.release().await;
    }
    Ok(())
}
