//! The store of a simulation: the specification of all stores, with a clock that can be set, and checks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::checker::Checker;
use super::marks::{Done as DoneKeys, Marks};
use super::tokens::owner;
use crate::request::{Reply, Request};
use crate::sets::{Before, Done, is_refused_in_vain};
use lock_core::LockKey;
use lock_core::Moment;
use lock_core::key::{AcquireRequest, ReleaseReply, ReleaseRequest};
use lock_core::store::model::Model;
use lock_core::store::{Acquired, ClockId, Grant, ListenerId, Released, Rotated, Token};

/// A waiter in a queue, as this store has confirmed.
#[derive(Debug)]
struct Queued {
    /// When it came; of two who come at once, the lower token is first.
    came: Moment,
    listener: ListenerId,
    /// Until when it counts as alive without a listener.
    mark: Option<Moment>,
    /// How often each other process was granted the key since; none once its own process was.
    overtaken: Option<BTreeMap<usize, u32>>,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) model: Model,
    /// The keys whose work is done.
    pub(super) marks: Marks,
    copy: Option<(Model, DoneKeys)>,
    listening: Vec<ListenerId>,
    /// How far its clock is ahead of the time.
    ahead: Duration,
    /// How many servers have taken the place of the first, and how much more the last one's clock shows.
    successors: u64,
    shows_more: Duration,
    /// Nothing is executed before.
    pub(super) paused_until: Moment,
    /// Whatever was sent before is lost.
    pub(super) restarted_at: Moment,
    /// No connection can be opened before.
    pub(super) down_until: Moment,
    queued: BTreeMap<(LockKey, Token), Queued>,
    /// Who was granted a key last, until that is released.
    last: BTreeMap<LockKey, Token>,
    /// Tokens with a release: a later grant to one of them is given back at once.
    given_back: BTreeSet<Token>,
}

impl Node {
    pub(super) fn new() -> Self {
        Self {
            model: Model::default(),
            marks: Marks::default(),
            copy: None,
            listening: Vec::new(),
            ahead: Duration::ZERO,
            successors: 0,
            shows_more: Duration::ZERO,
            paused_until: Moment::MIN,
            restarted_at: Moment::MIN,
            down_until: Moment::MIN,
            queued: BTreeMap::new(),
            last: BTreeMap::new(),
            given_back: BTreeSet::new(),
        }
    }

    /// Its clock.
    pub(super) fn clock(&self, now: Moment) -> Moment {
        now + self.ahead
    }

    pub(super) fn listen(&mut self, listener: ListenerId) {
        self.listening.push(listener);
        self.model.listen(listener);
    }

    pub(super) fn unsubscribe(&mut self, listener: ListenerId) {
        if let Some(at) = self.listening.iter().position(|listening| *listening == listener) {
            self.listening.swap_remove(at);
        }
        self.model.unsubscribe(listener);
    }

    /// All connections close.
    pub(super) fn disconnect_all(&mut self) {
        self.listening.clear();
        self.model.disconnect_all();
    }

    pub(super) fn lose_data(&mut self) {
        self.become_model(Model::default(), DoneKeys::new());
    }

    /// Takes a snapshot, which may replace the store later.
    pub(super) fn take_snapshot(&mut self) {
        self.copy = Some((self.model.clone(), self.marks.done()));
    }

    pub(super) fn become_snapshot(&mut self) {
        if let Some((model, done)) = self.copy.take() {
            self.become_model(model, done);
        }
    }

    fn become_model(&mut self, model: Model, done: DoneKeys) {
        self.model = model;
        self.marks.become_done(done);
        self.model.read_clock(ClockId::from_bits(self.successors), self.shows_more);
        self.queued.clear();
    }

    /// Another server with all data, and a clock of its own.
    pub(super) fn read_another_clock(&mut self, ahead: Duration) {
        self.successors += 1;
        self.shows_more += ahead;
        self.model.read_clock(ClockId::from_bits(self.successors), self.shows_more);
    }

