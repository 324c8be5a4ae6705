use std::future::pending;
use std::time::Instant;

use futures::FutureExt as _;
use futures::executor::block_on;

use super::*;

fn client() -> Client {
    Client::connect_lazy("memory://").expect("memory needs no server")
}

/// Leads until it is dropped.
async fn leads_on(_term: Term) -> ControlFlow<()> {
    pending().await
}

#[test]
fn break_is_the_answer_and_the_lock_is_free_then() {
    let client = client();
    let election = client.elect("leader");
    let watch = election.watch();
    let inside = watch.clone();
    let led = block_on(election.run(async move |term| {
        assert!(inside.is_leader() && term.key().as_str() == "leader" && term.is_held());
        ControlFlow::Break(term.fence())
    }));
    assert!(led.expect("elected") > 0);
    assert!(!watch.is_leader());
    assert_eq!(client.stats().held, 0);
}

#[test]
fn a_candidate_may_change_what_it_has_taken_along_or_borrowed() {
    let (client, mut terms) = (client(), Vec::new());
    let answer = block_on(client.elect("leader").run(async |term| {
        terms.push(term.fence());
        if terms.len() < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break("twice") }
    }));
    assert_eq!(answer.expect("elected"), "twice");
    assert!(terms.len() == 2 && terms.is_sorted(), "each term has a number of its own: {terms:?}");
}

