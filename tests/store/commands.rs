//! What is sent, and under which names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use lock_runtime::redis::{RedisSettings, RedisStore};
use lock_runtime::store::{Acquired, Release, Released, Renewed, Session, Store, StoreError, StoreErrorKind, Token};
use lock_tests::Server;

use crate::rights::{CHANNELS, RIGHTS, allow};
use crate::waiters::{entry, heard, listen, listen_to, queue};
use crate::{TTL, acquire, fence, look, open, release, renew, store};

/// All commands since the reset, those inside scripts too, each with how often it ran.
fn commands(server: &Server) -> BTreeSet<String> {
    // Servers before 7 count the reset.
    let stats = server.commandstats().into_iter().filter(|(name, _)| name != "config");
    stats.map(|(name, calls)| format!("{name} {calls}")).collect()
}

/// Several such lists as one.
fn sum(lists: &[&[&str]]) -> BTreeSet<String> {
    let mut sum = BTreeMap::<&str, u64>::new();
    for (name, calls) in lists.iter().flat_map(|list| list.iter()).filter_map(|words| words.split_once(' ')) {
        *sum.entry(name).or_default() += calls.parse::<u64>().expect("a number");
    }
    sum.into_iter().map(|(name, calls)| format!("{name} {calls}")).collect()
}

/// The commands of a hand-over by a release that is told, or not, that somebody waits.
async fn hand_over(server: &Server, contended: bool) -> BTreeSet<String> {
    let (session, mut grants) = listen(&server.url(), 1).await;
    let mut sent = BTreeSet::new();
    // The first round sends the scripts' texts.
    for token in [1, 3] {
        fence(acquire(&session, "a", token).await);
        queue(&session, "a", token + 1, &entry(1)).await.expect("a look");
        server.reset_commandstats();
        let (key, token) = ("a", Token::from_bits(token));
        session.release(Release::new(key, token).with_contended(contended)).await.expect("a release");
        heard(&mut grants).await;
        sent = commands(server);
        release(&session, "a", token.bits() + 1).await.expect("a release");
    }
    sent
}

/// A look, and once more if the server had forgotten its script, as clients do.
async fn look_again(session: &Arc<dyn Session>, key: &str, token: u128) -> Result<Acquired, StoreError> {
    match look(session, key, token).await {
        Err(error) if error.kind() == StoreErrorKind::NotExecuted => look(session, key, token).await,
        answer => answer,
    }
}

