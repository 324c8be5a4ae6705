//! The one door for generated code: what the attribute's expansion calls, in the order in which it calls it.
//! Nothing here is for people, and nothing here is stable.

use std::borrow::Borrow;
use std::fmt::{self, Display, Write};
use std::panic::Location;
use std::time::Duration;

use crate::api::client::Client;
use crate::api::outcome::{FromLockError, Skipped};
use crate::api::request::LockRequest;
use crate::api::several::request::LockSetRequest;
use crate::api::success::{Outcome, SucceededIf};
use crate::engine::guarded::Call;
use crate::engine::judged::Judged;
use crate::engine::mistakes;
use crate::engine::several::guarded::GuardedSet;
use lock_core::LockError;
use lock_core::store::{LONGEST_KEY, is_blank};
use lock_core::{KeyFault, LockKey};

/// Begins to ask; options follow in the order in which they were written.
pub fn request(template: &'static str) -> LockRequest {
    LockRequest::new(template)
}

/// `key = ..`
pub fn with_key(request: LockRequest, key: Key) -> LockRequest {
    request.keyed(key.text, key.fault)
}

/// `keys = [..]`, told when all other options are.
pub fn with_keys<const N: usize>(request: LockRequest, keys: [Key; N]) -> LockSetRequest {
    LockSetRequest::new(request, keys.into_iter().map(|key| (key.text, key.fault)).collect())
}

/// `client = ..`
pub fn with_client<C: LockClient + ?Sized>(request: LockRequest, client: &C) -> LockRequest {
    request.of(client.borrow().clone())
}

/// What may stand in `client = ..`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no client: it does not implement `Borrow<Client>`",
    label = "not a `Client`, a reference to one, or an `Arc` of one",
    note = "a `LazyLock<Client>`, or another pointer to a client, is dereferenced: `client = *LOCKS`",
    note = "an `Option` or a `OnceLock` is asked for what is in it: `client = LOCKS.get().expect(\"set at start-up\")`; without `client = ..` the installed client is used"
)]
pub trait LockClient: Borrow<Client> {}

#[diagnostic::do_not_recommend]
impl<C: Borrow<Client> + ?Sized> LockClient for C {}

/// A rendered key, or why it could not be rendered.
#[derive(Debug)]
pub struct Key {
    text: LockKey,
    fault: Option<KeyFault>,
}

/// `key = expression`
pub fn key<K: KeyText + ?Sized>(key: &K) -> Key {
    Key { text: LockKey::from(key.as_ref()), fault: None }
}

/// What may stand in `key = expression`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no lock key: it does not implement `AsRef<str>`",
    label = "not text",
    note = "name an argument in a literal, `key = \"job:<id>\"`, or make text of a value, `key = format!(\"job:{{}}\", job.id)`",
    note = "a `LazyLock<String>`, or another pointer to text, is dereferenced: `key = *NAME`"
)]
pub trait KeyText: AsRef<str> {}

#[diagnostic::do_not_recommend]
impl<K: AsRef<str> + ?Sized> KeyText for K {}

/// `key = "job:{id}"`
pub fn formatted(text: fmt::Arguments<'_>) -> Key {
    render(|out| out.write_fmt(text).map_err(|_| KeyFault::Undisplayable))
}

/// `key = "job:<id>"`
pub fn rendered(parts: &[Part<'_>]) -> Key {
    render(|out| {
        parts.iter().try_for_each(|part| match part.0 {
            Piece::Text(text) => out.write_str(text).map_err(|_| KeyFault::Undisplayable),
            Piece::Value(name, value) => {
                let mut encoded = Encoded { out, shows_something: false };
                write!(encoded, "{value}").map_err(|_| KeyFault::Undisplayable)?;
                let shows_something = encoded.shows_something;
                name.filter(|_| !shows_something).map_or(Ok(()), |name| Err(KeyFault::EmptyValue(name)))
            }
        })
    })
}

/// A part of a key between or in `<..>`.
#[derive(Clone, Copy)]
pub struct Part<'a>(Piece<'a>);

#[derive(Clone, Copy)]
enum Piece<'a> {
    Text(&'static str),
    /// With the placeholder's name.
    Value(Option<&'static str>, &'a dyn Display),
}

impl fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Part(..)")
    }
}

pub fn text(text: &'static str) -> Part<'static> {
    Part(Piece::Text(text))
}

pub fn value<T: KeyValue>(value: &T) -> Part<'_> {
    Part(Piece::Value(None, value))
}

/// What a value is called in the key; one that is empty or blank is refused by that name.
pub fn named<'a>(name: &'static str, value: Part<'a>) -> Part<'a> {
    match value.0 {
        Piece::Value(_, value) => Part(Piece::Value(Some(name), value)),
        Piece::Text(_) => value,
    }
}

/// What may stand in `<..>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand in a lock key: it does not implement `Display`",
    label = "named in the key, but not `Display`",
    note = "implement `Display`, name a field that has it (`<job.id>`), or write `key = expression`",
    note = "a wrapper such as an extractor is taken apart in the argument: `Path(id): Path<u64>`"
)]
pub trait KeyValue: Display {}

