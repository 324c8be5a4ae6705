//! A file uses its own layer and those below it.
//!
//! Deliberately absent: indexes and tests, which are no part of a layer.

use std::collections::BTreeSet;
use std::path::Path;

use crate::layers::edge::uses::Use;
use crate::layers::finding::Finding;
use crate::layers::source::tree::{File, Tree};
use crate::layers::table::Layers;

/// Files without a layer, and uses of a layer from below it or beside it.
pub(crate) fn check(tree: &Tree, uses: &[Use], layers: &Layers) -> Vec<Finding> {
    let of_crate = tree.files.iter().filter(|file| !file.is_index && !file.is_test);
    let homeless = of_crate.filter(|file| member(file, layers).is_some_and(|name| row(layers, name).is_none()));
    let mut findings: Vec<Finding> = homeless.map(|file| undeclared(file, layers)).collect();
    let mut told = BTreeSet::new();
    for step in uses {
        // Of a file that uses another in many places the first is told.
        if let Some(finding) = upward(tree, step, layers)
            && told.insert((step.from, step.to))
        {
            findings.push(finding);
        }
    }
    findings
}

fn undeclared(file: &File, layers: &Layers) -> Finding {
    let what = format!(
        "this is in no layer of {}; move it into a folder of one, or give it a row in xtask/src/layers/table.rs",
        layers.folder
    );
    Finding { path: file.path.clone(), line: 1, what }
}

fn upward(tree: &Tree, step: &Use, layers: &Layers) -> Option<Finding> {
    let (from, to) = (&tree.files[step.from], &tree.files[step.to]);
    let (lower, upper) = (member(from, layers)?, member(to, layers)?);
    let is_allowed = lower == upper || row(layers, lower)? > row(layers, upper)?;
    if is_allowed {
        return None;
    }
    let how = if row(layers, lower) == row(layers, upper) { "beside" } else { "above" };
    let what = format!(
        "{} of {}, and layer `{upper}` is {how} `{lower}`; move what both need into `{lower}` or below, or hand it in as an argument",
        step.what,
        to.path.display()
    );
    Some(Finding { path: from.path.clone(), line: step.line, what })
}

/// The file or folder of the layered folder that a file is or lies in; none for its index.
fn member<'a>(file: &'a File, layers: &Layers) -> Option<&'a str> {
    let inside = file.path.strip_prefix(layers.folder).ok()?;
    let first = Path::new(inside.components().next()?.as_os_str());
    first.file_stem()?.to_str().filter(|name| *name != "lib")
}

fn row(layers: &Layers, name: &str) -> Option<usize> {
    layers.rows.iter().position(|row| row.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::sample;

    const LAYERS: Layers = Layers { folder: "a/src", rows: &[&["low"], &["left", "right"], &["high"]] };

    fn of(files: &[(&str, &str)]) -> Vec<String> {
        let sample = sample::of(files);
        check(&sample.tree, &sample.uses, &LAYERS).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_lower_layer_does_not_use_an_upper_one() {
        let found = of(&[
            ("a/src/lib.rs", "mod low; mod high;"),
            ("a/src/low/mod.rs", "pub mod file;"),
            ("a/src/low/file.rs", "use crate::high::High;"),
            ("a/src/high.rs", "pub struct High;"),
        ]);
        let [found] = &found[..] else { panic!("{found:?}") };
        assert!(found.starts_with("a/src/low/file.rs:1: `High` of a/src/high.rs, and layer `high` is above `low`; "));
    }

    #[test]
    fn an_upper_layer_uses_a_lower_one() {
        let files = [
            ("a/src/lib.rs", "mod low; mod high;"),
            ("a/src/low.rs", "pub fn f() {}"),
            ("a/src/high.rs", "fn g() { crate::low::f(); }"),
        ];
        assert_eq!(of(&files), [""; 0]);
    }

    #[test]
    fn layers_of_one_row_do_not_use_each_other() {
        let files = [
            ("a/src/lib.rs", "mod left; mod right;"),
            ("a/src/left.rs", "fn f() { crate::right::f(); }"),
            ("a/src/right.rs", "pub fn f() {}"),
        ];
        assert!(of(&files)[0].contains("`right` is beside `left`"));
    }

    #[test]
    fn an_index_and_a_test_may_name_any_layer() {
        let files = [
            ("a/src/lib.rs", "mod low; mod high; pub use high::High;"),
            ("a/src/low.rs", "#[cfg(test)] mod tests { use crate::high::High; }"),
            ("a/src/high.rs", "pub struct High;"),
        ];
        assert_eq!(of(&files), [""; 0]);
    }

    #[test]
    fn a_file_without_a_layer_is_told_of() {
        let found = of(&[("a/src/lib.rs", "mod stray;"), ("a/src/stray.rs", "fn f() {}")]);
        assert!(found[0].starts_with("a/src/stray.rs:1: this is in no layer of a/src"));
    }
}
