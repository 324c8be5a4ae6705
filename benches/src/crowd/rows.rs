//! What is made of what was seen.

use std::time::Duration;

use serde_json::{Value, json};

use super::course::Course;
use super::steps::{LOOKS_A_SECOND, Steps};
use crate::plot::{Axis, Line, Plot, Scale};
use crate::report::Bound::AtMost;
use crate::report::{Row, Section, Target};
use crate::statistics::{Spread, percentile, percentiles};

const HEADINGS: [&str; 2] = ["20,000 waiters of one process", "their keys released"];
/// What is hoped for of the thread that looks, in percent of a core.
const KEEPER: f64 = 5.0;
/// How much later than it has to be a look may come, and an expired key be found.
const SLACK: Duration = Duration::from_secs(2);
/// What an ask may take before it counts as unanswered.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(5);
/// A first lease: who has its key later than that did not hear of its grant at once.
const FIRST_LEASE: Duration = Duration::from_secs(1);
/// How many calls of scripts for renewals there may be beside the looks, a second.
const RENEWALS: usize = 100;
/// What a waiter may send until it stands in line: `SET`, `INCR`, and a look by its hash are half of that.
const SENT: f64 = 1024.0;
/// How many failures are told; what is behind them is counted.
const TOLD: usize = 10;

/// The section of the report.
pub(super) fn section(steps: &Steps, seen: Result<Course, String>) -> Section {
    let (course, broken) = match seen {
        Ok(course) => (Some(course), None),
        Err(why) => (None, Some(why)),
    };
    let never = course.as_ref().filter(|course| course.never > 0);
    let never = never.map(|course| format!("crowd: {} waiters were never granted their keys", course.never));
    let failures = course.as_ref().map_or_else(Vec::new, |course| told(&course.failures));
    Section {
        name: "crowd",
        settings: settings(steps),
        rows: rows(steps, course.as_ref()),
        headings: &HEADINGS,
        notes: notes(steps),
        samples: course.as_ref().map_or(Value::Null, samples),
        plots: course.as_ref().map(plot).into_iter().collect(),
        failures: failures.into_iter().chain(broken.clone()).collect(),
        broken: broken.map(|why| format!("crowd: {why}")).or(never),
    }
}

fn told(failures: &[String]) -> Vec<String> {
    let more = failures.len().saturating_sub(TOLD);
    let more = (more > 0).then(|| format!("and {more} more"));
    failures.iter().take(TOLD).cloned().chain(more).collect()
}

fn settings(steps: &Steps) -> Vec<(&'static str, String)> {
    let Steps { waiters, orphans, ttl, settling, watched, measured, releasing, .. } = *steps;
    vec![
        ("runs", "one, at a server of its own".to_owned()),
        (
            "waiters",
            format!("{waiters} tasks of one process, for a key each, of one client, on a current-thread runtime"),
        ),
        ("holders", format!("two processes, one of which holds {orphans} keys and is killed; ttl {ttl:?}, renewed")),
        ("time", format!("{settling:?} to settle, {watched:?} watched, then {measured:?} measured")),
        ("releases", format!("one after the other, evenly over {releasing:?}")),
    ]
}

fn rows(steps: &Steps, course: Option<&Course>) -> Vec<Row> {
    let figure = |figure: fn(&Course) -> f64| vec![course.map(figure)];
    let row = |measure: &str, of: fn(&Course) -> f64| Row::new(steps.work, measure, figure(of));
    let most = |most: f64| Target::Ours(AtMost(most));
    let within = |time: Duration| most(nanos(time));
    let each = |of: fn(&Course) -> u64| move |seen: &Course| of(seen) as f64 / steps.waiters as f64;
    // A second's worth of them may be sent ahead.
    let looks = LOOKS_A_SECOND as f64 * (1.0 + 1.0 / steps.watched.as_secs_f64());
    let orphaned = steps.ttl + steps.longest_rest() + SLACK;
    let share = |of: fn(&Course) -> &[f64], share| vec![course.and_then(|course| percentile(of(course), share))];
    let orphans = |measure: &str, part| Row::new("a dead holder's keys", measure, share(|seen| &seen.orphaned, part));
    let released = |measure: &str, part| Row::new("releases", measure, share(|seen| &seen.released, part));
    vec![
        row("never granted", |seen| seen.never as f64).hoping(most(0.0), (0, "never granted")),
        row("until all stand in line", |seen| nanos(seen.enqueued)).in_time().aiming(within(OPERATION_TIMEOUT)),
        Row::new(steps.work, "bytes sent for each, until then", vec![course.map(each(|seen| seen.sent))])
            .aiming(most(SENT)),
        row("keeper's thread, % of a core", |seen| percent(seen, |used| used.keeper))
            .hoping(most(KEEPER), (0, "keeper % of a core")),
        row("whole process, % of a core", |seen| percent(seen, |used| used.process)).aiming(most(2.0 * KEEPER)),
        row("looks/s", |seen| seen.looks).hoping(most(looks), (0, "looks/s")),
        row("scripts/s, all processes", scripts_a_second).aiming(most((LOOKS_A_SECOND + RENEWALS) as f64)),
        row("longest without a look", |seen| nanos(seen.ages.oldest))
            .in_time()
            .hoping(within(steps.longest_rest() + SLACK), (0, "longest without a look")),
        row("queues that are gone", |seen| seen.ages.missing as f64).aiming(most(0.0)),
        Row::new(steps.work, "bytes kept for each", vec![course.map(each(|seen| seen.used.1.memory))]),
        Row::new(steps.work, "bytes for each at the most", vec![course.map(each(|seen| seen.used.1.most_memory))]),
        orphans("had after, median", 0.5).in_time().aiming(within(orphaned)),
        orphans("had after, worst", 1.0).in_time().hoping(within(orphaned), (0, "a dead holder's key had after")),
        released("release to grant, median", 0.5).in_time().against("a round trip", round_trip(course)),
        released("release to grant, 99 of 100", 0.99).in_time().hoping(within(FIRST_LEASE), (1, "99 of 100 after")),
        released("release to grant, worst", 1.0).in_time().hoping(within(FIRST_LEASE), (1, "the last after")),
        Row::new("releases", "first release to last grant", figure(|seen| nanos(seen.released_in)))
            .in_time()
            .hoping(within(steps.releasing + FIRST_LEASE), (1, "all within")),
    ]
}

