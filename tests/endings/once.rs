//! What has succeeded is not done again for a while: what is a success, who is told, and what leaves it open.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use futures::FutureExt as _;
use lock_runtime::{Client, LockError, LossReason, OptionFault, Outcome, Released, distributed_lock};
use lock_tests::on_every_store;

use crate::{SOON, connect};

const KEY: &str = "report:2026-11-29";
const HOUR: Duration = Duration::from_secs(3600);

#[distributed_lock(key = KEY, once = "1h", client = client)]
async fn report(
    client: &Client,
    paper: Result<u32, &'static str>,
) -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
    Ok(paper?)
}

#[distributed_lock(key = KEY, once = HOUR, on_busy = "skip", client = client)]
async fn report_or_skip(client: &Client) -> Result<Option<u32>, LockError> {
    Ok(Some(7))
}

/// Says by itself whether it is a success.
#[derive(Debug, PartialEq)]
enum Sent {
    All,
    Some,
    Nothing,
}

impl Outcome for Sent {
    fn succeeded(&self) -> bool {
        *self == Self::All
    }
}

#[distributed_lock(key = "send", once = "1h", client = client, or_else = |_| Sent::Nothing)]
async fn send(client: &Client, all: bool) -> Sent {
    if all { Sent::All } else { Sent::Some }
}

/// Says nothing of success.
#[derive(Debug)]
struct Mute(bool);

#[distributed_lock(key = "mute", once = "1h", client = client, or_else = |_| Mute(false))]
async fn mute(client: &Client) -> Mute {
    Mute(true)
}

#[distributed_lock(key = "generic", once = "1h", client = client)]
async fn generic<T: ToString>(client: &Client, value: T) -> Result<impl AsRef<str> + std::fmt::Debug, LockError> {
    Ok(value.to_string())
}

fn panics() {
    panic!("a body that panics");
}

async fn done(client: &Client, key: &str) -> Duration {
    match client.lock(key).await {
        Err(LockError::Done { again_in, key: told, .. }) if told.as_str() == key => again_in,
        other => panic!("it is not done: {other:?}"),
    }
}

async fn open(client: &Client, key: &str) {
    client.lock(key).await.unwrap_or_else(|error| panic!("it is open: {error}")).release().await.expect("it is there");
}

