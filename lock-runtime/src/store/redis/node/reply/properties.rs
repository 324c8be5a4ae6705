//! For any reply: it is read as what it says, or it is an error that names what was asked.

use ::redis::{ErrorKind, PushKind, VerbatimFormat};
use proptest::prelude::*;
use proptest::test_runner::Config;

use super::*;

const CLOCK: ClockId = ClockId::from_bits(7);

/// Few under Miri, where each takes long.
const CASES: u32 = if cfg!(miri) { 8 } else { 2_000 };

fn bulk(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}

/// Arbitrary numbers, and those at which something changes.
fn any_number() -> impl Strategy<Value = i64> {
    let [fence, limit] = [OLDEST_CLOCK, FENCE_LIMIT].map(|number| i64::try_from(number).expect("a number of 53 bits"));
    prop_oneof![4 => -3_i64..6, 1 => any::<i64>(), 2 => fence - 2..fence + 3, 1 => limit - 2..limit + 3]
}

/// Any reply: mostly lists of numbers, like those of our scripts.
fn any_value() -> impl Strategy<Value = Value> {
    let number = || prop_oneof![any_number().prop_map(Value::Int), any_number().prop_map(|n| bulk(&n.to_string()))];
    let numbers = proptest::collection::vec(number(), 0..5).prop_map(Value::Array);
    let leaf = prop_oneof![
        6 => number(),
        1 => Just(Value::Okay),
        1 => Just(Value::Nil),
        1 => any::<bool>().prop_map(Value::Boolean),
        1 => any::<f64>().prop_map(Value::Double),
        1 => any::<Vec<u8>>().prop_map(Value::BulkString),
        1 => any::<String>().prop_map(Value::SimpleString),
        1 => any::<String>().prop_map(|text| Value::VerbatimString { format: VerbatimFormat::Text, text }),
        1 => "[A-Z]{2,8}( [a-z ]{0,9})?".prop_map(|text| {
            ::redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).expect("an answer")
        }),
    ];
    let tree = leaf.prop_recursive(3, 24, 5, |inner| {
        let several = || proptest::collection::vec(inner.clone(), 0..5);
        let pairs = proptest::collection::vec((inner.clone(), inner.clone()), 0..3);
        prop_oneof![
            6 => several().prop_map(Value::Array),
            1 => several().prop_map(Value::Set),
            1 => several().prop_map(|data| Value::Push { kind: PushKind::Message, data }),
            1 => pairs.clone().prop_map(Value::Map),
            1 => (inner.clone(), pairs).prop_map(|(data, attributes)| {
                Value::Attribute { data: Box::new(data), attributes }
            }),
        ]
    });
    prop_oneof![numbers, tree]
}

/// The integers that a list consists of.
fn numbers(value: &Value) -> Option<Vec<i64>> {
    let one = |value: &Value| match value {
        Value::Int(number) => Some(*number),
        Value::BulkString(text) => std::str::from_utf8(text).ok()?.parse().ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text.parse().ok(),
        _ => None,
    };
    let Value::Array(parts) = value else { return None };
    parts.iter().map(one).collect()
}

fn holds_an_error(value: &Value) -> bool {
    value.clone().extract_error().is_err()
}

/// The error came from the server, or names what the unexpected reply was to.
fn is_told(error: &RedisError, from_the_server: bool, reply_to: &str) -> bool {
    from_the_server || error.kind() == ErrorKind::UnexpectedReturnType && error.to_string().contains(reply_to)
}

/// The numbers of a message: fence, fences, first lease and clock.
const USUAL: [&str; 4] = ["1700000000000001", "32", "1000", "1700000000000000"];

