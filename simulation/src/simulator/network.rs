//! Requests and replies in flight: over each session in order for each key, delayed, lost, or duplicated.

use std::time::Duration;

use lock_core::Moment;
use lock_core::key::SessionId;
use lock_core::store::{Grant, ListenerId, Renewed, StoreError, StoreErrorKind};

use super::event::Event;
use super::history::What;
use super::packet::{From, Packet};
use super::plan::Over;
use super::process::OPERATION;
use super::tokens::name;
use super::world::World;
use crate::request::{Reply, Request, shown};

impl World {
    /// Sends a request; returns its number.
    pub(super) fn send(&mut self, process: usize, session: SessionId, from: From, request: Request) -> u64 {
        let number = self.number();
        let sender = &self.processes[process];
        let (sent, era) = (sender.clock(self.now), sender.era);
        let packet = Packet { number, process, era, session, sent_at: self.now, sent, from, request, resent: false };
        if let From::Keeper(..) = packet.from {
            self.processes[process].pending.insert(number, packet.clone());
        }
        self.transmit(packet);
        number
    }

    /// Transmits a request, behind what was sent over its session before about the same keys. Nothing is promised
    /// between keys, so each may overtake another.
    fn transmit(&mut self, packet: Packet) {
        let lost = self.now < self.processes[packet.process].loses_requests_until && self.random.chance(50);
        let arrival = self.delay(packet.process, packet.session).map(|delay| self.now + delay);
        if let (Some(arrival), false) = (arrival, lost) {
            let keys: Vec<_> = packet.request.about().map(|(key, _)| key.clone()).collect();
            let arrivals = self.arrivals.entry((packet.process, packet.session)).or_default();
            let latest = keys.iter().filter_map(|key| arrivals.get(key)).max().copied().unwrap_or(Moment::MIN);
            let at = arrival.max(latest + Duration::from_nanos(1));
            arrivals.extend(keys.into_iter().map(|key| (key, at)));
            self.at(at, Event::Arrives(Box::new(packet)));
        }
    }

    /// How long a transmission over a session takes, if it gets through.
    pub(super) fn delay(&mut self, process: usize, session: SessionId) -> Option<Duration> {
        let mut delay = if self.random.chance(3) { self.random.between(1, 30) } else { self.random.between(0, 2) };
        let sender = &self.processes[process];
        let connection = sender.connection_of(session).map(|over| &sender.connections[over as usize]);
        let partitioned_for = sender.partitioned_until.since(self.now);
        if let Some(connection) = connection {
            if connection.dead {
                return None;
            }
            if let Some((_, by)) = connection.slow.filter(|(until, _)| self.now < *until) {
                delay += Duration::from_nanos(self.random.below(u64::try_from(by.as_nanos()).unwrap_or(1).max(1)));
            }
        }
        if !partitioned_for.is_zero() {
            // The network retransmits it after the partition, unless that would be too late to matter.
            if partitioned_for > OPERATION * 3 / 2 || self.random.chance(50) {
                return None;
            }
            delay += partitioned_for;
        }
        Some(delay)
    }

    pub(super) fn deliver_request(&mut self, packet: Packet) {
        if packet.sent_at < self.node.restarted_at {
            return;
        }
        let sender = &self.processes[packet.process];
        if sender.era != packet.era || sender.connection_of(packet.session).is_none() {
            let coin = self.random.chance(50);
            if *self.torn.entry((packet.process, packet.session)).or_insert(coin) {
                return;
            }
        }
        if self.demoted.contains(&(packet.process, packet.session)) {
            // The server is a replica by now: every request includes a write, which it refuses.
            return self.send_reply(packet, Err(error(StoreErrorKind::Disconnected)));
        }
        if self.is_forgotten(&packet) {
            if let Some(delay) = self.delay(packet.process, packet.session) {
                self.after(delay, Event::ScriptForgotten(Box::new(packet)));
            }
            return;
        }
        let answers_errors = self.processes[packet.process].answers_errors.filter(|(until, _)| self.now < *until);
        if let Some((_, kind)) = answers_errors
            && self.random.chance(50)
        {
            if kind == StoreErrorKind::Disconnected && self.random.chance(50) {
                self.execute(&packet);
            }
            return self.send_reply(packet, Err(error(kind)));
        }
        let repeats = self.now < self.processes[packet.process].repeats_until;
        if repeats && !matches!(packet.request, Request::Release(_)) && packet.request.is_script() {
            self.execute(&packet);
        }
        let mut reply = self.execute(&packet);
        if let (Some((_, kind)), Reply::Renewed(answers)) = (answers_errors, &mut reply) {
            self.spoil(answers, kind);
        }
        let is_release = matches!(packet.request, Request::Release(_)) && !packet.request.may_take();
        if repeats && is_release && self.repeated.insert(packet.number) {
            let delay = self.random.between(1, 200);
            return self.after(delay, Event::Arrives(Box::new(packet)));
        }
        self.send_reply(packet, Ok(reply));
    }

