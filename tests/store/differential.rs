//! What a server does agrees with memory, which is right by definition: the same random operations on both have the
//! same replies and the same grants, and leave the same locks for about as long.
//!
//! Tokens are used as clients use them: an acquire has one that was never sent before, and what is said about a token's
//! entry is the same each time, but for its mark. Tokens are of all kinds, each of one, until it is downgraded. Fences are compared by their order alone, times within a tolerance.
//! In the end all is given back, which shows who still waited, and in which order. Time passes in steps that are longer
//! than the short ttls; what is done between two of them is done in less than half of one, or nothing is said about it,
//! so that no lock may have expired on one side alone.

mod side;

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use lock_runtime::LockKey;
use lock_runtime::store::{Kind, MemoryStore, Token};
use lock_tests::Server;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use side::{Effect, Side, agree, agree_on_holders, is_forgotten, is_of_another_release, kind_of, on_server};

/// A ttl that is over when time has passed.
const SHORT: Duration = Duration::from_millis(300);
const PASSING: Duration = Duration::from_millis(400);

/// A token that no actor has.
const STRANGER: Token = Token::from_bits(1);

const CASES: u32 = 96;
/// Fewer, as they take their time.
const CASES_IN_TIME: u32 = 10;

#[derive(Debug, Clone)]
enum Operation {
    Acquire,
    Look {
        waits: bool,
    },
    Renew,
    Release {
        leaves: bool,
        keeps: Option<Duration>,
        done: bool,
    },
    Rotate,
    Downgrade,
    /// Nobody does anything.
    Pass,
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

/// Whether time passes between them.
fn steps(in_time: bool) -> impl Strategy<Value = Vec<Step>> {
    let short = u32::from(in_time);
    let ttl = move || prop_oneof![2 => (20_u64..200).prop_map(Duration::from_secs), short => Just(SHORT)];
    let keeps = prop_oneof![10 => Just(None), 1 => Just(Some(Duration::ZERO)), 1 => ttl().prop_map(Some)];
    let operation = prop_oneof![
        1 => Just(Operation::Acquire),
        5 => any::<bool>().prop_map(|waits| Operation::Look { waits }),
        1 => Just(Operation::Renew),
        4 => (any::<bool>(), keeps, any::<bool>())
            .prop_map(|(leaves, keeps, done)| Operation::Release { leaves, keeps, done }),
        2 => Just(Operation::Rotate),
        1 => Just(Operation::Downgrade),
        short => Just(Operation::Pass),
    ];
    let alive_for = prop_oneof![
        3 => Just(None),
        1 => Just(Some(Duration::ZERO)),
        1 => Just(Some(Duration::from_secs(99))),
        short => Just(Some(SHORT)),
    ];
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

/// Who is who in one run: an actor's token for a key, new for each acquire and after each rotation.
struct Tokens {
    of: Vec<[Token; 5]>,
    all: Vec<Token>,
}

impl Tokens {
    fn new() -> Self {
        let mut tokens = Self { of: Vec::new(), all: vec![STRANGER] };
        tokens.of = (0..2).map(|_| std::array::from_fn(|_| tokens.fresh())).collect();
        tokens
    }

    fn fresh(&mut self) -> Token {
        let token = Token::from_bits(self.all[self.all.len() - 1].bits() + 1);
        self.all.push(token);
        token
    }

    fn fresh_exclusive(&mut self) -> Token {
        std::iter::repeat_with(|| self.fresh()).find(|token| kind_of(*token) == Kind::Exclusive).unwrap_or(STRANGER)
    }
}

/// Two stores to which the same is done.
struct Both<'a> {
    memory: Side,
    other: Side,
    server: &'a Server,
    /// When time passed last, if it does.
    passed: Option<Instant>,
}

impl<'a> Both<'a> {
    async fn new(server: &'a Server, in_time: bool) -> Self {
        let memory = Side::new(&MemoryStore::new(), in_time).await;
        let other = Side::new(&crate::store(&server.url()), in_time).await;
        Self { memory, other, server, passed: in_time.then(Instant::now) }
    }

