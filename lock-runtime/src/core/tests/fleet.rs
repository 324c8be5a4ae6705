//! A whole fleet of cores on one store, from a seed: requests and replies that are late or lost, tasks that give up,
//! keepers that lose their connection and what they would have been told, times when nothing gets through. Whatever
//! happens, no two leases of a key overlap, fences grow, and nothing is left behind.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::store::Grant;
use crate::store::memory::Model;

const SEEDS: u64 = 100;
const KEYS: u64 = 3;
/// Locks of this key outlive every run, so that one that stayed behind is found.
const LONG: u64 = 2;
const CLIENTS: usize = 3;
/// How long tasks keep coming; afterwards everything must come to rest.
const BUSY: Duration = Duration::from_secs(20);

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % bound
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

#[derive(Debug, Clone)]
enum Request {
    Acquire(Ask),
    Look(Look),
    Renew(Renewal),
    Give(Giving),
}

#[derive(Debug, Clone, Copy)]
enum Reply {
    Acquired(Acquired),
    Renewed(Renewed),
    Given(Given),
}

#[derive(Debug)]
enum Event {
    Comes(usize),
    Polls(usize, TicketId),
    GivesUp(usize, TicketId),
    Hears(usize, LineId, Grant),
    Ends(usize, TicketId),
    Arrives(Mail),
    Returns(Mail, Option<Reply>),
    Works(usize),
    Darkens(usize),
    Cuts(usize),
    Heals(usize),
}

#[derive(Debug, Clone)]
struct Mail {
    number: u64,
    client: usize,
    id: TicketId,
    line: LineId,
    sent: Moment,
    by_task: bool,
    lose_reply: bool,
    request: Request,
}

struct Client {
    core: Core<TicketSeat>,
    tokens: u128,
    keeper: u64,
    /// Leases whose body runs: the key, and until when its steps may start.
    bodies: BTreeMap<TicketId, (LockKey, Moment)>,
    /// Tickets whose task awaits their release.
    awaited: BTreeSet<TicketId>,
    /// What has listened for it at the store: each line once, until the store notices that it is gone.
    listens: bool,
    /// Until then nothing that it sends arrives.
    dark_until: Moment,
    works_at: Moment,
}

/// A seat learns its ticket only after the arrival.
type TicketSeat = std::rc::Rc<std::cell::Cell<Option<TicketId>>>;

struct Fleet {
    random: Random,
    now: Moment,
    stop: Moment,
    model: Model,
    fences: BTreeMap<LockKey, u64>,
    clients: Vec<Client>,
    events: BTreeMap<(Moment, u64), Event>,
    count: u64,
    /// What keepers have sent and not yet told the answer of: each is told once, by a time-out if by nothing else.
    untold: BTreeSet<u64>,
    /// When the last message of a line arrives: lines keep their order.
    arrivals: BTreeMap<(usize, u64), Moment>,
    grants: u64,
}

impl Fleet {
    fn new(seed: u64) -> Self {
        let now = Moment::from_nanos(1_000_000_000_000);
        let client = |n| Client {
            core: Core::new(Settings {
                operation_timeout: Duration::from_secs(1),
                listener: ListenerId::from_bits(n as u128),
                local_handover: n != 2,
            }),
            tokens: u128::from(n as u64) << 100,
            keeper: 10,
            bodies: BTreeMap::new(),
            awaited: BTreeSet::new(),
            listens: false,
            dark_until: Moment::MIN,
            works_at: Moment::MAX,
        };
        let mut fleet = Self {
            random: Random(seed),
            now,
            stop: now + BUSY,
            model: Model::default(),
            fences: BTreeMap::new(),
            clients: (0..CLIENTS).map(client).collect(),
            events: BTreeMap::new(),
            count: 0,
            untold: BTreeSet::new(),
            arrivals: BTreeMap::new(),
            grants: 0,
        };
        for n in 0..CLIENTS {
            fleet.model.listen(own_listener(n));
            fleet.after(Duration::ZERO, Event::Heals(n));
            fleet.after(ms(5), Event::Comes(n));
            fleet.after(ms(3000), Event::Cuts(n));
            fleet.after(ms(4000), Event::Darkens(n));
        }
        fleet
    }

    fn after(&mut self, time: Duration, event: Event) {
        self.count += 1;
        self.events.insert((self.now + time, self.count), event);
    }

