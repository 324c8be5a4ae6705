//! The proxy's modes do what they say, and nothing else.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use lock_tests::{Proxy, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Long enough for what would come over a loopback address to have come; nothing announces that nothing comes.
const SILENCE: Duration = Duration::from_millis(100);

/// A server, a proxy before it and a client of that.
async fn all_three() -> (Server, Proxy, TcpStream) {
    let server = Server::redis();
    let proxy = Proxy::before(&server);
    let client = connect(&proxy).await.expect("the proxy listens");
    (server, proxy, client)
}

async fn connect(proxy: &Proxy) -> std::io::Result<TcpStream> {
    TcpStream::connect(("127.0.0.1", proxy.port())).await
}

async fn send(client: &mut TcpStream, request: &str) {
    client.write_all(format!("{request}\r\n").as_bytes()).await.expect("a request can be sent");
}

async fn receive(client: &mut TcpStream, reply: &str) {
    let mut received = vec![0; reply.len() + 2];
    client.read_exact(&mut received).await.expect("a reply comes");
    assert_eq!(String::from_utf8_lossy(&received), format!("{reply}\r\n"));
}

async fn hear_nothing(client: &mut TcpStream) {
    let heard = tokio::time::timeout(SILENCE, client.read_u8()).await;
    assert!(heard.is_err(), "{heard:?} came");
}

#[tokio::test]
async fn bytes_pass_and_are_counted() {
    let (_server, proxy, mut client) = all_three().await;
    send(&mut client, "PING").await;
    receive(&mut client, "+PONG").await;
    let counts = proxy.counts();
    assert_eq!((counts.connections, counts.open), (1, 1));
    assert_eq!((counts.request_bytes, counts.reply_bytes), (6, 7));
}

#[tokio::test]
async fn a_stall_keeps_requests_through_every_mode_until_it_ends() {
    let (_server, proxy, mut client) = all_three().await;
    proxy.stall();
    send(&mut client, "PING").await;
    hear_nothing(&mut client).await;
    proxy.hold_replies();
    proxy.pass();
    hear_nothing(&mut client).await;
    proxy.end_stall();
    receive(&mut client, "+PONG").await;
    // What a mode throws away is gone, stalled or not.
    proxy.stall();
    send(&mut client, "ECHO lost").await;
    proxy.swallow_requests();
    proxy.end_stall();
    hear_nothing(&mut client).await;
    proxy.pass();
    send(&mut client, "PING").await;
    receive(&mut client, "+PONG").await;
}

#[tokio::test]
async fn requests_and_replies_are_delayed() {
    let (_server, proxy, mut client) = all_three().await;
    for (requests, replies) in [(60, 0), (0, 60), (30, 30)] {
        proxy.delay_requests(Duration::from_millis(requests));
        proxy.delay_replies(Duration::from_millis(replies));
        let sent = Instant::now();
        send(&mut client, "PING").await;
        receive(&mut client, "+PONG").await;
        assert!(sent.elapsed() >= Duration::from_millis(60), "{:?}", sent.elapsed());
    }
}

#[tokio::test]
async fn a_delay_does_not_slow_the_pipeline_down() {
    let (_server, proxy, mut client) = all_three().await;
    proxy.delay_replies(Duration::from_millis(200));
    let sent = Instant::now();
    for _ in 0..20 {
        let arrived = proxy.until_reply();
        send(&mut client, "PING").await;
        arrived.await;
    }
    for _ in 0..20 {
        receive(&mut client, "+PONG").await;
    }
    assert!(sent.elapsed() < Duration::from_secs(2), "{:?}", sent.elapsed());
}

#[tokio::test]
async fn held_replies_come_later() {
    let (server, proxy, mut client) = all_three().await;
    proxy.hold_replies();
    let replied = proxy.until_reply();
    send(&mut client, "INCR a").await;
    replied.await;
    assert_eq!(server.get("a").as_deref(), Some("1"));
    hear_nothing(&mut client).await;
    proxy.pass();
    receive(&mut client, ":1").await;
}

