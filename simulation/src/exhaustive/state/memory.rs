//! What a check remembers of the past, to judge the present by: what answers allow, and who held the key when.
//!
//! It shares no code with the library: it works deadlines out once more.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use lock_core::Moment;
use lock_core::key::{ReleaseReply, ReleaseRequest};
use lock_core::store::{Acquired, Kind, Names, Renewed, Rotated, Token};

use crate::request::{Reply, Request};

/// A promise that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Broken {
    /// A step of a body may start although no answer allows it any more.
    LateStep,
    /// A step of a body may start while its token does not hold the key.
    StepWithoutKey,
    /// Steps of two bodies may start that may not be beside each other.
    TwoBodies,
    /// Steps of bodies may start that have more permits than there are.
    TooManyPermits,
    /// The store says that those hold beside each other who may not.
    HoldersUnfit,
    /// Somebody has the key at the store and is not told.
    GrantUntold,
    /// Somebody has the key who came behind another that waits for it.
    QueuePassed,
    /// The first who waits fits beside the holders, and waits on.
    FirstWaits,
    /// A fence is no greater than one before.
    FenceShrank,
    /// A body begins by a second grant of its token.
    TokenUsedTwice,
    /// A lease goes on after it was lost.
    LossRevived,
    /// A request changed the lock of somebody else.
    StrangerTouched,
    /// The key was handed to a waiter who is gone.
    HandedToTheDead,
    /// The key, or a place in its queue, is nobody's, and nothing is on its way that gives it back.
    Orphaned,
    /// A body lost its lease, or a call was told that the store does not answer, and nothing was wrong.
    LostWithoutCause,
    /// A call was granted its lease before another of its client that came earlier.
    OutOfOrder,
    /// A client had the key twice while another waited for it.
    Overtaken,
    /// A body began while the key was kept for another.
    MinHoldIgnored,
    /// A call, or a manual renewal, has no answer although its time is over.
    Overdue,
    /// The key is waited for, nobody has it, and nobody gets it.
    WaitedInVain,
    /// Nothing will happen any more, and something is left in a client or in the store.
    LeftOver,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LateStep => "a step of a body may start after its deadline",
            Self::StepWithoutKey => "a step of a body may start while somebody else, or nobody, holds its key",
            Self::TwoBodies => "steps of two bodies may start that may not be beside each other",
            Self::TooManyPermits => "steps of bodies may start that have more permits than there are",
            Self::HoldersUnfit => "those hold the key beside each other who may not",
            Self::GrantUntold => "somebody has the key and is not told",
            Self::QueuePassed => "somebody has the key who came behind another that waits for it",
            Self::FirstWaits => "the first who waits fits beside the holders, and waits on",
            Self::FenceShrank => "a fence is no greater than one before",
            Self::TokenUsedTwice => "a body begins by a second grant of its token",
            Self::LossRevived => "a lease goes on after it was lost",
            Self::StrangerTouched => "a request changed the lock of somebody else",
            Self::HandedToTheDead => "the key was handed to a waiter who is gone",
            Self::Orphaned => "the key, or a place in its queue, is nobody's, and nobody gives it back",
            Self::LostWithoutCause => "a call lost its lease or had no answer, and nothing was wrong",
            Self::OutOfOrder => "a call was served before another of its client that came earlier",
            Self::Overtaken => "a client had the key twice while another waited for it",
            Self::MinHoldIgnored => "a body began while the key was kept for another",
            Self::Overdue => "a call or a manual renewal has no answer, and its time is over",
            Self::WaitedInVain => "the key is waited for in vain",
            Self::LeftOver => "something is left in a client or in the store",
        })
    }
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Memory {
    /// Until when steps may start under a token.
    allowed: BTreeMap<Token, Moment>,
    /// Tokens by which a body began.
    begun: BTreeSet<Token>,
    /// Those that do not hold the key any more.
    spent: BTreeSet<Token>,
    /// The last fence that the store reserved, and the greatest that a body had, and an exclusive one.
    reserved: u64,
    had: u64,
    had_exclusive: u64,
    /// How often each client was granted the key since a token entered its queue.
    overtaken: BTreeMap<Token, BTreeMap<usize, u8>>,
    /// Since when the key is waited for although no body has it.
    pub(crate) wanted_since: Option<Moment>,
    /// Until when no other body may begin, since the key is kept.
    pub(crate) kept_until: Option<Moment>,
}

impl Memory {
    /// A grant or renewal for so long was confirmed, which was sent at `sent`.
    fn confirmed(&mut self, token: Token, sent: Moment, ttl: Duration) {
        let drift = ttl / 100 + Duration::from_millis(2);
        let margin = (ttl / 20).max(Duration::from_millis(5)).min(Duration::from_secs(1));
        let until = sent + ttl.saturating_sub(drift + margin);
        let known = self.allowed.entry(token).or_insert(until);
        *known = until.max(*known);
    }

    /// An answer came to what was sent at `sent`.
    pub(crate) fn answered(&mut self, sent: Moment, request: &Request, reply: &Reply) {
        match (request, reply) {
            (Request::Ask(request), Reply::Acquired(Acquired::Granted { .. })) => {
                self.confirmed(request.token(), sent, request.ttl());
            }
            (Request::Renew(batch), Reply::Renewed(answers)) => {
                for (renewal, answer) in batch.iter().zip(answers) {
                    if let Ok(Renewed::Renewed) = answer {
                        self.confirmed(renewal.token, sent, renewal.ttl);
                    }
                }
            }
            (
                Request::Release(ReleaseRequest::Rotate(rotate)),
                Reply::Released(ReleaseReply::Rotated(Rotated::Retained { .. })),
            ) => self.confirmed(rotate.token, sent, rotate.ttl),
            _ => {}
        }
    }

