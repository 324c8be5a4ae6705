//! Waiters that are dropped, in the thick of it.

use lock_tests::{Ledger, Server, on_every_server};

use super::fleet::Waiter;
use super::{connect, its_turn, queue};

const PROCESSES: usize = 4;

on_every_server! {
    async fn a_storm_of_dropped_waiters_leaves_nothing_behind(server: Server) {
        let (key, ledger) = ("storm", Ledger::new());
        let mut waiters = Waiter::several(PROCESSES, &server, &ledger, key, "local").await;
        for (process, waiter) in waiters.iter_mut().enumerate() {
            waiter.worker().tell(&format!("storm 300 {}", process + 1));
        }
        let mut served = 0;
        for waiter in &mut waiters {
            let line = waiter.worker().line_starting_with("calm ").await;
            served += line["calm ".len()..].parse::<usize>().expect("a number");
        }
        for waiter in &mut waiters {
            waiter.worker().tell("end");
            assert!(waiter.worker().ended().await.success());
        }
        assert!(served > 100, "{served} who came inside show too little");
        assert_eq!(ledger.check().grants, served);
        ledger.check().assert_clean();
        assert_eq!(server.keys(), ["dlock:fence"]);
    }

    async fn a_dropped_head_of_the_line_lets_the_next_one_come_first(server: Server) {
        let [holder, first, second] =
            [connect(&server.url()).await, connect(&server.url()).await, connect(&server.url()).await];
        let held = holder.lock("left").acquire().await.expect("it is free");
        let leaves = tokio::spawn(first.lock("left").wait_forever().acquire());
        super::until_in_line(&server, "left", 1).await;
        let stays = tokio::spawn(second.lock("left").wait_forever().acquire());
        super::until_in_line(&server, "left", 2).await;
        leaves.abort();
        super::until_in_line(&server, "left", 1).await;
        held.release().await.expect("the server is there");
        let guard = its_turn(stays).await;
        assert_eq!(second.stats().granted_by_message, 1);
        assert_eq!(server.pttl(&queue("left")), -2, "nobody stands in line");
        guard.release().await.expect("the server is there");
        assert_eq!(server.keys(), ["dlock:fence"]);
    }

    async fn a_lock_that_is_handed_to_one_who_has_just_left_goes_on_to_the_next(server: Server) {
        let [holder, fickle, patient] =
            [connect(&server.url()).await, connect(&server.url()).await, connect(&server.url()).await];
        for _ in 0..30 {
            let held = holder.lock("fickle").wait_forever().acquire().await.expect("its turn comes");
            let leaves = tokio::spawn(fickle.lock("fickle").wait_forever().acquire());
            super::until_in_line(&server, "fickle", 1).await;
            let stays = tokio::spawn(patient.lock("fickle").wait_forever().acquire());
            super::until_in_line(&server, "fickle", 2).await;
            // At the same time: sometimes it is told of its grant before, sometimes after, sometimes not at all.
            let ((), released) = tokio::join!(async { leaves.abort() }, held.release());
            released.expect("the server is there");
            let guard = its_turn(stays).await;
            guard.release().await.expect("the server is there");
        }
        assert_eq!(patient.stats().acquired, 30);
        fickle.shutdown(super::SOON).await;
        assert_eq!(server.keys(), ["dlock:fence"]);
    }
}
