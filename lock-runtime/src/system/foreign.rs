//! Foreign code that has to be called: wakers and subscribers.
//!
//! Must stay true: none of it runs while the client's mutex is locked, and a panic in it affects nothing else.

use std::panic::{AssertUnwindSafe, catch_unwind};

pub(crate) use lock_core::cause::stays_out;

/// Runs it, and ignores a panic, which the panic hook has reported.
pub(crate) fn run(code: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(code));
}