    /// Does a step to both, which must agree about it; says what came of it, unless it took so long that a short lock
    /// may have expired on one side alone.
    async fn apply(
        &mut self,
        step: &Step,
        key: &LockKey,
        [token, next]: [Token; 2],
        tokens: &[Token],
    ) -> Result<Option<Effect>, TestCaseError> {
        let expected = self.memory.apply(step, key, token, next).await;
        let found = self.other.apply(step, key, token, next).await;
        let (report, report_there) = (self.memory.report(key).await, self.other.report(key).await);
        let (stands, stands_there) = (self.memory.standing(key, tokens).await, on_server(self.server, key));
        if self.passed.is_some_and(|passed| passed.elapsed() > SHORT / 2) {
            return Ok(None);
        }
        prop_assert!(agree(&expected, &found), "{step:?}: {expected:?} in memory, {found:?} on the server");
        prop_assert!(
            report.agrees(&report_there),
            "after {step:?}: {report:?} in memory, {report_there:?} on the server"
        );
        prop_assert!(
            agree_on_holders(stands.as_ref(), stands_there.as_ref()),
            "after {step:?}: {stands:?} in memory, {stands_there:?} on the server"
        );
        Ok(Some(expected))
    }

    async fn pass(&mut self) {
        if let Some(passed) = &mut self.passed {
            // Real time, as that is what a server's clock shows, and nothing tells when it has passed.
            tokio::time::sleep(PASSING).await;
            *passed = Instant::now();
        }
    }

    /// Gives a key back for as long as anybody has it, and finds that nothing is left of it, unless it is kept; none if
    /// it took too long.
    async fn drain(&mut self, key: &LockKey, tokens: &[Token]) -> Result<Option<()>, TestCaseError> {
        let step =
            |operation| Step { key: 0, actor: 0, operation, ttl: Duration::from_secs(60), fences: 1, alive_for: None };
        let release = step(Operation::Release { leaves: false, keeps: None, done: false });
        // Nobody else takes these out of a queue.
        let leave = step(Operation::Release { leaves: true, keeps: None, done: false });
        for &token in tokens.iter().filter(|token| is_of_another_release(**token)) {
            if self.apply(&leave, key, [token; 2], tokens).await?.is_none() {
                return Ok(None);
            }
        }
        let look = step(Operation::Look { waits: false });
        // Each of them waits once at most, and is found by a look and freed by a release.
        for _ in 0..2 * tokens.len() {
            let standing = self.memory.standing(key, tokens).await;
            if standing.as_ref().is_some_and(|(holders, _)| holders.is_empty()) {
                // It is kept for longer than a test may take, from those who wait as well.
                return Ok(Some(()));
            }
            let holder = standing.and_then(|(holders, _)| holders.first().copied());
            let (step, token) = holder.map_or((&look, STRANGER), |holder| (&release, holder));
            if self.apply(step, key, [token; 2], tokens).await?.is_none() {
                return Ok(None);
            }
            // Who waits is served before a stranger who looks.
            if holder == Some(STRANGER) {
                prop_assert!(is_forgotten(self.server, key), "something is left of `{key}`");
                return Ok(Some(()));
            }
        }
        Err(TestCaseError::fail("somebody has the key again and again"))
    }

