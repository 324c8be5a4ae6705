//! A process that takes locks and then ends, each as its input says, a command a line. It prints what came of it.
//!
//! Called with the URL of a store, and with `traced` behind it, it prints every span and event of tracing as well.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};
use std::{fmt, thread};

use lock_runtime::{Client, LockError, LockGuard, distributed_lock};
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Guards that nobody ever drops.
static GUARDS: Mutex<Vec<LockGuard>> = Mutex::new(Vec::new());
/// Lets a `job` end.
static FINISH: Notify = Notify::const_new();

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let url = &arguments[0];
    if arguments.get(1).is_some_and(|word| word == "traced") {
        tracing::subscriber::set_global_default(Printer).expect("there is no other");
    }
    let runtime = Runtime::new().expect("a runtime can be built");
    let client = match runtime.block_on(Client::builder().operation_timeout(Duration::from_secs(2)).connect(url)) {
        Ok(client) => client,
        Err(error) => return println!("not connected: {error}"),
    };
    println!("ready");
    let mut line = String::new();
    while std::io::stdin().read_line(&mut line).is_ok_and(|read| read > 0) {
        match *line.trim_end().split(' ').collect::<Vec<_>>() {
            ["guard", key] => runtime.block_on(guard(&client, key, Duration::ZERO)),
            ["guard-for", key, least] => runtime.block_on(guard(&client, key, millis(least))),
            ["body", key, ttl] => drop(runtime.spawn(body(client.clone(), key.to_owned(), millis(ttl)))),
            ["body-of", first, second] => {
                drop(runtime.spawn(body_of_two(client.clone(), [first.to_owned(), second.to_owned()])));
            }
            ["guards", count, ttl] => runtime.block_on(guards(&client, count.parse().expect("a number"), millis(ttl))),
            ["unpolled-body", key, ttl] => runtime.block_on(unpolled_body(&client, key, millis(ttl))),
            ["guard-at-most", key, most] => runtime.block_on(lost_guard(&client, key, millis(most))),
            ["shutdown"] => {
                let report = runtime.block_on(client.shutdown(Duration::ZERO));
                println!("shut down, {} lost and {} left", report.lost, report.left.len());
            }
            ["job", id] => drop(runtime.spawn(tell_job(client.clone(), id.to_owned()))),
            ["finish"] => FINISH.notify_one(),
            ["busy", key] => println!("busy {:?}", runtime.block_on(client.lock(key).acquire()).is_err()),
            ["unconfigured"] => println!("unconfigured {:?}", runtime.block_on(unconfigured())),
            ["keepers", count] => runtime.block_on(keepers(url, count.parse().expect("a number"))),
            ["exit"] => std::process::exit(3),
            ["exit-in", key] => runtime.block_on(client.lock(key).run(async { std::process::exit(4) })).expect("free"),
            ["exit-in-a-task", key] => {
                drop(runtime.spawn(client.lock(key).run(async { std::process::exit(5) })));
                loop {
                    thread::park();
                }
            }
            ["panic", key] => {
                let _dropped_by_the_panic = runtime.block_on(client.lock(key).acquire()).expect("free");
                panic!("in main");
            }
            ["until-ctrl-c"] => {
                runtime.block_on(until_ctrl_c(&client));
                break;
            }
            // The bodies run on until the process ends.
            ["return"] => return std::mem::forget(runtime),
            // As `#[tokio::main]` does.
            ["drop-the-runtime"] => return drop(runtime),
            _ => println!("what is `{line}`?"),
        }
        line.clear();
    }
}

fn millis(word: &str) -> Duration {
    Duration::from_millis(word.parse().expect("a number of milliseconds"))
}

async fn guard(client: &Client, key: &str, min_hold: Duration) {
    let guard = client.lock(key).min_hold(min_hold).acquire().await.expect("free");
    println!("held {key}");
    GUARDS.lock().expect("no panic").push(guard);
}

/// So many guards of keys `many:0`, `many:1` and so on.
async fn guards(client: &Client, count: usize, ttl: Duration) {
    for number in 0..count {
        let guard = client.lock(format!("many:{number}")).ttl(ttl).acquire().await.expect("free");
        GUARDS.lock().expect("no panic").push(guard);
    }
    println!("held {count}");
}

