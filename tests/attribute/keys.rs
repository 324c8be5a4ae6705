//! What is locked.

use std::borrow::Cow;
use std::fmt::{self, Display};

use lock_runtime::{KeyFault, LockError, LockKey, distributed_lock};

use crate::{key, memory};

struct Job {
    id: u64,
    tenant: String,
    r#type: &'static str,
}

impl Job {
    fn lock_key(&self) -> String {
        format!("job:{}", self.id)
    }
}

fn job() -> Job {
    Job { id: 7, tenant: "a/b".into(), r#type: "t" }
}

/// Calls an annotated function with a client and takes the key that its body saw.
macro_rules! seen {
    ($call:expr) => {
        memory().await.scope($call).await.expect("nobody else is there")
    };
}

#[tokio::test]
async fn a_placeholder_names_an_argument_and_its_fields() {
    #[distributed_lock(key = "<id>:<job.id>:<job.type>:<pair.0.1>")]
    async fn locked(id: u64, job: &Job, pair: ((u8, char), u8)) -> Result<String, LockError> {
        let _ = (id, job, pair);
        Ok(key())
    }
    assert_eq!(seen!(locked(3, &job(), ((0, 'x'), 0))), "3:7:t:x");
}

#[tokio::test]
async fn values_are_encoded_so_that_no_two_lists_make_one_key() {
    #[distributed_lock(key = "<a>:<b>")]
    async fn locked(a: &str, b: &str) -> Result<String, LockError> {
        let _ = (a, b);
        Ok(key())
    }
    assert_eq!(seen!(locked("x:y", "z")), "x%3Ay:z");
    assert_eq!(seen!(locked("x", "y:z")), "x:y%3Az");
    assert_eq!(seen!(locked("A-z0.9_~", "{%ä}")), "A-z0.9_~:%7B%25%C3%A4%7D");
}

#[tokio::test]
async fn braces_take_values_as_format_does() {
    const REGION: &str = "eu";
    #[distributed_lock(key = "{REGION}:{id:04}:{text:?}:{id:>width$}")]
    async fn locked(id: u64, text: &str, width: usize) -> Result<String, LockError> {
        let _ = (id, text, width);
        Ok(key())
    }
    assert_eq!(seen!(locked(42, "a:b", 3)), "eu:0042:\"a:b\": 42");
}

#[tokio::test]
async fn doubled_brackets_stand_for_the_characters() {
    #[distributed_lock(key = "{{tenant-<job.tenant>}}:<<job>>")]
    async fn in_angles(job: Job) -> Result<String, LockError> {
        drop(job);
        Ok(key())
    }
    #[distributed_lock(key = "<<{id:<3}>>{{x}}")]
    async fn in_braces(id: u64) -> Result<String, LockError> {
        let _ = id;
        Ok(key())
    }
    #[distributed_lock(key = "{{a}}<<b>>")]
    async fn in_text() -> Result<String, LockError> {
        Ok(key())
    }
    assert_eq!(seen!(in_angles(job())), "{tenant-a%2Fb}:<job>");
    assert_eq!(seen!(in_braces(1)), "<1  >{x}");
    assert_eq!(seen!(in_text()), "{a}<b>");
}

#[tokio::test]
async fn any_expression_that_is_text_is_a_key() {
    const KEY: &str = "job:<id>";
    #[distributed_lock(key = format!("job:{}", job.id))]
    async fn formatted(job: &Job) -> Result<String, LockError> {
        let _ = job;
        Ok(key())
    }
    #[distributed_lock(key = job.lock_key())]
    async fn called(job: Job) -> Result<String, LockError> {
        drop(job);
        Ok(key())
    }
    #[distributed_lock(key = KEY)]
    async fn constant() -> Result<String, LockError> {
        Ok(key())
    }
    #[distributed_lock(key = name)]
    async fn argument(name: Cow<'_, str>) -> Result<String, LockError> {
        drop(name);
        Ok(key())
    }
    #[distributed_lock(key = &name)]
    async fn lock_key(name: LockKey) -> Result<String, LockError> {
        drop(name);
        Ok(key())
    }
    #[distributed_lock(key = if id == 0 { "none".to_owned() } else { id.to_string() })]
    async fn conditional(id: u64) -> Result<String, LockError> {
        let _ = id;
        Ok(key())
    }
    assert_eq!(seen!(formatted(&job())), "job:7");
    assert_eq!(seen!(called(job())), "job:7");
    assert_eq!(seen!(constant()), "job:<id>", "brackets mean nothing outside a literal");
    assert_eq!(seen!(argument("n".into())), "n");
    assert_eq!(seen!(lock_key("k".into())), "k");
    assert_eq!(seen!(conditional(0)), "none");
}

#[tokio::test]
async fn different_keys_do_not_exclude_each_other_and_one_key_does() {
    #[distributed_lock(key = "job:<id>")]
    async fn locked(id: u64) -> Result<(), LockError> {
        let _ = id;
        Ok(())
    }
    let client = memory().await;
    let _held = client.lock("job:1").acquire().await.expect("free");
    assert!(matches!(client.scope(locked(1)).await, Err(LockError::Busy { .. })));
    client.scope(locked(2)).await.expect("another key");
}

#[tokio::test]
async fn a_display_that_fails_is_an_invalid_key_and_no_panic() {
    struct Broken;
    impl Display for Broken {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Err(fmt::Error)
        }
    }
    #[distributed_lock(key = "job:<broken>")]
    async fn encoded(broken: Broken) -> Result<(), LockError> {
        let _ = broken;
        panic!("the body must not run")
    }
    #[distributed_lock(key = "job:{broken}")]
    async fn plain(broken: Broken) -> Result<(), LockError> {
        let _ = broken;
        panic!("the body must not run")
    }
    let client = memory().await;
    assert!(matches!(client.scope(encoded(Broken)).await, Err(LockError::InvalidKey { .. })));
    assert!(matches!(client.scope(plain(Broken)).await, Err(LockError::InvalidKey { .. })));
}

