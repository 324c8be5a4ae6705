//! Very many waiters of one process, each for a key of its own that another process holds.

use super::*;

/// For how long the store says that each key is held.
const HELD_FOR: Duration = TTL;

/// So many waiters in the store's queues, which arrived within a tenth of a second.
fn crowd(waiters: u64) -> (Story, Vec<CallId>) {
    let mut story = Story::new();
    let mut ids = Vec::new();
    for n in 0..waiters {
        let (id, sent) = story.ask(&format!("job:{n}"), terms(Wait::Forever));
        story.taken(id, sent);
        assert!(matches!(story.next(id), Step::Send(AcquireRequest::Enqueue(_))));
        found_held(&mut story, id);
        ids.push(id);
        story.pass(ms(100) / u32::try_from(waiters).expect("few"));
    }
    (story, ids)
}

/// The look that was sent just now found the key held.
fn found_held(story: &mut Story, id: CallId) {
    let (now, clock) = (story.now, clock(story.now));
    story.answer(id, now, Ok(Acquired::Held { for_at_most: Some(HELD_FOR), queued_at: Some(clock) }));
}

/// The looks of this period: when, and how long each asked the store to keep its queue.
fn looks_within(story: &mut Story, time: Duration) -> Vec<(CallId, Moment, Option<Duration>)> {
    let (mut looks, end) = (Vec::new(), story.now + time);
    while story.client.next_due() <= end {
        for job in story.next_work() {
            match job {
                Sent::Ask(id, AcquireRequest::Enqueue(look), _) => {
                    found_held(story, id);
                    looks.push((id, story.now, look.entry.lasts));
                }
                Sent::Release(id, ..) => story.released(id, KEEPER, Ok(Released::NotOurs)),
                other => panic!("{other:?}"),
            }
        }
    }
    story.now = end;
    looks
}

#[test]
fn each_of_a_thousand_and_more_looks_within_its_period_and_all_together_no_more_than_500_times_a_second() {
    for waiters in [1000, 3000] {
        let period = Duration::from_secs(waiters / 500);
        let (mut story, ids) = crowd(waiters);
        let begun = story.now;
        let looks = looks_within(&mut story, period * 6);
        let mut last: HashMap<CallId, Moment> = ids.iter().map(|&id| (id, begun)).collect();
        for &(id, at, _) in &looks {
            let gap = at.since(last.insert(id, at).expect("it came"));
            assert!(gap <= period * 5 / 4 + ms(1000), "{waiters} waiters: one did not look for {gap:?}");
        }
        for (id, at) in last {
            assert!(story.now.since(at) <= period * 5 / 4 + ms(1000), "{waiters} waiters: {id:?} never looked again");
        }
        for window in looks.windows(1001) {
            let (from, to) = (window[0].1, window[1000].1);
            assert!(to.since(from) >= ms(990), "a thousand looks in {:?}", to.since(from));
        }
    }
}

#[test]
fn a_queue_outlasts_three_periods_of_those_who_stand_in_it() {
    let (mut story, _) = crowd(6000);
    let looks = looks_within(&mut story, Duration::from_secs(15));
    assert!(looks.iter().all(|(_, _, lasts)| *lasts == Some(Duration::from_secs(36))), "{:?}", looks.first());
    let (mut story, _) = crowd(600);
    let looks = looks_within(&mut story, Duration::from_secs(3));
    assert!(!looks.is_empty() && looks.iter().all(|(_, _, lasts)| lasts.is_none()), "{:?}", looks.first());
}

#[test]
fn whoever_leaves_a_crowd_makes_it_smaller() {
    let (mut story, ids) = crowd(3000);
    for &id in &ids[10..] {
        story.cancelled(id);
    }
    for job in story.work() {
        if let Sent::Release(id, _, _) = job {
            story.released(id, KEEPER, Ok(Released::NotOurs));
        }
    }
    while story.client.next_due() <= story.now {
        for job in story.work() {
            let Sent::Release(id, _, _) = job else { panic!("{job:?}") };
            story.released(id, KEEPER, Ok(Released::NotOurs));
        }
    }
    looks_within(&mut story, Duration::from_secs(8));
    let looks = looks_within(&mut story, Duration::from_secs(10));
    assert!((80..=110).contains(&looks.len()), "ten waiters looked {} times in ten seconds", looks.len());
}

