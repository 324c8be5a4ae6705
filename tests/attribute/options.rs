//! Every option, on both sides.

use std::future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lock_runtime::{Client, LockError, LossReason, distributed_lock};
use tokio::time::{sleep, timeout};

use crate::{is_free, lease, memory};

/// Longer than anything that a test waits for.
const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn the_ttl_bounds_the_lease_and_the_client_has_a_default() {
    const TTL: Duration = Duration::from_secs(2);
    #[distributed_lock(key = "job", ttl = "2s")]
    async fn literal() -> Result<Duration, LockError> {
        Ok(lease().remaining())
    }
    #[distributed_lock(key = "job", ttl = TTL)]
    async fn constant() -> Result<Duration, LockError> {
        Ok(lease().remaining())
    }
    #[distributed_lock(key = "job")]
    async fn default() -> Result<Duration, LockError> {
        Ok(lease().remaining())
    }
    let client = memory().await;
    assert!(client.scope(literal()).await.expect("free") <= TTL);
    assert!(client.scope(constant()).await.expect("free") <= TTL);
    assert!(client.scope(default()).await.expect("free") > TTL * 5);
}

#[tokio::test]
async fn a_ttl_that_is_out_of_bounds_at_run_time_is_refused() {
    #[distributed_lock(key = "job", ttl = ttl)]
    async fn locked(ttl: Duration) -> Result<(), LockError> {
        let _ = ttl;
        Ok(())
    }
    let client = memory().await;
    let refused = client.scope(locked(Duration::from_millis(49))).await;
    assert!(matches!(refused, Err(LockError::InvalidOptions { .. })));
    client.scope(locked(Duration::from_millis(50))).await.expect("long enough");
}

#[tokio::test]
async fn a_wait_that_is_long_enough_gets_the_lock() {
    #[distributed_lock(key = "job", wait = "20s")]
    async fn literal() -> Result<(), LockError> {
        Ok(())
    }
    #[distributed_lock(key = "job", wait = LONG)]
    async fn constant() -> Result<(), LockError> {
        Ok(())
    }
    #[distributed_lock(key = "job", wait = "forever")]
    async fn forever() -> Result<(), LockError> {
        Ok(())
    }
    let client = memory().await;
    let held = client.lock("job").acquire().await.expect("free");
    let waiting = tokio::spawn({
        let client = client.clone();
        async move {
            client.scope(literal()).await?;
            client.scope(constant()).await?;
            client.scope(forever()).await
        }
    });
    while client.stats().waiting == 0 {
        tokio::task::yield_now().await;
    }
    held.release().await.expect("memory answers");
    waiting.await.expect("no panic").expect("it was released");
}

#[tokio::test]
async fn a_wait_that_is_too_short_is_busy_and_so_is_none() {
    #[distributed_lock(key = "job", wait = "60ms")]
    async fn some() -> Result<(), LockError> {
        Ok(())
    }
    #[distributed_lock(key = "job", wait = "0s")]
    async fn zero() -> Result<(), LockError> {
        Ok(())
    }
    #[distributed_lock(key = "job")]
    async fn none() -> Result<(), LockError> {
        Ok(())
    }
    let client = memory().await;
    let _held = client.lock("job").acquire().await.expect("free");
    let start = Instant::now();
    assert!(matches!(client.scope(some()).await, Err(LockError::Busy { .. })));
    assert!(start.elapsed() >= Duration::from_millis(60));
    assert!(matches!(client.scope(zero()).await, Err(LockError::Busy { .. })));
    assert!(matches!(client.scope(none()).await, Err(LockError::Busy { .. })));
}

#[tokio::test]
async fn a_renewed_lock_outlives_its_ttl_and_another_does_not() {
    #[distributed_lock(key = "job", ttl = "150ms", renew = true)]
    async fn renewed() -> Result<(), LockError> {
        // More than three times the ttl, which is what has to be outlived.
        sleep(Duration::from_millis(500)).await;
        Ok(())
    }
    #[distributed_lock(key = "job", ttl = "150ms", renew = false)]
    async fn not_renewed() -> Result<(), LockError> {
        // Longer than the test: it has to be ended.
        sleep(LONG).await;
        Ok(())
    }
    let client = memory().await;
    client.scope(renewed()).await.expect("it was renewed");
    let lost = client.scope(not_renewed()).await;
    assert!(matches!(lost, Err(LockError::Lost { reason: LossReason::Expired, .. })), "{lost:?}");
}

#[tokio::test]
async fn max_hold_ends_a_body_that_is_longer_and_leaves_one_that_is_shorter() {
    #[distributed_lock(key = "job", ttl = "100ms", max_hold = "300ms")]
    async fn hold(time: Duration) -> Result<(), LockError> {
        // How long a body takes is what is bounded.
        sleep(time).await;
        Ok(())
    }
    let client = memory().await;
    client.scope(hold(Duration::from_millis(20))).await.expect("within max_hold");
    let start = Instant::now();
    let lost = client.scope(hold(LONG)).await;
    assert!(matches!(lost, Err(LockError::Lost { reason: LossReason::MaxHold, .. })), "{lost:?}");
    assert!(start.elapsed() >= Duration::from_millis(200), "it was renewed until then");
}

