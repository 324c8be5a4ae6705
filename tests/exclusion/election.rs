//! Three processes stand for the lead. Whatever becomes of the one that leads, never do two at once, and another leads
//! soon.

use std::time::{Duration, Instant};

use lock_tests::{Ledger, Server, Worker, on_every_server};

const TTL: Duration = Duration::from_secs(3);
/// What it takes to find that a leader is dead, beside its ttl: a look or two.
const LOOK: Duration = Duration::from_secs(2);
/// What a hand-over may take on a machine that is busy with other tests; a ttl would be longer.
const AT_ONCE: Duration = Duration::from_millis(1500);

/// Candidates, and the term of each leader so far.
struct Fleet {
    server: Server,
    ledger: Ledger,
    workers: Vec<Worker>,
    terms: Vec<u64>,
}

impl Fleet {
    async fn of_three(server: Server) -> (Self, usize) {
        let mut fleet = Self { server, ledger: Ledger::new(), workers: Vec::new(), terms: Vec::new() };
        for _ in 0..3 {
            fleet.join().await;
        }
        let leader = fleet.next_leader(TTL).await;
        (fleet, leader)
    }

    /// One more candidate.
    async fn join(&mut self) {
        let (path, ttl) = (self.ledger.path().display().to_string(), TTL.as_millis().to_string());
        let mut worker = Worker::start(env!("CARGO_BIN_EXE_electing-worker"), &[&self.server.url(), &path, &ttl]);
        worker.line_starting_with("stands").await;
        self.workers.push(worker);
    }

    /// Who leads next, within that time.
    async fn next_leader(&mut self, within: Duration) -> usize {
        let start = Instant::now();
        let next = async {
            let lines = self.workers.iter_mut().map(|worker| Box::pin(worker.line_starting_with("leads ")));
            let (line, who, _) = futures::future::select_all(lines).await;
            (line["leads ".len()..].parse::<u64>().expect("a number"), who)
        };
        let (term, who) =
            tokio::time::timeout(within, next).await.unwrap_or_else(|_| panic!("nobody leads in {within:?}"));
        eprintln!("{who} leads in term {term} after {:?}", start.elapsed());
        assert!(self.terms.last().is_none_or(|before| *before < term), "{term} behind {:?}", self.terms);
        self.terms.push(term);
        who
    }

    /// Each step of each leader is in the ledger, and none met another.
    fn check(&self) {
        self.ledger.check().assert_clean();
    }
}

on_every_server! {
    async fn when_the_leader_is_killed_another_leads_by_the_ttl(server: Server) {
        let (mut fleet, leader) = Fleet::of_three(server).await;
        fleet.workers[leader].kill();
        drop(fleet.workers.remove(leader));
        fleet.next_leader(TTL + LOOK).await;
        fleet.check();
    }

    async fn a_leader_that_was_stopped_finds_that_another_leads(server: Server) {
        let (mut fleet, leader) = Fleet::of_three(server).await;
        let term = fleet.terms[0];
        // Between two steps: one that is running already can be fenced, not stopped.
        fleet.workers[leader].tell("stop");
        let mut stopped = fleet.workers.remove(leader);
        let next = fleet.next_leader(TTL + LOOK).await;
        stopped.cont();
        stopped.line_starting_with(&format!("over {term}")).await;
        fleet.check();
        // It stands behind the third, and leads again when the two before it are through.
        fleet.workers[next].tell("break");
        fleet.workers[next].line_starting_with("outcome Ok").await;
        let third = fleet.next_leader(AT_ONCE).await;
        fleet.workers[third].tell("break");
        fleet.workers = vec![stopped];
        // It may have to find first that its connections are of no use any more.
        fleet.next_leader(TTL).await;
        fleet.check();
    }

    async fn when_the_leader_gives_the_lead_up_another_leads_at_once(server: Server) {
        let (mut fleet, mut leader) = Fleet::of_three(server).await;
        for word in ["resign", "continue", "resign", "continue"] {
            let term = fleet.terms.last().copied().expect("somebody leads");
            // Whoever has led for less would stand back before it stands again.
            tokio::time::sleep(Duration::from_millis(1100)).await;
            fleet.workers[leader].tell(word);
            let next = fleet.next_leader(AT_ONCE).await;
            assert_ne!(next, leader, "{word}: it stands behind the others");
            fleet.workers[leader].any_line_starting_with(&format!("over {term}")).await;
            leader = next;
        }
        fleet.workers[leader].tell("break");
        fleet.workers[leader].line_starting_with("outcome Ok").await;
        assert!(fleet.workers.remove(leader).ended().await.success());
        leader = fleet.next_leader(AT_ONCE).await;
        fleet.workers[leader].tell("shutdown");
        fleet.workers[leader].line_starting_with("outcome Err(ShuttingDown").await;
        fleet.next_leader(AT_ONCE).await;
        fleet.check();
    }

    async fn an_outage_and_a_loss_end_no_candidacy(server: Server) {
        let (mut fleet, leader) = Fleet::of_three(server).await;
        let term = fleet.terms[0];
        fleet.server.del("dlock:{leader}");
        fleet.workers[leader].line_starting_with(&format!("over {term}")).await;
        fleet.next_leader(TTL + LOOK).await;
        // What the others are told of first, a stranger's deletion or its consequence, is chance.
        fleet.server.restart();
        fleet.next_leader(TTL + LOOK * 5).await;
    }
}
