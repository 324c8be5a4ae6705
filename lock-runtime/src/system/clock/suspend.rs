//! The machine is suspended: this crate's clock goes on, and no timer does.
//!
//! Must stay true: a test that suspends the machine runs in its own process, because all others would be suspended with
//! it.

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use crate::store::MemoryStore;
use crate::{Client, LockError, LossReason, Released};

static SLEPT: AtomicU64 = AtomicU64::new(0);

/// How long the machine was suspended.
pub(super) fn slept() -> Duration {
    Duration::from_nanos(SLEPT.load(Ordering::SeqCst))
}

fn sleep(duration: Duration) {
    SLEPT.fetch_add(u64::try_from(duration.as_nanos()).expect("centuries"), Ordering::SeqCst);
}

const TTL: Duration = Duration::from_secs(30);
/// So long that nothing expires by itself.
const LONG: Duration = Duration::from_secs(3600);

/// Tests that run in their own process, on a current-thread runtime.
macro_rules! alone {
    ($($(#[$attribute:meta])* async fn $name:ident() $body:block)*) => {$(
        $(#[$attribute])*
        #[test]
        fn $name() {
            let path = concat!(module_path!(), "::", stringify!($name));
            if is_alone(path.split_once("::").expect("the crate's name").1) {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(async { $body });
            }
        }
    )*};
}

/// Whether this process is for this test alone; if not, such a process has passed it.
fn is_alone(test: &str) -> bool {
    const ALONE: &str = "LOCK_RUNTIME_TEST_ALONE";
    if std::env::var_os(ALONE).is_some_and(|name| name == test) {
        return true;
    }
    let binary = std::env::current_exe().expect("this binary");
    let run = Command::new(binary).args(["--exact", test]).env(ALONE, test).output().expect("a process");
    let told = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && told.contains("1 passed"), "{told}{}", String::from_utf8_lossy(&run.stderr));
    false
}

async fn client(store: &MemoryStore) -> Client {
    Client::builder().connect_store(store.clone()).await.expect("memory is always there")
}

/// A body that sleeps for so long in its first step and ends in its second.
async fn body_that_sleeps(duration: Duration) -> (Result<(), LockError>, u32) {
    let mut steps = 0;
    let body = std::future::poll_fn(|context| {
        steps += 1;
        if steps > 1 {
            return Poll::Ready(());
        }
        sleep(duration);
        context.waker().wake_by_ref();
        Poll::Pending
    });
    let client = client(&MemoryStore::new()).await;
    let outcome = client.lock("a").ttl(TTL).renew(false).run(body).await;
    (outcome, steps)
}

/// Makes the keeper look, because this is due before anything else.
async fn rouse_the_keeper(client: &Client) {
    let guard = client.lock("something else").ttl(Duration::from_secs(1)).acquire().await.expect("a free lock");
    drop(guard);
}

alone! {
    async fn a_body_that_slept_past_its_deadline_does_not_start_another_step() {
        let (outcome, steps) = body_that_sleeps(TTL).await;
        assert!(matches!(outcome, Err(LockError::Lost { reason: LossReason::Expired, .. })), "{outcome:?}");
        assert_eq!(steps, 1);
    }

    /// The deadline comes a little before the end of the ttl, and it is what counts.
    async fn a_body_that_slept_almost_to_the_end_of_its_ttl_does_not_either() {
        let (outcome, steps) = body_that_sleeps(TTL * 99 / 100).await;
        assert!(matches!(outcome, Err(LockError::Lost { reason: LossReason::Expired, .. })), "{outcome:?}");
        assert_eq!(steps, 1);
    }

    async fn a_body_that_slept_for_less_than_was_left_goes_on() {
        let (outcome, steps) = body_that_sleeps(TTL / 2).await;
        assert!(outcome.is_ok(), "{outcome:?}");
        assert_eq!(steps, 2);
    }

    async fn a_guard_knows_that_it_slept_too_long() {
        let store = MemoryStore::new();
        let (ours, theirs) = (client(&store).await, client(&store).await);
        // Not renewed, because the keeper may look at any time.
        let guard = ours.lock("a").ttl(TTL).renew(false).acquire().await.expect("a free lock");
        sleep(TTL / 2);
        assert!(guard.is_held() && guard.remaining() < TTL / 2);
        assert!(theirs.lock("a").acquire().await.is_err());
        sleep(TTL / 2);
        assert!(!guard.is_held() && guard.remaining().is_zero());
        let next = theirs.lock("a").acquire().await.expect("a lock that is free again");
        assert!(next.fence() > guard.fence());
        assert!(matches!(guard.release().await, Ok(Released::NotOurs) | Err(LockError::Lost { .. })));
        assert!(next.is_held());
    }

    async fn a_wait_that_the_machine_slept_through_ends_as_soon_as_the_keeper_looks() {
        let client = client(&MemoryStore::new()).await;
        let guard = client.lock("a").ttl(LONG).acquire().await.expect("a free lock");
        let mut waiting = std::pin::pin!(client.lock("a").wait(TTL).acquire());
        assert!(futures::poll!(&mut waiting).is_pending());
        sleep(TTL);
        rouse_the_keeper(&client).await;
        match waiting.await {
            Err(LockError::Busy { waited, .. }) => assert!(waited >= TTL, "{waited:?}"),
            other => panic!("a wait that was over came to {other:?}"),
        }
        assert!(guard.is_held());
    }

    async fn a_body_that_nobody_polls_is_dropped_as_soon_as_the_keeper_looks() {
        let client = client(&MemoryStore::new()).await;
        let body = client.lock("a").ttl(TTL).run(std::future::pending::<()>());
        let mut body = std::pin::pin!(body);
        assert!(futures::poll!(&mut body).is_pending());
        sleep(TTL);
        rouse_the_keeper(&client).await;
        let outcome = body.await;
        assert!(matches!(outcome, Err(LockError::Lost { reason: LossReason::Expired, .. })), "{outcome:?}");
    }

    async fn the_keeper_renews_as_ever_after_a_short_sleep_and_a_long_one() {
        let client = client(&MemoryStore::new()).await;
        sleep(LONG);
        let guard = client.lock("a").ttl(TTL).acquire().await.expect("a free lock");
        for _ in 0..5 {
            sleep(TTL / 2);
            let left = guard.remaining();
            rouse_the_keeper(&client).await;
            let renewed = async {
                // Nothing tells of a renewal.
                while guard.remaining() <= left {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(10), renewed).await.expect("a renewal");
        }
        assert!(guard.is_held());
    }
}
