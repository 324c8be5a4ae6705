//! Each check on both sides: histories that it must let pass, and ones that it must not.

use lock_core::store::Kind;

use super::*;
use crate::event::PollStart;
use crate::fault::Fault;
use crate::history::{Call, Fences, Grant, Planted, Process, Seen, Step, Still};
use crate::oracle::{Act, Deed};

const MS: u64 = 1_000_000;
/// Its margin is 15 ms.
const TTL: u64 = 300 * MS;

fn step(from: u64, to: u64, deadline: u64) -> Step {
    let start = PollStart { entered: from * MS, was_held: Some(true), deadline: deadline * MS };
    Step { from: from * MS, start, to: Some(to * MS) }
}

/// A call of a process of its own: a body from one millisecond to another.
fn held(process: usize, fence: u64, from: u64, to: u64) -> Call {
    let deadline = from + 270;
    Call {
        process,
        task: 0,
        key: 1,
        kind: Kind::Exclusive,
        ttl: TTL,
        tried: (from - 5) * MS,
        grant: Some(Grant { at: from * MS, fence, deadline: deadline * MS }),
        steps: vec![step(from, from + 1, deadline)],
        dropped: Some(to * MS),
        lost: None,
        ended: Some((to * MS, "ok".into())),
    }
}

/// The same of a kind.
fn of(kind: Kind, call: Call) -> Call {
    Call { kind, ..call }
}

fn history(calls: Vec<Call>) -> History {
    let processes = vec![Process::default(); 3];
    History { intact: true, processes, calls, ..History::default() }
}

fn counts(history: &History) -> Vec<(Check, usize)> {
    let judged = judge(history);
    let count = |check| judged.findings.iter().filter(|finding| finding.check == check).count();
    Check::ALL.into_iter().map(|check| (check, count(check))).filter(|&(_, count)| count > 0).collect()
}

fn deed(at: u64, fence: u64, act: Act) -> Deed {
    Deed { at: at * MS, key: 1, fence, act }
}

#[test]
fn one_after_the_other_is_fine() {
    let history = history(vec![held(0, 10, 100, 200), held(1, 11, 200, 300), held(0, 12, 310, 320)]);
    assert_eq!(judge(&history), Judged::default());
}

#[test]
fn two_at_once_are_an_overlap() {
    let history = history(vec![held(0, 10, 100, 200), held(1, 11, 199, 300)]);
    assert_eq!(counts(&history), [(Check::Overlap, 1)]);
}

#[test]
fn one_that_stays_while_two_come_overlaps_with_both() {
    let history = history(vec![held(0, 10, 100, 400), held(1, 11, 150, 200), held(2, 12, 250, 300)]);
    assert_eq!(counts(&history), [(Check::Overlap, 2)]);
}

#[test]
fn sharers_are_there_at_once_and_nobody_beside_them() {
    let beside = |one, other| history(vec![of(one, held(0, 10, 100, 200)), of(other, held(1, 11, 150, 250))]);
    let permits = Kind::permits(2);
    assert_eq!(counts(&beside(Kind::Shared, Kind::Shared)), []);
    assert_eq!(counts(&beside(permits, permits)), []);
    for (one, other) in [(Kind::Shared, Kind::Exclusive), (Kind::Shared, permits), (permits, Kind::Exclusive)] {
        assert_eq!(counts(&beside(one, other)), [(Check::Overlap, 1)]);
        assert_eq!(counts(&beside(other, one)), [(Check::Overlap, 1)]);
    }
    assert_eq!(most_beside(&beside(Kind::Shared, Kind::Shared))["shared"], 2);
}

#[test]
fn no_more_permits_are_taken_than_the_most_generous_of_those_inside_knows_of() {
    let of_two = Kind::permits(2);
    let three = |kinds: [Kind; 3]| {
        let held = [held(0, 10, 100, 300), held(1, 11, 120, 310), held(2, 12, 140, 320)];
        history(kinds.into_iter().zip(held).map(|(kind, call)| of(kind, call)).collect())
    };
    assert_eq!(counts(&three([of_two; 3])), [(Check::Overlap, 1)]);
    for generous in 0..3 {
        let mut kinds = [of_two; 3];
        kinds[generous] = Kind::permits(3);
        assert_eq!(counts(&three(kinds)), []);
        kinds[generous] = Kind::permits(3).with_weight(2);
        assert!(!counts(&three(kinds)).is_empty(), "four of three");
    }
    let mut history = three([of_two; 3]);
    history.processes[0].stopped = vec![Still { from: 110 * MS, to: 295 * MS }];
    assert_eq!((counts(&history), judge(&history).excused.len()), (vec![], 1), "one of them was late in leaving");
    history.processes[2].stopped = std::mem::take(&mut history.processes[0].stopped);
    assert_eq!(counts(&history), [(Check::Overlap, 1)], "the last one came by itself");
}

