//! Those who wait, as Redis keeps them: which keys there are and for how long, and queues that are none.

use std::time::Duration;

use lock_runtime::redis::{RedisSettings, RedisStore};
use lock_runtime::store::{Acquired, Released, Rotated, StoreErrorKind};
use lock_tests::Server;

use crate::waiters::{entry, heard, leave, listen, listen_to, queue, rotate, written};
use crate::{acquire, fence, look, open, release};

const QUEUE: &str = "dlock:{a}:queue";

lock_tests::on_every_server! {
    async fn a_queue_is_there_while_somebody_waits(server: Server) {
        let session = open(&server.url()).await;
        fence(acquire(&session, "a", 1).await);
        for token in [2, 3] {
            assert!(matches!(queue(&session, "a", token, &entry(9)).await, Ok(Acquired::Held { queued_at: Some(_), .. })));
        }
        assert_eq!(server.keys(), ["dlock:fence", "dlock:{a}", QUEUE]);
        assert!((25_000..=30_000).contains(&server.pttl(QUEUE)));
        assert_eq!(leave(&session, "a", 2, &entry(9)).await.expect("a release"), Released::NotOurs);
        assert_eq!(server.ask::<Vec<String>>(&["ZRANGE", QUEUE, "0", "-1"]), [format!("1|{}|{}|10000|1|x", written(3), written(9))]);
        leave(&session, "a", 3, &entry(9)).await.expect("a release");
        assert_eq!(server.keys(), ["dlock:fence", "dlock:{a}"]);
        release(&session, "a", 1).await.expect("a release");
        assert_eq!(server.keys(), ["dlock:fence"]);
    }

    async fn a_waiter_that_looks_by_itself_has_a_mark_which_goes_with_it(server: Server) {
        let session = open(&server.url()).await;
        let looking = entry(9).with_alive_for(Some(Duration::from_secs(3)));
        let mark = format!("seen|{}", written(2));
        let members = || server.ask::<Vec<String>>(&["ZRANGE", QUEUE, "0", "-1"]);
        fence(acquire(&session, "a", 1).await);
        queue(&session, "a", 2, &looking).await.expect("a look");
        assert_eq!((members().len(), members().last()), (2, Some(&mark)));
        queue(&session, "a", 2, &entry(9)).await.expect("a look");
        assert_eq!(members().len(), 1, "a look without a mark takes it back");
        queue(&session, "a", 2, &looking).await.expect("a look");
        leave(&session, "a", 2, &looking).await.expect("a release");
        assert_eq!(server.keys(), ["dlock:fence", "dlock:{a}"]);
        queue(&session, "a", 2, &looking).await.expect("a look");
        release(&session, "a", 1).await.expect("a release");
        assert_eq!((server.get("dlock:{a}"), server.keys().len()), (Some(written(2)), 2), "and so does a hand-over");
    }

    async fn everybody_who_looks_makes_the_queue_last(server: Server) {
        let session = open(&server.url()).await;
        let (_listening, _grants) = listen(&server.url(), 9).await;
        fence(acquire(&session, "a", 1).await);
        for token in [2, 3, 2] {
            queue(&session, "a", token, &entry(9)).await.expect("a look");
            assert!(server.pttl(QUEUE) > 20_000);
            server.command(&["PEXPIRE", QUEUE, "9000"]);
        }
    }

    async fn a_queue_lasts_for_as_long_as_anybody_asked_who_looks_seldom(server: Server) {
        let session = open(&server.url()).await;
        let seldom = |lasts| entry(9).with_lasts(Some(Duration::from_secs(lasts)));
        fence(acquire(&session, "a", 1).await);
        queue(&session, "a", 2, &seldom(120)).await.expect("a look");
        for (token, entry) in [(3, entry(9)), (4, seldom(60)), (2, entry(9))] {
            queue(&session, "a", token, &entry).await.expect("a look");
            assert!((115_000..=120_000).contains(&server.pttl(QUEUE)), "{}", server.pttl(QUEUE));
        }
        queue(&session, "a", 2, &seldom(100 * 24 * 3600)).await.expect("a look");
        assert!(server.pttl(QUEUE) <= 24 * 3600 * 1000, "a day at most");
    }

    async fn places_are_by_the_servers_clock_and_never_ahead_of_it(server: Server) {
        let session = open(&server.url()).await;
        fence(acquire(&session, "a", 1).await);
        let since = |since| entry(9).with_since(Some(since));
        let before = queue(&session, "a", 2, &entry(9)).await.expect("a look");
        let Acquired::Held { queued_at: Some(reading), .. } = before else { panic!("{before:?}") };
        let clock = reading.micros;
        assert!(clock > 1_700_000_000_000_000, "{clock}");
        queue(&session, "a", 3, &since(clock - 1)).await.expect("a look");
        queue(&session, "a", 4, &since(u64::MAX)).await.expect("a look");
        queue(&session, "a", 5, &entry(9)).await.expect("a look");
        queue(&session, "a", 5, &since(0)).await.expect("a look of one who stands there already");
        let members = server.ask::<Vec<String>>(&["ZRANGE", QUEUE, "0", "-1"]);
        let order: Vec<_> = members.iter().map(|member| &member[33..34]).collect();
        assert_eq!(order, ["3", "2", "4", "5"]);
        assert_eq!(server.ask::<u64>(&["ZSCORE", QUEUE, &members[1]]), clock);
    }

    async fn namespaces_with_all_kinds_of_names_have_queues(server: Server) {
        let settings = |namespace: &str, format: Option<&str>| {
            let mut settings = RedisSettings::default();
            settings.namespace = namespace.into();
            settings.name_format = format.map(str::to_owned);
            settings
        };
        let all = [settings("dlock", None), settings("my app", None), settings("", None), settings("dlock", Some("<key> locked"))];
        for settings in all {
            let store = RedisStore::from_url(&server.url(), settings).expect("a store");
            let (session, mut grants) = listen_to(&store, 9).await;
            for key in ["job 42", "{a}:queue", "}{", "ä|b", " "] {
                fence(acquire(&session, key, 1).await);
                queue(&session, key, 2, &entry(9)).await.expect("a look");
                release(&session, key, 1).await.expect("a release");
                let grant = heard(&mut grants).await;
                assert_eq!((grant.key.as_str(), grant.token.bits()), (key, 2));
                assert_eq!(release(&session, key, 2).await.expect("a release"), Released::Freed);
            }
        }
        assert_eq!(server.keys(), [" locked:\u{1}fence", "dlock:fence", "fence", "my app:fence"]);
    }

    async fn a_queue_of_another_type_is_named_and_hinders_no_release(server: Server) {
        let session = open(&server.url()).await;
        fence(acquire(&session, "a", 1).await);
        server.command(&["SET", QUEUE, "x"]);
        let named = |error: lock_runtime::store::StoreError| {
            assert_eq!(error.kind(), StoreErrorKind::Refused);
            assert!(error.to_string().contains("`dlock:{a}:queue` is not a queue"), "{error}");
        };
        named(queue(&session, "a", 2, &entry(9)).await.expect_err("a queue that is a string"));
        assert!(matches!(rotate(&session, "a", [1, 3], &entry(9)).await, Ok(Rotated::Retained { .. })));
        assert_eq!(leave(&session, "a", 1, &entry(9)).await.expect("a release"), Released::Freed);
        assert_eq!(server.keys(), ["dlock:fence", QUEUE]);
        named(look(&session, "a", 2).await.expect_err("a queue that is a string"));
        assert_eq!(server.get("dlock:{a}"), None);
        fence(acquire(&session, "a", 4).await);
        assert_eq!(release(&session, "a", 4).await.expect("a release"), Released::Freed);
    }

    async fn whoever_holds_the_lock_does_not_wait_for_it(server: Server) {
        let session = open(&server.url()).await;
        fence(acquire(&session, "a", 1).await);
        queue(&session, "a", 2, &entry(9)).await.expect("a look");
        server.del("dlock:{a}");
        fence(acquire(&session, "a", 2).await);
        fence(queue(&session, "a", 2, &entry(9)).await);
        assert_eq!(server.keys(), ["dlock:fence", "dlock:{a}"]);
    }

    async fn what_is_no_entry_loses_its_place(server: Server) {
        let (session, mut grants) = listen(&server.url(), 9).await;
        fence(acquire(&session, "a", 1).await);
        for strange in ["", "x", "zz|zz|1|1", "1|2|3|4|5", "1|2|3|4|5|x"] {
            server.command(&["ZADD", QUEUE, "1", strange]);
        }
        queue(&session, "a", 2, &entry(9)).await.expect("a look");
        release(&session, "a", 1).await.expect("a release");
        assert_eq!(heard(&mut grants).await.token.bits(), 2);
        assert_eq!(server.keys(), ["dlock:fence", "dlock:{a}"]);
    }

    async fn a_lock_for_ever_is_not_waited_for(server: Server) {
        let session = open(&server.url()).await;
        server.command(&["SET", "dlock:{a}", "another program's"]);
        let error = queue(&session, "a", 2, &entry(9)).await.expect_err("a lock for ever");
        assert!(error.to_string().starts_with("key `dlock:{a}` exists without a ttl"), "{error}");
        assert_eq!(server.keys(), ["dlock:fence", "dlock:{a}"]);
    }
}
