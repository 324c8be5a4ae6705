//! A server that answers as it is told: for versions and refusals that no server at hand has.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
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
        let mut words = Vec::new();
        for _ in 0..number(&mut stream).await? {
            let mut word = vec![0; number(&mut stream).await? + 2];
            stream.read_exact(&mut word).await?;
            word.truncate(word.len() - 2);
            words.push(String::from_utf8_lossy(&word).into_owned());
        }
        stream.write_all(answer(&words).as_bytes()).await?;
    }
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
async fn number(stream: &mut BufReader<TcpStream>) -> io::Result<usize> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    line.get(1..).and_then(|rest| rest.trim_end().parse().ok()).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}
