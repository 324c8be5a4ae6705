//! What a server does agrees with memory, which is right by definition: the same random operations on both have the
//! same replies and the same grants.
//!
//! Tokens are used as clients use them: an acquire has one that was never sent before, and what is said about a token's
//! entry is the same each time, but for its mark. Fences are compared by their order alone, times within a tolerance.
//! Deliberately absent: locks that expire in the middle of it, but for those that are kept for no time at all.

use std::sync::Arc;
use std::time::Duration;

use lock_runtime::LockKey;
use lock_runtime::store::{
    Acquired, Ask, Entry, Grant, ListenerId, Look, MemoryStore, Release, Renewal, Session, Token, Turn, Turned,
};
use lock_tests::Server;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::waiters::listen_to;

/// Who listens; more names than these stand in entries.
const LISTENERS: u128 = 2;

/// How far apart two stores may be in a ttl of many seconds.
const TOLERANCE: Duration = Duration::from_secs(5);

const CASES: u32 = 48;

#[derive(Debug, Clone)]
enum Operation {
    Acquire,
    Look { waits: bool },
    Renew,
    Release { leaves: bool, keeps: Option<Duration> },
    Turn,
}

/// One operation of somebody about a key.
#[derive(Debug, Clone)]
struct Step {
    key: u8,
    actor: usize,
    operation: Operation,
    ttl: Duration,
    fences: u32,
    alive_for: Option<Duration>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ttl = || (20_u64..200).prop_map(Duration::from_secs);
    let keeps = prop_oneof![4 => Just(None), 1 => Just(Some(Duration::ZERO)), 1 => ttl().prop_map(Some)];
    let operation = prop_oneof![
        1 => Just(Operation::Acquire),
        5 => any::<bool>().prop_map(|waits| Operation::Look { waits }),
        1 => Just(Operation::Renew),
        4 => (any::<bool>(), keeps).prop_map(|(leaves, keeps)| Operation::Release { leaves, keeps }),
        2 => Just(Operation::Turn),
    ];
    let alive_for =
        prop_oneof![3 => Just(None), 1 => Just(Some(Duration::ZERO)), 1 => Just(Some(Duration::from_secs(99)))];
    let step = (0_u8..2, 0_usize..5, operation, ttl(), 1_u32..40, alive_for);
    let step = step.prop_map(|(key, actor, operation, ttl, fences, alive_for)| Step {
        key,
        actor,
        operation,
        ttl,
        fences,
        alive_for,
    });
    proptest::collection::vec(step, 1..60)
}

/// A store with its listeners.
struct Side {
    sessions: Vec<(Arc<dyn Session>, UnboundedReceiver<Grant>)>,
    /// The last fence that was reserved.
    last_fence: u64,
}

/// What one step did to a store, with what may differ made equal.
#[derive(Debug, Clone, PartialEq)]
struct Effect {
    reply: String,
    /// In a reply that names one.
    left: Option<Duration>,
    grants: Vec<(LockKey, Token, u32, Duration)>,
}

impl Side {
    async fn new(store: &impl lock_runtime::store::Store) -> Self {
        let mut sessions = Vec::new();
        for name in 0..LISTENERS {
            sessions.push(listen_to(store, name).await);
        }
        Self { sessions, last_fence: 0 }
    }

    async fn apply(&mut self, step: &Step, key: &LockKey, token: Token, next: Token) -> Effect {
        let session = Arc::clone(&self.sessions[step.actor % self.sessions.len()].0);
        let (key, ttl, fences) = (key.clone(), step.ttl, step.fences);
        let entry = |token| Entry { alive_for: step.alive_for, ..entry(token) };
        let (reply, left, minted) = match &step.operation {
            Operation::Acquire => acquired(session.acquire(Ask { key, token, ttl }).await.expect("a reply"), 1),
            Operation::Look { waits } => {
                let entry = waits.then(|| entry(token));
                acquired(session.look(Look { key, token, ttl, fences, entry }).await.expect("a reply"), fences)
            }
            Operation::Renew => (format!("{:?}", session.renew(vec![Renewal { key, token, ttl }]).await), None, None),
            Operation::Release { leaves, keeps } => {
                let release = Release { key, token, keep: *keeps, leave: leaves.then(|| entry(token)) };
                (format!("{:?}", session.release(release).await), None, None)
            }
            Operation::Turn => {
                let turn = Turn { key, token, ttl, fences, next, entry: entry(next) };
                turned(session.turn(turn).await.expect("a reply"), fences)
            }
        };
        let mut grants = self.heard().await;
        grants.sort_by_key(|grant| grant.fence);
        let blocks = grants.iter().map(|grant| (grant.fence, grant.fences)).chain(minted);
        for (fence, fences) in blocks {
            assert!(fence > self.last_fence, "{fence} after {}", self.last_fence);
            self.last_fence = fence + u64::from(fences) - 1;
        }
        let grants =
            grants.into_iter().map(|grant| (grant.key, grant.token, grant.fences, grant.first_lease)).collect();
        Effect { reply, left, grants }
    }

