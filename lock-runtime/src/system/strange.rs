//! Wakers as an unusual executor may make them, for tests: each clone has its own address, and the address of a dropped
//! one is the next to be reused. They report what happens to them.
//!
//! Must stay true: they report while nothing of theirs is locked, so that a test may do anything there.

use std::collections::BTreeMap;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{RawWaker, RawWakerVTable, Waker};

use crate::system::mutex::enter;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Happened {
    Cloned,
    Woken,
    Dropped,
}

type Tell = Arc<dyn Fn(Happened) + Send + Sync>;

/// How many addresses a family has.
const SIZE: usize = 16;

static WAKERS: Mutex<BTreeMap<usize, Tell>> = Mutex::new(BTreeMap::new());
static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_it);

/// Wakers that share addresses with each other and with nobody else.
pub(crate) struct Family(usize);

impl Family {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(SIZE);
        Self(NEXT.fetch_add(SIZE, Ordering::Relaxed))
    }

    pub(crate) fn waker(&self, tell: impl Fn(Happened) + Send + Sync + 'static) -> Waker {
        let raw = settled(self.0, Arc::new(tell));
        // SAFETY: the functions of the table follow the contract of `RawWakerVTable`, for any data from `settled`.
        #[allow(unsafe_code)]
        unsafe {
            Waker::from_raw(raw)
        }
    }
}

/// At the lowest free address of the family.
fn settled(family: usize, tell: Tell) -> RawWaker {
    let mut wakers = enter(&WAKERS);
    let address = (family..family + SIZE).find(|address| !wakers.contains_key(address)).expect("a test has few wakers");
    wakers.insert(address, tell);
    RawWaker::new(ptr::without_provenance(address), &TABLE)
}

fn at(data: *const ()) -> Tell {
    Arc::clone(&enter(&WAKERS)[&data.addr()])
}

fn leave(data: *const ()) -> Tell {
    enter(&WAKERS).remove(&data.addr()).expect("a waker is dropped once")
}

fn clone(data: *const ()) -> RawWaker {
    let tell = at(data);
    tell(Happened::Cloned);
    settled(data.addr() / SIZE * SIZE, tell)
}

fn wake(data: *const ()) {
    let tell = leave(data);
    tell(Happened::Woken);
    tell(Happened::Dropped);
}

fn wake_by_ref(data: *const ()) {
    at(data)(Happened::Woken);
}

fn drop_it(data: *const ()) {
    leave(data)(Happened::Dropped);
}
