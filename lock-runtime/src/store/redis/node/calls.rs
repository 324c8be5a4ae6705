//! The KEYS and ARGV of each script, in the order that its header states.
//!
//! Written straight into the command, whose buffer is allocated once. Absent on purpose: sending it.

use std::time::Duration;

use ::redis::{Cmd, ToRedisArgs};

use super::names::{EntryText, KindText, Names, TokenText, keep_ms, ttl_ms};
use super::script::Arguments;
use crate::store::{Ask, Downgrade, Entry, Kind, Look, Release, Renewal, Rotate, Token};
use lock_core::LockKey;
use lock_core::store::LONGEST_KEY;

/// About how many bytes one or two numbers need, with the lengths of the arguments.
const NUMBER_BYTES: usize = 40;

/// The keys of a script with a queue: lock, counter, queue, a name that never exists, and the holders.
const QUEUE_KEYS: usize = 5;

/// For `repair.lua`.
pub(crate) struct Repair<'a> {
    pub(crate) names: &'a Names,
    pub(crate) ask: &'a Ask,
    /// The greatest fence that this client has seen.
    pub(crate) seen: u64,
}

impl Arguments for Repair<'_> {
    fn keys(&self) -> usize {
        3
    }

    fn bytes(&self) -> usize {
        2 * self.names.never(&self.ask.key).len() + self.names.counter().len() + TokenText::LEN + NUMBER_BYTES
    }

    fn write(&self, command: &mut Cmd) {
        let Self { names, ask, seen } = self;
        command.arg(names.lock(&ask.key)).arg(names.counter()).arg(names.never(&ask.key));
        command.arg(TokenText(ask.token)).arg(*seen);
    }
}

/// For `look.lua`.
pub(crate) struct Looking<'a> {
    pub(crate) names: &'a Names,
    pub(crate) look: &'a Look,
    /// The queue entry, if the token waits.
    pub(crate) entry: Option<&'a Entry>,
    /// The greatest fence that this client has seen.
    pub(crate) seen: u64,
}

impl Arguments for Looking<'_> {
    fn keys(&self) -> usize {
        QUEUE_KEYS
    }

    fn bytes(&self) -> usize {
        queue_bytes(self.names, &self.look.key) + EntryText::LEN + 2 * NUMBER_BYTES + KindText::LEN
    }

    fn write(&self, command: &mut Cmd) {
        let Self { names, look: Look { key, token, ttl, fences, kind, .. }, entry, seen } = self;
        write_common(command, names, key, *token, *seen);
        command.arg(ttl_ms(*ttl)).arg(*fences);
        write_entry(command, *token, *entry);
        command.arg(KindText(*kind));
    }
}

/// For `free.lua`.
pub(crate) struct Freeing<'a> {
    pub(crate) names: &'a Names,
    pub(crate) release: &'a Release,
}

impl Arguments for Freeing<'_> {
    fn keys(&self) -> usize {
        2
    }

    fn bytes(&self) -> usize {
        2 * self.names.queue(&self.release.key).len() + TokenText::LEN + NUMBER_BYTES
    }

    fn write(&self, command: &mut Cmd) {
        let Self { names, release: Release { key, token, .. } } = self;
        command.arg(names.lock(key)).arg(names.queue(key)).arg(TokenText(*token));
    }
}

/// For `release.lua`.
pub(crate) struct Releasing<'a> {
    pub(crate) names: &'a Names,
    pub(crate) release: &'a Release,
    /// The greatest fence that this client has seen.
    pub(crate) seen: u64,
}

impl Arguments for Releasing<'_> {
    fn keys(&self) -> usize {
        QUEUE_KEYS
    }

    fn bytes(&self) -> usize {
        queue_bytes(self.names, &self.release.key) + EntryText::LEN + NUMBER_BYTES + KindText::LEN
    }

    fn write(&self, command: &mut Cmd) {
        let Self { names, release: Release { key, token, keep, done, leave, kind, .. }, seen } = self;
        write_common(command, names, key, *token, *seen);
        write_optional(command, keep.map(keep_ms));
        write_optional(command, leave.as_ref().map(|entry| EntryText(*token, entry)));
        command.arg(KindText(*kind)).arg(if *done { "done" } else { "kept" });
    }
}

/// For `downgrade.lua`.
pub(crate) struct Downgrading<'a> {
    pub(crate) names: &'a Names,
    pub(crate) downgrade: &'a Downgrade,
    /// The greatest fence that this client has seen.
    pub(crate) seen: u64,
}

impl Arguments for Downgrading<'_> {
    fn keys(&self) -> usize {
        QUEUE_KEYS
    }

    fn bytes(&self) -> usize {
        queue_bytes(self.names, &self.downgrade.key) + NUMBER_BYTES
    }

    fn write(&self, command: &mut Cmd) {
        let Self { names, downgrade: Downgrade { key, token, ttl, .. }, seen } = self;
        write_common(command, names, key, *token, *seen);
        command.arg(ttl_ms(*ttl));
    }
}

