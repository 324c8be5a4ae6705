//! What a request is, before anything is asked of a store.

use futures::executor::block_on;

use super::*;

#[test]
fn a_request_awaited_is_a_guard() {
    let client = Client::connect_lazy("memory://").expect("memory needs no server");
    block_on(async {
        let guard = client.lock("job").await.expect("free");
        assert!(guard.is_held());
        assert!(matches!(client.lock("job").await, Err(LockError::Busy { .. })));
    });
}

#[test]
fn a_clone_is_the_same_request_once_more() {
    let client = Client::connect_lazy("memory://").expect("memory needs no server");
    let request = client.lock("job").ttl(Duration::from_secs(1));
    let other = request.clone().ttl(Duration::from_secs(9));
    let remaining = |request: LockRequest| block_on(request.acquire()).expect("free").remaining();
    assert!(remaining(request.clone()) < Duration::from_secs(1));
    assert!(remaining(other) > Duration::from_secs(1));
    assert!(remaining(request) < Duration::from_secs(1));
}

#[test]
fn a_ttl_that_is_not_given_is_at_least_min_hold() {
    let client = Client::connect_lazy("memory://").expect("memory needs no server");
    let s = Duration::from_secs;
    let request = |min_hold| client.lock("job").min_hold(min_hold);
    let remaining = |request: LockRequest| {
        block_on(request.run(async { crate::current().expect("a body runs under a lease").remaining() }))
    };
    assert!(remaining(client.lock("short").min_hold(s(1))).expect("free") < s(30));
    let long = remaining(request(s(60))).expect("free");
    assert!(s(50) < long && long < s(60), "{long:?}");
    let refused = |request: LockRequest| matches!(block_on(request.acquire()), Err(LockError::InvalidOptions { .. }));
    assert!(refused(request(s(60)).ttl(s(30))), "a ttl that is given is taken at its word");
    assert!(refused(request(s(60)).max_hold(s(59))), "and so is a `max_hold`");
    assert!(refused(request(options::LONGEST + s(1))));
}

#[test]
fn a_request_without_a_client_uses_the_scope_s() {
    let client = Client::connect_lazy("memory://").expect("memory needs no server");
    let request = || LockRequest::new("job").keyed("job".into(), None);
    let refused = block_on(request().acquire()).expect_err("no client is named");
    assert!(matches!(refused, LockError::NotConfigured { .. }));
    // A program may link two versions, of which the other was told.
    let version = concat!("lock_runtime ", env!("CARGO_PKG_VERSION"), ":");
    assert!(refused.to_string().contains(version), "{refused}");
    let _guard = block_on(client.scope(async { request().await })).expect("free");
    assert!(matches!(block_on(client.lock("job").acquire()), Err(LockError::Busy { .. })));
}
