//! What all sessions to one node share: how the store names its keys, and the greatest fence of the node's counter that
//! was seen.
//!
//! What must stay true: no fence is remembered that no counter of ours can have given; a fence says nothing about the
//! counter of another node. Absent on purpose: connections, and how they are made; and what is only as true as a
//! connection lasts (whether the counter was raised, which scripts the server has, whose clock it is), which `session`
//! has.

use std::sync::atomic::{AtomicU64, Ordering};

use super::names::Names;
use super::reply;

/// What is known about a node, whichever session learned it.
pub(crate) struct NodeState {
    pub(crate) names: Names,
    pub(crate) identity: String,
    /// Of the one counter that the node has.
    greatest_fence: AtomicU64,
}

impl NodeState {
    pub(crate) fn new(names: Names, identity: String) -> Self {
        Self { names, identity, greatest_fence: AtomicU64::new(0) }
    }

    pub(crate) fn greatest_fence(&self) -> u64 {
        self.greatest_fence.load(Ordering::Relaxed)
    }

    /// Notes a block of fences by its first, unless no counter of ours can have given it.
    pub(crate) fn saw_fences(&self, fence: u64, fences: u32) {
        let last = fence.saturating_add(u64::from(fences.saturating_sub(1)));
        if last < reply::FENCE_LIMIT {
            self.greatest_fence.fetch_max(last, Ordering::Relaxed);
        }
    }

    /// Notes a block from a script that was sent `seen`. If it is smaller, the server did not accept `seen`, and this
    /// client drops it too: otherwise each of its acquires would need a second round trip for its fence.
    pub(crate) fn minted_fences(&self, seen: u64, fence: u64, fences: u32) {
        if fence < seen {
            // Unless another operation has seen a greater one in the meantime.
            let _ = self.greatest_fence.compare_exchange(seen, fence, Ordering::Relaxed, Ordering::Relaxed);
        }
        self.saw_fences(fence, fences);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> NodeState {
        NodeState::new(Names::new("dlock", None).expect("valid names"), String::new())
    }

    #[test]
    fn no_fence_is_remembered_that_no_counter_gives() {
        let state = state();
        state.saw_fences(1_700_000_000_000_000, 32);
        for beyond in [reply::FENCE_LIMIT - 31, reply::FENCE_LIMIT, u64::MAX] {
            state.saw_fences(beyond, 32);
        }
        assert_eq!(state.greatest_fence(), 1_700_000_000_000_031);
    }

    #[test]
    fn what_a_server_does_not_believe_is_forgotten_unless_more_was_seen_meanwhile() {
        let state = state();
        state.saw_fences(4_000_000_000_000_000, 1);
        state.minted_fences(4_000_000_000_000_000, 1_700_000_000_000_000, 8);
        assert_eq!(state.greatest_fence(), 1_700_000_000_000_007);
        state.minted_fences(1_700_000_000_000_001, 1_700_000_000_000_000, 1);
        assert_eq!(state.greatest_fence(), 1_700_000_000_000_007);
    }
}
