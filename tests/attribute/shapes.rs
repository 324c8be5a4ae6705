//! Every shape of function.

use std::fmt::{Debug, Display};
use std::pin::Pin;
use std::sync::Arc;

use lock_runtime::{Client, LockError, distributed_lock};

use crate::{key, memory};

/// Like an extractor of a web framework.
struct Path<T>(T);

struct Service {
    locks: Client,
    tenant: String,
    count: u64,
}

async fn service() -> Service {
    Service { locks: memory().await, tenant: "acme".into(), count: 0 }
}

impl Service {
    #[distributed_lock(key = "<self.tenant>:<id>", client = self.locks)]
    async fn by_reference(&self, id: u64) -> Result<String, LockError> {
        let _ = id;
        Ok(format!("{} {}", key(), self.count))
    }

    #[distributed_lock(key = "<self.tenant>:<self.count>", client = self.locks)]
    async fn by_mutable_reference(&mut self) -> Result<String, LockError> {
        self.count += 1;
        tokio::task::yield_now().await;
        self.tenant.push('!');
        Ok(key())
    }

    #[distributed_lock(key = "<self.tenant>", client = self.locks)]
    async fn by_value(mut self) -> Result<Self, LockError> {
        self.tenant = key();
        Ok(self)
    }

    #[distributed_lock(key = "{self}", client = &self.locks)]
    async fn by_arc(self: Arc<Self>) -> Result<String, LockError> {
        Ok(key())
    }

    #[distributed_lock(key = "<self>", client = &self.locks)]
    async fn by_box(self: Box<Self>, _other: &Self) -> Result<String, LockError> {
        Ok(key())
    }

    #[distributed_lock(key = "of the type")]
    async fn associated() -> Result<String, LockError> {
        Ok(key())
    }
}

impl Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.tenant)
    }
}

#[tokio::test]
async fn methods_are_locked_whatever_their_self() {
    let mut service = service().await;
    assert_eq!(service.by_reference(7).await.expect("free"), "acme:7 0");
    assert_eq!(service.by_mutable_reference().await.expect("free"), "acme:0");
    assert_eq!((service.count, service.tenant.as_str()), (1, "acme!"));
    let service = service.by_value().await.expect("free");
    assert_eq!(service.tenant, "acme%21");
    let service = Arc::new(service);
    assert_eq!(service.clone().by_arc().await.expect("free"), "acme%21");
    let boxed = Box::new(Service { locks: service.locks.clone(), tenant: "b".into(), count: 0 });
    assert_eq!(boxed.by_box(&service).await.expect("free"), "b");
    assert_eq!(service.locks.scope(Service::associated()).await.expect("free"), "of the type");
}

#[tokio::test]
async fn generic_functions_are_locked() {
    #[distributed_lock(key = "<id>:{{x}}")]
    async fn generic<'a, T, U>(id: T, list: &'a [U]) -> Result<(String, &'a U), LockError>
    where
        T: Display + Send,
        U: Debug + Sync,
    {
        drop(id);
        Ok((key(), &list[0]))
    }
    #[distributed_lock(key = "<shown>")]
    async fn implied(shown: impl Display + Send, call: impl Fn(u8) -> u8 + Send) -> Result<(String, u8), LockError> {
        drop(shown);
        Ok((key(), call(1)))
    }
    #[distributed_lock(key = "{N}")]
    async fn constant<const N: usize>(list: [u8; N]) -> Result<String, LockError> {
        let _ = list;
        Ok(key())
    }
    #[distributed_lock(key = "<shown>")]
    async fn dynamic(
        shown: &(dyn Display + Sync),
        call: Box<dyn Fn(&str) -> &str + Send>,
    ) -> Result<String, LockError> {
        let _ = shown;
        Ok(call(&key()).to_owned())
    }
    let client = memory().await;
    assert_eq!(client.scope(generic(3, &["x"])).await.expect("free"), ("3:{x}".into(), &"x"));
    assert_eq!(client.scope(implied('c', |n| n + 1)).await.expect("free"), ("c".into(), 2));
    assert_eq!(client.scope(constant([0; 5])).await.expect("free"), "5");
    assert_eq!(client.scope(dynamic(&4, Box::new(|text| text))).await.expect("free"), "4");
}

#[tokio::test]
async fn what_is_borrowed_may_be_returned() {
    #[distributed_lock(key = "<name>")]
    async fn elided(name: &str) -> Result<&str, LockError> {
        Ok(&name[1..])
    }
    #[distributed_lock(key = "list")]
    async fn named<'a>(list: &'a mut Vec<u8>, _other: &u8) -> Result<&'a mut u8, LockError> {
        list.push(7);
        Ok(&mut list[0])
    }
    let client = memory().await;
    assert_eq!(client.scope(elided("abc")).await.expect("free"), "bc");
    assert_eq!(client.scope(named(&mut Vec::new(), &0)).await.expect("free"), &7);
}

#[tokio::test]
async fn every_name_that_a_pattern_binds_can_stand_in_a_key() {
    struct Job {
        id: u64,
        pair: (u8, u8),
    }
    #[distributed_lock(key = "<id>:<x>:<job_id>:<first>:<n>:<last>:<type>")]
    async fn patterns(
        Path(id): Path<u64>,
        (x, _): (char, char),
        Job { id: job_id, pair: (first, ..) }: Job,
        mut n: u32,
        [.., last]: [u8; 3],
        r#type: &str,
    ) -> Result<String, LockError> {
        let key = key();
        n += u32::from(first) + u32::from(last);
        Ok(format!("{key} {id}{x}{job_id}{n}{type}"))
    }
    let call = patterns(Path(1), ('x', 'y'), Job { id: 2, pair: (3, 4) }, 5, [6, 7, 8], "t");
    assert_eq!(memory().await.scope(call).await.expect("free"), "1:x:2:3:5:8:t 1x216t");
}

