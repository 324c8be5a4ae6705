//! What is between the processes and the store: requests, replies and messages that take their time or are lost.
//!
//! A connection keeps the order of what is sent over it; once a request is lost with its connection, so are all that
//! were sent over it later.

use std::time::Duration;

use super::history::What;
use super::node::{Reply, Request};
use super::plan::Over;
use super::process::{OPERATION, name, owner};
use super::world::{Event, World};
use lock_core::Moment;
use lock_core::client::CallId;
use lock_core::key::{Question, ReleaseReply, ReleaseRequest, SessionId};
use lock_core::store::{Acquired, Grant, ListenerId, Renewed, Rotated, StoreError, StoreErrorKind, Token};

/// A request on its way, and what its answer is for.
#[derive(Debug, Clone)]
pub(super) struct Mail {
    pub(super) number: u64,
    pub(super) process: usize,
    pub(super) era: u64,
    pub(super) line: SessionId,
    pub(super) sent_at: Moment,
    /// The same, by the clock of its process.
    pub(super) sent: Moment,
    /// Whose task sent it, if it was not the keeper.
    pub(super) task: Option<usize>,
    /// Whose ticket it is about; a renewal is about a token.
    pub(super) id: Option<CallId>,
    pub(super) request: Request,
    /// It was sent once more, since the store had forgotten the script.
    pub(super) bounced: bool,
}

impl World {
    /// Sends a request; says its number.
    pub(super) fn send(
        &mut self,
        process: usize,
        line: SessionId,
        task: Option<usize>,
        id: Option<CallId>,
        request: Request,
    ) -> u64 {
        let number = self.number();
        let sender = &self.processes[process];
        let (sent, era) = (sender.clock(self.now), sender.era);
        let mail = Mail { sent_at: self.now, number, process, era, line, sent, task, id, request, bounced: false };
        if task.is_none() {
            let limit = match &mail.request {
                Request::Renew(renewal) => (renewal.ttl / 6).clamp(Duration::from_millis(250), OPERATION),
                _ => OPERATION,
            };
            self.processes[process].errands.insert(number, mail.clone());
            self.after(limit, Event::TimesOut(process, era, number));
        }
        self.goes(mail);
        number
    }

    /// A request goes its way, behind all that was sent over its line before.
    fn goes(&mut self, mail: Mail) {
        let lost = self.now < self.processes[mail.process].loses_requests_until && self.random.chance(50);
        let arrival = self.way(mail.process, mail.line).map(|delay| self.now + delay);
        if let (Some(arrival), false) = (arrival, lost) {
            let latest = self.arrivals.entry((mail.process, mail.line)).or_insert(Moment::MIN);
            *latest = arrival.max(*latest + Duration::from_nanos(1));
            let at = *latest;
            self.at(at, Event::Arrives(Box::new(mail)));
        }
    }

    /// How long something takes over a line, if it gets through.
    fn way(&mut self, process: usize, line: SessionId) -> Option<Duration> {
        let mut delay = if self.random.chance(3) { self.random.between(1, 30) } else { self.random.between(0, 2) };
        let sender = &self.processes[process];
        let wire = sender.wire_of(line).map(|over| &sender.wires[over as usize]);
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
        let open =
            self.processes[mail.process].era == mail.era && self.processes[mail.process].wire_of(mail.line).is_some();
        if !open {
            let coin = self.random.chance(50);
            if *self.torn.entry((mail.process, mail.line)).or_insert(coin) {
                return;
            }
        }
        if self.demoted.contains(&(mail.process, mail.line)) {
            // A replica by now: whatever is asked ends in a write, and none is taken.
            return self.goes_back(mail, Err(error(StoreErrorKind::Disconnected)));
        }
        if self.bounces(&mail) {
            if let Some(delay) = self.way(mail.process, mail.line) {
                self.after(delay, Event::Bounces(Box::new(mail)));
            }
            return;
        }
        if let Some((_, kind)) = self.processes[mail.process].errs.filter(|(until, _)| self.now < *until)
            && self.random.chance(50)
        {
            if kind == StoreErrorKind::Disconnected && self.random.chance(50) {
                self.carries_out(&mail);
            }
            return self.goes_back(mail, Err(error(kind)));
        }
        let repeats = self.now < self.processes[mail.process].repeats_until;
        if repeats && matches!(mail.request, Request::Ask(Question::Look(_) | Question::Enqueue(_)) | Request::Renew(_))
        {
            self.carries_out(&mail);
        }
        let reply = self.carries_out(&mail);
        if repeats
            && matches!(mail.request, Request::Release(ReleaseRequest::Release(_)))
            && self.repeated.insert(mail.number)
        {
            let delay = self.random.between(1, 200);
            return self.after(delay, Event::Arrives(Box::new(mail)));
        }
        self.goes_back(mail, Ok(reply));
    }

