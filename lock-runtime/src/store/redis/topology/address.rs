//! From a URL, or a user's own client, to a client that connects as locks need it.
//!
//! What must stay true: no password gets into an error, a name or a `Debug` output.

use std::net::IpAddr;
use std::time::Duration;

use ::redis::io::tcp::{TcpSettings, socket2};
use ::redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ProtocolVersion, RedisError, parse_redis_url,
};

use crate::store::redis::settings::{RedisSettings, Unusable};
use crate::store::url::StoreUrl;

/// A connection whose peer's kernel has not answered for this long is given up.
const DEAD_AFTER: Duration = Duration::from_secs(5);

/// How many operations may be queued for the connection's task before senders wait.
const QUEUED_OPERATIONS: usize = 1024;

/// A client of the redis crate for a URL.
pub(crate) fn client(url: &StoreUrl, settings: &RedisSettings) -> Result<Client, Unusable> {
    if let Some(mistake) = mistake(url) {
        return Err(Unusable::Url(mistake.to_owned()));
    }
    let Some(url) = parse_redis_url(url.as_str()) else {
        let text = "it cannot be parsed; write redis://host:port, rediss://host:port or redis+unix:///path";
        return Err(Unusable::Url(text.to_owned()));
    };
    let client = Client::open(url).map_err(|error| Unusable::Url(reason(&error)))?;
    let is_tls = matches!(client.get_connection_info().addr(), ConnectionAddr::TcpTls { .. });
    if is_tls && cfg!(not(feature = "tls-no-provider")) {
        return Err(Unusable::Url("rediss://host:port needs the feature `tls` of lock-runtime".to_owned()));
    }
    if settings.root_certificates.is_some() && !is_tls {
        let text = "root_certificates has no effect without TLS; connect to rediss://host:port, or leave it out";
        return Err(options(text));
    }
    Ok(client)
}

/// What is wrong with a URL, if it can be told without repeating anything of it: who writes a secret in the wrong place
/// must not find it in a log.
fn mistake(url: &StoreUrl) -> Option<&'static str> {
    if url.scheme().ends_with("unix") {
        return None;
    }
    let rest = url.rest();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (credentials, place) = authority.rsplit_once('@').unwrap_or(("", authority));
    let after_brackets = place.rsplit_once(']').map_or(place, |(_, after)| after);
    let is_bare_ipv6 = !place.starts_with('[') && place.matches(':').count() > 1;
    let (host, port) = after_brackets.rsplit_once(':').unwrap_or((after_brackets, "1"));
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit()) && (port.is_empty() || port.parse::<u16>().is_ok());
    let path = rest[authority.len()..].split(['?', '#']).next().unwrap_or_default().trim_matches('/');
    let fragment = rest.rsplit_once('#').map(|(_, fragment)| fragment);
    if place.contains(',') {
        Some("it names several servers; write the one that keeps the locks")
    } else if rest.contains('@') && !authority.contains('@') {
        // What was to be a password ends at the first of them.
        Some("a user name or password in it holds one of / ? #; write them as %2F %3F %23")
    } else if is_bare_ipv6 {
        Some("an IPv6 address in it stands in brackets, as in redis://[::1]:6379")
    } else if place.is_empty() || (host.is_empty() && !place.starts_with('[')) {
        Some("it names no host; write redis://host:port")
    } else if !is_port || port == "0" {
        Some("its port is no number from 1 to 65535")
    } else if credentials.contains(char::is_whitespace) || place.contains(char::is_whitespace) {
        Some("there is white space in it; leave that out, or write %20 in a password")
    } else if !path.is_empty() && path.parse::<u32>().is_err() {
        Some("what stands behind its host is no database number, as in redis://host:port/0")
    } else if fragment.is_some_and(|fragment| fragment == "insecure") {
        Some("#insecure would trust anybody who answers; leave it out, and name who is trusted with root_certificates")
    } else {
        None
    }
}

fn options(text: &str) -> Unusable {
    Unusable::Settings(text.to_owned())
}

/// The constant part of why a URL was refused; the rest may quote the URL.
fn reason(error: &RedisError) -> String {
    let text = error.to_string();
    let constant = text.split(" - ").next().unwrap_or_default();
    constant.trim_end_matches('.').to_lowercase()
}

