//! What the C library tells of this process: that it ends, and that it was forked.
//!
//! A forked child has a copy of its parent's memory, and of all its threads only the one that forked. So a mutex that
//! another thread had locked stays locked in the child for ever, no keeper runs there, and what the copies say of locks
//! is the parent's affair. The crate's unsafe lines are all in here: there is no safe way to these hooks.
//! Must stay true: no panic crosses into the C library; what one process has locked for all of its clients, nobody but
//! the thread that forks has locked at a fork.
#![cfg_attr(not(unix), allow(dead_code))] // on other systems nobody tells of either

use std::any::Any;
use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use once_cell::sync::OnceCell;

/// How many forks lie between this process and the first of its ancestors that used this library.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// The process that is told of its end; 0 is none. A child that came to be without the hooks is not told.
static TOLD: AtomicU32 = AtomicU32::new(0);

/// What is called at each end and fork; set once.
static HOOKS: OnceCell<Hooks> = OnceCell::new();

/// A process, as what was made in it remembers it. To compare it with the current one costs a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Process(u64);

impl Process {
    /// This process.
    pub(crate) fn current() -> Self {
        Self(FORKS.load(Ordering::Relaxed))
    }

    /// Whether this is another process, forked from that one.
    pub(crate) fn is_parent(self) -> bool {
        self != Self::current()
    }
}

/// What is called by the C library; none may panic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hooks {
    /// When `main` returns, and at `process::exit`.
    pub(crate) at_exit: fn(),
    /// Each locks something, and answers with what unlocks it when dropped: for the time of a fork.
    pub(crate) at_fork: &'static [fn() -> Box<dyn Any>],
}

thread_local! {
    /// What is locked because this thread forks.
    static LOCKED: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

fn lock_for_fork(hooks: &Hooks) {
    // On a thread that ends there is nowhere to keep it, and so nothing is locked.
    let _ = LOCKED.try_with(|locked| locked.borrow_mut().extend(hooks.at_fork.iter().map(|lock| lock())));
}

fn unlock_after_fork() {
    let _ = LOCKED.try_with(|locked| locked.take().into_iter().rev().for_each(drop));
}

/// Sets the hooks, unless they are set.
///
/// # Errors
/// The system has no memory for them.
pub(crate) fn watch(hooks: Hooks) -> io::Result<()> {
    HOOKS.get_or_try_init(|| register().map(|()| hooks)).map(|_| ())
}

#[cfg(unix)]
#[allow(unsafe_code)]
fn register() -> io::Result<()> {
    extern "C" fn at_exit() {
        if TOLD.load(Ordering::Relaxed) == std::process::id() {
            call(|hooks| (hooks.at_exit)());
        }
    }
    extern "C" fn before_fork() {
        call(lock_for_fork);
    }
    extern "C" fn after_fork_in_parent() {
        call(|_| unlock_after_fork());
    }
    extern "C" fn after_fork_in_child() {
        FORKS.fetch_add(1, Ordering::Relaxed);
        TOLD.store(std::process::id(), Ordering::Relaxed);
        call(|_| unlock_after_fork());
    }
    fn call(hook: fn(&Hooks)) {
        if let Some(hooks) = HOOKS.get() {
            let _ = std::panic::catch_unwind(|| hook(hooks));
        }
    }
    // SAFETY: these are functions without captures that live as long as the process and do not unwind. What they do
    // after a fork is to count in atomics and to unlock what the forking thread itself has locked.
    let failed =
        unsafe { libc::pthread_atfork(Some(before_fork), Some(after_fork_in_parent), Some(after_fork_in_child)) };
    if failed != 0 {
        return Err(io::Error::from_raw_os_error(failed));
    }
    TOLD.store(std::process::id(), Ordering::Relaxed);
    // SAFETY: as above.
    unsafe { libc::atexit(at_exit) };
    Ok(())
}

/// On other systems there are no forks, and keys are left to their ttl at exit.
#[cfg(not(unix))]
fn register() -> io::Result<()> {
    Ok(())
}
