//! Each store keeps each promise; the promises are the published ones.

use lock_runtime::conformance;
use lock_runtime::redis::{RedisSettings, RedisStore};
use lock_runtime::store::MemoryStore;

use lock_tests::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_keeps_every_promise() {
    conformance::check(MemoryStore::new()).await;
}

lock_tests::on_every_server! {
    async fn a_server_keeps_every_promise(server: Server) {
        conformance::check(crate::store(&server.url())).await;
    }

    async fn every_promise_is_kept_with_resp3(server: Server) {
        conformance::check(crate::store(&format!("{}?protocol=resp3", server.url()))).await;
    }

    async fn every_promise_is_kept_under_names_of_other_libraries(server: Server) {
        let mut settings = RedisSettings::default();
        settings.name_format = Some("<key>".to_owned());
        settings.nodelay = Some(true);
        conformance::check(RedisStore::from_url(&server.url(), settings).expect("a valid URL")).await;
    }

    async fn nothing_stays_behind_but_the_counter(server: Server) {
        let session = crate::open(&server.url()).await;
        crate::fence(crate::acquire(&session, "a", 1).await);
        crate::release(&session, "a", 1).await.expect("a release");
        assert_eq!(server.keys(), ["dlock:fence"]);
    }
}
