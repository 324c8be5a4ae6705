//! A simulation from its beginning to its end, or to the first thing that is not as it must be.

use std::collections::BTreeSet;
use std::time::Duration;

use lock_core::LockKey;

use super::event::{Event, Whom};
use super::mail::From;
use super::outcome::{Outcome, Violation};
use super::plan::{Over, PROCESSES, Plan};
use super::process::START;
use super::task::State;
use super::tokens::owner;
use super::watching::WATCH;
use super::world::{BUSY, LONGEST_MIN_HOLD, World};

/// By then everything has come to rest.
const LONGEST: Duration = Duration::from_secs(400);

/// Runs a plan to its end, or to the first violation.
pub(super) fn run(plan: &Plan, recorded: bool) -> Outcome {
    let mut world = World::new(plan, recorded);
    begin(&mut world);
    let mut violation = None;
    while let Some((number, event)) = world.take_event() {
        happens(&mut world, number, event);
        if world.now > START + LONGEST {
            world.checker.found(|| "it never comes to rest".to_owned());
        }
        if let Some(what) = world.checker.violation() {
            violation = Some(what.to_owned());
            break;
        }
    }
    let violation = violation.or_else(|| residue(&mut world));
    let at = world.now.since(START);
    let violation = violation.map(|what| Violation { at, what });
    let tasks = world.tasks.len() as u64;
    Outcome { violation, tasks, grants: world.grants, history: world.history.take().unwrap_or_default() }
}

fn begin(world: &mut World) {
    for process in 0..PROCESSES {
        world.opens_after(Duration::ZERO, process, Over::Tasks);
        world.settle(process);
        let first = world.random.between(2, 20);
        world.after(first, Event::Comes(process));
    }
    for fault in 0..world.plan.faults.len() {
        world.plan_fault(fault);
    }
    world.after(WATCH, Event::Watches);
    let quiet = world.plan.faults.iter().map(|fault| fault.from + fault.lasts).max().unwrap_or_default();
    world.at(START + BUSY.max(quiet) + Duration::from_millis(10), Event::Probes);
}

/// What is left at the end; nothing should be.
fn residue(world: &mut World) -> Option<String> {
    let keys: BTreeSet<LockKey> = world.keys.iter().map(|(key, _)| key.clone()).collect();
    // A key may be kept for a holder that is gone until its min_hold is over.
    let left = world.node.residue(world.now + LONGEST_MIN_HOLD, &keys, |token| {
        // What a process that was killed had sent may take effect after all; nobody is left to undo that.
        world.processes.get(owner(token)).is_none_or(|process| !process.has_forgotten(token))
    });
    let clients = world.processes.iter_mut().filter_map(|process| {
        let residue = process.client.residue()?;
        Some(format!("process {} keeps {residue}", process.number))
    });
    let tasks = world.tasks.iter().position(|task| !matches!(task.state, State::Over));
    let store = (!left.is_empty()).then(|| format!("the store keeps {left:?}"));
    store.into_iter().chain(clients).chain(tasks.map(|task| format!("task {task} has no answer"))).next()
}

/// Whoever has to be awake for an event may be stopped; then it comes later.
fn happens(world: &mut World, number: u64, event: Event) {
    let concerned = event.concerns().map(|whom| match whom {
        Whom::Process(process) => process,
        Whom::Task(task) => world.tasks[task].process,
    });
    let awake_from = concerned.map(|process| world.processes[process].frozen_until);
    if let Some(awake_from) = awake_from.filter(|&awake_from| world.now < awake_from) {
        return world.put_off(awake_from, number, event);
    }
    if matches!(event, Event::Arrives(_)) && world.now < world.node.stands_until {
        return world.put_off(world.node.stands_until, number, event);
    }
    if is_current(world, &event) {
        tell(world, event);
    }
}

/// Whether it is not about a process that was another when it was to happen.
fn is_current(world: &World, event: &Event) -> bool {
    let of_era = |process: usize, era: u64| world.processes[process].era == era;
    match event {
        Event::Polls(task)
        | Event::StepEnds(task)
        | Event::GivesUp(task)
        | Event::Overdue(task)
        | Event::RenewsByHand(task)
        | Event::ByHandOverdue(task, _) => of_era(world.tasks[*task].process, world.tasks[*task].era),
        Event::Works(process, era)
        | Event::TimesOut(process, era, _)
        | Event::IsDoubted(process, era, _)
        | Event::Ends(process, era, _)
        | Event::Hears(process, era, ..)
        | Event::Opens(process, era, _) => of_era(*process, *era),
        Event::Returns(mail, _) | Event::Answered(mail, _) | Event::Bounces(mail) => of_era(mail.process, mail.era),
        _ => true,
    }
}

fn tell(world: &mut World, event: Event) {
    match event {
        Event::Comes(process) => world.comes(process),
        Event::Probes => world.probes(),
        Event::Polls(task) => world.polls(task),
        Event::StepEnds(task) => world.step_ends(task),
        Event::GivesUp(task) => world.gives_up(task),
        Event::Overdue(task) => world.overdue(task),
        Event::Works(process, _) => world.works(process),
        Event::Arrives(mail) => world.arrives(*mail),
        Event::Returns(mail, answer) => world.returns(*mail, answer),
        Event::Answered(mail, answer) => match &mail.from {
            From::Task(task) => world.task_hears(*task, mail.number, answer),
            From::Keeper(errand, _) => world.keeper_hears(&mail, errand, answer),
        },
        Event::Bounces(mail) => world.bounced(*mail),
        Event::TimesOut(process, _, number) => world.times_out(process, number),
        Event::IsDoubted(process, _, session) => world.is_doubted(process, session),
        Event::Ends(process, _, session) => world.ends(process, session),
        Event::Hears(process, _, session, grant) => world.hears(process, session, *grant),
        Event::Forges(process, until) => world.forges(process, until),
        Event::RenewsByHand(task) => world.renews_by_hand(task),
        Event::ByHandOverdue(task, renewal) => world.by_hand_overdue(task, renewal),
        Event::Opens(process, _, over) => world.opens(process, over),
        Event::CopyIsMade => world.node.keep_copy(),
        Event::Begins(fault) => world.begins(fault),
        Event::Over(fault) => world.is_over(fault),
        Event::Watches => world.watches(),
    }
}
