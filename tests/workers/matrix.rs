//! A process for the faults that only a process can have: it holds locks, and ends or starves as its input says, a
//! command a line. It prints what came of it.
//!
//! Called with the URL of a store, and with the milliseconds behind it that its client gives an operation, or 5 s.

use std::fs;
use std::future::poll_fn;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use lock_runtime::{Client, LockError, LockGuard, LockRequest};
use rustix::process::{Pid, Resource, Rlimit, WaitOptions, getrlimit, setrlimit, waitpid};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// Guards that are held until they are asked for.
static GUARDS: Mutex<Vec<LockGuard>> = Mutex::new(Vec::new());

fn main() {
    let url = std::env::args().nth(1).expect("a URL");
    let runtime = Runtime::new().expect("a runtime can be built");
    let client = runtime.block_on(connect(&url)).expect("the server is up");
    println!("ready");
    for line in io::stdin().lines().map_while(Result::ok) {
        match *line.split(' ').collect::<Vec<_>>() {
            ["body", key, ttl] => drop(runtime.spawn(body(key.to_owned(), client.lock(key).ttl(millis(ttl))))),
            ["body", key, ttl, kind] => {
                let request = of_kind(client.lock(key).ttl(millis(ttl)), kind);
                drop(runtime.spawn(body(key.to_owned(), request)));
            }
            ["guard", key] => runtime.block_on(guard(client.lock(key))),
            ["guard", key, ttl, kind] => runtime.block_on(guard(of_kind(client.lock(key).ttl(millis(ttl)), kind))),
            ["release"] => runtime.block_on(release()),
            ["try", key] => runtime.block_on(try_once(key, client.lock(key))),
            ["try", key, kind] => runtime.block_on(try_once(key, of_kind(client.lock(key), kind))),
            ["double-panic", key, ttl] => runtime.block_on(double_panic(&client, key, millis(ttl))),
            ["until-terminated"] => return runtime.block_on(until_terminated(&client)),
            ["fork"] => fork(),
            ["no-more-files"] => no_more_files(),
            ["more-files"] => more_files(),
            ["connect"] => println!("connect {:?}", runtime.block_on(connect(&url)).err()),
            ["connect-without-threads"] => runtime.block_on(connect_without_threads(&url)),
            ["spin", time] => spin(millis(time)),
            ["date"] => println!("date {}", since_1970().as_secs()),
            ["abort"] => std::process::abort(),
            _ => println!("what is `{line}`?"),
        }
    }
}

async fn connect(url: &str) -> Result<Client, lock_runtime::ConnectError> {
    let timeout = std::env::args().nth(2).map_or(Duration::from_secs(5), |word| millis(&word));
    Client::builder().operation_timeout(timeout).connect(url).await
}

fn millis(word: &str) -> Duration {
    Duration::from_millis(word.parse().expect("a number of milliseconds"))
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is later than that")
}

/// The same request for what this word says: `shared`, or a number of permits.
fn of_kind(request: LockRequest, kind: &str) -> LockRequest {
    match kind {
        "shared" => request.shared(),
        permits => request.permits(permits.parse().expect("a number of permits")),
    }
}

/// Runs a body that stays, says whenever it is polled again, and what becomes of it.
async fn body(key: String, request: LockRequest) {
    let mut is_inside = false;
    let body = poll_fn(|_| {
        let lease = lock_runtime::current().expect("a body");
        if std::mem::replace(&mut is_inside, true) {
            println!("step {}", lease.key());
        } else {
            println!("inside {} {}", lease.key(), lease.fence());
        }
        Poll::<()>::Pending
    });
    let outcome = request.run(body).await;
    println!("outcome {key} {outcome:?}");
}

async fn guard(request: LockRequest) {
    let guard = request.acquire().await.expect("free");
    println!("held {} {}", guard.key(), guard.fence());
    GUARDS.lock().expect("no panic").push(guard);
}

async fn release() {
    let guard = GUARDS.lock().expect("no panic").pop().expect("one is held");
    println!("released {:?}", guard.release().await);
}

async fn try_once(key: &str, request: LockRequest) {
    match request.run(async { println!("the body ran") }).await {
        Ok(()) => println!("tried {key} granted"),
        Err(LockError::Busy { .. }) => println!("tried {key} busy"),
        Err(LockError::Unavailable { .. }) => println!("tried {key} unavailable"),
        Err(error) => println!("tried {key} {error:?}"),
    }
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in a destructor, while another panic unwinds");
    }
}

async fn double_panic(client: &Client, key: &str, ttl: Duration) {
    let body = async {
        let _bomb = Bomb;
        println!("inside {key}");
        panic!("at work");
    };
    let outcome: Result<(), LockError> = client.lock(key).ttl(ttl).run(body).await;
    println!("outcome {key} {outcome:?}");
}

/// Works until it is asked to end, and ends in order.
async fn until_terminated(client: &Client) {
    let mut terminated = signal(SignalKind::terminate()).expect("a signal can be listened to");
    println!("listening");
    drop(tokio::spawn(body("work".to_owned(), client.lock("work"))));
    terminated.recv().await;
    let report = client.shutdown(Duration::ZERO).await;
    println!("left {:?}", report.left);
}

/// Forks while guards are held; the child drops its copies and ends in order.
#[allow(unsafe_code)]
fn fork() {
    // SAFETY: the other threads rest, so that none holds a mutex which the child's one thread could come to want.
    let child = unsafe { libc::fork() };
    if child == 0 {
        GUARDS.lock().expect("no panic").clear();
        std::process::exit(0);
    }
    let child = Pid::from_raw(child).expect("a child was made");
    let ended = waitpid(Some(child), WaitOptions::empty()).expect("a child of ours can be waited for");
    println!("forked {:?}", ended.and_then(|(_, status)| status.exit_status()));
}

/// From now on no file and no socket can be opened, whatever is closed meanwhile: the numbers below three are taken.
fn no_more_files() {
    let limit = Rlimit { current: Some(3), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, limit).expect("a limit can be lowered");
    println!("no more files: {}", fs::File::open("/dev/null").is_err());
}

fn more_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("a limit can be raised again");
    println!("more files");
}

/// Connects when there is no room in memory for a thread's stack, and again when there is.
async fn connect_without_threads(url: &str) {
    let pages = fs::read_to_string("/proc/self/statm").expect("it is there");
    let pages: u64 = pages.split(' ').next().and_then(|pages| pages.parse().ok()).expect("a number of pages");
    let unlimited = getrlimit(Resource::As);
    // A thread's stack is two megabytes.
    let limit = pages * rustix::param::page_size() as u64 + (1 << 20);
    setrlimit(Resource::As, Rlimit { current: Some(limit), ..unlimited }).expect("a limit can be lowered");
    let refused = connect(url).await;
    setrlimit(Resource::As, unlimited).expect("a limit can be raised again");
    println!("without threads {:?}", refused.err());
    println!("with threads {:?}", connect(url).await.err());
}

/// Keeps every core busy twice over for a time.
fn spin(time: Duration) {
    let cores = thread::available_parallelism().map_or(2, usize::from);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 * cores {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let end = Instant::now() + time;
        // The time for which there is no core to spare is what was asked for.
        thread::sleep(end.saturating_duration_since(Instant::now()));
        stop.store(true, Ordering::Relaxed);
    });
    println!("spun");
}
