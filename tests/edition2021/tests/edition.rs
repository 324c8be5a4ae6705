//! A body means what it meant without the attribute: the edition is the caller's, and not the macro's.

use std::cell::RefCell;
use std::sync::{Arc, Mutex};

use lock_runtime::{distributed_lock, Client};

type Answer = Result<u8, Box<dyn std::error::Error + Send + Sync>>;
type Log = Arc<Mutex<Vec<&'static str>>>;

/// Says when it is dropped.
struct Noted(&'static str, Log);

impl Noted {
    fn value(&self) -> Answer {
        Ok(u8::try_from(self.0.len())?)
    }

    fn some(&self) -> Option<u8> {
        u8::try_from(self.0.len()).ok()
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.1.lock().expect("not poisoned").push(self.0);
    }
}

/// What a plain function and an annotated one with the same body note, in this order.
macro_rules! both {
    (($log:ident) $body:block) => {{
        async fn plain($log: Log) -> Answer $body
        #[distributed_lock(key = "job")]
        async fn locked($log: Log) -> Answer $body
        both!(plain, locked)
    }};
    (mut ($log:ident, $more:ident) $body:block) => {{
        async fn plain($log: Log, mut $more: Noted) -> Answer $body
        #[distributed_lock(key = "job")]
        async fn locked($log: Log, mut $more: Noted) -> Answer $body
        both!(
            |log: Log| plain(log.clone(), Noted("argument", log)),
            |log: Log| locked(log.clone(), Noted("argument", log))
        )
    }};
    ($plain:expr, $locked:expr) => {{
        let (before, after) = (Log::default(), Log::default());
        let client = Client::connect("memory://").await.expect("memory needs no server");
        ($plain)(before.clone()).await.expect("plain");
        client.scope(($locked)(after.clone())).await.expect("free");
        let noted = |log: &Log| log.lock().expect("not poisoned").clone();
        (noted(&before), noted(&after))
    }};
}

#[tokio::test]
async fn temporaries_of_the_last_expression_outlive_the_locals() {
    let (plain, locked) = both!((log) {
        let _local = Noted("local", log.clone());
        Noted("temporary", log).value()
    });
    assert_eq!(plain, ["local", "temporary"], "this crate is of edition 2021");
    assert_eq!(locked, plain);
}

#[tokio::test]
async fn temporaries_of_the_last_expression_go_before_the_arguments() {
    let (plain, locked) = both!(mut (log, argument) {
        argument.0 = "argument";
        argument.value()?;
        let _local = Noted("local", log.clone());
        Noted("temporary", log).value()
    });
    assert_eq!(plain, ["local", "temporary", "argument"]);
    assert_eq!(locked, plain);
}

#[tokio::test]
async fn what_an_if_let_looks_at_lives_through_its_else() {
    let (plain, locked) = both!((log) {
        if let Some(2) = Noted("looked at", log.clone()).some() {
            unreachable!()
        } else {
            drop(Noted("else", log));
        }
        Ok(1)
    });
    assert_eq!(plain, ["else", "looked at"], "this crate is of edition 2021");
    assert_eq!(locked, plain);
}

#[tokio::test]
async fn a_boxed_future_written_by_hand_keeps_its_edition_too() {
    use std::{future::Future, pin::Pin};
    type Boxed = Pin<Box<dyn Future<Output = Answer> + Send>>;
    fn plain(log: Log) -> Boxed {
        Box::pin(async move {
            let _local = Noted("local", log.clone());
            Noted("temporary", log).value()
        })
    }
    #[distributed_lock(key = "job")]
    fn locked(log: Log) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        Box::pin(async move {
            let _local = Noted("local", log.clone());
            Noted("temporary", log).value()
        })
    }
    let (plain, locked) = both!(plain, locked);
    assert_eq!(locked, plain);
}

#[tokio::test]
async fn words_that_are_keywords_later_stay_names() {
    #[distributed_lock(key = "<gen>")]
    async fn locked(gen: u8) -> Answer {
        let gen = RefCell::new(gen);
        let value = *gen.borrow();
        Ok(value)
    }
    let client = Client::connect("memory://").await.expect("memory needs no server");
    assert_eq!(client.scope(locked(7)).await.expect("free"), 7);
}
