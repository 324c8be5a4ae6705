//! What holds for any values in `<..>`: they stand in the key so that nothing but they could have made it.

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::*;

/// Few where each takes long.
const CASES: u32 = if cfg!(miri) { 8 } else { 1_000 };

/// Text that leaks, as a literal's is there for ever.
fn literal(text: &str) -> &'static str {
    text.to_owned().leak()
}

/// What may stand between two values: something that an encoded value never holds.
fn separator() -> impl Strategy<Value = String> {
    let separates = |text: &String| text.chars().any(|c| !c.is_ascii_alphanumeric() && !"-._~%".contains(c));
    "[a%2:/{}ä-]{1,3}".prop_filter("nothing in it separates", separates)
}

/// Few characters, so that different values often look alike, and those that a template is made of among them.
fn argument() -> impl Strategy<Value = String> {
    prop_oneof![8 => "[a%2:/{}ä\n-]{0,3}", 1 => any::<String>()]
}

/// Two lists of as many arguments, and what stands between them.
fn two_calls() -> impl Strategy<Value = [Vec<String>; 3]> {
    (1_usize..4).prop_flat_map(|count| {
        let arguments = || proptest::collection::vec(argument(), count);
        (arguments(), arguments(), proptest::collection::vec(separator(), count)).prop_map(|(a, b, c)| [a, b, c])
    })
}

fn key_of(arguments: &[String], separators: &[String]) -> Key {
    let mut parts = vec![text(literal("a"))];
    for (n, argument) in arguments.iter().enumerate() {
        if n > 0 {
            parts.push(text(literal(&separators[n])));
        }
        parts.push(value(argument));
    }
    rendered(&parts)
}

fn decoded(encoded: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = encoded.as_bytes();
    while let [first, behind @ ..] = rest {
        let code =
            encoded.get(encoded.len() - behind.len()..).filter(|_| *first == b'%').and_then(|code| code.get(..2));
        bytes.push(code.map_or(Some(*first), |code| u8::from_str_radix(code, 16).ok())?);
        rest = &behind[code.map_or(0, str::len)..];
    }
    String::from_utf8(bytes).ok()
}

/// A text that is displayed in pieces, as most types do.
struct InPieces<'a>(&'a str);

impl Display for InPieces<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| f.write_char(c))
    }
}

proptest! {
    #![proptest_config(Config { cases: CASES, failure_persistence: None, ..Config::default() })]

    #[test]
    fn two_lists_of_arguments_never_make_one_key([one, other, separators] in two_calls()) {
        let keys = [&one, &other].map(|arguments| key_of(arguments, &separators));
        let fits = keys.iter().all(|key| key.text.check().is_ok());
        prop_assert!(!fits || (one == other) == (keys[0].text == keys[1].text), "{:?}", keys[0].text);
    }

    #[test]
    fn an_encoded_value_holds_nothing_that_means_something_and_reads_back(argument in argument()) {
        let key = rendered(&[value(&argument)]).text;
        prop_assume!(key.check().is_ok());
        let key = key.as_str();
        prop_assert!(key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)), "{key}");
        prop_assert_eq!(decoded(key), Some(argument));
    }

    #[test]
    fn a_value_in_pieces_makes_the_same_key(argument in argument()) {
        prop_assert_eq!(rendered(&[value(&InPieces(&argument))]).text, rendered(&[value(&argument)]).text);
    }

    /// Also around the length from which a key is no longer kept on the stack, and the one that is refused.
    #[test]
    fn no_part_of_a_key_is_left_out(lengths in proptest::collection::vec(0_usize..600, 1..4)) {
        let arguments: Vec<_> = lengths.iter().map(|length| "x".repeat(*length)).collect();
        let key = key_of(&arguments, &vec![":".to_owned(); lengths.len()]).text;
        let whole = format!("a{}", arguments.join(":"));
        if whole.len() <= LONGEST_KEY {
            prop_assert_eq!(key.as_str(), whole);
        } else {
            prop_assert_eq!(key.check(), Err(KeyFault::TooLong));
        }
    }
}
