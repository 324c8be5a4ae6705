//! Duration literals: `"30s"`, `"1m30s"`, `"250ms"`.
//!
//! Whole numbers with the units `d h m s ms`, largest first, nothing between them. Text in, a value or a sentence out;
//! what a duration is for, and which are too short or too long for it, is decided in `args.rs`.

use std::time::Duration;

/// The units, largest first, with their length in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a duration literal, or says what to write instead.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let parts = split(text)?;
    let total =
        parts.iter().try_fold(0_u64, |sum, &(number, unit)| sum.checked_add(number.checked_mul(UNITS[unit].1)?));
    let Some(total) = total.map(Duration::from_millis) else { return Err(too_long(text)) };
    if parts.windows(2).all(|pair| pair[0].1 < pair[1].1) {
        return Ok(total);
    }
    Err(format!("`{text}` is out of order: write each unit once, the largest first, \"{}\"", written(total)))
}

/// Writes a duration the way `parse` reads it; what is finer than a millisecond is left out.
pub(crate) fn written(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let counted = UNITS.map(|(unit, length)| {
        let number = rest / length;
        rest %= length;
        if number == 0 { String::new() } else { format!("{number}{unit}") }
    });
    Some(counted.concat()).filter(|text| !text.is_empty()).unwrap_or_else(|| "0s".into())
}

/// Numbers with the index of their unit, as written.
fn split(text: &str) -> Result<Vec<(u64, usize)>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (digits, tail) = cut(rest, |c| c.is_ascii_digit());
        let (unit, tail) = cut(tail, char::is_alphabetic);
        if digits.is_empty() {
            return Err(not_a_duration(text));
        }
        if unit.is_empty() && tail.is_empty() {
            return Err(without_unit(text, &text[..text.len() - rest.len()], digits));
        }
        let number = digits.parse().map_err(|_| too_long(text))?;
        let Some(unit) = UNITS.iter().position(|(name, _)| *name == unit) else { return Err(unknown_unit(text, unit)) };
        parts.push((number, unit));
        rest = tail;
    }
    if parts.is_empty() { Err(not_a_duration(text)) } else { Ok(parts) }
}

