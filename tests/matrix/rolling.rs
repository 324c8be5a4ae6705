//! A deploy in the middle of which some programs know exclusive locks alone, and others all kinds.
//!
//! Must stay true: a program of before asks what it asked then, by the scripts that it had; those are in
//! `tests/store/before_sets/`. Absent on purpose: its messages; it looks, as those do whose user may not subscribe.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lock_runtime::{Client, LockRequest};
use lock_tests::{Server, on_every_server};
use redis::aio::MultiplexedConnection;

use crate::{SOON, connect, name};

const LOOK: &str = include_str!("../store/before_sets/look.lua");
const RELEASE: &str = include_str!("../store/before_sets/release.lua");
const FREE: &str = include_str!("../store/before_sets/free.lua");

const KEY: &str = "rolling";
/// How many turns each program of before wants.
const TURNS: u128 = 8;
/// How many permits there are.
const PERMITS: u32 = 2;

/// How many are inside, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Inside {
    exclusive: u32,
    shared: u32,
    permits: u32,
}

/// Who wants in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    Alone,
    Shared,
    APermit,
}

#[derive(Clone, Default)]
struct Place(Arc<Mutex<Inside>>);

impl Place {
    /// Is inside for a moment, beside those only that may be there.
    async fn visit(&self, wants: Wants) {
        let count = |inside: &mut Inside, by: i32| {
            let count = match wants {
                Wants::Alone => &mut inside.exclusive,
                Wants::Shared => &mut inside.shared,
                Wants::APermit => &mut inside.permits,
            };
            *count = count.checked_add_signed(by).expect("who leaves was inside");
            *inside
        };
        let Inside { exclusive, shared, permits } = self.change(|inside| count(inside, 1));
        let kinds = [exclusive, shared, permits].into_iter().filter(|count| *count > 0).count();
        assert!(kinds == 1 && exclusive <= 1 && permits <= PERMITS, "{wants:?}: {exclusive}, {shared}, {permits}");
        // To be inside is what it came for.
        tokio::time::sleep(Duration::from_millis(3)).await;
        self.change(|inside| count(inside, -1));
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inside) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A program of before sets.
struct Before {
    connection: MultiplexedConnection,
    listener: u128,
}

impl Before {
    async fn new(server: &Server, listener: u128) -> Self {
        let client = redis::Client::open(server.url()).expect("a URL of the harness");
        let connection = client.get_multiplexed_async_connection().await.expect("the server is up");
        Self { connection, listener }
    }

    async fn ask(&mut self, words: &[&str]) -> redis::Value {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(word);
        }
        command.query_async(&mut self.connection).await.expect("the server answers")
    }

    /// A first request, and looks from its place in the queue.
    async fn acquire(&mut self, token: &str) {
        if self.ask(&["SET", &name(KEY), token, "NX", "PX", "10000"]).await == redis::Value::Okay {
            return;
        }
        let entry = format!("1|{token}|{:032x}|10000|1|x", self.listener);
        loop {
            let arguments = [token, "0", "dlock:wake:", "10000", "1", &entry, "", "2000", ""];
            match self.run(LOOK, &arguments).await {
                redis::Value::Array(reply) if reply[0] == redis::Value::Int(1) => return,
                redis::Value::Array(_) => {}
                other => panic!("{other:?}"),
            }
            // It is told nothing.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn release(&mut self, token: &str) {
        let queue = format!("{}:queue", name(KEY));
        if self.ask(&["EVAL", FREE, "2", &name(KEY), &queue, token]).await == redis::Value::Int(1) {
            return;
        }
        let released = self.run(RELEASE, &[token, "0", "dlock:wake:", "", ""]).await;
        assert_eq!(released, redis::Value::Int(1), "it still held");
    }

    async fn run(&mut self, script: &str, arguments: &[&str]) -> redis::Value {
        let (lock, queue, never) = (name(KEY), format!("{}:queue", name(KEY)), format!("{}\u{1}", name(KEY)));
        let script = ["EVAL", script, "4", &lock, "dlock:fence", &queue, &never];
        self.ask(&[&script[..], arguments].concat()).await
    }

    async fn take_turns(mut self, place: Place) {
        for turn in 0..TURNS {
            let token = format!("{:032x}", (self.listener << 64) + turn + 1);
            self.acquire(&token).await;
            place.visit(Wants::Alone).await;
            self.release(&token).await;
        }
    }
}

/// A program of now: comes back until it is told that it is over.
async fn visits(client: Client, wants: Wants, place: Place, over: Arc<AtomicBool>) -> usize {
    let mut visits = 0;
    while !over.load(Ordering::Relaxed) || visits == 0 {
        let request = client.lock(KEY).wait_forever();
        let request: LockRequest = match wants {
            Wants::Alone => request,
            Wants::Shared => request.shared(),
            Wants::APermit => request.permits(PERMITS),
        };
        request.run(place.visit(wants)).await.expect("its turn comes");
        visits += 1;
    }
    visits
}

on_every_server! {
    async fn programs_with_and_without_sets_take_turns_for_a_key(server: Server) {
        let (place, over) = (Place::default(), Arc::new(AtomicBool::new(false)));
        let mut now = Vec::new();
        for wants in [Wants::Alone, Wants::Shared, Wants::Shared, Wants::APermit, Wants::APermit, Wants::APermit] {
            let client = connect(&server.url()).await;
            now.push(tokio::spawn(visits(client, wants, place.clone(), Arc::clone(&over))));
        }
        let mut before = Vec::new();
        for listener in 1..=2 {
            before.push(tokio::spawn(Before::new(&server, listener).await.take_turns(place.clone())));
        }
        for program in before {
            tokio::time::timeout(6 * SOON, program).await.expect("its turns come").expect("it met nobody inside");
        }
        over.store(true, Ordering::Relaxed);
        for program in now {
            let visits = tokio::time::timeout(2 * SOON, program).await.expect("its turn comes");
            assert!(visits.expect("it met nobody inside") > 0);
        }
        assert_eq!(place.change(|inside| *inside), Inside::default());
        drop(connect(&server.url()).await.lock(KEY).wait(SOON).acquire().await.expect("it is free in the end"));
    }
}
