//! A planned failover while some wait: those who have not noticed yet are neither granted what others hold, nor lost.

use std::time::Duration;

use lock_runtime::{Client, Released};
use lock_tests::{Ledger, Pair, Proxy, Server, on_every_server};

use super::{all_served, connect_asking, enters, in_line, its_turn, until, until_in_line};

/// Longer than a message takes to a listener by way of a replica; nothing announces that none comes.
const SILENCE: Duration = Duration::from_millis(300);
/// How often the servers change places.
const FAILOVERS: usize = 10;

/// A client with a network of its own, so that each comes to a new primary at its own time.
async fn behind_a_proxy(pair: &Pair) -> (Proxy, Client) {
    let proxy = Proxy::before(pair.primary());
    let client = connect_asking(&proxy.url()).await;
    // So that its runtime has a connection of its own, which listens too.
    for _ in 0..20 {
        client.lock("warm").run(async {}).await.expect("it is free");
    }
    (proxy, client)
}

/// Leads a client to the primary: its name leads there, and its connections were cut.
fn lead(proxy: &Proxy, pair: &Pair) {
    proxy.lead_to(pair.primary().port());
    proxy.reset_all();
}

on_every_server! {
    /// Messages are replicated, and a subscription survives that its server becomes a replica. So whoever is connected
    /// to a primary of before could hear of a grant at the new one, where it counts as gone since it does not listen.
    async fn a_waiter_who_has_not_noticed_a_failover_is_not_granted_what_another_has(server: Server) {
        let (mut pair, ledger) = (Pair::of(server), Ledger::new());
        let (to_holder, holder) = behind_a_proxy(&pair).await;
        let (to_next, next) = behind_a_proxy(&pair).await;
        let (to_unaware, unaware) = behind_a_proxy(&pair).await;
        let mut fences = Vec::new();
        for _ in 0..FAILOVERS {
            let held = holder.lock("planned").wait_forever().acquire().await.expect("it is free");
            let waits = |client: &Client, hold| {
                tokio::spawn(client.lock("planned").wait_forever().run(enters(&ledger, "planned", hold)))
            };
            let unaware_waits = waits(&unaware, Duration::ZERO);
            until_in_line(pair.primary(), "planned", 1).await;
            let next_waits = waits(&next, SILENCE);
            until_in_line(pair.primary(), "planned", 2).await;
            // Its next look would tell it. So that none does before the others are done, it is late.
            to_unaware.hold_requests();
            pair.fail_over();
            lead(&to_holder, &pair);
            lead(&to_next, &pair);
            until("the next listens at the new primary", || listeners(&pair) >= 2).await;
            let fence = held.fence();
            assert_eq!(held.release().await.expect("it comes to the new primary"), Released::Freed);
            fences.extend([fence, its_turn(next_waits).await]);
            assert_eq!(in_line(pair.primary(), "planned"), 0, "it counted as gone");
            to_unaware.lead_to(pair.primary().port());
            to_unaware.pass();
            fences.extend(all_served(vec![unaware_waits]).await);
        }
        ledger.check().assert_clean();
        assert_eq!(ledger.check().grants, 2 * FAILOVERS);
        assert!(fences.is_sorted_by(|a, b| a < b), "{fences:?}");
        for client in [holder, next, unaware] {
            assert_eq!(client.stats().lost, 0);
        }
    }
}

/// How many lines of clients listen at the primary.
fn listeners(pair: &Pair) -> usize {
    pair.primary().ask::<Vec<String>>(&["PUBSUB", "CHANNELS", "dlock:wake:*"]).len()
}
