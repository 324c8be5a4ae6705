//! What the server knows of the looks: every look sees to it that the waiter's queue lasts so long from then on, so
//! what is left of that says how long ago the last look was.

use std::ops::Range;
use std::time::Duration;

use super::key::key;
use super::steps::Steps;
use crate::contestants::Outcome;

/// How many queues are asked for at once.
const ASKED_AT_ONCE: usize = 1000;
/// What a queue lasts at least, and in periods, from the last look on.
const LASTS: (Duration, u32) = (Duration::from_secs(30), 3);

/// What was seen of the queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ages {
    /// Of the last look of whoever has not looked for longest.
    pub(super) oldest: Duration,
    /// Queues that are not there.
    pub(super) missing: usize,
}

impl Ages {
    pub(super) fn read(server: &mut redis::Connection, steps: &Steps, keys: Range<usize>) -> Outcome<Self> {
        let numbers: Vec<usize> = keys.collect();
        let mut ages = Self::default();
        for numbers in numbers.chunks(ASKED_AT_ONCE) {
            let mut asks = redis::pipe();
            for &number in numbers {
                asks.cmd("PTTL").arg(queue(number));
            }
            let left: Vec<i64> = asks.query(server)?;
            ages = left.into_iter().fold(ages, |ages, left| ages.with(steps.period(), left));
        }
        Ok(ages)
    }

    /// The worse of both.
    pub(super) fn or(self, other: Self) -> Self {
        Self { oldest: self.oldest.max(other.oldest), missing: self.missing.max(other.missing) }
    }

    /// With a queue that lasts so many milliseconds more.
    fn with(self, period: Duration, left: i64) -> Self {
        let Ok(left) = u64::try_from(left) else { return Self { missing: self.missing + 1, ..self } };
        let age = LASTS.0.max(period * LASTS.1).saturating_sub(Duration::from_millis(left));
        Self { oldest: self.oldest.max(age), ..self }
    }
}

fn queue(number: usize) -> String {
    format!("dlock:{{{}}}:queue", key(number))
}

#[cfg(test)]
mod tests {
    use lock_runtime::Client;
    use lock_tests::Server;

    use super::*;
    use crate::extent::Extent;

    #[test]
    fn an_age_is_what_a_queue_has_lasted() {
        let (ms, secs) = (Duration::from_millis, Duration::from_secs);
        let ages = |period, left: &[i64]| left.iter().fold(Ages::default(), |ages, &left| ages.with(period, left));
        assert_eq!(ages(secs(40), &[119_000, 70_000, 120_000]), Ages { oldest: secs(50), missing: 0 });
        assert_eq!(ages(secs(1), &[29_500, -2, -1]), Ages { oldest: ms(500), missing: 2 });
        assert_eq!(ages(secs(40), &[]), Ages::default());
        let (one, other) = (Ages { oldest: ms(2), missing: 1 }, Ages { oldest: ms(3), missing: 0 });
        assert_eq!(one.or(other), Ages { oldest: ms(3), missing: 1 });
    }

    #[tokio::test]
    async fn whoever_waits_is_seen_and_whoever_does_not_is_missed() {
        let (server, steps) = (Server::redis(), Steps::new(Extent::Short));
        let connect = async || Client::connect(&server.url()).await.expect("there is a server");
        let (holder, client) = (connect().await, connect().await);
        let held = holder.lock(key(0)).acquire().await.expect("it is free");
        let waits = tokio::spawn(async move { client.lock(key(0)).wait_forever().acquire().await });
        let mut asked =
            redis::Client::open(server.url()).and_then(|client| client.get_connection()).expect("it is there");
        let mut ages = |keys| Ages::read(&mut asked, &steps, keys).expect("the server tells");
        while ages(0..1).missing > 0 {
            tokio::task::yield_now().await;
        }
        assert!(ages(0..1).oldest < Duration::from_secs(10));
        assert_eq!(ages(0..3).missing, 2);
        // One that nobody renews.
        server.command(&["ZADD", &queue(1), "1", "somebody"]);
        server.command(&["PEXPIRE", &queue(1), "10000"]);
        let ages = ages(0..3);
        assert!(ages.missing == 1 && ages.oldest >= Duration::from_secs(20), "{ages:?}");
        drop(held);
        drop(waits.await.expect("it ends").expect("it is granted"));
    }
}
