//! How does one write what others read at once, and go on reading it without another writer in between?
//!
//! ```sh
//! cargo run -p examples --example downgrade
//! cargo run -p examples --example downgrade redis://127.0.0.1:6379
//! ```
//!
//! Who renders a page holds the key alone; who sends it out holds it beside others. `downgrade` makes the one lock the
//! other in one step, so that what is sent out is what was rendered. Were it released and taken anew, the next one might
//! have rendered in between. There is no way back: two who wanted it would wait for each other.

use std::error::Error;
use std::sync::Mutex;
use std::time::Duration;

use lock_runtime::{Client, LockError, current, distributed_lock};
use tokio::sync::oneshot;
use tokio::time::sleep;

/// The number of the version, and its text.
#[derive(Default)]
struct Page(Mutex<(u32, String)>);

impl Page {
    fn text(&self) -> String {
        self.0.lock().expect("nobody panics").1.clone()
    }

    /// In two steps, between which others run.
    async fn render(&self) {
        let version = {
            let mut page = self.0.lock().expect("nobody panics");
            *page = (page.0 + 1, "half a page".to_owned());
            page.0
        };
        sleep(Duration::from_millis(5)).await;
        self.0.lock().expect("nobody panics").1 = format!("version {version}");
    }
}

/// Renders the page and says so, then sends it out while others do, until it is told to stop.
#[distributed_lock(key = "page", wait = "5s", client = client)]
async fn render_and_send(
    client: &Client,
    page: &Page,
    rendered: oneshot::Sender<()>,
    stop: oneshot::Receiver<()>,
) -> Result<[String; 2], LockError> {
    page.render().await; // nobody else is in here
    current().expect("inside the body there is a lease").downgrade().await?;
    let first = page.text(); // readers are, from now on
    let _ = rendered.send(());
    let _ = stop.await;
    Ok([first, page.text()])
}

#[distributed_lock(key = "page", mode = "shared", wait = "5s", client = client)]
async fn send(client: &Client, page: &Page) -> Result<String, LockError> {
    Ok(page.text())
}

/// By hand: a guard that is downgraded is the guard of a shared lock.
async fn render_by_hand(client: &Client, page: &Page) -> Result<String, LockError> {
    let writer = client.lock("page").wait(Duration::from_secs(5)).await?;
    page.render().await;
    let fence = writer.fence();
    let reader = writer.downgrade().await?;
    assert_eq!(reader.fence(), fence, "it is the same grant");
    let text = page.text();
    reader.release().await?;
    Ok(text)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory://downgrade".to_owned());
    // Two nodes, each with a client of its own, as in two processes.
    let (first, second) = (Client::connect(&url).await?, Client::connect(&url).await?);
    let page = Page::default();

    let ((is_rendered, rendered), (stop, stopped)) = (oneshot::channel(), oneshot::channel());
    let reading = async {
        let _ = rendered.await;
        let sent = send(&second, &page).await?;
        println!("beside the one that rendered it, another node sends {sent}");
        // A writer has to wait until all have ended.
        match second.lock("page").await {
            Err(LockError::Busy { .. }) => println!("and nobody renders meanwhile"),
            other => return Err(format!("somebody wrote what is being read: {other:?}").into()),
        }
        let _ = stop.send(());
        Ok::<String, Box<dyn Error>>(sent)
    };
    let rendering = async { Ok(render_and_send(&first, &page, is_rendered, stopped).await?) };
    let (own, sent) = tokio::try_join!(rendering, reading)?;
    println!("the one that rendered it sent {} all the while", own[0]);
    assert!(own.iter().all(|text| *text == sent) && sent == "version 1");

    // Two want to render: each sends out what is its own.
    let texts = tokio::try_join!(render_by_hand(&first, &page), render_by_hand(&second, &page))?;
    println!("by hand: {} and {}", texts.0, texts.1);
    assert_ne!(texts.0, texts.1);
    Ok(())
}
