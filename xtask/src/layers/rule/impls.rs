//! A type's methods are in one file; above it, a file may add what it makes of the type.
//!
//! In some crates a type has all its inherent methods in one file. In a folder of extensions another file than the
//! type's may have some, if they go by what the type offers: they touch no field of it, and make none field by field.
//! That the type's own file does not use them is told by the circle that they would make. Deliberately absent: `impl`s
//! of traits, of which each is its own affair.

use std::collections::BTreeMap;

use crate::layers::finding::Finding;
use crate::layers::source::impls::{Block, Impls};
use crate::layers::source::resolve::Place;
use crate::layers::source::tree::Tree;

/// Types in this folder whose inherent methods are in several files.
pub(crate) fn in_one_file(tree: &Tree, impls: &Impls, folder: &str) -> Vec<Finding> {
    let mut files: BTreeMap<&Place, Vec<&Block>> = BTreeMap::new();
    for block in impls.blocks.iter().filter(|block| tree.files[block.file].path.starts_with(folder)) {
        let blocks = files.entry(&block.of).or_default();
        if blocks.iter().all(|known| known.file != block.file) {
            blocks.push(block);
        }
    }
    files.into_iter().filter(|(_, blocks)| blocks.len() > 1).map(|(of, blocks)| scattered(tree, of, &blocks)).collect()
}

fn scattered(tree: &Tree, of: &Place, blocks: &[&Block]) -> Finding {
    let shown = |block: &&Block| format!("\n    {}:{}", tree.files[block.file].path.display(), block.line);
    let all: String = blocks.iter().map(shown).collect();
    let what = format!(
        "`{}` has methods in {} files; keep them in one, and make of the rest types or functions of their own:{all}",
        of.name,
        blocks.len()
    );
    Finding { path: tree.files[blocks[0].file].path.clone(), line: blocks[0].line, what }
}

/// Methods in this folder that are added to another file's type, and touch what is inside it.
pub(crate) fn extensions(tree: &Tree, impls: &Impls, folder: &str) -> Vec<Finding> {
    let added = impls.blocks.iter().filter(|block| {
        tree.files[block.file].path.starts_with(folder) && tree.modules[block.of.module].file != block.file
    });
    added.flat_map(|block| block.touches_fields.iter().map(move |&line| touched(tree, block, line))).collect()
}

fn touched(tree: &Tree, block: &Block, line: usize) -> Finding {
    let home = &tree.files[tree.modules[block.of.module].file].path;
    let what = format!(
        "a method that is added to `{name}` touches a field of it; move it to {}, or go by a method of `{name}`",
        home.display(),
        name = block.of.name
    );
    Finding { path: tree.files[block.file].path.clone(), line, what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::sample;

    const LIB: (&str, &str) = ("a/src/lib.rs", "mod low; mod high;");
    const TYPE: &str = "pub struct A { b: u8 } impl A { pub fn b(&self) -> u8 { self.b } }";

    fn high_is(high: &str) -> [(&'static str, String); 3] {
        [(LIB.0, LIB.1.to_owned()), ("a/src/low.rs", TYPE.to_owned()), ("a/src/high.rs", high.to_owned())]
    }

    fn scattered_in(high: &str) -> Vec<String> {
        let files = high_is(high);
        let sample = sample::of(&files.each_ref().map(|(path, text)| (*path, text.as_str())));
        in_one_file(&sample.tree, &sample.impls, "a/src").iter().map(ToString::to_string).collect()
    }

    fn touched_in(high: &str) -> Vec<String> {
        let files = high_is(high);
        let sample = sample::of(&files.each_ref().map(|(path, text)| (*path, text.as_str())));
        extensions(&sample.tree, &sample.impls, "a/src").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn methods_of_one_type_are_in_one_file() {
        let found = scattered_in("use crate::low::A;\nimpl A { fn c(&self) {} }");
        let [found] = &found[..] else { panic!("{found:?}") };
        assert!(found.starts_with("a/src/low.rs:1: `A` has methods in 2 files") && found.ends_with("a/src/high.rs:2"));
    }

    #[test]
    fn traits_tests_and_types_of_the_same_name_do_not_count() {
        assert_eq!(scattered_in("impl Drop for crate::low::A { fn drop(&mut self) {} }"), [""; 0]);
        assert_eq!(scattered_in("#[cfg(test)] impl crate::low::A { fn c(&self) {} }"), [""; 0]);
        assert_eq!(scattered_in("struct A; impl A { fn c(&self) {} } impl A { fn d(&self) {} }"), [""; 0]);
    }

    #[test]
    fn an_extension_goes_by_what_its_type_offers() {
        assert_eq!(touched_in("use crate::low::A; impl A { fn c(&self) -> u8 { self.b() } }"), [""; 0]);
        let found = touched_in("use crate::low::A;\nimpl A {\n fn c(&self) -> u8 { self.b }\n}");
        assert!(found[0].starts_with("a/src/high.rs:3: a method that is added to `A` touches a field"), "{found:?}");
        let found = touched_in("use crate::low::A; impl A { fn c() -> Self { Self { b: 1 } } }");
        assert_eq!(found.len(), 1);
        assert_eq!(touched_in("struct B { c: u8 } impl B { fn c(&self) -> u8 { self.c } }"), [""; 0]);
    }
}