fn round_trip(course: Option<&Course>) -> Vec<Option<f64>> {
    let trips: Vec<Option<f64>> = course.into_iter().flat_map(|seen| &seen.round_trips).copied().map(Some).collect();
    vec![Spread::of(&trips).map(|spread| spread.median)]
}

fn nanos(time: Duration) -> f64 {
    time.as_nanos() as f64
}

fn percent(course: &Course, of: fn(&super::waiter::Used) -> Duration) -> f64 {
    let (before, after) = &course.used;
    nanos(of(after).saturating_sub(of(before))) / (after.at - before.at).max(1) as f64 * 100.0
}

fn scripts_a_second(course: &Course) -> f64 {
    course.scripts as f64 * 1e9 / (course.used.1.at - course.used.0.at).max(1) as f64
}

fn plot(course: &Course) -> Plot {
    let released = percentiles(&course.released).into_iter().map(|(share, nanos)| (nanos / 1e6, share)).collect();
    Plot {
        name: "crowd-latency",
        title: "From a release to the grant, among very many waiters".to_owned(),
        x: Axis { label: "after [ms]", scale: Scale::Logarithmic },
        y: Axis { label: "share of the waiters", scale: Scale::Linear },
        lines: vec![Line { name: "ours".to_owned(), points: released }],
    }
}

fn samples(course: &Course) -> Value {
    let (before, after) = &course.used;
    json!({
        "used": [before, after], "scripts": course.scripts, "looks_a_second": course.looks,
        "orphaned": course.orphaned, "released": course.released, "round_trips": course.round_trips,
    })
}

fn notes(steps: &Steps) -> Vec<String> {
    vec![
        "A keeper that takes more of a core leaves less for renewals, which are what keeps locks; a waiter that does not \
         look within its period is one that a lost message or a dead holder leaves waiting."
            .to_owned(),
        format!(
            "Who is told of its grant looks only in case that a message is lost or a holder dies: every {:?}, which \
             grows with the number of waiters so that all together send {LOOKS_A_SECOND} a second, and up to a quarter \
             more. A second's worth of looks may go ahead of their time.",
            steps.period()
        ),
        "Bytes for each are resident memory above that with nobody waiting, the tasks included. Most were used in the \
         moment in which all asked at once; what is kept afterwards is for the greater part the allocator's."
            .to_owned(),
        "How long ago somebody looked is told by what is left of its queue's ttl, which every look renews.".to_owned(),
        "A dead holder's key is free when its ttl is over, and had by the next look of whoever waits for it.".to_owned(),
        "A first lease is a second: who is granted its key later than that after the release missed a message.".to_owned(),
        "The median stands beside a PING by a connection of its own, which is what a release and a message cost at least."
            .to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extent::Extent;

    #[test]
    fn it_fails_if_somebody_was_never_granted_its_key_or_it_could_not_be_run() {
        let section = |seen| section(&Steps::new(Extent::Short), seen);
        assert_eq!(section(Ok(Course::default())).broken, None);
        let broken = section(Ok(Course { never: 3, ..Course::default() })).broken;
        assert_eq!(broken.as_deref(), Some("crowd: 3 waiters were never granted their keys"));
        let broken = section(Err("a child said nothing".to_owned()));
        assert_eq!((broken.broken.as_deref(), broken.failures.len()), (Some("crowd: a child said nothing"), 1));
    }

    #[test]
    fn a_share_of_a_core_is_of_the_time_between() {
        let used =
            |at, keeper| super::super::waiter::Used { at, keeper: Duration::from_millis(keeper), ..<_>::default() };
        let course =
            Course { used: (used(1_000_000_000, 40), used(3_000_000_000, 140)), scripts: 30, ..<_>::default() };
        assert!((percent(&course, |used| used.keeper) - 5.0).abs() < 1e-9);
        assert!((scripts_a_second(&course) - 15.0).abs() < 1e-9);
    }

    #[test]
    fn many_failures_are_told_in_part() {
        let failures: Vec<String> = (0..12).map(|n| n.to_string()).collect();
        assert_eq!(told(&failures).len(), 11);
        assert_eq!(told(&failures).last().map(String::as_str), Some("and 2 more"));
        assert_eq!(told(&failures[..3]), failures[..3]);
    }
}
