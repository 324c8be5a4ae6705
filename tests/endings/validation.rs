//! What can be wrong with a request is said before the store is asked, on both sides of each bound.

use std::time::Duration;

use lock_runtime::store::MemoryStore;
use lock_runtime::{
    Client, ClientBuilder, ConnectError, KeyFault, LockError, LockKey, LockRequest, OptionFault, distributed_lock,
};

const NANO: Duration = Duration::from_nanos(1);
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
const SHORTEST: Duration = Duration::from_millis(50);
const TOO_SHORT: Duration = Duration::from_nanos(49_999_999);
const SECOND: Duration = Duration::from_secs(1);
const ALMOST_A_SECOND: Duration = Duration::from_nanos(999_999_999);

/// The fault of a request, found before its body ran.
async fn fault(client: &Client, set: impl Fn(LockRequest) -> LockRequest) -> Option<OptionFault> {
    let ran = set(client.lock("job")).run(async { true }).await;
    let guarded = set(client.lock("job")).acquire().await.map(drop);
    match (ran, guarded) {
        (Ok(true), Ok(())) => None,
        (Err(LockError::InvalidOptions { key, fault, .. }), Err(LockError::InvalidOptions { fault: again, .. })) => {
            assert_eq!((key.as_str(), fault), ("job", again));
            Some(fault)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_ttl_is_50_ms_to_30_days() {
    let client = &crate::connect("memory://").await;
    let ttl = |ttl| fault(client, move |request| request.ttl(ttl));
    assert_eq!(ttl(Duration::ZERO).await, Some(OptionFault::TtlTooShort(Duration::ZERO)));
    assert_eq!(ttl(TOO_SHORT).await, Some(OptionFault::TtlTooShort(TOO_SHORT)));
    assert_eq!(ttl(SHORTEST).await, None);
    assert_eq!(ttl(LONGEST).await, None);
    assert_eq!(ttl(LONGEST + NANO).await, Some(OptionFault::TtlTooLong(LONGEST + NANO)));
    assert_eq!(ttl(Duration::MAX).await, Some(OptionFault::TtlTooLong(Duration::MAX)));
}

#[tokio::test]
async fn a_wait_is_up_to_30_days_or_for_ever() {
    let client = &crate::connect("memory://").await;
    let wait = |wait| fault(client, move |request| request.wait(wait));
    assert_eq!(wait(Duration::ZERO).await, None);
    assert_eq!(wait(LONGEST).await, None);
    assert_eq!(wait(LONGEST + NANO).await, Some(OptionFault::WaitTooLong(LONGEST + NANO)));
    assert_eq!(fault(client, LockRequest::wait_forever).await, None);
}

#[tokio::test]
async fn min_hold_is_at_most_the_ttl() {
    let least = |min_hold: Duration| async move {
        // A store for each, since a lock that is kept is busy afterwards.
        let client = crate::connect("memory://").await;
        client.lock("job").ttl(SECOND).min_hold(min_hold).run(async {}).await
    };
    least(SECOND).await.expect("as long as the ttl");
    let refused = least(SECOND + NANO).await;
    assert!(
        matches!(refused, Err(LockError::InvalidOptions { fault: OptionFault::MinHoldOverTtl, .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn max_hold_is_at_least_the_ttl_and_bounds_a_renewal() {
    let client = &crate::connect("memory://").await;
    let most = |max_hold, renew| fault(client, move |request| request.ttl(SECOND).max_hold(max_hold).renew(renew));
    assert_eq!(most(SECOND, true).await, None);
    assert_eq!(most(ALMOST_A_SECOND, true).await, Some(OptionFault::MaxHoldUnderTtl));
    assert_eq!(most(SECOND, false).await, Some(OptionFault::MaxHoldWithoutRenewal));
}

#[tokio::test]
async fn the_attribute_checks_at_run_time_what_it_cannot_know_before() {
    #[distributed_lock(key = "job", ttl = ttl, client = client)]
    async fn job(client: &Client, ttl: Duration) -> Result<bool, LockError> {
        Ok(true)
    }
    let client = crate::connect("memory://").await;
    assert!(job(&client, SHORTEST).await.expect("free"));
    let refused = job(&client, TOO_SHORT).await;
    let expected = OptionFault::TtlTooShort(TOO_SHORT);
    assert!(matches!(refused, Err(LockError::InvalidOptions { fault, .. }) if fault == expected), "{refused:?}");
}

#[tokio::test]
async fn a_key_is_1_to_1024_bytes_without_control_characters() {
    let client = crate::connect("memory://").await;
    for (key, expected) in [
        (String::new(), KeyFault::Empty),
        ("x".repeat(1025), KeyFault::TooLong),
        // 513 characters of two bytes.
        ("ä".repeat(513), KeyFault::TooLong),
        ("a\nb".to_owned(), KeyFault::ControlCharacter),
        ("\0".to_owned(), KeyFault::ControlCharacter),
    ] {
        let refused = client.lock(&key).run(async { panic!("the body must not run") }).await;
        let Err(LockError::InvalidKey { key: named, fault, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!((named, fault), (LockKey::from(key), expected));
    }
    for key in ["x".repeat(1024), "ä".repeat(512), " {}*?:\u{1f512}".to_owned()] {
        client.lock(key).run(async {}).await.expect("any other text is a key");
    }
}

#[tokio::test]
async fn a_request_that_is_invalid_asks_nothing_of_the_store() {
    // Nobody listens there, so anything that asked would be unavailable.
    let client = Client::connect_lazy("redis://127.0.0.1:1").expect("a good URL");
    assert!(matches!(client.lock("").acquire().await, Err(LockError::InvalidKey { .. })));
    let request = client.lock("job").ttl(Duration::ZERO);
    assert!(matches!(request.acquire().await, Err(LockError::InvalidOptions { .. })));
}

#[tokio::test]
async fn a_client_has_an_operation_timeout_of_50_ms_to_5_s_and_a_ttl_of_50_ms_to_30_days() {
    let timeout = |timeout| Client::builder().operation_timeout(timeout).connect_lazy("memory://");
    let ttl = |ttl| Client::builder().ttl(ttl).connect_lazy("memory://");
    for good in [timeout(SHORTEST), timeout(SECOND * 5), ttl(SHORTEST), ttl(LONGEST)] {
        good.expect("within the bounds");
    }
    for bad in [timeout(TOO_SHORT), timeout(SECOND * 5 + NANO), ttl(TOO_SHORT), ttl(LONGEST + NANO)] {
        assert!(matches!(bad, Err(ConnectError::InvalidOptions(_))), "{bad:?}");
    }
    let client = Client::builder().ttl(SECOND).connect("memory://").await.expect("memory is there");
    assert!(client.lock("job").acquire().await.expect("free").remaining() < SECOND);
    // The client's own ttl is the measure of options that name none.
    let refused = client.lock("kept").min_hold(SECOND + NANO).acquire().await;
    assert!(matches!(refused, Err(LockError::InvalidOptions { fault: OptionFault::MinHoldOverTtl, .. })));
}

/// A client of these settings, or why there is none.
async fn client_at(url: &str, set: impl Fn(ClientBuilder) -> ClientBuilder) -> Result<(), String> {
    let at_once = set(Client::builder()).connect(url).await.map(drop);
    let lazily = set(Client::builder()).connect_lazy(url).map(drop);
    match (at_once, lazily) {
        (Ok(()), Ok(())) => Ok(()),
        (Err(ConnectError::InvalidOptions(text)), Err(ConnectError::InvalidOptions(again))) => {
            assert_eq!(text, again);
            Err(text)
        }
        other => panic!("{other:?}"),
    }
}

type Set = fn(ClientBuilder) -> ClientBuilder;

/// Settings that not every store has a use for, each set to what it is by default where it has a default.
const SETTINGS: [(&str, Set); 4] = [
    ("namespace", |builder| builder.namespace("dlock")),
    ("name_format", |builder| builder.name_format("<key>")),
    ("nodelay", |builder| builder.nodelay(false)),
    ("root_certificates", |builder| builder.root_certificates("")),
];

#[tokio::test]
async fn a_setting_that_memory_has_no_use_for_is_refused_by_its_name() {
    for (name, set) in SETTINGS {
        match client_at("memory://", set).await {
            Ok(()) => assert_eq!(name, "namespace"),
            Err(text) => assert!(text.starts_with(&format!("{name} has no effect on memory://;")), "{text}"),
        }
    }
}

#[tokio::test]
async fn a_setting_that_a_store_of_ones_own_cannot_hear_of_is_refused_by_its_name() {
    for (name, set) in SETTINGS {
        let refused = set(Client::builder()).connect_store(MemoryStore::new()).await;
        let Err(ConnectError::InvalidOptions(text)) = refused else { panic!("{refused:?}") };
        assert!(text.starts_with(&format!("{name} has no effect on a store of your own; set it where")), "{text}");
    }
    let builder = Client::builder().ttl(SECOND).operation_timeout(SECOND).local_handover(false);
    builder.connect_store(MemoryStore::new()).await.expect("these are the client's");
}

#[tokio::test]
async fn a_setting_that_a_redis_connection_has_no_use_for_is_refused_by_its_name() {
    let lazily = |url, set: Set| set(Client::builder()).connect_lazy(url);
    for (url, unused) in [
        ("redis://127.0.0.1:1", &["root_certificates"][..]),
        ("redis+unix:///nowhere", &["nodelay", "root_certificates"]),
    ] {
        for (name, set) in SETTINGS {
            match lazily(url, set) {
                Ok(_) => assert!(!unused.contains(&name), "{url} has a use for {name}"),
                Err(ConnectError::InvalidOptions(text)) => {
                    assert!(unused.contains(&name) && text.starts_with(&format!("{name} has no effect")), "{text}");
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    }
}
