//! A process that forks, or starts its locking anew, as its second argument says; the first is the URL of a store. It
//! prints what came of it, each line once.

use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use lock_runtime::{Client, LockError, LockGuard, Released, distributed_lock};
use rustix::process::{Pid, WaitOptions, waitpid};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

/// Guards that nobody ever drops.
static GUARDS: Mutex<Vec<LockGuard>> = Mutex::new(Vec::new());

/// What a call of a child may take; no lock is that long.
const SOON: Duration = Duration::from_secs(5);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let url = &arguments[0];
    match arguments[1].as_str() {
        "lazy" => made_before_the_fork(url),
        "holding" => holding_at_the_fork(url),
        "inside" => inside_a_body_at_the_fork(url),
        "installed" => installed_before_the_fork(url),
        "busy" => forked_while_others_lock(url),
        "exit" => the_end_of_a_child(url),
        "again" => again(url),
        "reload" => runtime().block_on(reload(url)),
        "closed" => closed(url),
        other => panic!("what is `{other}`?"),
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime can be built")
}

/// Runs this in a child, and waits for its end.
#[allow(unsafe_code)]
fn in_a_child(child: impl FnOnce()) -> Option<i32> {
    // SAFETY: the child calls what it could call in a new process, and lets its copies of the parent's values be.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        child();
        std::process::exit(0);
    }
    let pid = Pid::from_raw(pid).expect("a child was made");
    waitpid(Some(pid), WaitOptions::empty()).expect("a child of ours").and_then(|(_, status)| status.exit_status())
}

/// Within a bound, so that a call without an end is a line of its own.
async fn soon<T>(call: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, call).await.expect("it ends")
}

fn made_before_the_fork(url: &str) {
    let client = Client::connect_lazy(url).expect("the URL is right");
    let status = in_a_child(|| {
        runtime().block_on(async {
            println!("acquire {:?}", soon(client.lock("job").acquire()).await.map(|guard| guard.is_held()));
            println!("run {:?}", soon(client.lock("job").wait_forever().run(async { "ran" })).await);
            println!("shutdown {:?}", soon(client.shutdown(SOON)).await);
            println!("close {:?}", soon(client.close(SOON)).await);
            println!("stats {:?}", client.stats().held);
            println!("inspect {:?}", soon(client.inspect("job")).await.map(drop));
            let own = Client::connect(url).await.expect("the store is there");
            println!("own {:?}", soon(own.lock("job").run(async { "ran" })).await);
        });
    });
    println!("child {status:?}");
    println!("parent {:?}", runtime().block_on(soon(client.lock("job").run(async { "ran" }))));
}

fn holding_at_the_fork(url: &str) {
    let runtime_of_parent = runtime();
    let client = runtime_of_parent.block_on(Client::connect(url)).expect("the store is there");
    let [guard, another, third] =
        ["guard", "another", "third"].map(|key| runtime_of_parent.block_on(client.lock(key).acquire()).expect("free"));
    let mut waits = Box::pin(client.lock("guard").wait_forever().acquire());
    let mut lost = Box::pin(guard.lost());
    let mut body = Box::pin(client.lock("body").run(std::future::pending::<()>()));
    runtime_of_parent.block_on(async {
        let inside = std::future::poll_fn(|cx| {
            assert!(body.as_mut().poll(cx).is_pending());
            if client.stats().held == 4 { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        });
        inside.await;
        let mut cx = Context::from_waker(Waker::noop());
        assert!(waits.as_mut().poll(&mut cx).is_pending() && lost.as_mut().poll(&mut cx).is_pending());
    });
    println!("ready");
    let mut copies = Some((guard, another, third, body, waits, lost));
    let status = in_a_child(|| {
        let (guard, another, third, body, waits, lost) = copies.take().expect("they are there");
        runtime().block_on(async {
            println!("held {} for {:?}", guard.is_held(), guard.remaining());
            println!("lost {:?} and {:?}", soon(guard.lost()).await, soon(lost).await);
            println!("ended {:?}", soon(guard.ended()).await);
            println!("renew {:?}", soon(guard.renew(SOON)).await);
            println!("release {:?}", soon(guard.release()).await);
            println!("waiter {:?}", soon(waits).await.map(drop));
            println!("body {:?}", soon(body).await);
            drop((another, third));
        });
    });
    println!("child {status:?}");
    let (guard, another, _third, _body, _waits, lost) = copies.take().expect("they are still there");
    let mut cx = Context::from_waker(Waker::noop());
    println!("parent holds {} {} {}", guard.is_held(), another.is_held(), pin!(lost).poll(&mut cx).is_pending());
    runtime_of_parent.block_on(async {
        println!("parent renews {:?}", soon(guard.renew(SOON * 6)).await);
        println!("parent releases {:?} {:?}", soon(guard.release()).await, soon(another.release()).await);
    });
}

/// The child is in the middle of a step of its copy of the body.
fn inside_a_body_at_the_fork(url: &str) {
    let client = runtime().block_on(Client::connect(url)).expect("the store is there");
    let body = async {
        let lease = lock_runtime::current().expect("a body runs under a lock");
        let status = in_a_child(|| {
            println!("inside held {}", lease.is_held());
            let asks = thread::spawn({
                let url = url.to_owned();
                move || {
                    let own = runtime().block_on(Client::connect(&url)).expect("the store is there");
                    println!("inside own {:?}", runtime().block_on(own.lock("body").acquire()).map(drop));
                }
            });
            asks.join().expect("no panic");
        });
        println!("child {status:?}, held {}", lease.is_held());
    };
    println!("outcome {:?}", runtime().block_on(client.lock("body").run(body)));
}

#[distributed_lock(key = "job")]
async fn job() -> Result<&'static str, LockError> {
    Ok("ran")
}

