//! A pair changes places when told to and loses nothing by that; a proxy leads new connections elsewhere.

use std::thread::JoinHandle;

use lock_tests::{Pair, Proxy, Server, on_every_server};
use redis::Connection;

/// A connection by way of a proxy.
fn connection(proxy: &Proxy) -> Connection {
    redis::Client::open(proxy.url()).expect("a URL of ours").get_connection().expect("the proxy listens")
}

/// The port of the server that a connection leads to.
fn port(connection: &mut Connection) -> u16 {
    let setting: (String, u16) = redis::cmd("CONFIG").arg(&["GET", "port"]).query(connection).expect("an answer");
    setting.1
}

/// Counts a key up for as long as the server takes that; its name, and how far it was told that it had come. Comes back
/// when it has begun.
fn writes(server: &Server, key: String) -> JoinHandle<(String, u64)> {
    let mut connection =
        redis::Client::open(server.url()).and_then(|client| client.get_connection()).expect("a server");
    let mut acknowledged: u64 = redis::cmd("INCR").arg(&key).query(&mut connection).expect("it takes writes");
    std::thread::spawn(move || {
        loop {
            match redis::cmd("INCR").arg(&key).query(&mut connection) {
                Ok(count) => acknowledged = count,
                Err(error) => {
                    assert_eq!(error.code(), Some("READONLY"), "{error}");
                    return (key, acknowledged);
                }
            }
        }
    })
}

on_every_server! {
    async fn a_pair_changes_places_and_loses_nothing(server: Server) {
        server.command(&["SET", "before", "1"]);
        let mut pair = Pair::of(server);
        let ports = [pair.primary().port(), pair.replica().port()];
        assert_eq!(pair.replica().get("before").as_deref(), Some("1"));
        for round in 0..3 {
            let (old, round) = (pair.primary().port(), format!("{round}"));
            pair.primary().command(&["SET", &round, "1"]);
            pair.fail_over();
            assert_ne!(pair.primary().port(), old);
            assert_eq!(pair.primary().get(&round).as_deref(), Some("1"));
            let refused = pair.replica().try_ask::<()>(&["SET", "a", "1"]).expect_err("a replica");
            assert_eq!(refused.code(), Some("READONLY"));
        }
        assert_eq!([pair.replica().port(), pair.primary().port()], ports);
    }

    async fn whatever_was_acknowledged_before_a_failover_is_there_after_it(server: Server) {
        let mut pair = Pair::of(server);
        for round in 0..4 {
            let writers: Vec<_> = (0..4).map(|writer| writes(pair.primary(), format!("{round}:{writer}"))).collect();
            pair.fail_over();
            for writer in writers {
                let (key, acknowledged) = writer.join().expect("no panic");
                assert_eq!(pair.primary().get(&key), Some(acknowledged.to_string()));
            }
        }
    }

    async fn a_primary_that_was_killed_comes_back_as_one(server: Server) {
        let mut pair = Pair::of(server);
        pair.fail_over();
        pair.primary_mut().restart();
        pair.primary().command(&["SET", "a", "1"]);
        pair.until_linked();
        assert_eq!(pair.replica().keys(), ["a"]);
        pair.fail_over();
        assert_eq!(pair.primary().keys(), ["a"]);
    }

    async fn a_proxy_leads_elsewhere_and_leaves_those_alone_who_are_there(server: Server) {
        let other = Server::of(server.kind()).expect("one kind is there or is not");
        let proxy = Proxy::before(&server);
        let mut old = connection(&proxy);
        assert_eq!(port(&mut old), server.port());
        proxy.lead_to(other.port());
        assert_eq!((port(&mut connection(&proxy)), port(&mut old)), (other.port(), server.port()));
        proxy.pass();
        assert_eq!(port(&mut connection(&proxy)), other.port());
    }
}
