//! A server that answers as it is told: for versions and refusals that no server at hand has.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Starts one on the current runtime; gives its `host:port`. It answers each command's words.
pub(crate) async fn server(answer: fn(&[String]) -> String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound port").to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, answer));
        }
    });
    address
}

async fn serve(stream: TcpStream, answer: fn(&[String]) -> String) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let words = command(&mut stream).await?;
        stream.write_all(answer(&words).as_bytes()).await?;
    }
}

/// What becomes of a command that meets a proxy.
#[allow(dead_code)] // Not every test target has proxies.
pub(crate) enum Fate {
    Pass,
    /// The connection is closed.
    Cut,
    Answer(String),
}

/// Starts a proxy before a server's port of 127.0.0.1, on the current runtime; gives its `host:port`.
#[allow(dead_code)]
pub(crate) async fn proxy(server: u16, fate: impl Fn(&[String]) -> Fate + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound port").to_string();
    let fate = std::sync::Arc::new(fate);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let fate = std::sync::Arc::clone(&fate);
            tokio::spawn(async move {
                let server = TcpStream::connect(("127.0.0.1", server)).await?;
                stand_between(client, server, &*fate).await
            });
        }
    });
    address
}

/// Replies pass as they come; an answer of the proxy's own stands before those to later commands.
async fn stand_between(client: TcpStream, server: TcpStream, fate: impl Fn(&[String]) -> Fate) -> io::Result<()> {
    let ((from_client, to_client), (mut from_server, mut to_server)) = (client.into_split(), server.into_split());
    let to_client = std::sync::Arc::new(tokio::sync::Mutex::new(to_client));
    let replies = std::sync::Arc::clone(&to_client);
    let passing = tokio::spawn(async move {
        let mut buffer = vec![0; 4096];
        while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
            if replies.lock().await.write_all(&buffer[..length]).await.is_err() {
                break;
            }
        }
    });
    let mut from_client = BufReader::new(from_client);
    let outcome = async {
        loop {
            let words = command(&mut from_client).await?;
            match fate(&words) {
                Fate::Cut => return Ok(()),
                Fate::Answer(answer) => to_client.lock().await.write_all(answer.as_bytes()).await?,
                Fate::Pass => {
                    let mut text = format!("*{}\r\n", words.len());
                    text.extend(words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())));
                    to_server.write_all(text.as_bytes()).await?;
                }
            }
        }
    };
    let outcome = outcome.await;
    passing.abort();
    outcome
}

/// The words of the next command.
async fn command(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<String>> {
    let mut words = Vec::new();
    for _ in 0..number(stream).await? {
        let mut word = vec![0; number(stream).await? + 2];
        stream.read_exact(&mut word).await?;
        word.truncate(word.len() - 2);
        words.push(String::from_utf8_lossy(&word).into_owned());
    }
    Ok(words)
}

/// What a client has to hear to come in and to be granted every lock; what a test answers to the rest.
pub(crate) fn grants_every_lock(words: &[String], rest: impl FnOnce(&str) -> String) -> String {
    static FENCES: AtomicU64 = AtomicU64::new(1_700_000_000_000_000);
    match words[0].as_str() {
        "INFO" => "$19\r\nredis_version:7.2.0\r\n".to_owned(),
        "SET" => "+OK\r\n".to_owned(),
        "INCR" => format!(":{}\r\n", FENCES.fetch_add(1, Ordering::Relaxed)),
        "EVAL" if words[1].contains("Raises the fence counter") => "$16\r\n1700000000000000\r\n".to_owned(),
        // All that was sent, but for the text of a script.
        "EVAL" => rest(&[&words[..1], &words[2..]].concat().join(" ")),
        _ => rest(&words.join(" ")),
    }
}

/// The number of a line such as `*3` or `$12`.
async fn number(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<usize> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    line.get(1..).and_then(|rest| rest.trim_end().parse().ok()).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}
