//! No lock: the negative control. Its holds overlap, and a check that does not see it sees nothing.

use super::{Locking, Locks, Outcome};

pub(crate) struct Nothing;

impl Locks for Nothing {
    type Waiter = Self;

    async fn waiter(&self, _: &str) -> Outcome<Self> {
        Ok(Self)
    }
}

impl Locking for Nothing {
    type Held = ();

    async fn acquire(&mut self) -> Outcome<()> {
        Ok(())
    }

    async fn release(&mut self, (): ()) -> Outcome<()> {
        Ok(())
    }
}
