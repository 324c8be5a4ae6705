//! What caused an error: code that is not ours, and may not run while whoever decides does.
//!
//! Must stay true: between [`stays_out`] and the drop of what it returns, no cause is dropped on this thread; those
//! that were to be are dropped then, and their panics harm nobody.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Where this thread is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    Inside,
    /// With something in `LEFT`.
    InsideAndLeft,
}

thread_local! {
    static PLACE: Cell<Place> = const { Cell::new(Place::Outside) };
    /// What was to be dropped inside.
    static LEFT: RefCell<Vec<Arc<dyn Error + Send + Sync>>> = const { RefCell::new(Vec::new()) };
}

/// Until it is dropped, this thread is under the core's mutex, and leaves causes for afterwards.
#[derive(Debug)]
pub struct Inside(());

/// To be made before the mutex is entered, and dropped after it is left.
pub fn stays_out() -> Inside {
    PLACE.set(Place::Inside);
    Inside(())
}

impl Drop for Inside {
    fn drop(&mut self) {
        if PLACE.replace(Place::Outside) == Place::InsideAndLeft {
            let left = LEFT.try_with(RefCell::take).unwrap_or_default();
            for cause in left {
                let _ = catch_unwind(AssertUnwindSafe(|| drop(cause)));
            }
        }
    }
}

/// What caused an error. Its destructor is foreign code, and the core forgets errors.
#[derive(Debug, Clone)]
pub struct Cause(Option<Arc<dyn Error + Send + Sync>>);

impl Cause {
    pub fn none() -> Self {
        Self(None)
    }

    pub fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(error)))
    }

    pub fn error(&self) -> Option<&(dyn Error + 'static)> {
        self.0.as_ref().map(|error| error as &(dyn Error + 'static))
    }
}

impl Drop for Cause {
    fn drop(&mut self) {
        if self.0.is_some() && PLACE.get() != Place::Outside {
            PLACE.set(Place::InsideAndLeft);
            let mut cause = self.0.take();
            let _ = LEFT.try_with(|left| left.borrow_mut().extend(cause.take()));
            // Where the thread is about to end, there is no afterwards.
            std::mem::forget(cause);
        }
    }
}
