//! The attribute's arguments, as one complete value in which each thing keeps its place.
//!
//! What can be known without the function is checked here, and all faults are gathered; an option that is faulty is
//! left out, so the value is only good for expanding when no fault was found.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Expr, Ident, LitStr, Path, Token};

use crate::diagnostics::{Faults, did_you_mean, listed};
use crate::key::{self, Template};
use crate::value::{Count, Time, array, bare_path, choice, count, duration, not_async, not_text, string, switch};

/// Every option, in the order in which the documentation shows them.
pub(crate) const OPTIONS: [&str; 17] = [
    "key", "keys", "ttl", "wait", "renew", "max_hold", "min_hold", "once", "mode", "permits", "weight", "on_busy",
    "on_lost", "on_held", "or_else", "client", "crate",
];

const SHORTEST_TTL: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const LONGEST_ONCE: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// What was written in the parentheses.
#[derive(Default)]
pub(crate) struct Args {
    /// The options that are told to the call, in the order written.
    pub(crate) steps: Vec<Step>,
    /// `on_busy = "skip"`
    pub(crate) skip: bool,
    pub(crate) or_else: Option<Expr>,
    /// Also when its value was at fault.
    pub(crate) or_else_given: bool,
    pub(crate) runtime: Option<Path>,
}

/// One option that is told to the call.
pub(crate) enum Step {
    Key(Key),
    Keys(Vec<Key>),
    Ttl(Time),
    Wait(Time),
    WaitForever,
    Renew(bool),
    MaxHold(Time),
    MinHold(Time),
    Once(Time),
    /// `mode`, and whether it is shared.
    Mode(bool, Span),
    Permits(Count),
    Weight(Count),
    ContinueWhenLost,
    JoinHeld,
    Client(Expr),
}

impl Step {
    /// The keys that it names.
    pub(crate) fn keys(&self) -> &[Key] {
        match self {
            Self::Key(key) => std::slice::from_ref(key),
            Self::Keys(keys) => keys,
            _ => &[],
        }
    }
}

/// What is locked.
pub(crate) enum Key {
    Literal { literal: LitStr, template: Template },
    Computed(Expr),
}

/// Reads the arguments; whatever is wrong with them is in `faults` afterwards.
///
/// `at` is the place of the attribute, for what is missing in it.
pub(crate) fn parse(tokens: TokenStream, at: Span, faults: &mut Faults) -> Args {
    let mut reader = Reader { args: Args::default(), seen: Vec::new(), faults };
    let read_all = |input: ParseStream<'_>| {
        while !input.is_empty() {
            if let Err(error) = reader.option(input) {
                reader.faults.add(error);
                skip_to_comma(input);
            }
        }
        Ok(())
    };
    if let Err(error) = read_all.parse2(tokens) {
        reader.faults.add(error);
    }
    let find = |option: &str| reader.seen.iter().find(|name| *name == option);
    if let (Some(_), Some(keys)) = (find("key"), find("keys")) {
        reader.faults.at(keys.span(), "`keys` takes the place of `key`; keep one of the two");
    }
    let joins = reader.args.steps.iter().any(|step| matches!(step, Step::JoinHeld));
    if let (true, Some(on_held), Some(_)) = (joins, find("on_held"), find("keys")) {
        reader.faults.at(
            on_held.span(),
            "a call for several keys cannot be part of an enclosing body; leave `on_held` out, or write `key` for one key",
        );
    }
    if let (Some(_), Some(once)) = (find("keys"), find("once")) {
        reader.faults.at(once.span(), "`once` is for one lock; write `key` in place of `keys`, or take `once` out");
    }
    if let (true, None, Some(once)) = (joins, find("keys"), find("once")) {
        reader.faults.at(
            once.span(),
            "a call that is part of an enclosing body cannot keep its success; take `once` or `on_held` out",
        );
    }
    if find("key").or(find("keys")).is_none() {
        let missing = "`#[distributed_lock]` needs a `key` that names what is locked; write `key = \"job:<id>\"`";
        reader.faults.at(at, missing);
    }
    reader.args.or_else_given = reader.seen.iter().any(|name| name == "or_else");
    let args = reader.args;
    check_together(&args, faults);
    check_kind(&args, faults);
    args
}

struct Reader<'a> {
    args: Args,
    seen: Vec<Ident>,
    faults: &'a mut Faults,
}