trait Native {
    async fn run(&self, id: u64) -> Result<String, LockError>;
}

impl Native for Service {
    #[distributed_lock(key = "<self.tenant>:<id>", client = self.locks)]
    async fn run(&self, id: u64) -> Result<String, LockError> {
        let _ = id;
        Ok(key())
    }
}

#[tokio::test]
async fn a_trait_implementation_with_a_native_async_fn_is_locked() {
    assert_eq!(Native::run(&service().await, 7).await.expect("free"), "acme:7");
}

#[async_trait::async_trait]
trait Boxed {
    async fn by_reference(&self, id: u64, pair: (u8, String)) -> Result<String, LockError>;
    async fn by_mutable_reference(&mut self, name: &str);
    async fn by_value(self, text: String) -> Result<String, LockError>;
    async fn generic<T: Display + Send + Sync>(&self, shown: T) -> anyhow::Result<String>;
    async fn provided(&self) -> Result<String, LockError>;
}

#[async_trait::async_trait]
impl Boxed for Service {
    #[distributed_lock(key = "<self.tenant>:<id>:<b>", client = self.locks)]
    async fn by_reference(&self, id: u64, (a, b): (u8, String)) -> Result<String, LockError> {
        if a == 0 {
            return Ok(b);
        }
        Ok(format!("{} {id}{a}{b}{}", key(), self.count))
    }

    #[distributed_lock(key = "<self.tenant>:<name>", client = self.locks, or_else = lock_runtime::log_and_skip)]
    async fn by_mutable_reference(&mut self, name: &str) {
        self.count += 1;
        self.tenant = key() + name;
    }

    #[distributed_lock(key = "<self.tenant>:<text>", client = self.locks)]
    async fn by_value(self, mut text: String) -> Result<String, LockError> {
        text.push_str(&key());
        Ok(text)
    }

    #[distributed_lock(key = "{shown:>3}", client = self.locks)]
    async fn generic<T: Display + Send + Sync>(&self, shown: T) -> anyhow::Result<String> {
        let _: u8 = shown.to_string().parse()?;
        Ok(key())
    }

    #[distributed_lock(key = self.tenant, client = self.locks, wait = "1s", on_lost = "continue")]
    async fn provided(&self) -> Result<String, LockError> {
        Ok(key())
    }
}

#[tokio::test]
async fn methods_under_async_trait_are_locked() {
    let mut service = service().await;
    assert_eq!(Boxed::by_reference(&service, 7, (1, "b".into())).await.expect("free"), "acme:7:b 71b0");
    assert_eq!(Boxed::by_reference(&service, 7, (0, "b".into())).await.expect("free"), "b");
    assert_eq!(service.provided().await.expect("free"), "acme");
    assert_eq!(service.generic(7).await.expect("free"), "  7");
    assert!(service.generic("x").await.is_err());
    let held = service.locks.lock("acme:7:b").acquire().await.expect("free");
    assert!(matches!(Boxed::by_reference(&service, 7, (1, "b".into())).await, Err(LockError::Busy { .. })));
    held.release().await.expect("memory answers");
    Boxed::by_mutable_reference(&mut service, "n").await;
    assert_eq!((service.count, service.tenant.as_str()), (1, "acme:nn"));
    assert_eq!(Boxed::by_value(service, "t".into()).await.expect("free"), "tacme%3Ann:t");
}

#[tokio::test]
async fn a_boxed_future_written_by_hand_is_locked() {
    #[distributed_lock(key = "job:<id>")]
    fn boxed(id: u64) -> Pin<Box<dyn Future<Output = Result<String, LockError>> + Send>> {
        let before = lock_runtime::current().is_none();
        Box::pin(async move {
            assert!(before);
            Ok(format!("{} {id}", key()))
        })
    }
    assert_eq!(memory().await.scope(boxed(1)).await.expect("free"), "job:1 1");
}

#[tokio::test]
async fn a_function_may_call_itself() {
    #[distributed_lock(key = "level:<n>")]
    async fn down(n: u32) -> Result<u32, LockError> {
        if n == 0 {
            return Ok(0);
        }
        Ok(1 + Box::pin(down(n - 1)).await?)
    }
    assert_eq!(memory().await.scope(down(5)).await.expect("free"), 5);
}

/// Documented, conditional, and with conditional arguments.
#[cfg(test)]
#[must_use]
#[distributed_lock(key = "job:<id>")]
async fn conditional(
    #[cfg(not(test))] absent: Absent,
    id: u64,
    #[cfg(test)] present: u8,
    #[allow(unused_variables)] ignored: u8,
) -> Result<String, LockError> {
    #![allow(clippy::let_and_return)]
    let seen = Ok(format!("{} {present}", key()));
    seen
}

#[tokio::test]
async fn a_conditional_and_documented_function_is_locked() {
    assert_eq!(memory().await.scope(conditional(1, 2, 3)).await.expect("free"), "job:1 2");
}

#[tokio::test]
async fn the_body_sees_no_name_of_the_expansion() {
    #[distributed_lock(key = "job")]
    async fn locked(__call: u8, __returned: u8) -> Result<u8, LockError> {
        let settle = __call + __returned;
        Ok(settle)
    }
    assert_eq!(memory().await.scope(locked(1, 2)).await.expect("free"), 3);
}
