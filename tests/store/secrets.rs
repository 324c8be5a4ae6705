//! No password and no token gets into anything that can be printed.

use std::error::Error;
use std::fmt::Write as _;

use lock_runtime::redis::{RedisSettings, RedisStore};
use lock_runtime::store::Store as _;
use lock_tests::Server;

use crate::waiters::{entry, leave, queue, rotate};
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

/// Servers that repeat all that was sent to them, in every way in which a text can come.
const REPEATING: [fn(&[String]) -> String; 7] = [
    |words| {
        fake::grants_every_lock(words, |said| {
            format!("-ERR unknown command `EVALSHA`, with args beginning with: {said}\r\n")
        })
    },
    |words| fake::grants_every_lock(words, |said| format!("-ERR unknown command {said}\r\n")),
    |words| fake::grants_every_lock(words, |said| format!("-QUEUEBAD {said}\r\n")),
    |words| fake::grants_every_lock(words, |said| format!("-{}\r\n", said.replace(' ', "_"))),
    |words| fake::grants_every_lock(words, |said| format!("-READONLY {said}\r\n")),
    |words| {
        let last = |said: &str| said.rsplit(' ').next().unwrap_or_default().to_owned();
        fake::grants_every_lock(words, |said| format!("-ERR unknown command `{}`\r\n", last(said)))
    },
    // As the renewal script reports what befell one of its keys.
    |words| {
        fake::grants_every_lock(words, |said| {
            let text = format!("WRONGTYPE {}", said.replace("EVAL", ""));
            format!("*1\r\n${}\r\n{text}\r\n", text.len())
        })
    },
];

/// A token that is found in any text, whole or in half.
const TOKEN: u128 = 0xcafe_cafe_cafe_cafe_cafe_cafe_cafe_cafe;

#[tokio::test]
async fn a_server_that_repeats_what_was_sent_is_not_quoted() {
    for repeating in REPEATING {
        let url = format!("redis://{}", fake::server(repeating).await);
        let session = crate::open(&url).await;
        let mut said = Vec::new();
        // The first calls bring the script's text along, the second ones its hash.
        for _ in 0..2 {
            said.extend(look(&session, "a", TOKEN).await.err());
            said.extend(queue(&session, "a", TOKEN, &entry(TOKEN)).await.err());
            said.extend(crate::renew(&session, "a", TOKEN).await.err());
            said.extend(release(&session, "a", TOKEN).await.err());
            said.extend(leave(&session, "a", TOKEN, &entry(TOKEN)).await.err());
            said.extend(rotate(&session, "a", [TOKEN, TOKEN], &entry(TOKEN)).await.err());
        }
        assert_eq!(said.len(), 12);
        for told in said.iter().map(|error| told(error)) {
            assert!(!told.contains("cafecafe"), "{told}");
        }
    }
}

/// The server's text travels along all the same.
#[tokio::test]
async fn what_a_server_says_of_itself_is_quoted() {
    let address = fake::server(|words| fake::grants_every_lock(words, |_| "-ERR it is a teapot\r\n".to_owned())).await;
    let session = crate::open(&format!("redis://{address}")).await;
    let told = told(&look(&session, "a", TOKEN).await.expect_err("an error"));
    assert!(told.contains("it is a teapot"), "{told}");
}

#[tokio::test]
async fn an_opening_repeats_no_token_of_a_server() {
    let servers: [fn(&[String]) -> String; 2] = [
        |_| format!("-ERR {} it is a teapot\r\n", "cafe".repeat(8)),
        |words| match words[0].as_str() {
            "HELLO" => format!("*2\r\n$7\r\nversion\r\n$36\r\n5.0.{}\r\n", "cafe".repeat(8)),
            _ => "-ERR Error running script (call to f_1): @user_script:1: it is old\r\n".to_owned(),
        },
    ];
    for server in servers {
        let url = format!("redis://{}", fake::server(server).await);
        let told = told(&store(&url).open().await.expect_err("a server that cannot be worked with"));
        assert!(!told.contains("cafecafe"), "{told}");
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
