//! Names in Redis, and how names, tokens and durations are written into a command.
//!
//! All names of one lock share its hash tag. A name is written piece by piece straight into the command, so that an
//! operation builds no string. What must stay true: all other names follow from the text around the key in a lock's
//! name, and from nothing else, so that two clients that name the same locks share their queues, their fences and their
//! grant messages; and no other name is ever a lock's, whatever its key. Absent on purpose: what the names are used
//! for.

use std::borrow::Cow;
use std::fmt;
use std::io::Write;
use std::time::Duration;

use ::redis::{RedisWrite, ToRedisArgs};

use crate::store::{Card, ClientId, Entry, Kind, ListenerId, Token};
use lock_core::LockKey;

/// The longest ttl that is sent: a hundred years. Redis refuses a ttl that would overflow its clock.
pub(crate) const LONGEST_MS: u64 = 100 * 365 * 24 * 3600 * 1000;

/// What no key and no format contains, so that a name that holds it is no lock's.
const MARK: &str = "\u{1}";

const QUEUE: &str = ":queue";

const HELD: &str = ":held";

/// The same behind the mark.
const MARKED_QUEUE: &str = "\u{1}:queue";
const MARKED_HELD: &str = "\u{1}:held";

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// How keys are named: the text before and after a key, and the names that follow from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    before: String,
    after: String,
    queue: &'static str,
    held: &'static str,
    counter: String,
    wake: String,
    cards: String,
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
    ///
    /// All names but a lock's end in a hexadecimal digit (`queue`, `held` and `fence` do too). So they need no mark where what
    /// stands after the key ends otherwise; elsewhere there may be a key whose lock has the name.
    fn around(before: &str, after: &str) -> Self {
        let plain = after.ends_with(|last: char| !matches!(last, '0'..='9' | 'a'..='f'));
        let (mark, queue, held) = if plain { ("", QUEUE, HELD) } else { (MARK, MARKED_QUEUE, MARKED_HELD) };
        let text = format!("{before}{after}").replace(['{', '}'], "");
        let stem = text.trim_end_matches(':');
        let prefix = if stem.is_empty() { mark.to_owned() } else { format!("{stem}:{mark}") };
        let [counter, wake, cards] = ["fence", "wake:", "client:"].map(|name| format!("{prefix}{name}"));
        Self { before: before.to_owned(), after: after.to_owned(), queue, held, counter, wake, cards }
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

    /// The name of a client's card.
    pub(crate) fn card(&self, client: ClientId) -> String {
        format!("{}{client}", self.cards)
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
        Name { names: self, key, suffix: self.queue }
    }

    /// The name of those who hold a lock beside each other.
    pub(crate) fn held<'a>(&'a self, key: &'a LockKey) -> Name<'a> {
        Name { names: self, key, suffix: self.held }
    }

    /// A name under the lock's hash tag that no key ever has.
    pub(crate) fn never<'a>(&'a self, key: &'a LockKey) -> Name<'a> {
        Name { names: self, key, suffix: MARK }
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

/// The name as [`shown`] in messages.
impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}{}", self.names.before, self.key, self.names.after, shown(self.suffix))
    }
}

/// A name as messages show it: the mark as `redis-cli` shows it too, and takes it between double quotes.
pub(crate) fn shown(name: &str) -> Cow<'_, str> {
    if name.contains(MARK) { Cow::Owned(name.replace(MARK, "\\x01")) } else { Cow::Borrowed(name) }
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
    pub(crate) const LEN: usize = 2 * TokenText::LEN + 68;
}

impl ToRedisArgs for EntryText<'_> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        let Self(token, Entry { version, listener, first_lease, fences, kind, .. }) = self;
        let (token, listener, lease, kind) = (token.bits(), listener.bits(), ttl_ms(*first_lease), KindText(*kind));
        // A command is memory, and writing to memory never fails.
        let _ = write!(out.writer_for_next_arg(), "{version}|{token:032x}|{listener:032x}|{lease}|{fences}|{kind}");
    }
}

/// A kind as one word, with its numbers: `x`, `s`, `p5`, or `p5x2` with a weight of two.
pub(crate) struct KindText(pub(crate) Kind);

