//! A server starts, stands still, dies and comes back, and is the only one that the test talks to.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lock_tests::{Kind, Server, on_every_server};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

on_every_server! {
    async fn a_new_server_is_empty_and_its_own(server: Server) {
        assert!(server.keys().is_empty());
        let other = Server::of(server.kind()).expect("one kind is there or is not");
        other.command(&["SET", "a", "1"]);
        assert_eq!((server.get("a"), other.get("a")), (None, Some("1".to_owned())));
        assert_ne!(server.port(), other.port());
    }

    async fn the_questions_give_their_answers(server: Server) {
        server.command(&["SET", "b", "1", "PX", "60000"]);
        server.command(&["SET", "a", "2"]);
        assert_eq!(server.keys(), ["a", "b"]);
        assert_eq!(server.get("b").as_deref(), Some("1"));
        assert_eq!((server.pttl("a"), server.pttl("none")), (-1, -2));
        assert!((1..=60_000).contains(&server.pttl("b")));
        assert!(server.del("a") && !server.del("a"));
        assert!(server.try_ask::<i64>(&["INCR", "b", "c"]).is_err());
        server.flushall();
        assert!(server.keys().is_empty());
    }

    async fn commands_are_counted(server: Server) {
        server.reset_commandstats();
        server.get("a");
        server.get("a");
        let stats = server.commandstats();
        assert_eq!(stats.get("get"), Some(&2));
        assert_eq!(stats.len(), 1, "{stats:?}");
    }

    async fn a_stopped_server_does_not_answer_until_it_goes_on(server: Server) {
        server.stop();
        assert!(server.try_ask::<String>(&["PING"]).is_err());
        server.cont();
        assert_eq!(server.ask::<String>(&["PING"]), "PONG");
    }

    async fn a_killed_server_refuses_and_comes_back_empty_on_its_port(mut server: Server) {
        let (port, pid) = (server.port(), server.pid());
        server.command(&["SET", "a", "1"]);
        server.kill();
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
        server.restart();
        assert_eq!((server.port(), server.get("a")), (port, None));
        assert_ne!(server.pid(), pid);
    }

    async fn debug_commands_and_protected_settings_are_allowed(server: Server) {
        server.command(&["DEBUG", "SLEEP", "0"]);
        server.command(&["CONFIG", "SET", "maxmemory", "1mb"]);
    }

    async fn until_gone_waits_for_the_end_of_a_key(server: Server) {
        let started = Instant::now();
        server.command(&["SET", "a", "1", "PX", "50"]);
        server.until_gone("a", Duration::from_secs(5)).await;
        assert!(started.elapsed() >= Duration::from_millis(40));
    }
}

#[test]
fn a_server_with_its_log_on_disk_keeps_its_keys_over_a_restart() {
    let builder = Server::builder(Kind::Redis).arg("--appendonly", "yes").arg("--appendfsync", "always");
    let mut server = builder.start();
    server.command(&["SET", "a", "1"]);
    server.restart();
    assert_eq!(server.get("a").as_deref(), Some("1"));
}

#[test]
fn a_unix_socket_is_there_when_asked_for() {
    let server = Server::builder(Kind::Redis).unix_socket().start();
    let path = server.unix_url().replace("redis+unix://", "");
    std::os::unix::net::UnixStream::connect(path).expect("the server listens on the socket");
}

#[test]
fn tls_is_there_when_asked_for_with_an_authority_to_trust() {
    let server = Server::builder(Kind::Redis).tls().start();
    assert_eq!(ping_through_tls(&server, server.tls_authority()).expect("the server speaks TLS"), *b"+PONG");
    let other = Server::builder(Kind::Redis).tls().start();
    ping_through_tls(&server, other.tls_authority()).expect_err("another authority is not trusted");
}

fn ping_through_tls(server: &Server, authority: &str) -> std::io::Result<[u8; 5]> {
    let mut trusted = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(authority.as_bytes()).expect("the authority is PEM");
    trusted.add(certificate).expect("the authority is a certificate");
    let settings = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let settings = settings.with_safe_default_protocol_versions().expect("ring knows TLS");
    let settings = settings.with_root_certificates(trusted).with_no_client_auth();
    let name = "127.0.0.1".try_into().expect("an address is a name");
    let client = ClientConnection::new(Arc::new(settings), name).expect("the settings are right");
    let mut stream = StreamOwned::new(client, TcpStream::connect(server.tls_url().replace("rediss://", ""))?);
    stream.write_all(b"PING\r\n")?;
    let mut reply = [0; 5];
    stream.read_exact(&mut reply)?;
    Ok(reply)
}

#[test]
#[should_panic(expected = "Bad directive")]
fn a_server_that_does_not_start_shows_its_log() {
    Server::builder(Kind::Redis).arg("--no-such-setting", "1").start();
}

#[tokio::test]
#[should_panic(expected = "is still there after 10ms, PTTL -1")]
async fn until_gone_says_how_long_the_key_would_have_lived() {
    let server = Server::redis();
    server.command(&["SET", "a", "1"]);
    server.until_gone("a", Duration::from_millis(10)).await;
}