/// A body that is polled once and then no more, and never dropped.
async fn unpolled_body(client: &Client, key: &str, ttl: Duration) {
    let is_inside = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_inside);
    let mut run = Box::pin(client.lock(key).ttl(ttl).run(async move {
        told.store(true, Ordering::SeqCst);
        std::future::pending::<()>().await;
    }));
    std::future::poll_fn(|cx| {
        assert!(run.as_mut().poll(cx).is_pending());
        if is_inside.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    println!("inside {key}");
    std::mem::forget(run);
}

/// A guard that outlives its lock by so much that its key would be there for half a minute.
async fn lost_guard(client: &Client, key: &str, max_hold: Duration) {
    let guard = client.lock(key).ttl(max_hold).max_hold(max_hold).acquire().await.expect("free");
    guard.renew(Duration::from_secs(30)).await.expect("the store answers");
    println!("lost {key} {:?}", guard.lost().await);
    GUARDS.lock().expect("no panic").push(guard);
}

/// Runs a body that stays, and says so when its first step is over: the end of the process inside of a step is another
/// story.
async fn body(client: Client, key: String, ttl: Duration) {
    let is_inside = AtomicBool::new(false);
    let body = async {
        is_inside.store(true, Ordering::SeqCst);
        std::future::pending::<()>().await;
    };
    let mut run = std::pin::pin!(client.lock(&key).ttl(ttl).run(body));
    let outcome = std::future::poll_fn(|cx| {
        let polled = run.as_mut().poll(cx);
        if is_inside.swap(false, Ordering::SeqCst) {
            println!("inside {key}");
        }
        polled
    });
    println!("outcome {key} {:?}", outcome.await);
}

/// The same under two keys.
async fn body_of_two(client: Client, keys: [String; 2]) {
    let is_inside = AtomicBool::new(false);
    let body = async {
        is_inside.store(true, Ordering::SeqCst);
        std::future::pending::<()>().await;
    };
    let [first, second] = &keys;
    let mut run = std::pin::pin!(client.lock_all([&**first, &**second]).run(body));
    let outcome = std::future::poll_fn(|cx| {
        let polled = run.as_mut().poll(cx);
        if is_inside.swap(false, Ordering::SeqCst) {
            println!("inside {first} and {second}");
        }
        polled
    });
    println!("outcome {first} {:?}", outcome.await);
}

async fn tell_job(client: Client, id: String) {
    let outcome = job(&client, &id).await;
    println!("outcome {id} {outcome:?}");
}

#[distributed_lock(key = "job:<id>", ttl = "30s", client = client)]
async fn job(client: &Client, id: &str) -> Result<u32, LockError> {
    println!("inside {id}");
    FINISH.notified().await;
    Ok(1)
}

#[distributed_lock(key = "unconfigured")]
async fn unconfigured() -> Result<(), LockError> {
    println!("the body ran");
    Ok(())
}

/// Holds a lock until somebody presses Ctrl-C, as a program does that wants to end in order.
async fn until_ctrl_c(client: &Client) {
    let mut ctrl_c = std::pin::pin!(tokio::signal::ctrl_c());
    // The handler is there from the first poll on.
    assert!(poll_once(ctrl_c.as_mut()).await.is_pending());
    println!("listening");
    let work = client.lock("work").run(async {
        println!("inside work");
        std::future::pending::<()>().await;
    });
    tokio::select! {
        outcome = work => println!("outcome work {outcome:?}"),
        _ = ctrl_c => println!("interrupted"),
    }
}

async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// Makes clients, uses and drops them, and says how many threads there were and when they were gone.
async fn keepers(url: &str, count: usize) {
    let before = keeper_threads();
    let mut clients = Vec::new();
    for n in 0..count {
        let client = Client::connect(url).await.expect("the store is there");
        // Half of them leave a release behind.
        let guard = client.lock(format!("keeper:{n}")).acquire().await.expect("free");
        if n % 2 == 0 {
            guard.release().await.expect("the store answers");
        }
        clients.push(client);
    }
    println!("running {}", keeper_threads() - before);
    drop(clients);
    let deadline = Instant::now() + Duration::from_secs(10);
    while keeper_threads() > before && Instant::now() < deadline {
        // The end of a detached thread has no event.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("left {}", keeper_threads() - before);
}

/// How many threads of this process are keepers.
fn keeper_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks
        .filter(|task| {
            std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim_end() == "lock-keeper")
        })
        .count()
}

/// Prints all that tracing is told, a line for each span, each later value and each event.
struct Printer;

impl Subscriber for Printer {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        println!("span {id} {}{}", span.metadata().name(), Fields::of(|fields| span.record(fields)));
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        println!("record {}{}", span.into_u64(), Fields::of(|fields| values.record(fields)));
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let fields = Fields::of(|fields| event.record(fields));
        let parent = event.parent().map_or_else(String::new, |parent| format!(" in={}", parent.into_u64()));
        println!("event {} {}{parent}{fields}", metadata.level(), metadata.target());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// ` name=value` of each field.
#[derive(Default)]
struct Fields(String);

impl Fields {
    fn of(record: impl FnOnce(&mut Self)) -> Self {
        let mut fields = Self::default();
        record(&mut fields);
        fields
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        fmt::Write::write_fmt(&mut self.0, format_args!(" {}={value:?}", field.name())).expect("a string takes all");
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