#[test]
fn other_keys_are_no_company() {
    let mut other = held(1, 11, 150, 250);
    other.key = 2;
    assert_eq!(counts(&history(vec![held(0, 10, 100, 200), other])), []);
}

#[test]
fn a_stopped_process_may_be_late_by_as_long_as_it_stood() {
    let mut history = history(vec![held(0, 10, 100, 900), held(1, 11, 500, 600)]);
    history.processes[0].stopped = vec![Still { from: 110 * MS, to: 890 * MS }];
    let judged = judge(&history);
    assert_eq!(judged.findings, [], "10 ms after it woke up it is gone");
    assert_eq!(judged.excused.len(), 1);

    history.processes[0].stopped = vec![Still { from: 110 * MS, to: 880 * MS }];
    assert_eq!(counts(&history), [(Check::Overlap, 1)], "20 ms after it woke up it was still there");
    history.processes[0].stopped = vec![Still { from: 110 * MS, to: 450 * MS }];
    assert_eq!(counts(&history), [(Check::Overlap, 1)], "it was awake long before the other came");
    history.processes[1].stopped = std::mem::take(&mut history.processes[0].stopped);
    assert_eq!(counts(&history), [(Check::Overlap, 1)], "somebody else stood still");
}

#[test]
fn a_step_that_takes_longer_than_the_margin_stood_still() {
    let mut late = held(0, 10, 100, 420);
    late.steps = vec![step(360, 418, 370)];
    assert_eq!(counts(&history(vec![late.clone(), held(1, 11, 400, 500)])), []);
    late.steps = vec![step(360, 370, 370)];
    assert_eq!(counts(&history(vec![late, held(1, 11, 400, 500)])), [(Check::Overlap, 1)]);
}

#[test]
fn a_killed_process_is_gone_and_an_endless_body_is_not() {
    let mut first = held(0, 10, 100, 200);
    (first.dropped, first.ended) = (None, None);
    let mut history = history(vec![first, held(1, 11, 500, 600)]);
    assert_eq!(counts(&history), [(Check::Overlap, 1), (Check::Unended, 2)]);
    history.processes[0].killed = Some(150 * MS);
    assert_eq!(counts(&history), []);
    history.processes[0].killed = Some(550 * MS);
    assert_eq!(counts(&history), [(Check::Overlap, 1)]);
}

#[test]
fn broken_assumptions_explain_an_overlap_by_the_fault_before_it() {
    let mut history = history(vec![held(0, 10, 100, 200), held(1, 11, 199, 300)]);
    history.intact = false;
    let planted = |fault, from| Planted { fault, worker: None, from: from * MS, to: from * MS };
    history.faults = vec![
        planted(Fault::Stranger, 120),
        planted(Fault::FlushAll, 150),
        planted(Fault::ScriptFlush, 160),
        planted(Fault::DeleteKey, 250),
    ];
    let judged = judge(&history);
    assert_eq!(judged.findings, []);
    assert_eq!(judged.caused.len(), 1);
    assert_eq!((judged.caused[0].0.lasted, judged.caused[0].1), (MS, Some(Fault::FlushAll)));
}

#[test]
fn fences_grow_in_the_order_of_the_grants() {
    let history = history(vec![held(0, 11, 100, 200), held(1, 10, 200, 300)]);
    assert_eq!(counts(&history), [(Check::FenceRegression, 1)]);
}

