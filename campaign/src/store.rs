//! The server of a campaign and its replica: what they are started with, and what is asked of the primary besides.
//!
//! The workers log in as a user with the rights that the library's documentation asks for. All that the primary
//! acknowledged is on its disk, and its replica has it before they change places, so that neither a restart nor a
//! planned failover is an excuse.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use lock_tests::{Kind, Pair, RIGHTS, Server};
use redis::Value;

/// How long a server may refuse a command of ours.
const PATIENCE: Duration = Duration::from_secs(20);
/// Where a server with an append-only file has it.
const APPENDED: &str = "appendonlydir";

/// Two servers with append-only files and the workers' user, of which one is the other's replica.
pub(crate) fn start() -> Pair {
    let mut settings = Server::builder(Kind::Redis).arg("--appendonly", "yes").arg("--appendfsync", "always");
    let user = ["--user", "app", "on", ">secret", "~dlock:*", "resetchannels", "&dlock:wake:*"];
    // Settings come in pairs; saying the last right twice does no harm.
    let words: Vec<&str> = user.into_iter().chain(RIGHTS).chain(["+subscribe"]).collect();
    for pair in words.chunks(2) {
        settings = settings.arg(pair[0], pair.get(1).copied().unwrap_or("on"));
    }
    Pair::of(settings.start())
}

/// The URL of the workers' user on a port.
pub(crate) fn url_on(port: u16) -> String {
    format!("redis://app:secret@127.0.0.1:{port}")
}

/// The name of a lock in Redis.
pub(crate) fn name(key: u64) -> String {
    format!("dlock:{{{}}}", lock_key(key))
}

/// The key of a lock, as the workers know it.
pub(crate) fn lock_key(key: u64) -> String {
    format!("campaign:{key}")
}

/// Sends a command until it is answered; a server may be busy with something else that was done to it.
pub(crate) fn command(server: &Server, words: &[&str]) {
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = server.try_ask::<Value>(words) {
        assert!(Instant::now() < deadline, "{words:?} on port {} failed: {error}", server.port());
    }
}

pub(crate) fn revoke_rights(server: &Server) {
    command(server, &["ACL", "SETUSER", "app", "-@all"]);
}

pub(crate) fn give_rights(server: &Server) {
    command(server, &[&["ACL", "SETUSER", "app"], &RIGHTS[..]].concat());
}

/// Kills it and starts it again with nothing on its disk.
pub(crate) fn restart_empty(server: &mut Server) {
    let directory: Vec<String> = server.ask(&["CONFIG", "GET", "dir"]);
    let appended: PathBuf = [&directory[1], APPENDED].iter().collect();
    server.kill();
    std::fs::remove_dir_all(&appended).expect("the files of a server that is gone can be removed");
    server.restart();
}
