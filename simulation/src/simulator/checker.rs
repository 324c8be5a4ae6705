//! What must be true after every step of a simulation, whatever went wrong.
//!
//! It is told events and shares no code with the library: it computes deadlines itself, from when a request was sent
//! and how it was answered. The first violation that it finds ends the simulation.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use super::plan::Kind;
use lock_core::LockKey;
use lock_core::LossReason;
use lock_core::Moment;
use lock_core::store::{Kind as LockKind, Token};

/// How long a key may be held by a token that no client knows, while there are no faults.
const ORPHANED_FOR: Duration = Duration::from_millis(2_500);
/// How long a body may still be there after its process continued or its long step ended.
const AFTERMATH: Duration = Duration::from_millis(20);

/// A body that has begun and still exists.
#[derive(Debug)]
struct Alive {
    task: usize,
    key: LockKey,
    kind: LockKind,
    in_step: bool,
    /// When its process continues or continued, or its last step ended: it could not end before.
    held_up_until: Moment,
}

#[derive(Debug)]
pub(super) struct Checker {
    kind: Kind,
    /// Whether every task is polled when it is woken, too.
    is_undisturbed: bool,
    violation: Option<String>,
    alive: Vec<Alive>,
    last_fence: HashMap<LockKey, u64>,
    used: HashSet<(LockKey, u64)>,
    /// Until when steps may start under a token, by the clock of its process.
    until: HashMap<Token, Moment>,
    /// Since when a key is waited for although no body has it.
    stuck: BTreeMap<LockKey, Moment>,
    orphans: BTreeMap<LockKey, (Token, Moment)>,
    /// Until when no other body may begin, for keys that are kept.
    kept: HashMap<LockKey, Kept>,
    /// When the clock of a process last leapt ahead.
    leapt: HashMap<usize, Moment>,
}

/// A key with a `min_hold`, which is kept however soon its body ends.
#[derive(Debug)]
struct Kept {
    task: usize,
    process: usize,
    until: Moment,
}

impl Checker {
    pub(super) fn new(kind: Kind, is_undisturbed: bool) -> Self {
        Self {
            kind,
            is_undisturbed,
            violation: None,
            alive: Vec::new(),
            last_fence: HashMap::new(),
            used: HashSet::new(),
            until: HashMap::new(),
            stuck: BTreeMap::new(),
            orphans: BTreeMap::new(),
            kept: HashMap::new(),
            leapt: HashMap::new(),
        }
    }

    pub(super) fn is_calm(&self) -> bool {
        self.kind == Kind::Calm
    }

    /// Nothing at all goes wrong, so that nobody is passed over.
    pub(super) fn is_undisturbed(&self) -> bool {
        self.is_undisturbed
    }

    pub(super) fn is_whole(&self) -> bool {
        self.kind != Kind::Broken
    }

