use quote::quote;

use super::*;

fn read(tokens: TokenStream) -> (Args, String) {
    let mut faults = Faults::default();
    let args = parse(tokens, Span::call_site(), &mut faults);
    (args, faults.into_compile_errors().to_string())
}

fn faults(tokens: TokenStream) -> Vec<String> {
    let (_, errors) = read(tokens);
    errors.split("compile_error").skip(1).map(Into::into).collect()
}

fn fault(tokens: TokenStream) -> String {
    let mut faults = faults(tokens);
    assert_eq!(faults.len(), 1, "{faults:#?}");
    faults.remove(0)
}

#[test]
fn every_option_is_read_in_the_order_written() {
    let (args, errors) = read(quote! {
        client = self.locks, key = "job:<id>", min_hold = "1s", wait = "forever", renew = true, ttl = TTL,
        max_hold = "1h", on_lost = "continue", on_busy = "skip", or_else = |e| e, crate = crate::locks,
    });
    assert_eq!(errors, "");
    assert!(matches!(
        args.steps.as_slice(),
        [
            Step::Client(_),
            Step::Key(Key::Literal { .. }),
            Step::MinHold(Time::Known(..)),
            Step::WaitForever,
            Step::Renew(true),
            Step::Ttl(Time::Computed(_)),
            Step::MaxHold(Time::Known(..)),
            Step::ContinueWhenLost,
        ]
    ));
    assert!(args.skip && args.or_else.is_some() && args.runtime.is_some());
}

#[test]
fn the_defaults_may_be_written_out() {
    let (args, errors) = read(quote!(key = KEY, on_busy = "error", on_lost = "cancel", renew = false, wait = "0s"));
    assert_eq!(errors, "");
    assert!(!args.skip);
    assert!(matches!(args.steps.as_slice(), [Step::Key(Key::Computed(_)), Step::Renew(false), Step::Wait(_)]));
}

