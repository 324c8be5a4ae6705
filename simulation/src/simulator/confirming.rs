//! What the answers allow a process, computed by the checker itself.

use lock_core::Moment;
use lock_core::key::{ReleaseReply, ReleaseRequest};
use lock_core::store::{Acquired, Renewed, Rotated};

use super::world::World;
use crate::request::{Reply, Request};

impl World {
    pub(super) fn confirm(&mut self, sent: Moment, request: &Request, reply: &Reply) {
        match (request, reply) {
            (Request::Ask(request), Reply::Acquired(Acquired::Granted { .. })) => {
                self.checker.confirmed(request.token(), sent, request.ttl());
            }
            (Request::Renew(batch), Reply::Renewed(answers)) => {
                for (renewal, answer) in batch.iter().zip(answers) {
                    if let Ok(Renewed::Renewed) = answer {
                        self.checker.confirmed(renewal.token, sent, renewal.ttl);
                    }
                }
            }
            (Request::Downgrade(downgrade), Reply::Renewed(answers)) => {
                if let [Ok(Renewed::Renewed)] = answers[..] {
                    self.checker.confirmed(downgrade.token, sent, downgrade.ttl);
                }
            }
            (
                Request::Release(ReleaseRequest::Rotate(rotate)),
                Reply::Released(ReleaseReply::Rotated(Rotated::Retained { .. })),
            ) => self.checker.confirmed(rotate.token, sent, rotate.ttl),
            _ => {}
        }
    }
}
