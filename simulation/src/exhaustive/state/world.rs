//! A state: clients, the store, what is on its way, the tasks, what may still go wrong, and what is remembered.

use std::time::Duration;

use lock_core::Moment;
use lock_core::key::{Number, SessionId};
use lock_core::store::Token;
use lock_core::store::model::Model;
use lock_core::walk::Errand;

use super::client::Client;
use super::memory::{Broken, Memory};
use super::names::{Collected, Ranked, StateNames, TOKENS_APART};
use super::packet::{KEEPERS, Link, TASKS, is_keepers, listener};
use super::task::Task;
use crate::exhaustive::plan::{Faults, Plan};

/// What a moment of the first step is called.
const TODAY: Moment = Moment::from_nanos(1_000_000_000_000_000);
/// Renewals are planned at multiples of a fraction of this, so that how far a moment is from the last one counts.
const STEP: Duration = Duration::from_millis(10);

/// One process: a client, and what its keeper awaits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    pub(crate) client: Client,
    pub(crate) pending: Vec<Pending>,
    /// Until when it does nothing.
    pub(crate) stalled: Option<Moment>,
    pub(crate) is_running: bool,
}

impl Process {
    pub(crate) fn new(index: usize, plan: &Plan) -> Self {
        let client = Client::new(index, plan);
        Self { client, pending: Vec::new(), stalled: None, is_running: true }
    }

    /// It was killed.
    pub(crate) fn stop(&mut self, plan: &Plan) {
        *self = Self { is_running: false, ..Self::new(0, plan) };
    }
}

/// What a keeper has sent and awaits an answer for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Pending {
    pub(crate) number: Number,
    pub(crate) session: SessionId,
    pub(crate) errand: Errand,
    pub(crate) sent: Moment,
    pub(crate) fails_at: Moment,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) now: Moment,
    pub(crate) store: Model,
    pub(crate) processes: Vec<Process>,
    /// Two of each process, then those that were closed and still carry something.
    pub(crate) links: Vec<Link>,
    /// One of each call.
    pub(crate) tasks: Vec<Task>,
    pub(crate) faults: Faults,
    pub(crate) manual_renewals: u8,
    pub(crate) downgrades: u8,
    pub(crate) memory: Memory,
    pub(crate) broken: Option<Broken>,
    last_token: Token,
    last_packet: Number,
}

impl World {
    pub(crate) fn new(plan: &Plan) -> Self {
        let (mut store, mut links, mut processes) = (Model::default(), Vec::new(), Vec::new());
        for index in 0..plan.clients {
            processes.push(Process::new(index, plan));
            for session in [KEEPERS, TASKS] {
                links.push(Link::new(index, session));
                if plan.has_messages {
                    store.listen(listener(index, session));
                }
            }
        }
        Self {
            now: TODAY,
            store,
            processes,
            links,
            tasks: plan.calls.iter().map(|_| Task::new()).collect(),
            faults: plan.faults,
            manual_renewals: plan.manual_renewals,
            downgrades: plan.downgrades,
            memory: Memory::default(),
            broken: None,
            last_token: Token::from_bits(0),
            last_packet: Number(0),
        }
    }

    pub(crate) fn new_token(&mut self) -> Token {
        self.last_token = Token::from_bits(self.last_token.bits() + TOKENS_APART);
        self.last_token
    }

    pub(crate) fn new_packet(&mut self) -> Number {
        self.last_packet.0 += 1;
        self.last_packet
    }

    /// The open connection with this session.
    pub(crate) fn link(&mut self, process: usize, session: SessionId) -> Option<&mut Link> {
        let link = &mut self.links[process * 2 + usize::from(!is_keepers(session))];
        (link.is_open && link.session == session).then_some(link)
    }

    /// The session of the runtime on which a client's tasks run, if it is open.
    pub(crate) fn tasks_session(&self, process: usize) -> Option<SessionId> {
        let link = &self.links[process * 2 + 1];
        link.is_open.then_some(link.session)
    }