#[tokio::test]
async fn held_replies_end_with_a_reset() {
    let (_server, proxy, mut client) = all_three().await;
    proxy.hold_replies();
    let replied = proxy.until_reply_containing(b"PONG");
    send(&mut client, "PING").await;
    replied.await;
    proxy.reset_all();
    proxy.pass();
    assert_eq!(client.read_u8().await.expect_err("nothing comes").kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn dropped_replies_never_come() {
    let (server, proxy, mut client) = all_three().await;
    proxy.drop_replies();
    let replied = proxy.until_reply();
    send(&mut client, "INCR a").await;
    replied.await;
    assert_eq!(server.get("a").as_deref(), Some("1"));
    proxy.pass();
    send(&mut client, "PING").await;
    receive(&mut client, "+PONG").await;
}

#[tokio::test]
async fn swallowed_requests_never_arrive() {
    let (server, proxy, mut client) = all_three().await;
    proxy.swallow_requests();
    let requested = proxy.until_request_containing(b"INCR a");
    send(&mut client, "INCR a").await;
    requested.await;
    hear_nothing(&mut client).await;
    proxy.pass();
    send(&mut client, "PING").await;
    receive(&mut client, "+PONG").await;
    assert_eq!(server.get("a"), None);
}

#[tokio::test]
async fn held_requests_arrive_later() {
    let (server, proxy, mut client) = all_three().await;
    proxy.hold_requests();
    let requested = proxy.until_request_containing(b"INCR a");
    send(&mut client, "INCR a").await;
    requested.await;
    assert_eq!(server.get("a"), None);
    proxy.pass();
    receive(&mut client, ":1").await;
}

#[tokio::test]
async fn a_frozen_network_reads_nothing() {
    let (_server, proxy, mut client) = all_three().await;
    proxy.freeze();
    send(&mut client, "PING").await;
    hear_nothing(&mut client).await;
    assert_eq!(proxy.counts().request_bytes, 0);
    proxy.pass();
    receive(&mut client, "+PONG").await;
}

#[tokio::test]
async fn a_reset_ends_all_connections_but_no_later_one() {
    let (_server, proxy, mut client) = all_three().await;
    send(&mut client, "PING").await;
    receive(&mut client, "+PONG").await;
    proxy.reset_all();
    assert_eq!(proxy.counts().open, 0);
    assert_eq!(client.read_u8().await.expect_err("nothing comes").kind(), ErrorKind::ConnectionReset);
    let mut later = connect(&proxy).await.expect("the proxy listens");
    send(&mut later, "PING").await;
    receive(&mut later, "+PONG").await;
}

#[tokio::test]
async fn replies_are_cut_after_so_many_bytes_and_once() {
    let (_server, proxy, mut client) = all_three().await;
    for bytes in [0, 3, 7, 10] {
        proxy.cut_after_reply_bytes(bytes);
        send(&mut client, "PING").await;
        send(&mut client, "PING").await;
        let mut received = Vec::new();
        let _ = client.read_to_end(&mut received).await;
        assert_eq!(received, b"+PONG\r\n+PONG\r\n"[..bytes]);
        client = connect(&proxy).await.expect("the proxy listens");
    }
    send(&mut client, "PING").await;
    receive(&mut client, "+PONG").await;
}

#[tokio::test]
async fn new_connections_are_refused_while_old_ones_stay() {
    let (_server, proxy, mut client) = all_three().await;
    send(&mut client, "PING").await;
    receive(&mut client, "+PONG").await;
    proxy.refuse_new();
    proxy.refuse_new();
    assert_eq!(connect(&proxy).await.expect_err("nobody listens").kind(), ErrorKind::ConnectionRefused);
    send(&mut client, "PING").await;
    receive(&mut client, "+PONG").await;
    proxy.pass();
    let mut later = connect(&proxy).await.expect("the proxy listens again");
    send(&mut later, "PING").await;
    receive(&mut later, "+PONG").await;
}

#[tokio::test]
async fn a_dead_server_ends_the_connections_and_refuses_new_ones() {
    let (mut server, proxy, mut client) = all_three().await;
    send(&mut client, "PING").await;
    receive(&mut client, "+PONG").await;
    server.kill();
    assert!(matches!(client.read(&mut [0]).await, Ok(0) | Err(_)));
    // The proxy listens, and resets what it cannot connect: during the connecting already, or right after it.
    if let Ok(mut later) = connect(&proxy).await {
        assert!(later.read_u8().await.is_err());
    }
    server.restart();
    let mut last = connect(&proxy).await.expect("the proxy listens");
    send(&mut last, "PING").await;
    receive(&mut last, "+PONG").await;
}

#[tokio::test]
async fn all_ends_with_the_proxy() {
    let (_server, proxy, mut client) = all_three().await;
    let port = proxy.port();
    drop(proxy);
    assert!(matches!(client.read(&mut [0]).await, Ok(0) | Err(_)));
    let refused = async { while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(10), refused).await.expect("nobody listens any more");
}
