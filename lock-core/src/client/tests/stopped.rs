//! A process that was stopped for a while, and finds very much due at once.

use super::*;

/// A neighbour's lease has ended meanwhile, and so have the waits of those behind it.
fn stopped_behind_a_neighbour() -> (Story, CallId, CallId) {
    let mut story = Story::new();
    let holder = story.hold("a", no_wait());
    story.pass(ms(1000));
    let waiter = story.arrive("a", terms(Wait::AtMost(ms(5000)))).expect("it waits");
    story.pass(Duration::from_secs(60));
    (story, holder, waiter)
}

#[test]
fn whoever_gave_up_behind_a_neighbour_hears_that_the_key_was_busy() {
    let (mut story, _, waiter) = stopped_behind_a_neighbour();
    let jobs = story.work();
    assert_eq!(story.lost, [(0, LossReason::Expired)]);
    assert!(matches!(story.next(waiter), Step::Refused(Refusal::Busy { .. })));
    assert!(jobs.is_empty(), "nobody wants the key any more: {jobs:?}");
}

#[test]
fn it_hears_so_too_if_the_holders_task_was_faster_than_the_keeper() {
    let (mut story, holder, waiter) = stopped_behind_a_neighbour();
    assert_eq!(story.client.lapsed(story.now, holder), Err(LossReason::Expired));
    story.work();
    assert!(matches!(story.next(waiter), Step::Refused(Refusal::Busy { .. })));
}

/// Waiters whose time is over, behind holders of these keys.
fn over(story: &mut Story, keys: &[&str], waiters: usize) -> Vec<CallId> {
    let mut ids = Vec::new();
    for key in keys {
        story.hold(key, terms(Wait::Forever));
        ids.extend((0..waiters).map(|_| story.arrive(key, terms(Wait::AtMost(ms(1000)))).expect("it waits")));
    }
    story.pass(ms(1001));
    story.woken();
    ids
}

#[test]
fn a_round_serves_so_many_calls_at_most_whatever_their_keys() {
    let mut story = Story::new();
    let ids = over(&mut story, &["a", "b"], MOST_PER_ROUND);
    story.work();
    assert_eq!(story.woken().len(), MOST_PER_ROUND);
    assert!(story.client.next_due() <= story.now, "the rest stays due");
    story.work();
    assert_eq!(story.woken().len(), MOST_PER_ROUND);
    for id in ids {
        assert!(matches!(story.next(id), Step::Refused(Refusal::Busy { .. })));
    }
}

#[test]
fn a_round_sends_so_many_releases_at_most_whatever_their_key() {
    let mut story = Story::new();
    let lost = |story: &mut Story| {
        let id = story.hold("a", no_wait());
        story.renewed(id, story.now, Ok(Renewed::NotOurs));
        id
    };
    let ids: Vec<_> = (0..=MOST_PER_ROUND).map(|_| lost(&mut story)).collect();
    for id in ids {
        story.end(id, None);
    }
    assert_eq!(story.work().len(), MOST_PER_ROUND);
    assert_eq!(story.work().len(), 1);
}
