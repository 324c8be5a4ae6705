//! Code that is not ours and that we cannot do without: wakers and subscribers.
//!
//! Must stay true: none of it runs under the core's mutex, and its panics harm nobody but whoever brought it.

use std::panic::{AssertUnwindSafe, catch_unwind};

pub(crate) use lock_core::cause::stays_out;

/// Runs it; whoever comes next has their turn also if it panics, of which the panic hook has told.
pub(crate) fn run(code: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(code));
}