    fn goes_back(&mut self, mail: Mail, answer: Result<Reply, StoreError>) {
        if self.now < self.processes[mail.process].loses_replies_until && self.random.chance(50) {
            return;
        }
        if let Some(delay) = self.way(mail.process, mail.line) {
            self.after(delay, Event::Returns(Box::new(mail), answer));
        }
    }

    /// Whether the store has forgotten the script of this request.
    fn bounces(&mut self, mail: &Mail) -> bool {
        let may = self.now < self.processes[mail.process].bounces_until && !mail.bounced;
        may && !matches!(mail.request, Request::Ask(Question::Ask(_))) && self.random.chance(50)
    }

    /// The news that the store has forgotten the script: if anybody still waits for the answer, it is sent along, unless it
    /// could do harm behind what was sent meanwhile.
    pub(super) fn bounced(&mut self, mail: Mail) {
        let is_open = self.processes[mail.process].wire_of(mail.line).is_some();
        let is_awaited = match mail.task {
            Some(task) => self.tasks[task].sent.as_ref().is_some_and(|sent| sent.mail == mail.number),
            None => self.processes[mail.process].errands.contains_key(&mail.number),
        };
        if !is_open || !is_awaited {
            return;
        }
        match mail.request {
            // Whether it is still wanted is for whoever asks to say: its release may be under way.
            Request::Ask(Question::Look(_) | Question::Enqueue(_)) | Request::Release(ReleaseRequest::Rotate(_)) => {
                self.answered(&mail, Err(error(StoreErrorKind::NotExecuted)));
            }
            _ => self.goes(Mail { bounced: true, ..mail }),
        }
    }

