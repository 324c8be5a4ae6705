//! What each script is called with: its KEYS and ARGV, in the order that its first lines state.
//!
//! Written straight into the command, which is made large enough at once. Absent on purpose: sending it.

use ::redis::Cmd;

use super::names::{Names, TokenText, keep_ms, ttl_ms};
use super::script::Arguments;
use crate::key::LONGEST_KEY;
use crate::store::{Ask, Look, Release, Renewal};

/// How many bytes a number or two need at most, and what the lengths of the arguments cost.
const NUMBERS: usize = 40;

/// For `repair.lua`.
pub(super) struct Repair<'a> {
    pub(super) names: &'a Names,
    pub(super) ask: &'a Ask,
    /// The greatest fence that this client saw.
    pub(super) seen: u64,
}

impl Arguments for Repair<'_> {
    fn keys(&self) -> usize {
        3
    }

    fn bytes(&self) -> usize {
        2 * self.names.never(&self.ask.key).len() + self.names.counter().len() + TokenText::LEN + NUMBERS
    }

    fn write(&self, command: &mut Cmd) {
        let Self { names, ask, seen } = self;
        command.arg(names.lock(&ask.key)).arg(names.counter()).arg(names.never(&ask.key));
        command.arg(TokenText(ask.token)).arg(*seen);
    }
}

/// For `look.lua`.
pub(super) struct Looking<'a> {
    pub(super) names: &'a Names,
    pub(super) look: &'a Look,
    /// The greatest fence that this client saw.
    pub(super) seen: u64,
}

impl Arguments for Looking<'_> {
    fn keys(&self) -> usize {
        3
    }

    fn bytes(&self) -> usize {
        2 * self.names.never(&self.look.key).len() + self.names.counter().len() + TokenText::LEN + NUMBERS
    }

    fn write(&self, command: &mut Cmd) {
        let Self { names, look, seen } = self;
        command.arg(names.lock(&look.key)).arg(names.counter()).arg(names.never(&look.key));
        command.arg(TokenText(look.token)).arg(ttl_ms(look.ttl)).arg(*seen);
    }
}

/// For `release.lua`.
pub(super) struct Freeing<'a> {
    pub(super) names: &'a Names,
    pub(super) release: &'a Release,
}

impl Arguments for Freeing<'_> {
    fn keys(&self) -> usize {
        2
    }

    fn bytes(&self) -> usize {
        2 * self.names.never(&self.release.key).len() + TokenText::LEN + NUMBERS
    }

    fn write(&self, command: &mut Cmd) {
        let Self { names, release } = self;
        command.arg(names.lock(&release.key)).arg(names.never(&release.key)).arg(TokenText(release.token));
        match release.keep {
            Some(keep) => command.arg(keep_ms(keep)),
            None => command.arg(""),
        };
    }
}

/// For `renew.lua`.
pub(super) struct Renewing<'a> {
    pub(super) names: &'a Names,
    pub(super) batch: &'a [Renewal],
}

impl Arguments for Renewing<'_> {
    fn keys(&self) -> usize {
        self.batch.len() + 1
    }

    fn bytes(&self) -> usize {
        let name = |renewal: &Renewal| self.names.never(&renewal.key).len() + TokenText::LEN + NUMBERS;
        self.batch.iter().map(name).sum::<usize>() + LONGEST_KEY
    }

    fn write(&self, command: &mut Cmd) {
        for renewal in self.batch {
            command.arg(self.names.lock(&renewal.key));
        }
        if let Some(first) = self.batch.first() {
            command.arg(self.names.never(&first.key));
        }
        for renewal in self.batch {
            command.arg(TokenText(renewal.token)).arg(ttl_ms(renewal.ttl));
        }
    }
}