    /// The key was handed over at `at`, which is known here exactly.
    pub(crate) fn handed_over(&mut self, token: Token, at: Moment, first_lease: Duration) {
        self.confirmed(token, at, first_lease);
    }

    /// A client was granted the key while these tokens waited in its queue; whether one was overtaken by it before.
    pub(crate) fn granted(&mut self, to: usize, waiting: &[Token]) -> bool {
        self.overtaken.retain(|token, _| waiting.contains(token));
        let times = waiting.iter().map(|token| {
            let times = self.overtaken.entry(*token).or_default().entry(to).or_default();
            *times += 1;
            *times
        });
        times.max() > Some(1)
    }

    /// Until when steps may start under a token.
    pub(crate) fn allows(&self, token: Token) -> Moment {
        self.allowed.get(&token).copied().unwrap_or(Moment::MIN)
    }

    /// The store reserved fences; false if one is no greater than all before.
    pub(crate) fn reserved(&mut self, first: u64, count: u32) -> bool {
        let grows = self.reserved < first;
        self.reserved = self.reserved.max(first + u64::from(count) - 1);
        grows
    }

    /// A body begins.
    pub(crate) fn begins(&mut self, token: Token, kind: Kind, fence: u64) -> Option<Broken> {
        let is_exclusive = kind == Kind::Exclusive;
        // Between those who hold beside each other the order says nothing.
        let grows = if is_exclusive { self.had < fence } else { self.had_exclusive < fence };
        self.had = self.had.max(fence);
        if is_exclusive {
            self.had_exclusive = fence.max(self.had_exclusive);
        }
        self.begun.insert(token);
        if self.spent.contains(&token) {
            return Some(Broken::TokenUsedTwice);
        }
        (!grows).then_some(Broken::FenceShrank)
    }

    /// Who holds the key now.
    pub(crate) fn holders(&mut self, holders: &[Token]) {
        self.spent.extend(self.begun.iter().filter(|token| !holders.contains(token)));
    }

    /// Forgets tokens that are nobody's any more, and moments that are over.
    pub(crate) fn forget(&mut self, now: Moment, is_known: impl Fn(Token) -> bool) {
        self.allowed.retain(|token, until| now < *until && is_known(*token));
        self.begun.retain(|token| is_known(*token));
        self.spent.retain(|token| is_known(*token));
        self.overtaken.retain(|token, _| is_known(*token));
        self.kept_until = self.kept_until.filter(|until| now < *until);
    }

    pub(crate) fn show_names(&mut self, names: &mut impl Names) {
        let renamed = std::mem::take(&mut self.allowed).into_iter().map(|(mut token, mut until)| {
            names.token(&mut token);
            names.moment(&mut until);
            (token, until)
        });
        self.allowed = renamed.collect();
        let renamed = std::mem::take(&mut self.overtaken).into_iter().map(|(mut token, by)| {
            names.token(&mut token);
            (token, by)
        });
        self.overtaken = renamed.collect();
        for tokens in [&mut self.begun, &mut self.spent] {
            let renamed = std::mem::take(tokens).into_iter().map(|mut token| {
                names.token(&mut token);
                token
            });
            *tokens = renamed.collect();
        }
        names.fence(&mut self.reserved);
        names.fence(&mut self.had);
        names.fence(&mut self.had_exclusive);
        for moment in [&mut self.wanted_since, &mut self.kept_until].into_iter().flatten() {
            names.moment(moment);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_the_key_twice_while_another_waits_overtakes_it() {
        let (mut memory, waiting) = (Memory::default(), [Token::from_bits(1)]);
        assert!(!memory.granted(0, &waiting) && !memory.granted(1, &waiting));
        assert!(memory.granted(0, &waiting));
        assert!(!memory.granted(2, &[]), "nobody waits");
        assert!(!memory.granted(0, &waiting), "it waits anew");
    }

    #[test]
    fn a_second_grant_of_a_token_and_a_fence_that_does_not_grow_are_noticed() {
        let (mut memory, token) = (Memory::default(), Token::from_bits(1));
        assert_eq!(memory.begins(token, Kind::Exclusive, 1), None);
        memory.holders(&[token]);
        assert_eq!(memory.begins(token, Kind::Exclusive, 2), None, "a local hand-over");
        memory.holders(&[]);
        assert_eq!(memory.begins(token, Kind::Exclusive, 3), Some(Broken::TokenUsedTwice));
        assert_eq!(memory.begins(Token::from_bits(2), Kind::Exclusive, 3), Some(Broken::FenceShrank));
    }

    #[test]
    fn fences_of_a_set_grow_against_exclusive_ones_alone() {
        let mut memory = Memory::default();
        let mut begins = |token, kind, fence| memory.begins(Token::from_bits(token), kind, fence);
        assert_eq!(begins(1, Kind::Exclusive, 1), None);
        assert_eq!((begins(2, Kind::Shared, 3), begins(3, Kind::Shared, 2)), (None, None));
        assert_eq!(begins(4, Kind::Exclusive, 2), Some(Broken::FenceShrank));
        assert_eq!(begins(5, Kind::Shared, 1), Some(Broken::FenceShrank));
    }
}