impl KindText {
    pub(crate) const LEN: usize = 22;
}

impl ToRedisArgs for KindText {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        // A command is memory, and writing to memory never fails.
        let _ = write!(out.writer_for_next_arg(), "{self}");
    }
}

impl fmt::Display for KindText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Exclusive => f.write_str("x"),
            Kind::Shared => f.write_str("s"),
            Kind::Permits { most, weight: 1, .. } => write!(f, "p{most}"),
            Kind::Permits { most, weight, .. } => write!(f, "p{most}x{weight}"),
            // A word that stands for no kind, so that the entry is left in its place.
            _ => f.write_str("unknown"),
        }
    }
}

/// The entry of a token in a queue, as far as it can be read: what it waits for, and beside whom. Anything that is no
/// entry of ours is of a kind that is not known.
pub(crate) fn waiting(entry: &str) -> (Option<Token>, Option<Kind>) {
    let mut parts = entry.split('|');
    let (version, token) = (parts.next(), parts.next().and_then(token));
    let kind = parts.nth(3).filter(|_| version == Some("1")).and_then(kind);
    (token, kind)
}

/// A kind by its word; the same that scripts know.
fn kind(word: &str) -> Option<Kind> {
    let number = |digits: &str| digits.parse().ok().filter(|number| *number > 0 && !digits.starts_with(['0', '+']));
    match word {
        "x" => Some(Kind::Exclusive),
        "s" => Some(Kind::Shared),
        _ => match word.strip_prefix('p')?.split_once('x') {
            Some((most, weight)) => Some(Kind::permits(number(most)?).with_weight(number(weight)?)),
            None => Some(Kind::permits(number(&word[1..])?)),
        },
    }
}

/// One of a set of holders: its token, its weight, and whether its place is kept, so that it is nobody's.
pub(crate) fn member(text: &str) -> Option<(Token, u32, bool)> {
    let (of_token, weight) = text.split_once(':').map_or((text, Some(1)), |(of, weight)| (of, weight.parse().ok()));
    let kept = of_token.strip_prefix("kept|");
    Some((token(kept.unwrap_or(of_token))?, weight?, kept.is_some()))
}

/// A token of 32 lower-case hexadecimal digits.
pub(crate) fn token(text: &str) -> Option<Token> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_token = text.len() == TokenText::LEN && text.bytes().all(is_digit);
    is_token.then(|| u128::from_str_radix(text, 16).ok().map(Token::from_bits))?
}

/// How many bytes of a name a card has at most.
const LONGEST_NAME: usize = 255;

/// A card as a store keeps it: `version|pid|since|host|program`, and whatever later versions append. In the names `|`,
/// `%` and control characters are percent-encoded.
pub(crate) fn card_text(card: &Card) -> String {
    let (host, program) = (encoded(&card.host), encoded(&card.program));
    format!("{}|{}|{}|{host}|{program}", card.version, card.pid, card.since)
}

/// Reads a card; none if it is not one.
pub(crate) fn card(text: &str) -> Option<Card> {
    let mut parts = text.split('|');
    let version = parts.next()?.parse().ok()?;
    let (pid, since) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let mut card = Card::new(decoded(parts.next()?)?, pid, decoded(parts.next()?)?, since);
    card.version = version;
    Some(card)
}

fn encoded(name: &str) -> String {
    let mut encoded = String::new();
    for char in name.chars() {
        let before = encoded.len();
        push_encoded(&mut encoded, char);
        if encoded.len() > LONGEST_NAME {
            encoded.truncate(before);
            break;
        }
    }
    encoded
}

fn push_encoded(encoded: &mut String, char: char) {
    if !char.is_control() && !matches!(char, '|' | '%') {
        return encoded.push(char);
    }
    for byte in char.encode_utf8(&mut [0; 4]).bytes() {
        encoded.push('%');
        encoded.extend([byte >> 4, byte & 15].map(|digit| char::from(DIGITS[usize::from(digit)])));
    }
}

fn decoded(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(piece.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(piece.get(2..)?.as_bytes());
    }
    let is_short = text.len() <= LONGEST_NAME;
    String::from_utf8(bytes).ok().filter(|_| is_short)
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
mod tests;
