//! Servers that take no writes just now: full ones, and ones without replicas.

use lock_runtime::store::StoreErrorKind::{Disconnected, Unready};
use lock_runtime::store::{Released, Renewed, Store as _};
use lock_tests::Server;

use crate::{acquire, fence, kind, look, open, release, renew, store};

lock_tests::on_every_server! {
    async fn a_full_server_gives_no_lock_and_keeps_those_that_are_held(server: Server) {
        let session = open(&server.url()).await;
        fence(acquire(&session, "held", 1).await);
        server.command(&["CONFIG", "SET", "maxmemory", "1"]);
        assert_eq!(kind(acquire(&session, "a", 2).await), Unready);
        assert_eq!(kind(look(&session, "a", 2).await), Unready);
        assert_eq!(server.get("dlock:{a}"), None);
        assert_eq!(renew(&session, "held", 1).await.expect("a renewal"), Renewed::Renewed);
        assert_eq!(renew(&session, "a", 2).await.expect("a renewal"), Renewed::NotOurs);
        assert_eq!(release(&session, "held", 1).await.expect("a release"), Released::Freed);
        assert!(session.is_open());
    }

    async fn a_full_server_can_be_connected_to(server: Server) {
        fence(acquire(&open(&server.url()).await, "held", 1).await);
        server.command(&["SET", "dlock:fence", "1600000000000001"]);
        server.command(&["CONFIG", "SET", "maxmemory", "1"]);
        let session = open(&server.url()).await;
        assert_eq!(renew(&session, "held", 1).await.expect("a renewal"), Renewed::Renewed);
        assert_eq!(kind(acquire(&session, "a", 2).await), Unready);
        server.command(&["CONFIG", "SET", "maxmemory", "0"]);
        // The counter was never raised for this session, and yet its fences are no smaller than the clock.
        assert!(fence(acquire(&session, "a", 2).await) > 1_700_000_000_000_000);
    }

    async fn a_server_without_its_replicas_is_unready(server: Server) {
        let session = open(&server.url()).await;
        fence(acquire(&session, "held", 1).await);
        server.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
        assert_eq!(kind(acquire(&session, "a", 2).await), Unready);
        // For longer than it has, or within the same millisecond there would be nothing to write.
        let (key, token) = ("held", lock_runtime::store::Token::from_bits(1));
        let longer = lock_runtime::store::Renewal::new(key, token, 2 * crate::TTL);
        assert_eq!(kind(session.renew(vec![longer]).await.remove(0)), Unready);
        assert_eq!(kind(store(&server.url()).open().await), Disconnected);
        assert!(session.is_open());
    }
}
