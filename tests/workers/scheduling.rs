//! A scheduler that fires on time, as its neighbours do: the processes of the tests of `once`.
//!
//! Called with the URL of a server, when the first tick is (in milliseconds since 1970), how far apart they are, and how
//! many there are. For each it says what came of it; the effect of a tick is written under its fence.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lock_runtime::{Client, LockError, Released};
use redis::aio::MultiplexedConnection;
use tokio::time::sleep;

/// For how long a tick that is done stays so: longer than all of them take.
const PERIOD: Duration = Duration::from_secs(60);
/// Short, so that a stopped process is soon followed.
const TTL: Duration = Duration::from_millis(400);
/// How long the work of a tick takes.
const WORK: Duration = Duration::from_millis(20);

/// Writes the effect of a tick, unless that of a later fence is there.
const WRITE: &str = "
    if tonumber(redis.call('HGET', KEYS[1], 'fence') or '0') > tonumber(ARGV[1]) then return 0 end
    redis.call('HSET', KEYS[1], 'fence', ARGV[1])
    return 1";

struct Scheduler {
    client: Client,
    effects: MultiplexedConnection,
}

impl Scheduler {
    /// One tick: whoever comes second waits, and is told.
    async fn tick(&mut self, fire_time: u64) -> Result<String, LockError> {
        let request = self.client.lock(format!("tick:{fire_time}")).once(PERIOD).ttl(TTL);
        let guard = request.wait(Duration::from_secs(30)).acquire().await?;
        println!("in {fire_time}");
        sleep(WORK).await;
        let fence = guard.fence();
        let mut write = redis::cmd("EVAL");
        write.arg(WRITE).arg(1).arg(format!("effect:{fire_time}")).arg(fence);
        let written: u32 = write.query_async(&mut self.effects).await.expect("the server is up");
        if written == 0 {
            return Ok("late".to_owned());
        }
        Ok(match guard.complete().await? {
            Released::Freed => format!("marked {fence}"),
            Released::NotOurs => "not ours".to_owned(),
        })
    }
}

async fn until(fire_time: u64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    sleep(Duration::from_millis(fire_time).saturating_sub(now)).await;
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, first, apart, ticks] = &arguments[..] else { panic!("when to fire? {arguments:?}") };
    let number = |text: &String| text.parse::<u64>().expect("a number");
    let client = Client::connect(url).await.expect("the server is up");
    let effects = redis::Client::open(url.as_str()).expect("a URL").get_multiplexed_async_connection().await;
    let mut scheduler = Scheduler { client, effects: effects.expect("the server is up") };
    for tick in 0..number(ticks) {
        let fire_time = number(first) + tick * number(apart);
        until(fire_time).await;
        match scheduler.tick(fire_time).await {
            Ok(outcome) => println!("tick {fire_time} {outcome}"),
            Err(error) if error.is_done() => println!("tick {fire_time} done"),
            Err(error) => println!("tick {fire_time} failed: {error}"),
        }
    }
    println!("over");
}
