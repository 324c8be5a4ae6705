//! All rules, put to the whole workspace, and what they say.
//!
//! Deliberately absent: mending anything.

use std::path::{Path, PathBuf};

use super::edge::uses::uses;
use super::finding::Finding;
use super::rule;
use super::source::impls::Impls;
use super::source::packages;
use super::source::read::read;
use super::source::tree::Root;
use super::table::{EXTENSIONS, KNOWS_NO_REDIS, LAYERS, LONGEST, ONE_IMPL, SPEAK_REDIS};
use crate::steps::root;

/// Checks all packages; with arguments only those, and tells of all that ties their circles.
pub(crate) fn layers(arguments: &[String]) -> Result<(), String> {
    let workspace = root();
    let packages = packages::roots()?;
    if let Some(unknown) = arguments.iter().find(|name| packages.iter().all(|package| package.package != **name)) {
        return Err(format!("there is no package `{unknown}`; `cargo xtask layers` checks all"));
    }
    let findings = found(&workspace, &packages, !arguments.is_empty())?;
    let is_asked_for = |finding: &Finding| {
        arguments.is_empty() || arguments.iter().any(|name| name == package_of(&finding.path, &packages))
    };
    let told: Vec<String> = findings.iter().filter(|finding| is_asked_for(finding)).map(ToString::to_string).collect();
    if told.is_empty() { Ok(()) } else { Err(told.join("\n")) }
}

fn found(workspace: &Path, roots: &[Root], every_step: bool) -> Result<Vec<Finding>, String> {
    let tree = read(roots, &|path: &Path| std::fs::read_to_string(workspace.join(path)).ok())?;
    let impls = Impls::of(&tree);
    let uses = uses(&tree, &impls);
    let mut findings: Vec<Finding> =
        LAYERS.iter().flat_map(|layers| rule::upward::check(&tree, &uses, layers)).collect();
    findings.extend(rule::circle::check(&tree, &uses, every_step));
    findings.extend(rule::impls::in_one_file(&tree, &impls, ONE_IMPL));
    findings.extend(rule::impls::extensions(&tree, &impls, EXTENSIONS));
    findings.extend(rule::redis::check(&tree, KNOWS_NO_REDIS, &SPEAK_REDIS));
    findings.extend(rule::length::check(workspace, LONGEST)?);
    Ok(findings)
}

/// The package whose folder a file lies in.
fn package_of<'a>(path: &Path, packages: &'a [Root]) -> &'a str {
    let folder = |path: &Path| path.components().next().map(|first| PathBuf::from(first.as_os_str()));
    packages.iter().find(|root| folder(&root.path) == folder(path)).map_or("", |root| root.package.as_str())
}
