//! `polls`: what the lock adds to each poll of a body.
//!
//! A body that is polled a thousand times tells how long that took from its first poll to its last, bare and under a
//! lock of the memory store; the acquire and the release are no part of it. What a change would mean: a poll under a
//! lock reads the clock and looks at its lease, and a body that is polled often pays for whatever else it does.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use lock_runtime::{Client, LockError, distributed_lock};
use lock_tests::Server;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::child::{self, Job};
use crate::contestants::Outcome;
use crate::extent::Extent;
use crate::report::Bound::AtMost;
use crate::report::{Row, Section, Target, Unit};
use crate::rounds::{self, Rounds};
use crate::statistics::percentile;

/// Of each body.
const POLLS: u32 = 1000;
/// What a poll may cost over that of the bare future, in nanoseconds.
const AT_MOST: f64 = 60.0;
const HEADINGS: [&str; 1] = ["a poll of a body, over the bare future"];

/// How the body is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Way {
    Bare,
    Attribute,
    Request,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bare => "bare future",
            Self::Attribute => "attribute",
            Self::Request => "LockRequest::run",
        })
    }
}

/// What a child is to do.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Polls {
    way: Way,
    bodies: usize,
}

/// Runs it, and tells what it saw.
pub(crate) fn bench(extent: Extent, _server: &Server) -> Section {
    let (rounds, bodies) = if extent == Extent::Full { (9, 3000) } else { (1, 20) };
    let ways = [Way::Bare, Way::Attribute, Way::Request];
    let samples = rounds::run(rounds, &ways, |way| child::ask::<f64>(&Polls { way, bodies }));
    let failures: Vec<String> =
        samples.failures().iter().map(|(way, round, why)| format!("round {round}, {way}: {why}")).collect();
    Section {
        name: "polls",
        settings: vec![
            ("rounds", format!("{rounds}, each way in each, in processes of their own")),
            ("bodies", format!("{bodies} a round, of {POLLS} polls, each woken by itself; their median")),
        ],
        rows: rows(&samples),
        headings: &HEADINGS,
        samples: samples.to_json(|&nanoseconds| Value::from(nanoseconds)),
        broken: failures.first().cloned(),
        failures,
        ..Section::default()
    }
}

fn rows(samples: &Rounds<Way, f64>) -> Vec<Row> {
    let of = |way| samples.figures(way, |&nanoseconds| Some(nanoseconds));
    let row = |measure: String, ours| Row {
        work: "a body of 1,000 polls",
        measure,
        unit: Unit::Time,
        ours,
        peer: None,
        target: None,
        summary: None,
    };
    let mut rows = Vec::new();
    for (way, name) in [(Way::Attribute, "by the attribute"), (Way::Request, "by LockRequest::run")] {
        let bare = Some(("bare future", of(Way::Bare)));
        rows.push(Row { peer: bare, ..row(format!("a poll {name}"), of(way)) });
        let over = of(way).iter().zip(of(Way::Bare)).map(|(ours, bare)| Some((*ours)? - bare?)).collect();
        let over = row(format!("a poll {name}, over the bare future"), over);
        rows.push(Row { target: Some(Target::Ours(AtMost(AT_MOST))), summary: Some((0, name)), ..over });
    }
    rows
}

impl Job for Polls {
    const NAME: &'static str = "polls";

    fn run(self) -> Outcome<()> {
        child::say(&polled(self)?)
    }
}

/// The nanoseconds of a poll.
fn polled(job: Polls) -> Outcome<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::connect("memory://").await?;
        // The runtime's own line to the store is opened meanwhile.
        annotated(&client, 1).await?;
        let once = || match job.way {
            Way::Bare => Ok(polled_through(body(POLLS))),
            Way::Attribute => polled_through(annotated(&client, POLLS)),
            Way::Request => polled_through(client.lock("polls").run(body(POLLS))),
        };
        let took: Result<Vec<Duration>, LockError> = (0..job.bodies).map(|_| once()).collect();
        let took: Vec<f64> = took?.iter().map(|took| took.as_nanos() as f64).collect();
        let median = percentile(&took, 0.5).ok_or("no body was run")?;
        Ok(median / f64::from(POLLS - 1))
    })
}

#[distributed_lock(key = "polls", client = client)]
async fn annotated(client: &Client, polls: u32) -> Result<Duration, LockError> {
    Ok(body(polls).await)
}

/// Tells how long it took from its first poll to its last.
async fn body(polls: u32) -> Duration {
    let began = Instant::now();
    for _ in 1..polls {
        let mut is_woken = false;
        let once = std::future::poll_fn(|context| {
            if is_woken {
                return Poll::Ready(());
            }
            is_woken = true;
            context.waker().wake_by_ref();
            Poll::Pending
        });
        once.await;
    }
    began.elapsed()
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// Polls it whenever it was woken, with no more of a runtime than that.
fn polled_through<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        while !woken.0.swap(false, Ordering::Acquire) {
            std::thread::yield_now();
        }
    }
}