    pub(super) fn set_forward(&mut self, by: Duration) {
        self.ahead += by;
    }

    /// Executes one operation; returns the reply and the grants to send.
    pub(super) fn execute(
        &mut self,
        now: Moment,
        request: &Request,
        checker: &mut Checker,
    ) -> (Reply, Vec<(ListenerId, Grant)>) {
        let now = self.clock(now);
        let about = request.about();
        let stood: Vec<_> =
            about.map(|(key, token)| (key.clone(), token, Before::new(&self.model, now, key))).collect();
        let reply = request.execute(now, &mut self.model);
        let grants = self.model.take_grants();
        self.note_queue(now, request, &reply);
        let gives = !grants.is_empty() || matches!(reply, Reply::Acquired(Acquired::Granted { .. }));
        if let Some(violation) = self.marks.violation(now, request, &reply, gives) {
            checker.found(|| violation);
        }
        for (key, token, before) in stood {
            let told: Vec<Token> = grants.iter().map(|(_, grant)| grant.token).collect();
            let stands = self.queued.contains_key(&(key.clone(), token));
            let done = Done::new(request, (token, stands), &reply, &told);
            let is_alive = |waiter| self.is_alive(now, &key, waiter);
            let came_before = |waiter, token| self.came_before(now, &key, waiter, token);
            if let Some(wrong) = before.violation(&self.model, now, &done, is_alive, came_before) {
                checker.found(|| wrong.told(request.name(), &key));
            }
            if let (Request::Ask(AcquireRequest::Ask(ask)), Reply::Acquired(Acquired::Held { .. })) = (request, &reply)
                && is_refused_in_vain(&self.model, now, &key, ask.kind)
            {
                checker.found(|| format!("a try of {key} was refused, and there was room"));
            }
            let was_held = before.is_held_by(token);
            self.check_grants(now, (&key, token), request, was_held, (&reply, &grants), checker);
        }
        (reply, grants)
    }

    /// Whether a waiter stands ahead of one that asks now: of two who come at once, the lower token does.
    fn came_before(&self, now: Moment, key: &LockKey, waiter: Token, token: Token) -> bool {
        let came = |token| self.queued.get(&(key.clone(), token)).map_or(now, |queued| queued.came);
        (came(waiter), waiter) < (came(token), token)
    }

    /// Whether a waiter that this store has confirmed came before now, and is alive.
    fn is_alive(&self, now: Moment, key: &LockKey, waiter: Token) -> bool {
        let queued = self.queued.get(&(key.clone(), waiter));
        queued.is_some_and(|queued| {
            let hears = self.listening.contains(&queued.listener) || queued.mark.is_some_and(|mark| now < mark);
            hears && queued.came.nanos() / 1_000 < now.nanos() / 1_000
        })
    }

    fn check_grants(
        &mut self,
        now: Moment,
        (key, token): (&LockKey, Token),
        request: &Request,
        was_held: bool,
        (reply, grants): (&Reply, &[(ListenerId, Grant)]),
        checker: &mut Checker,
    ) {
        if matches!(request, Request::Release(_)) {
            self.given_back.insert(token);
        }
        if matches!(
            reply,
            Reply::Released(
                ReleaseReply::Released(Released::Freed) | ReleaseReply::Rotated(Rotated::HandedOver { .. })
            )
        ) {
            self.last.remove(key);
        }
        // Who asks may be let in before others, or behind them.
        let mut fences: Vec<_> = grants.iter().map(|(_, grant)| (grant.fence, grant.fences)).collect();
        if let Reply::Acquired(Acquired::Granted { fence, .. }) = reply {
            let count = match request {
                Request::Ask(AcquireRequest::Enqueue(enqueue)) => enqueue.fences,
                _ => 1,
            };
            fences.push((*fence, count));
        }
        fences.sort_unstable();
        for (fence, count) in fences {
            checker.minted(key, fence, count);
        }
        for (listener, grant) in grants {
            let alive =
                |queued: &Queued| self.listening.contains(listener) || queued.mark.is_some_and(|mark| now < mark);
            if checker.is_whole() && self.queued.get(&(key.clone(), grant.token)).is_none_or(|queued| !alive(queued)) {
                checker.found(|| format!("{key} was handed to a waiter who is gone"));
            }
            self.queued.remove(&(key.clone(), grant.token));
            self.granted(key, grant.token, checker);
        }
        match (reply, request) {
            (Reply::Acquired(Acquired::Granted { .. }), _) => {
                if !matches!(request, Request::Ask(AcquireRequest::Ask(_))) {
                    self.queued.remove(&(key.clone(), token));
                }
                if !was_held {
                    self.granted(key, token, checker);
                }
            }
            (
                Reply::Released(ReleaseReply::Rotated(Rotated::Retained { fence, .. })),
                Request::Release(ReleaseRequest::Rotate(rotation)),
            ) => {
                checker.minted(key, *fence, rotation.fences);
            }
            _ => {}
        }
    }