/// Names the server and the namespace on it, without credentials.
pub(crate) fn identity(info: &ConnectionInfo, fragment: &str) -> String {
    let db = info.redis_settings().db();
    match info.addr() {
        ConnectionAddr::Tcp(host, port) => format!("redis://{}:{port}/{db}#{fragment}", bracketed(host)),
        ConnectionAddr::TcpTls { host, port, .. } => format!("rediss://{}:{port}/{db}#{fragment}", bracketed(host)),
        ConnectionAddr::Unix(path) => format!("redis+unix://{}?db={db}#{fragment}", path.display()),
        _ => format!("redis://?/{db}#{fragment}"),
    }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_lowercase() }
}

/// The client with the settings that locks need, where it has none of its own.
pub(crate) fn prepared(client: &Client, settings: &RedisSettings) -> Result<Client, Unusable> {
    let info = client.get_connection_info().clone();
    if settings.nodelay.is_some() && matches!(info.addr(), ConnectionAddr::Unix(_)) {
        return Err(options("nodelay has no effect on a Unix socket; leave it out"));
    }
    let nodelay = settings.nodelay.or_else(|| is_elsewhere(info.addr()).then_some(true));
    let tcp = tcp_settings(info.tcp_settings().clone(), nodelay);
    let mut redis = info.redis_settings().clone();
    if redis.lib_name().is_none() && !redis.skip_set_lib_name() {
        redis = redis.set_lib_name("lock-runtime", env!("CARGO_PKG_VERSION"));
    }
    Client::open(info.set_tcp_settings(tcp).set_redis_settings(redis))
        .map_err(|error| Unusable::Settings(reason(&error)))
}

/// Whether the server is on another machine, as far as its address tells.
fn is_elsewhere(address: &ConnectionAddr) -> bool {
    let (ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. }) = address else { return false };
    let is_loopback = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    !is_loopback && !host.eq_ignore_ascii_case("localhost")
}

fn tcp_settings(mut tcp: TcpSettings, nodelay: Option<bool>) -> TcpSettings {
    if let Some(nodelay) = nodelay {
        tcp = tcp.set_nodelay(nodelay);
    }
    if tcp.keepalive().is_none() {
        tcp = tcp.set_keepalive(socket2::TcpKeepalive::new().with_time(DEAD_AFTER));
    }
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    if tcp.user_timeout().is_none() {
        tcp = tcp.set_user_timeout(DEAD_AFTER);
    }
    tcp
}

/// How connections are made. Operations have no time-out here, because the layer above has one for each.
pub(crate) fn config(settings: &RedisSettings) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(settings.operation_timeout))
        .set_response_timeout(None)
        .set_pipeline_buffer_size(QUEUED_OPERATIONS)
}

/// Whether a URL asks for the protocol without pushes.
pub(crate) fn asks_for_resp2(url: &StoreUrl) -> bool {
    let query = url.rest().split_once('?').map_or("", |(_, query)| query);
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    query.split('&').any(|pair| matches!(pair, "protocol=resp2" | "protocol=2"))
}

/// The client for connections over which the server can push.
pub(crate) fn pushing(client: &Client) -> Result<Client, Unusable> {
    let info = client.get_connection_info().clone();
    let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    Client::open(info.set_redis_settings(redis)).map_err(|error| Unusable::Settings(reason(&error)))
}

/// The client for connections over which the server cannot push.
pub(crate) fn without_push(client: &Client) -> Result<Client, Unusable> {
    let info = client.get_connection_info().clone();
    let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2);
    Client::open(info.set_redis_settings(redis)).map_err(|error| Unusable::Settings(reason(&error)))
}