    /// Some renewals of a batch fail on their own.
    fn spoil(&mut self, answers: &mut [Result<Renewed, StoreError>], kind: StoreErrorKind) {
        for answer in answers {
            if self.random.chance(50) {
                *answer = Err(error(kind));
            }
        }
    }

    fn send_reply(&mut self, packet: Packet, answer: Result<Reply, StoreError>) {
        if self.now < self.processes[packet.process].loses_replies_until && self.random.chance(50) {
            return;
        }
        if let Some(delay) = self.delay(packet.process, packet.session) {
            self.after(delay, Event::Returns(Box::new(packet), answer));
        }
    }

    /// Whether the store has forgotten the script of this request.
    fn is_forgotten(&mut self, packet: &Packet) -> bool {
        let may = self.now < self.processes[packet.process].forgets_scripts_until && !packet.resent;
        may && packet.request.is_script() && self.random.chance(50)
    }

    /// The store has forgotten the script: the request is sent again with it if the answer is still awaited, unless it
    /// could do harm behind what was sent in the meantime.
    pub(super) fn on_script_forgotten(&mut self, packet: Packet) {
        let is_open = self.processes[packet.process].connection_of(packet.session).is_some();
        let is_awaited = match packet.from {
            From::Task(task) => self.tasks[task].sent.as_ref().is_some_and(|sent| sent.packet == packet.number),
            From::Keeper(..) => self.processes[packet.process].pending.contains_key(&packet.number),
        };
        if !is_open || !is_awaited {
            return;
        }
        if packet.request.may_take() {
            // Only the caller knows whether it still wants this: its release may be in flight.
            self.next(Event::Answered(Box::new(packet), Err(error(StoreErrorKind::NotExecuted))));
        } else {
            self.transmit(Packet { resent: true, ..packet });
        }
    }

    fn execute(&mut self, packet: &Packet) -> Reply {
        let (reply, grants) = self.node.execute(self.now, &packet.request, &mut self.checker);
        self.note(None, || {
            let about = packet.request.about().map(|(key, token)| format!("{key} for {}", name(token)));
            let about: Vec<String> = about.collect();
            What::Executes(format!("{} {}", packet.request.name(), about.join(", ")), shown(&reply))
        });
        for (listener, grant) in grants {
            self.push_grant(listener, grant, false);
        }
        for (listener, grant) in self.node.model.take_told_at_replica() {
            self.push_grant(listener, grant, true);
        }
        reply
    }

    /// Sends a grant message to the session of this listener, at the store or at the server that was the store before.
    fn push_grant(&mut self, listener: ListenerId, grant: Grant, at_replica: bool) {
        let hearing = self.processes.iter().find_map(|process| {
            [Over::Keepers, Over::Tasks].into_iter().find_map(|over| {
                let session = process.connections[over as usize].session?;
                let has_push = process.is_running && process.connections[over as usize].has_push;
                let there = self.demoted.contains(&(process.number, session)) == at_replica;
                let named = process.listener(over, session) == listener;
                (has_push && there && named).then_some((process.number, process.era, session))
            })
        });
        let Some((process, era, session)) = hearing else { return };
        if self.now < self.processes[process].loses_messages_until && self.random.chance(50) {
            return;
        }
        if let Some(delay) = self.delay(process, session) {
            self.after(delay, Event::ReceivesGrant(process, era, session, Box::new(grant)));
        }
    }

    pub(super) fn receive_grant(&mut self, process: usize, session: SessionId, grant: Grant) {
        if self.processes[process].connection_of(session).is_none() {
            return;
        }
        self.note(Some(process), || {
            What::Receives(format!("{} has {}, fence {}", name(grant.token), grant.key, grant.fence))
        });
        let local = self.clock_of(process);
        self.checker.confirmed(grant.token, local, grant.first_lease);
        let host = &mut self.processes[process];
        // This store does not care whether the grant was expected.
        let _ = host.client.handed_over(local, session, &grant);
        host.last_grant = Some(grant);
        self.settle(process);
    }

    pub(super) fn deliver_reply(&mut self, packet: Packet, answer: Result<Reply, StoreError>) {
        let Some(over) = self.processes[packet.process].connection_of(packet.session) else { return };
        if self.processes[packet.process].connection(over).dead {
            return;
        }
        let (process, era, session) = (packet.process, packet.era, packet.session);
        let ends_session = answer.as_ref().is_err_and(|error| error.kind() == StoreErrorKind::Disconnected);
        self.next(Event::Answered(Box::new(packet), answer));
        if ends_session {
            self.next(Event::Ends(process, era, session));
        }
    }
}

pub(super) fn error(kind: StoreErrorKind) -> StoreError {
    StoreError::new(kind, "an error of the store")
}