/// Mostly the words of a message, in order; sometimes one that does not belong there, or one too many or too few.
fn words() -> impl Strategy<Value = Vec<&'static str>> {
    const TOKEN: &str = "0123456789abcdef0123456789abcdef";
    const STRANGE: [&str; 7] = ["x", "-1", "", "0", "+1700000000000000", "123456789abcdef0", "18446744073709551616"];
    let or_strange = |word: &'static str| prop_oneof![9 => Just(word), 1 => proptest::sample::select(&STRANGE)];
    let four = USUAL.map(or_strange).to_vec();
    let numbers = prop_oneof![
        9 => four.clone(),
        1 => (four, 0_usize..6).prop_map(|(four, length)| four.into_iter().cycle().take(length).collect()),
    ];
    let name = prop_oneof![9 => Just("dlock:{a}"), 1 => Just("x")];
    (or_strange(TOKEN), numbers, name)
        .prop_map(|(token, numbers, name)| [token].into_iter().chain(numbers).chain([name]).collect())
}

proptest! {
    #![proptest_config(Config { cases: CASES, failure_persistence: None, ..Config::default() })]

    #[test]
    fn nothing_is_taken_but_by_set_nor_fenced_but_by_a_count_that_grew(
        replies in proptest::collection::vec(any_value(), 0..4),
        floor in any_number().prop_map(i64::unsigned_abs),
    ) {
        let from_the_server = replies.iter().any(holds_an_error);
        match taken(replies.clone(), floor) {
            Ok(Taken::Fenced(fence)) => {
                prop_assert_eq!(replies, [Value::Okay, Value::Int(i64::try_from(fence).expect("a number"))]);
                prop_assert!(fence > floor && (OLDEST_CLOCK..FENCE_LIMIT).contains(&fence));
            }
            Ok(Taken::Unfenced) => prop_assert!(replies.len() == 2 && replies[0] == Value::Okay),
            Ok(Taken::Held) => prop_assert!(replies.len() == 2 && replies[0] == Value::Nil),
            Err(error) => prop_assert!(is_told(&error, from_the_server, "SET") || is_told(&error, false, "INCR")),
        }
    }

    #[test]
    fn a_script_that_mints_grants_only_by_a_one_and_a_fence(reply in any_value()) {
        let numbers = numbers(&reply);
        match minted(reply.clone(), CLOCK) {
            Ok(Minted::Known(Acquired::Granted { fence, .. })) => {
                prop_assert_eq!(numbers, Some(vec![1, i64::try_from(fence).expect("a number")]));
                prop_assert!(fence <= FENCE_LIMIT);
            }
            Ok(Minted::Known(Acquired::Done { again_in, .. })) => {
                let ms = i64::try_from(again_in.as_millis()).expect("a number");
                prop_assert_eq!(numbers, Some(vec![2, ms]));
            }
            Ok(_) => prop_assert_eq!(numbers.and_then(|numbers| numbers.first().copied()), Some(0)),
            Err(error) => prop_assert!(is_told(&error, holds_an_error(&reply), "a script that reserves fences")),
        }
    }

    #[test]
    fn a_rotation_goes_on_only_by_a_one_and_a_fence(reply in any_value()) {
        let numbers = numbers(&reply);
        let number = |number: u64| i64::try_from(number).expect("a number");
        match rotated(reply.clone(), CLOCK) {
            Ok(Rotated::Retained { fence, .. }) => {
                prop_assert_eq!(numbers, Some(vec![1, number(fence)]));
                prop_assert!(fence <= FENCE_LIMIT);
            }
            Ok(Rotated::HandedOver { clock, .. }) => prop_assert_eq!(numbers, Some(vec![2, number(clock.micros)])),
            Ok(Rotated::Freed) => prop_assert_eq!(numbers, Some(vec![3])),
            Ok(Rotated::NotOurs) => prop_assert_eq!(numbers, Some(vec![0])),
            Ok(other) => panic!("no reply says {other:?}"),
            Err(error) => prop_assert!(is_told(&error, holds_an_error(&reply), "the rotation script")),
        }
    }

    #[test]
    fn a_lease_is_renewed_only_by_a_one_of_its_own(reply in any_value(), batch in 0_usize..5) {
        match renewed(reply.clone(), batch) {
            Ok(answers) => {
                let parts = match reply {
                    Value::Array(parts) => parts,
                    Value::Int(all) => {
                        prop_assert_eq!(all, i64::try_from(batch).expect("a small number"));
                        vec![Value::Int(1); batch]
                    }
                    reply => panic!("answers out of {reply:?}"),
                };
                prop_assert_eq!((answers.len(), parts.len()), (batch, batch));
                for (answer, part) in answers.into_iter().zip(parts) {
                    match answer {
                        Ok(Renewed::Renewed) => prop_assert_eq!(part, Value::Int(1)),
                        Ok(Renewed::NotOurs) => prop_assert_eq!(part, Value::Int(0)),
                        Ok(other) => panic!("no reply says {other:?}"),
                        Err(error) => {
                            let is_text = matches!(part, Value::BulkString(_));
                            prop_assert!(is_told(&error, is_text, "the renewal script"));
                        }
                    }
                }
            }
            Err(error) => prop_assert!(is_told(&error, holds_an_error(&reply), "the renewal script")),
        }
    }

    #[test]
    fn a_key_is_freed_only_by_a_one(reply in any_value()) {
        match released(reply.clone()) {
            Ok(Released::Freed) => prop_assert_eq!(reply, Value::Int(1)),
            Ok(Released::NotOurs) => prop_assert_eq!(reply, Value::Int(0)),
            Err(error) => prop_assert!(is_told(&error, holds_an_error(&reply), "the release script")),
        }
    }

    #[test]
    fn a_version_is_a_text_that_was_there(reply in any_value()) {
        for version in [said_in_hello(&reply, "version"), version_in_info(&reply)].into_iter().flatten() {
            prop_assert!(!is_too_old(&version) || version.starts_with(|c: char| c.is_ascii_digit()), "{version}");
        }
    }

    #[test]
    fn a_message_reads_back(
        key in "[^\\p{Cc}]{1,12}",
        token in any::<u128>(),
        fence in OLDEST_CLOCK..=FENCE_LIMIT,
        clock in OLDEST_CLOCK..=FENCE_LIMIT,
        fences in 1..=MOST_FENCES,
        ms in 1..=LONGEST_MS,
    ) {
        let names = Names::new("dlock", None).expect("valid names");
        let told = grant(&bulk(&format!("{token:032x} {fence} {fences} {ms} {clock} dlock:{{{key}}}")), &names, CLOCK);
        let (token, first_lease) = (Token::from_bits(token), Duration::from_millis(ms));
        let clock = ClockReading::new(CLOCK, clock);
        prop_assert_eq!(told, Some(Grant::new(key.as_str(), token, fence, first_lease, clock).with_fences(fences)));
    }

    /// Anybody can publish on a wake channel.
    #[test]
    fn a_message_tells_of_a_grant_only_if_each_of_its_words_does(words in words()) {
        let names = Names::new("dlock", None).expect("valid names");
        let is_one = match &words[..] {
            [token, numbers @ .., name] => token.len() == 32 && *name != "x" && *numbers == USUAL,
            _ => false,
        };
        prop_assert_eq!(grant(&bulk(&words.join(" ")), &names, CLOCK).is_some(), is_one);
    }

    /// A number that no server can have given must not be used, let alone remembered.
    #[test]
    fn a_message_with_a_number_that_cannot_be_tells_of_no_grant(at in 0_usize..4, number in any::<u64>()) {
        let most = [FENCE_LIMIT, MOST_FENCES.into(), LONGEST_MS, FENCE_LIMIT][at];
        let least = [OLDEST_CLOCK, 1, 1, OLDEST_CLOCK][at];
        for number in [number, 0, least - 1, most + 1, u64::MAX] {
            let mut numbers = USUAL.map(str::to_owned);
            numbers[at] = number.to_string();
            let message = format!("{:032x} {} dlock:{{a}}", 7, numbers.join(" "));
            let names = Names::new("dlock", None).expect("valid names");
            prop_assert_eq!(grant(&bulk(&message), &names, CLOCK).is_some(), (least..=most).contains(&number), "{}", message);
        }
    }

    #[test]
    fn a_reply_tells_of_no_grant(reply in any_value()) {
        prop_assert_eq!(grant(&reply, &Names::new("dlock", None).expect("valid names"), CLOCK), None);
    }
}
