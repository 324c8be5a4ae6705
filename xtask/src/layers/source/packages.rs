//! Which crates the workspace has, and where each begins: cargo knows.
//!
//! Deliberately absent: tests and benches, whose files owe nothing to each other; and what is no part of the workspace.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::tree::Root;
use crate::steps::{cargo, root};

/// The libraries, programs and examples.
pub(crate) fn roots() -> Result<Vec<Root>, String> {
    let mut metadata = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let said = metadata.output().map_err(|error| format!("`cargo metadata` could not be started: {error}"))?;
    if !said.status.success() {
        return Err(format!("`cargo metadata` failed: {}", String::from_utf8_lossy(&said.stderr)));
    }
    let said =
        serde_json::from_slice(&said.stdout).map_err(|error| format!("`cargo metadata` is not JSON: {error}"))?;
    let roots = listed(&said, &root());
    if roots.is_empty() { Err("`cargo metadata` names no crate".to_owned()) } else { Ok(roots) }
}

fn listed(metadata: &Value, workspace: &Path) -> Vec<Root> {
    let packages = array(&metadata["packages"]);
    let roots = packages.flat_map(|package| array(&package["targets"]).filter_map(|target| of(package, target)));
    let relative = |path: PathBuf| path.strip_prefix(workspace).map_or_else(|_| path.clone(), Path::to_owned);
    roots.map(|root| Root { path: relative(root.path), ..root }).collect()
}

fn of(package: &Value, target: &Value) -> Option<Root> {
    let is =
        |kinds: &[&str]| array(&target["kind"]).any(|kind| kind.as_str().is_some_and(|kind| kinds.contains(&kind)));
    let is_library = is(&["lib", "proc-macro"]);
    if !is_library && !is(&["bin", "example"]) {
        return None;
    }
    Some(Root {
        package: package["name"].as_str()?.to_owned(),
        name: target["name"].as_str().filter(|_| is_library).map(|name| name.replace('-', "_")),
        path: target["src_path"].as_str()?.into(),
    })
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_programs_are_listed_and_tests_are_not() {
        let metadata = serde_json::json!({ "packages": [{ "name": "lock-a", "targets": [
            { "name": "lock_a", "kind": ["lib"], "src_path": "/w/a/src/lib.rs" },
            { "name": "worker", "kind": ["bin"], "src_path": "/w/a/src/main.rs" },
            { "name": "all", "kind": ["test"], "src_path": "/w/a/tests/all.rs" },
        ] }] });
        let found: Vec<_> = listed(&metadata, Path::new("/w")).into_iter().map(|root| (root.name, root.path)).collect();
        assert_eq!(found, [(Some("lock_a".into()), "a/src/lib.rs".into()), (None, "a/src/main.rs".into())]);
    }
}
