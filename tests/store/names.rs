//! Names that a key could make: locks beside the counter, the queues and the channels of other locks.

use lock_runtime::redis::{RedisSettings, RedisStore};
use lock_runtime::store::Released;
use lock_tests::Server;

use crate::waiters::{entry, heard, listen_to, queue};
use crate::{acquire, fence, release};

const FORMATS: [&str; 8] =
    ["<namespace>:<key>", "myapp/locks/<key>", "<key>", "a<key>", "<key>:x", "<key>:queue", "{<key>}", "<key>e"];

/// What a name of ours might be called, and its parts.
const KEYS: [&str; 9] =
    ["fence", ":fence", "queue", "a", "a:queue", "a:queue:queue", "wake:0", "client:0123abcd", "never"];

fn under(server: &Server, format: &str) -> RedisStore {
    let mut settings = RedisSettings::default();
    settings.name_format = Some(format.to_owned());
    RedisStore::from_url(&server.url(), settings).expect("a store")
}

lock_tests::on_every_server! {
    async fn whatever_a_key_is_called_it_meets_nothing_of_another_lock(server: Server) {
        for format in FORMATS {
            server.command(&["FLUSHALL"]);
            let (session, mut grants) = listen_to(&under(&server, format), 9).await;
            for key in KEYS {
                fence(acquire(&session, key, 1).await);
            }
            for key in KEYS {
                queue(&session, key, 2, &entry(9)).await.unwrap_or_else(|error| panic!("{format}: {key}: {error}"));
            }
            for key in KEYS {
                assert_eq!(release(&session, key, 1).await.expect("a release"), Released::Freed, "{format}: {key}");
                let grant = heard(&mut grants).await;
                assert_eq!((grant.key.as_str(), grant.token.bits()), (key, 2), "{format}");
                assert_eq!(release(&session, key, 2).await.expect("a release"), Released::Freed, "{format}: {key}");
            }
            assert_eq!(server.keys().len(), 1, "the counter: {:?}", server.keys());
        }
    }

    async fn whoever_waits_for_one_lock_takes_no_other(server: Server) {
        for format in FORMATS {
            server.command(&["FLUSHALL"]);
            let (session, _grants) = listen_to(&under(&server, format), 9).await;
            fence(acquire(&session, "a", 1).await);
            queue(&session, "a", 2, &entry(9)).await.expect("a look");
            for key in KEYS.into_iter().filter(|key| *key != "a") {
                fence(acquire(&session, key, 3).await);
                assert_eq!(release(&session, key, 3).await.expect("a release"), Released::Freed, "{format}: {key}");
            }
        }
    }
}