#[tokio::test]
async fn min_hold_keeps_the_key_after_the_body_and_without_it_the_key_is_free() {
    #[distributed_lock(key = "kept", ttl = "1s", min_hold = "400ms")]
    async fn kept() -> Result<(), LockError> {
        Ok(())
    }
    #[distributed_lock(key = "freed", ttl = "1s")]
    async fn freed() -> Result<(), LockError> {
        Ok(())
    }
    let client = memory().await;
    let start = Instant::now();
    client.scope(kept()).await.expect("free");
    client.scope(freed()).await.expect("free");
    assert!(is_free(&client, "freed").await);
    let kept = !is_free(&client, "kept").await;
    assert!(kept || start.elapsed() >= Duration::from_millis(400));
    let _free = client.lock("kept").wait(LONG).acquire().await.expect("free in the end");
    assert!(start.elapsed() >= Duration::from_millis(350));
}

#[tokio::test]
async fn a_busy_lock_is_an_error_unless_a_skip_is_asked_for() {
    #[distributed_lock(key = "job", on_busy = "error")]
    async fn error() -> Result<Option<u8>, LockError> {
        Ok(Some(1))
    }
    #[distributed_lock(key = "job", on_busy = "skip")]
    async fn skip() -> Result<Option<u8>, LockError> {
        Ok(Some(1))
    }
    #[distributed_lock(key = "job", on_busy = "skip")]
    async fn skip_unit() -> Result<(), LockError> {
        Ok(())
    }
    let client = memory().await;
    assert_eq!(client.scope(skip()).await.expect("free"), Some(1));
    let _held = client.lock("job").acquire().await.expect("free");
    assert!(matches!(client.scope(error()).await, Err(LockError::Busy { .. })));
    assert_eq!(client.scope(skip()).await.expect("skipped"), None);
    client.scope(skip_unit()).await.expect("skipped");
}

#[tokio::test]
async fn a_skip_covers_a_busy_lock_alone() {
    #[distributed_lock(key = name, on_busy = "skip")]
    async fn skip(name: &str) -> Result<(), LockError> {
        let _ = name;
        Ok(())
    }
    assert!(matches!(memory().await.scope(skip("")).await, Err(LockError::InvalidKey { .. })));
    assert!(matches!(skip("job").await, Err(LockError::NotConfigured { .. })));
}

#[tokio::test]
async fn on_loss_the_body_is_cancelled_unless_it_is_to_continue() {
    #[distributed_lock(key = "job", ttl = "80ms", renew = false, on_lost = "cancel")]
    async fn cancel(steps: Arc<AtomicU32>) -> Result<(), LockError> {
        steps.fetch_add(1, Ordering::SeqCst);
        lease().lost().await;
        steps.fetch_add(1, Ordering::SeqCst);
        future::pending().await
    }
    #[distributed_lock(key = "job", ttl = "80ms", renew = false, on_lost = "continue")]
    async fn go_on() -> Result<LossReason, LockError> {
        let lease = lease();
        assert!(lease.is_held());
        let reason = lease.lost().await;
        assert!(!lease.is_held());
        Ok(reason)
    }
    let client = memory().await;
    let steps = Arc::new(AtomicU32::new(0));
    let lost = timeout(LONG, client.scope(cancel(steps.clone()))).await.expect("cancelled");
    assert!(matches!(lost, Err(LockError::Lost { .. })));
    assert_eq!(steps.load(Ordering::SeqCst), 1);
    assert_eq!(Arc::strong_count(&steps), 1, "the body and its arguments are gone");
    let reason = timeout(LONG, client.scope(go_on())).await.expect("told");
    assert_eq!(reason.expect("its own value"), LossReason::Expired);
}

#[tokio::test]
async fn or_else_answers_in_place_of_the_body() {
    #[allow(clippy::needless_pass_by_value)] // it is called with the error itself
    fn minus_one(error: LockError) -> i64 {
        assert!(matches!(error, LockError::Busy { .. }));
        -1
    }
    #[distributed_lock(key = "job", or_else = minus_one)]
    async fn path() -> i64 {
        1
    }
    #[distributed_lock(key = "job", or_else = |error| format!("{}:{name}:{id}", error.key()))]
    async fn closure(id: u64, name: &str) -> String {
        format!("{name}{id}")
    }
    #[distributed_lock(key = "job", or_else = |error| Err(error.to_string()))]
    async fn result(text: &str) -> Result<u64, String> {
        text.parse().map_err(|_| "no number".to_owned())
    }
    let client = memory().await;
    assert_eq!(client.scope(path()).await, 1);
    assert_eq!(client.scope(closure(2, "n")).await, "n2");
    assert_eq!(client.scope(result("x")).await, Err("no number".to_owned()));
    let _held = client.lock("job").acquire().await.expect("free");
    assert_eq!(client.scope(path()).await, -1);
    assert_eq!(client.scope(closure(2, "n")).await, "job:n:2");
    assert!(client.scope(result("7")).await.expect_err("busy").contains("job"));
}

