//! What a user of a shared server must be allowed, as the documentation says it.

pub(crate) use lock_tests::RIGHTS;
use lock_tests::Server;

/// Channels; servers differ in what a user has who is told nothing.
pub(crate) const CHANNELS: [&str; 2] = ["resetchannels", "&dlock:wake:*"];

/// Allows a user this much, and nothing else but the keys of the namespace; the user's URL.
pub(crate) fn allow(server: &Server, rights: &[&str], channels: &[&str]) -> String {
    let user = ["ACL", "SETUSER", "app", "reset", "on", ">secret", "~dlock:*"];
    server.command(&[&user, rights, channels].concat());
    server.url().replace("redis://", "redis://app:secret@")
}
