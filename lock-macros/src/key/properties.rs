//! What holds for any literal: it is read without loss or refused in words, and what is accepted makes one key of one
//! list of values.

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::*;

const CASES: u32 = 2_000;

/// The literal that a template was read from.
fn written(template: &Template) -> String {
    let piece = |part: &Part| match part {
        Part::Text(text) => doubled(text),
        Part::Value(placeholder) => format!("<{}>", placeholder.written()),
        Part::Formatted(content) => format!("{{{content}}}"),
    };
    template.parts.iter().map(piece).collect()
}

/// Text as it is written in a literal.
fn doubled(text: &str) -> String {
    text.chars().flat_map(|c| std::iter::repeat_n(c, if "<>{}".contains(c) { 2 } else { 1 })).collect()
}

/// Any text, mostly such as is full of brackets and names.
fn literal() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[<>{}]{1,3}",
        2 => "<[a-z_]{1,2}(\\.[a-z0-9]{1,2})?>",
        2 => "\\{[a-z_]{1,2}(:[<>]?[0-9a-z$.?]{0,2})?\\}",
        2 => "[a-z0-9:/.$ _~%-]{0,3}",
        1 => any::<String>(),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// A literal with braces that is in order.
fn literal_for_format() -> impl Strategy<Value = String> {
    let text = "[<>{}a:$]{0,3}".prop_map(|text| doubled(&text));
    let piece = prop_oneof![text, "\\{[a-z][a-z_]?(:[<>]?[0-9a-z$.?]{0,2})?\\}"];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat() + "{id}")
}

/// Whether an encoded value may hold the character.
fn may_stand_in_a_value(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~%".contains(c)
}

/// What `format!` makes of a literal if every value is empty; None if it does not compile.
fn formatted_with_nothing(literal: &str) -> Option<String> {
    let (mut text, mut rest) = (String::new(), literal);
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let doubled = rest.starts_with("{{") || rest.starts_with("}}");
        if doubled {
            text.push_str(&rest[..1]);
        }
        rest = if doubled { &rest[2..] } else { rest.strip_prefix('{')?.split_once('}')?.1 };
    }
    Some(text + rest)
}

proptest! {
    #![proptest_config(Config { cases: CASES, failure_persistence: None, ..Config::default() })]

    #[test]
    fn a_literal_is_read_without_loss_or_refused_in_words(literal in literal()) {
        match parse(&literal) {
            Ok(template) => {
                prop_assert_eq!(written(&template), literal);
                prop_assert!(template.parts.windows(2).all(|two| !matches!(two, [Part::Text(_), Part::Text(_)])));
            }
            Err(faults) => prop_assert!(!faults.is_empty() && faults.iter().all(|fault| fault.len() > 10)),
        }
    }

    #[test]
    fn any_text_can_be_written_with_doubled_brackets(text in "[^\\p{Cc}]{1,40}") {
        let template = parse(&doubled(&text)).expect("text");
        prop_assert_eq!(template.parts, [Part::Text(text)]);
        prop_assert_eq!(template.brackets, Brackets::None);
    }

    #[test]
    fn values_stand_beside_each_other_only_if_no_value_can_forge_what_is_between(text in "[^\\p{Cc}]{0,4}") {
        let separates = text.chars().any(|c| !may_stand_in_a_value(c));
        prop_assert_eq!(parse(&format!("<a>{}<b>", doubled(&text))).is_ok(), separates);
    }

    #[test]
    fn format_gets_the_text_beside_the_placeholders_as_it_is(literal in literal_for_format()) {
        let template = parse(&literal).expect("a literal in order");
        prop_assert_eq!(template.brackets, Brackets::Brace);
        let text = |part: &Part| if let Part::Text(text) = part { text.clone() } else { String::new() };
        let expected: String = template.parts.iter().map(text).collect();
        prop_assert_eq!(formatted_with_nothing(&template.for_format()), Some(expected));
        for name in template.formatted_names() {
            prop_assert!(is_name(name), "{name}");
        }
    }
}