    fn forget_closed(&mut self) {
        let lasting = self.processes.len() * 2;
        let mut at = 0..;
        self.links.retain(|link| at.next() < Some(lasting) || !link.is_empty());
    }

    /// Reports a broken promise; the first one counts.
    pub(crate) fn found(&mut self, broken: Broken) {
        self.broken.get_or_insert(broken);
    }

    /// Names everything by its rank, and makes it today.
    pub(crate) fn normalize(&mut self, plan: &Plan) {
        self.forget_closed();
        let mut collected = Collected::default();
        self.show_names(plan, &mut collected);
        self.memory.forget(self.now, |token| collected.tokens.contains(&token.bits()));
        self.memory.show_names(&mut collected);
        let today = TODAY + self.now.since(self.now.at_or_before(STEP));
        let mut ranked = Ranked::new(collected, self.now, today);
        self.show_names(plan, &mut ranked);
        self.memory.show_names(&mut ranked);
        for (index, process) in self.processes.iter_mut().enumerate() {
            process.client.set_last_number(today, ranked.last_number(index));
        }
        self.last_packet = Number(ranked.last_number(self.processes.len()));
        self.last_token = ranked.last_token();
        self.now = today;
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

#[cfg(test)]
mod tests {
    use lock_core::key::CallNames;
    use lock_core::store::Names;

    use super::*;
    use crate::exhaustive::plans::named;

    const LATER: Duration = Duration::from_secs(3_600);
    const HIGHER: u64 = 1_000;

    const NAMED: [&str; 8] = [
        "loss-and-stall",
        "min-hold",
        "impatient-local-queue",
        "loss-and-manual-renewals",
        "two-resets",
        "reader-and-writer",
        "permits-and-crash",
        "downgrade",
    ];

    /// Calls everything but tokens otherwise: pauses are jittered by those.
    struct Otherwise;

    impl Names for Otherwise {
        fn token(&mut self, _: &mut Token) {}

        fn fence(&mut self, fence: &mut u64) {
            *fence += HIGHER;
        }

        fn moment(&mut self, moment: &mut Moment) {
            if *moment != Moment::MIN && *moment != Moment::MAX {
                *moment = *moment + LATER;
            }
        }

        fn clock(&mut self, clock: &mut u64) {
            *clock += u64::try_from(LATER.as_micros()).expect("an hour is not that long");
        }
    }

    impl CallNames for Otherwise {
        fn number(&mut self, number: &mut Number) {
            number.0 += HIGHER;
        }

        fn told(&mut self, moment: &mut Moment) {
            self.moment(moment);
        }
    }

    impl StateNames for Otherwise {
        fn numbers_of(&mut self, _: usize) {}
    }

    fn otherwise(state: &World, plan: &Plan) -> World {
        let mut other = state.clone();
        other.show_names(plan, &mut Otherwise);
        other.memory.show_names(&mut Otherwise);
        for process in &mut other.processes {
            process.client.set_last_number(other.now, HIGHER * 2);
        }
        other.last_packet.0 += HIGHER;
        other.now = other.now + LATER;
        other
    }

    /// A name that is not shown stays as it is, and then the two go on differently.
    #[test]
    fn states_that_differ_in_names_alone_go_on_in_the_same_way() {
        for (seed, name) in (0..600_usize).zip(NAMED.iter().cycle()) {
            let plan = named(name).expect("there is this plan");
            let (mut state, mut drawn) = (World::new(&plan), seed);
            for _ in 0..60 {
                let mut steps = Vec::new();
                state.steps(&plan, &mut steps);
                drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let Some(step) = steps.get((drawn >> 33) % steps.len().max(1)).copied() else { break };
                let mut other = otherwise(&state, &plan);
                assert!(other != state);
                state.take(&plan, step);
                other.take(&plan, step);
                assert!(state == other, "{name}, seed {seed}, {step:?}:\n{state:?}\n{other:?}");
            }
        }
    }
}
