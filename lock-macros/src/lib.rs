//! The attribute of `lock-runtime`, which re-exports it; name that crate in `Cargo.toml` and not this one.
//!
//! The pipeline: `args` reads the attribute, `key` a literal key, `signature` the function; `expand` writes the code.
//! Faults are gathered on the way, in `diagnostics`, so that one compile shows them all.

mod args;
mod boxed;
mod diagnostics;
mod duration;
mod expand;
mod foreign;
mod key;
mod made_sync;
mod output;
mod patterns;
mod signature;
mod stacked;
mod value;

/// Runs an `async fn` in one place at a time, across all processes that use the same store.
///
/// The lock is acquired before the body's first step and released when the body ends, however it ends. If the lock is
/// lost meanwhile, the body is dropped where it awaits.
///
/// ```
/// use lock_runtime::{Client, LockError, distributed_lock};
///
/// #[distributed_lock(key = "job:<id>", ttl = "30s")]
/// async fn run_job(id: u64) -> Result<u64, LockError> {
///     // one process in the fleet is in here for a given id
///     Ok(id * 2)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::connect("memory://").await?; // a server: "redis://127.0.0.1:6379"
/// client.install()?; // once, at start-up
/// assert_eq!(run_job(21).await?, 42);
/// # Ok(()) }
/// ```
///
/// # Options
///
/// | option | values | default |
/// |---|---|---|
/// | `key` | what is locked, see below; required, or `keys` | |
/// | `keys` | `[..]` of what `key` takes, instead of it: all of them or none, without deadlock, see below | |
/// | `ttl` | how long the lock outlives its holder: `"30s"`, `"1m30s"`, `"250ms"`, or an expression of type `Duration`; at least `"50ms"`, at most `"30d"` | the client's (30 s), or `min_hold` if that is longer |
/// | `wait` | how long to wait for a busy lock: `"5s"`, at most `"30d"`, or `"forever"`, or an expression of type `Duration` | `"0s"`: do not wait |
/// | `renew` | `true` or `false`: whether a held lock is renewed, about every third of its `ttl` | `true` |
/// | `max_hold` | the longest the lock is renewed for, counted from the grant; then it is lost | none |
/// | `min_hold` | keep the key at least this long after the grant, even when the body ends sooner; at most the `ttl` | none |
/// | `once` | for how long a success counts, from the grant: `"24h"`, or an expression of type `Duration`; at most `"366d"`, see below | none |
/// | `mode` | `"exclusive"`, or `"shared"`: any number hold the lock beside each other, none beside an exclusive one | `"exclusive"` |
/// | `permits` | a number from 1, or an expression of type `u32`: at most so many hold it beside each other in the fleet; instead of `mode` | none |
/// | `weight` | likewise, how many of the `permits` this call takes | 1 |
/// | `on_busy` | `"error"`, or `"skip"`: a busy lock, or one that is `Done`, gives `()`, `None` or `Ok` of these | `"error"` |
/// | `on_lost` | `"cancel"`, or `"continue"`: the body runs on after a loss, and can ask `lock_runtime::current()` | `"cancel"` |
/// | `on_held` | what becomes of a call inside a body that holds the key already: `"error"` is `AlreadyHeld`; with `"join"` it is part of that body, and takes no lock of its own | `"error"` |
/// | `or_else` | a path or closure `FnOnce(LockError) -> R` that answers in place of the body, `R` being what the function returns | none |
/// | `client` | the client to use: `self.locks`, `&pool.locks`, an `Arc<Client>`, `*LOCKS` for a `static` `LazyLock<Client>`; taken by reference | the scope's, else the installed one |
/// | `crate` | the path of the runtime crate, where it is renamed or re-exported: `crate = my_crate::locks` | `::lock_runtime` |
///
/// Durations are whole numbers with the units `ms`, `s`, `m`, `h` and `d`, the largest first. Expressions are evaluated
/// once per call, in the order in which they are written, before the lock is acquired; `or_else` is evaluated when the
/// outcome is known.
///
/// **`crate`.** "could not find `lock_runtime`" at the attribute means that the crate goes by another name here. In a
/// crate that has `locks = { package = "lock-runtime", .. }` write `crate = locks`; in one that gets it from a base
/// crate with `pub use lock_runtime;` write `crate = base::lock_runtime`.
///
/// **`on_held = "join"`** is for functions that lock what their caller may have locked: reentrance, without counting.
/// Inside a body that holds the key (while that is polled, at any depth), the call's own body is polled under the lease
/// of that one: same fence, same deadline, and a loss ends both. Its other options are without effect then, and its end
/// releases nothing. Branches of a `join!` inside of that body may all be part of it, beside each other. A future that
/// is polled elsewhere after its first poll has lost the lock. What the outer body holds has to cover what is asked for:
/// an exclusive lock covers every kind, a shared one shared ones; everything else is `AlreadyHeld`. A spawned task is
/// inside of nothing.
///
/// ```
/// # use lock_runtime::{LockError, distributed_lock};
/// #[distributed_lock(key = "account:<id>")]
/// async fn book_all(id: u64, amounts: &[i64]) -> Result<(), LockError> {
///     for amount in amounts {
///         book(id, *amount).await?; // under the lock that is held already
///     }
///     Ok(())
/// }
///
/// #[distributed_lock(key = "account:<id>", on_held = "join")]
/// async fn book(id: u64, amount: i64) -> Result<(), LockError> {
///     # let _ = amount;
///     Ok(())
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # lock_runtime::init("memory://").await?;
/// # book_all(1, &[2, 3]).await?; book(1, 4).await?; Ok(()) }
/// ```
///
/// # Once
///
/// **`once = "24h"`** runs the body until it has succeeded, and then no more until 24 hours after that grant: every call
/// for the key is refused as `LockError::Done`, at once, in every process; `on_busy = "skip"` skips that, too. An `Err`
/// is no success, nor a panic, a loss or a call that is dropped: the next may try. Every other value is one, unless its
/// type implements `lock_runtime::Outcome` and says otherwise. The lock has to be exclusive, and one.
///
/// The key says what is done once: `"charge:<request_id>"` for a request that may come again, `"report:<day>"` for a job
/// of a day, `"tick:<fire_time>"` for a timer that fires on many nodes. With `min_hold` in its place a tick counts
/// whether or not the job succeeded, and is lost if its node dies; so `min_hold` is for what may be lost, and for
/// nothing longer than the ttl.
///
/// What is kept is a mark at the store. A crash behind the effect and before the release repeats it, and so does a store
/// that forgets, or is out of reach until the ttl is over: effects in a database want a unique row there.
///
/// ```
/// use lock_runtime::{LockError, distributed_lock};
///
/// #[distributed_lock(key = "report:<day>", ttl = "1m", once = "24h")]
/// async fn report(day: &str) -> Result<(), LockError> {
///     // ..
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # lock_runtime::init("memory://").await?;
/// report("2026-11-29").await?;
/// assert!(matches!(report("2026-11-29").await, Err(LockError::Done { .. })));
/// report("2026-11-30").await?;
/// # Ok(()) }
/// ```
///
/// # Keys
///
/// **`"job:<id>"`** takes the argument `id`, percent-encoded outside `A-Z a-z 0-9 - . _ ~`, so that different arguments
/// never make one key. A placeholder names any binding of an argument, or `self`, and fields of it: `<job.id>`,
/// `<pair.0>`, `<self.tenant>`; each must implement `Display`. Between two placeholders stands a character that no
/// encoded value holds, such as `:` or `/`.
///
/// **`"job:{id:04}"`** takes arguments as `format!` does, without encoding. One literal has one kind of bracket; `<<`,
/// `>>`, `{{` and `}}` stand for the characters in either.
///
/// **Any other expression** that is `AsRef<str>` is taken as it is: `key = format!("job:{}", job.id)`,
/// `key = job.lock_key()`, `key = KEY`. No bracket in it means anything.
///
/// The key is written once, before the body starts; arguments are neither moved nor cloned for it.
///
/// Placeholders of other tools that name an argument are refused, since they would make one key for all calls: `#id`,
/// `$id` and `%id%` anywhere, `${id}`, `#{id}` and `[id]`, `:id` and `@id` unless a word stands before them, and
/// `{{id}}` and `<<id>>` in a key that has no placeholder. A word is a word: `"order:created"` is taken as it is, also
/// beside an argument `created`. Where such text is meant, write an expression: `key = concat!("app::", "id")`.
///
/// ```
/// use lock_runtime::{Client, LockError, distributed_lock};
///
/// struct Job {
///     tenant: String,
///     id: u64,
/// }
///
/// struct Worker {
///     locks: Client,
/// }
///
/// impl Worker {
///     // `{{..}}` makes a hash tag for a cluster: all jobs of a tenant are kept on one server.
///     #[distributed_lock(key = "{{<job.tenant>}}:<job.id>", wait = "5s", client = self.locks)]
///     async fn run(&self, job: Job) -> Result<(), LockError> {
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let worker = Worker { locks: Client::connect("memory://").await? };
/// worker.run(Job { tenant: "acme".into(), id: 7 }).await?;
/// # Ok(()) }
/// ```
///
/// # Several keys
///
/// `keys = ["account:<from>", "account:<to>"]` runs the body under all of them. They are sorted by their bytes, each
/// once, and acquired one after the other, so that calls which name them in opposite orders never wait for each other in
/// a ring. `wait` is one time for all; the other options hold for each. The loss of one is the loss of all, and errors
/// name the key that they are about. In the body `lock_runtime::current()` is `None`, and `lock_runtime::current_set()`
/// has the leases; a call inside for one of the keys is `AlreadyHeld`.
///
/// ```
/// use lock_runtime::{Client, LockError, current_set, distributed_lock};
///
/// #[distributed_lock(keys = ["account:<from>", "account:<to>"], wait = "5s")]
/// async fn transfer(from: u64, to: u64) -> Result<usize, LockError> {
///     Ok(current_set().expect("a body of several keys").keys().len())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::connect("memory://").await?;
/// assert_eq!(client.scope(transfer(1, 2)).await?, 2);
/// assert_eq!(client.scope(transfer(1, 1)).await?, 1); // one key twice is one lock
/// # Ok(()) }
/// ```
///
/// # What a failure becomes
///
/// A function that returns `Result<T, E>` where `E: From<LockError>` returns it as its error: `LockError` itself,
/// `anyhow::Error`, `Box<dyn Error + Send + Sync>`, `std::io::Error`, or an enum with `#[from] LockError`. For any
/// other return type say with `or_else` what to return; for functions that return nothing there is `log_and_skip`. So
/// too for an error type of another crate, which nobody here can add `From<LockError>` to: `or_else = |error|
/// Err(Status::unavailable(error.to_string()))`. A return type of your own may implement `FromLockError` itself.
///
/// ```
/// use lock_runtime::{Client, distributed_lock};
///
/// #[distributed_lock(key = "report", ttl = "10s", min_hold = "5s", or_else = lock_runtime::log_and_skip)]
/// async fn report() {
///     // one node a tick is in here, even where the others' clocks are some seconds late
/// }
///
/// #[distributed_lock(key = "count", or_else = |_| 0)]
/// async fn count() -> usize {
///     3
/// }
///
/// #[distributed_lock(key = "poll", on_busy = "skip")]
/// async fn poll() -> anyhow::Result<Option<u32>> {
///     Ok(Some(1)) // `Ok(None)` when somebody else polls already
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::connect("memory://").await?;
/// client.scope(async { report().await }).await; // tests and tenants can use a client of their own
/// assert_eq!(client.scope(count()).await, 3);
/// assert_eq!(client.scope(poll()).await?, Some(1));
/// # Ok(()) }
/// ```
///
/// An `or_else` runs when the body has taken the arguments: it may use those that are `Copy`, references among them.
///
/// # Functions
///
/// Any `async fn` with a body: free, a method, in a trait's implementation, generic, with patterns for arguments. Under
/// `#[async_trait]` too: put the attribute on the method of the `impl`. A plain function that ends in
/// `Box::pin(async move { .. })` is taken as well; what stands before that runs without the lock.
///
/// All arguments move into the body and are dropped with it, before the lock is released, whether the body names them
/// or not (`_permit`). What no name is bound to is not: the value behind a `_` pattern, and the one that a `ref`
/// pattern borrows from, live as long as the call.
///
/// What the body has handed to somebody else cannot be stopped with it: a task that it spawned, a closure that
/// `spawn_blocking` runs, a file that `tokio::fs` writes (by such a closure). When the lock is lost, the client shuts
/// down or `main` returns, the body is dropped and the lock released, while that runs on. Either what it writes
/// compares the fence, or the body has `on_lost = "continue"`, awaits the closure in any case, and asks `current()`
/// between its parts:
///
/// ```
/// use lock_runtime::{Client, LockError, current, distributed_lock};
///
/// #[distributed_lock(key = "export", on_lost = "continue")]
/// async fn export() -> Result<u32, LockError> {
///     let lease = current().expect("inside the body there is a lease");
///     let written = tokio::task::spawn_blocking(move || (0..100).take_while(|_part| lease.is_held()).count() as u32);
///     Ok(written.await.unwrap_or(0)) // the lock is released when the closure has ended
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::connect("memory://").await?;
/// assert_eq!(client.scope(export()).await?, 100);
/// # Ok(()) }
/// ```
///
/// The body keeps the edition of its crate, and what the compiler rejects without the attribute it rejects with it.
///
/// **The lock is held until the function returns, and no longer.** What is returned and does its work later does it
/// without the lock: a future, a stream, an iterator that is not collected yet, the body of an HTTP response that is
/// still to be read (`Body`, `Sse`). Where the return type spells `Future`, `Stream`, `Iterator`, `BoxFuture` or
/// `BoxStream`, the compiler warns; `#[allow(deprecated)]` on the function says that it needs no lock. To hold one
/// until the end of a stream, take a guard along with it: `client.lock(..).acquire()`.
///
/// **`Send`.** The future is `Send` if the plain function's is and what the function returns is, too: the value is kept
/// while the release is awaited.
///
/// **Deep chains.** To the compiler, a call of a function with the attribute is as deep as three plain ones. Where more
/// than ten call each other in a row, it may ask for `#![recursion_limit = "256"]` at the top of the crate, or for a
/// `Box::pin(..)` around one of the calls.
///
/// # Beside other attributes
///
/// Put `#[distributed_lock]` first: the compiler expands the uppermost attribute first, so that the others see an
/// `async fn` that locks.
///
/// | attribute | where it goes |
/// |---|---|
/// | `#[distributed_lock]` once more | anywhere: the upper lock is the outer one, taken first and released last |
/// | `#[tokio::main]`, `#[tokio::test]` | below |
/// | `#[sqlx::test]`, `#[actix_web::test]`, `#[actix_web::main]`, `#[rocket::async_test]`, `#[async_std::main]`, and others that make the function sync | below; above it the error says to swap the two |
/// | `#[rstest]`, and others that call the function with cases or fixtures | below: so a key can name the arguments |
/// | `#[server]`, and others that copy attributes to a second function | below; above it both functions would lock, one inside the other |
/// | `#[cached]`, and others that wrap | below, to lock only for what is not in the cache; above, to lock each time |
/// | `#[tracing::instrument]` | below, to have the wait in its span; above, to have the body alone in it |
/// | `#[async_trait]` | on the `impl`, and `#[distributed_lock]` on its methods |
#[proc_macro_attribute]
pub fn distributed_lock(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand::expand(args.into(), item.into()).into()
}
