//! Looks at a store from outside, without the client that is being tested.

use std::time::{Duration, Instant};

use lock_runtime::{Client, LockError};

/// How long something that takes milliseconds may take on a machine that is busy with other tests.
pub(crate) const SOON: Duration = Duration::from_secs(2);

/// Says whether a key is held, on any thread and at any time; blocks for a millisecond.
#[derive(Clone, Debug)]
pub(crate) enum Onlooker {
    /// In memory there is nothing to look at but by asking for the lock.
    Memory(Client),
    Server(Box<redis::Client>),
}

impl Onlooker {
    pub(crate) fn at(url: &str) -> Self {
        if url.starts_with("memory:") {
            Self::Memory(Client::connect_lazy(url).expect("memory needs no server"))
        } else {
            Self::Server(Box::new(redis::Client::open(url).expect("a URL of the harness")))
        }
    }

    /// Whether somebody holds the key just now.
    pub(crate) fn sees(&self, key: &str) -> bool {
        match self {
            // On a thread of its own, since inside of a body one is told what the client knows, and not the store.
            Self::Memory(client) => std::thread::scope(|scope| {
                let asked = scope.spawn(|| futures::executor::block_on(is_busy(client, key)));
                asked.join().expect("memory always answers")
            }),
            Self::Server(client) => {
                let mut connection = client.get_connection_with_timeout(SOON).expect("the server is there");
                let there: bool =
                    redis::cmd("EXISTS").arg(format!("dlock:{{{key}}}")).query(&mut connection).expect("an answer");
                there
            }
        }
    }

    /// Comes back when nobody holds the key; panics if that takes longer than a release may take.
    #[track_caller]
    pub(crate) fn until_gone(&self, key: &str) -> impl Future<Output = ()> + use<> {
        let (onlooker, key, deadline) = (self.clone(), key.to_owned(), Instant::now() + SOON);
        async move {
            loop {
                let late = Instant::now() >= deadline;
                if !onlooker.sees(&key) {
                    return;
                }
                assert!(!late, "`{key}` is still held after {SOON:?}");
                // Nothing announces that a key is gone.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

/// Whether a stranger who does not wait is told that somebody holds the key.
pub(crate) async fn is_busy(stranger: &Client, key: &str) -> bool {
    match stranger.lock(key).acquire().await {
        Ok(guard) => {
            guard.release().await.expect("the store answers");
            false
        }
        Err(LockError::Busy { .. }) => true,
        Err(error) => panic!("neither granted nor busy: {error}"),
    }
}
