//! Which URL leads to which store: the one table of schemes.
//!
//! A store brings a row: how its scheme is spelled, how a URL of it looks, and who opens it. Absent on purpose: what
//! stands behind the scheme, which is the store's own affair.

use std::sync::Arc;

use crate::api::error::ConnectError;
#[cfg(feature = "redis")]
use crate::api::redis;
use crate::api::settings::{Setting, StoreSettings};
use crate::store::url::{self, StoreUrl};
use crate::store::{MemoryStore, Store};

/// A way to name a store.
struct Scheme {
    /// How it is spelled, in lower case.
    names: &'static [&'static str],
    /// How a URL of it looks.
    form: &'static str,
    support: Support,
}

type Opener = fn(&StoreUrl, &StoreSettings) -> Result<Arc<dyn Store>, ConnectError>;

/// What becomes of a URL with a scheme.
#[derive(Clone, Copy)]
enum Support {
    /// A store that this makes; it is not connected yet.
    By(Opener),
    /// A store in builds with this feature.
    #[cfg_attr(feature = "tls-no-provider", allow(dead_code))] // It is the last one.
    Feature(&'static str),
    /// Nothing yet; this is what to do instead.
    Absent(&'static str),
}

const SCHEMES: [Scheme; 12] = [
    Scheme { names: &["memory"], form: "memory://", support: Support::By(memory) },
    Scheme { names: &["redis", "valkey"], form: "redis://host:port", support: REDIS },
    Scheme { names: &["rediss", "valkeys"], form: "rediss://host:port", support: TLS },
    Scheme { names: &["redis+unix", "valkey+unix", "unix"], form: "redis+unix:///path", support: REDIS },
    Scheme {
        names: &[
            "redis+sentinel",
            "rediss+sentinel",
            "redis-sentinel",
            "rediss-sentinel",
            "valkey+sentinel",
            "valkeys+sentinel",
            "valkey-sentinel",
            "sentinel",
        ],
        form: "redis+sentinel://",
        support: Support::Absent("Sentinel is not supported; write the redis:// URL of the primary"),
    },
    Scheme {
        names: &[
            "redis+cluster",
            "rediss+cluster",
            "redis-cluster",
            "rediss-cluster",
            "valkey+cluster",
            "valkeys+cluster",
            "valkey-cluster",
        ],
        form: "redis+cluster://",
        support: Support::Absent("clusters are not supported; write the redis:// URL of a server without cluster mode"),
    },
    Scheme {
        names: &["redis+quorum", "rediss+quorum", "redis-quorum", "redlock"],
        form: "redis+quorum://",
        support: Support::Absent("a quorum of servers is not supported; write the redis:// URL of one server"),
    },
    Scheme {
        names: &[
            "redis-socket",
            "redis+socket",
            "redis-unix",
            "rediss+unix",
            "rediss+socket",
            "valkey-socket",
            "socket",
        ],
        form: "redis-socket://",
        support: Support::Absent("a Unix socket is written redis+unix:///path"),
    },
    Scheme {
        names: &["redis+tls", "redis+ssl", "redis-tls", "rediss+tls", "redis+rediss", "valkey+tls", "tls", "ssl"],
        form: "redis+tls://",
        support: Support::Absent("TLS is written rediss://host:port"),
    },
    Scheme {
        names: &["redis+srv", "redis+tcp", "rediss+srv", "tcp", "http", "https", "ws", "wss"],
        form: "tcp://",
        support: Support::Absent(
            "it does not say that a Redis server is there; write redis://host:port, or rediss:// for TLS",
        ),
    },
    Scheme {
        names: &["postgres", "postgresql", "postgres+tls", "postgresql+asyncpg", "jdbc:postgresql"],
        form: "postgres://",
        support: Support::Absent("PostgreSQL is not supported; write the redis:// URL of a Redis or Valkey server"),
    },
    Scheme {
        names: &[
            "etcd",
            "etcds",
            "consul",
            "zookeeper",
            "zk",
            "nats",
            "memcached",
            "memcache",
            "mongodb",
            "mongodb+srv",
            "mysql",
            "mariadb",
            "sqlite",
            "sqlite3",
            "mssql",
            "sqlserver",
            "dynamodb",
            "cassandra",
            "amqp",
            "amqps",
            "kafka",
            "s3",
            "file",
        ],
        form: "etcd://",
        support: Support::Absent("no locks are kept there; write the redis:// URL of a Redis or Valkey server"),
    },
];

#[cfg(feature = "redis")]
const REDIS: Support = Support::By(redis::open);
#[cfg(not(feature = "redis"))]
const REDIS: Support = Support::Feature("redis");

const TLS: Support = if cfg!(feature = "tls-no-provider") { REDIS } else { Support::Feature("tls") };

/// Makes the store that a URL leads to.
pub(crate) fn open(url: &str, settings: &StoreSettings) -> Result<Arc<dyn Store>, ConnectError> {
    let invalid = |text| Err(ConnectError::InvalidUrl(text));
    if let Some(mistake) = url::mistake(url) {
        return invalid(format!("{mistake}; {}", known()));
    }
    let Some(url) = StoreUrl::read(url) else {
        return invalid(format!("it has no scheme, which stands before `://`; {}", known()));
    };
    // An unknown scheme is not repeated: it may be a password that stands in the wrong place.
    let Some(scheme) = SCHEMES.iter().find(|scheme| scheme.names.contains(&url.scheme())) else {
        return invalid(format!("its scheme is unknown; {}", known()));
    };
    match scheme.support {
        Support::By(open) => open(&url, settings),
        Support::Feature(feature) => invalid(needs(scheme.form, feature)),
        Support::Absent(text) => invalid(text.to_owned()),
    }
}

/// Says what this build knows, and which features know more.
fn known() -> String {
    let ours = SCHEMES.iter().filter(|scheme| matches!(scheme.support, Support::By(_))).map(|scheme| scheme.form);
    let others = SCHEMES.iter().filter_map(|scheme| match scheme.support {
        Support::Feature(feature) => Some(needs(scheme.form, feature)),
        _ => None,
    });
    let write = format!("write {}", one_of(&ours.collect::<Vec<_>>()));
    std::iter::once(write).chain(others).collect::<Vec<_>>().join("; ")
}

fn needs(form: &str, feature: &str) -> String {
    format!("{form} needs the feature `{feature}` of lock-runtime")
}

fn one_of(forms: &[&str]) -> String {
    match forms {
        [others @ .., last] if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        forms => forms.concat(),
    }
}

fn memory(url: &StoreUrl, settings: &StoreSettings) -> Result<Arc<dyn Store>, ConnectError> {
    let unused = [Setting::NameFormat, Setting::Nodelay, Setting::RootCertificates];
    settings.refuse(&unused, "memory://", "leave it out, or connect to a server")?;
    let store = match url.rest() {
        "" => MemoryStore::new(),
        name => MemoryStore::named(name),
    };
    Ok(Arc::new(store.with_namespace(settings.namespace())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(url: &str) -> Result<String, String> {
        match open(url, &StoreSettings::new()) {
            Ok(store) => Ok(store.identity().to_owned()),
            Err(ConnectError::InvalidUrl(text)) => Err(text),
            Err(error) => panic!("{error:?}"),
        }
    }

    #[test]
    fn a_scheme_is_read_in_any_case_and_white_space_is_left_out() {
        for url in ["memory://jobs", "MEMORY://jobs", " memory://jobs\n"] {
            assert_eq!(identity(url).as_deref(), Ok("memory://jobs#dlock"), "{url:?}");
        }
        #[cfg(feature = "redis")]
        for url in ["redis://host", "REDIS://host", "\tValkey://host:6379/0\r\n"] {
            assert_eq!(identity(url).as_deref(), Ok("redis://host:6379/0#dlock"), "{url:?}");
        }
    }

    #[test]
    fn who_writes_no_known_scheme_is_told_all_that_there_are() {
        for url in ["", "localhost:6379", "ftp://host", "redis:/host", "redis:host:6379", "'redis://host'"] {
            let text = identity(url).expect_err("no such store");
            for scheme in &SCHEMES {
                let is_told = text.contains(scheme.form);
                assert_eq!(is_told, !matches!(scheme.support, Support::Absent(_)), "{} in {text}", scheme.form);
            }
            assert_eq!(text.contains("feature `redis`"), cfg!(not(feature = "redis")), "{text}");
            assert_eq!(text.contains("feature `tls`"), cfg!(not(feature = "tls-no-provider")), "{text}");
        }
    }

    #[test]
    fn an_unknown_scheme_is_not_repeated() {
        let text = identity("canary://host").expect_err("no such store");
        assert!(!text.contains("canary"), "{text}");
    }

    #[test]
    fn a_scheme_of_another_build_or_of_another_day_is_told_so() {
        let (redis, tls) = (("redis", cfg!(feature = "redis")), ("tls", cfg!(feature = "tls-no-provider")));
        for (url, (feature, has)) in [("redis://h", redis), ("redis+unix:///s", redis), ("rediss://h", tls)] {
            match identity(url) {
                Ok(identity) => assert!(has, "{identity}"),
                Err(text) => assert!(!has && text.contains(&format!("feature `{feature}`")), "{text}"),
            }
        }
        assert!(identity("redis+sentinel://h/name").is_err_and(|text| text.contains("Sentinel")));
        assert!(identity("redis-cluster://h").is_err_and(|text| text.contains("cluster mode")));
    }

    #[test]
    fn a_scheme_that_others_know_is_told_what_to_write_here() {
        for (urls, said) in [
            (&["redis-sentinel://h", "rediss+sentinel://h", "Sentinel://h"][..], "the primary"),
            (&["redis+cluster://h", "REDISS-CLUSTER://h"], "without cluster mode"),
            (&["redis+quorum://h"], "of one server"),
            (&["redis-socket:///s", "redis+socket:///s"], "redis+unix:///path"),
            (&["redis+tls://h", "tls://h"], "rediss://host:port"),
            (&["http://h", "https://h", "tcp://h:6379", "http://redis://host"], "redis://host:port"),
            (&["postgres://u:canary@h/db", "postgresql://h"], "PostgreSQL"),
            (&["etcd://h", "memcached://h", "mongodb+srv://u:canary@h", "nats://h", "mysql://h"], "Redis or Valkey"),
        ] {
            for url in urls {
                let text = identity(url).expect_err("no such store");
                assert!(text.contains(said) && !text.contains("canary"), "{url}: {text}");
            }
        }
    }

    #[test]
    fn no_spelling_leads_to_two_stores() {
        let mut names: Vec<_> = SCHEMES.iter().flat_map(|scheme| scheme.names).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