lock_tests::on_every_server! {
    async fn a_lock_is_a_key_with_the_token_and_a_ttl(server: Server) {
        let session = open(&server.url()).await;
        fence(acquire(&session, "job:42", 0xabc).await);
        assert_eq!(server.get("dlock:{job:42}"), Some(format!("{:0>32}", "abc")));
        let left = server.pttl("dlock:{job:42}");
        assert!((25_000..=30_000).contains(&left), "{left}");
        assert_eq!(server.pttl("dlock:fence"), -1);
    }

    async fn a_free_lock_costs_three_commands(server: Server) {
        let session = open(&server.url()).await;
        // The first release sends its script's text.
        fence(acquire(&session, "a", 1).await);
        release(&session, "a", 1).await.expect("a release");
        server.reset_commandstats();
        fence(acquire(&session, "a", 2).await);
        release(&session, "a", 2).await.expect("a release");
        // The last three are the script's.
        assert_eq!(commands(&server), sum(&[&["set 1", "incr 1", "evalsha 1", "get 1", "exists 1", "del 1"]]));
    }

    async fn a_hand_over_is_one_command_and_one_message(server: Server) {
        let handing_over = ["evalsha 1", "get 1", "time 1", "pttl 1", "zpopmin 1", "incrby 1", "set 1", "publish 1"];
        assert_eq!(hand_over(&server, true).await, sum(&[&handing_over]));
    }

    async fn a_hand_over_that_nobody_knew_of_is_a_command_more(server: Server) {
        let trying_to_free = ["evalsha 1", "get 1", "exists 1"];
        let handing_over = ["evalsha 1", "get 1", "time 1", "pttl 1", "zpopmin 1", "incrby 1", "set 1", "publish 1"];
        assert_eq!(hand_over(&server, false).await, sum(&[&trying_to_free, &handing_over]));
    }

    async fn fences_that_overtake_each_other_need_no_repair(server: Server) {
        let session = open(&server.url()).await;
        server.reset_commandstats();
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..500 {
            let session = Arc::clone(&session);
            tasks.spawn(async move { fence(acquire(&session, &format!("key:{n}"), 1).await) });
        }
        let mut fences = tasks.join_all().await;
        fences.sort_unstable();
        fences.dedup();
        assert_eq!(fences.len(), 500);
        assert_eq!(server.commandstats().get("eval"), None, "a repair would send its text");
    }

    async fn namespaces_and_databases_keep_locks_apart(server: Server) {
        let mut billing = RedisSettings::default();
        billing.namespace = "billing".into();
        let mut bare = RedisSettings::default();
        bare.namespace = String::new();
        let url = server.url();
        let third = format!("{url}/3");
        for (url, settings) in [(&url, RedisSettings::default()), (&url, billing), (&url, bare), (&third, RedisSettings::default())] {
            let store = RedisStore::from_url(url, settings).expect("a valid URL");
            fence(acquire(&store.open().await.expect("a session"), "a", 1).await);
        }
        assert_eq!(server.keys(), ["billing:fence", "billing:{a}", "dlock:fence", "dlock:{a}", "fence", "{a}"]);
    }

    async fn clients_that_name_the_same_locks_hand_them_over_whatever_their_namespaces(server: Server) {
        let ways = [("a:b", "<namespace>:<key>"), ("a", "<namespace>:b:<key>")];
        let mut sides = Vec::new();
        for (name, (namespace, format)) in (1..).zip(ways) {
            let mut settings = RedisSettings::default();
            (settings.namespace, settings.name_format) = (namespace.to_owned(), Some(format.to_owned()));
            let store = RedisStore::from_url(&server.url(), settings).expect("a valid URL");
            sides.push((store.identity().to_owned(), listen_to(&store, name).await));
        }
        let [(identity, (one, _grants)), (other_identity, (other, grants_of_other))] = &mut sides[..] else { panic!("two") };
        assert_eq!(identity, other_identity);
        let first = fence(acquire(one, "c", 1).await);
        queue(other, "c", 2, &entry(2)).await.expect("a look");
        release(one, "c", 1).await.expect("a release");
        let grant = heard(grants_of_other).await;
        assert!(grant.fence > first, "{} after {first}", grant.fence);
        assert_eq!(server.keys(), ["a:b:\u{1}fence", "a:b:c"]);
    }

    async fn a_forgotten_script_is_sent_again(server: Server) {
        let session = open(&server.url()).await;
        for round in 0..2 {
            fence(acquire(&session, "a", 1).await);
            fence(look_again(&session, "a", 1).await);
            server.command(&["SCRIPT", "FLUSH"]);
            assert_eq!(renew(&session, "a", 1).await.expect("a renewal"), Renewed::Renewed, "round {round}");
            assert!(matches!(look_again(&session, "a", 2).await, Ok(Acquired::Held { for_at_most: Some(_), .. })));
            assert_eq!(release(&session, "a", 1).await.expect("a release"), Released::Freed);
            server.command(&["SCRIPT", "FLUSH"]);
        }
        assert!(session.is_open());
    }

    async fn a_large_batch_survives_a_forgotten_script(server: Server) {
        let session = open(&server.url()).await;
        for round in 0..2 {
            let renewals: Vec<_> = (0..1000)
                .map(|n| lock_runtime::store::Renewal::new(format!("key:{n}"), Token::from_bits(1), TTL))
                .collect();
            for n in (0..1000).step_by(2).filter(|_| round == 0) {
                fence(acquire(&session, &format!("key:{n}"), 1).await);
            }
            let answers = session.renew(renewals).await;
            let renewed = |n: &usize| answers[*n].as_ref().is_ok_and(|answer| *answer == Renewed::Renewed);
            assert_eq!((0..1000).filter(renewed).collect::<Vec<_>>(), (0..1000).step_by(2).collect::<Vec<_>>());
            server.command(&["SCRIPT", "FLUSH"]);
        }
    }

    async fn a_release_keeps_for_exactly_what_it_says(server: Server) {
        let session = open(&server.url()).await;
        let keep = |token, keep| session.release(Release::new("a", Token::from_bits(token)).with_keep(Some(keep)));
        fence(acquire(&session, "a", 1).await);
        assert_eq!(keep(1, Duration::from_secs(90)).await.expect("a release"), Released::Freed);
        assert!((85_000..=90_000).contains(&server.pttl("dlock:{a}")));
        assert_eq!(server.get("dlock:{a}"), Some(format!("kept|{}", crate::waiters::written(1))), "a tool can read whose it was");
        assert_eq!(keep(1, Duration::from_secs(10)).await.expect("a release"), Released::NotOurs);
        assert!((85_000..=90_000).contains(&server.pttl("dlock:{a}")));
        server.del("dlock:{a}");
        fence(acquire(&session, "a", 1).await);
        assert_eq!(keep(1, Duration::from_secs(10)).await.expect("a release"), Released::Freed);
        assert!((5_000..=10_000).contains(&server.pttl("dlock:{a}")));
        server.del("dlock:{a}");
        fence(acquire(&session, "a", 1).await);
        assert_eq!(keep(1, Duration::ZERO).await.expect("a release"), Released::Freed);
        assert_eq!(server.get("dlock:{a}"), None);
    }

    async fn a_full_server_keeps_a_key_from_everybody(server: Server) {
        let session = open(&server.url()).await;
        fence(acquire(&session, "a", 1).await);
        server.command(&["CONFIG", "SET", "maxmemory", "1"]);
        let keep = Some(Duration::from_secs(90));
        let release = Release::new("a", Token::from_bits(1)).with_keep(keep);
        assert_eq!(session.release(release.clone()).await.expect("a release"), Released::Freed);
        assert_eq!(session.release(release).await.expect("a release"), Released::NotOurs);
        assert!((85_000..=90_000).contains(&server.pttl("dlock:{a}")));
    }

    async fn a_user_without_the_right_to_set_keeps_a_key_all_the_same(server: Server) {
        fence(acquire(&open(&server.url()).await, "a", 1).await);
        let rights: Vec<_> = RIGHTS.into_iter().filter(|right| *right != "+set").collect();
        server.command(&["SET", "dlock:fence", "4000000000000000"]);
        let session = open(&allow(&server, &rights, &CHANNELS)).await;
        let keep = Some(Duration::from_secs(90));
        let release = Release::new("a", Token::from_bits(1)).with_keep(keep);
        assert_eq!(session.release(release).await.expect("a release"), Released::Freed);
        assert!((85_000..=90_000).contains(&server.pttl("dlock:{a}")));
    }

    async fn somebodys_persist_is_mended_by_a_renewal(server: Server) {
        let session = open(&server.url()).await;
        fence(acquire(&session, "a", 1).await);
        server.command(&["PERSIST", "dlock:{a}"]);
        assert_eq!(renew(&session, "a", 1).await.expect("a renewal"), Renewed::Renewed);
        assert!(server.pttl("dlock:{a}") > 0);
    }

    async fn a_session_is_named_in_the_servers_list_of_clients(server: Server) {
        let session = open(&server.url()).await;
        let clients: String = server.ask(&["CLIENT", "LIST"]);
        // Servers before 7.2 know no library names.
        assert!(!clients.contains("lib-name") || clients.contains("lib-name=lock-runtime"), "{clients}");
        assert!(session.is_open());
    }
}

#[tokio::test]
async fn a_unix_socket_is_a_server_too() {
    let server = Server::builder(lock_tests::Kind::Redis).unix_socket().start();
    let url = format!("{}?db=5", server.unix_url());
    let session = open(&url).await;
    fence(acquire(&session, "a", 1).await);
    assert_eq!(server.keys(), [""; 0], "database 0");
    assert!(server.ask::<String>(&["INFO", "keyspace"]).contains("db5:keys=2"));
    let identity = store(&url).identity().to_owned();
    assert!(identity.starts_with("redis+unix:///") && identity.ends_with("/socket?db=5#dlock"), "{identity}");
}

#[test]
fn identities_tell_places_and_names_apart() {
    let identity = |url: &str| store(url).identity().to_owned();
    assert_eq!(identity("redis://user:pass@Db.Internal"), "redis://db.internal:6379/0#dlock");
    assert_eq!(identity("redis://[::1]:7000/2"), "redis://[::1]:7000/2#dlock");
    let mut settings = RedisSettings::default();
    settings.name_format = Some("<namespace>.<key>".to_owned());
    let store = RedisStore::from_url("redis://h", settings).expect("a valid URL");
    assert_eq!(store.identity(), "redis://h:6379/0#dlock.<key>");
}
