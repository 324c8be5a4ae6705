//! A store with those who listen to it: what a step does to it, and how it stands afterwards.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lock_runtime::LockKey;
use lock_runtime::store::{
    Acquired, Ask, Enqueue, Entry, Grant, Kind, ListenerId, Look, Owner, Release, Released, Renewal, Renewed, Rotate,
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

/// Who only asks.
const OBSERVER: Token = Token::from_bits(0);

/// A store with its listeners.
pub(super) struct Side {
    sessions: Vec<(Arc<dyn Session>, UnboundedReceiver<Grant>)>,
    /// The last fence that was reserved.
    last_fence: u64,
    /// Some hand-overs grant for a short time only.
    short_leases: bool,
    /// Until when a key is kept that was released so.
    kept: HashMap<LockKey, Instant>,
}

/// How a lock stands: who holds it, nobody if it is kept, and for how long.
pub(super) type Standing = (Option<Token>, Duration);

/// What a store says of a key.
#[derive(Debug)]
pub(super) struct Report {
    holders: Vec<(Option<Token>, Option<Duration>)>,
    /// With whether their entry is known.
    waiters: Vec<(Option<Token>, bool)>,
}

impl Report {
    pub(super) fn agrees(&self, other: &Self) -> bool {
        let mut holders = self.holders.iter().zip(&other.holders);
        let alike = |(one, other): (&(_, _), &(_, _))| one.0 == other.0 && near(one.1, other.1);
        self.holders.len() == other.holders.len() && holders.all(alike) && self.waiters == other.waiters
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
        Self { sessions, last_fence: 0, short_leases, kept: HashMap::new() }
    }

    pub(super) async fn apply(&mut self, step: &Step, key: &LockKey, token: Token, next: Token) -> Effect {
        let session = Arc::clone(&self.sessions[step.actor % self.sessions.len()].0);
        let (key, ttl, fences) = (key.clone(), step.ttl, step.fences);
        let short_leases = self.short_leases;
        let entry = |token| entry(token, short_leases).with_alive_for(step.alive_for);
        let (reply, left, minted) = match &step.operation {
            Operation::Acquire => {
                let ask = Ask::new(key, token, ttl);
                let ask = if step.actor.is_multiple_of(2) { ask.with_time_left() } else { ask };
                acquired(session.acquire(ask).await.expect("a reply"), 1)
            }
            Operation::Look { waits: true } => {
                let enqueue = Enqueue::new(key, token, ttl, entry(token)).with_fences(fences);
                acquired(session.enqueue(enqueue).await.expect("a reply"), fences)
            }
            Operation::Look { waits: false } => {
                acquired(session.look(Look::new(key, token, ttl).with_fences(fences)).await.expect("a reply"), fences)
            }
            Operation::Renew => (format!("{:?}", session.renew(vec![Renewal::new(key, token, ttl)]).await), None, None),
            Operation::Release { leaves, keeps } => {
                let release = Release::new(key, token)
                    .with_keep(*keeps)
                    .with_leave(leaves.then(|| entry(token)))
                    .with_contended(keeps.is_none());
                let (key, asked) = (release.key.clone(), Instant::now());
                let released = session.release(release).await;
                if let (Some(keep), Ok(Released::Freed)) = (keeps, &released) {
                    self.kept.insert(key, asked + *keep);
                }
                (format!("{released:?}"), None, None)
            }
            Operation::Pass => (String::new(), None, None),
            Operation::Rotate => {
                let rotation = Rotate::new(key, token, ttl, next, entry(next)).with_fences(fences);
                rotated(session.rotate(rotation).await.expect("a reply"), fences)
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

    /// Who holds a key, and for how long: asked by what changes nothing about a lock that is held or kept.
    pub(super) async fn standing(&self, key: &LockKey, tokens: &[Token]) -> Option<Standing> {
        let session = &self.sessions[0].0;
        let renewals = tokens.iter().map(|&token| Renewal::new(key.clone(), token, MOMENT));
        let answers = session.renew(renewals.collect()).await;
        let renewed = answers.into_iter().position(|answer| matches!(answer, Ok(Renewed::Renewed)));
        if renewed.is_none() && self.kept.get(key).is_none_or(|until| *until <= Instant::now()) {
            return None;
        }
        let look = Look::new(key.clone(), OBSERVER, MOMENT);
        match session.look(look).await.expect("a reply") {
            Acquired::Held { for_at_most, .. } => for_at_most.map(|left| (renewed.map(|at| tokens[at]), left)),
            other => panic!("a key that is held or kept, and one who only asks: {other:?}"),
        }
    }

    /// What it says of a key to those who only want to know: of whom each holder is, nobody if it is kept, with how
    /// much is left, and who waits. Those who came at once stand in any order.
    pub(super) async fn report(&self, key: &LockKey) -> Report {
        let found = self.sessions[0].0.inspect(key.clone()).await.expect("a reply");
        let owner = |owner| match owner {
            Owner::Kept(_) => None,
            Owner::Token(token) => Some(token),
            other => panic!("nobody else writes here: {other:?}"),
        };
        let holders = found.holders.iter().map(|holding| (owner(holding.owner), holding.remaining)).collect();
        let mut waiters: Vec<_> = found.waiters.iter().map(|waiting| (waiting.token, waiting.kind.is_some())).collect();
        waiters.sort_unstable();
        Report { holders, waiters }
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

/// Whether a token's entry is of a version or a kind that neither store knows.
pub(super) fn is_of_another_release(token: Token) -> bool {
    token.bits() % 4 == 3
}

/// What stands in a queue for a token, but for its mark.
fn entry(token: Token, short_leases: bool) -> Entry {
    let bits = token.bits();
    let listener = ListenerId::from_bits(bits % (LISTENERS + 1));
    let first_lease = match bits % 7 {
        0 | 1 if short_leases => SHORT,
        more => Duration::from_secs(20 + u64::try_from(more).unwrap_or(0)),
    };
    let since = bits.is_multiple_of(3).then(|| u64::try_from(bits % 4).unwrap_or(0));
    let of_another_version = is_of_another_release(token) && bits.is_multiple_of(5);
    let of_another_kind = is_of_another_release(token) && !of_another_version;
    Entry::new(listener, first_lease)
        .with_kind(if of_another_kind { Kind::permits(5) } else { Kind::Exclusive })
        .with_fences(u32::try_from(bits % 5).unwrap_or(0) + 1)
        .with_since(since)
        .with_lasts(bits.is_multiple_of(2).then_some(MOMENT))
        .with_version(if of_another_version { 2 } else { Entry::VERSION })
}

type Reply = (String, Option<Duration>, Option<(u64, u32)>);

fn acquired(reply: Acquired, fences: u32) -> Reply {
    match reply {
        Acquired::Granted { fence, .. } => ("granted".to_owned(), None, Some((fence, fences))),
        Acquired::Held { for_at_most, queued_at, .. } => {
            (format!("held, queued {}", queued_at.is_some()), for_at_most, None)
        }
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

/// Whether the same token holds a key for about as long, or it is kept for about as long, or it is free.
pub(super) fn agree_on_holder(one: Option<Standing>, other: Option<Standing>) -> bool {
    let ((token, left), (other_token, other_left)) = (one.unzip(), other.unzip());
    token == other_token && near(left, other_left)
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
    let value = server.get(&name)?;
    let kept = value.strip_prefix("kept|");
    let token = u128::from_str_radix(kept.unwrap_or(&value), 16).expect("a token");
    Some((kept.is_none().then_some(Token::from_bits(token)), Duration::from_millis(left)))
}

/// Whether a server keeps nothing at all of a key.
pub(super) fn is_forgotten(server: &Server, key: &LockKey) -> bool {
    server.ask::<u32>(&["EXISTS", &format!("dlock:{{{key}}}"), &format!("dlock:{{{key}}}:queue")]) == 0
}
