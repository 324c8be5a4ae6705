//! No lock: the negative control. Its holds overlap, and a check that does not see it sees nothing.

use super::{Locking, Locks, Outcome};
use crate::kind::Kind;

pub(crate) struct Nothing;

impl Locks for Nothing {
    type Waiter = Self;

    async fn waiter(&self, _: &str) -> Outcome<Self> {
        Ok(Self)
    }
}

impl Locking for Nothing {
    type Held = ();

    fn want(&mut self, _: Kind) -> Outcome<()> {
        Ok(())
    }

    async fn acquire(&mut self) -> Outcome<()> {
        Ok(())
    }

    async fn release(&mut self, (): ()) -> Outcome<()> {
        Ok(())
    }
}
