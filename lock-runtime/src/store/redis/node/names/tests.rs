use std::collections::HashSet;

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::*;

fn text(arg: impl ToRedisArgs) -> String {
    String::from_utf8(arg.to_redis_args().remove(0)).unwrap_or_default()
}

#[test]
fn the_default_names_share_a_hash_tag() {
    let key = LockKey::from("job:42");
    let names = Names::new("dlock", None).expect("valid names");
    assert_eq!(text(names.lock(&key)), "dlock:{job:42}");
    assert_eq!(text(names.queue(&key)), "dlock:{job:42}:queue");
    assert_eq!(names.queue(&key).to_string(), "dlock:{job:42}:queue");
    assert_eq!(text(names.held(&key)), "dlock:{job:42}:held");
    assert_eq!(text(names.never(&key)), "dlock:{job:42}\u{1}");
    assert_eq!(names.never(&key).len(), text(names.never(&key)).len());
    assert_eq!(names.counter(), "dlock:fence");
    let bare = Names::new("", None).expect("valid names");
    assert_eq!((text(bare.lock(&key)).as_str(), bare.counter()), ("{job:42}", "fence"));
}

#[test]
fn names_that_a_key_could_make_are_marked() {
    let all = |format| {
        let names = Names::new("app", Some(format)).expect("valid names");
        (text(names.queue(&"a".into())), names.counter().to_owned(), names.wake().to_owned())
    };
    let names = |queue: &str, counter: &str, wake: &str| (queue.to_owned(), counter.to_owned(), wake.to_owned());
    assert_eq!(all("<key>"), names("a\u{1}:queue", "\u{1}fence", "\u{1}wake:"));
    assert_eq!(all("<namespace>:<key>"), names("app:a\u{1}:queue", "app:\u{1}fence", "app:\u{1}wake:"));
    assert_eq!(all("locks/<key>:e"), names("locks/a:e\u{1}:queue", "locks/:e:\u{1}fence", "locks/:e:\u{1}wake:"));
    assert_eq!(all("locks/<key>:x"), names("locks/a:x:queue", "locks/:x:fence", "locks/:x:wake:"));
    let bare = Names::new("", Some("<key>")).expect("valid names");
    assert_eq!((bare.queue(&"a".into()).to_string().as_str(), &*shown(bare.counter())), ("a\\x01:queue", "\\x01fence"));
}

#[test]
fn a_format_holds_the_key_once() {
    let names = Names::new("app", Some("<namespace>/locks/<key>.lock")).expect("valid names");
    assert_eq!(text(names.lock(&"a".into())), "app/locks/a.lock");
    assert_eq!((names.fragment().as_str(), names.counter()), ("app/locks/<key>.lock", "app/locks/.lock:fence"));
    for format in ["", "lock", "<key><key>", "a\u{1}<key>"] {
        assert!(Names::new("app", Some(format)).is_err(), "{format:?}");
    }
    assert!(Names::new("a\nb", None).is_err());
}

#[test]
fn who_names_the_same_locks_has_the_same_counter_channels_and_identity() {
    let all = |namespace, format| Names::new(namespace, format).expect("valid names");
    let ways = [
        [("tenant", Some("<key>")), ("", Some("<key>"))],
        [("a:b", Some("<namespace>:<key>")), ("a", Some("<namespace>:b:<key>"))],
        [("dlock", Some("<namespace>:{<key>}")), ("dlock", None)],
        [("", Some("a:{<key>}")), ("a", None)],
        [("other", Some("{<key>}")), ("", None)],
    ];
    for [one, other] in ways.map(|ways| ways.map(|(namespace, format)| all(namespace, format))) {
        assert_eq!((&one, one.fragment()), (&other, other.fragment()));
    }
    let bare = all("tenant", Some("<key>"));
    assert_eq!((bare.counter(), bare.wake(), bare.fragment().as_str()), ("\u{1}fence", "\u{1}wake:", "<key>"));
    let doubled = all("", Some("::{<key>}"));
    assert_eq!((doubled.counter(), doubled.fragment().as_str()), ("fence", ":"));
    assert_eq!(all("", Some(":{<key>}")).fragment(), ":{<key>}");
    assert_eq!((all("dlock", None).fragment(), all("", None).fragment()), ("dlock".to_owned(), String::new()));
}

