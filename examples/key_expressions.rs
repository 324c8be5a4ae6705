//! Which key does each way of writing one make?
//!
//! ```sh
//! cargo run -p examples --example key_expressions
//! ```

use std::error::Error;

use lock_runtime::{LockError, distributed_lock};

struct Job {
    id: u64,
    owner: String,
}

impl Job {
    fn lock_key(&self) -> String {
        format!("job:{}:{}", self.owner, self.id)
    }
}

struct Worker {
    tenant: &'static str,
}

const NIGHTLY: &str = "nightly";

// `<..>` takes a value percent-encoded, so that no value can forge another key.

#[distributed_lock(key = "job:<id>")]
async fn argument(id: u64) -> Result<String, LockError> {
    Ok(key())
}

#[distributed_lock(key = "copy:<from>:<to>")]
async fn encoded(from: &str, to: &str) -> Result<String, LockError> {
    Ok(key())
}

#[distributed_lock(key = "job:<job.owner>:<job.id>")]
async fn fields(job: &Job) -> Result<String, LockError> {
    Ok(key())
}

#[distributed_lock(key = "cell:<at.0>/<at.1>")]
async fn tuple(at: (i32, i32)) -> Result<String, LockError> {
    Ok(key())
}

#[distributed_lock(key = "job:<owner>")]
async fn pattern(Job { owner, .. }: Job) -> Result<String, LockError> {
    Ok(key())
}

#[distributed_lock(key = "{{<tenant>}}:jobs")]
async fn hash_tag(tenant: &str) -> Result<String, LockError> {
    Ok(key())
}

#[distributed_lock(key = "shift:1<<<by>")]
async fn escaped(by: u32) -> Result<String, LockError> {
    Ok(key())
}

// `{..}` formats as `format!` does, without encoding.

#[distributed_lock(key = "job:{id:04}")]
async fn formatted(id: u64) -> Result<String, LockError> {
    Ok(key())
}

// Anything else is an expression that is `AsRef<str>`, taken as it is.

#[distributed_lock(key = NIGHTLY)]
async fn constant() -> Result<String, LockError> {
    Ok(key())
}

#[distributed_lock(key = format!("batch:{}", jobs.len()))]
async fn expression(jobs: &[Job]) -> Result<String, LockError> {
    Ok(key())
}

#[distributed_lock(key = job.lock_key())]
async fn method_of_an_argument(job: &Job) -> Result<String, LockError> {
    Ok(key())
}

impl Worker {
    #[distributed_lock(key = "tenant:<self.tenant>:job:<id>")]
    async fn method(&self, id: u64) -> Result<String, LockError> {
        Ok(key())
    }
}

/// The key under which the caller runs.
fn key() -> String {
    lock_runtime::current().map(|lease| lease.key().as_str().to_owned()).unwrap_or_default()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    lock_runtime::init("memory://").await?;
    let job = || Job { id: 7, owner: "ann lee".to_owned() };
    let show = |written: &str, key: String| println!("{written:36} {key}");
    show(r#""job:<id>""#, argument(42).await?);
    show(r#""copy:<from>:<to>""#, encoded("x:y", "z").await?);
    show(r#""copy:<from>:<to>""#, encoded("x", "y:z").await?);
    show(r#""job:<job.owner>:<job.id>""#, fields(&job()).await?);
    show(r#""cell:<at.0>/<at.1>""#, tuple((-1, 2)).await?);
    show(r#""job:<owner>""#, pattern(job()).await?);
    show(r#""{{<tenant>}}:jobs""#, hash_tag("acme").await?);
    show(r#""shift:1<<<by>""#, escaped(4).await?);
    show(r#""job:{id:04}""#, formatted(42).await?);
    show("NIGHTLY", constant().await?);
    show(r#"format!("batch:{}", jobs.len())"#, expression(&[job(), job()]).await?);
    show("job.lock_key()", method_of_an_argument(&job()).await?);
    show(r#""tenant:<self.tenant>:job:<id>""#, Worker { tenant: "acme" }.method(42).await?);
    Ok(())
}