#[test]
fn a_call_that_does_not_wait_is_refused_by_what_is_news_and_asks_for_it_else() {
    let (mut story, ids) = crowd(3000);
    assert!(matches!(story.arrive("job:2999", no_wait()), Err(Refusal::Busy { .. })), "it was told just now");
    let looks = looks_within(&mut story, ms(1251));
    let has_looked = |id: &CallId| looks.iter().any(|(looked, ..)| looked == id);
    let silent = ids.iter().position(|id| !has_looked(id)).expect("a period is longer than that");
    let stale = story.arrive(&format!("job:{silent}"), no_wait()).expect("nobody asked for a while whether it is held");
    let jobs = story.work();
    assert!(jobs.iter().any(|job| matches!(job, Sent::Ask(id, ..) if *id == ids[silent])), "{jobs:?}");
    found_held(&mut story, ids[silent]);
    assert!(matches!(story.next(stale), Step::Refused(Refusal::Busy { .. })));
}

#[test]
fn a_crowd_that_comes_within_one_round_trip_looks_before_its_queues_are_gone() {
    let mut story = Story::new();
    let came: Vec<_> = (0..6000)
        .map(|n| {
            let (id, sent) = story.ask(&format!("job:{n}"), terms(Wait::Forever));
            story.taken(id, sent);
            let Step::Send(AcquireRequest::Enqueue(look)) = story.next(id) else { panic!("it queues") };
            (id, story.now, look.entry.lasts.unwrap_or(Duration::from_secs(30)))
        })
        .collect();
    story.pass(ms(150));
    for &(id, sent, _) in &came {
        story.answer(id, sent, Ok(Acquired::Held { for_at_most: Some(HELD_FOR), queued_at: Some(clock(sent)) }));
    }
    let begun = story.now;
    let mut looks = HashMap::new();
    for (id, at, _) in looks_within(&mut story, Duration::from_secs(40)) {
        looks.entry(id).or_insert(at);
    }
    for (id, _, lasts) in came {
        let gap = looks[&id].since(begun);
        assert!(gap < lasts, "one looks after {gap:?}, and its queue lasts {lasts:?}");
    }
}

#[test]
fn whoever_would_give_up_without_news_looks_once_more_before() {
    let (mut story, _) = crowd(6000);
    let wait = Duration::from_secs(9);
    let (id, sent) = story.ask("mine", terms(Wait::AtMost(wait)));
    let arrived = story.now;
    story.taken(id, sent);
    assert!(matches!(story.next(id), Step::Send(AcquireRequest::Enqueue(_))));
    // Its holder is dead: the key expires in two seconds, and no message says so.
    let clock = clock(story.now);
    story.answer(id, story.now, Ok(Acquired::Held { for_at_most: Some(ms(2000)), queued_at: Some(clock) }));
    let looks = looks_within(&mut story, wait.saturating_sub(ms(1)));
    let last = looks.iter().rev().find(|(looked, ..)| *looked == id).expect("it looks");
    assert!(last.1.since(arrived) >= ms(7700), "news of {:?} before the end", (arrived + wait).since(last.1));
    story.pass(ms(2));
    looks_within(&mut story, Duration::ZERO);
    assert!(matches!(story.next(id), Step::Refused(Refusal::Busy { .. })));
}

#[test]
fn whoever_would_have_heard_over_a_session_that_is_gone_is_elsewhere_at_once() {
    let mut story = Story::new();
    let listener = ListenerId::from_bits(77);
    let here = Some(Via { session: HERE, listener: Some(listener) });
    let mut waiters = Vec::new();
    for n in 0..2000 {
        let id = story.arrive(&format!("job:{n}"), terms(Wait::Forever)).expect("it waits");
        let Step::Send(AcquireRequest::Ask(ask)) = story.client.next(story.now, id, here) else { panic!("it may ask") };
        let held = |for_at_most, queued_at| Ok(Acquired::Held { for_at_most, queued_at });
        story.client.answered(story.now, id, ask.token, story.now, held(None, None));
        let Step::Send(AcquireRequest::Enqueue(look)) = story.client.next(story.now, id, here) else {
            panic!("it queues")
        };
        assert_eq!(look.entry.listener, listener);
        story.client.answered(story.now, id, ask.token, story.now, held(Some(HELD_FOR), Some(clock(story.now))));
        waiters.push(id);
    }
    story.pass(ms(500));
    story.client.session_gone(story.now, HERE);
    story.woken();
    while story.client.next_due() <= story.now {
        for job in story.work() {
            match job {
                Sent::Ask(id, _, HERE) => story.client.cut_off(story.now, id),
                Sent::Release(id, ..) => story.released(id, KEEPER, Ok(Released::NotOurs)),
                other => panic!("{other:?}"),
            }
            story.collect_actions();
        }
    }
    let woken: std::collections::HashSet<u32> = story.woken().into_iter().collect();
    assert_eq!(woken.len(), 2000, "each asks again, under another name");
    for id in waiters {
        assert!(matches!(story.next(id), Step::Send(AcquireRequest::Enqueue(_))));
    }
}
