//! `attribute`: what an annotated function costs by itself, with nobody else there and a store that is a table.
//!
//! Beside it stand the same by `LockRequest::run`, and two floors: the function bare, and behind tokio's mutex, which
//! locks for one process alone. What a change would mean: the attribute is a call of `LockRequest::run`, so the two
//! move together; an allocation more is one that every call of every user makes.
//!
//! Allocations are counted by an allocator that is this whole program's: some nanoseconds for each, whoever asks.

use std::fmt;
use std::time::Instant;

use lock_runtime::{Client, LockError, distributed_lock};
use lock_tests::Server;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

use crate::child::{self, Job};
use crate::contestants::Outcome;
use crate::extent::Extent;
use crate::report::Bound::AtMost;
use crate::report::{Row, Section, Target, Unit};
use crate::rounds::{self, Rounds};
use crate::statistics::percentile;

/// What a call may allocate: the key, what task and keeper share, and the futures of the store's two operations.
const AT_MOST: f64 = 4.0;
/// In one batch, which is timed as a whole.
const CALLS: u32 = 500;
const HEADINGS: [&str; 1] = ["a call on the memory store"];

/// How the function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Way {
    Attribute,
    Request,
    Plain,
    TokioMutex,
}

impl Way {
    const ALL: [Self; 4] = [Self::Attribute, Self::Request, Self::Plain, Self::TokioMutex];

    fn name(self) -> &'static str {
        match self {
            Self::Attribute => "attribute",
            Self::Request => "LockRequest::run",
            Self::Plain => "plain async fn",
            Self::TokioMutex => "tokio mutex",
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a child is to do.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Calls {
    way: Way,
    batches: u32,
}

/// What it saw, for each call.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Called {
    nanoseconds: f64,
    allocations: f64,
}

/// Runs it, and tells what it saw.
pub(crate) fn bench(extent: Extent, _server: &Server) -> Section {
    let (rounds, batches) = if extent == Extent::Full { (9, 300) } else { (1, 5) };
    let samples = rounds::run(rounds, &Way::ALL, |way| child::ask::<Called>(&Calls { way, batches }));
    let failures: Vec<String> =
        samples.failures().iter().map(|(way, round, why)| format!("round {round}, {way}: {why}")).collect();
    Section {
        name: "attribute",
        settings: vec![
            ("rounds", format!("{rounds}, each way in each, in processes of their own")),
            ("calls", format!("one after another, {batches} batches of {CALLS} a round; the median batch")),
        ],
        rows: rows(&samples),
        headings: &HEADINGS,
        samples: samples
            .to_json(|called| json!({ "nanoseconds": called.nanoseconds, "allocations": called.allocations })),
        broken: failures.first().cloned(),
        failures,
        ..Section::default()
    }
}

fn rows(samples: &Rounds<Way, Called>) -> Vec<Row> {
    let time = |way| samples.figures(way, |called| Some(called.nanoseconds));
    let allocations = |way| samples.figures(way, |called| Some(called.allocations));
    let row = |measure: &str, unit, ours, peer| Row {
        work: "a call, uncontended, memory store",
        measure: measure.to_owned(),
        unit,
        ours,
        peer,
        target: None,
        summary: None,
    };
    let target = Some(Target::Ours(AtMost(AT_MOST)));
    let ours = allocations(Way::Attribute);
    let request = Some((Way::Request.name(), allocations(Way::Request)));
    let counted = row("allocations", Unit::Number, ours, request);
    let mut rows = vec![Row { target, summary: Some((0, "allocations")), ..counted }];
    for peer in [Way::Request, Way::Plain, Way::TokioMutex] {
        rows.push(row("time", Unit::Time, time(Way::Attribute), Some((peer.name(), time(peer)))));
    }
    rows
}

impl Job for Calls {
    const NAME: &'static str = "calls";

    fn run(self) -> Outcome<()> {
        child::say(&called(self)?)
    }
}

fn called(job: Calls) -> Outcome<Called> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = runtime.block_on(Client::connect("memory://"))?;
    let mutex = Mutex::new(0);
    match job.way {
        Way::Attribute => measured(&runtime, job.batches, async |id| annotated(id, &client).await),
        Way::Request => measured(&runtime, job.batches, async |id| {
            let run = client.lock(format!("job:{id}")).run(plain(id)).await;
            run.and_then(|returned| returned)
        }),
        Way::Plain => measured(&runtime, job.batches, plain),
        Way::TokioMutex => measured(&runtime, job.batches, async |id| {
            let mut last = mutex.lock().await;
            *last = plain(id).await?;
            Ok(*last)
        }),
    }
}

#[distributed_lock(key = "job:<id>", client = client)]
async fn annotated(id: u32, client: &Client) -> Result<u32, LockError> {
    Ok(std::hint::black_box(id))
}

async fn plain(id: u32) -> Result<u32, LockError> {
    Ok(std::hint::black_box(id))
}

fn measured(
    runtime: &Runtime,
    batches: u32,
    mut call: impl AsyncFnMut(u32) -> Result<u32, LockError>,
) -> Outcome<Called> {
    let mut batch = |calls: u32| {
        runtime.block_on(async {
            let began = Instant::now();
            for id in 0..calls {
                call(id).await?;
            }
            Ok::<_, LockError>(began.elapsed().as_nanos() as f64 / f64::from(CALLS))
        })
    };
    // Tables grow to their size, and the runtime's own line to the store is opened.
    batch(CALLS)?;
    let mut allocations = |calls| -> Outcome<f64> {
        let mut done = Ok(0.0);
        let counted = allocation_counter::measure(|| done = batch(calls));
        done?;
        Ok(counted.count_total as f64)
    };
    // What a batch without a call allocates is the runtime's.
    let allocations = (allocations(CALLS)? - allocations(0)?) / f64::from(CALLS);
    let times = (0..batches).map(|_| batch(CALLS)).collect::<Result<Vec<f64>, LockError>>()?;
    let nanoseconds = percentile(&times, 0.5).ok_or("nothing was called")?;
    Ok(Called { nanoseconds, allocations })
}
