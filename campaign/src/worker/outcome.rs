//! What a body is, and how a call comes out.

use std::future::Future;
use std::pin::Pin;

use lock_runtime::LockError;

use super::job::Unlucky;

/// A watched body.
pub(super) type Body = Pin<Box<dyn Future<Output = Result<(), Unlucky>> + Send>>;

/// How a call came out.
#[derive(Debug)]
pub(super) enum Outcome {
    Done,
    Skipped,
    Unlucky,
    Failed(LockError),
}

impl From<LockError> for Outcome {
    fn from(error: LockError) -> Self {
        Self::Failed(error)
    }
}

impl From<Unlucky> for Outcome {
    fn from(Unlucky: Unlucky) -> Self {
        Self::Unlucky
    }
}

/// What a body or its lock came to.
pub(super) fn outcome(done: Result<Result<(), Unlucky>, LockError>) -> Outcome {
    match done {
        Ok(Ok(())) => Outcome::Done,
        Ok(Err(unlucky)) => unlucky.into(),
        Err(error) => error.into(),
    }
}
