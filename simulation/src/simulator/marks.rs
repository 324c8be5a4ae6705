//! What must be true of a store's answers about keys whose work is done: nobody is given such a key, and whoever asks is
//! told.

use std::collections::{BTreeMap, BTreeSet};

use lock_core::key::{AcquireRequest, ReleaseReply, ReleaseRequest};
use lock_core::store::{Acquired, Released, Token};
use lock_core::{LockKey, Moment};

use crate::request::{Reply, Request};

/// Until when each key is done, by the store's clock.
pub(super) type Done = BTreeMap<LockKey, Moment>;

#[derive(Debug, Default)]
pub(super) struct Marks {
    done: Done,
    /// The tokens under which a body has succeeded.
    succeeded: BTreeSet<Token>,
}

impl Marks {
    /// A body that ran under this token has succeeded.
    pub(super) fn succeeded(&mut self, token: Token) {
        self.succeeded.insert(token);
    }

    /// What is done by now, for a copy of the store.
    pub(super) fn done(&self) -> Done {
        self.done.clone()
    }

    /// The store knows this and nothing else.
    pub(super) fn become_done(&mut self, done: Done) {
        self.done = done;
    }

    /// A stranger deleted or wrote the key.
    pub(super) fn forget(&mut self, key: &LockKey) {
        self.done.remove(key);
    }

    /// What is wrong with an answer of the store, if anything is; `gives` says whether it gave the key to somebody.
    pub(super) fn violation(&mut self, now: Moment, request: &Request, reply: &Reply, gives: bool) -> Option<String> {
        self.done.retain(|_, until| now < *until);
        if let Request::Release(ReleaseRequest::Release(release)) = request
            && let (true, Some(keep)) = (release.done, release.keep)
        {
            let key = &release.key;
            if !self.succeeded.contains(&release.token) {
                return Some(format!("a release says that {key} is done, and its body did not succeed"));
            }
            if matches!(reply, Reply::Released(ReleaseReply::Released(Released::Freed))) {
                self.done.insert(key.clone(), now + keep);
            }
            return None;
        }
        let Request::Ask(ask) = request else { return None };
        let (key, is_done) = (ask.key(), self.done.contains_key(ask.key()));
        let asks_for_more = !matches!(ask, AcquireRequest::Ask(ask) if !ask.time_left);
        match reply {
            _ if gives && is_done => Some(format!("{key} was given to somebody, and is done")),
            Reply::Acquired(Acquired::Held { .. }) if is_done && asks_for_more => {
                Some(format!("who asks for {key} is not told that it is done"))
            }
            Reply::Acquired(Acquired::Done { .. }) if !is_done => {
                Some(format!("who asks for {key} is told that it is done, and it is not"))
            }
            _ => None,
        }
    }
}
