//! What is a success of a body: asked for by `once`, and nowhere else.

use std::fmt;
use std::ops::ControlFlow;
use std::time::{Duration, Instant, SystemTime};

use crate::engine::judged::Judge;

/// What a body returns, and whether that is a success: an `Err` is none, every other value is one.
///
/// It is there for `Result`, and for what the standard library has that bodies return. The attribute takes a type
/// without it for a success, too; [`LockRequest::run`](crate::LockRequest::run) with `once` asks for it, or for
/// [`succeeded_if`](crate::LockRequest::succeeded_if). A type of your own that can say that it failed implements it.
///
/// ```
/// use lock_runtime::Outcome;
///
/// enum Sent {
///     All,
///     Some { left: usize },
/// }
///
/// impl Outcome for Sent {
///     fn succeeded(&self) -> bool {
///         matches!(self, Self::All)
///     }
/// }
///
/// assert!(!Sent::Some { left: 3 }.succeeded() && Sent::All.succeeded());
/// assert!(Ok::<(), String>(()).succeeded() && !Err::<(), _>("no paper").succeeded());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whether it is a success",
    label = "`once` keeps a success, and nothing says that this is one",
    note = "say it where it is asked: `.once(period).succeeded_if(|value: &{Self}| ..)`",
    note = "a type of your own can implement `Outcome`; `Result` does"
)]
pub trait Outcome {
    /// Whether it is a success.
    fn succeeded(&self) -> bool;
}

impl<T, E> Outcome for Result<T, E> {
    fn succeeded(&self) -> bool {
        self.is_ok()
    }
}

impl<T: Outcome + ?Sized> Outcome for Box<T> {
    fn succeeded(&self) -> bool {
        (**self).succeeded()
    }
}

macro_rules! successes {
    ($($($all:ty),+;)+) => {$($(
        impl Outcome for $all {
            fn succeeded(&self) -> bool {
                true
            }
        }
    )+)+};
}

successes! {
    (), bool, char, String, &str;
    u8, u16, u32, u64, u128, usize;
    i8, i16, i32, i64, i128, isize;
    f32, f64;
    Duration, Instant, SystemTime;
}

macro_rules! successes_of {
    ($($all:ty: $($of:ident)+;)+) => {$(
        impl<$($of),+> Outcome for $all {
            fn succeeded(&self) -> bool {
                true
            }
        }
    )+};
}

successes_of! {
    Option<T>: T;
    Vec<T>: T;
    ControlFlow<B, C>: B C;
    (A, B): A B;
    (A, B, C): A B C;
}

/// A request whose success is what its future's [`Outcome`] says; made by [`LockRequest::once`](crate::LockRequest::once).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::time::Duration;
/// use lock_runtime::{ByOutcome, Client, LockRequest};
///
/// let client = Client::connect("memory://").await?;
/// let daily: LockRequest<ByOutcome> = client.lock("report").once(Duration::from_secs(24 * 3600));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ByOutcome;

/// A request whose success is what this says; made by [`LockRequest::succeeded_if`](crate::LockRequest::succeeded_if).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::time::Duration;
/// use lock_runtime::{Client, LockRequest, SucceededIf};
///
/// let client = Client::connect("memory://").await?;
/// let daily: LockRequest<SucceededIf<_>> =
///     client.lock("import").once(Duration::from_secs(24 * 3600)).succeeded_if(|rows: &u32| *rows > 0);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy)]
pub struct SucceededIf<P>(P);

impl<P> SucceededIf<P> {
    pub(crate) fn new(is_success: P) -> Self {
        Self(is_success)
    }
}

impl<P> fmt::Debug for SucceededIf<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SucceededIf").finish_non_exhaustive()
    }
}

/// What says what a success is.
#[doc(hidden)]
pub trait Success {}

impl Success for ByOutcome {}
impl<P> Success for SucceededIf<P> {}

impl<T: Outcome> Judge<T> for ByOutcome {
    fn judge(&self, value: &T) -> bool {
        value.succeeded()
    }
}

impl<T, P: Fn(&T) -> bool> Judge<T> for SucceededIf<P> {
    fn judge(&self, value: &T) -> bool {
        (self.0)(value)
    }
}
