//! Keys that are not ours: an error of the right kind that names the key, never a wrong answer.

use lock_runtime::store::StoreErrorKind::Refused;
use lock_runtime::store::{Acquired, Released, Renewed, StoreError};
use lock_tests::Server;

use crate::{acquire, fence, kind, look, open, release, renew};

lock_tests::on_every_server! {
    async fn a_key_of_another_type_is_not_a_lock(server: Server) {
        server.command(&["RPUSH", "dlock:{a}", "x"]);
        let session = open(&server.url()).await;
        assert_eq!(acquire(&session, "a", 1).await.expect("an answer"), Acquired::held(None));
        let error = look(&session, "a", 1).await.expect_err("a lock that is a list");
        assert_eq!(error.kind(), Refused);
        assert!(error.to_string().contains("`dlock:{a}` is not a lock"), "{error}");
        assert_eq!(kind(renew(&session, "a", 1).await), Refused);
        assert_eq!(kind(release(&session, "a", 1).await), Refused);
        assert_eq!(server.ask::<i64>(&["LLEN", "dlock:{a}"]), 1);
    }

    async fn a_key_without_a_ttl_is_reported(server: Server) {
        server.command(&["SET", "dlock:{a}", "another program's"]);
        let session = open(&server.url()).await;
        let error = look(&session, "a", 1).await.expect_err("a lock for ever");
        assert_eq!(error.kind(), Refused);
        assert!(error.to_string().starts_with("key `dlock:{a}` exists without a ttl"), "{error}");
        assert_eq!(release(&session, "a", 1).await.expect("an answer"), Released::NotOurs);
    }

    async fn one_spoilt_key_does_not_spoil_a_batch(server: Server) {
        let session = open(&server.url()).await;
        for key in ["a", "c"] {
            fence(acquire(&session, key, 1).await);
        }
        server.command(&["RPUSH", "dlock:{b}", "x"]);
        let renewal =
            |key: &str| lock_runtime::store::Renewal::new(key, lock_runtime::store::Token::from_bits(1), crate::TTL);
        let answers = session.renew(["a", "b", "c", "d"].map(renewal).into()).await;
        assert_eq!(answers[0].as_ref().ok(), Some(&Renewed::Renewed));
        assert_eq!(answers[1].as_ref().map_err(StoreError::kind), Err(Refused));
        assert_eq!(answers[2].as_ref().ok(), Some(&Renewed::Renewed));
        assert_eq!(answers[3].as_ref().ok(), Some(&Renewed::NotOurs));
    }
}
