//! A Redis or a Valkey of the test's own: started, stopped, killed and started again.
//!
//! It listens on one port of the loopback address, keeps nothing on disk unless told to, and is gone with its value.
//! What it is asked for is in `ask`. Deliberately absent: set-ups of several servers; one of two is in `pair`.

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::kind::Kind;
use crate::port;
use crate::process::Process;
use crate::question;
use crate::temporary::TemporaryDir;
use crate::tls::Tls;

/// How long a server may take until it answers.
const START: Duration = Duration::from_secs(10);
/// How often another port is tried when somebody else was quicker to listen on it.
const PORTS: u32 = 8;
const LOG: &str = "log";
const SOCKET: &str = "socket";

/// A running server, killed when dropped.
#[derive(Debug)]
pub struct Server {
    // Before its place, so that the server is gone when its files are removed.
    process: Process,
    place: Place,
    settings: Builder,
}

/// Where a server lives, over restarts.
#[derive(Debug)]
struct Place {
    port: u16,
    tls: Option<Tls>,
    directory: TemporaryDir,
}

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct Builder {
    kind: Kind,
    arguments: Vec<String>,
    variables: Vec<(String, OsString)>,
    unix_socket: bool,
    tls: bool,
}

impl Builder {
    /// Adds a setting, `arg("--maxmemory", "1mb")`. It wins over the harness's own.
    #[must_use]
    pub fn arg(mut self, name: &str, value: &str) -> Self {
        self.arguments.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// Adds a variable to its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Makes it listen on a unix socket as well; see [`Server::unix_url`].
    #[must_use]
    pub fn unix_socket(mut self) -> Self {
        self.unix_socket = true;
        self
    }

    /// Makes it listen on a port with TLS as well; see [`Server::tls_url`].
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Starts it, and returns when it answers. Panics with the end of its log when it does not.
    pub fn start(self) -> Server {
        for _ in 0..PORTS {
            let place = Place::new(&self);
            let mut server = Server { process: self.spawn(&place), place, settings: self.clone() };
            if server.answers_in_time() {
                return server;
            }
            assert!(server.lost_the_race(), "{}", server.why_not());
        }
        panic!("somebody else was quicker on each of {PORTS} ports");
    }

    fn spawn(&self, place: &Place) -> Process {
        let log = File::create(place.file(LOG)).expect("a log file can be created in a directory of ours");
        let same_log = log.try_clone().expect("a file can be cloned");
        let mut command = self.command(place);
        command.stdin(Stdio::null()).stdout(log).stderr(same_log);
        Process::start(command).unwrap_or_else(|error| panic!("the {:?} server cannot be started: {error}", self.kind))
    }

    fn command(&self, place: &Place) -> Command {
        let mut command = Command::new(self.kind.expect_binary());
        command.args(["--bind", "127.0.0.1", "--port", &place.port.to_string(), "--save", "", "--appendonly", "no"]);
        command.args(["--enable-debug-command", "local", "--enable-protected-configs", "local"]);
        command.arg("--dir").arg(place.directory.path());
        if self.unix_socket {
            command.arg("--unixsocket").arg(place.file(SOCKET));
        }
        command.args(place.tls.iter().flat_map(Tls::arguments));
        command.args(&self.arguments).envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Place {
    fn new(settings: &Builder) -> Self {
        let directory = TemporaryDir::new("server");
        Self { port: port::free(), tls: settings.tls.then(|| Tls::new(&directory)), directory }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Server {
    /// A Redis with the harness's settings.
    pub fn redis() -> Self {
        Self::builder(Kind::Redis).start()
    }

    /// A Valkey with the harness's settings; `None`, after saying so, in a run that leaves Valkey out.
    pub fn valkey() -> Option<Self> {
        Self::of(Kind::Valkey)
    }

    /// A server of this kind; `None`, after saying so, in a run that leaves the kind out.
    pub fn of(kind: Kind) -> Option<Self> {
        (!kind.left_out()).then(|| Self::builder(kind).start())
    }

    /// For a server with other settings.
    pub fn builder(kind: Kind) -> Builder {
        Builder { kind, arguments: Vec::new(), variables: Vec::new(), unix_socket: false, tls: false }
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.settings.kind
    }

    /// The URL for a client.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }

    /// The URL for a client through the unix socket of [`Builder::unix_socket`].
    pub fn unix_url(&self) -> String {
        assert!(self.settings.unix_socket, "a server without a unix socket was asked for its URL");
        format!("redis+unix://{}", self.place.file(SOCKET).display())
    }

    /// The URL for a client through TLS, on the port of [`Builder::tls`].
    pub fn tls_url(&self) -> String {
        format!("rediss://127.0.0.1:{}", self.expect_tls().port)
    }

    /// The certificate, as PEM, of the authority that a client of [`Self::tls_url`] has to trust.
    pub fn tls_authority(&self) -> &str {
        &self.expect_tls().authority
    }

    /// Its port of 127.0.0.1, the same over restarts.
    pub fn port(&self) -> u16 {
        self.place.port
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Stops the process (SIGSTOP): connections stay open and are not answered. Returns when it stands still.
    pub fn stop(&self) {
        self.process.stop();
    }

    /// Lets a stopped process go on (SIGCONT).
    pub fn cont(&self) {
        self.process.cont();
    }

    /// Kills it (SIGKILL). The port refuses connections from then on, and what was not on disk is lost.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Kills it unless that was done, and starts it anew on the same port, with the same settings and directory. The
    /// data is back only if the settings put it on disk, as `arg("--appendonly", "yes")` does.
    pub fn restart(&mut self) {
        self.kill();
        let deadline = Instant::now() + START;
        loop {
            self.process = self.settings.spawn(&self.place);
            if self.answers_in_time() {
                return;
            }
            // Somebody's search for a free port may try this one just now; it lets go of it at once.
            assert!(self.lost_the_race() && Instant::now() < deadline, "{}", self.why_not());
        }
    }

    /// What it wrote to its log since it was last started.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.place.file(LOG)).unwrap_or_default()
    }

    /// Another one with the same settings, on a port of its own and with nothing in it.
    pub(crate) fn another(&self) -> Self {
        self.settings.clone().start()
    }

    /// Starts it with this setting from now on.
    pub(crate) fn keep_setting(&mut self, name: &str, value: &str) {
        self.settings.arguments.extend([format!("--{name}"), value.to_owned()]);
    }

    fn expect_tls(&self) -> &Tls {
        self.place.tls.as_ref().expect("only a server that was built with TLS is asked about it")
    }

    /// Tries until it answers, has ended, or took too long. There is no event for "listens from now on", so this
    /// polls, every two milliseconds.
    fn answers_in_time(&mut self) -> bool {
        let deadline = Instant::now() + START;
        while Instant::now() < deadline && self.process.ended().is_none() {
            if self.answers_as_itself() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        false
    }

    /// Whether it is our process that answers on the port, and not one that was quicker to listen on it, and whether it
    /// has read what is on its disk.
    fn answers_as_itself(&self) -> bool {
        let ours = format!("process_id:{}\r\n", self.pid());
        let info = question::ask::<String>(&self.url(), &["INFO"]);
        info.is_ok_and(|info| info.contains(&ours) && info.contains("\nloading:0\r\n"))
    }

    fn lost_the_race(&self) -> bool {
        self.log().contains("Address already in use")
    }

    fn why_not(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(30)..].join("\n");
        format!("the server did not answer on port {} within {START:?}; the end of its log:\n{tail}", self.port())
    }
}