#[test]
fn fences_of_a_set_grow_against_exclusive_ones_alone() {
    let shared = |call| of(Kind::Shared, call);
    let in_disorder = vec![shared(held(0, 12, 100, 200)), shared(held(1, 11, 120, 210)), held(2, 13, 220, 300)];
    assert_eq!(counts(&history(in_disorder.clone())), []);
    let mut history = history(in_disorder);
    history.calls[2] = held(2, 12, 220, 300);
    assert_eq!(counts(&history), [(Check::FenceRegression, 1)], "none is there twice");
    let exclusive_behind = vec![shared(held(0, 12, 100, 200)), held(1, 11, 200, 300)];
    assert_eq!(counts(&History { calls: exclusive_behind, ..history.clone() }), [(Check::FenceRegression, 1)]);
    let shared_behind = vec![held(0, 12, 100, 200), shared(held(1, 11, 200, 300))];
    assert_eq!(counts(&History { calls: shared_behind, ..history }), [(Check::FenceRegression, 1)]);
}

#[test]
fn a_fence_is_there_once() {
    let mut history = history(vec![held(0, 10, 100, 200), held(1, 10, 200, 300)]);
    assert_eq!(counts(&history), [(Check::FenceRegression, 1)]);
    history.intact = false;
    assert_eq!(counts(&history), [(Check::FenceRegression, 1)]);
}

#[test]
fn fences_grow_over_phases() {
    let mut history = history(vec![held(0, 10, 100, 200)]);
    let before = |exclusive, any| Fences { exclusive, any };
    history.fences_before.insert(1, before(9, 9));
    assert_eq!(counts(&history), []);
    history.fences_before.insert(1, before(9, 10));
    assert_eq!(counts(&history), [(Check::FenceRegression, 1)]);
    history.calls[0].kind = Kind::Shared;
    assert_eq!(counts(&history), [], "of those who share there is no order");
    history.fences_before.insert(1, before(10, 10));
    assert_eq!(counts(&history), [(Check::FenceRegression, 1)]);
}

#[test]
fn without_assumptions_only_a_certain_order_counts() {
    // The second was asked for, and may have been granted, when the first had not begun.
    let mut second = held(1, 10, 110, 300);
    second.tried = 50 * MS;
    let mut history = history(vec![held(0, 11, 100, 400), second]);
    history.intact = false;
    assert_eq!(counts(&history), []);
    history.calls[1] = held(1, 10, 200, 300);
    assert_eq!(counts(&history), [(Check::FenceRegression, 1)]);
}

#[test]
fn a_step_begins_before_the_deadline() {
    let with_step = |was_held, deadline| {
        let mut call = held(0, 10, 100, 400);
        let mut late = step(380, 381, deadline);
        late.start.was_held = was_held;
        late.start.entered = 379 * MS;
        call.steps.push(late);
        history(vec![call])
    };
    assert_eq!(counts(&with_step(Some(true), 500)), []);
    assert_eq!(counts(&with_step(Some(false), 0)), [(Check::LatePoll, 1)]);
    assert_eq!(counts(&with_step(Some(false), 380)), [(Check::LatePoll, 1)]);
    assert_eq!(counts(&with_step(None, 0)), [(Check::LatePoll, 1)]);
    let between = with_step(Some(true), 0);
    assert_eq!((counts(&between).len(), judge(&between).excused.len()), (0, 1), "the look came before the deadline");
    let mut first = with_step(None, 0);
    first.processes[0].stopped = vec![Still { from: 379 * MS, to: 380 * MS }];
    assert_eq!(counts(&first), [], "stopped between the look and the step");
}

#[test]
fn a_fenced_register_lets_in_the_newest() {
    let calls = vec![held(0, 10, 100, 200), held(1, 11, 200, 300)];
    let mut history = history(calls);
    let write = |at, fence, accepted| deed(at, fence, Act::Fenced { accepted });
    history.deeds = vec![write(110, 10, true), write(210, 11, true), write(220, 10, false), write(230, 11, true)];
    assert_eq!(counts(&history), []);
    history.deeds[2] = write(220, 10, true);
    assert_eq!(counts(&history), [(Check::WrongWriter, 1)], "it went backwards");
    history.deeds = vec![write(110, 10, false)];
    assert_eq!(counts(&history), [(Check::WrongWriter, 1)], "nobody was newer");
}