#[test]
fn tokens_have_32_digits() {
    assert_eq!(text(TokenText(Token::from_bits(0xab))), format!("{:0>32}", "ab"));
    let token = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210_u128;
    assert_eq!(text(TokenText(Token::from_bits(token))), format!("{token:032x}"));
    assert_eq!(text(TokenText(Token::from_bits(u128::MAX))).len(), TokenText::LEN);
}

#[test]
fn an_entry_is_the_same_whatever_may_change_while_its_token_waits() {
    let (listener, first_lease) = (ListenerId::from_bits(0xb), Duration::from_secs(1));
    let entry = Entry::new(listener, first_lease).with_fences(32);
    let again = entry.clone().with_since(Some(7)).with_alive_for(Some(first_lease));
    let token = Token::from_bits(0xa);
    assert_eq!(text(EntryText(token, &entry)), format!("1|{:0>32}|{:0>32}|1000|32|x", "a", "b"));
    assert_eq!(text(EntryText(token, &entry)), text(EntryText(token, &again)));
    let longest = Entry::new(listener, Duration::MAX).with_fences(u32::MAX).with_version(u32::MAX);
    assert!(text(EntryText(token, &longest)).len() <= EntryText::LEN);
}

#[test]
fn a_kind_is_one_word_and_an_entry_gives_token_and_kind_back() {
    let token = Token::from_bits(u128::MAX / 3);
    let entry = Entry::new(ListenerId::from_bits(0xb), Duration::MAX).with_fences(u32::MAX).with_version(u32::MAX);
    let kinds = [Kind::Shared, Kind::permits(5), Kind::permits(u32::MAX).with_weight(u32::MAX)];
    for (kind, word) in kinds.into_iter().zip(["s", "p5", "p4294967295x4294967295"]) {
        let written = text(EntryText(token, &entry.clone().with_kind(kind)));
        assert!(written.ends_with(&format!("|{word}")) && written.len() <= EntryText::LEN, "{written}");
        assert_eq!(waiting(&written.replace(&format!("{}|", u32::MAX), "1|")), (Some(token), Some(kind)), "{written}");
        assert_eq!(waiting(&written), (Some(token), None), "of another version");
    }
    let known = text(EntryText(token, &Entry::new(ListenerId::from_bits(0xb), Duration::MAX)));
    assert_eq!(waiting(&known), (Some(token), Some(Kind::Exclusive)));
    for word in ["y", "p", "p0", "p05", "p+5", "p5x", "p5x0", "px2", "p5x2x1", "p4294967296", "sp5"] {
        assert_eq!(kind(word), None, "{word}");
    }
    for strange in ["", "1", "1|x", "seen|7", "1|2|3|4|5|x"] {
        assert_eq!(waiting(strange).0, None, "{strange}");
    }
}

#[test]
fn one_of_a_set_of_holders_is_its_token_with_its_weight() {
    let (token, text) = (Token::from_bits(0xa), format!("{:0>32}", "a"));
    for (written, read) in [
        (text.clone(), Some((token, 1, false))),
        (format!("{text}:3"), Some((token, 3, false))),
        (format!("kept|{text}:3"), Some((token, 3, true))),
        (format!("kept|{text}"), Some((token, 1, true))),
        (format!("{text}:"), None),
        (format!("held|{text}"), None),
    ] {
        assert_eq!(member(&written), read, "{written}");
    }
}

#[test]
fn a_card_is_named_by_its_client_and_comes_back_as_it_was_written() {
    let names = Names::new("dlock", None).expect("valid names");
    assert_eq!(names.card(ClientId::from_bits(0x00c0_ffee)), "dlock:client:00c0ffee");
    let of = |host: &str, program: &str| Card::new(host, 4242, program, 1_790_000_000);
    assert_eq!(card_text(&of("web-7", "orders")), "1|4242|1790000000|web-7|orders");
    for (host, program) in [("", ""), ("a|b", "100%"), ("ä\n", "%7c"), ("%", "|||")] {
        let written = card_text(&of(host, program));
        assert_eq!(card(&written), Some(of(host, program)), "{written}");
        assert_eq!(card(&format!("{written}|more")), Some(of(host, program)), "of a later release");
    }
    let longest = card_text(&of(&"ä|".repeat(500), &"x".repeat(500)));
    assert!(longest.len() <= 600 && card(&longest).is_some(), "{longest}");
    for strange in ["", "1|2|3|a", "x|1|1|a|b", "1|1|1|%|b", "1|1|1|%zz|b", "1|1|1|%ff|b", "1|-1|1|a|b"] {
        assert_eq!(card(strange), None, "{strange}");
    }
    assert_eq!(card(&format!("1|1|1|{}|b", "a".repeat(256))), None, "no client writes so long a name");
}

