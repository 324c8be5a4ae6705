//! What a call that was passed over may have left on its way: a request under the token that was given back.
//!
//! A runtime that stands still sends it when it goes on, however late that is.

use std::time::Duration;

use super::ids::SessionId;
use super::names::CallNames;
use crate::store::{Entry, Kind, Token};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct LeftBehind {
    pub(super) token: Token,
    pub(super) kind: Kind,
    /// The session that carries it, or may.
    pub(super) session: SessionId,
    pub(super) ttl: Duration,
    pub(super) leave: Option<Box<Entry>>,
}

impl LeftBehind {
    /// Shows its names.
    pub(super) fn show_names(&mut self, names: &mut impl CallNames) {
        names.token(&mut self.token);
        self.leave.iter_mut().for_each(|entry| entry.show_names(names));
    }
}
