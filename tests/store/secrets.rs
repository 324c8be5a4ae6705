//! No password and no token gets into anything that can be printed.

use std::error::Error;
use std::fmt::Write as _;

use lock_runtime::redis::{RedisSettings, RedisStore};
use lock_runtime::store::Store as _;
use lock_tests::Server;

use crate::{acquire, ask, fake, look, release, store};

const CANARY: &str = "canary-7f3a";

/// All that can be printed of an error.
fn told(error: &(dyn Error + 'static)) -> String {
    let mut told = format!("{error} {error:?} {error:#?}");
    let mut next = error.source();
    while let Some(source) = next {
        let _ = write!(told, " {source} {source:?}");
        next = source.source();
    }
    told
}

#[track_caller]
fn assert_silent(told: &str) {
    assert!(!told.contains("canary"), "{told}");
}

lock_tests::on_every_server! {
    async fn what_can_be_printed_holds_no_password(server: Server) {
        server.command(&["ACL", "SETUSER", "app", "on", &format!(">{CANARY}"), "~*", "+@all", "-del"]);
        let url = server.url().replace("redis://", &format!("redis://app:{CANARY}@"));
        let store = store(&url);
        let session = store.open().await.expect("a session");
        assert_silent(&format!("{store:?} {store:#?} {session:?} {session:#?} {}", store.identity()));
        acquire(&session, "a", 1).await.expect("an acquire");
        assert_silent(&told(&release(&session, "a", 1).await.expect_err("DEL is forbidden")));
    }

    async fn a_refused_password_is_not_repeated(server: Server) {
        server.command(&["ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all"]);
        for protocol in ["", "?protocol=resp3"] {
            let url = server.url().replace("redis://", &format!("redis://app:{CANARY}@"));
            let error = store(&format!("{url}{protocol}")).open().await.expect_err("a wrong password");
            assert_silent(&told(&error));
        }
    }

    async fn what_can_be_printed_holds_no_token(server: Server) {
        let session = crate::open(&server.url()).await;
        let canary = 0xcafe_cafe_cafe_cafe_cafe_cafe_cafe_cafe;
        acquire(&session, "a", canary).await.expect("an acquire");
        let printed = format!("{session:?} {:?} {:?}", ask("a", canary), look(&session, "a", 1).await);
        assert!(!printed.contains("cafe") && !printed.contains(&canary.to_string()), "{printed}");
        release(&session, "a", canary).await.expect("a release");
    }
}

#[tokio::test]
async fn a_server_that_repeats_the_password_is_not_quoted() {
    for protocol in ["", "?protocol=resp3"] {
        let address = fake::server(|words| format!("-ERR unknown command {}\r\n", words.join(" "))).await;
        let url = format!("redis://app:{CANARY}@{address}{protocol}");
        assert_silent(&told(&store(&url).open().await.expect_err("an unknown command")));
    }
}

#[test]
fn an_invalid_url_is_not_repeated() {
    let urls = [
        format!("redis://app:{CANARY}@host:notaport"),
        format!("redis://app:{CANARY}@host/notanumber"),
        format!("redis://app:{CANARY}@host?protocol={CANARY}"),
        format!("redis://app:{CANARY}@"),
        format!("redi://app:{CANARY}@host"),
        format!("app:{CANARY}@host"),
        format!("{CANARY}://host"),
        format!("redis://app:{CANARY}%ff@host"),
    ];
    for url in urls {
        assert_silent(&told(&RedisStore::from_url(&url, RedisSettings::default()).expect_err("an invalid URL")));
    }
    let settings = RedisSettings::default();
    assert_silent(&format!("{settings:?}"));
}