#[diagnostic::do_not_recommend]
impl<T: Display> KeyValue for T {}

/// Most keys fit here, and then cost one allocation.
const USUAL: usize = 128;

/// Text on the stack; once it does not fit there, all of it in `long`.
struct Text {
    short: [u8; USUAL],
    len: usize,
    long: String,
}

impl Text {
    fn as_str(&self) -> &str {
        if self.long.is_empty() {
            // Only whole `str`s were copied in.
            std::str::from_utf8(&self.short[..self.len]).unwrap_or_default()
        } else {
            &self.long
        }
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        if self.long.is_empty() && end <= USUAL {
            self.short[self.len..end].copy_from_slice(text.as_bytes());
            self.len = end;
            return Ok(());
        }
        if self.long.is_empty() {
            self.long = self.as_str().to_owned();
        }
        // A key that is too long already is refused; the rest of it need not be kept.
        if self.long.len() <= LONGEST_KEY {
            self.long.push_str(text);
        }
        Ok(())
    }
}

fn render(write: impl FnOnce(&mut Text) -> Result<(), KeyFault>) -> Key {
    let mut text = Text { short: [0; USUAL], len: 0, long: String::new() };
    let fault = write(&mut text).err();
    Key { text: LockKey::from(text.as_str()), fault }
}

/// Percent-encodes everything but `A–Z a–z 0–9 - . _ ~` (RFC 3986's unreserved characters), so that a value can forge
/// neither a separator nor a hash tag.
struct Encoded<'a> {
    out: &'a mut Text,
    /// Whether anything was written that can be seen.
    shows_something: bool,
}

impl Write for Encoded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.shows_something = self.shows_something || !text.chars().all(is_blank);
        let mut plain = 0;
        for (at, byte) in text.bytes().enumerate() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                continue;
            }
            // Encoded bytes stand at character boundaries or inside a character of which all bytes are encoded.
            self.out.write_str(text.get(plain..at).unwrap_or_default())?;
            write!(self.out, "%{byte:02X}")?;
            plain = at + 1;
        }
        self.out.write_str(text.get(plain..).unwrap_or_default())
    }
}

/// Called at a return type that spells a future, a stream or an iterator, for the warning alone.
#[deprecated(
    note = "what this function returns does its work later, when the lock is released; do the work in the body, or take \
            a guard along with `client.lock(..).acquire()`; if it needs no lock, put `#[allow(deprecated)]` on the function"
)]
pub const fn works_after_the_release() {}

pub fn run<F: Future>(request: LockRequest, body: F) -> Call<F> {
    request.call(body)
}

/// `once = ..`
pub fn with_once(request: LockRequest, period: Duration) -> LockRequest {
    request.counting_for(period)
}

/// A body whose value is judged by a function.
type JudgedBy<F> = Judged<F, SucceededIf<fn(&<F as Future>::Output) -> bool>>;

/// The same as [`run`], with `once`: what the body returned is judged, by [`Returned`].
pub fn run_once<F: Future>(request: LockRequest, body: F, succeeded: fn(&F::Output) -> bool) -> Call<JudgedBy<F>> {
    request.call(Judged::new(body, SucceededIf::new(succeeded)))
}

/// What a body returned. Whether its type says what is a success shows where its method is looked up: an [`Outcome`]
/// has it sooner than everything.
#[derive(Debug)]
pub struct Returned<'a, T>(pub &'a T);

pub trait ByOutcome {
    fn succeeded(&self) -> bool;
}

impl<T: Outcome> ByOutcome for Returned<'_, T> {
    fn succeeded(&self) -> bool {
        self.0.succeeded()
    }
}

pub trait ByReturning {
    fn succeeded(&self) -> bool;
}

impl<T> ByReturning for &Returned<'_, T> {
    fn succeeded(&self) -> bool {
        true
    }
}

pub fn run_all<F: Future>(request: LockSetRequest, body: F) -> GuardedSet<F> {
    request.run(body)
}

pub fn settle<R: FromLockError>(outcome: Result<R, LockError>) -> R {
    outcome.unwrap_or_else(R::from_lock_error)
}

pub fn settle_or_skip<R: FromLockError + Skipped>(outcome: Result<R, LockError>) -> R {
    outcome.unwrap_or_else(|error| if is_skipped(&error) { R::skipped() } else { R::from_lock_error(error) })
}

/// Somebody else is at it, or did it.
fn is_skipped(error: &LockError) -> bool {
    error.is_busy() || error.is_done()
}

#[track_caller]
pub fn settle_or_else<R>(outcome: Result<R, LockError>, or_else: impl FnOnce(LockError) -> R) -> R {
    let site = Location::caller();
    outcome.unwrap_or_else(|error| {
        mistakes::tell(&error, Some(site));
        or_else(error)
    })
}

#[track_caller]
pub fn settle_or_skip_or_else<R: Skipped>(outcome: Result<R, LockError>, or_else: impl FnOnce(LockError) -> R) -> R {
    settle_or_else(outcome, |error| match error {
        error if is_skipped(&error) => R::skipped(),
        error => or_else(error),
    })
}

#[cfg(test)]
#[path = "private/properties.rs"]
mod properties;
