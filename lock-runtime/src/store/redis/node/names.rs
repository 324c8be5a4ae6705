//! Names in Redis, and how names, tokens and durations are written into a command.
//!
//! All names of one lock share its hash tag. A name is written piece by piece straight into the command, so that an
//! operation builds no string. What must stay true: counter, wake channels and identity follow from the text around the
//! key in a lock's name, and from nothing else, so that two clients that name the same locks share their fences and
//! their grant messages. Absent on purpose: what the names are used for.

use std::fmt;
use std::io::Write;
use std::time::Duration;

use ::redis::{RedisWrite, ToRedisArgs};

use crate::store::{Entry, ListenerId, Token};
use lock_core::LockKey;

/// The longest ttl that is sent: a hundred years. Redis refuses a ttl that would overflow its clock.
pub(crate) const LONGEST_MS: u64 = 100 * 365 * 24 * 3600 * 1000;

/// No lock key contains a control character, so no lock's name ends like this.
const NEVER: &str = "\u{1}";

const QUEUE: &str = ":queue";

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// How keys are named: the text before and after a key, and the names that follow from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    before: String,
    after: String,
    counter: String,
    wake: String,
}

impl Names {
    /// The names for a namespace, by a format with one `<key>` in it, or by the default format.
    pub(crate) fn new(namespace: &str, format: Option<&str>) -> Result<Self, String> {
        let prefix = if namespace.is_empty() { String::new() } else { format!("{namespace}:") };
        let format = format.map_or_else(|| format!("{prefix}{{<key>}}"), |f| f.replace("<namespace>", namespace));
        if format.contains(char::is_control) || namespace.contains(char::is_control) {
            return Err("the namespace and the name format cannot hold control characters".to_owned());
        }
        match format.split_once("<key>") {
            Some((before, after)) if !after.contains("<key>") => Ok(Self::around(before, after)),
            _ => Err(format!("the name format `{format}` must hold `<key>` exactly once")),
        }
    }

    /// The names with this text before and after the key.
    fn around(before: &str, after: &str) -> Self {
        let text = format!("{before}{after}").replace(['{', '}'], "");
        let stem = text.trim_end_matches(':');
        let prefix = if stem.is_empty() { String::new() } else { format!("{stem}:") };
        let (counter, wake) = (format!("{prefix}fence"), format!("{prefix}wake:"));
        Self { before: before.to_owned(), after: after.to_owned(), counter, wake }
    }

    /// What distinguishes these names from all others: the namespace, if the default format gives them, or the format.
    pub(crate) fn fragment(&self) -> String {
        let namespace = match self.before.as_str() {
            "{" => Some(""),
            before => before.strip_suffix(":{").filter(|namespace| !namespace.is_empty()),
        };
        match namespace {
            Some(namespace) if self.after == "}" => namespace.to_owned(),
            _ => format!("{}<key>{}", self.before, self.after),
        }
    }

    /// The name of the fence counter.
    pub(crate) fn counter(&self) -> &str {
        &self.counter
    }

    /// The common prefix of all wake channels; a listener's 32 hexadecimal digits follow.
    pub(crate) fn wake(&self) -> &str {
        &self.wake
    }

    /// The channel of a listener.
    pub(crate) fn channel(&self, listener: ListenerId) -> String {
        format!("{}{:032x}", self.wake, listener.bits())
    }

    /// The key of the lock with this name, if the name is one of ours.
    pub(crate) fn key(&self, lock: &str) -> Option<LockKey> {
        lock.strip_prefix(&self.before)?.strip_suffix(&self.after).map(LockKey::from)
    }

    /// The name of a lock.
    pub(crate) fn lock<'a>(&'a self, key: &'a LockKey) -> Name<'a> {
        Name { names: self, key, suffix: "" }
    }

    /// The name of a lock's queue.
    pub(crate) fn queue<'a>(&'a self, key: &'a LockKey) -> Name<'a> {
        Name { names: self, key, suffix: QUEUE }
    }

    /// A name under the lock's hash tag that no key ever has.
    pub(crate) fn never<'a>(&'a self, key: &'a LockKey) -> Name<'a> {
        Name { names: self, key, suffix: NEVER }
    }
}

/// The name of one key in Redis.
#[derive(Clone, Copy)]
pub(crate) struct Name<'a> {
    names: &'a Names,
    key: &'a LockKey,
    suffix: &'static str,
}

impl Name<'_> {
    pub(crate) fn len(&self) -> usize {
        self.names.before.len() + self.key.as_str().len() + self.names.after.len() + self.suffix.len()
    }
}

impl ToRedisArgs for Name<'_> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        let mut writer = out.writer_for_next_arg();
        for part in [&self.names.before, self.key.as_str(), &self.names.after, self.suffix] {
            // A command is memory, and writing to memory never fails.
            let _ = writer.write_all(part.as_bytes());
        }
    }
}

/// The name as shown in messages.
impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the control character.
        let suffix = if self.suffix == NEVER { "" } else { self.suffix };
        write!(f, "{}{}{}{suffix}", self.names.before, self.key, self.names.after)
    }
}

/// A token as 32 lower-case hexadecimal digits.
pub(crate) struct TokenText(pub(crate) Token);

impl TokenText {
    pub(crate) const LEN: usize = 32;
}

impl ToRedisArgs for TokenText {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        out.write_arg(&digits(self.0.bits()));
    }
}

/// 32 lower-case hexadecimal digits, like `{:032x}` but without the formatting machinery, which would dominate the cost
/// of renewing very many leases.
fn digits(bits: u128) -> [u8; 32] {
    let mut digits = [0; 32];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bits.to_be_bytes()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    digits
}