#[tokio::test]
async fn a_key_that_no_store_may_see_is_refused_before_the_body() {
    #[distributed_lock(key = name)]
    async fn locked(name: String) -> Result<(), LockError> {
        drop(name);
        panic!("the body must not run")
    }
    let client = memory().await;
    for name in [String::new(), "a\nb".into(), "x".repeat(1025)] {
        assert!(matches!(client.scope(locked(name)).await, Err(LockError::InvalidKey { .. })));
    }
}

#[tokio::test]
async fn a_value_that_is_empty_or_blank_is_refused_by_its_name() {
    #[distributed_lock(key = "tenant:<job.tenant>:<n>")]
    async fn of_tenant(job: Job, n: &str) -> Result<(), LockError> {
        Ok(())
    }
    let of = |tenant: &str, n: &'static str| {
        let tenant = tenant.to_owned();
        async move { memory().await.scope(of_tenant(Job { tenant, ..job() }, n)).await }
    };
    for blank in ["", " ", "\t\n", "\u{a0}", "\u{200b}", "\u{feff} "] {
        let refused = of(blank, "1").await.expect_err("it names no tenant");
        assert!(
            matches!(refused, LockError::InvalidKey { fault: KeyFault::EmptyValue("job.tenant"), .. }),
            "{refused:?}"
        );
        assert!(refused.to_string().contains("the value of `<job.tenant>` in it is empty"), "{refused}");
        let refused = of("acme", if blank.is_empty() { "" } else { "  " }).await.expect_err("it names no number");
        assert!(matches!(refused, LockError::InvalidKey { fault: KeyFault::EmptyValue("n"), .. }), "{refused:?}");
    }
    for seen in ["0", " a ", "-", "\u{200b}a"] {
        of(seen, "x").await.expect("it names one");
    }
}
