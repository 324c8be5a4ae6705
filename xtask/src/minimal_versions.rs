//! `cargo xtask minimal-versions`: the lowest versions that our manifests allow of what we use resolve and build.
//!
//! What users build is resolved once more in a copy under `target/`, without the dependencies of tests, which would
//! raise the versions of others. Deliberately absent: the lowest versions of what our dependencies use; those are their
//! own affair.

use std::fs;
use std::path::Path;

use crate::steps::{cargo, root, run, say};
use crate::tools::{self, nightly_cargo};

/// What users build.
const PUBLISHED: [&str; 3] = ["lock-core", "lock-macros", "lock-runtime"];

/// Makes the copy, resolves it to the lowest versions, and checks it with every feature and with none.
pub(crate) fn minimal_versions(arguments: &[String]) -> Result<(), String> {
    tools::nightly("rustc")?;
    let copy = root().join("target/minimal-versions");
    copy_published(&copy).map_err(|error| format!("{} cannot be written: {error}", copy.display()))?;
    say("resolving to the lowest versions that are allowed");
    run(nightly_cargo(&["update", "-Z", "direct-minimal-versions"]).current_dir(&copy))?;
    for features in ["--all-features", "--no-default-features"] {
        run(cargo(&["check", "--locked", "--workspace", features]).args(arguments).current_dir(&copy))?;
    }
    Ok(())
}

/// A workspace of these packages alone, as they are here. What was built there before stays.
fn copy_published(copy: &Path) -> std::io::Result<()> {
    fs::create_dir_all(copy)?;
    let workspace = fs::read_to_string(root().join("Cargo.toml"))?;
    fs::write(copy.join("Cargo.toml"), published_alone(&workspace))?;
    for package in PUBLISHED {
        let (from, to) = (root().join(package), copy.join(package));
        fs::create_dir_all(&to)?;
        let manifest = fs::read_to_string(from.join("Cargo.toml"))?;
        fs::write(to.join("Cargo.toml"), without_table(&manifest, "dev-dependencies"))?;
        copy_folder(&from.join("src"), &to.join("src"))?;
    }
    fs::copy(root().join("README.md"), copy.join("README.md"))?;
    Ok(())
}

/// The workspace's manifest with these members alone.
fn published_alone(manifest: &str) -> String {
    let members = format!("members = {PUBLISHED:?}");
    let line = |line: &str| match line {
        line if line.starts_with("members = ") => members.clone(),
        line if line.starts_with("default-members = ") || line.starts_with("lock-tests = ") => String::new(),
        line => line.to_owned(),
    };
    manifest.lines().map(|text| line(text) + "\n").collect()
}

/// A manifest without one of its tables.
fn without_table(manifest: &str, name: &str) -> String {
    let mut is_in_it = false;
    let kept = manifest.lines().filter(|line| {
        if line.starts_with('[') {
            is_in_it = *line == format!("[{name}]");
        }
        !is_in_it
    });
    kept.map(|line| line.to_owned() + "\n").collect()
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_folder(&from, &to)?;
        } else {
            fs::copy(from, to)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_taken_out_and_the_others_stay() {
        let manifest = "[dependencies]\na = 1\n\n[dev-dependencies]\nb = 2\n# c\nd = 3\n[lints]\nworkspace = true\n";
        assert_eq!(without_table(manifest, "dev-dependencies"), "[dependencies]\na = 1\n\n[lints]\nworkspace = true\n");
    }

    #[test]
    fn the_workspace_has_what_is_published_alone() {
        let manifest = "[workspace]\nmembers = [\"lock-core\", \"tests\"]\ndefault-members = [\"tests\"]\n\
                        [workspace.dependencies]\nlock-tests = { path = \"tests\" }\nsyn = \"3\"\n";
        let alone = published_alone(manifest);
        assert!(alone.contains("members = [\"lock-core\", \"lock-macros\", \"lock-runtime\"]"), "{alone}");
        assert!(!alone.contains("tests") && alone.contains("syn = \"3\""), "{alone}");
    }
}
