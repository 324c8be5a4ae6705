//! What this process is called: its machine, its number and its program, for those who look at a store.

use std::env;
use std::path::Path;

/// The name of this machine; empty if it has none.
#[cfg(unix)]
pub(crate) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The name of this machine; empty if it has none.
#[cfg(not(unix))]
pub(crate) fn host() -> String {
    env::var("COMPUTERNAME").unwrap_or_default()
}

/// The file name of this program; empty if it cannot be told.
pub(crate) fn program() -> String {
    let path = env::current_exe().ok().or_else(|| env::args_os().next().map(Into::into)).unwrap_or_default();
    Path::new(&path).file_name().unwrap_or_default().to_string_lossy().into_owned()
}
