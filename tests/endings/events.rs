//! What tracing is told: spans with the numbers of each call, warnings for what an operator should see, no secrets.

use std::collections::BTreeSet;
use std::time::Instant;

use lock_tests::{Server, Worker, on_every_server};

const WORKER: &str = env!("CARGO_BIN_EXE_exit-worker");
const CANARY: &str = "canary-2b7e";

on_every_server! {
    async fn a_call_has_a_span_with_its_numbers(server: Server) {
        let mut worker = traced(&server.url()).await;
        worker.tell("job 42");
        worker.line_starting_with("inside 42").await;
        worker.tell("finish");
        worker.line_starting_with("outcome 42 Ok(1)").await;
        let lines = worker.lines();
        let span = lines.iter().find(|line| line.contains(" distributed_lock ")).expect("a span");
        assert!(span.contains("lock.template=\"job:<id>\""), "{span}");
        assert!(span.contains("lock.key=job:42"), "{span}");
        let id = span.split(' ').nth(1).expect("span and its number");
        let recorded: Vec<&String> = lines.iter().filter(|line| line.starts_with(&format!("record {id} "))).collect();
        for field in ["lock.fence=", "lock.wait_ms=", "lock.hold_ms="] {
            assert!(recorded.iter().any(|line| line.contains(field)), "{field} is missing in {lines:#?}");
        }
        assert!(warnings(&worker.lines(), "").is_empty(), "{lines:#?}");
    }

    async fn a_busy_lock_is_no_warning(server: Server) {
        let mut worker = traced(&server.url()).await;
        worker.tell("guard taken");
        worker.line_starting_with("held").await;
        worker.tell("busy taken");
        worker.line_starting_with("busy true").await;
        // A stranger's lock is found busy by the store, not by this process.
        server.command(&["SET", "dlock:{foreign}", "somebody", "PX", "30000"]);
        worker.tell("busy foreign");
        worker.line_starting_with("busy true").await;
        assert!(worker.lines().iter().any(|line| line.contains("lock is held elsewhere") && line.contains("foreign")));
        assert!(warnings(&worker.lines(), "").is_empty(), "{:#?}", worker.lines());
    }

    async fn a_lost_lock_is_a_warning_that_names_it(server: Server) {
        let mut worker = traced(&server.url()).await;
        worker.tell("body stolen 600");
        worker.line_starting_with("inside stolen").await;
        assert!(server.del("dlock:{stolen}"));
        let outcome = worker.line_starting_with("outcome stolen").await;
        assert!(outcome.contains("Lost") && outcome.contains("Stolen"), "{outcome}");
        // The caller may hear of it a moment before, or a moment later.
        let lines = worker.lines_when(|lines| !warnings(lines, "lock lost").is_empty()).await;
        assert_eq!(field(warnings(&lines, "lock lost")[0], "lock.key"), "stolen");
    }

    async fn very_many_renewals_that_fail_are_a_warning_a_second_and_one_for_each_lock_at_half_of_its_ttl(server: Server) {
        const LOCKS: usize = 300;
        const HALF: &str = "lock was not renewed for half of its ttl";
        let mut worker = traced(&server.url()).await;
        worker.tell(&format!("guards {LOCKS} 6000"));
        worker.line_starting_with(&format!("held {LOCKS}")).await;
        server.stop();
        let began = Instant::now();
        // Each is told of at debug.
        let each = |lines: &[String]| lines.iter().filter(|line| line.contains("a renewal failed")).count();
        let lines = worker.lines_when(|lines| warnings(lines, HALF).len() >= LOCKS && each(lines) >= LOCKS).await;
        server.cont();
        let seconds = usize::try_from(began.elapsed().as_secs()).expect("few");
        let keys: BTreeSet<&str> = warnings(&lines, HALF).into_iter().map(|line| field(line, "lock.key")).collect();
        assert_eq!((keys.len(), warnings(&lines, HALF).len()), (LOCKS, LOCKS), "each lock once");
        let failed = warnings(&lines, "failed to renew lock");
        assert!((1..=seconds + 1).contains(&failed.len()), "{seconds} s: {failed:#?}");
    }

    async fn calls_that_fail_for_one_cause_are_a_warning_a_second(server: Server) {
        let mut worker = traced(&server.url()).await;
        server.command(&["ACL", "SETUSER", "default", "-set"]);
        for number in 0..50 {
            worker.tell(&format!("busy {number}"));
            worker.line_starting_with("busy true").await;
        }
        let failures = |lines: &[String]| -> u64 {
            let failed = warnings(lines, "failed to acquire lock");
            failed.into_iter().map(|line| field(line, "failures").parse::<u64>().expect("a number")).sum()
        };
        let lines = worker.lines_when(|lines| failures(lines) >= 50).await;
        assert_eq!(failures(&lines), 50, "none is left untold, and none is told twice");
        assert!(warnings(&lines, "").len() < 10, "{:#?}", warnings(&lines, ""));
    }

    async fn a_body_that_is_not_polled_for_a_ttl_is_a_warning_once(server: Server) {
        let unpolled = |lines: &[String]| warnings(lines, "was not polled for the ttl of its lock").len();
        let mut worker = traced(&server.url()).await;
        worker.tell("unpolled-body stuck 600");
        worker.line_starting_with("inside stuck").await;
        let mut polled = traced(&server.url()).await;
        polled.tell("body fine 600");
        polled.line_starting_with("inside fine").await;
        let lines = worker.lines_when(|lines| unpolled(lines) > 0).await;
        assert_eq!(field(warnings(&lines, "was not polled")[0], "lock.key"), "stuck");
        // For as long again, and longer.
        let mut later = traced(&server.url()).await;
        later.tell("unpolled-body later 1200");
        later.lines_when(|lines| unpolled(lines) > 0).await;
        assert_eq!(unpolled(&worker.lines()), 1);
        assert!(server.get("dlock:{stuck}").is_some(), "it is renewed still");
        assert!(warnings(&polled.lines(), "").is_empty(), "that one is polled when it is woken");
    }

    async fn what_the_keeper_tells_of_a_lock_is_told_in_the_span_of_its_call(server: Server) {
        let mut worker = traced(&server.url()).await;
        worker.tell("body stolen 600");
        worker.line_starting_with("inside stolen").await;
        assert!(server.del("dlock:{stolen}"));
        let lines = worker.lines_when(|lines| !warnings(lines, "lock lost").is_empty()).await;
        let span = lines.iter().find(|line| line.contains(" distributed_lock ")).expect("a span");
        let id = span.split(' ').nth(1).expect("span and its number");
        assert_eq!(field(warnings(&lines, "lock lost")[0], "in"), id);
    }

    async fn no_password_and_no_token_is_in_any_event(server: Server) {
        let mut server = server;
        server.command(&["ACL", "SETUSER", "locker", "on", &format!(">{CANARY}"), "~*", "&*", "+@all"]);
        let url = format!("redis://locker:{CANARY}@127.0.0.1:{}", server.port());
        let mut worker = traced(&url).await;
        worker.tell("job 42");
        worker.line_starting_with("inside 42").await;
        let mut tokens = vec![server.get("dlock:{job:42}").expect("it is held")];
        worker.tell("finish");
        worker.line_starting_with("outcome 42").await;
        worker.tell("body stolen 600");
        worker.line_starting_with("inside stolen").await;
        tokens.push(server.get("dlock:{stolen}").expect("it is held"));
        server.command(&["SET", "dlock:{stolen}", "somebody"]);
        worker.line_starting_with("outcome stolen").await;
        // Trouble is where secrets come out: an outage, and a server that does not know the user any more.
        worker.tell("body cut 3000");
        worker.line_starting_with("inside cut").await;
        tokens.push(server.get("dlock:{cut}").expect("it is held"));
        server.restart();
        worker.line_starting_with("event WARN").await;
        worker.line_starting_with("outcome cut").await;
        let said = [worker.lines(), worker.errors()].concat().join("\n");
        assert!(said.contains("failed to connect to lock store"), "{said}");
        for secret in tokens.iter().map(String::as_str).chain([CANARY]) {
            assert!(secret.len() >= 8, "{secret:?} is found everywhere");
            assert!(!said.contains(secret), "{secret} is in\n{said}");
        }
    }
}

async fn traced(url: &str) -> Worker {
    let mut worker = Worker::start(WORKER, &[url, "traced"]);
    worker.line_starting_with("ready").await;
    worker
}

/// The warnings that say this.
fn warnings<'a>(lines: &'a [String], text: &str) -> Vec<&'a str> {
    let is_loud = |line: &&str| line.starts_with("event WARN") || line.starts_with("event ERROR");
    lines.iter().map(String::as_str).filter(is_loud).filter(|line| line.contains(text)).collect()
}

/// What a line says of this field, which is one word.
fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let (_, value) = line.split_once(&format!(" {name}=")).unwrap_or_else(|| panic!("no {name} in {line}"));
    value.split(' ').next().unwrap_or_default()
}