#[test]
fn a_literal_in_an_invisible_group_or_in_parentheses_is_a_literal() {
    let hidden = |tokens| proc_macro2::Group::new(proc_macro2::Delimiter::None, tokens);
    let (key, ttl, renew, crate_) =
        (hidden(quote!("job:<id>")), hidden(quote!(("3s"))), hidden(quote!(false)), hidden(quote!(a::b)));
    let (args, errors) = read(quote!(key = #key, ttl = #ttl, renew = #renew, crate = #crate_));
    assert_eq!(errors, "");
    assert!(matches!(
        args.steps.as_slice(),
        [Step::Key(Key::Literal { .. }), Step::Ttl(Time::Known(..)), Step::Renew(false)]
    ));
    let (args, _) = read(quote!(key = ("job:<id>")));
    assert!(matches!(args.steps.as_slice(), [Step::Key(Key::Literal { .. })]), "or all jobs would share one lock");
}

#[test]
fn bounds_are_checked_on_both_sides() {
    for ttl in ["50ms", "30d"] {
        assert_eq!(faults(quote!(key = "k", ttl = #ttl)), [""; 0]);
    }
    for ttl in ["0s", "49ms", "30d1ms"] {
        assert!(fault(quote!(key = "k", ttl = #ttl)).contains("out of bounds"));
    }
    for wait in ["0s", "1ms", "30d", "forever"] {
        assert_eq!(faults(quote!(key = "k", wait = #wait)), [""; 0]);
    }
    assert!(fault(quote!(key = "k", wait = "30d1ms")).contains("forever"));
}

#[test]
fn options_that_contradict_each_other_are_refused_in_either_order() {
    for tokens in
        [quote!(ttl = "5s", min_hold = "5s"), quote!(max_hold = "5s", ttl = "5s"), quote!(min_hold = "5s", ttl = X)]
    {
        assert_eq!(faults(quote!(key = "k", #tokens)), [""; 0]);
    }
    assert!(fault(quote!(key = "k", ttl = "5s", min_hold = "5001ms")).contains("`min_hold` is longer"));
    assert!(fault(quote!(min_hold = "6s", ttl = "5s", key = "k")).contains("`min_hold` is longer"));
    assert!(fault(quote!(key = "k", max_hold = "4999ms", ttl = "5s")).contains("`max_hold` is shorter"));
    assert!(fault(quote!(key = "k", max_hold = "49ms")).contains("`max_hold` is shorter"));
    assert!(fault(quote!(max_hold = X, key = "k", renew = false)).contains("leaves none"));
}

#[test]
fn a_fault_in_one_option_hides_none_in_the_others() {
    let all = faults(quote!(ttl = 5, tll = "5s", on_busy = "no", renew = 1, wait = , key = "<", wait = "1"));
    assert_eq!(all.len(), 8, "{all:#?}");
}

#[test]
fn kinds_are_words_and_numbers_that_fit_each_other() {
    for tokens in [
        quote!(mode = "shared"),
        quote!(mode = "exclusive"),
        quote!(permits = 1),
        quote!(permits = 5u32, weight = 5),
        quote!(weight = X, permits = (5)),
        quote!(permits = self.most()),
    ] {
        assert_eq!(faults(quote!(key = "k", #tokens)), [""; 0], "{tokens}");
    }
    assert!(fault(quote!(key = "k", mode = "share")).contains("did you mean"));
    assert!(fault(quote!(key = "k", permits = 0)).contains("write `permits = 1`"));
    assert!(fault(quote!(key = "k", permits = "12 at once")).contains("write `permits = 12`"));
    assert!(fault(quote!(key = "k", permits = 5u64)).contains("write `permits = 5`"));
    assert!(fault(quote!(key = "k", permits = 5.5)).contains("write `permits = 5`"));
    assert!(fault(quote!(key = "k", permits = -1)).contains("write `permits = 1`"));
    assert!(fault(quote!(key = "k", permits = 4294967296)).contains("write `permits = 4294967295`"));
    assert!(fault(quote!(key = "k", permits = 5, mode = "shared")).contains("take one of them out"));
    assert!(fault(quote!(key = "k", weight = 2)).contains("add `permits = 5`"));
    assert!(fault(quote!(key = "k", weight = 6, permits = 5)).contains("write `weight = 5`"));
    assert!(fault(quote!(key = "k", shared = true)).contains("write `mode = "));
    assert!(fault(quote!(key = "k", limit = 5)).contains("write `permits`"));
}

#[test]
fn slips_are_told_with_the_fix() {
    assert!(fault(quote!(key = "k", on_bussy = "skip")).contains("did you mean `on_busy`?"));
    assert!(fault(quote!("job:<id>")).contains("write `key = \\\"job:<id>\\\"`"));
    assert!(fault(quote!(key = "k" ttl = "5s")).contains("a comma is missing"));
    assert!(fault(quote!(key = "k" + 1 ; 2)).contains("a comma is missing"));
    assert!(fault(quote!(key = "k", ttl = 30)).contains("write \\\"30s\\\""));
    assert!(fault(quote!(key = "k", ttl = 1_000)).contains("write \\\"1000s\\\""));
    assert!(fault(quote!(key = "k", ttl = 30m)).contains("write \\\"30m\\\""));
    assert!(fault(quote!(key = "k", ttl = 1.5)).contains("write \\\"30s\\\""));
    assert!(fault(quote!(key = "k", ttl = "forever")).contains("only `wait`"));
    assert!(fault(quote!(key = "k", wait = forever)).contains("in quotes"));
    assert!(fault(quote!(key = "k", on_busy = skip)).contains("in quotes"));
    assert!(fault(quote!(key = "k", on_lost = "cancle")).contains("did you mean \\\"cancel\\\"?"));
    assert!(fault(quote!(key = "k", renew = RENEW)).contains("`renew = true` or `renew = false`"));
    assert!(fault(quote!(key = "k", crate = "a::b")).contains("write `crate = a::b`"));
    assert!(fault(quote!(key = "k", crate = a::<b>)).contains("bare path"));
    assert!(fault(quote!(key = "k", client = "redis://")).contains("not a literal"));
    assert!(fault(quote!(key = b"k")).contains("a key is text"));
    assert!(fault(quote!()).contains("needs a `key`"));
}

#[test]
fn keys_are_read_each_as_a_key() {
    let hidden = proc_macro2::Group::new(proc_macro2::Delimiter::None, quote!(["a:<from>", KEY, format!("b"),]));
    for tokens in [quote!(keys = ["a:<from>", KEY, format!("b")]), quote!(keys = #hidden), quote!(keys = (#hidden))] {
        let (args, errors) = read(tokens);
        assert_eq!(errors, "");
        let [Step::Keys(keys)] = args.steps.as_slice() else { panic!("one step") };
        assert!(matches!(keys.as_slice(), [Key::Literal { .. }, Key::Computed(_), Key::Computed(_)]));
    }
    assert_eq!(faults(quote!(keys = [KEY])), [""; 0], "one alone is as good");
    assert_eq!(faults(quote!(keys = [KEY, KEY])), [""; 0], "expressions may differ although they look alike");
}

#[test]
fn mistakes_in_keys_are_told_with_the_fix() {
    assert!(fault(quote!(keys = ["a"], key = "b")).contains("`keys` takes the place of `key`"));
    assert!(fault(quote!(key = "b", keys = ["a"])).contains("`keys` takes the place of `key`"));
    assert!(fault(quote!(keys = [])).contains("an empty `keys` locks nothing; write `keys = [\\\"account:<from>"));
    assert!(fault(quote!(keys = ["a", "b", "a"])).contains("\\\"a\\\" is given twice; keep one"));
    for keys in [quote!("a"), quote!(KEYS), quote!(("a", "b")), quote!({ "a" }), quote!(["a"; 2]), quote!(vec!["a"])] {
        assert!(fault(quote!(keys = #keys)).contains("a list in brackets"), "{keys}");
    }
    assert!(fault(quote!(key = ["a", "b"])).contains("write `keys = [\\\"a\\\" , \\\"b\\\"]`"));
    assert_eq!(faults(quote!(keys = ["a", "<", "b}", 5, ""])).len(), 4, "a fault in one hides none in the others");
    assert!(fault(quote!(keys = )).contains("`keys` needs a value"));
    assert!(fault(quote!(kyes = ["a"], key = "b")).contains("did you mean `keys`?"));
}
