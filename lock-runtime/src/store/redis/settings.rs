//! [`RedisSettings`]: the settings of a store on a Redis server, and [`Unusable`]: why no store can be made of them.

use std::fmt;
use std::time::Duration;

/// How a [`RedisStore`](super::RedisStore) names its keys and connects.
///
/// ```
/// use lock_runtime::redis::RedisSettings;
///
/// let mut settings = RedisSettings::default();
/// settings.namespace = "billing".into(); // keys are billing:{job:42} and billing:fence
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct RedisSettings {
    /// Precedes every key; clients of different namespaces do not share locks. `dlock` unless set.
    pub namespace: String,
    /// How a lock's key is named, with `<key>` in it once; `<namespace>:{<key>}` unless set. The braces keep all keys
    /// of one lock on one node of a cluster. Set it to share locks with programs that use `SET key token NX PX` under
    /// names of their own.
    ///
    /// The text around `<key>` also names everything else, so that clients that name the same locks share it whatever
    /// their namespaces: without braces, and without colons at its end, it precedes `:fence`, the counter, and
    /// `:wake:`, the channels. So `app/<key>.lock` has `app/.lock:fence` and `app/.lock:wake:`. The server's user needs
    /// those besides the locks. Where a key could make such a name (after `<key>` stands nothing, or what ends in a
    /// hexadecimal digit), a control character (`\x01`) precedes `fence`, `wake:` and the `:queue` behind a lock's
    /// name, as no key holds one: `app:<key>` has `app:\x01fence`. Formats under which two keys have one name (`<key>`
    /// with the key `app:42`, and `app:<key>` with the key `42`) exclude each other, but have separate counters and
    /// channels: programs that share locks need the same format.
    pub name_format: Option<String>,
    /// How long making a connection may take. 5 s unless set.
    pub operation_timeout: Duration,
    /// Whether every command is sent at once (`TCP_NODELAY`), or small ones wait until the server has acknowledged what
    /// was sent before. Unless set, it is on for a server on another machine, where latency matters most, and left as
    /// it is for one on this machine, where batching saves work. Refused for Unix sockets.
    pub nodelay: Option<bool>,
    /// Certificates in PEM form to trust for `rediss://` instead of Mozilla's list; refused for other URLs.
    pub root_certificates: Option<Vec<u8>>,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self {
            namespace: "dlock".to_owned(),
            name_format: None,
            operation_timeout: Duration::from_secs(5),
            nodelay: None,
            root_certificates: None,
        }
    }
}

/// Shows everything but certificates, which are long.
impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings")
            .field("namespace", &self.namespace)
            .field("name_format", &self.name_format)
            .field("operation_timeout", &self.operation_timeout)
            .field("nodelay", &self.nodelay)
            .field("root_certificates", &self.root_certificates.as_ref().map(Vec::len))
            .finish()
    }
}

/// Why no store can be made; the texts contain no password.
#[derive(Debug)]
pub(crate) enum Unusable {
    Url(String),
    Settings(String),
}
