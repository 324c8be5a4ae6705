//! How do many read at once while nobody writes, and what does each of them do with its fence?
//!
//! ```sh
//! cargo run -p examples --example shared                           # in memory
//! cargo run -p examples --example shared redis://127.0.0.1:6379
//! ```
//!
//! Readers hold the key beside each other, and a writer holds it alone. The table that they share has a fence beside its
//! row: a writer stores its own, and a reader only compares. Were it stored by readers, the one that came last would shut
//! out the others, who hold the lock as well.

use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lock_runtime::{Client, LockError, current, distributed_lock};
use tokio::task::JoinSet;
use tokio::time::sleep;

const READERS: u32 = 8;
const VERSIONS: u32 = 5;

/// What the lock is for: two halves that belong together, and are read and written one after the other.
#[derive(Default)]
struct Table {
    halves: Mutex<([u32; 2], u64)>,
    /// How many read now, and how many ever did at once.
    reading: (AtomicU32, AtomicU32),
}

impl Table {
    /// `SELECT half[n] WHERE fence <= $fence`; nothing if a later writer has been here.
    fn read(&self, half: usize, fence: u64) -> Option<u32> {
        let (halves, stored) = *self.halves.lock().expect("nobody panics");
        (stored <= fence).then_some(halves[half])
    }

    /// `UPDATE SET half[n] = $value, fence = $fence WHERE fence <= $fence`; whether a row was changed.
    fn write(&self, half: usize, value: u32, fence: u64) -> bool {
        let (halves, stored) = &mut *self.halves.lock().expect("nobody panics");
        let is_ours = *stored <= fence;
        if is_ours {
            halves[half] = value;
            *stored = fence;
        }
        is_ours
    }
}

fn fence() -> u64 {
    current().expect("inside the body there is a lease").fence()
}

/// Answers with the version that it read, and its fence.
#[distributed_lock(key = "table", mode = "shared", wait = "10s", client = client)]
async fn read(client: &Client, table: &Table) -> Result<(u32, u64), LockError> {
    let (reading, most) = &table.reading;
    most.fetch_max(reading.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
    let first = table.read(0, fence());
    sleep(Duration::from_millis(20)).await; // others read meanwhile, and nobody writes
    let second = table.read(1, fence());
    reading.fetch_sub(1, Ordering::Relaxed);
    assert!(first.is_some() && first == second, "half of it was written meanwhile: {first:?}, {second:?}");
    Ok((first.unwrap_or_default(), fence()))
}

/// Answers with its fence.
#[distributed_lock(key = "table", wait = "10s", client = client)]
async fn write(client: &Client, table: &Table, version: u32) -> Result<u64, LockError> {
    assert!(table.write(0, version, fence()));
    sleep(Duration::from_millis(5)).await;
    assert!(table.write(1, version, fence()));
    Ok(fence())
}

/// Reads until it has seen the last version, and says how often it did.
async fn follow(client: &Client, table: &Table) -> Result<u32, LockError> {
    let mut reads = 1;
    while read(client, table).await?.0 < VERSIONS {
        reads += 1;
    }
    Ok(reads)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory://shared".to_owned());
    // Two nodes, each with a client of its own, as in two processes.
    let (first, second) = (Client::connect(&url).await?, Client::connect(&url).await?);
    let table = Arc::new(Table::default());
    let (_, early_reader) = read(&first, &table).await?;
    let early_writer = write(&first, &table, 0).await?;

    // A writer comes to its turn whoever reads: those who come behind it wait for it.
    let writes = async {
        for version in 1..=VERSIONS {
            sleep(Duration::from_millis(30)).await;
            write(&second, &table, version).await?;
        }
        Ok::<(), LockError>(())
    };
    let mut readers = JoinSet::new();
    for (node, _) in [&first, &second].into_iter().cycle().zip(0..READERS) {
        let (node, table) = (node.clone(), Arc::clone(&table));
        readers.spawn(async move { follow(&node, &table).await });
    }
    writes.await?;
    let reads: u32 = readers.join_all().await.into_iter().sum::<Result<_, _>>()?;

    let at_once = table.reading.1.load(Ordering::Relaxed);
    println!("{READERS} readers read {reads} times, up to {at_once} at once");
    println!("and saw {VERSIONS} versions, each of them whole");

    // Whoever was held up for longer than its lease finds by its fence that it is late.
    println!("a reader with the fence of its old lock: {:?}", table.read(0, early_reader));
    println!("a writer with the fence of its old lock: {}", table.write(0, 0, early_writer));
    assert!(at_once > 1 && table.read(0, early_reader).is_none() && !table.write(0, 0, early_writer));
    Ok(())
}
