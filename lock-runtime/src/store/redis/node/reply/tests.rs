use super::*;

const CLOCK: ClockId = ClockId::from_bits(7);

fn bulk(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}

fn refusal(text: &str) -> Value {
    ::redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).expect("an answer")
}

#[test]
fn set_and_incr_have_every_combination_of_replies() {
    const FENCE: i64 = 1_700_000_000_000_000;
    let floor = FENCE.unsigned_abs() - 1;
    let taken = |set, count| taken(vec![set, count], floor);
    assert_eq!(taken(Value::Okay, Value::Int(FENCE)), Ok(Taken::Fenced(FENCE.unsigned_abs())));
    for unusable in [FENCE - 1, 1, 0, -1, i64::MAX, 1 << 53, i64::MIN] {
        assert_eq!(taken(Value::Okay, Value::Int(unusable)), Ok(Taken::Unfenced), "{unusable}");
    }
    assert_eq!(taken(Value::Okay, refusal("ERR value is not an integer")), Ok(Taken::Unfenced));
    for any in [Value::Int(FENCE), Value::Int(1), refusal("OOM x"), Value::Nil] {
        assert_eq!(taken(Value::Nil, any), Ok(Taken::Held));
    }
    assert!(taken(refusal("OOM x"), Value::Int(FENCE)).is_err());
}

#[test]
fn a_fence_is_never_below_a_plausible_clock() {
    assert_eq!(taken(vec![Value::Okay, Value::Int(5)], 4), Ok(Taken::Unfenced));
}

#[test]
fn minting_scripts_are_understood() {
    let minted = |parts: &[Value]| minted(Value::Array(parts.to_vec()), CLOCK);
    let held = |ms: Option<u64>| Ok(Minted::Known(Acquired::held(ms.map(Duration::from_millis))));
    assert_eq!(minted(&[Value::Int(1), bulk("17")]), Ok(Minted::Known(Acquired::granted(17))));
    assert_eq!(minted(&[Value::Int(0)]), held(None));
    assert_eq!(minted(&[Value::Int(0), Value::Int(5)]), held(Some(5)));
    assert_eq!(minted(&[Value::Int(0), Value::Int(-2)]), held(Some(0)));
    assert_eq!(
        minted(&[Value::Int(0), Value::Int(5), bulk("99")]),
        Ok(Minted::Known(Acquired::queued(Some(Duration::from_millis(5)), ClockReading::new(CLOCK, 99))))
    );
    assert_eq!(minted(&[Value::Int(0), Value::Int(-1)]), Ok(Minted::HeldForEver));
    assert_eq!(minted(&[Value::Int(2), Value::Int(5)]), Ok(Minted::Known(Acquired::done(Duration::from_millis(5)))));
    let done_for_ever = [Value::Int(2), Value::Int(-1)];
    for strange in
        [&[Value::Int(1), Value::Int(-1)][..], &[Value::Int(0), bulk("x")], &done_for_ever, &[Value::Int(3), bulk("1")]]
    {
        assert!(minted(strange).is_err(), "{strange:?}");
    }
    assert!(minted(&[Value::Int(0), Value::Int(5), Value::Int(-1)]).is_err());
}

#[test]
fn a_key_that_is_held_is_done_by_its_value_as_long_as_it_expires() {
    let (done, token) = (bulk("done|0123456789abcdef0123456789abcdef"), bulk("0123456789abcdef0123456789abcdef"));
    let five = Duration::from_millis(5);
    assert_eq!(held(&[done.clone(), Value::Int(5)]), Acquired::done(five));
    assert_eq!(held(&[token, Value::Int(5)]), Acquired::held(Some(five)));
    for ttl in [Value::Int(-1), Value::Int(-2), Value::Int(0), refusal("NOPERM x"), Value::Nil] {
        assert_eq!(held(&[done.clone(), ttl]), Acquired::held(None));
    }
    assert_eq!(held(&[refusal("NOPERM x"), Value::Int(5)]), Acquired::held(Some(five)));
    assert_eq!(held(&[]), Acquired::held(None));
}

#[test]
fn rotations_are_understood() {
    let rotated = |parts: &[Value]| rotated(Value::Array(parts.to_vec()), CLOCK);
    assert_eq!(rotated(&[Value::Int(1), bulk("17")]), Ok(Rotated::retained(17)));
    assert_eq!(rotated(&[Value::Int(2), bulk("99")]), Ok(Rotated::handed_over(ClockReading::new(CLOCK, 99))));
    assert_eq!(rotated(&[Value::Int(3)]), Ok(Rotated::Freed));
    assert_eq!(rotated(&[Value::Int(0)]), Ok(Rotated::NotOurs));
    for strange in [&[Value::Int(1)][..], &[Value::Int(2), Value::Int(-1)], &[Value::Int(4)], &[bulk("x")]] {
        assert!(rotated(strange).is_err(), "{strange:?}");
    }
}