    /// Reports a violation.
    pub(super) fn found(&mut self, what: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(what());
        }
    }

    pub(super) fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    /// The store reserved fences, which must be greater than all before.
    pub(super) fn minted(&mut self, key: &LockKey, first: u64, count: u32) {
        let last = self.last_fence.get(key).copied().unwrap_or(0);
        if first <= last {
            self.found(|| format!("the store gave {key} fence {first} after {last}"));
        }
        self.last_fence.insert(key.clone(), last.max(first + u64::from(count) - 1));
    }

    /// A grant or a renewal that was sent at `sent` was confirmed.
    pub(super) fn confirmed(&mut self, token: Token, sent: Moment, ttl: Duration) {
        let drift = ttl / 100 + Duration::from_millis(2);
        let margin = (ttl / 20).max(Duration::from_millis(5)).min(Duration::from_secs(1));
        let until = sent + ttl.saturating_sub(drift + margin);
        let known = self.until.entry(token).or_insert(until);
        *known = until.max(*known);
    }

    /// A body begins with a `min_hold`, which counts from its grant by the clock of its process.
    pub(super) fn key_kept(&mut self, granted: Moment, task: usize, process: usize, key: &LockKey, min_hold: Duration) {
        if self.leapt.get(&process).is_some_and(|leapt| *leapt >= granted) {
            return;
        }
        // That clock may be a hundredth faster.
        let until = granted + (min_hold * 99 / 100).saturating_sub(Duration::from_millis(1));
        self.kept.insert(key.clone(), Kept { task, process, until });
    }

    /// The clock of a process leapt ahead: what it kept may end early.
    pub(super) fn leapt(&mut self, now: Moment, process: usize) {
        self.leapt.insert(process, now);
        self.kept.retain(|_, kept| kept.process != process);
    }

    /// A body with a `min_hold` lets others in beside it.
    pub(super) fn shares(&mut self, task: usize) {
        self.kept.retain(|_, kept| kept.task != task);
    }

    /// Beside whom a body runs by now, as its own client knows.
    pub(super) fn runs_as(&mut self, task: usize, kind: LockKind) {
        self.change(task, |body| body.kind = kind);
    }

    /// The bodies of a key that are there.
    pub(super) fn bodies(&self, key: &LockKey) -> Vec<usize> {
        self.alive.iter().filter(|body| body.key == *key).map(|body| body.task).collect()
    }

    /// The first step of a body: no other body may be there that it may not run beside, and its fence must be new.
    pub(super) fn body_begins(&mut self, now: Moment, task: usize, (key, kind): (&LockKey, LockKind), fence: u64) {
        if self.is_whole()
            && let Some(kept) = self.kept.remove(key).filter(|kept| now < kept.until)
        {
            let (too_soon, by) = (kept.until.since(now), kept.task);
            self.found(|| format!("task {task} begins with {key} {too_soon:?} before task {by}'s min_hold is over"));
        }
        self.stuck.remove(key);
        if !self.used.insert((key.clone(), fence)) {
            self.found(|| format!("two bodies of {key} have fence {fence}"));
        }
        if self.is_whole() {
            let is_there =
                |other: &&Alive| other.key == *key && !other.in_step && other.held_up_until + AFTERMATH <= now;
            let there: Vec<(usize, LockKind)> =
                self.alive.iter().filter(is_there).map(|other| (other.task, other.kind)).collect();
            if let Some((other, _)) = there.iter().find(|(_, of)| !of.agrees_with(kind)) {
                self.found(|| format!("task {task} begins with {key} while task {other} is there"));
            }
            let taken: u32 = there.iter().map(|(_, of)| of.weight()).chain([kind.weight()]).sum();
            if matches!(kind, LockKind::Permits { most, .. } if taken > most) {
                self.found(|| format!("task {task} begins with {key}, and {taken} permits are taken"));
            }
        }
        self.alive.push(Alive { task, key: key.clone(), kind, in_step: false, held_up_until: Moment::MIN });
    }

    /// A step of a body starts: checks the process's clock, and who holds the key at the store at that moment.
    pub(super) fn step_starts(&mut self, local: Moment, task: usize, token: Token, holders: &[Token]) {
        let until = self.until.get(&token).copied().unwrap_or(Moment::MIN);
        if local >= until {
            let late = local.since(until);
            self.found(|| format!("a step of task {task} starts {late:?} after the deadline"));
        }
        if self.is_whole() && !holders.contains(&token) {
            let who = if holders.is_empty() { "nobody holds" } else { "somebody else holds" };
            self.found(|| format!("a step of task {task} starts while {who} its key at the store"));
        }
        self.change(task, |body| body.in_step = true);
    }

    /// A step ended.
    pub(super) fn step_ended(&mut self, now: Moment, task: usize) {
        self.change(task, |body| (body.in_step, body.held_up_until) = (false, body.held_up_until.max(now)));
    }

    /// The body cannot end before that moment.
    pub(super) fn held_up(&mut self, task: usize, until: Moment) {
        self.change(task, |body| body.held_up_until = body.held_up_until.max(until));
    }

    pub(super) fn body_gone(&mut self, task: usize) {
        self.alive.retain(|body| body.task != task);
    }

    pub(super) fn body_lost(&mut self, task: usize, reason: LossReason, renews: bool) {
        self.kept.retain(|_, kept| kept.task != task);
        let without_cause = matches!(reason, LossReason::Stolen) || reason == LossReason::Expired && renews;
        if self.is_calm() && without_cause {
            self.found(|| format!("task {task} lost its lock ({reason:?}), and nothing was wrong"));
        }
    }

    /// A task was refused because the store did not answer.
    pub(super) fn unavailable(&mut self, task: usize) {
        if self.is_calm() {
            self.found(|| format!("task {task} was told that the store does not answer, and nothing was wrong"));
        }
    }

    /// Checks a key while there are no faults: whether it is waited for in vain.
    pub(super) fn watch_waiters(&mut self, now: Moment, key: &LockKey, is_waited_for: bool, bound: Duration) {
        if !is_waited_for || self.alive.iter().any(|body| body.key == *key) {
            self.stuck.remove(key);
            return;
        }
        let since = *self.stuck.entry(key.clone()).or_insert(now);
        if now.since(since) > bound {
            self.found(|| format!("{key} has been waited for in vain for {:?}", now.since(since)));
        }
    }

    /// Checks a key while there are no faults: whether it is held by a token that no client knows.
    pub(super) fn watch_orphans(&mut self, now: Moment, key: &LockKey, orphan: Option<Token>) {
        let Some(orphan) = orphan.filter(|_| self.is_whole()) else {
            self.orphans.remove(key);
            return;
        };
        let known = self.orphans.entry(key.clone()).or_insert((orphan, now));
        if known.0 != orphan {
            *known = (orphan, now);
        }
        let since = known.1;
        if now.since(since) > ORPHANED_FOR {
            self.found(|| format!("{key} is held for a task that is gone, and nobody gives it back"));
        }
    }

    /// A fault is active: what was seen of waiters and orphans does not count.
    pub(super) fn in_trouble(&mut self) {
        self.stuck.clear();
        self.orphans.clear();
    }

    fn change(&mut self, task: usize, change: impl FnOnce(&mut Alive)) {
        if let Some(body) = self.alive.iter_mut().find(|body| body.task == task) {
            change(body);
        }
    }
}