impl Reader<'_> {
    /// Reads `name = value` and the comma behind it.
    fn option(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        let name = self.option_name(input)?;
        if !OPTIONS.iter().any(|known| name == known) {
            return Err(unknown(&name));
        }
        if self.seen.contains(&name) {
            self.faults.at(name.span(), format!("`{name}` is given twice; keep one"));
        }
        self.seen.push(name.clone());
        let value = option_value(&name, input)?;
        if let Err(error) = self.set(&name, value) {
            self.faults.add(error);
        }
        if input.is_empty() || input.parse::<Option<Token![,]>>()?.is_some() {
            return Ok(());
        }
        let missing = input.error(format!("a comma is missing before this, after the value of `{name}`"));
        if !(input.peek(Ident::peek_any) && input.peek2(Token![=])) {
            return Err(missing);
        }
        self.faults.add(missing);
        Ok(())
    }

    /// The name before `=`. A literal in its place was meant to be the key.
    fn option_name(&mut self, input: ParseStream<'_>) -> syn::Result<Ident> {
        if input.peek(syn::Lit) {
            let literal: syn::Lit = input.parse()?;
            let written = literal.to_token_stream();
            self.seen.push(Ident::new("key", literal.span()));
            return Err(syn::Error::new(
                literal.span(),
                format!("a value needs the name of its option; write `key = {written}`"),
            ));
        }
        input.call(Ident::parse_any).map_err(|error| {
            syn::Error::new(error.span(), format!("an option is expected here, one of {}", listed(OPTIONS)))
        })
    }

    fn set(&mut self, name: &Ident, value: Expr) -> syn::Result<()> {
        let step = match name.to_string().as_str() {
            "key" => Step::Key(read_key(value, self.faults)?),
            "keys" => Step::Keys(read_keys(&value, self.faults)?),
            "ttl" => Step::Ttl(within(duration(name, value)?, Some(SHORTEST_TTL), TTL_BOUNDS)?),
            "wait" => match string(&value) {
                Some(text) if text.value() == "forever" => Step::WaitForever,
                _ => Step::Wait(within(duration(name, value)?, None, WAIT_BOUND)?),
            },
            "renew" => Step::Renew(switch(name, &value)?),
            "max_hold" => Step::MaxHold(duration(name, value)?),
            "min_hold" => Step::MinHold(duration(name, value)?),
            "once" => Step::Once(once(duration(name, value)?)?),
            "mode" => Step::Mode(choice(name, &value, ["exclusive", "shared"])? == "shared", value.span()),
            "permits" => Step::Permits(count(name, value)?),
            "weight" => Step::Weight(count(name, value)?),
            "client" => Step::Client(not_text(value, "a client", "client = self.locks")?),
            "on_lost" if choice(name, &value, ["cancel", "continue"])? == "continue" => Step::ContinueWhenLost,
            "on_held" if choice(name, &value, ["error", "join"])? == "join" => Step::JoinHeld,
            "on_lost" | "on_held" => return Ok(()),
            "on_busy" => {
                return choice(name, &value, ["error", "skip"]).map(|chosen| self.args.skip = chosen == "skip");
            }
            "or_else" => {
                let value = not_async(not_text(value, "a function", EXAMPLE_OR_ELSE)?)?;
                self.args.or_else = Some(value);
                return Ok(());
            }
            _ => return bare_path(value).map(|path| self.args.runtime = Some(path)),
        };
        self.args.steps.push(step);
        Ok(())
    }
}

const EXAMPLE_OR_ELSE: &str = "or_else = lock_runtime::log_and_skip";
const TTL_BOUNDS: &str = "a `ttl` is at least \"50ms\" and at most \"30d\"; a held lock is renewed, so that \"30s\" fits most bodies, however long";
const ONCE_BOUNDS: &str = "`once` is at least \"1ms\" and at most \"366d\"";
const WAIT_BOUND: &str = "a `wait` is at most \"30d\"; write `wait = \"forever\"` for no bound";

fn unknown(name: &Ident) -> syn::Error {
    let options = listed(OPTIONS);
    let word = name.to_string();
    let message = match meant(&word) {
        _ if TO_COME.contains(&word.as_str()) => {
            format!("the option `{name}` does not exist yet; the options are {options}")
        }
        Some(meant) => format!("there is no option `{name}`; {meant}; the options are {options}"),
        None => format!("there is no option `{name}`; the options are {options}{}", did_you_mean(&word, OPTIONS)),
    };
    syn::Error::new(name.span(), message)
}

/// Options that are planned, so that nobody takes them for a slip of the pen.
const TO_COME: [&str; 1] = ["name"];