    /// All that was told so far. A push that was written before a reply to the same connection is heard before it.
    async fn heard(&mut self) -> Vec<Grant> {
        let mut grants = Vec::new();
        for (session, heard) in &mut self.sessions {
            let renewal = Renewal { key: "nobody's".into(), token: Token::from_bits(0), ttl: TOLERANCE };
            drop(session.renew(vec![renewal]).await);
            while let Ok(grant) = heard.try_recv() {
                grants.push(grant);
            }
        }
        grants
    }
}

/// What stands in a queue for a token, but for its mark.
fn entry(token: Token) -> Entry {
    let bits = token.bits();
    let listener = ListenerId::from_bits(bits % (LISTENERS + 1));
    let first_lease = Duration::from_secs(20 + u64::try_from(bits % 7).unwrap_or(0));
    let since = bits.is_multiple_of(3).then(|| u64::try_from(bits % 4).unwrap_or(0));
    Entry { listener, first_lease, fences: u32::try_from(bits % 5).unwrap_or(0) + 1, since, alive_for: None }
}

type Reply = (String, Option<Duration>, Option<(u64, u32)>);

fn acquired(reply: Acquired, fences: u32) -> Reply {
    match reply {
        Acquired::Granted { fence } => ("granted".to_owned(), None, Some((fence, fences))),
        Acquired::Held { for_at_most, queued_at } => {
            (format!("held, queued {}", queued_at.is_some()), for_at_most, None)
        }
    }
}

fn turned(reply: Turned, fences: u32) -> Reply {
    match reply {
        Turned::GoesOn { fence } => ("goes on".to_owned(), None, Some((fence, fences))),
        Turned::HandedOver { .. } => ("handed over".to_owned(), None, None),
        other => (format!("{other:?}"), None, None),
    }
}

/// Whether two effects are the same, as far as clocks that differ let them be.
fn agree(one: &Effect, other: &Effect) -> bool {
    let near = match (one.left, other.left) {
        (Some(one), Some(other)) => one.abs_diff(other) < TOLERANCE,
        (one, other) => one == other,
    };
    near && one.reply == other.reply && one.grants == other.grants
}

/// Who is who in one run: an actor's token for a key, new for each acquire and after each turn.
struct Tokens {
    next: u128,
    of: Vec<[Token; 5]>,
}

impl Tokens {
    fn new() -> Self {
        let mut tokens = Self { next: 1, of: Vec::new() };
        tokens.of = (0..2).map(|_| std::array::from_fn(|_| tokens.fresh())).collect();
        tokens
    }

    fn fresh(&mut self) -> Token {
        self.next += 1;
        Token::from_bits(self.next)
    }
}

async fn run(steps: Vec<Step>, case: u32, [memory, server]: [&mut Side; 2]) -> Result<(), TestCaseError> {
    let mut tokens = Tokens::new();
    for (number, step) in steps.iter().enumerate() {
        let key = LockKey::from(format!("{case} {}", step.key));
        let fresh = tokens.fresh();
        let own = &mut tokens.of[usize::from(step.key)][step.actor];
        if matches!(step.operation, Operation::Acquire) {
            *own = fresh;
        }
        let token = *own;
        let expected = memory.apply(step, &key, token, fresh).await;
        let found = server.apply(step, &key, token, fresh).await;
        prop_assert!(
            agree(&expected, &found),
            "step {number}, {step:?}: {expected:?} in memory, {found:?} on the server"
        );
        if expected.reply == "handed over" {
            *own = fresh;
        }
    }
    Ok(())
}

lock_tests::on_every_server! {
    async fn a_server_agrees_with_memory(server: Server) {
        let mut memory = Side::new(&MemoryStore::new()).await;
        let mut other = Side::new(&crate::store(&server.url())).await;
        let runtime = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| {
            let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
            let mut case = 0;
            let sides = std::cell::RefCell::new((&mut memory, &mut other, &mut case));
            let ran = runner.run(&steps(), |steps| {
                let (memory, other, case) = &mut *sides.borrow_mut();
                **case += 1;
                runtime.block_on(run(steps, **case, [memory, other]))
            });
            ran.unwrap_or_else(|failure| panic!("{failure}"));
        });
    }
}