/// The client for connections that begin with nothing that locks can do without.
pub(crate) fn plain(client: &Client) -> Result<Client, Unusable> {
    let info = without_push(client)?.get_connection_info().clone();
    let redis = info.redis_settings().clone().set_skip_set_lib_name();
    Client::open(info.set_redis_settings(redis)).map_err(|error| Unusable::Settings(reason(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether connections of a store at this URL send each command at once.
    fn nodelay(url: &str, set: Option<bool>) -> bool {
        let settings = RedisSettings { nodelay: set, ..RedisSettings::default() };
        let client = prepared(&Client::open(url).expect("a URL"), &settings).expect("settings");
        client.get_connection_info().tcp_settings().nodelay()
    }

    #[test]
    fn what_is_wrong_with_a_url_is_told_without_repeating_it() {
        let said = |text: &str| match client(&StoreUrl::read(text).expect("a scheme"), &RedisSettings::default()) {
            Ok(_) => String::new(),
            Err(Unusable::Url(text) | Unusable::Settings(text)) => text,
        };
        for (url, expected) in [
            ("redis://:ca/nary@h", "%2F"),
            ("redis://:ca#nary@h:6379", "%2F"),
            ("redis://:canary?@h", "%2F"),
            ("redis://u:canary@::1:6379", "[::1]"),
            ("redis://fe80::1", "[::1]"),
            ("redis://", "names no host"),
            ("redis://:6379", "names no host"),
            ("redis://u:canary@", "names no host"),
            ("redis://u:canary@:6379/0", "names no host"),
            ("redis://u:canary@h:65536", "from 1 to 65535"),
            ("redis://u:canary@h:0", "from 1 to 65535"),
            ("redis://h:canary", "from 1 to 65535"),
            ("redis://u:can ary@h", "white space"),
            ("redis://u:canary@h:6379/abc", "database number"),
            ("redis://h/0/1", "database number"),
            ("redis://h/-1", "database number"),
            ("redis://a:1,b:1", "several servers"),
            ("redis://h/#insecure", "root_certificates"),
        ] {
            let text = said(url);
            assert!(text.contains(expected) && !text.contains("canary") && !text.contains("nary"), "{url}: {text}");
        }
        for fine in [
            "redis://u:p@ss@h",
            "redis://:p%23ss@h:1/3?protocol=resp2",
            "redis://[::1]:1",
            "redis://h:",
            "redis+unix:///a:b@c",
        ] {
            assert_eq!(said(fine), "", "{fine}");
        }
    }

    #[test]
    fn only_a_server_elsewhere_is_sent_to_at_once() {
        for here in ["redis://localhost:1", "redis://LOCALHOST", "redis://127.0.0.2:1/3", "redis://[::1]:1"] {
            assert!(!nodelay(here, None), "{here}");
        }
        for elsewhere in ["redis://db.internal:1", "redis://10.0.0.7", "redis://[fe80::1]:1"] {
            assert!(nodelay(elsewhere, None), "{elsewhere}");
        }
    }

    #[test]
    fn who_says_how_it_is_sent_is_obeyed() {
        assert!(nodelay("redis://localhost", Some(true)) && !nodelay("redis://db.internal", Some(false)));
    }

    #[cfg(unix)]
    #[test]
    fn how_it_is_sent_is_no_setting_of_a_unix_socket() {
        let at_socket = |nodelay| {
            let settings = RedisSettings { nodelay, ..RedisSettings::default() };
            prepared(&Client::open("redis+unix:///tmp/redis").expect("a URL"), &settings)
        };
        assert!(at_socket(None).is_ok());
        for set in [true, false] {
            let Err(Unusable::Settings(text)) = at_socket(Some(set)) else { panic!("not refused") };
            assert!(text.starts_with("nodelay has no effect"), "{text}");
        }
    }

    #[test]
    fn certificates_are_no_setting_of_a_connection_without_tls() {
        let settings = RedisSettings { root_certificates: Some(Vec::new()), ..RedisSettings::default() };
        for url in ["redis://host", "redis+unix:///tmp/redis"] {
            let url = StoreUrl::read(url).expect("a scheme");
            let Err(Unusable::Settings(text)) = client(&url, &settings) else { panic!("not refused") };
            assert!(text.starts_with("root_certificates has no effect"), "{text}");
            assert!(client(&url, &RedisSettings::default()).is_ok());
        }
    }

    #[test]
    fn a_client_that_sends_at_once_goes_on_to() {
        let info = Client::open("redis://localhost").expect("a URL").get_connection_info().clone();
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        let own = Client::open(info.set_tcp_settings(tcp)).expect("settings");
        let client = prepared(&own, &RedisSettings::default()).expect("settings");
        assert!(client.get_connection_info().tcp_settings().nodelay());
    }
}