/// What is written here for an option as other libraries call it.
fn meant(name: &str) -> Option<&'static str> {
    Some(match name {
        "timeout" | "wait_timeout" | "acquire_timeout" | "blocking_timeout" | "max_wait" | "wait_time" => {
            "write `wait` for how long to wait for a busy lock, or `max_hold` for how long to hold it at most"
        }
        "expire" | "expires" | "expiry" | "expiration" | "expires_in" | "expire_in" | "expire_after" | "lease"
        | "lease_time" | "lease_ttl" | "lease_duration" | "duration" | "lifetime" | "px" | "ex"
        | "lock_at_most_for" => "write `ttl` for how long the lock outlives its holder; a held lock is renewed",
        "retry" | "retries" | "retry_count" | "retry_delay" | "retry_interval" | "max_retries" | "blocking"
        | "block" => "write `wait` for how long to wait for a busy lock; whoever waits stands in line and is woken",
        "once_per"
        | "run_once"
        | "run_at_most_once_per"
        | "at_most_once"
        | "period"
        | "every"
        | "dedupe"
        | "idempotent" => "write `once` for how long a success counts",
        "lock_at_least_for" | "at_least" | "min_time" => "write `min_hold` for how long to keep the key at least",
        "auto_renew" | "auto_extend" | "renewal" | "extend" | "watchdog" | "heartbeat" => {
            "write `renew`; it is `true` by default"
        }
        "id" | "lock" | "resource" | "lock_name" | "lock_key" | "prefix" => "write `key` for what is locked",
        "redis" | "pool" | "conn" | "connection" | "store" | "url" => {
            "write `client` for the client to use, or `lock_runtime::init(url)` once at start-up"
        }
        "shared" | "read" | "reader" | "read_lock" | "rw" | "exclusive" | "write" => {
            "write `mode = \"shared\"` for a lock that many hold beside each other"
        }
        "semaphore" | "max_concurrent" | "max_concurrency" | "concurrency" | "limit" | "count" | "size"
        | "max_holders" => "write `permits` for how many hold it beside each other at most",
        "skip" | "skip_if_busy" | "skip_if_locked" | "if_locked" | "on_locked" => "write `on_busy = \"skip\"`",
        "reentrant" | "recursive" | "nested" | "join" => {
            "write `on_held = \"join\"` for a call that may be part of an enclosing one which holds the key"
        }
        "fallback" | "on_error" | "on_fail" | "default" => "write `or_else` for what to return instead",
        _ => return None,
    })
}

fn option_value(name: &Ident, input: ParseStream<'_>) -> syn::Result<Expr> {
    let given = input.peek(Token![=]) && !input.peek(Token![==]) && input.parse::<Token![=]>().is_ok();
    if !given || input.is_empty() || input.peek(Token![,]) {
        return Err(syn::Error::new(name.span(), format!("`{name}` needs a value; write {}", example(name))));
    }
    input.parse()
}

fn example(name: &Ident) -> String {
    let value = match name.to_string().as_str() {
        "key" => "\"job:<id>\"",
        "keys" => EXAMPLE_KEYS,
        "ttl" => "\"30s\"",
        "wait" | "min_hold" => "\"5s\"",
        "renew" => "false",
        "max_hold" => "\"10m\"",
        "once" => "\"24h\"",
        "mode" => "\"shared\"",
        "permits" => "5",
        "weight" => "2",
        "on_busy" => "\"skip\"",
        "on_lost" => "\"continue\"",
        "on_held" => "\"join\"",
        "or_else" => "lock_runtime::log_and_skip",
        "client" => "self.locks",
        _ => "lock_runtime",
    };
    format!("`{name} = {value}`")
}

fn skip_to_comma(input: ParseStream<'_>) {
    while !input.is_empty() {
        let comma = input.peek(Token![,]);
        if input.parse::<proc_macro2::TokenTree>().is_err() || comma {
            return;
        }
    }
}

fn read_key(value: Expr, faults: &mut Faults) -> syn::Result<Key> {
    let Some(literal) = string(&value) else { return not_a_number(value).map(Key::Computed) };
    match key::parse(&literal.value()) {
        Ok(template) => Ok(Key::Literal { literal, template }),
        Err(mut messages) => {
            let last = messages.pop().unwrap_or_default();
            for message in messages {
                faults.at(literal.span(), message);
            }
            Err(syn::Error::new(literal.span(), last))
        }
    }
}

const EXAMPLE_KEYS: &str = "[\"account:<from>\", \"account:<to>\"]";

/// What stands in the brackets, each as a key.
fn read_keys(value: &Expr, faults: &mut Faults) -> syn::Result<Vec<Key>> {
    let Some(elements) = array(value) else {
        let message = format!("`keys` is a list in brackets; write `keys = {EXAMPLE_KEYS}`, or `key` for one key");
        return Err(syn::Error::new_spanned(value, message));
    };
    if elements.is_empty() {
        let message = format!("an empty `keys` locks nothing; write `keys = {EXAMPLE_KEYS}`");
        return Err(syn::Error::new_spanned(value, message));
    }
    let mut keys: Vec<Key> = Vec::new();
    for element in elements {
        match read_key(element.clone(), faults) {
            Ok(key) => {
                if let Some(again) = said_before(&key, &keys) {
                    faults.at(again.span(), format!("{} is given twice; keep one", again.to_token_stream()));
                }
                keys.push(key);
            }
            Err(error) => faults.add(error),
        }
    }
    Ok(keys)
}