    fn within(&mut self, bound: u64) -> Duration {
        Duration::from_micros(self.random.below(bound * 1000))
    }

    fn run(mut self) -> u64 {
        while let Some(((at, _), event)) = self.events.pop_first() {
            self.now = at;
            self.happens(event);
            assert!(self.count < 1_000_000, "it never comes to rest");
        }
        for client in &self.clients {
            assert!(client.core.is_idle(), "{:?}", client.core);
            assert!(client.core.lines.is_empty() && client.bodies.is_empty(), "{:?}", client.core);
            assert_eq!((client.core.held(), client.core.waiting()), (0, 0));
        }
        for key in 0..KEYS {
            let ask = Ask { key: name(key), token: Token::from_bits(1), ttl: ms(1000) };
            let answer = self.model.acquire(self.now, &ask);
            assert!(matches!(answer, Acquired::Granted { .. }), "a lock stayed behind");
        }
        self.grants
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Comes(n) => self.comes(n),
            Event::Polls(n, id) => self.polls(n, id),
            Event::GivesUp(n, id) => {
                if !self.clients[n].bodies.contains_key(&id) {
                    self.clients[n].core.left(self.now, id);
                }
                self.settle(n);
            }
            Event::Ends(n, id) => {
                if self.clients[n].bodies.remove(&id).is_some() {
                    let awaited = self.random.chance(60).then_some(self.now + ms(1000));
                    self.clients[n].core.end(self.now, id, awaited);
                    if awaited.is_some() {
                        self.clients[n].awaited.insert(id);
                        self.gives(n, id);
                    }
                }
                self.settle(n);
            }
            Event::Hears(n, line, grant) => {
                if line == LineId(1) || line == LineId(self.clients[n].keeper) {
                    self.clients[n].core.handed(self.now, line, grant);
                    self.settle(n);
                }
            }
            Event::Arrives(mail) => self.arrives(mail),
            Event::Returns(mail, reply) => self.returns(&mail, reply),
            Event::Works(n) => self.works(n),
            Event::Darkens(n) => {
                self.clients[n].dark_until = self.now + self.within(2500);
                if self.now < self.stop {
                    let pause = self.within(8000);
                    self.after(ms(2500) + pause, Event::Darkens(n));
                }
            }
            Event::Cuts(n) => {
                self.clients[n].core.disconnected();
                // Half of the time the store goes on as if somebody heard it.
                if self.clients[n].listens && self.random.chance(50) {
                    self.clients[n].listens = false;
                    self.model.deafen(ListenerId::from_bits(n as u128));
                }
                let pause = self.within(1500);
                self.after(pause, Event::Heals(n));
                self.settle(n);
            }
            Event::Heals(n) => {
                self.clients[n].keeper += 1;
                let line = LineId(self.clients[n].keeper);
                let told = self.random.chance(80);
                if told != self.clients[n].listens {
                    let listener = ListenerId::from_bits(n as u128);
                    if told {
                        self.model.listen(listener);
                    } else {
                        self.model.deafen(listener);
                    }
                    self.clients[n].listens = told;
                }
                self.clients[n].core.connected(self.now, line, told);
                if self.now < self.stop {
                    let pause = self.within(6000);
                    self.after(pause, Event::Cuts(n));
                }
                self.settle(n);
            }
        }
    }

    fn comes(&mut self, n: usize) {
        let waits = [Wait::AtMost(Duration::ZERO), Wait::AtMost(ms(300)), Wait::AtMost(ms(4000))];
        let wait = if self.random.chance(33) { waits[0] } else { waits[1 + usize::from(self.random.chance(50))] };
        let key = self.random.below(KEYS);
        let ttl = if key == LONG { ms(300_000) } else { ms(300 + self.random.below(1500)) };
        let terms = Terms { ttl, wait, renew: self.random.chance(80), max_hold: None, min_hold: None };
        let key = name(key);
        let seat = TicketSeat::default();
        let client = &mut self.clients[n];
        client.tokens += 1 << 32;
        let token = Token::from_bits(client.tokens);
        if let Ok(id) = client.core.arrive(self.now, key, token, terms, seat.clone()) {
            seat.set(Some(id));
            self.after(Duration::ZERO, Event::Polls(n, id));
            if self.random.chance(25) {
                let patience = self.within(600);
                self.after(patience, Event::GivesUp(n, id));
            }
        }
        self.settle(n);
        if self.now < self.stop {
            let pause = self.within(250);
            self.after(pause, Event::Comes(n));
        }
    }

    fn polls(&mut self, n: usize, id: TicketId) {
        if self.clients[n].awaited.contains(&id) {
            self.gives(n, id);
            return self.settle(n);
        }
        // Most tasks run on a runtime that has a line of its own.
        let line = self.random.chance(70).then_some(LineId(1));
        let hears = self.random.chance(50).then_some(own_listener(n));
        match self.clients[n].core.next(self.now, id, line.map(|line| Via { line, listener: hears })) {
            Step::Ask(ask) => self.send(n, id, LineId(1), true, Request::Acquire(ask)),
            Step::Look(look) => self.send(n, id, LineId(1), true, Request::Look(look)),
            Step::Granted { fence, until } => self.granted(n, id, fence, until),
            _ => {}
        }
        self.settle(n);
    }

    /// The task of an ended lease goes on with its release.
    fn gives(&mut self, n: usize, id: TicketId) {
        match self.clients[n].core.release_next(self.now, id, Some(LineId(1))) {
            ReleaseStep::Send(giving) => self.send(n, id, LineId(1), true, Request::Give(giving)),
            ReleaseStep::Done(_) => drop(self.clients[n].awaited.remove(&id)),
            _ => {}
        }
    }

    fn granted(&mut self, n: usize, id: TicketId, fence: u64, until: Moment) {
        if self.clients[n].bodies.contains_key(&id) {
            return;
        }
        let key = self.clients[n].core.tickets[&id].key.clone();
        let others = self.clients.iter().flat_map(|client| client.bodies.values());
        let overlap = others.filter(|(other, _)| *other == key).find(|(_, until)| self.now < *until);
        assert!(overlap.is_none(), "two bodies of {key} at once: {overlap:?} at {:?}", self.now);
        let last = self.fences.insert(key.clone(), fence).unwrap_or(0);
        assert!(fence > last, "fence {fence} after {last}");
        self.clients[n].bodies.insert(id, (key, until));
        self.grants += 1;
        let longest = if self.random.chance(20) { 4000 } else { 60 };
        let work = self.within(longest);
        self.after(work, Event::Ends(n, id));
    }

    fn works(&mut self, n: usize) {
        self.clients[n].works_at = Moment::MAX;
        let line = LineId(self.clients[n].keeper);
        for job in self.clients[n].core.work(self.now) {
            match job {
                Job::Acquire(id, ask) => self.send(n, id, line, false, Request::Acquire(ask)),
                Job::Look(id, _, LineId(1)) if self.random.chance(5) => self.clients[n].core.cut_off(self.now, id),
                Job::Look(id, look, line) => self.send(n, id, line, false, Request::Look(look)),
                Job::Renew(renewal) => self.send(n, TicketId(0), line, false, Request::Renew(renewal)),
                Job::Give(id, giving, via) => self.send(n, id, via.unwrap_or(line), false, Request::Give(giving)),
            }
        }
        self.settle(n);
    }

    /// Carries out what a core decided, and has its keeper wake when something is due.
    fn settle(&mut self, n: usize) {
        for action in self.clients[n].core.take_actions() {
            match action {
                Action::Wake(seat) => {
                    if let Some(id) = seat.get() {
                        self.after(Duration::from_micros(1), Event::Polls(n, id));
                    }
                }
                Action::Extend(seat, until) => {
                    if let Some(body) = seat.get().and_then(|id| self.clients[n].bodies.get_mut(&id)) {
                        body.1 = body.1.max(until);
                    }
                }
                Action::Lose(seat, _) => {
                    if let Some(id) = seat.get().filter(|id| self.clients[n].bodies.contains_key(id)) {
                        self.clients[n].bodies.get_mut(&id).expect("just seen").1 = Moment::MIN;
                        self.after(Duration::from_micros(1), Event::Ends(n, id));
                    }
                }
                Action::TimedOut(_) => {}
            }
        }
        let due = self.clients[n].core.next_due();
        if due < self.clients[n].works_at && due != Moment::MAX {
            self.clients[n].works_at = due;
            let wait = due.since(self.now);
            self.after(wait, Event::Works(n));
        }
    }

    fn send(&mut self, client: usize, id: TicketId, line: LineId, by_task: bool, request: Request) {
        let busy = self.now < self.stop;
        let dark = self.now < self.clients[client].dark_until;
        let (lost, lose_reply) = (dark || busy && self.random.chance(3), busy && self.random.chance(3));
        let mail = Mail { number: self.count, client, id, line, sent: self.now, by_task, lose_reply, request };
        let slow = self.now < self.stop && self.random.chance(5);
        // Later than a time-out of the keeper's is later than a release is repeated for: the ttl is for that.
        let delay = self.within(if slow { 950 } else { 4 });
        let arrival = self.arrivals.entry((client, line.0)).or_insert(Moment::MIN);
        *arrival = (*arrival + Duration::from_nanos(1)).max(self.now + delay);
        let delay = arrival.since(self.now);
        // A task's own ask is the core's to time.
        if !by_task {
            self.untold.insert(mail.number);
            self.after(Duration::from_secs(1), Event::Returns(mail.clone(), None));
        }
        if !lost {
            self.after(delay, Event::Arrives(mail));
        }
    }

    fn arrives(&mut self, mail: Mail) {
        let reply = match &mail.request {
            Request::Acquire(ask) => Reply::Acquired(self.model.acquire(self.now, ask)),
            Request::Look(ask) => Reply::Acquired(self.model.look(self.now, ask)),
            Request::Renew(renewal) => Reply::Renewed(self.model.renew(self.now, renewal)),
            Request::Give(Giving::Release(release)) => {
                Reply::Given(Given::Released(self.model.release(self.now, release)))
            }
            Request::Give(Giving::Turn(turn)) => Reply::Given(Given::Turned(self.model.turn(self.now, turn))),
        };
        self.tell();
        if !mail.lose_reply {
            let slow = self.now < self.stop && self.random.chance(5);
            let delay = self.within(if slow { 900 } else { 4 });
            self.after(delay, Event::Returns(mail, Some(reply)));
        }
    }

    /// Sends the messages of the store to those whom they concern; some are lost on the way.
    fn tell(&mut self) {
        for (listener, grant) in self.model.take_grants() {
            let n = usize::try_from(listener.bits()).expect("a small number");
            let busy = self.now < self.stop;
            let line = if n < CLIENTS { LineId(self.clients[n].keeper) } else { LineId(1) };
            let n = n % CLIENTS;
            let longest = if busy && self.random.chance(5) { 900 } else { 4 };
            let delay = self.within(longest);
            let (dark, lost) = (self.now < self.clients[n].dark_until, busy && self.random.chance(3));
            if !dark && !lost {
                self.after(delay, Event::Hears(n, line, grant));
            }
        }
    }

    fn returns(&mut self, mail: &Mail, reply: Option<Reply>) {
        let core = &mut self.clients[mail.client].core;
        let (now, id, sent) = (self.now, mail.id, mail.sent);
        if !mail.by_task && !self.untold.remove(&mail.number) {
            return;
        }
        match (reply, &mail.request) {
            (Some(Reply::Acquired(answer)), _) => core.answered(now, id, sent, Ok(answer)),
            (Some(Reply::Renewed(answer)), Request::Renew(renewal)) => {
                core.renewed(now, renewal.token, sent, renewal.ttl, Ok(answer));
            }
            (Some(Reply::Given(answer)), _) => core.released(now, id, Some(mail.line), Ok(answer)),
            (None, Request::Renew(renewal)) => core.renewed(now, renewal.token, sent, renewal.ttl, Err(no_answer())),
            (None, Request::Give(_)) => {
                core.released(now, id, Some(mail.line), Err(no_answer()));
            }
            (None, Request::Acquire(_) | Request::Look(_)) => core.answered(now, id, sent, Err(no_answer())),
            _ => {}
        }
        if mail.by_task {
            self.after(Duration::ZERO, Event::Polls(mail.client, id));
        }
        self.settle(mail.client);
    }
}

/// Who hears over the line of the tasks' runtime.
fn own_listener(n: usize) -> ListenerId {
    ListenerId::from_bits((n + CLIENTS) as u128)
}

fn name(key: u64) -> LockKey {
    LockKey::from(format!("job:{key}"))
}

#[test]
fn a_fleet_never_overlaps_and_always_comes_to_rest() {
    let mut grants = 0;
    for seed in 0..SEEDS {
        let outcome = std::panic::catch_unwind(|| Fleet::new(seed).run());
        grants += outcome.unwrap_or_else(|_| panic!("seed {seed}"));
    }
    assert!(grants > SEEDS * 20, "{grants} grants show too little");
}