    /// A token is granted the key: waiters of its process were served, and those of other processes were overtaken.
    fn granted(&mut self, key: &LockKey, token: Token, checker: &mut Checker) {
        let process = owner(token);
        let lapsed = self.last.insert(key.clone(), token).is_some();
        for ((_, waiter), queued) in self.queued.iter_mut().filter(|((queued_for, _), _)| queued_for == key) {
            if owner(*waiter) == process {
                queued.overtaken = None;
            }
            let Some(overtaken) = &mut queued.overtaken else { continue };
            if self.given_back.contains(&token) {
                continue;
            }
            if lapsed {
                // The lease before expired, so nobody could be handed the key, and the first request took it.
                overtaken.clear();
                continue;
            }
            let times = overtaken.entry(process).or_default();
            *times += 1;
            if *times > 1 && checker.is_undisturbed() {
                let waits = owner(*waiter);
                checker.found(|| format!("process {process} had {key} twice while process {waits} waited for it"));
            }
        }
    }

    fn note_queue(&mut self, now: Moment, request: &Request, reply: &Reply) {
        let (key, token, entry) = match (request, reply) {
            (
                Request::Ask(AcquireRequest::Enqueue(enqueue)),
                Reply::Acquired(Acquired::Held { queued_at: Some(_), .. }),
            ) => (&enqueue.key, enqueue.token, &enqueue.entry),
            (
                Request::Release(ReleaseRequest::Rotate(rotation)),
                Reply::Released(ReleaseReply::Rotated(Rotated::HandedOver { .. })),
            ) => (&rotation.key, rotation.next, &rotation.entry),
            (Request::Ask(ask), Reply::Acquired(Acquired::Done { .. })) => {
                self.queued.remove(&(ask.key().clone(), ask.token()));
                return;
            }
            (Request::Release(ReleaseRequest::Release(release)), _) if release.leave.is_some() => {
                self.queued.remove(&(release.key.clone(), release.token));
                return;
            }
            _ => return,
        };
        let mark = entry.alive_for.map(|alive_for| now + alive_for);
        let new = Queued { came: now, listener: entry.listener, mark, overtaken: Some(BTreeMap::new()) };
        let queued = self.queued.entry((key.clone(), token)).or_insert(new);
        debug_assert_eq!(queued.listener, entry.listener);
        queued.mark = mark;
    }

    /// Those of these keys that a counted token holds or waits for.
    pub(super) fn residue(&self, now: Moment, keys: &BTreeSet<LockKey>, counts: impl Fn(Token) -> bool) -> Vec<String> {
        let now = self.clock(now);
        let is_held = |key| self.model.holders(now, key).into_iter().any(|(token, _)| counts(token));
        let is_waited_for = |key| self.model.waiters(now, key).into_iter().any(&counts);
        let left = keys.iter().filter(|key| is_held(key) || is_waited_for(key));
        left.map(ToString::to_string).collect()
    }
}
