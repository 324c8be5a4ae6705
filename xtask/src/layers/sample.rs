//! Crates as text, for the tests of the rules.

use std::path::Path;

use crate::layers::edge::uses::{Use, uses};
use crate::layers::source::impls::Impls;
use crate::layers::source::read::read;
use crate::layers::source::tree::{Root, Tree};

pub(crate) struct Sample {
    pub(crate) tree: Tree,
    pub(crate) impls: Impls,
    pub(crate) uses: Vec<Use>,
}

/// The files of one or more crates; each file called `lib.rs` begins one, that is called after its folder.
pub(crate) fn of(files: &[(&str, &str)]) -> Sample {
    let text = |path: &Path| files.iter().find(|(name, _)| Path::new(name) == path).map(|(_, text)| (*text).to_owned());
    let libraries = files.iter().filter(|(name, _)| name.ends_with("/lib.rs"));
    let roots: Vec<Root> = libraries.map(|(name, _)| root(name)).collect();
    let tree = read(&roots, &text).unwrap_or_else(|error| panic!("{error}"));
    let impls = Impls::of(&tree);
    let uses = uses(&tree, &impls);
    Sample { tree, impls, uses }
}

fn root(path: &str) -> Root {
    let name = path.split('/').next().unwrap_or_default().to_owned();
    Root { package: name.clone(), name: Some(name), path: path.into() }
}