#[tokio::test]
async fn or_else_hears_of_a_busy_lock_unless_it_is_skipped() {
    static HEARD: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    fn heard(error: &LockError) {
        let what = if matches!(error, LockError::Busy { .. }) { "busy" } else { "other" };
        HEARD.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }
    #[distributed_lock(key = "job", or_else = |error| heard(&error))]
    async fn told() {}
    #[distributed_lock(key = "job", on_busy = "skip", or_else = |error| heard(&error))]
    async fn skipped() {}
    #[distributed_lock(key = "job", or_else = lock_runtime::log_and_skip)]
    async fn logged() {
        panic!("the body must not run")
    }
    let client = memory().await;
    let _held = client.lock("job").acquire().await.expect("free");
    client.scope(told()).await;
    client.scope(skipped()).await;
    client.scope(logged()).await;
    skipped().await; // no client is configured: not a busy lock
    assert_eq!(*HEARD.lock().unwrap_or_else(PoisonError::into_inner), ["busy", "other"]);
}

struct Pool {
    locks: Client,
    shared: Arc<Client>,
}

impl Pool {
    #[distributed_lock(key = "job", client = self.locks)]
    async fn by_field(&self) -> Result<(), LockError> {
        Ok(())
    }

    #[distributed_lock(key = "job", client = &self.locks)]
    async fn by_reference(&mut self) -> Result<(), LockError> {
        Ok(())
    }

    #[distributed_lock(key = "job", client = self.shared)]
    async fn by_arc(&self) -> Result<(), LockError> {
        Ok(())
    }

    #[distributed_lock(key = "job", client = &self.shared)]
    async fn by_reference_to_an_arc(&self) -> Result<(), LockError> {
        Ok(())
    }

    #[distributed_lock(key = "job", client = self.locks.clone())]
    async fn by_value(self) -> Result<(), LockError> {
        Ok(())
    }
}

#[tokio::test]
async fn the_client_that_is_named_is_the_one_that_is_used() {
    let (locks, elsewhere) = (memory().await, memory().await);
    let mut pool = Pool { locks: locks.clone(), shared: Arc::new(locks.clone()) };
    let held = locks.lock("job").acquire().await.expect("free");
    elsewhere
        .scope(async {
            assert!(
                matches!(pool.by_field().await, Err(LockError::Busy { .. })),
                "the named one goes before the scope's"
            );
            assert!(matches!(pool.by_reference().await, Err(LockError::Busy { .. })));
            assert!(matches!(pool.by_arc().await, Err(LockError::Busy { .. })));
            assert!(matches!(pool.by_reference_to_an_arc().await, Err(LockError::Busy { .. })));
        })
        .await;
    held.release().await.expect("memory answers");
    pool.by_field().await.expect("free");
    pool.by_value().await.expect("free");
}

#[tokio::test]
async fn without_a_client_the_body_does_not_run() {
    #[distributed_lock(key = "job")]
    async fn locked() -> Result<(), LockError> {
        panic!("the body must not run")
    }
    assert!(matches!(locked().await, Err(LockError::NotConfigured { .. })));
}

mod reexported {
    pub(crate) mod locks {
        pub(crate) use lock_runtime::{__private, distributed_lock};
    }
}

#[tokio::test]
async fn the_runtime_crate_may_have_another_name() {
    use reexported::locks::distributed_lock;

    #[distributed_lock(key = "job", crate = reexported::locks)]
    async fn relative() -> Result<(), LockError> {
        Ok(())
    }
    #[distributed_lock(key = "job:<id>:{{x}}", crate = crate::options::reexported::locks, or_else = lock_runtime::log_and_skip)]
    async fn absolute(id: u64) {
        let _ = id;
    }
    let client = memory().await;
    client.scope(relative()).await.expect("free");
    client.scope(absolute(1)).await;
}

#[tokio::test]
async fn expressions_run_once_each_in_the_order_written_before_the_body() {
    static STEPS: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    fn step<T>(name: &'static str, value: T) -> T {
        STEPS.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        value
    }
    #[distributed_lock(
        wait = step("wait", LONG),
        client = step("client", client.clone()),
        key = step("key", "job"),
        min_hold = step("min_hold", Duration::ZERO),
        ttl = step("ttl", LONG),
        max_hold = step("max_hold", LONG),
    )]
    async fn locked(client: &Client) -> Result<(), LockError> {
        let _ = client;
        step("body", ());
        Ok(())
    }
    locked(&memory().await).await.expect("free");
    assert_eq!(
        *STEPS.lock().unwrap_or_else(PoisonError::into_inner),
        ["wait", "client", "key", "min_hold", "ttl", "max_hold", "body"]
    );
}
