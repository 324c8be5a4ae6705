//! Requests and replies on their way: in order over each session, late, lost, or sent twice.

use std::time::Duration;

use lock_core::Moment;
use lock_core::key::SessionId;
use lock_core::store::{Grant, ListenerId, Renewed, StoreError, StoreErrorKind};

use super::event::Event;
use super::history::What;
use super::mail::{From, Mail};
use super::plan::Over;
use super::process::OPERATION;
use super::request::{Reply, Request, shown};
use super::tokens::name;
use super::world::World;

impl World {
    /// Sends a request; says its number.
    pub(super) fn send(&mut self, process: usize, session: SessionId, from: From, request: Request) -> u64 {
        let number = self.number();
        let sender = &self.processes[process];
        let (sent, era) = (sender.clock(self.now), sender.era);
        let mail = Mail { number, process, era, session, sent_at: self.now, sent, from, request, bounced: false };
        if let From::Keeper(..) = mail.from {
            self.processes[process].pending.insert(number, mail.clone());
        }
        self.goes(mail);
        number
    }

    /// A request goes its way, behind all that was sent over its session before.
    fn goes(&mut self, mail: Mail) {
        let lost = self.now < self.processes[mail.process].loses_requests_until && self.random.chance(50);
        let arrival = self.way(mail.process, mail.session).map(|delay| self.now + delay);
        if let (Some(arrival), false) = (arrival, lost) {
            let latest = self.arrivals.entry((mail.process, mail.session)).or_insert(Moment::MIN);
            *latest = arrival.max(*latest + Duration::from_nanos(1));
            let at = *latest;
            self.at(at, Event::Arrives(Box::new(mail)));
        }
    }

    /// How long something takes over a session, if it gets through.
    fn way(&mut self, process: usize, session: SessionId) -> Option<Duration> {
        let mut delay = if self.random.chance(3) { self.random.between(1, 30) } else { self.random.between(0, 2) };
        let sender = &self.processes[process];
        let wire = sender.wire_of(session).map(|over| &sender.wires[over as usize]);
        let dark_for = sender.dark_until.since(self.now);
        if let Some(wire) = wire {
            if wire.dead {
                return None;
            }
            if let Some((_, by)) = wire.slow.filter(|(until, _)| self.now < *until) {
                delay += Duration::from_nanos(self.random.below(u64::try_from(by.as_nanos()).unwrap_or(1).max(1)));
            }
        }
        if !dark_for.is_zero() {
            // Sent again by the network when it is light, unless that is too late to be of use.
            if dark_for > OPERATION * 3 / 2 || self.random.chance(50) {
                return None;
            }
            delay += dark_for;
        }
        Some(delay)
    }

    pub(super) fn arrives(&mut self, mail: Mail) {
        if mail.sent_at < self.node.restarted_at {
            return;
        }
        let sender = &self.processes[mail.process];
        if sender.era != mail.era || sender.wire_of(mail.session).is_none() {
            let coin = self.random.chance(50);
            if *self.torn.entry((mail.process, mail.session)).or_insert(coin) {
                return;
            }
        }
        if self.demoted.contains(&(mail.process, mail.session)) {
            // A replica by now: whatever is asked ends in a write, and none is taken.
            return self.goes_back(mail, Err(error(StoreErrorKind::Disconnected)));
        }
        if self.is_forgotten(&mail) {
            if let Some(delay) = self.way(mail.process, mail.session) {
                self.after(delay, Event::Bounces(Box::new(mail)));
            }
            return;
        }
        let errs = self.processes[mail.process].errs.filter(|(until, _)| self.now < *until);
        if let Some((_, kind)) = errs
            && self.random.chance(50)
        {
            if kind == StoreErrorKind::Disconnected && self.random.chance(50) {
                self.carries_out(&mail);
            }
            return self.goes_back(mail, Err(error(kind)));
        }
        let repeats = self.now < self.processes[mail.process].repeats_until;
        if repeats && !matches!(mail.request, Request::Release(_)) && mail.request.is_script() {
            self.carries_out(&mail);
        }
        let mut reply = self.carries_out(&mail);
        if let (Some((_, kind)), Reply::Renewed(answers)) = (errs, &mut reply) {
            self.spoil(answers, kind);
        }
        let is_release = matches!(mail.request, Request::Release(_)) && !mail.request.may_take();
        if repeats && is_release && self.repeated.insert(mail.number) {
            let delay = self.random.between(1, 200);
            return self.after(delay, Event::Arrives(Box::new(mail)));
        }
        self.goes_back(mail, Ok(reply));
    }