#[test]
fn a_message_tells_of_a_grant() {
    let names = Names::new("dlock", None).expect("valid names");
    let token = format!("{:0>32}", "a");
    let told =
        grant(&bulk(&format!("{token} 1700000000000009 32 1000 1700000000000000 dlock:{{job 42}}")), &names, CLOCK);
    let (token, first_lease) = (Token::from_bits(0xa), Duration::from_secs(1));
    let (fence, clock) = (1_700_000_000_000_009, ClockReading::new(CLOCK, 1_700_000_000_000_000));
    assert_eq!(told, Some(Grant::new("job 42", token, fence, first_lease, clock).with_fences(32)));
}

#[test]
fn a_message_that_cannot_be_read_is_none() {
    let names = Names::new("dlock", None).expect("valid names");
    let token = "a".repeat(32);
    let fine = format!("{token} 1700000000000009 32 1000 1700000000000000 dlock:{{a}}");
    assert!(grant(&bulk(&fine), &names, CLOCK).is_some());
    let plus = format!("+{}", &token[1..]);
    let changes =
        [(&*token, "a"), (&*token, &*plus), ("17", "x"), ("32", "-1"), (" 1000", ""), ("32", "+32"), ("lock:", "k:")];
    for (part, other) in changes {
        let message = fine.replacen(part, other, 1);
        assert_eq!(grant(&bulk(&message), &names, CLOCK), None, "{message}");
    }
    for value in [Value::Nil, Value::Int(1), bulk(""), Value::BulkString(vec![0xff, b' '])] {
        assert_eq!(grant(&value, &names, CLOCK), None, "{value:?}");
    }
}

#[test]
fn a_batch_is_answered_key_by_key_or_as_a_whole() {
    let parts = vec![Value::Int(1), Value::Int(0), bulk("WRONGTYPE Operation"), Value::Nil];
    let answers = renewed(Value::Array(parts), 4).expect("an answer");
    assert_eq!(answers[..2], [Ok(Renewed::Renewed), Ok(Renewed::NotOurs)]);
    assert_eq!(answers[2].as_ref().expect_err("an error").code(), Some("WRONGTYPE"));
    assert!(answers[3].is_err());
    assert!(renewed(refusal("NOPERM x"), 4).is_err());
    assert!(renewed(Value::Array(vec![Value::Int(1)]), 4).is_err());
    assert_eq!(renewed(Value::Int(3), 3).expect("an answer"), vec![Ok(Renewed::Renewed); 3]);
    assert!(renewed(Value::Int(2), 3).is_err() && renewed(Value::Int(-1), 3).is_err());
}

#[test]
fn strange_shapes_are_errors() {
    let shapes = [Value::Nil, Value::Okay, Value::Int(7), bulk("x"), Value::Array(vec![]), Value::Map(vec![])];
    for shape in shapes {
        assert!(minted(shape.clone(), CLOCK).is_err(), "{shape:?}");
        assert!(rotated(shape.clone(), CLOCK).is_err(), "{shape:?}");
        assert!(released(shape.clone()).is_err(), "{shape:?}");
        assert!(freed(shape.clone()).is_err() || shape == Value::Nil, "{shape:?}");
        assert!(renewed(shape.clone(), 2).is_err(), "{shape:?}");
        assert!(taken(vec![shape.clone()], 0).is_err(), "{shape:?}");
        assert!(taken(vec![Value::Okay, bulk("x")], 0).is_err());
        assert_eq!(said_in_hello(&shape, "version"), None);
        assert_eq!(version_in_info(&shape), None);
        assert_eq!(clock_in_raised(&shape), None);
    }
}

#[test]
fn a_server_that_says_which_process_it_is_says_which_clock_it_has() {
    let clock = |run: &str| clock_in_raised(&Value::Array(vec![bulk("1700000000000009"), bulk(run)]));
    let run = "00000000000000ffda39a3ee5e6b4b0d32550000";
    assert_eq!(clock(run), Some(ClockId::from_bits(0xff)));
    assert_ne!(clock(run), clock(&run.replacen('0', "1", 1)));
    for silent in ["", "ff", "00000000000000fx", "é000000000000000"] {
        assert_eq!(clock(silent), None, "{silent}");
    }
}

#[test]
fn versions_are_found_and_compared() {
    let flat = Value::Array(vec![bulk("server"), bulk("redis"), bulk("version"), bulk("7.0.15")]);
    assert_eq!(said_in_hello(&flat, "version").as_deref(), Some("7.0.15"));
    let map = Value::Map(vec![(bulk("version"), bulk("9.1.2"))]);
    assert_eq!(said_in_hello(&map, "version").as_deref(), Some("9.1.2"));
    let info = bulk("# Server\r\nredis_version:5.0.7\r\nredis_mode:standalone\r\n");
    assert_eq!(version_in_info(&info).as_deref(), Some("5.0.7"));
    for old in ["6.0.16", "5.0.7", "2.8", "6.1.99"] {
        assert!(is_too_old(old), "{old}");
    }
    for fine in ["6.2", "6.2.0", "7.0.15", "10.0", "255.255.255", "unstable", ""] {
        assert!(!is_too_old(fine), "{fine}");
    }
}
