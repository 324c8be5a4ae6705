//! What is told by [`tracing`](https://docs.rs/tracing): spans, events, their targets, levels and fields.
//!
//! Without a subscriber they cost next to nothing. None holds a token or a password; keys are in them, with what cannot
//! be seen escaped. The texts may be reworded in any version; what is said here of targets, levels and fields changes
//! as an interface does.
//!
//! **Targets** begin with `lock_runtime`, so `RUST_LOG=lock_runtime=debug` shows everything.
//!
//! **The span** `distributed_lock`, at info, is around each call of an annotated function, and of `run`:
//!
//! | field | what |
//! |---|---|
//! | `lock.template` | the key as it is written in the attribute; not there for `client.lock(..)` |
//! | `lock.key` | the key |
//! | `lock.keys` | in its place in a call for several keys: all of them; such a span has no fence |
//! | `lock.fence` | recorded at the grant |
//! | `lock.wait_ms` | how long it waited, in milliseconds; recorded at the grant |
//! | `lock.hold_ms` | how long it held; recorded when the body has ended by itself |
//!
//! **Events**, each with `lock.key` unless it says otherwise:
//!
//! | level | text | further fields | when |
//! |---|---|---|---|
//! | debug | lock acquired | `lock.fence` | the store granted the lock |
//! | debug | joined the enclosing body that holds the lock | `lock.fence` | a call with `on_held = "join"` takes no lock of its own |
//! | debug | lock released | `lock.fence`, `lock.hold_ms` | a lease that was not lost has ended, and its release is on the way: of a body, or of a guard |
//! | debug | lock is held elsewhere | | a call ended as `Busy` |
//! | debug | what the lock is for is done | | a call ended as `Done` |
//! | debug | acquire cancelled | | a call was dropped before it had the lock |
//! | debug | no scope here: using the installed client | | a call that names no client, outside of every scope, in a process that has used scopes |
//! | debug | reconnected to lock store | `store`; no `lock.key` | the keeper has a connection again |
//! | info | skipped: .. | | `log_and_skip` was called for `Busy` or `Done` |
//! | warn | skipped: .. | | `log_and_skip` was called for anything else |
//! | debug | an acquire failed; a renewal failed; a release failed; a waiter was passed over | `error` | each time, for each lock |
//! | warn | failed to acquire lock | `failures`, `error` | calls ended as `Unavailable` |
//! | warn | failed to renew lock | `failures`, `error` | renewals failed, and will be tried again until the deadline |
//! | warn | failed to release lock | `failures`, `error` | releases failed, and will be tried again until the ttl is over |
//! | warn | lock was no longer held when it was released | | the store said so: it was deleted, overwritten or had expired |
//! | warn | lock was not renewed for half of its ttl | `since` | once for each lease: at the end of the ttl it is lost |
//! | warn | the task of a body was not polled for the ttl of its lock, which stays held | `ttl` | once for each lease: see [unpolled](crate::guide::unpolled) |
//! | warn | the task of a waiter was not polled, so its lock went to the next | `failures` | a second after a grant that a task did not look at: see [unpolled](crate::guide::unpolled) |
//! | warn | lock lost | `lock.fence`, `reason` | the lease ended before its body or guard |
//! | warn | a body succeeded when its lock was lost, so that the success is not kept | `reason` | with `once`: the next who asks does it again |
//! | warn | failed to connect to lock store | `store`, `error`; no `lock.key` | the keeper cannot connect, and goes on trying |
//! | error | a mistake in the program: the body was skipped | `error` | `or_else` or `log_and_skip` was given `NotConfigured` or `InvalidOptions`; also written to stderr, once for each place |
//!
//! A warning with `failures` is one for all that fail of one cause, at most one a second: it names the first lock, and
//! says how many there were. The first is told at once, the rest within a second.
//!
//! Events of one lock are told in its caller's span, also what the keeper tells: that is the span of the call for a body, and
//! for a guard the one that was current when [`acquire`](crate::LockRequest::acquire) was called.
//!
//! The same is counted in [`Client::stats`](crate::Client::stats).