    /// Does all steps and gives everything back; none if it took too long.
    async fn run(&mut self, steps: &[Step], case: u32) -> Result<Option<()>, TestCaseError> {
        let mut tokens = Tokens::new();
        let keys = [0, 1].map(|number| LockKey::from(format!("{case} {number}")));
        self.passed = self.passed.map(|_| Instant::now());
        for step in steps {
            if matches!(step.operation, Operation::Pass) {
                self.pass().await;
            }
            let fresh = tokens.fresh();
            let key = usize::from(step.key);
            if matches!(step.operation, Operation::Acquire) {
                tokens.of[key][step.actor] = fresh;
            }
            let token = tokens.of[key][step.actor];
            let Some(effect) = self.apply(step, &keys[key], [token, fresh], &tokens.all).await? else {
                return Ok(None);
            };
            // A token that left its place to nobody never asks again; it would have one such place in Redis, whatever
            // it asked for.
            let is_kept = matches!(step.operation, Operation::Release { keeps: Some(_), .. });
            if effect.reply == "handed over" || is_kept && kind_of(token) != Kind::Exclusive {
                tokens.of[key][step.actor] = fresh;
            }
        }
        self.pass().await;
        for key in &keys {
            if self.drain(key, &tokens.all).await?.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(()))
    }
}

/// Tries so many cases; says how many of them were compared to the end.
async fn compare(server: &Server, cases: u32, in_time: bool) -> u32 {
    let both = RefCell::new(Both::new(server, in_time).await);
    let (case, compared) = (Cell::new(0), Cell::new(0));
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        let ran = runner.run(&steps(in_time), |steps| {
            case.set(case.get() + 1);
            let all = runtime.block_on(both.borrow_mut().run(&steps, case.get()))?;
            compared.set(compared.get() + u32::from(all.is_some()));
            Ok(())
        });
        ran.unwrap_or_else(|failure| panic!("{failure}"));
    });
    compared.get()
}

lock_tests::on_every_server! {
    async fn a_server_agrees_with_memory(server: Server) {
        assert_eq!(compare(&server, CASES, false).await, CASES);
    }

    async fn a_server_agrees_with_memory_about_what_comes_behind_a_release_that_keeps(server: Server) {
        let mut both = Both::new(&server, false).await;
        let step = |operation, ttl| Step { key: 0, actor: 0, operation, ttl, fences: 1, alive_for: None };
        let seconds = Duration::from_secs;
        let release = |leaves, keeps, done| step(Operation::Release { leaves, keeps, done }, seconds(60));
        let late = [
            step(Operation::Renew, seconds(150)),
            step(Operation::Look { waits: false }, seconds(150)),
            step(Operation::Look { waits: true }, seconds(150)),
            step(Operation::Rotate, seconds(150)),
            release(false, None, false),
            release(true, None, false),
            release(false, Some(Duration::ZERO), false),
            release(false, Some(seconds(20)), true),
            release(true, Some(seconds(150)), false),
        ];
        let all = late.iter().flat_map(|late| [(late, false, false), (late, false, true), (late, true, false), (late, true, true)]);
        for (number, (late, waited_for, done)) in all.enumerate() {
            let (key, mut tokens) = (LockKey::from(format!("{number}")), Tokens::new());
            let [token, waiter, next] = [(); 3].map(|()| tokens.fresh_exclusive());
            let steps = [
                Some((step(Operation::Acquire, seconds(60)), token)),
                waited_for.then(|| (step(Operation::Look { waits: true }, seconds(60)), waiter)),
                Some((release(false, Some(seconds(90)), done), token)),
                Some((late.clone(), token)),
                Some((late.clone(), token)),
            ];
            for (step, token) in steps.into_iter().flatten() {
                both.apply(&step, &key, [token, next], &tokens.all).await.unwrap_or_else(|failure| panic!("{failure}"));
            }
            let (holder, left) = on_server(&server, &key).expect("it is kept");
            assert!(holder.is_empty() && (seconds(80)..=seconds(90)).contains(&left), "{holder:?} {left:?} after {late:?}");
        }
    }

    async fn a_server_agrees_with_memory_while_time_passes(server: Server) {
        let compared = compare(&server, CASES_IN_TIME, true).await;
        assert!(compared > 0, "the machine was too slow for each of {CASES_IN_TIME} cases");
    }
}