on_every_store! {
    async fn after_a_success_everybody_is_told_that_it_is_done_and_for_how_long(url: String) {
        let (client, other) = (connect(&url).await, connect(&url).await);
        assert_eq!(report(&client, Ok(3)).await.expect("free"), 3);
        for client in [&client, &other] {
            let error = report(client, Ok(4)).await.expect_err("it is done");
            assert!(matches!(error.downcast_ref(), Some(LockError::Done { .. })), "{error:?}");
            let again_in = done(client, KEY).await;
            assert!(again_in <= HOUR && again_in + SOON > HOUR, "{again_in:?}");
            assert!(client.lock(KEY).shared().await.is_err_and(|error| error.is_done()));
            assert_eq!(report_or_skip(client).await.expect("skipped"), None);
        }
        assert_eq!((client.stats().done, other.stats().done, other.stats().busy), (4, 4, 0));
    }

    async fn whoever_waits_is_told_at_once(url: String) {
        let (client, other) = (connect(&url).await, connect(&url).await);
        let guard = client.lock(KEY).once(HOUR).await.expect("free");
        let waits = |client: &Client| tokio::spawn(client.lock(KEY).wait_forever().acquire());
        let waiters = [waits(&client), waits(&client), waits(&other), waits(&other)];
        while client.stats().waiting < 2 || other.stats().waiting < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(guard.complete().await.expect("the store is there"), Released::Freed);
        for waiter in waiters {
            let told = tokio::time::timeout(SOON, waiter).await.expect("in time").expect("no panic");
            assert!(told.is_err_and(|error| error.is_done()));
        }
        let late = tokio::time::timeout(SOON, other.lock(KEY).wait_forever().acquire());
        assert!(late.await.expect("in time").is_err_and(|error| error.is_done()));
    }

    async fn a_failure_of_any_kind_leaves_it_open(url: String) {
        let client = connect(&url).await;
        report(&client, Err("no paper")).await.expect_err("no paper");
        open(&client, KEY).await;
        let request = || client.lock(KEY).once(HOUR);
        let panics = std::panic::AssertUnwindSafe(request().run(async { panics() }));
        assert!(panics.catch_unwind().await.is_err());
        open(&client, KEY).await;
        assert!(tokio::time::timeout(Duration::from_millis(50), request().run(pending::<()>())).await.is_err());
        client.lock(KEY).wait(SOON).await.expect("it is open").release().await.expect("the store is there");
        drop(request().await.expect("free"));
        open(&client, KEY).await;
        request().await.expect("free").release().await.expect("the store is there");
        open(&client, KEY).await;
        assert_eq!(report(&client, Ok(5)).await.expect("free"), 5);
        done(&client, KEY).await;
    }

    async fn a_panic_of_whoever_judges_is_that_of_the_body_and_leaves_it_open(url: String) {
        let client = connect(&url).await;
        let judged = client.lock(KEY).once(HOUR).succeeded_if(|_: &u32| panic!("in the judgement"));
        assert!(std::panic::AssertUnwindSafe(judged.run(async { 7 })).catch_unwind().await.is_err());
        open(&client, KEY).await;
    }

    async fn a_success_behind_a_loss_is_the_callers_and_leaves_it_open(url: String) {
        let client = connect(&url).await;
        let ttl = Duration::from_millis(100);
        let request = client.lock(KEY).once(HOUR).ttl(ttl).max_hold(ttl).continue_when_lost();
        let body = async {
            let reason = lock_runtime::current().expect("a lease").lost().await;
            assert_eq!(reason, LossReason::MaxHold);
            7
        };
        assert_eq!(request.run(body).await.expect("it ran on"), 7);
        drop(client.lock(KEY).wait(SOON).await.expect("it is open"));
    }

    async fn it_may_be_done_again_when_the_period_since_the_grant_is_over(url: String) {
        let client = connect(&url).await;
        let period = Duration::from_millis(400);
        let began = std::time::Instant::now();
        client.lock(KEY).once(period).run(tokio::time::sleep(period / 2)).await.expect("free");
        // Who waits for it is told; nothing else says when it is over.
        while let Err(error) = client.lock(KEY).once(period).run(async {}).await {
            let LockError::Done { again_in, .. } = error else { panic!("{error}") };
            assert!(again_in <= period / 2, "{again_in:?} of {period:?}");
            tokio::time::sleep(again_in).await;
        }
        assert!(began.elapsed() >= period && began.elapsed() < SOON, "{:?}", began.elapsed());
    }

    async fn a_body_that_outlasts_the_period_is_followed_at_once(url: String) {
        let client = connect(&url).await;
        let period = Duration::from_millis(50);
        client.lock(KEY).once(period).run(tokio::time::sleep(2 * period)).await.expect("free");
        open(&client, KEY).await;
    }

    async fn a_type_says_what_its_success_is_and_one_that_does_not_has_succeeded(url: String) {
        let client = connect(&url).await;
        assert_eq!(send(&client, false).await, Sent::Some);
        assert_eq!(send(&client, true).await, Sent::All);
        assert_eq!(send(&client, true).await, Sent::Nothing);
        assert!(mute(&client).await.0);
        assert!(!mute(&client).await.0);
        assert_eq!(generic(&client, 7).await.expect("free").as_ref(), "7");
        assert!(generic(&client, 7).await.is_err_and(|error| error.is_done()));
        let import = || client.lock("import").once(HOUR).succeeded_if(|rows: &u32| *rows > 0);
        assert_eq!(import().run(async { 0 }).await.expect("free"), 0);
        assert_eq!(import().run(async { 7 }).await.expect("it is open"), 7);
        done(&client, "import").await;
    }

    async fn a_guard_is_completed_by_hand_and_only_with_once(url: String) {
        let client = connect(&url).await;
        assert_eq!(client.lock(KEY).once(HOUR).await.expect("free").complete().await.expect("it is there"), Released::Freed);
        done(&client, KEY).await;
        let refused = client.lock("other").await.expect("free").complete().await;
        let fault = |error| matches!(error, LockError::InvalidOptions { fault: OptionFault::CompleteWithoutOnce, .. });
        assert!(refused.is_err_and(fault));
        drop(client.lock("other").wait(SOON).await.expect("it was released all the same"));
        let ttl = Duration::from_millis(50);
        let lost = client.lock("lost").once(HOUR).ttl(ttl).renew(false).await.expect("free");
        lost.lost().await;
        assert!(matches!(lost.complete().await, Err(LockError::Lost { reason: LossReason::Expired, .. })));
        drop(client.lock("lost").wait(SOON).await.expect("nobody has done it"));
    }

    async fn a_success_is_told_of_also_where_nobody_awaits_the_release(url: String) {
        let client = Client::builder().release_timeout(Duration::ZERO).connect(&url).await.expect("the store is there");
        report(&client, Ok(3)).await.expect("free");
        // The keeper may still be at it, and a call of this client goes behind that.
        done(&client, KEY).await;
    }

    async fn a_lock_with_once_stays_exclusive_and_its_own(url: String) {
        let client = connect(&url).await;
        let fault = |error: LockError| match error {
            LockError::InvalidOptions { fault, .. } => fault,
            other => panic!("{other}"),
        };
        let request = || client.lock(KEY).once(HOUR);
        assert_eq!(fault(request().shared().await.expect_err("it is refused")), OptionFault::OnceNeedsExclusive);
        assert_eq!(fault(request().permits(2).await.expect_err("it is refused")), OptionFault::OnceNeedsExclusive);
        assert_eq!(fault(request().join_held().run(async {}).await.expect_err("it is refused")), OptionFault::OnceThatJoins);
        assert_eq!(fault(client.lock(KEY).once(Duration::ZERO).await.expect_err("it is refused")), OptionFault::OnceTooShort);
        let guard = request().await.expect("free");
        assert_eq!(fault(guard.lease().downgrade().await.expect_err("it is refused")), OptionFault::DowngradeWithOnce);
        assert!(guard.is_held());
        guard.complete().await.expect("the store is there");
    }

    async fn a_candidate_waits_where_what_it_stands_for_is_done(url: String) {
        let client = connect(&url).await;
        client.lock("leader").once(Duration::from_millis(500)).run(async {}).await.expect("free");
        let elected = client.elect("leader").run(async |_| std::ops::ControlFlow::<Infallible>::Continue(()));
        // It never ends; that it does not end by what it was told is all there is to see.
        assert!(tokio::time::timeout(Duration::from_millis(100), elected).await.is_err());
    }
}
