//! What figures depend on and nobody chose: the machine and its server.

use lock_tests::Server;

/// One line of what was there.
pub(crate) type Fact = (&'static str, String);

pub(crate) fn facts(server: &Server) -> Vec<Fact> {
    let cores = std::thread::available_parallelism().map_or_else(|_| "unknown".to_owned(), |cores| cores.to_string());
    vec![
        ("processor", processor().unwrap_or_else(|| std::env::consts::ARCH.to_owned())),
        ("cores", cores),
        ("system", format!("{} {}", std::env::consts::OS, file("/proc/sys/kernel/osrelease"))),
        ("load before", file("/proc/loadavg")),
        ("server", format!("{:?} {}, loopback, nothing on disk", server.kind(), version(server))),
    ]
}

fn processor() -> Option<String> {
    let info = file("/proc/cpuinfo");
    let name = info.lines().find_map(|line| line.strip_prefix("model name"))?;
    Some(name.trim_start_matches([' ', '\t', ':']).to_owned())
}

/// What a file says; nothing where there is no such file.
fn file(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn version(server: &Server) -> String {
    let info: String = server.ask(&["INFO", "server"]);
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
    version.unwrap_or("of unknown version").to_owned()
}
