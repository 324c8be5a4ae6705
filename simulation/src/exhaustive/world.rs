//! A state: clients, the store, what is on its way, the tasks, what may still go wrong, and what is remembered.

use lock_core::Moment;
use lock_core::key::{Number, SessionId};
use lock_core::store::Token;
use lock_core::store::model::Model;
use lock_core::walk::Errand;

use super::client::Client;
use super::memory::{Broken, Memory};
use super::names::{Collected, Ranked, StateNames, TOKENS_APART};
use super::packet::{KEEPERS, Link, TASKS, is_keepers, listener};
use super::plan::{Faults, Plan};
use super::task::Task;

/// What now is called. Renewals are planned at multiples of a fraction of a tick, so it is one of them, as now always is.
const TODAY: Moment = Moment::from_nanos(1_000_000_000_000_000);

/// One process: a client, and what its keeper awaits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pub(super) client: Client,
    pub(super) pending: Vec<Pending>,
    /// Until when it does nothing.
    pub(super) stalled: Option<Moment>,
    pub(super) is_running: bool,
}

impl Process {
    pub(super) fn new(index: usize, plan: &Plan) -> Self {
        let client = Client::new(index, plan.local_handover);
        Self { client, pending: Vec::new(), stalled: None, is_running: true }
    }

    /// It was killed.
    pub(super) fn stop(&mut self, plan: &Plan) {
        *self = Self { is_running: false, ..Self::new(0, plan) };
    }
}

/// What a keeper has sent and awaits an answer for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Pending {
    pub(super) number: Number,
    pub(super) session: SessionId,
    pub(super) errand: Errand,
    pub(super) sent: Moment,
    pub(super) fails_at: Moment,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) now: Moment,
    pub(super) store: Model,
    pub(super) processes: Vec<Process>,
    /// Two of each process, then those that were closed and still carry something.
    pub(super) links: Vec<Link>,
    /// One of each call.
    pub(super) tasks: Vec<Task>,
    pub(super) faults: Faults,
    pub(super) memory: Memory,
    pub(super) broken: Option<Broken>,
    last_token: Token,
    last_packet: Number,
}

impl World {
    pub(super) fn new(plan: &Plan) -> Self {
        let (mut store, mut links, mut processes) = (Model::default(), Vec::new(), Vec::new());
        for index in 0..plan.clients {
            processes.push(Process::new(index, plan));
            for session in [KEEPERS, TASKS] {
                links.push(Link::new(index, session));
                store.listen(listener(index, session));
            }
        }
        Self {
            now: TODAY,
            store,
            processes,
            links,
            tasks: plan.calls.iter().map(|_| Task::new()).collect(),
            faults: plan.faults,
            memory: Memory::default(),
            broken: None,
            last_token: Token::from_bits(0),
            last_packet: Number(0),
        }
    }

    pub(super) fn new_token(&mut self) -> Token {
        self.last_token = Token::from_bits(self.last_token.bits() + TOKENS_APART);
        self.last_token
    }

    pub(super) fn new_packet(&mut self) -> Number {
        self.last_packet.0 += 1;
        self.last_packet
    }

    /// The open connection with this session.
    pub(super) fn link(&mut self, process: usize, session: SessionId) -> Option<&mut Link> {
        let link = &mut self.links[process * 2 + usize::from(!is_keepers(session))];
        (link.is_open && link.session == session).then_some(link)
    }

    /// The session of the runtime on which a client's tasks run, if it is open.
    pub(super) fn tasks_session(&self, process: usize) -> Option<SessionId> {
        let link = &self.links[process * 2 + 1];
        link.is_open.then_some(link.session)
    }

    fn forget_closed(&mut self) {
        let lasting = self.processes.len() * 2;
        let mut at = 0..;
        self.links.retain(|link| at.next() < Some(lasting) || !link.is_empty());
    }

    /// Reports a broken promise; the first one counts.
    pub(super) fn found(&mut self, broken: Broken) {
        self.broken.get_or_insert(broken);
    }

    /// Names everything by its rank, and makes it today.
    pub(super) fn normalize(&mut self, plan: &Plan) {
        self.forget_closed();
        let mut collected = Collected::default();
        self.show_names(plan, &mut collected);
        self.memory.forget(self.now, |token| collected.tokens.contains(&token.bits()));
        self.memory.show_names(&mut collected);
        let mut ranked = Ranked::new(collected, self.now, TODAY);
        self.show_names(plan, &mut ranked);
        self.memory.show_names(&mut ranked);
        for (index, process) in self.processes.iter_mut().enumerate() {
            process.client.set_last_number(TODAY, ranked.last_number(index));
        }
        self.last_packet = Number(ranked.last_number(self.processes.len()));
        self.last_token = ranked.last_token();
        self.now = TODAY;
    }

    fn show_names(&mut self, plan: &Plan, names: &mut impl StateNames) {
        self.store.show_names(names);
        for (index, process) in self.processes.iter_mut().enumerate() {
            names.numbers_of(index);
            process.client.show_names(names);
            process.stalled.iter_mut().for_each(|until| names.moment(until));
            for Pending { errand, sent, fails_at, .. } in &mut process.pending {
                errand.show_names(names);
                names.moment(sent);
                names.moment(fails_at);
            }
        }
        for (task, (process, _)) in self.tasks.iter_mut().zip(&plan.calls) {
            names.numbers_of(*process);
            task.show_names(names);
        }
        // The network's numbers.
        names.numbers_of(self.processes.len());
        self.links.iter_mut().for_each(|link| link.show_names(names));
        self.tasks.iter_mut().for_each(|task| task.show_packet(names));
        for pending in self.processes.iter_mut().flat_map(|process| &mut process.pending) {
            names.number(&mut pending.number);
        }
    }
}
