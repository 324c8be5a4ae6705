//! A process of a campaign: some tasks that take locks, each in many ways, until they are told to end.
//!
//! Each worker has another executor. In reading order: `task` chooses what to do next, `form` in which way, and `held`
//! is a lock in the hand; `call` watches one call from outside and its body from inside, `job` is the body, `outcome`
//! how it comes out, `alarm` is a timer for any executor, and `pulse` notices when the machine had no time for us.
//! Deliberately absent: any opinion about what happens.

mod alarm;
mod call;
mod choices;
mod form;
mod held;
mod job;
mod outcome;
mod pulse;
mod task;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::executor::LocalPool;
use futures::future::join_all;
use futures::task::LocalSpawnExt as _;
use lock_core::planted::{ALL, plant};
use lock_runtime::Client;

use super::chance::Chance;
use super::event::Journal;
use alarm::Alarm;
pub(crate) use choices::{EXECUTORS, TASKS_APART, TTLS_MS};

/// How many threads of a runtime drive tasks, where there are several.
const THREADS: usize = 2;

/// What a worker is told when it is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Orders {
    pub(crate) url: String,
    pub(crate) oracle: PathBuf,
    pub(crate) journal: PathBuf,
    /// The place in the list of executors.
    pub(crate) executor: usize,
    pub(crate) seed: u64,
    pub(crate) keys: u64,
    /// Whether bodies run without any lock, to see that this is noticed.
    pub(crate) without_lock: bool,
}

/// What all tasks of a worker share.
#[derive(Debug)]
struct Shared {
    orders: Orders,
    /// None without locks.
    client: Option<Client>,
    journal: Arc<Journal>,
    alarm: Alarm,
    over: Arc<AtomicBool>,
    tasks: u32,
}

impl Orders {
    pub(crate) fn to_arguments(&self) -> Vec<String> {
        let path = |path: &PathBuf| path.display().to_string();
        let numbers = [self.executor as u64, self.seed, self.keys, u64::from(self.without_lock)];
        let paths = [self.url.clone(), path(&self.oracle), path(&self.journal)];
        paths.into_iter().chain(numbers.map(|number| number.to_string())).collect()
    }

    fn of_arguments(arguments: &[String]) -> Option<Self> {
        let [url, oracle, journal, executor, seed, keys, without_lock] = arguments else { return None };
        Some(Self {
            url: url.clone(),
            oracle: oracle.into(),
            journal: journal.into(),
            executor: executor.parse().ok().filter(|&executor| executor < EXECUTORS.len())?,
            seed: seed.parse().ok()?,
            keys: keys.parse().ok()?,
            without_lock: without_lock == "1",
        })
    }
}

/// The whole life of a worker. It ends when its input does, and its tasks have come to their ends.
pub(crate) fn run(arguments: &[String]) {
    plant_from_environment();
    let orders = Orders::of_arguments(arguments).unwrap_or_else(|| panic!("what to do? {arguments:?}"));
    let mut chance = Chance::new(orders.seed, 100 + orders.executor as u64);
    let client = (!orders.without_lock).then(|| connect(&orders.url, &mut chance));
    let over = Arc::new(AtomicBool::new(false));
    let journal = Arc::new(Journal::at(&orders.journal));
    pulse::watch_threads(Arc::clone(&journal));
    until_told(Arc::clone(&over));
    let tasks = 3 + u32::try_from(chance.below(6)).expect("a few");
    let executor = orders.executor;
    let shared = Arc::new(Shared { orders, client, journal, alarm: Alarm::start(), over, tasks });
    match executor {
        0 => on_tokio(&mut tokio::runtime::Builder::new_current_thread(), &shared),
        2 => outside_tokio(&shared),
        _ => on_tokio(tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS), &shared),
    }
}

/// Where a known bug is planted into the library, to see that a campaign finds it: `LOCK_MUTANT` names it.
fn plant_from_environment() {
    let Some(name) = std::env::var_os("LOCK_MUTANT").filter(|mutant| !mutant.is_empty()) else { return };
    let mutant = ALL.into_iter().find(|mutant| name == *format!("{mutant:?}"));
    assert!(mutant.is_some(), "no mutant is called {}", name.display());
    plant(mutant);
}

/// A client that is there at once, whatever the nemesis does just now; the attribute uses it too.
fn connect(url: &str, chance: &mut Chance) -> Client {
    let timeout = Duration::from_millis(chance.one_of(&[400, 1_000, 2_000]));
    let client = Client::builder().operation_timeout(timeout).local_handover(chance.percent(75)).connect_lazy(url);
    let client = client.expect("the URL and the options are right");
    client.install().expect("it is the only one");
    client
}

/// Whoever started us closes our input when it is time to end.
fn until_told(over: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        over.store(true, Ordering::Relaxed);
    });
}

fn on_tokio(builder: &mut tokio::runtime::Builder, shared: &Arc<Shared>) {
    let runtime = builder.enable_all().build().expect("a runtime can be built");
    runtime.block_on(async {
        tokio::spawn(pulse::watch_executor(Arc::clone(shared)));
        let tasks = (0..shared.tasks).map(|task| tokio::spawn(task::work(Arc::clone(shared), task)));
        for ended in join_all(tasks.collect::<Vec<_>>()).await {
            ended.expect("a task lets no panic out");
        }
    });
}

fn outside_tokio(shared: &Arc<Shared>) {
    let mut pool = LocalPool::new();
    let spawner = pool.spawner();
    let pulse = spawner.spawn_local(pulse::watch_executor(Arc::clone(shared)));
    pulse.expect("the pool is there");
    pool.run_until(join_all((0..shared.tasks).map(|task| {
        let task = task::work(Arc::clone(shared), task);
        spawner.spawn_local_with_handle(task).expect("the pool is there")
    })));
}

#[cfg(test)]
mod tests {
    use super::Orders;

    #[test]
    fn orders_survive_the_way_through_arguments() {
        let orders = Orders {
            url: "redis://127.0.0.1:1".into(),
            oracle: "/o".into(),
            journal: "/j".into(),
            executor: 2,
            seed: u64::MAX,
            keys: 3,
            without_lock: true,
        };
        assert_eq!(Orders::of_arguments(&orders.to_arguments()), Some(orders));
        assert_eq!(Orders::of_arguments(&["what".into()]), None);
    }
}
