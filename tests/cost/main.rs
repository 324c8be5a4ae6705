//! What an uncontended call may cost. How long it takes is for a benchmark to say, not for a test.

use lock_runtime::{Client, LockError, distributed_lock};

#[distributed_lock(key = "job:<id>", ttl = "30s", client = client)]
async fn run_job(id: u64, client: &Client) -> Result<(), LockError> {
    Ok(())
}

#[test]
fn an_uncontended_call_allocates_four_times() {
    let client = Client::connect_lazy("memory://").expect("memory needs no server");
    let calls = |count: u64| {
        futures::executor::block_on(async {
            for id in 0..count {
                run_job(id, &client).await.expect("nobody else is here");
            }
        });
    };
    calls(100); // tables grow to their size
    let counted = allocation_counter::measure(|| calls(1000));
    // The key, what task and keeper share, and the two operations' futures.
    assert_eq!(counted.count_total, 4 * 1000);
}
