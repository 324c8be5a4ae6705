//! Turns between processes, and the fences over every kind of hand-over.

use std::time::Duration;

use lock_runtime::{Client, current};
use lock_tests::{Ledger, Server, on_every_server, spawn_polled};

use super::fleet::Waiter;
use super::{Served, all_served, connect, connect_asking, enters, its_turn, until_in_line};

/// One grant by the store, and as often as a lease passes on after it.
const LONGEST_RUN: usize = 1 + 32;
/// For how long it passes on.
const LONGEST_PASSING_ON: Duration = Duration::from_millis(20);

on_every_server! {
    async fn a_crowd_in_one_process_leaves_another_its_turn(server: Server) {
        let (key, ledger) = ("crowded", Ledger::new());
        let mut crowd = Waiter::local(&server.url(), &ledger, key).await;
        let mut lonely = Waiter::asking(&server.url(), &ledger, key).await;
        crowd.worker().tell("crowd 500");
        crowd.until_waiting(499).await;
        // Two of them, so that one stands in line whenever the other is served; without hand-over between them.
        lonely.worker().tell("crowd 2");
        let lonely_pid = lonely.worker().pid();
        let holds_of_the_lonely = || ledger.grants(key).iter().filter(|grant| grant.pid == lonely_pid).count();
        super::until("the lonely are served a hundred times", || holds_of_the_lonely() >= 100).await;
        for waiter in [&mut crowd, &mut lonely] {
            waiter.worker().tell("enough");
        }
        let grants = ledger.grants(key);
        let runs = grants.split(|grant| grant.pid == lonely_pid).map(<[_]>::len);
        // From the first time on that they are served, one of them is always in line; until the end is told.
        let between: Vec<usize> = runs.skip(1).take(99).collect();
        // A grant that reaches a process too late, on a busy machine, costs its place in a round.
        assert!(between.iter().all(|&run| run <= 2 * LONGEST_RUN), "{between:?}");
        let too_long = between.iter().filter(|&&run| run > LONGEST_RUN).count();
        assert!(too_long <= 5, "{between:?}");
        for waiter in [&mut crowd, &mut lonely] {
            waiter.worker().line_starting_with("dispersed").await;
        }
        ledger.check().assert_clean();
    }

    async fn a_process_passes_a_lock_on_for_no_longer_than_twenty_milliseconds(server: Server) {
        let [ours, theirs] = [connect(&server.url()).await, connect_asking(&server.url()).await];
        let served = Served::default();
        let held = theirs.lock("slow").acquire().await.expect("it is free");
        let mut waiters = Vec::new();
        for (client, name, count) in [(&ours, "ours", 60), (&theirs, "theirs", 20)] {
            for _ in 0..count {
                let served = served.clone();
                let body = async move {
                    served.write(name, current().expect("inside a body").fence());
                    // How long each holds it is what the bound on passing on is counted in.
                    tokio::time::sleep(LONGEST_PASSING_ON / 4).await;
                };
                waiters.push(spawn_polled(client.lock("slow").wait_forever().run(body)).await);
            }
        }
        until_in_line(&server, "slow", 1).await;
        held.release().await.expect("the server is there");
        all_served(waiters).await;
        let names = served.names();
        // Towards the end there may be only one kind left.
        let runs: Vec<usize> = names.split(|name| name == "theirs").map(<[_]>::len).filter(|&run| run > 0).collect();
        // Four begin before the time is over, and the last of them may pass it on just before that. A grant that comes
        // too late, on a busy machine, leaves a run for more.
        let too_long = runs.iter().filter(|&&run| run > 5).count();
        assert!(runs.len() >= 5 && too_long * 4 <= runs.len(), "{runs:?}");
        served.assert_fences_grow();
    }

    async fn fences_grow_over_every_kind_of_hand_over(server: Server) {
        let ledger = Ledger::new();
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(connect(&server.url()).await);
        }
        for round in 0..4 {
            let waits = |client: &Client| {
                let body = enters(&ledger, "kinds", Duration::from_micros(200));
                tokio::spawn(client.lock("kinds").wait_forever().run(body))
            };
            let waiters: Vec<_> = (0..60).map(|waiter| waits(&clients[waiter % 3])).collect();
            if round % 2 == 1 {
                // So that some hear of nothing and have to look.
                server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
            }
            all_served(waiters).await;
        }
        ledger.check().assert_clean();
        assert_eq!(ledger.check().grants, 240);
        let kinds = clients.iter().map(Client::stats);
        let [mut messages, mut locally] = [0, 0];
        for stats in kinds {
            messages += stats.granted_by_message;
            locally += stats.granted_locally;
        }
        assert!(messages > 0 && locally > 0, "{messages} by message, {locally} locally");
    }

    async fn the_numbers_tell_by_which_way_a_lock_came(server: Server) {
        let [asking, local] = [connect_asking(&server.url()).await, connect(&server.url()).await];
        let held = asking.lock("ways").acquire().await.expect("it is free");
        assert_eq!(asking.stats().granted_by_message + asking.stats().granted_by_look, 0, "it did not wait");
        let first = tokio::spawn(local.lock("ways").wait_forever().acquire());
        until_in_line(&server, "ways", 1).await;
        let mut others = Vec::new();
        for _ in 0..9 {
            others.push(spawn_polled(local.lock("ways").wait_forever().acquire()).await);
        }
        super::until("all of them wait", || local.stats().waiting == 10).await;
        held.release().await.expect("the server is there");
        drop(its_turn(first).await);
        for other in others {
            drop(its_turn(other).await);
        }
        let stats = local.stats();
        assert_eq!((stats.acquired, stats.granted_by_message, stats.granted_by_look), (10, 1, 0), "{stats:?}");
        // The rest, but for those who were asked for: when the first came into line there was no fence for more.
        assert!(stats.granted_locally > 0, "{stats:?}");
        server.until_gone(&super::name("ways"), super::SOON).await;

        // A key that goes without a release is found by a look.
        let forgotten = asking.lock("ways").acquire().await.expect("it is free");
        let looks = tokio::spawn(local.lock("ways").wait_forever().acquire());
        until_in_line(&server, "ways", 1).await;
        server.del(&super::name("ways"));
        drop(its_turn(looks).await);
        assert_eq!(local.stats().granted_by_look, 1);
        drop(forgotten);
    }
}
