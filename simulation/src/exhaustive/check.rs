//! The check itself: stateright goes through all states, and this says what came of it.

use std::fmt;
use std::time::{Duration, Instant};

use lock_core::key::ReleaseRequest;
use lock_core::lease::Terms;
use lock_core::store::Kind;
use stateright::{Checker as _, HasDiscoveries, Model, Property};

use super::plan::Plan;
use crate::exhaustive::moves::steps::Step;
use crate::exhaustive::state::client::KEY;
use crate::exhaustive::state::memory::Broken;
use crate::exhaustive::state::packet::{Coming, Packet};
use crate::exhaustive::state::task::{State, Task};
use crate::exhaustive::state::world::World;
use crate::request::Request;

/// The property that must hold in every state.
const PROMISES: &str = "every promise is kept";

type Is = fn(&Check, &World) -> bool;

/// What has to happen for a check to show anything, by name.
const SITUATIONS: [(&str, Is); 8] = [
    ("a key is handed over by a message", |_, state| {
        state.links.iter().any(|link| link.down.iter().any(|coming| matches!(coming, Coming::Grant(_))))
    }),
    ("a key is rotated", |_, state| {
        let is_rotation = |packet: &Packet| matches!(packet.request, Request::Release(ReleaseRequest::Rotate(_)));
        state.links.iter().any(|link| link.up.iter().any(is_rotation))
    }),
    ("a body runs while another call waits", |_, state| {
        let any = |is: fn(&State) -> bool| state.tasks.iter().any(|task| is(&task.state));
        any(|state| matches!(state, State::Holding(_))) && any(|state| matches!(state, State::Acquiring(..)))
    }),
    ("bodies run beside each other", |_, state| {
        let run = |task: &&Task| matches!(&task.state, State::Holding(body) if body.may_step(state.now));
        state.tasks.iter().filter(run).count() > 1
    }),
    ("one of a set expires while another holds", |_, state| {
        let holders = state.store.holders(state.now, &KEY);
        let holds = |token| holders.iter().any(|(holder, _)| *holder == token);
        let is_out = |task: &Task| matches!(&task.state, State::Holding(body) if !holds(body.token));
        !holders.is_empty() && state.tasks.iter().any(is_out)
    }),
    ("a call waits that may not be beside those who hold", |check, state| {
        let found = state.store.inspect(state.now, &KEY);
        let is_of_a_set =
            found.holders.first().and_then(|holding| holding.kind).filter(|kind| *kind != Kind::Exclusive);
        let waits = |(task, (_, terms)): (&Task, &(usize, Terms))| {
            matches!(task.state, State::Acquiring(..)) && is_of_a_set.is_some_and(|kind| !kind.agrees_with(terms.kind))
        };
        state.tasks.iter().zip(&check.0.calls).any(waits)
    }),
    ("a key expires under its holder", |_, state| {
        let holders = state.store.holders(state.now, &KEY);
        let holds = |token| holders.iter().any(|(holder, _)| *holder == token);
        state.tasks.iter().any(|task| matches!(&task.state, State::Holding(body) if !holds(body.token)))
    }),
    ("a lease is lost", |_, state| {
        state.tasks.iter().any(|task| matches!(&task.state, State::Holding(body) if body.loss.is_some()))
    }),
];

/// Their names.
pub fn situations() -> impl Iterator<Item = &'static str> {
    SITUATIONS.iter().map(|(name, _)| *name)
}

/// A plan, as stateright sees it.
#[derive(Debug, Clone)]
struct Check(Plan);

/// What came of a check.
#[derive(Debug)]
pub struct Report {
    /// How many states were come to, however often to each.
    pub states: usize,
    /// How many of them are different.
    pub different: usize,
    /// The most steps from the beginning to any of them, as the search went.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// Whether the queue of states ran empty: if so, none was left out.
    pub is_exhausted: bool,
    /// Which of the situations that a check has to come to it came to.
    pub came_to: Vec<&'static str>,
    /// The first promise that is broken, and the steps to it, each with its time from the beginning.
    pub broken: Option<(Broken, Vec<(Duration, String)>)>,
}

impl Model for Check {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(&self.0)]
    }

    fn actions(&self, state: &World, steps: &mut Vec<Step>) {
        state.steps(&self.0, steps);
    }

    fn next_state(&self, last: &World, step: Step) -> Option<World> {
        let mut state = last.clone();
        state.take(&self.0, step);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let situations = SITUATIONS.into_iter().map(|(name, is_it)| Property::sometimes(name, is_it));
        situations.chain([Property::always(PROMISES, |_, state: &World| state.broken.is_none())]).collect()
    }
}

/// Goes through every state of a plan, or to the first in which a promise is broken.
pub fn check(plan: &Plan, threads: usize) -> Report {
    let started = Instant::now();
    let checker = Check(plan.clone()).checker().finish_when(HasDiscoveries::AnyFailures).threads(threads);
    let checker = checker.spawn_bfs().join();
    let found = checker.discovery(PROMISES).and_then(|path| {
        let broken = path.last_state().broken?;
        Some((broken, history(path.into_vec())))
    });
    let came_to = checker.discoveries().into_keys().filter(|property| *property != PROMISES);
    Report {
        states: checker.state_count(),
        different: checker.unique_state_count(),
        depth: checker.max_depth(),
        took: started.elapsed(),
        is_exhausted: checker.is_done() && found.is_none(),
        came_to: came_to.collect(),
        broken: found,
    }
}

/// Steps in words, with their times. Each state calls its own moment the same, but knows when the next is.
fn history(path: Vec<(World, Option<Step>)>) -> Vec<(Duration, String)> {
    let mut at = Duration::ZERO;
    let told = path.into_iter().filter_map(|(state, step)| {
        at += state.takes(step?);
        Some((at, state.told(step?)))
    });
    told.collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, different, depth, took, .. } = self;
        write!(f, "{different} different states among {states}, {depth} steps deep, in {:.1} s", took.as_secs_f64())
    }
}
