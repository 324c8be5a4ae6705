//! A store with those who listen to it: what a step does to it, and how it stands afterwards.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use lock_runtime::LockKey;
use lock_runtime::store::{
    Acquired, Ask, Downgrade, Enqueue, Entry, Grant, Kind, ListenerId, Look, Owner, Release, Renewal, Renewed, Rotate,
    Rotated, Session, Token,
};
use lock_tests::Server;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Operation, SHORT, Step};
use crate::waiters::listen_to;

/// Who listens; more names than these stand in entries.
const LISTENERS: u128 = 2;

/// How far apart two stores may be in a ttl of many seconds.
const TOLERANCE: Duration = Duration::from_secs(5);

/// A ttl that lengthens none that is there.
const MOMENT: Duration = Duration::from_millis(1);

/// A store with its listeners.
pub(super) struct Side {
    sessions: Vec<(Arc<dyn Session>, UnboundedReceiver<Grant>)>,
    /// The last fence that was reserved.
    last_fence: u64,
    /// Some hand-overs grant for a short time only.
    short_leases: bool,
    /// Exclusive ones that are shared by now.
    downgraded: HashSet<Token>,
}

/// How a lock stands: who hold it, but for places that are kept, and for how long.
pub(super) type Standing = (Vec<Token>, Duration);

/// What a store says of a key.
#[derive(Debug)]
pub(super) struct Report {
    holders: Vec<(Option<Token>, Option<Duration>)>,
    /// Whether it is nobody's because what was to be done is done.
    is_done: bool,
    waiters: Vec<(Option<Token>, Option<String>)>,
}

impl Report {
    pub(super) fn agrees(&self, other: &Self) -> bool {
        let mut holders = self.holders.iter().zip(&other.holders);
        let alike = |(one, other): (&(_, _), &(_, _))| one.0 == other.0 && near(one.1, other.1);
        self.is_done == other.is_done
            && self.holders.len() == other.holders.len()
            && holders.all(alike)
            && self.waiters == other.waiters
    }
}

/// What one step did to a store, with what may differ made equal.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Effect {
    pub(super) reply: String,
    /// In a reply that names one.
    left: Option<Duration>,
    grants: Vec<(LockKey, Token, u32, Duration)>,
}

impl Side {
    pub(super) async fn new(store: &impl lock_runtime::store::Store, short_leases: bool) -> Self {
        let mut sessions = Vec::new();
        for name in 0..LISTENERS {
            sessions.push(listen_to(store, name).await);
        }
        Self { sessions, last_fence: 0, short_leases, downgraded: HashSet::new() }
    }

    pub(super) async fn apply(&mut self, step: &Step, key: &LockKey, token: Token, next: Token) -> Effect {
        let session = Arc::clone(&self.sessions[step.actor % self.sessions.len()].0);
        let (key, ttl, fences) = (key.clone(), step.ttl, step.fences);
        let short_leases = self.short_leases;
        let (of, of_next) = (self.kind(token), self.kind(next));
        let entry = |token, kind| entry(token, short_leases).with_kind(kind).with_alive_for(step.alive_for);
        let (reply, left, minted) = match &step.operation {
            Operation::Acquire => {
                let ask = Ask::new(key, token, ttl).with_kind(of);
                let ask = if step.actor.is_multiple_of(2) { ask.with_time_left() } else { ask };
                acquired(session.acquire(ask).await.expect("a reply"), 1)
            }
            Operation::Look { waits: true } => {
                let enqueue = Enqueue::new(key, token, ttl, entry(token, of)).with_fences(fences);
                acquired(session.enqueue(enqueue).await.expect("a reply"), fences)
            }
            Operation::Look { waits: false } => {
                let look = Look::new(key, token, ttl).with_fences(fences).with_kind(of);
                acquired(session.look(look).await.expect("a reply"), fences)
            }
            Operation::Renew => {
                let renewal = Renewal::new(key, token, ttl).with_kind(of);
                (format!("{:?}", session.renew(vec![renewal]).await), None, None)
            }
            Operation::Downgrade => {
                let answer = session.downgrade(Downgrade::new(key, token, ttl)).await;
                if matches!(answer, Ok(Renewed::Renewed)) {
                    self.downgraded.insert(token);
                }
                (format!("{answer:?}"), None, None)
            }
            Operation::Release { leaves, keeps, done } => {
                let release = Release::new(key, token)
                    .with_kind(of)
                    .with_keep(*keeps)
                    .with_leave(leaves.then(|| entry(token, of)))
                    .with_contended(keeps.is_none());
                let release = if *done { release.with_done() } else { release };
                (format!("{:?}", session.release(release).await), None, None)
            }
            Operation::Pass => (String::new(), None, None),
            Operation::Rotate => {
                let rotation = Rotate::new(key, token, ttl, next, entry(next, of_next)).with_fences(fences);
                rotated(session.rotate(rotation).await.expect("a reply"), fences)
            }
        };
        let mut grants = self.heard().await;
        grants.sort_by_key(|grant| grant.fence);
        // Who asks may be let in before others, or behind them.
        let mut blocks: Vec<_> = grants.iter().map(|grant| (grant.fence, grant.fences)).chain(minted).collect();
        blocks.sort_unstable();
        for (fence, fences) in blocks {
            assert!(fence > self.last_fence, "{fence} after {}", self.last_fence);
            self.last_fence = fence + u64::from(fences) - 1;
        }
        let grants =
            grants.into_iter().map(|grant| (grant.key, grant.token, grant.fences, grant.first_lease)).collect();
        Effect { reply, left, grants }
    }

