//! Only the store that speaks to Redis names the crate `redis`, and the module that hands it to users.
//!
//! A module of that name may be named anywhere, and so may a feature. Tests count as well.

use std::path::Path;

use crate::layers::finding::Finding;
use crate::layers::source::mentions::{What, mentions};
use crate::layers::source::resolve::is_known;
use crate::layers::source::tree::{Module, Tree};

/// Names of the crate in `folder`, outside those of its files and folders that may speak of it.
pub(crate) fn check(tree: &Tree, folder: &str, may_speak: &[&str]) -> Vec<Finding> {
    let is_judged = |path: &Path| path.starts_with(folder) && !may_speak.iter().any(|may| path.starts_with(may));
    let modules = tree.modules.iter().enumerate();
    let judged = modules.filter(|(_, module)| is_judged(&tree.files[module.file].path));
    judged.flat_map(|(id, module)| named(tree, id, module, may_speak)).collect()
}

fn named(tree: &Tree, id: usize, module: &Module, may_speak: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for mention in mentions(module) {
        // A name alone is a variable's, unless it is imported.
        let (path, is_path) = match &mention.what {
            What::Path(path) => (path, path.len() > 1),
            What::Import(path) => (path, true),
            _ => continue,
        };
        let is_crate = match &path[..] {
            [start, name, ..] if start.is_empty() => name == "redis",
            [name, ..] => name == "redis" && is_path && !is_known(tree, id, name),
            [] => false,
        };
        if is_crate {
            let what = format!("the crate `redis` is named here; only {} may", may_speak.join(" and "));
            let path = tree.files[module.file].path.clone();
            findings.push(Finding { path, line: mention.line, what });
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::sample;

    fn of(files: &[(&str, &str)]) -> Vec<String> {
        let tree = sample::of(files).tree;
        check(&tree, "a", &["a/store/redis", "a/api.rs"]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_crate_is_named_where_it_may_be() {
        let files = |other: &'static str| {
            [
                ("a/lib.rs", "mod store; mod api; mod other;"),
                ("a/store/mod.rs", "pub mod redis;"),
                ("a/store/redis/mod.rs", "mod calls; use redis::Client;"),
                ("a/store/redis/calls.rs", "fn f() { redis::cmd(); }"),
                ("a/api.rs", "pub use ::redis;"),
                ("a/other.rs", other),
            ]
        };
        assert_eq!(of(&files("")), [""; 0]);
        for other in
            ["use redis::Client;", "use ::redis;", "use redis;", "use redis as r;", "fn f() { vec![::redis::cmd()]; }"]
        {
            let found = of(&files(other));
            let [found] = &found[..] else { panic!("{other}: {found:?}") };
            assert_eq!(found, "a/other.rs:1: the crate `redis` is named here; only a/store/redis and a/api.rs may");
        }
        let test = "#[cfg(test)] mod tests { fn f() -> redis::RedisResult<()> {} }";
        assert_eq!(of(&files(test)).len(), 1);
    }

    #[test]
    fn modules_and_features_of_that_name_are_not_the_crate() {
        let files = [
            ("a/lib.rs", "mod store; mod other; pub use store::redis; pub use self::redis::Client;"),
            ("a/store.rs", "pub mod redis;"),
            ("a/store/redis/mod.rs", "pub use redis::Client;"),
            ("a/other.rs", "#[cfg(feature = \"redis\")] use crate::store::redis::Client; fn redis() { redis(); }"),
        ];
        assert_eq!(of(&files), [""; 0]);
    }
}