#[test]
fn a_lock_s_name_gives_its_key() {
    let names = Names::new("dlock", None).expect("valid names");
    for key in ["job:42", "{a} b", "}", "ä"] {
        let name = text(names.lock(&key.into()));
        assert_eq!(names.key(&name).as_ref().map(LockKey::as_str), Some(key));
    }
    assert_eq!(names.key("dlock:{a"), None);
    assert_eq!(names.key("other:{a}"), None);
    let bare = Names::new("", Some("<key>")).expect("valid names");
    assert_eq!(bare.key("a").as_ref().map(LockKey::as_str), Some("a"));
    assert_eq!(names.wake(), "dlock:wake:");
    assert_eq!(names.channel(ListenerId::from_bits(0xb)), format!("dlock:wake:{:0>32}", "b"));
}

/// Namespaces and formats from few pieces, so that several give the same names.
fn any_names() -> impl Strategy<Value = Names> {
    const PIECES: [&str; 15] =
        ["", "a", "a:", ":", "{", "}", "dlock", "dlock:", "<namespace>", "b", ":queue", "fence", "client:", "e", "0"];
    let piece = || proptest::sample::select(PIECES.to_vec());
    let text = || proptest::collection::vec(piece(), 0..4).prop_map(|pieces| pieces.concat());
    let namespace = || text().prop_map(|text| text.replace("<namespace>", ""));
    let formatted = (namespace(), text(), text())
        .prop_map(|(namespace, before, after)| Names::new(&namespace, Some(&format!("{before}<key>{after}"))));
    let default = namespace().prop_map(|namespace| Names::new(&namespace, None));
    prop_oneof![formatted, default].prop_map(|names| names.expect("valid names"))
}

/// Keys among which are those that look like other names.
fn any_key() -> impl Strategy<Value = LockKey> {
    let looks = proptest::sample::select(vec!["fence", "a:queue", "wake:", "client:0123abcd", "{a}:queue", "}", "{"]);
    prop_oneof![looks.prop_map(LockKey::from), "[^\\p{Cc}]{1,9}".prop_map(LockKey::from)]
}

proptest! {
    #![proptest_config(Config { cases: 3_000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn equal_names_of_locks_mean_equal_names_of_all_else(all in [any_names(), any_names()], keys in ["[ab:]{1,3}", "[^\\p{Cc}]{1,9}"]) {
        let [one, other] = all;
        let lock = |names: &Names, key: &str| text(names.lock(&key.into()));
        let same = keys.iter().all(|key| lock(&one, key) == lock(&other, key));
        prop_assert_eq!(same, one.fragment() == other.fragment(), "the identity");
        if same {
            prop_assert_eq!((one.counter(), one.wake()), (other.counter(), other.wake()));
            let queues = |names: &Names| keys.clone().map(|key| text(names.queue(&key.as_str().into())));
            prop_assert_eq!(queues(&one), queues(&other));
        }
    }

    #[test]
    fn no_other_name_is_a_lock_s(names in any_names(), keys in [any_key(), any_key()], listener: u128, client: u32) {
        let others = |key: &LockKey| [text(names.queue(key)), text(names.never(key))];
        let shared = [names.counter().to_owned(), names.channel(ListenerId::from_bits(listener)), names.card(ClientId::from_bits(client))];
        let all: Vec<_> = keys.iter().flat_map(others).chain(shared).collect();
        for other in &all {
            let key = names.key(other).filter(|key| !key.as_str().is_empty() && !key.as_str().contains(char::is_control));
            prop_assert_eq!(key, None, "the lock {:?}", other);
        }
        let distinct: HashSet<_> = all.iter().collect();
        prop_assert!(distinct.len() == all.len() || keys[0] == keys[1], "{:?}", all);
    }
}

#[test]
fn durations_are_rounded_up_and_never_overflow() {
    assert_eq!(ttl_ms(Duration::from_micros(1001)), 2);
    assert_eq!((ttl_ms(Duration::ZERO), keep_ms(Duration::ZERO)), (1, 0));
    assert_eq!(ttl_ms(Duration::MAX), 3_153_600_000_000);
}
