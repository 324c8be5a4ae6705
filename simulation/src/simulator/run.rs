//! Runs a simulation to its end, or to the first violation.

use std::collections::BTreeSet;
use std::time::Duration;

use lock_core::LockKey;

use super::event::{Event, Whom};
use super::outcome::{Outcome, Violation};
use super::packet::From;
use super::plan::{Over, PROCESSES, Plan};
use super::process::START;
use super::task::State;
use super::tokens::owner;
use super::watching::WATCH;
use super::world::{BUSY, LONGEST_MIN_HOLD, World};

/// By then everything is idle.
const LONGEST: Duration = Duration::from_secs(400);

/// Runs a plan to its end, or to the first violation.
pub(super) fn run(plan: &Plan, recorded: bool) -> Outcome {
    let mut world = World::new(plan, recorded);
    begin(&mut world);
    let mut violation = None;
    while let Some((number, event)) = world.take_event() {
        handle(&mut world, number, event);
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
        world.open_after(Duration::ZERO, process, Over::Tasks);
        world.settle(process);
        let first = world.random.between(2, 20);
        world.after(first, Event::TaskArrives(process));
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
    // A key may be kept for a past holder until its min_hold is over.
    let left = world.node.residue(world.now + LONGEST_MIN_HOLD, &keys, |token| {
        // What a killed process had sent may still take effect; nobody is left to undo that.
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

/// Handles an event, or postpones it while whoever has to be awake for it is stopped.
fn handle(world: &mut World, number: u64, event: Event) {
    let concerned = event.concerns().map(|whom| match whom {
        Whom::Process(process) => process,
        Whom::Task(task) => world.tasks[task].process,
    });
    let awake_from = concerned.map(|process| world.processes[process].frozen_until);
    if let Some(awake_from) = awake_from.filter(|&awake_from| world.now < awake_from) {
        return world.put_off(awake_from, number, event);
    }
    if matches!(event, Event::Arrives(_)) && world.now < world.node.paused_until {
        return world.put_off(world.node.paused_until, number, event);
    }
    if let Some(until) = world.sleeps_until(&event) {
        return world.put_off(until, number, event);
    }
    if is_current(world, &event) {
        dispatch(world, event);
    }
}

/// Whether it concerns the process's current era.
fn is_current(world: &World, event: &Event) -> bool {
    let of_era = |process: usize, era: u64| world.processes[process].era == era;
    match event {
        Event::Polls(task)
        | Event::StepEnds(task)
        | Event::GivesUp(task)
        | Event::Overdue(task)
        | Event::RenewsManually(task)
        | Event::ManualOverdue(task, _) => of_era(world.tasks[*task].process, world.tasks[*task].era),
        Event::KeeperWakes(process, era)
        | Event::TimesOut(process, era, _)
        | Event::Probed(process, era, ..)
        | Event::Ends(process, era, _)
        | Event::ReceivesGrant(process, era, ..)
        | Event::Opens(process, era, _) => of_era(*process, *era),
        Event::Returns(packet, _) | Event::Answered(packet, _) | Event::ScriptForgotten(packet) => {
            of_era(packet.process, packet.era)
        }
        _ => true,
    }
}

fn dispatch(world: &mut World, event: Event) {
    match event {
        Event::TaskArrives(process) => world.task_arrives(process),
        Event::Probes => world.probe_keys(),
        Event::ProbesAgain(key) => world.probe_key(&key),
        Event::Polls(task) => world.poll_task(task),
        Event::StepEnds(task) => world.end_step(task),
        Event::GivesUp(task) => world.give_up(task),
        Event::Overdue(task) => world.check_overdue(task),
        Event::KeeperWakes(process, _) => world.run_keeper(process),
        Event::Arrives(packet) => world.deliver_request(*packet),
        Event::Returns(packet, answer) => world.deliver_reply(*packet, answer),
        Event::Answered(packet, answer) => match &packet.from {
            From::Task(task) => world.task_receives(*task, packet.number, answer),
            From::Keeper(errand, _) => world.keeper_receives(&packet, errand, answer),
        },
        Event::ScriptForgotten(packet) => world.on_script_forgotten(*packet),
        Event::TimesOut(process, _, number) => world.time_out(process, number),
        Event::Probed(process, _, session, answered) => world.probed(process, session, answered),
        Event::Ends(process, _, session) => world.end_session(process, session),
        Event::ReceivesGrant(process, _, session, grant) => world.receive_grant(process, session, *grant),
        Event::Forges(process, until) => world.forge_grant(process, until),
        Event::RenewsManually(task) => world.renew_manually(task),
        Event::ManualOverdue(task, renewal) => world.check_manual_overdue(task, renewal),
        Event::Opens(process, _, over) => world.try_open(process, over),
        Event::SnapshotIsTaken => world.node.take_snapshot(),
        Event::Begins(fault) => world.begin_fault(fault),
        Event::Over(fault) => world.end_fault(fault),
        Event::Watches => world.watch(),
    }
}
