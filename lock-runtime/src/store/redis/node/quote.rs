//! What may be shown of a server's text: errors are printed, logged and sent to operators.
//!
//! A server's text is untrusted data. Some servers repeat the arguments of a command that they do not know, and a token
//! among them may hold its key at that moment. What must stay true: no text of a server gets into an error of ours,
//! neither into its message nor into its `source()` chain, except through here. Absent on purpose: passwords, which
//! only an opening knows (`topology`), and the names of keys, which are ours and are shown.

use std::borrow::Cow;

use ::redis::{ErrorKind, RedisError, make_extension_error};

/// As many hexadecimal digits in a row as this are never shown: half a token.
const SECRET: usize = 16;

/// How many bytes are shown at most.
const LONGEST: usize = 256;

/// How servers introduce the arguments of a command.
const ARGUMENTS: &str = "with args beginning with";

/// The placeholder for what is left out.
const CUT: &str = "(..)";

/// The text without what could be secret: repeated arguments and tokens; shortened if it is too long, and in one line,
/// because it may be logged.
pub(crate) fn quoted(text: &str) -> Cow<'_, str> {
    let (said, mut is_cut) = match text.find(ARGUMENTS) {
        Some(at) => (&text[..at], true),
        None => (text, text.contains(char::is_control)),
    };
    let mut quoted = String::new();
    for piece in pieces(said) {
        let is_secret = piece.len() >= SECRET && piece.starts_with(|c: char| c.is_ascii_hexdigit());
        is_cut |= is_secret;
        quoted.push_str(if is_secret { CUT } else { piece });
    }
    let mut quoted = quoted.replace(char::is_control, " ");
    if quoted.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|&at| quoted.is_char_boundary(at)).unwrap_or_default();
        quoted.truncate(end);
        is_cut = true;
    }
    if !is_cut {
        return text.into();
    }
    if !quoted.ends_with(CUT) {
        quoted.push_str(CUT);
    }
    quoted.into()
}

/// Runs of hexadecimal digits, and the text between them.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let is_run = rest.chars().next()?.is_ascii_hexdigit();
        let end = rest.find(|c: char| c.is_ascii_hexdigit() != is_run).unwrap_or(rest.len());
        let (piece, behind) = rest.split_at(end);
        rest = behind;
        Some(piece)
    })
}

/// The error as it may be shown; rebuilt, with the same kind and code, if part of its text has to be left out.
pub(crate) fn showable(error: RedisError) -> RedisError {
    // The operating system's or TLS's text is not a server's.
    if error.kind() == ErrorKind::Io || matches!(quoted(&error.to_string()), Cow::Borrowed(_)) {
        return error;
    }
    let detail = quoted(error.detail().unwrap_or_default()).into_owned();
    match (error.kind(), error.code()) {
        (ErrorKind::Extension, Some(code)) => make_extension_error(code_or_err(code).to_owned(), Some(detail)),
        (kind, _) => (kind, "a part of the server's text is left out", detail).into(),
    }
}

/// The code, or the general one if it does not look like a code.
fn code_or_err(code: &str) -> &str {
    let is_code = code.len() <= 32 && code.bytes().all(|byte| byte.is_ascii_graphic());
    if is_code && matches!(quoted(code), Cow::Borrowed(_)) { code } else { "ERR" }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use proptest::prelude::*;
    use proptest::test_runner::Config;

    use super::*;

    const TOKEN: &str = "0123456789abcdefFEDCBA9876543210";

    #[test]
    fn what_holds_no_secret_is_repeated_as_it_is() {
        assert_eq!(quoted("a\nb"), "a b(..)");
        for text in ["", "READONLY You can't write against a read only replica.", "deadbeef 1700000000", "ä ö ü"] {
            assert_eq!(quoted(text), text);
        }
    }

    #[test]
    fn arguments_tokens_and_what_is_too_long_are_left_out() {
        assert_eq!(
            quoted("unknown command 'EVALSHA', with args beginning with: 'ab' '2'"),
            "unknown command 'EVALSHA', (..)"
        );
        assert_eq!(quoted(&format!("{TOKEN}|{TOKEN}|1000|1 is bad")), "(..)|(..)|1000|1 is bad(..)");
        let long = quoted(&"ä ".repeat(1000)).into_owned();
        assert!(long.len() <= LONGEST + CUT.len() && long.starts_with("ä ä") && long.ends_with(CUT), "{long}");
    }

    #[test]
    fn an_error_keeps_its_kind_and_its_code() {
        for text in [format!("-READONLY {TOKEN}\r\n"), format!("-QUEUEBAD {TOKEN}\r\n"), format!("-{TOKEN} a\r\n")] {
            let value = ::redis::parse_redis_value(text.as_bytes()).expect("an answer");
            let error = value.extract_error().expect_err("an error");
            let told = showable(error.clone());
            assert_eq!(told.kind(), error.kind());
            assert!(told.code() == error.code() || error.code() == Some(TOKEN));
            assert!(!format!("{told} {told:?} {:?}", told.source()).contains(TOKEN), "{told}");
        }
        let fine = make_extension_error("QUEUEBAD".to_owned(), Some("the queue is none".to_owned()));
        assert_eq!(showable(fine.clone()), fine);
    }

    proptest! {
        #![proptest_config(Config { cases: 500, failure_persistence: None, ..Config::default() })]

        /// Wherever it is in the text.
        #[test]
        fn no_token_is_ever_repeated(before in ".{0,40}", token in any::<u128>(), behind in ".{0,300}") {
            let token = format!("{token:032x}");
            let text = format!("{before}{token}{behind}");
            for said in [quoted(&text).into_owned(), showable(super::super::fault::from_text(&text)).to_string()] {
                prop_assert!(!said.contains(&token), "{}", said);
                prop_assert!(said.len() <= LONGEST + 100 && !said.contains(char::is_control), "{said}");
            }
        }
    }
}
