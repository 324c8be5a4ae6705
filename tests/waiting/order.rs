//! First come, first served within a process; processes take turns in the order in which they came.

use std::time::Duration;

use lock_runtime::LockError;
use lock_tests::{Ledger, Server, on_every_server};

use super::fleet::{Hold, Waiter, holds, line_up};
use super::{Served, all_served, comes, connect, connect_asking, enters, in_line, until_in_line};

const PROCESSES: usize = 4;
const EACH: usize = 50;

#[track_caller]
fn assert_served_in_the_order_of_arrival(holds: &[Hold]) {
    for process in 0..PROCESSES {
        let names: Vec<usize> = holds
            .iter()
            .filter(|hold| hold.process == process)
            .map(|hold| hold.name.parse().expect("names are numbers"))
            .collect();
        assert_eq!(names, (0..EACH).collect::<Vec<_>>(), "of process {process}");
    }
}

/// Between two holds of a process, every other process that waits is served; the first round goes by arrival.
#[track_caller]
fn assert_turns_are_taken(holds: &[Hold]) {
    let processes: Vec<usize> = holds.iter().map(|hold| hold.process).collect();
    assert_eq!(processes[..PROCESSES], (0..PROCESSES).collect::<Vec<_>>(), "the first round");
    for (before, &process) in processes.iter().enumerate() {
        let Some(gap) = processes[before + 1..].iter().position(|&next| next == process) else { continue };
        let (between, later) = processes[before + 1..].split_at(gap);
        let passed_over = later.iter().find(|other| **other != process && !between.contains(other));
        assert_eq!(passed_over, None, "waited while {process} was served twice, hold {before}: {processes:?}");
    }
}

on_every_server! {
    async fn two_hundred_waiters_of_four_processes_are_served_in_order_within_each(server: Server) {
        let ledger = Ledger::new();
        let mut waiters = Waiter::several(PROCESSES, &server, &ledger, "line", "local").await;
        line_up(&server, "line", &mut waiters, EACH, 0).await;
        let holds = holds(&mut waiters, EACH).await;
        assert_served_in_the_order_of_arrival(&holds);
        assert_eq!(ledger.check().grants, PROCESSES * EACH);
        ledger.check().assert_clean();
    }

    async fn no_process_is_served_twice_while_another_has_waited_longer_than_its_last_turn(server: Server) {
        let ledger = Ledger::new();
        let mut waiters = Waiter::several(PROCESSES, &server, &ledger, "turns", "asking").await;
        line_up(&server, "turns", &mut waiters, EACH, 0).await;
        let holds = holds(&mut waiters, EACH).await;
        assert_served_in_the_order_of_arrival(&holds);
        assert_turns_are_taken(&holds);
        ledger.check().assert_clean();
    }

    async fn twenty_processes_with_one_waiter_each_are_served_in_the_order_in_which_they_came(server: Server) {
        let (key, ledger) = ("twenty", Ledger::new());
        let mut waiters = Waiter::several(20, &server, &ledger, key, "local").await;
        // So that the order in which they were started says nothing.
        waiters.reverse();
        line_up(&server, key, &mut waiters, 1, 1).await;
        let order: Vec<usize> = holds(&mut waiters, 1).await.iter().map(|hold| hold.process).collect();
        assert_eq!(order, (0..20).collect::<Vec<_>>());
        ledger.check().assert_clean();
    }

    async fn who_comes_while_others_queue_is_served_after_them(server: Server) {
        let served = Served::default();
        let [holder, first, newcomer] =
            [connect(&server.url()).await, connect(&server.url()).await, connect(&server.url()).await];
        let held = holder.lock("late").acquire().await.expect("it is free");
        let mut waiters = vec![comes(first.lock("late").wait_forever(), "first", &served).await];
        until_in_line(&server, "late", 1).await;
        waiters.push(comes(newcomer.lock("late").wait_forever(), "newcomer", &served).await);
        until_in_line(&server, "late", 2).await;
        held.release().await.expect("the server is there");
        all_served(waiters).await;
        assert_eq!(served.names(), ["first", "newcomer"]);
        served.assert_fences_grow();
    }

    async fn who_does_not_wait_never_gets_in_between(server: Server) {
        let ledger = Ledger::new();
        let waiting = connect_asking(&server.url()).await;
        let (holder, barger) = (connect(&server.url()).await, connect(&server.url()).await);
        let held = holder.lock("closed").acquire().await.expect("it is free");
        let mut waiters = Vec::new();
        for _ in 0..20 {
            let body = enters(&ledger, "closed", Duration::from_millis(5));
            waiters.push(tokio::spawn(waiting.lock("closed").wait_forever().run(body)));
        }
        until_in_line(&server, "closed", 1).await;
        held.release().await.expect("the server is there");
        let barges = async {
            loop {
                match barger.lock("closed").acquire().await {
                    Ok(guard) => return guard.fence(),
                    Err(LockError::Busy { .. }) => {}
                    Err(error) => panic!("neither free nor busy: {error}"),
                }
            }
        };
        let (last, fences) = tokio::join!(barges, all_served(waiters));
        assert!(fences.iter().all(|&fence| fence < last), "{last} came before some of {fences:?}");
        assert_eq!(in_line(&server, "closed"), 0);
        ledger.check().assert_clean();
    }
}