/// An entry as it is stored in a queue: the same for as long as its token waits.
pub(crate) struct EntryText<'a>(pub(crate) Token, pub(crate) &'a Entry);

impl EntryText<'_> {
    pub(crate) const LEN: usize = 2 * TokenText::LEN + 45;
}

impl ToRedisArgs for EntryText<'_> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        let Self(token, Entry { version, listener, first_lease, fences, .. }) = self;
        let (token, listener, lease) = (token.bits(), listener.bits(), ttl_ms(*first_lease));
        // A command is memory, and writing to memory never fails.
        let _ = write!(out.writer_for_next_arg(), "{version}|{token:032x}|{listener:032x}|{lease}|{fences}");
    }
}

/// A ttl in whole milliseconds, rounded up; at least one, because Redis refuses zero.
pub(crate) fn ttl_ms(ttl: Duration) -> u64 {
    keep_ms(ttl).max(1)
}

/// The remaining time to keep a key, in whole milliseconds, rounded up; zero frees the key.
pub(crate) fn keep_ms(keep: Duration) -> u64 {
    // Avoids a 128-bit division, which would show when very many leases are renewed.
    let whole = keep.as_secs().saturating_mul(1000).saturating_add(keep.subsec_nanos().div_ceil(1_000_000).into());
    whole.min(LONGEST_MS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::Config;

    use super::*;

    fn text(arg: impl ToRedisArgs) -> String {
        String::from_utf8(arg.to_redis_args().remove(0)).unwrap_or_default()
    }

    #[test]
    fn the_default_names_share_a_hash_tag() {
        let key = LockKey::from("job:42");
        let names = Names::new("lock", None).expect("valid names");
        assert_eq!(text(names.lock(&key)), "lock:{job:42}");
        assert_eq!(text(names.queue(&key)), "lock:{job:42}:queue");
        assert_eq!(names.queue(&key).to_string(), "lock:{job:42}:queue");
        assert_eq!(text(names.never(&key)), "lock:{job:42}\u{1}");
        assert_eq!(names.never(&key).len(), text(names.never(&key)).len());
        assert_eq!(names.counter(), "lock:fence");
        let bare = Names::new("", None).expect("valid names");
        assert_eq!((text(bare.lock(&key)).as_str(), bare.counter()), ("{job:42}", "fence"));
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
            [("lock", Some("<namespace>:{<key>}")), ("lock", None)],
            [("", Some("a:{<key>}")), ("a", None)],
            [("other", Some("{<key>}")), ("", None)],
        ];
        for [one, other] in ways.map(|ways| ways.map(|(namespace, format)| all(namespace, format))) {
            assert_eq!((&one, one.fragment()), (&other, other.fragment()));
        }
        let bare = all("tenant", Some("<key>"));
        assert_eq!((bare.counter(), bare.wake(), bare.fragment().as_str()), ("fence", "wake:", "<key>"));
        let doubled = all("", Some("::{<key>}"));
        assert_eq!((doubled.counter(), doubled.fragment().as_str()), ("fence", ":"));
        assert_eq!(all("", Some(":{<key>}")).fragment(), ":{<key>}");
        assert_eq!((all("lock", None).fragment(), all("", None).fragment()), ("lock".to_owned(), String::new()));
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
        assert_eq!(text(EntryText(token, &entry)), format!("1|{:0>32}|{:0>32}|1000|32", "a", "b"));
        assert_eq!(text(EntryText(token, &entry)), text(EntryText(token, &again)));
        let longest = Entry::new(listener, Duration::MAX).with_fences(u32::MAX).with_version(u32::MAX);
        assert!(text(EntryText(token, &longest)).len() <= EntryText::LEN);
    }

    #[test]
    fn a_lock_s_name_gives_its_key() {
        let names = Names::new("lock", None).expect("valid names");
        for key in ["job:42", "{a} b", "}", "ä"] {
            let name = text(names.lock(&key.into()));
            assert_eq!(names.key(&name).as_ref().map(LockKey::as_str), Some(key));
        }
        assert_eq!(names.key("lock:{a"), None);
        assert_eq!(names.key("other:{a}"), None);
        let bare = Names::new("", Some("<key>")).expect("valid names");
        assert_eq!(bare.key("a").as_ref().map(LockKey::as_str), Some("a"));
        assert_eq!((names.wake(), bare.wake()), ("lock:wake:", "wake:"));
        assert_eq!(names.channel(ListenerId::from_bits(0xb)), format!("lock:wake:{:0>32}", "b"));
    }

    /// Namespaces and formats from few pieces, so that several give the same names.
    fn any_names() -> impl Strategy<Value = Names> {
        let piece =
            || proptest::sample::select(vec!["", "a", "a:", ":", "{", "}", "lock", "lock:", "<namespace>", "b"]);
        let text = || proptest::collection::vec(piece(), 0..4).prop_map(|pieces| pieces.concat());
        let namespace = || text().prop_map(|text| text.replace("<namespace>", ""));
        let formatted = (namespace(), text(), text())
            .prop_map(|(namespace, before, after)| Names::new(&namespace, Some(&format!("{before}<key>{after}"))));
        let default = namespace().prop_map(|namespace| Names::new(&namespace, None));
        prop_oneof![formatted, default].prop_map(|names| names.expect("valid names"))
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
            }
        }
    }

    #[test]
    fn durations_are_rounded_up_and_never_overflow() {
        assert_eq!(ttl_ms(Duration::from_micros(1001)), 2);
        assert_eq!((ttl_ms(Duration::ZERO), keep_ms(Duration::ZERO)), (1, 0));
        assert_eq!(ttl_ms(Duration::MAX), 3_153_600_000_000);
    }
}
