//! A primary and its replica, which change places when told to: what a planned failover is made of.
//!
//! Both are servers with the same settings, so each can be the other. What must stay true: when a call here comes back,
//! the replica has all that the primary acknowledged and hears of what comes next. Deliberately absent: crashes, which
//! may lose what was acknowledged, and who tells clients where the primary is now; that is up to their proxies.

use std::time::{Duration, Instant};

use redis::Value;

use crate::server::Server;

/// How long a replica may take to be linked, or a failover until both have their new roles.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a primary waits for its replica to catch up before it gives a failover up, and is told again.
const CATCHING_UP: &str = "5000";
/// A replica is fed at once, over its connection, and says often how far it has come.
const QUICK: [(&str, &str); 3] =
    [("repl-diskless-sync", "yes"), ("repl-diskless-sync-delay", "0"), ("repl-ping-replica-period", "1")];

/// Two servers, of which one is the other's replica.
#[derive(Debug)]
pub struct Pair {
    primary: Server,
    replica: Server,
}

impl Pair {
    /// Gives a server a replica, and comes back when that has what the server has.
    pub fn of(mut primary: Server) -> Self {
        for (name, value) in QUICK {
            primary.set(name, value);
        }
        let pair = Self { replica: primary.another(), primary };
        pair.replica.command(&["REPLICAOF", "127.0.0.1", &pair.primary.port().to_string()]);
        pair.until_linked();
        pair
    }

    /// The one that takes writes.
    pub fn primary(&self) -> &Server {
        &self.primary
    }

    /// The same, to be killed and started again. It comes back as the primary, and feeds its replica anew.
    pub fn primary_mut(&mut self) -> &mut Server {
        &mut self.primary
    }

    /// The other one.
    pub fn replica(&self) -> &Server {
        &self.replica
    }

    /// Comes back when the replica has what the primary has, and is told of each write from then on.
    pub fn until_linked(&self) {
        self.until("linked", || told(&self.replica, "master_link_status:up") && told(&self.primary, ",state=online,"));
    }

    /// Makes them change places, by the primary's own doing: it takes no write until its replica has them all, and
    /// then is a replica of that one. Those who are connected stay so. Comes back when both have their new roles.
    pub fn fail_over(&mut self) {
        let port = self.replica.port().to_string();
        let order = ["FAILOVER", "TO", "127.0.0.1", &port, "TIMEOUT", CATCHING_UP];
        let is_over = || told(&self.replica, "role:master") && told(&self.primary, "master_link_status:up");
        self.until("failed over", || {
            // A replica that comes too late is no reason to give up, nor is one that lost its link just now.
            let is_idle = told(&self.primary, "role:master") && told(&self.primary, "failover_state:no-failover");
            if is_idle && told(&self.primary, ",state=online,") {
                let _ = self.primary.try_ask::<Value>(&order);
            }
            is_over()
        });
        std::mem::swap(&mut self.primary, &mut self.replica);
    }

    /// Nothing announces what becomes of replicas, so this polls, every five milliseconds.
    fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            let roles = || [&self.primary, &self.replica].map(replication);
            assert!(Instant::now() < deadline, "not {what} within {PATIENCE:?}: {:#?}", roles());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Whether a server says this of its role.
fn told(server: &Server, what: &str) -> bool {
    replication(server).contains(what)
}

/// What a server says of its role; nothing if it does not answer just now.
fn replication(server: &Server) -> String {
    server.try_ask(&["INFO", "replication"]).unwrap_or_default()
}
