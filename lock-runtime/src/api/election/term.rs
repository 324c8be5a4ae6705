//! [`Term`]: the time from one grant of a leader's lock to its end.

use std::fmt;
use std::ops::Deref;

use crate::api::lease::Lease;

/// A time of leading, from one grant to its end; what an elected candidate gets.
///
/// Its number is the fence of the grant: every later term of the key, of whatever process, has a greater one. So what a
/// leader of the past still has under way is told apart by whatever compares it. What can be asked of a [`Lease`] can
/// be asked of it: [`fence`](Lease::fence), [`key`](Lease::key), [`remaining`](Lease::remaining).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::ops::ControlFlow;
/// use lock_runtime::{Client, Term};
///
/// async fn lead(term: Term) -> ControlFlow<u64> {
///     println!("UPDATE state SET term = {0} .. WHERE term <= {0}", term.fence());
///     ControlFlow::Break(term.fence())
/// }
///
/// let client = Client::connect("memory://").await?;
/// assert!(client.elect("leader").run(lead).await? > 0);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Term {
    lease: Lease,
}

impl Term {
    pub(crate) fn new(lease: Lease) -> Self {
        Self { lease }
    }
}

/// What can be asked of a term.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::ops::ControlFlow;
/// # let client = lock_runtime::Client::connect("memory://").await?;
/// let key = client.elect("leader").run(async |term| ControlFlow::Break(term.key().clone())).await?;
/// assert_eq!(key.as_str(), "leader");
/// # Ok(()) }
/// ```
impl Deref for Term {
    type Target = Lease;

    fn deref(&self) -> &Lease {
        &self.lease
    }
}

impl fmt::Debug for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Term").field("key", self.key()).field("fence", &self.fence()).finish()
    }
}
