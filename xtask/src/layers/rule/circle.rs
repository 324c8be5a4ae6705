//! No two files use each other, directly or in a ring.
//!
//! Deliberately absent: a way to excuse one.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use crate::layers::edge::circles::{Knot, knots};
use crate::layers::edge::uses::Use;
use crate::layers::finding::Finding;
use crate::layers::source::tree::Tree;

/// One finding for each knot, which tells of its pairs or, where it has none, of its shortest ring; with `every_step`
/// of all that ties it.
pub(crate) fn check(tree: &Tree, uses: &[Use], every_step: bool) -> Vec<Finding> {
    knots(uses).iter().map(|knot| told(tree, knot, every_step)).collect()
}

fn told(tree: &Tree, knot: &Knot, every_step: bool) -> Finding {
    let steps = if every_step { knot.steps.clone() } else { loosest(knot) };
    let mut what = match knot.files.len() {
        2 => "this file and another use each other".to_owned(),
        files => format!("this file is in a knot of {files} that use each other in circles"),
    };
    what.push_str("; put what both of two need into a file below them:");
    for step in &steps {
        let (from, to) = (&tree.files[step.from].path, &tree.files[step.to].path);
        let _ = write!(what, "\n    {}:{} uses {} of {}", from.display(), step.line, step.what, to.display());
    }
    if steps.len() < knot.steps.len() {
        let files: Vec<String> = knot.files.iter().map(|&file| tree.files[file].path.display().to_string()).collect();
        let _ = write!(what, "\n    and more among {}", files.join(", "));
    }
    let (path, line) =
        steps.first().map_or((PathBuf::new(), 1), |step| (tree.files[step.from].path.clone(), step.line));
    Finding { path, line, what }
}

/// The pairs that use each other, else the shortest ring.
fn loosest(knot: &Knot) -> Vec<Use> {
    let known: BTreeSet<_> = knot.steps.iter().map(|step| (step.from, step.to)).collect();
    let mut pairs: Vec<Use> = knot.steps.iter().filter(|step| known.contains(&(step.to, step.from))).cloned().collect();
    pairs.sort_by_key(|step| (step.from.min(step.to), step.from.max(step.to), step.from));
    if pairs.is_empty() { knot.ring.clone() } else { pairs }
}

#[cfg(test)]
mod tests;