fn installed_before_the_fork(url: &str) {
    let client = Client::connect_lazy(url).expect("the URL is right");
    client.install().expect("it is the first");
    let status = in_a_child(|| {
        runtime().block_on(async {
            println!("inherited {:?}", soon(job()).await);
            let client = lock_runtime::init(url).await.expect("the parent's is none of the child's");
            println!("own {:?}", soon(job()).await);
            println!("again {:?}", client.install());
        });
    });
    println!("child {status:?}");
    println!("parent {:?}", runtime().block_on(soon(job())));
}

/// Forks in a process whose other threads lock, install and make clients all the time.
fn forked_while_others_lock(url: &str) {
    Client::connect_lazy(url).and_then(|client| Ok(client.install()?)).expect("it is the first");
    for n in 0..2 {
        let url = url.to_owned();
        thread::spawn(move || {
            runtime().block_on(async {
                loop {
                    let _ = job().await;
                    let client = Client::connect_lazy(&url).expect("the URL is right");
                    let _ = client.lock(format!("own:{n}")).run(async {}).await;
                    let _ = client.install();
                }
            });
        });
    }
    let mut ended = 0;
    for n in 0..30 {
        let status = in_a_child(|| {
            runtime().block_on(async {
                lock_runtime::init(url).await.expect("the parent's is none of the child's");
                soon(lock_runtime::__private::run(request(n), async {})).await.expect("nobody else has it");
            });
        });
        ended += usize::from(status == Some(0));
    }
    println!("ended {ended}");
    std::process::exit(0);
}

/// A request that names no client.
fn request(n: u32) -> lock_runtime::LockRequest {
    let key = lock_runtime::__private::key(&format!("child:{n}"));
    lock_runtime::__private::with_key(lock_runtime::__private::request("child"), key)
}

/// A child whose parent had a client ends while it holds locks of a client of its own.
fn the_end_of_a_child(url: &str) {
    let hold = |key: &str| {
        let client = runtime().block_on(Client::connect(url)).expect("the store is there");
        let guard = runtime().block_on(client.lock(key).acquire()).expect("free");
        GUARDS.lock().expect("no panic").push(guard);
    };
    hold("parents");
    let status = in_a_child(|| hold("childs"));
    println!("child {status:?}");
    let mut line = String::new();
    let _ = std::io::stdin().read_line(&mut line);
}

/// Starts, locks and shuts down in one process, time and again.
fn again(url: &str) {
    let runtime = runtime();
    for n in 0..50 {
        runtime.block_on(async {
            let client = lock_runtime::init(url).await.expect("the one before was shut down");
            assert_eq!(job().await.expect("free"), "ran");
            let other = Client::connect(url).await.expect("the store is there");
            assert!(other.install().is_err(), "one is in use");
            if n % 2 == 0 {
                client.shutdown(SOON).await;
            } else {
                client.close(SOON).await;
            }
            assert!(matches!(job().await, Err(LockError::ShuttingDown { .. })));
        });
    }
    let deadline = Instant::now() + SOON;
    // The end of a detached thread has no event, and neither has that of a connection.
    while (keepers() > 1 || connections() > 4) && Instant::now() < deadline {
        runtime.block_on(async { tokio::time::sleep(Duration::from_millis(5)).await });
    }
    println!("again {} keepers {} connections", keepers(), connections());
}

/// Says that a `slow` is inside.
static INSIDE: Notify = Notify::const_new();
/// Lets it end.
static FINISH: Notify = Notify::const_new();

#[distributed_lock(key = "slow")]
async fn slow() -> Result<&'static str, LockError> {
    INSIDE.notify_one();
    FINISH.notified().await;
    Ok("ended")
}

/// The installed client is replaced while a body of it has its grace.
async fn reload(url: &str) {
    let old = lock_runtime::init(url).await.expect("it is the first");
    let running = tokio::spawn(slow());
    INSIDE.notified().await;
    let closing = tokio::spawn(async move { old.shutdown(SOON * 2).await });
    while !matches!(job().await, Err(LockError::ShuttingDown { .. })) {
        tokio::task::yield_now().await;
    }
    let new = lock_runtime::init(url).await.expect("the old one takes no call any more");
    println!("new {:?}", job().await);
    let busy = new.lock("slow").acquire().await;
    println!("busy {} {busy:?}", matches!(busy, Err(LockError::Busy { .. })));
    drop(busy);
    FINISH.notify_one();
    println!("old {:?}", soon(running).await.expect("no panic"));
    println!("report {:?}", soon(closing).await.expect("no panic"));
    println!("free {:?}", soon(new.lock("slow").acquire()).await.is_ok());
}

fn keepers() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
    tasks.filter_map(|task| name(task).ok()).filter(|name| name.trim_end() == "lock-keeper").count()
}

fn connections() -> usize {
    let files = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let target = |file: std::fs::DirEntry| std::fs::read_link(file.path());
    files.filter_map(|file| target(file).ok()).filter(|to| to.to_string_lossy().starts_with("socket")).count()
}

/// Closes a client, and says which threads are there the moment after.
fn closed(url: &str) {
    let runtime = runtime();
    let before = keepers();
    let client = runtime.block_on(Client::connect(url)).expect("the store is there");
    let handle = client.clone();
    let guard = runtime.block_on(client.lock("guard").acquire()).expect("free");
    assert_eq!(runtime.block_on(guard.release()).expect("the store answers"), Released::Freed);
    println!("running {}", keepers() - before);
    let (one, other) = runtime.block_on(async { tokio::join!(client.close(SOON), handle.close(SOON)) });
    println!("closed {} keepers, left {} {}", keepers() - before, one.left.len(), other.left.len());
}
