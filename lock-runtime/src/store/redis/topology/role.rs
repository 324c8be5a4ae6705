//! A server's role, and whether it can keep locks.
//!
//! Taken from the reply to HELLO, which needs no permission; where that is not answered, from what the server says of
//! itself in a script. What must stay true: a server that does not tell its
//! role, or tells one that we do not know, is accepted. Absent on purpose: finding a better server.

use ::redis::Value;

use crate::store::redis::node::{fault, reply};
use crate::store::{StoreError, StoreErrorKind};

/// Why a healthy server cannot keep locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It copies another server.
    Replica,
    /// It keeps some of the keys, and redirects for the others.
    ClusterNode,
    /// It keeps no keys.
    Sentinel,
}

/// Reads the role from the reply to HELLO.
pub(crate) fn unfit(hello: &Value) -> Option<Unfit> {
    let said = |what| reply::said_in_hello(hello, what);
    unfit_by(said("mode").as_deref(), said("role").as_deref())
}

/// The same by a mode and a role, if the server said them.
pub(crate) fn unfit_by(mode: Option<&str>, role: Option<&str>) -> Option<Unfit> {
    match mode {
        Some("cluster") => return Some(Unfit::ClusterNode),
        Some("sentinel") => return Some(Unfit::Sentinel),
        _ => {}
    }
    // A replica may take writes (`replica-read-only no`), which no other server gets.
    matches!(role, Some("replica" | "slave")).then_some(Unfit::Replica)
}

impl Unfit {
    /// The error for the session; `was_primary` if the store's sessions led to a primary before.
    pub(crate) fn error(self, was_primary: bool) -> StoreError {
        let (kind, text) = match self {
            // After a primary, a replica means that a failover is in progress, or was not noticed here yet.
            Self::Replica if was_primary => (
                StoreErrorKind::Disconnected,
                "the server is a replica now; retrying until the address leads to its primary",
            ),
            Self::Replica => {
                (StoreErrorKind::Refused, "the server is a replica, which keeps no locks; point the URL at its primary")
            }
            Self::ClusterNode => (StoreErrorKind::Refused, fault::CLUSTER_MODE),
            Self::Sentinel => (
                StoreErrorKind::Refused,
                "the server is a Sentinel, which keeps no locks; point the URL at the primary that it watches",
            ),
        };
        StoreError::new(kind, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(pairs: &[(&str, &str)]) -> Value {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        Value::Map(pairs.iter().map(|(name, value)| (bulk(name), bulk(value))).collect())
    }

    #[test]
    fn only_those_who_say_so_are_unfit() {
        let expected = [
            ("standalone", "master", None),
            ("standalone", "primary", None),
            ("standalone", "replica", Some(Unfit::Replica)),
            ("standalone", "slave", Some(Unfit::Replica)),
            ("cluster", "master", Some(Unfit::ClusterNode)),
            ("cluster", "replica", Some(Unfit::ClusterNode)),
            ("sentinel", "master", Some(Unfit::Sentinel)),
            ("something", "new", None),
        ];
        for (mode, role, expected) in expected {
            assert_eq!(unfit(&said(&[("mode", mode), ("role", role)])), expected, "{mode} {role}");
        }
        for silent in [said(&[]), said(&[("version", "replica")]), Value::Nil, Value::Okay] {
            assert_eq!(unfit(&silent), None, "{silent:?}");
        }
    }

    #[test]
    fn a_replica_is_refused_until_there_was_a_primary() {
        assert_eq!(Unfit::Replica.error(false).kind(), StoreErrorKind::Refused);
        assert_eq!(Unfit::Replica.error(true).kind(), StoreErrorKind::Disconnected);
        for unfit in [Unfit::ClusterNode, Unfit::Sentinel] {
            assert_eq!(unfit.error(true).kind(), StoreErrorKind::Refused);
        }
    }
}