    /// Some of the renewals that went together fail by themselves.
    fn spoil(&mut self, answers: &mut [Result<Renewed, StoreError>], kind: StoreErrorKind) {
        for answer in answers {
            if self.random.chance(50) {
                *answer = Err(error(kind));
            }
        }
    }

    fn goes_back(&mut self, mail: Mail, answer: Result<Reply, StoreError>) {
        if self.now < self.processes[mail.process].loses_replies_until && self.random.chance(50) {
            return;
        }
        if let Some(delay) = self.way(mail.process, mail.session) {
            self.after(delay, Event::Returns(Box::new(mail), answer));
        }
    }

    /// Whether the store has forgotten the script of this request.
    fn is_forgotten(&mut self, mail: &Mail) -> bool {
        let may = self.now < self.processes[mail.process].bounces_until && !mail.bounced;
        may && mail.request.is_script() && self.random.chance(50)
    }

    /// The news that the store has forgotten the script: if anybody still waits for the answer, it is sent along, unless it
    /// could do harm behind what was sent meanwhile.
    pub(super) fn bounced(&mut self, mail: Mail) {
        let is_open = self.processes[mail.process].wire_of(mail.session).is_some();
        let is_awaited = match mail.from {
            From::Task(task) => self.tasks[task].sent.as_ref().is_some_and(|sent| sent.mail == mail.number),
            From::Keeper(..) => self.processes[mail.process].pending.contains_key(&mail.number),
        };
        if !is_open || !is_awaited {
            return;
        }
        if mail.request.may_take() {
            // Whether it is still wanted is for whoever asks to say: its release may be under way.
            self.next(Event::Answered(Box::new(mail), Err(error(StoreErrorKind::NotExecuted))));
        } else {
            self.goes(Mail { bounced: true, ..mail });
        }
    }

    fn carries_out(&mut self, mail: &Mail) -> Reply {
        let (reply, grants) = self.node.carry_out(self.now, &mail.request, &mut self.checker);
        self.note(None, || {
            let about = mail.request.about().map(|(key, token)| format!("{key} for {}", name(token)));
            let about: Vec<String> = about.collect();
            What::Carries(format!("{} {}", mail.request.name(), about.join(", ")), shown(&reply))
        });
        for (listener, grant) in grants {
            self.tells(listener, grant, false);
        }
        for (listener, grant) in self.node.model.take_told_at_replica() {
            self.tells(listener, grant, true);
        }
        reply
    }

    /// Sends a message to whoever hears under that name, at the store or at the server that was the store before.
    fn tells(&mut self, listener: ListenerId, grant: Grant, at_replica: bool) {
        let hearing = self.processes.iter().find_map(|process| {
            [Over::Keepers, Over::Tasks].into_iter().find_map(|over| {
                let session = process.wires[over as usize].session?;
                let told = process.is_there && process.wires[over as usize].told;
                let there = self.demoted.contains(&(process.number, session)) == at_replica;
                let named = process.listener(over, session) == listener;
                (told && there && named).then_some((process.number, process.era, session))
            })
        });
        let Some((process, era, session)) = hearing else { return };
        if self.now < self.processes[process].loses_messages_until && self.random.chance(50) {
            return;
        }
        if let Some(delay) = self.way(process, session) {
            self.after(delay, Event::Hears(process, era, session, Box::new(grant)));
        }
    }

    pub(super) fn hears(&mut self, process: usize, session: SessionId, grant: Grant) {
        if self.processes[process].wire_of(session).is_none() {
            return;
        }
        self.note(Some(process), || {
            What::Hears(format!("{} has {}, fence {}", name(grant.token), grant.key, grant.fence))
        });
        let local = self.clock_of(process);
        self.checker.confirmed(grant.token, local, grant.first_lease);
        let host = &mut self.processes[process];
        // Whether anybody waited for it does not matter to this store.
        let _ = host.client.handed_over(local, session, &grant);
        host.heard = Some(grant);
        self.settle(process);
    }

    pub(super) fn returns(&mut self, mail: Mail, answer: Result<Reply, StoreError>) {
        let Some(over) = self.processes[mail.process].wire_of(mail.session) else { return };
        let wire = self.processes[mail.process].wire(over);
        if wire.dead {
            return;
        }
        wire.time_outs = 0;
        let (process, era, session) = (mail.process, mail.era, mail.session);
        let ends_session = answer.as_ref().is_err_and(|error| error.kind() == StoreErrorKind::Disconnected);
        self.next(Event::Answered(Box::new(mail), answer));
        if ends_session {
            self.next(Event::Ends(process, era, session));
        }
    }
}

pub(super) fn error(kind: StoreErrorKind) -> StoreError {
    StoreError::new(kind, "an error of the store")
}