    /// Beside whom a token holds, or wants to.
    fn kind(&self, token: Token) -> Kind {
        if self.downgraded.contains(&token) { Kind::Shared } else { kind_of(token) }
    }

    /// Who hold a key, and for how long: those whose renewals change nothing, as an inspection must say, too.
    pub(super) async fn standing(&self, key: &LockKey, tokens: &[Token]) -> Option<Standing> {
        let session = &self.sessions[0].0;
        let renewal = |&token: &Token| Renewal::new(key.clone(), token, MOMENT).with_kind(self.kind(token));
        let answers = session.renew(tokens.iter().map(renewal).collect()).await;
        let renewed = tokens.iter().zip(answers).filter(|(_, answer)| matches!(answer, Ok(Renewed::Renewed)));
        let holders: Vec<Token> = renewed.map(|(token, _)| *token).collect();
        let report = self.report(key).await;
        let told: Vec<Token> = report.holders.iter().filter_map(|(token, _)| *token).collect();
        assert_eq!(told, holders, "those whom it renews, and those of whom it tells");
        Some((holders, report.holders.iter().filter_map(|(_, left)| *left).max()?))
    }

    /// What it says of a key to those who only want to know: of whom each holder is, nobody if it is kept, with how
    /// much is left, and who waits. Those who came at once stand in any order.
    pub(super) async fn report(&self, key: &LockKey) -> Report {
        let found = self.sessions[0].0.inspect(key.clone()).await.expect("a reply");
        let owner = |owner| match owner {
            Owner::Kept(_) | Owner::Done(_) => None,
            Owner::Token(token) => Some(token),
            other => panic!("nobody else writes here: {other:?}"),
        };
        let mut holders: Vec<_> =
            found.holders.iter().map(|holding| (owner(holding.owner), holding.remaining)).collect();
        let is_done = found.holders.iter().any(|holding| matches!(holding.owner, Owner::Done(_)));
        // Those whose leases end at about the same time stand in any order.
        holders.sort_unstable();
        let kind = |kind: Option<Kind>| kind.map(|kind| format!("{kind:?}"));
        let mut waiters: Vec<_> = found.waiters.iter().map(|waiting| (waiting.token, kind(waiting.kind))).collect();
        waiters.sort_unstable();
        Report { holders, is_done, waiters }
    }

    /// All that was told so far. A push that was written before a reply to the same connection is heard before it.
    async fn heard(&mut self) -> Vec<Grant> {
        let mut grants = Vec::new();
        for (session, heard) in &mut self.sessions {
            let renewal = Renewal::new("nobody's", Token::from_bits(0), TOLERANCE);
            drop(session.renew(vec![renewal]).await);
            while let Ok(grant) = heard.try_recv() {
                grants.push(grant);
            }
        }
        grants
    }
}

/// Beside whom a token holds that was not downgraded.
pub(super) fn kind_of(token: Token) -> Kind {
    match token.bits() % 7 {
        0 | 1 => Kind::Exclusive,
        2 | 3 => Kind::Shared,
        4 => Kind::permits(2),
        5 => Kind::permits(3),
        _ => Kind::permits(3).with_weight(2),
    }
}