fn cut(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

fn without_unit(text: &str, before: &str, digits: &str) -> String {
    let fix = if before.is_empty() {
        format!("write \"{digits}s\"")
    } else {
        "end it with `ms`, `s`, `m`, `h` or `d`".into()
    };
    format!("`{text}` has a number without a unit; {fix}")
}

fn unknown_unit(text: &str, unit: &str) -> String {
    if unit.is_empty() {
        return not_a_duration(text);
    }
    let meant = match unit.to_lowercase().as_str() {
        "milli" | "millis" | "millisecond" | "milliseconds" | "msec" | "msecs" | "ms" => "ms",
        "sec" | "secs" | "second" | "seconds" | "s" => "s",
        "min" | "mins" | "minute" | "minutes" | "m" => "m",
        "hr" | "hrs" | "hour" | "hours" | "h" => "h",
        "day" | "days" | "d" => "d",
        _ => return format!("`{text}`: there is no unit `{unit}`; the units are `ms`, `s`, `m`, `h` and `d`"),
    };
    format!("`{text}`: there is no unit `{unit}`; write `{meant}`")
}

fn not_a_duration(text: &str) -> String {
    let hint = if text.trim().is_empty() {
        "it is empty"
    } else if text.contains(char::is_whitespace) {
        "leave the spaces out"
    } else if text.contains(['.', ',']) {
        "only whole numbers are read, \"1s500ms\" for one and a half seconds"
    } else {
        "a number and a unit are needed"
    };
    format!("`{text}` is not a duration: {hint}; write it like \"30s\", \"1m30s\" or \"250ms\"")
}

fn too_long(text: &str) -> String {
    format!("`{text}` is too long for any clock; write it like \"30s\", \"1m30s\" or \"250ms\"")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::Config;

    use super::*;

    fn fault(text: &str) -> String {
        parse(text).expect_err(text)
    }

    #[test]
    fn each_unit_and_their_sums_are_read() {
        for (text, millis) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("1m30s", 90_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("1h5ms", 3_600_005),
            ("0s", 0),
            ("007s", 7_000),
            ("90s", 90_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for millis in [0, 1, 999, 1_000, 61_001, 3_600_000, 86_399_999, 86_400_000, 2_592_000_001] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse(&written(duration)), Ok(duration));
        }
    }

    #[test]
    fn a_missing_unit_is_told_with_the_fix() {
        assert_eq!(fault("30"), "`30` has a number without a unit; write \"30s\"");
        assert!(fault("1m30").contains("end it with"), "{}", fault("1m30"));
    }

    #[test]
    fn wrong_order_and_repeated_units_are_told_with_the_fix() {
        assert!(fault("30s1m").ends_with("\"1m30s\""), "{}", fault("30s1m"));
        assert!(fault("1s1s").ends_with("\"2s\""), "{}", fault("1s1s"));
    }

    #[test]
    fn unknown_units_name_the_nearest() {
        assert!(fault("30sec").ends_with("write `s`"));
        assert!(fault("30S").ends_with("write `s`"));
        assert!(fault("3minutes").ends_with("write `m`"));
        assert!(fault("3weeks").contains("the units are"));
        assert!(fault("3µs").contains("no unit `µs`"));
    }

    #[test]
    fn what_is_no_duration_is_told_why() {
        assert!(fault("").contains("it is empty"));
        assert!(fault("  ").contains("it is empty"));
        assert!(fault("1m 30s").contains("leave the spaces out"));
        assert!(fault("1.5s").contains("whole numbers"));
        for text in ["-5s", "s", "+5s", "5_000ms", "٣s", "5s-", "five"] {
            assert!(fault(text).contains("is not a duration"), "{}", fault(text));
        }
    }

    #[test]
    fn overflow_is_an_error() {
        for text in ["18446744073709551616ms", "18446744073709551615s", "213503982335d", "18446744073709551615ms1ms"] {
            assert!(fault(text).contains("too long") || fault(text).contains("order"), "{}", fault(text));
        }
        assert!(parse("18446744073709551615ms").is_ok());
    }

    const CASES: u32 = 2_000;

    /// Any text, mostly such as has numbers and units in it.
    fn text() -> impl Strategy<Value = String> {
        let number = prop_oneof![
            3 => "[0-9]{1,3}",
            1 => any::<u64>().prop_map(|number| number.to_string()),
            1 => "[0-9]{15,25}",
        ];
        let part = (number, "d|h|m|s|ms|[a-zµ]{0,2}|[ .,+-]").prop_map(|(number, unit)| number + &unit);
        let parts = proptest::collection::vec(part, 0..5).prop_map(|parts| parts.concat());
        prop_oneof![4 => parts, 1 => any::<String>()]
    }

    proptest! {
        #![proptest_config(Config { cases: CASES, failure_persistence: None, ..Config::default() })]

        #[test]
        fn any_text_is_a_duration_or_refused_in_words_that_quote_it(text in text()) {
            match parse(&text) {
                Ok(duration) => prop_assert_eq!(parse(&written(duration)), Ok(duration)),
                Err(fault) => prop_assert!(fault.starts_with(&format!("`{text}`")), "{fault}"),
            }
        }

        #[test]
        fn any_duration_in_milliseconds_reads_back(millis in any::<u64>()) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse(&written(duration)), Ok(duration));
        }

        /// The sum is right, or too great for any clock: it is never a smaller one.
        #[test]
        fn parts_are_summed_or_refused(numbers in proptest::array::uniform5(proptest::option::of(any::<u64>()))) {
            let parts = || UNITS.iter().zip(numbers).filter_map(|(unit, number)| Some((number?, unit)));
            let text = parts().map(|(number, (unit, _))| format!("{number}{unit}")).collect::<Vec<_>>().concat();
            prop_assume!(!text.is_empty());
            let sum: u128 = parts().map(|(number, (_, length))| u128::from(number) * u128::from(*length)).sum();
            let duration = u64::try_from(sum).map(Duration::from_millis).map_err(|_| too_long(&text));
            prop_assert_eq!(parse(&text), duration);
        }
    }
}
