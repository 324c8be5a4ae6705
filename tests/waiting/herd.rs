//! What a hand-over costs the server: one command and one message, however many wait.

use lock_tests::{Ledger, Server, on_every_server, spawn_polled};

use super::fleet::{Waiter, holds};
use super::{connect, its_turn, queue, until_in_line};

const PROCESSES: usize = 4;

/// How many requests the server has read. Calls inside of scripts are none, and a pipeline is one.
fn requests(server: &Server) -> u64 {
    let info: String = server.ask(&["INFO", "stats"]);
    let line = info.lines().find_map(|line| line.strip_prefix("total_reads_processed:"));
    line.expect("servers count what they read").parse().expect("a number")
}

/// What a hand-over costs in requests, on average, when so many wait.
async fn requests_of_a_hand_over(server: &Server, waiters: usize) -> f64 {
    let (key, ledger) = (format!("herd:{waiters}"), Ledger::new());
    let processes = PROCESSES.min(waiters);
    let each = waiters / processes;
    let mut herd = Waiter::several(processes, server, &ledger, &key, "asking").await;
    let client = connect(&server.url()).await;
    let holder = client.lock(key.as_str()).acquire().await.expect("nobody else is here yet");
    for waiter in &mut herd {
        (0..each).for_each(|number| waiter.asks(&number.to_string(), 0));
        waiter.until_waiting(each as u64).await;
    }
    until_in_line(server, &key, processes).await;
    let before = requests(server);
    holder.release().await.expect("the server is there");
    holds(&mut herd, each).await;
    for waiter in &mut herd {
        waiter.left(&(each - 1).to_string()).await;
    }
    let counted = requests(server) - before;
    ledger.check().assert_clean();
    #[expect(clippy::cast_precision_loss, reason = "they are few")]
    let each = counted as f64 / waiters as f64;
    each
}

on_every_server! {
    async fn a_hand_over_costs_the_same_whether_two_wait_or_five_hundred(server: Server) {
        let few = requests_of_a_hand_over(&server, 2).await;
        let some = requests_of_a_hand_over(&server, 40).await;
        let many = requests_of_a_hand_over(&server, 500).await;
        // One, and what the harness asks (a handful in all); now and then a renewal or a look on a busy machine.
        assert!(few <= 8.0, "{few}");
        assert!(some <= 2.0 && many <= 2.0, "{some} requests with 40, {many} with 500");
    }

    async fn nobody_queues_and_nothing_is_published_while_nobody_waits(server: Server) {
        let client = connect(&server.url()).await;
        server.reset_commandstats();
        for round in 0..100 {
            let guard = client.lock(format!("round:{}", round % 7)).acquire().await.expect("it is free");
            guard.release().await.expect("the server is there");
        }
        let commands = server.commandstats();
        let waiting = ["publish", "zadd", "zrem", "pexpire"];
        assert!(waiting.iter().all(|command| !commands.contains_key(*command)), "{commands:?}");
        assert_eq!(server.keys(), ["dlock:fence"]);
    }

    async fn who_does_not_wait_does_not_queue(server: Server) {
        let [holder, other] = [connect(&server.url()).await, connect(&server.url()).await];
        // A lock for which somebody has waited a moment ago is asked for in another way.
        let first = holder.lock("held").acquire().await.expect("it is free");
        let second = spawn_polled(other.lock("held").wait_forever().acquire()).await;
        until_in_line(&server, "held", 1).await;
        first.release().await.expect("the server is there");
        its_turn(second).await.release().await.expect("the server is there");
        let _held = holder.lock("held").acquire().await.expect("it is free");
        server.reset_commandstats();
        for client in [&holder, &other] {
            for _ in 0..20 {
                client.lock("held").acquire().await.expect_err("it is held");
            }
            assert_eq!(client.stats().waiting, 0);
        }
        let commands = server.commandstats();
        assert!(!commands.contains_key("zadd"), "{commands:?}");
        assert_eq!(server.keys(), ["dlock:fence".to_owned(), super::name("held")], "and no {}", queue("held"));
    }
}
