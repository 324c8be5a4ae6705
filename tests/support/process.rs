//! A child process: its signals, its end, and that it never outlives us.
//!
//! Signals go to the one process id that we started and have not yet waited for, so they cannot reach a stranger.
//! Deliberately absent: what the process is and what it says; see `server` and `worker`.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::{OnceLock, mpsc};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts a process that the kernel kills when we end, however we end (on Linux; elsewhere only by `drop`).
    pub(crate) fn start(command: Command) -> io::Result<Self> {
        let (reply, started) = mpsc::channel();
        let order = Order { command, reply };
        starter().send(order).expect("the starter thread should live as long as the process");
        let child = started.recv().expect("the starter thread should answer")?;
        Ok(Self { child })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its pipes, for those who asked for some.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Stops it (SIGSTOP), and returns when it really stands still.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
        let events = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(self.pid()), events).expect("a child of ours can be waited for");
    }

    /// Lets it go on (SIGCONT).
    pub(crate) fn cont(&self) {
        self.signal(Signal::CONT);
    }

    /// Asks it to end (SIGTERM).
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Kills it (SIGKILL), stopped or not, and returns when it is gone.
    pub(crate) fn kill(&mut self) -> ExitStatus {
        self.child.kill().expect("a child of ours can be killed");
        self.wait()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of ours can be waited for")
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("a child of ours can be waited for")
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("a child that was not waited for can be signalled");
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Order {
    command: Command,
    reply: mpsc::Sender<io::Result<Child>>,
}

/// The one thread that starts processes. The kernel kills a child when the *thread* that started it ends, and the
/// thread of a test ends before a server that tests share should; this one ends with the process.
fn starter() -> &'static mpsc::Sender<Order> {
    static STARTER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    STARTER.get_or_init(|| {
        let (orders, received) = mpsc::channel::<Order>();
        let start_all = move || {
            for Order { mut command, reply } in received {
                die_with_parent(&mut command);
                let _ = reply.send(command.spawn());
            }
        };
        std::thread::Builder::new().name("starter".into()).spawn(start_all).expect("a thread can be started");
        orders
    })
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn die_with_parent(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    let parent = rustix::process::getpid();
    let before_exec = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // A parent that ended before the line above sends no signal any more.
        let orphaned = rustix::process::getppid() != Some(parent);
        if orphaned { Err(io::ErrorKind::NotFound.into()) } else { Ok(()) }
    };
    // SAFETY: between fork and exec only async-signal-safe things may be done; these are two system calls, without
    // an allocation or a lock.
    unsafe { command.pre_exec(before_exec) };
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_: &mut Command) {}
