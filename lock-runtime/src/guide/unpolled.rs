//! Locks beside other work in one task: `select!`, `join!`, buffered streams, and futures that nobody polls.
//!
//! A future does nothing while nobody polls it. A lock future that was polled once stands in line; when its turn comes
//! its task is woken, and if that task polls something else, the lock is had by nobody who knows of it.
//!
//! # What the library does
//!
//! - **A grant that is not looked at goes on.** A call that has its turn and is not polled within a second (or eight
//!   round trips to the store, whichever is longer) is passed over: the next in line has the lock. The call is not
//!   refused; polled again, it has its old place, or learns that the key is busy if its time to wait is over.
//! - **A store is not blamed for a task that sleeps.** If an answer came and nobody took it, the call goes on from
//!   there when it is polled, or asks once more. [`LockError::Unavailable`](crate::LockError::Unavailable) is for stores.
//! - **A body that is not polled keeps its lock**, since it is renewed by a thread of the client's own, until its
//!   `max_hold` if it has one. Its deadline is kept all the same: no step of it starts afterwards. That thread wakes the
//!   body's task once a ttl to see that it is polled; one that is not is a warning that names the key, once.
//!
//! # Where it happens
//!
//! **In `select!` on a reference.** The timer's arm below runs while `first` stands in line, unpolled. If the arm wants
//! the same lock, it has it a second after the lock is free, since `first` is passed over; without that it would wait
//! for itself.
//!
//! ```
//! # use std::{pin::pin, time::Duration};
//! # use lock_runtime::{Client, LockError};
//! # async fn work(client: &Client) -> Result<(), LockError> {
//! let mut first = pin!(client.lock("report").wait(Duration::from_secs(60)).acquire());
//! tokio::select! {
//!     guard = &mut first => drop(guard?),
//!     () = tokio::time::sleep(Duration::from_secs(1)) => {
//!         // `first` is not polled in here.
//!     }
//! }
//! # Ok(()) }
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # work(&Client::connect("memory://").await?).await?;
//! # Ok(()) }
//! ```
//!
//! Instead, let `select!` have the future itself, so that it is dropped with the other arm, and leaves the line; or
//! give the call its time by `wait`.
//!
//! ```
//! # use std::time::Duration;
//! # use lock_runtime::{Client, LockError};
//! # async fn work(client: &Client) -> Result<(), LockError> {
//! match client.lock("report").wait(Duration::from_secs(1)).await {
//!     Ok(guard) => drop(guard),
//!     Err(error) if error.is_busy() => {} // nobody stands in line any more
//!     Err(error) => return Err(error),
//! }
//! # Ok(()) }
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # work(&Client::connect("memory://").await?).await?;
//! # Ok(()) }
//! ```
//!
//! **In a buffer.** `buffered` and `buffer_unordered` poll their futures only while somebody awaits the stream. While a
//! consumer works on one item, bodies in the buffer make no step, and keep their locks. Spawn them, or let them do the
//! work and give the consumer what is left to do without a lock.
//!
//! ```
//! # use lock_runtime::{Client, LockError};
//! # async fn work(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
//! let mut jobs = tokio::task::JoinSet::new();
//! for id in 0..8 {
//!     jobs.spawn(client.lock(format!("job:{id}")).run(async move { id * 2 }));
//! }
//! while let Some(done) = jobs.join_next().await {
//!     let _doubled = done??; // the others go on meanwhile
//! }
//! # Ok(()) }
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # work(&Client::connect("memory://").await?).await?;
//! # Ok(()) }
//! ```
//!
//! **In `join!`.** Its branches are one task: one that blocks the thread holds up the others, with their locks.
//! Branches that want one key are ordinary contenders, first come, first served.
//!
//! **On a thread that is blocked.** Long work without an `.await` belongs into `spawn_blocking`; what that does goes on
//! after a loss and after a shutdown, until it ends by itself. Where it must not, keep the lock until it has ended:
//! `on_lost = "continue"`, and await it in the body.