/// The literal of a key that one before it has too.
fn said_before<'a>(key: &'a Key, before: &[Key]) -> Option<&'a LitStr> {
    let Key::Literal { literal, .. } = key else { return None };
    let same = |key: &Key| matches!(key, Key::Literal { literal: other, .. } if other.value() == literal.value());
    before.iter().any(same).then_some(literal)
}

fn not_a_number(value: Expr) -> syn::Result<Expr> {
    if array(&value).is_some() {
        let message = format!("`key` is one key; write `keys = {}` to take several at once", value.to_token_stream());
        return Err(syn::Error::new_spanned(&value, message));
    }
    match crate::value::literal(&value) {
        Some(literal) => {
            Err(syn::Error::new(literal.span(), "a key is text; write it in quotes, like `key = \"job:<id>\"`"))
        }
        None => Ok(value),
    }
}

fn once(time: Time) -> syn::Result<Time> {
    match time {
        Time::Known(duration, span) if duration.is_zero() || duration > LONGEST_ONCE => {
            let written = crate::duration::written(duration);
            Err(syn::Error::new(span, format!("\"{written}\" is out of bounds: {ONCE_BOUNDS}")))
        }
        time => Ok(time),
    }
}

fn within(time: Time, shortest: Option<Duration>, bounds: &str) -> syn::Result<Time> {
    match time {
        Time::Known(duration, span) if duration > LONGEST || shortest.is_some_and(|shortest| duration < shortest) => {
            let written = crate::duration::written(duration);
            Err(syn::Error::new(span, format!("\"{written}\" is out of bounds: {bounds}")))
        }
        time => Ok(time),
    }
}

/// What two options say to each other, as far as both are known.
fn check_together(args: &Args, faults: &mut Faults) {
    let (mut ttl, mut ttl_given, mut min_hold) = (None, false, None);
    let mut renewed = true;
    for step in &args.steps {
        ttl_given |= matches!(step, Step::Ttl(_));
        match step {
            Step::Ttl(Time::Known(duration, _)) => ttl = Some(*duration),
            Step::MinHold(Time::Known(duration, _)) => min_hold = Some(*duration),
            Step::Renew(renew) => renewed = *renew,
            _ => {}
        }
    }
    for step in &args.steps {
        match step {
            Step::MinHold(Time::Known(hold, span)) if ttl.is_some_and(|ttl| *hold > ttl) => {
                faults.at(*span, "`min_hold` is longer than `ttl`; raise `ttl` or lower `min_hold`");
            }
            Step::MaxHold(Time::Known(hold, span)) if *hold < ttl.unwrap_or(SHORTEST_TTL) => {
                faults.at(*span, "`max_hold` is shorter than `ttl`; raise `max_hold` or lower `ttl`");
            }
            // Without a `ttl`, it is at least `min_hold`.
            Step::MaxHold(Time::Known(hold, span)) if !ttl_given && min_hold.is_some_and(|least| *hold < least) => {
                faults.at(*span, "`max_hold` is shorter than `min_hold`; raise `max_hold` or lower `min_hold`");
            }
            _ => {}
        }
        if let (Step::MaxHold(time), false) = (step, renewed) {
            faults.at(
                time.span(),
                "`max_hold` bounds the renewal, and `renew = false` leaves none; take one of them out",
            );
        }
    }
}

/// What is said of those who hold the lock beside each other, as far as it is known.
fn check_kind(args: &Args, faults: &mut Faults) {
    let find = |is_it: fn(&Step) -> bool| args.steps.iter().find(|step| is_it(step));
    let permits = find(|step| matches!(step, Step::Permits(_)));
    if let (Some(Step::Mode(shared, span)), Some(_)) = (find(|step| matches!(step, Step::Mode(..))), permits) {
        let holders = if *shared { "any number" } else { "one" };
        let message = format!("this `mode` lets {holders} hold the lock, and `permits` so many; take one of them out");
        faults.at(*span, message);
    }
    let shares = find(|step| matches!(step, Step::Mode(true, _) | Step::Permits(_)));
    if let (Some(Step::Once(once)), Some(_)) = (find(|step| matches!(step, Step::Once(_))), shares) {
        let message = "`once` needs an exclusive lock; take it out, or `mode = \"shared\"` and `permits`";
        faults.at(once.span(), message);
    }
    match (permits, find(|step| matches!(step, Step::Weight(_)))) {
        (None, Some(Step::Weight(weight))) => {
            faults.at(weight.span(), "`weight` says how many permits this call takes; add `permits = 5`");
        }
        (Some(Step::Permits(Count::Known(most, _))), Some(Step::Weight(Count::Known(weight, span))))
            if weight > most =>
        {
            let message = format!("`weight` is over `permits`, and could never be granted; write `weight = {most}`");
            faults.at(*span, message);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