#[test]
fn who_looks_at_a_fenced_register_is_told_of_later_writers_and_raises_nothing() {
    let calls = vec![of(Kind::Shared, held(0, 10, 100, 200)), held(1, 11, 200, 300), held(2, 12, 300, 400)];
    let mut history = history(calls);
    let write = |at, fence| deed(at, fence, Act::Fenced { accepted: true });
    let look = |at, fence, accepted| deed(at, fence, Act::Looked { accepted });
    history.deeds =
        vec![look(110, 10, true), look(205, 12, true), write(210, 11), look(220, 10, false), write(310, 12)];
    assert_eq!(counts(&history), [], "nobody wrote by the fence that looked");
    history.deeds = vec![write(210, 11), look(220, 10, true)];
    assert_eq!(counts(&history), [(Check::WrongWriter, 1)], "it is late");
    history.deeds = vec![look(110, 10, false)];
    assert_eq!(counts(&history), [(Check::WrongWriter, 1)], "nobody was newer");
}

#[test]
fn a_fenced_register_that_follows_wrong_fences_is_seen() {
    let calls = vec![held(0, 11, 100, 200), held(1, 10, 200, 300)];
    let mut history = history(calls);
    let write = |at, fence, accepted| deed(at, fence, Act::Fenced { accepted });
    history.deeds = vec![write(110, 11, true), write(210, 10, false)];
    assert_eq!(
        counts(&history),
        [(Check::FenceRegression, 1), (Check::WrongWriter, 1)],
        "the rightful one is kept out"
    );
    history.deeds = vec![write(210, 10, true), write(220, 11, true)];
    assert_eq!(counts(&history), [(Check::FenceRegression, 1), (Check::WrongWriter, 1)], "its predecessor got in");
}

#[test]
fn an_overwritten_increment_is_lost() {
    let mut history = history(vec![held(0, 10, 100, 200), held(1, 11, 200, 300)]);
    let read = |at, fence, value| deed(at, fence, Act::Read { value });
    let write = |at, fence, value, found| deed(at, fence, Act::Write { value, found });
    history.deeds = vec![read(110, 10, 0), write(120, 10, 1, 0), read(210, 11, 1), write(220, 11, 2, 1)];
    assert_eq!(counts(&history), []);
    history.deeds = vec![read(110, 10, 0), read(201, 11, 0), write(201, 11, 1, 0), write(202, 10, 1, 1)];
    history.calls[0].steps.push(step(190, 203, 370));
    history.processes[0].stopped = vec![Still { from: 195 * MS, to: 200 * MS }];
    assert_eq!(counts(&history), [(Check::LostUpdate, 1)], "the step was not too long");
    history.calls[0].steps[1] = step(180, 203, 370);
    assert_eq!(counts(&history), [], "stopped in the middle of the step");
    assert_eq!(judge(&history).excused[0].1, Excuse::Stopped);
    history.processes[0].stopped.clear();
    assert_eq!(judge(&history).excused[0].1, Excuse::Starved);
}

#[test]
fn a_late_write_of_a_stopped_process_is_excused_for_those_it_hurts() {
    let mut history = history(vec![held(0, 10, 100, 200), held(1, 11, 200, 300)]);
    history.calls[0].steps.push(step(150, 199, 370));
    let read = |at, fence, value| deed(at, fence, Act::Read { value });
    let write = |at, fence, value, found| deed(at, fence, Act::Write { value, found });
    history.deeds = vec![read(110, 10, 5), read(191, 11, 5), write(195, 10, 6, 5), write(205, 11, 6, 6)];
    assert_eq!(counts(&history), [], "its step was longer than the margin");
    history.calls[0].steps[1] = step(190, 199, 370);
    assert_eq!(counts(&history), [(Check::LostUpdate, 1)]);
}

#[test]
fn a_loss_is_told_when_the_body_is_gone() {
    let mut call = held(0, 10, 100, 200);
    call.lost = Some((201 * MS, "Expired".into()));
    assert_eq!(counts(&history(vec![call.clone()])), []);
    call.lost = Some((199 * MS, "Expired".into()));
    assert_eq!(counts(&history(vec![call.clone()])), [(Check::Unended, 1)]);
    call.dropped = None;
    assert_eq!(counts(&history(vec![call])), [(Check::Unended, 2)]);
}

#[test]
fn what_was_seen_live_counts() {
    let mut history = history(Vec::new());
    let kinds = [SeenKind::StuckKey { key: 1, until: 2 }, SeenKind::StuckWorker, SeenKind::StrayKey];
    history.seen = kinds.map(|kind| Seen { at: 1, kind, what: String::new() }).to_vec();
    assert_eq!(counts(&history), [(Check::StuckKey, 1), (Check::StuckWaiter, 1), (Check::StrayKey, 1)]);
}
