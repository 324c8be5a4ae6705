//! What tracing is told: spans with the numbers of each call, warnings for what an operator should see, no secrets.

use lock_tests::{Server, Worker, on_every_server};

use crate::SOON;

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
        assert!(warnings(&worker).is_empty(), "{lines:#?}");
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
        assert!(warnings(&worker).is_empty(), "{:#?}", worker.lines());
    }

    async fn a_lost_lock_is_a_warning_that_names_it(server: Server) {
        let mut worker = traced(&server.url()).await;
        worker.tell("body stolen 600");
        worker.line_starting_with("inside stolen").await;
        assert!(server.del("dlock:{stolen}"));
        let outcome = worker.line_starting_with("outcome stolen").await;
        assert!(outcome.contains("Lost") && outcome.contains("Stolen"), "{outcome}");
        // The caller may hear of it a moment before, or a moment later.
        let warned = worker.any_line_starting_with("event WARN");
        tokio::time::timeout(SOON, warned).await.expect("a warning");
        let warnings = warnings(&worker);
        assert!(warnings.iter().any(|line| line.contains("lock lost") && line.contains("lock.key=stolen")), "{warnings:#?}");
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

fn warnings(worker: &Worker) -> Vec<String> {
    let is_loud = |line: &String| line.starts_with("event WARN") || line.starts_with("event ERROR");
    worker.lines().into_iter().filter(is_loud).collect()
}