/// Whether a token's entry is of a version that neither store knows.
pub(super) fn is_of_another_release(token: Token) -> bool {
    token.bits() % 4 == 3
}

/// What stands in a queue for a token, but for its mark.
fn entry(token: Token, short_leases: bool) -> Entry {
    let bits = token.bits();
    let listener = ListenerId::from_bits(bits % (LISTENERS + 1));
    let first_lease = match bits % 9 {
        0 | 1 if short_leases => SHORT,
        more => Duration::from_secs(20 + u64::try_from(more).unwrap_or(0)),
    };
    let since = bits.is_multiple_of(3).then(|| u64::try_from(bits % 4).unwrap_or(0));
    Entry::new(listener, first_lease)
        .with_fences(u32::try_from(bits % 5).unwrap_or(0) + 1)
        .with_since(since)
        .with_lasts(bits.is_multiple_of(2).then_some(MOMENT))
        .with_version(if is_of_another_release(token) { 2 } else { Entry::VERSION })
}

type Reply = (String, Option<Duration>, Option<(u64, u32)>);

fn acquired(reply: Acquired, fences: u32) -> Reply {
    match reply {
        Acquired::Granted { fence, .. } => ("granted".to_owned(), None, Some((fence, fences))),
        Acquired::Held { for_at_most, queued_at, .. } => {
            (format!("held, queued {}", queued_at.is_some()), for_at_most, None)
        }
        Acquired::Done { again_in, .. } => ("done".to_owned(), Some(again_in), None),
        other => (format!("{other:?}"), None, None),
    }
}

fn rotated(reply: Rotated, fences: u32) -> Reply {
    match reply {
        Rotated::Retained { fence, .. } => ("goes on".to_owned(), None, Some((fence, fences))),
        Rotated::HandedOver { .. } => ("handed over".to_owned(), None, None),
        other => (format!("{other:?}"), None, None),
    }
}

/// Whether two effects are the same, as far as clocks that differ let them be.
pub(super) fn agree(one: &Effect, other: &Effect) -> bool {
    near(one.left, other.left) && one.reply == other.reply && one.grants == other.grants
}

/// Whether the same tokens hold a key for about as long, or it is kept for about as long, or it is free.
pub(super) fn agree_on_holders(one: Option<&Standing>, other: Option<&Standing>) -> bool {
    let left = |standing: Option<&Standing>| standing.map(|(_, left)| *left);
    one.map(|(holders, _)| holders) == other.map(|(holders, _)| holders) && near(left(one), left(other))
}

fn near(one: Option<Duration>, other: Option<Duration>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.abs_diff(other) < TOLERANCE,
        (one, other) => one == other,
    }
}

/// A lock as it stands on a server, to which the library's names are known here alone.
pub(super) fn on_server(server: &Server, key: &LockKey) -> Option<Standing> {
    let name = format!("dlock:{{{key}}}");
    let left = u64::try_from(server.pttl(&name)).ok()?;
    let left = Duration::from_millis(left);
    let value = server.get(&name)?;
    let token = |text: &str| Token::from_bits(u128::from_str_radix(text, 16).expect("a token"));
    if !value.starts_with('*') {
        return Some((
            if value.starts_with("kept|") || value.starts_with("done|") { Vec::new() } else { vec![token(&value)] },
            left,
        ));
    }
    let now: Vec<String> = server.ask(&["TIME"]);
    let after = format!("({}{}", now[0], &format!("{:0>6}", now[1])[..3]);
    let members: Vec<String> = server.ask(&["ZRANGEBYSCORE", &format!("{name}:held"), &after, "+inf"]);
    let holder = |member: &&String| !member.starts_with("kept|");
    let mut holders: Vec<Token> =
        members.iter().filter(holder).map(|member| token(member.split(':').next().unwrap_or_default())).collect();
    holders.sort_unstable();
    (!members.is_empty()).then_some((holders, left))
}

/// Whether a server keeps nothing at all of a key.
pub(super) fn is_forgotten(server: &Server, key: &LockKey) -> bool {
    let name = |suffix| format!("dlock:{{{key}}}{suffix}");
    server.ask::<u32>(&["EXISTS", &name(""), &name(":queue"), &name(":held")]) == 0
}
