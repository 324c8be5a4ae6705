//! A lock that is not renewed ends at its deadline, and with it the steps of its body.

use std::time::Duration;

use lock_runtime::{LockError, LossReason};
use lock_tests::{Server, Steps, on_every_server};

use super::connect;

const TTL: Duration = Duration::from_secs(2);

on_every_server! {
    async fn no_step_starts_at_or_after_the_deadline(server: Server) {
        let client = connect(&server.url()).await;
        let steps = Steps::begin();
        let outcome = client.lock("deadline").ttl(TTL).renew(false).run(steps.clone().take()).await;
        let lost = steps.elapsed();
        assert!(matches!(outcome, Err(LockError::Lost { reason: LossReason::Expired, .. })), "{outcome:?}");
        // ttl - (ttl / 100 + 2 ms) - ttl / 20, counted from when the request was sent: after the begin.
        let deadline = TTL.saturating_sub(TTL / 100 + Duration::from_millis(2) + TTL / 20);
        let slack = Duration::from_millis(500); // of the request's sending, on a machine that is busy
        assert!(steps.last() < deadline + slack);
        assert!(lost + Duration::from_millis(10) >= deadline, "given up only when it must be: {lost:?}");
    }
}