/// For `rotate.lua`.
pub(crate) struct Rotating<'a> {
    pub(crate) names: &'a Names,
    pub(crate) rotation: &'a Rotate,
    /// The greatest fence that this client has seen.
    pub(crate) seen: u64,
}

impl Arguments for Rotating<'_> {
    fn keys(&self) -> usize {
        QUEUE_KEYS
    }

    fn bytes(&self) -> usize {
        queue_bytes(self.names, &self.rotation.key) + EntryText::LEN + TokenText::LEN + 2 * NUMBER_BYTES
    }

    fn write(&self, command: &mut Cmd) {
        let Self { names, rotation: Rotate { key, token, ttl, fences, next, entry, .. }, seen } = self;
        write_common(command, names, key, *token, *seen);
        command.arg(ttl_ms(*ttl)).arg(*fences);
        write_entry(command, *next, Some(entry));
        command.arg(TokenText(*next));
    }
}

/// About how many bytes `write_common` writes.
fn queue_bytes(names: &Names, key: &LockKey) -> usize {
    5 * names.queue(key).len() + names.counter().len() + TokenText::LEN + names.wake().len() + NUMBER_BYTES
}

/// The keys of a script with a queue, and the arguments that all such scripts have.
fn write_common(command: &mut Cmd, names: &Names, key: &LockKey, token: Token, seen: u64) {
    command.arg(names.lock(key)).arg(names.counter()).arg(names.queue(key)).arg(names.never(key)).arg(names.held(key));
    command.arg(TokenText(token)).arg(seen).arg(names.wake());
}

/// An entry, its place at the earliest, how long it counts as alive, and how long the queue is kept.
fn write_entry(command: &mut Cmd, token: Token, entry: Option<&Entry>) {
    write_optional(command, entry.map(|entry| EntryText(token, entry)));
    write_optional(command, entry.and_then(|entry| entry.since));
    write_optional(command, entry.and_then(|entry| entry.alive_for).map(keep_ms));
    write_optional(command, entry.and_then(|entry| entry.lasts).map(keep_ms));
}

/// An argument, or an empty one.
fn write_optional(command: &mut Cmd, argument: Option<impl ToRedisArgs>) {
    match argument {
        Some(argument) => command.arg(argument),
        None => command.arg(""),
    };
}

/// For `renew.lua`; for `renew_set.lua`, if those who renew hold beside others.
pub(crate) struct Renewing<'a> {
    pub(crate) names: &'a Names,
    /// All of one script.
    pub(crate) batch: &'a [Renewal],
}

impl Renewing<'_> {
    /// Whether those who renew hold beside others.
    pub(crate) fn is_of_sets(&self) -> bool {
        self.batch.first().is_some_and(|renewal| renewal.kind != Kind::Exclusive)
    }

    /// The ttl of all of them, if it is the same, which it nearly always is; then it is written once.
    fn common_ttl(&self) -> Option<Duration> {
        let first = self.batch.first()?.ttl;
        self.batch.iter().all(|renewal| renewal.ttl == first).then_some(first)
    }

    fn write_of_sets(&self, command: &mut Cmd) {
        for Renewal { token, kind, ttl, .. } in self.batch {
            command.arg(TokenText(*token)).arg(KindText(*kind)).arg(ttl_ms(*ttl));
        }
    }

    fn write_of_exclusive(&self, command: &mut Cmd) {
        let common = self.common_ttl();
        write_optional(command, common.map(ttl_ms));
        for renewal in self.batch {
            command.arg(TokenText(renewal.token));
            if common.is_none() {
                command.arg(ttl_ms(renewal.ttl));
            }
        }
    }
}

impl Arguments for Renewing<'_> {
    fn keys(&self) -> usize {
        let each = if self.is_of_sets() { 2 } else { 1 };
        each * self.batch.len() + 1
    }

    fn bytes(&self) -> usize {
        let name = |renewal: &Renewal| self.names.never(&renewal.key).len() + TokenText::LEN + NUMBER_BYTES;
        self.batch.iter().map(name).sum::<usize>() + LONGEST_KEY
    }

    fn write(&self, command: &mut Cmd) {
        let in_sets = self.is_of_sets();
        for renewal in self.batch {
            command.arg(self.names.lock(&renewal.key));
            if in_sets {
                command.arg(self.names.held(&renewal.key));
            }
        }
        if let Some(first) = self.batch.first() {
            command.arg(self.names.never(&first.key));
        }
        if in_sets { self.write_of_sets(command) } else { self.write_of_exclusive(command) }
    }
}
