//! A server for those who named none.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::Failure;
use crate::usage::USAGE;

/// A `redis-server` of our own, stopped when this is dropped.
pub(crate) struct OwnServer {
    child: Child,
    pub(crate) url: String,
}

impl OwnServer {
    pub(crate) fn start() -> Result<Self, Failure> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]).process_group(0);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().map_err(|error| {
            format!("redis-server cannot be started ({error}); install it, or give the URL of a server\n{USAGE}")
        })?;
        let server = Self { child, url: format!("redis://127.0.0.1:{port}") };
        for _ in 0..100 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err("redis-server was started, but does not answer".into())
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