    fn carries_out(&mut self, mail: &Mail) -> Reply {
        let (reply, grants) = self.node.carry_out(self.now, &mail.request, &mut self.checker);
        self.note(None, || {
            let request = &mail.request;
            What::Carries(format!("{} {} for {}", request.name(), request.key(), name(request.token())), shown(&reply))
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
                let line = process.wires[over as usize].line?;
                let told = process.is_there && process.wires[over as usize].told;
                let there = self.demoted.contains(&(process.number, line)) == at_replica;
                let named = process.listener(over, line) == listener;
                (told && there && named).then_some((process.number, process.era, line))
            })
        });
        let Some((process, era, line)) = hearing else { return };
        if self.now < self.processes[process].loses_messages_until && self.random.chance(50) {
            return;
        }
        if let Some(delay) = self.way(process, line) {
            self.after(delay, Event::Hears(process, era, line, Box::new(grant)));
        }
    }

    pub(super) fn hears(&mut self, process: usize, line: SessionId, grant: Grant) {
        if self.processes[process].wire_of(line).is_none() {
            return;
        }
        self.note(Some(process), || {
            What::Hears(format!("{} has {}, fence {}", name(grant.token), grant.key, grant.fence))
        });
        let local = self.processes[process].clock(self.now);
        self.checker.confirmed(grant.token, local, grant.first_lease);
        self.processes[process].heard = Some(grant.clone());
        let _ = self.processes[process].core.handed(local, line, &grant);
        self.settle(process);
    }

    /// A stranger tells a process of a grant, over any of its lines, and goes on with that until then.
    pub(super) fn forges(&mut self, process: usize, until: Moment) {
        let over = if self.random.chance(50) { Over::Keepers } else { Over::Tasks };
        if let (Some(line), true) = (self.processes[process].wire(over).line, self.processes[process].is_there) {
            let old = self.processes[process].heard.clone().filter(|_| self.random.chance(50));
            let grant = old.unwrap_or_else(|| self.forged());
            self.note(Some(process), || What::Text(format!("is told by a stranger that {} is granted", grant.key)));
            let local = self.processes[process].clock(self.now);
            let is_forged = owner(grant.token) >= self.processes.len();
            if self.processes[process].core.handed(local, line, &grant) && is_forged {
                self.checker.found(|| "a stranger's message was taken for a grant".to_owned());
            }
            self.settle(process);
        }
        if self.now < until {
            let pause = self.random.between(1, 60);
            self.after(pause, Event::Forges(process, until));
        }
    }

    /// A grant to a token that there never was.
    fn forged(&mut self) -> Grant {
        let key = self.keys[self.random.index(self.keys.len())].0.clone();
        let token = Token::from_bits(u128::MAX - u128::from(self.random.below(1 << 40)));
        let number = [0, 1, 1 << 53, u64::MAX][self.random.index(4)];
        let first_lease = Duration::from_millis(number);
        Grant::new(key, token, number, first_lease, number).with_fences(u32::MAX)
    }

    pub(super) fn returns(&mut self, mail: &Mail, answer: Result<Reply, StoreError>) {
        let Some(over) = self.processes[mail.process].wire_of(mail.line) else { return };
        let wire = self.processes[mail.process].wire(over);
        if wire.dead {
            return;
        }
        wire.time_outs = 0;
        let ends_line = answer.as_ref().is_err_and(|error| error.kind() == StoreErrorKind::Disconnected);
        self.answered(mail, answer);
        if ends_line && self.processes[mail.process].wire_of(mail.line) == Some(over) {
            self.close(mail.process, over, true);
            self.opens_after(Duration::from_millis(1), mail.process, over);
        }
    }

    /// An answer, or the news that there will be none, comes to whoever waits for it.
    pub(super) fn answered(&mut self, mail: &Mail, answer: Result<Reply, StoreError>) {
        if let Some(task) = mail.task {
            let waits = self.tasks[task].sent.as_mut().filter(|sent| sent.mail == mail.number && sent.answer.is_none());
            if let Some(sent) = waits {
                sent.answer = Some(answer);
                self.wake_soon(task);
            }
        } else if self.processes[mail.process].errands.remove(&mail.number).is_some() {
            self.tell(mail, answer);
        }
    }

    /// The keeper tells its core what an errand came to.
    fn tell(&mut self, mail: &Mail, answer: Result<Reply, StoreError>) {
        let local = self.processes[mail.process].clock(self.now);
        if let Ok(reply) = &answer {
            self.confirm(mail.sent, &mail.request, *reply);
        }
        let core = &mut self.processes[mail.process].core;
        match (&mail.request, mail.id, answer) {
            (Request::Ask(_), Some(id), answer) => {
                let answer = answer.map(|reply| match reply {
                    Reply::Acquired(acquired) => acquired,
                    other => unreachable!("{other:?} is no answer to an ask"),
                });
                core.answered(local, id, mail.request.token(), mail.sent, answer);
            }
            (Request::Renew(renewal), Some(id), answer) => {
                let answer = answer.map(|reply| match reply {
                    Reply::Renewed(renewed) => renewed,
                    other => unreachable!("{other:?} is no answer to a renewal"),
                });
                core.renewed(local, id.key, renewal.token, (mail.sent, renewal.ttl), answer);
            }
            (Request::Release(_), Some(id), answer) => {
                let answer = answer.map(|reply| match reply {
                    Reply::Released(reply) => reply,
                    other => unreachable!("{other:?} is no answer to a release"),
                });
                core.released(local, id, Some(mail.line), answer);
            }
            (_, None, _) => unreachable!("every request is about a ticket"),
        }
        self.settle(mail.process);
    }

    /// What a process may count on from here on.
    pub(super) fn confirm(&mut self, sent: Moment, request: &Request, reply: Reply) {
        let ttl = match (request, reply) {
            (Request::Ask(question), Reply::Acquired(Acquired::Granted { .. })) => question.ttl(),
            (Request::Renew(renewal), Reply::Renewed(Renewed::Renewed)) => renewal.ttl,
            (
                Request::Release(ReleaseRequest::Rotate(turn)),
                Reply::Released(ReleaseReply::Rotated(Rotated::Retained { .. })),
            ) => turn.ttl,
            _ => return,
        };
        self.checker.confirmed(request.token(), sent, ttl);
    }

    /// Nothing came back to the keeper in time.
    pub(super) fn times_out(&mut self, process: usize, number: u64) {
        let Some(mail) = self.processes[process].errands.get(&number).cloned() else { return };
        self.timed_out(process, mail.line);
        // The line may have been given up just now, and everything on it.
        if self.processes[process].errands.remove(&number).is_some() {
            self.tell(&mail, Err(StoreError::no_answer()));
        }
    }

    /// Something on this line had no answer in time; after two in a row it is replaced.
    pub(super) fn timed_out(&mut self, process: usize, line: SessionId) {
        let Some(over) = self.processes[process].wire_of(line) else { return };
        let wire = self.processes[process].wire(over);
        wire.time_outs += 1;
        if wire.time_outs >= 2 {
            self.close(process, over, true);
            self.opens_after(Duration::from_millis(1), process, over);
        }
    }
}

fn error(kind: StoreErrorKind) -> StoreError {
    StoreError::new(kind, "an error of the store")
}

fn shown(reply: &Reply) -> String {
    match reply {
        Reply::Acquired(Acquired::Granted { fence, .. }) => format!("granted, fence {fence}"),
        Reply::Acquired(Acquired::Held { queued_at, .. }) => {
            if queued_at.is_some() { "held, stands in the queue" } else { "held" }.to_owned()
        }
        Reply::Acquired(other) => format!("{other:?}"),
        Reply::Renewed(renewed) => format!("{renewed:?}"),
        Reply::Released(ReleaseReply::Released(released)) => format!("{released:?}"),
        Reply::Released(ReleaseReply::Rotated(turned)) => format!("{turned:?}"),
    }
}