/// Without any runtime, so that nothing but the keeper can end the pause.
#[test]
fn terms_that_end_at_once_are_further_and_further_apart() {
    let (client, mut begun) = (client(), Vec::new());
    let answer = client.elect("leader").run(async |_term| {
        begun.push(Instant::now());
        if begun.len() < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    block_on(answer).expect("elected");
    let apart: Vec<Duration> = begun.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(apart[0] >= Duration::from_secs(1) && apart[1] >= Duration::from_secs(2), "{apart:?}");
}

#[test]
fn what_would_come_back_each_time_ends_it() {
    let client = client();
    let refused = block_on(client.elect("").run(leads_on));
    assert!(matches!(refused, Err(LockError::InvalidKey { .. })), "{refused:?}");
    let refused = block_on(client.elect("leader").ttl(Duration::ZERO).run(leads_on));
    assert!(matches!(refused, Err(LockError::InvalidOptions { .. })), "{refused:?}");
    let inside = block_on(client.lock("leader").run(client.elect("leader").run(leads_on))).expect("free");
    assert!(matches!(inside, Err(LockError::AlreadyHeld { .. })), "{inside:?}");
    block_on(client.shutdown(Duration::ZERO));
    let refused = block_on(client.elect("leader").run(leads_on));
    assert!(matches!(refused, Err(LockError::ShuttingDown { .. })), "{refused:?}");
}

#[test]
fn a_shutdown_ends_a_candidate_that_waits_one_that_leads_and_one_that_pauses() {
    for begin in ["waits", "leads", "pauses"] {
        let client = client();
        let held = (begin == "waits").then(|| block_on(client.lock("leader").acquire()).expect("free"));
        let candidate = async |_term| if begin == "pauses" { ControlFlow::Continue(()) } else { pending().await };
        let mut standing = Box::pin(client.elect("leader").run(candidate));
        // For the release of the term.
        for _ in 0..3 {
            assert!((&mut standing).now_or_never().is_none(), "{begin}");
        }
        let (outcome, report) = block_on(futures::future::join(&mut standing, client.shutdown(Duration::ZERO)));
        let outcome: Result<(), LockError> = outcome;
        assert!(matches!(outcome, Err(LockError::ShuttingDown { .. })), "{begin}: {outcome:?}");
        assert_eq!(report.lost, usize::from(begin != "pauses"), "{begin}");
        drop(held);
    }
}

#[test]
fn who_resigns_stands_behind_all_who_wait() {
    let client = client();
    let (first, second) = (client.elect("leader"), client.elect("leader"));
    let (one, other) = (first.watch(), second.watch());
    let (mut first, mut second) = (Box::pin(first.run(leads_on)), Box::pin(second.run(leads_on)));
    let leaders = || (one.is_leader(), other.is_leader());
    let mut until = |expected| {
        for _ in 0..10_000 {
            assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
            assert_ne!(leaders(), (true, true));
            if leaders() == expected {
                return;
            }
            std::thread::yield_now();
        }
        panic!("not {expected:?}");
    };
    until((true, false));
    other.resign();
    until((true, false));
    one.resign();
    assert!(!one.is_leader(), "from the moment on");
    until((false, true));
    drop(second);
    until_leads(&one, &mut first);
}

fn until_leads(watch: &LeaderWatch, standing: &mut (impl Future + Unpin)) {
    // It may stand back for a second, as its first term was short.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !watch.is_leader() {
        assert!((&mut *standing).now_or_never().is_none() && Instant::now() < deadline);
        std::thread::yield_now();
    }
}

#[test]
fn a_watch_is_told_of_each_change_once_and_of_the_end() {
    let client = client();
    let election = client.elect("leader");
    let (mut watch, mut late) = (election.watch(), election.watch());
    let told = |watch: &mut LeaderWatch| watch.changed().now_or_never();
    assert_eq!(told(&mut watch), None);
    let mut standing = Box::pin(election.run(leads_on));
    assert!((&mut standing).now_or_never().is_none());
    assert_eq!((told(&mut watch), told(&mut watch)), (Some(Some(true)), None));
    let mut clone = watch.clone();
    assert_eq!((told(&mut clone), told(&mut late)), (None, Some(Some(true))));
    drop(standing);
    assert_eq!((told(&mut watch), told(&mut watch)), (Some(Some(false)), Some(None)));
    assert_eq!(told(&mut clone), Some(Some(false)));
    watch.resign();
    assert_eq!(block_on(late.changed()), Some(false));
    assert_eq!((block_on(late.changed()), late.is_leader()), (None, false));
}

#[test]
fn a_candidate_that_never_stands_is_told_of_too() {
    let client = client();
    let (election, unpolled) = (client.elect("leader"), client.elect("leader"));
    let (mut watch, mut other) = (election.watch(), unpolled.watch());
    drop(election);
    drop(unpolled.run(leads_on));
    assert_eq!((watch.changed().now_or_never(), other.changed().now_or_never()), (Some(None), Some(None)));
}

/// As it is when the machine or the task stands still.
#[test]
fn a_watch_is_told_of_a_deadline_that_passes_while_nobody_polls_the_candidate() {
    let client = client();
    let mut election = client.elect("leader").ttl(Duration::from_millis(50));
    election.request = election.request.renew(false);
    let mut watch = election.watch();
    let mut standing = Box::pin(election.run(leads_on));
    assert!((&mut standing).now_or_never().is_none());
    assert_eq!((block_on(watch.changed()), block_on(watch.changed())), (Some(true), Some(false)));
    assert!(!watch.is_leader());
}

#[test]
fn it_goes_anywhere() {
    fn goes_anywhere<T: Send + 'static>(_: T) {}
    let client = client();
    let (watch, owned) = (client.elect("leader").watch(), String::from("owned"));
    goes_anywhere(watch.clone());
    goes_anywhere(client.elect("leader"));
    goes_anywhere(client.elect("leader").run(leads_on));
    goes_anywhere(client.elect("leader").run(async |_| pending::<ControlFlow<()>>().await));
    goes_anywhere(client.elect("leader").run(|term: Term| async move { ControlFlow::Break(term.fence()) }));
    let (text, mut count) = (owned.clone(), 0);
    goes_anywhere(client.elect("leader").run(async move |term: Term| {
        count += text.len();
        term.lost().await;
        if count > 5 { ControlFlow::Break(text.clone()) } else { ControlFlow::Continue(()) }
    }));
    goes_anywhere(async move {
        let mut terms = 0;
        let candidate = async move |_term| {
            terms += 1;
            tokio::task::yield_now().await;
            ControlFlow::Break((terms, owned.len()))
        };
        client.elect("leader").run(candidate).await.map(|(terms, _)| terms)
    });
}
