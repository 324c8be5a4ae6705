//! The names of this library's scripts, by the hashes under which they are called.
//!
//! A script is a file of `lock-runtime`, alone or behind the first of those that several share, so each of these has its
//! hash here. One that is made otherwise is called by the first digits of its hash.

use std::collections::HashMap;
use std::path::Path;

use crate::checkout;

const FOLDER: &str = "lock-runtime/src/store/redis/lua";
/// What stands before a script, in this order: none of these, or some from the first on.
const SHARED: [&str; 3] = ["fence", "queue", "sets"];
/// How many digits of a hash stand for a script without a name.
const DIGITS: usize = 8;

pub(crate) struct Names(HashMap<String, String>);

impl Names {
    /// Reads the scripts of this checkout.
    pub(crate) fn read() -> Self {
        let folder = checkout::root().join(FOLDER);
        let files = std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| lua(&entry.ok()?.path()));
        Self::of_files(&files.collect::<Vec<_>>())
    }

    pub(crate) fn of(&self, hash: &str) -> String {
        self.0.get(hash).cloned().unwrap_or_else(|| hash.chars().take(DIGITS).collect())
    }

    fn of_files(files: &[(String, String)]) -> Self {
        let hash = |text: &str| sha1_smol::Sha1::from(text).digest().to_string();
        let mut names = HashMap::new();
        let mut before = String::new();
        let shared = SHARED.iter().filter_map(|shared| files.iter().find(|(name, _)| name == shared));
        for next in shared.map(|(_, text)| text.as_str()).chain([""]) {
            names.extend(files.iter().map(|(name, text)| (hash(&format!("{before}{text}")), name.clone())));
            before.push_str(next);
        }
        Self(names)
    }
}

/// The name and the text of a script's file.
fn lua(file: &Path) -> Option<(String, String)> {
    let name = file.file_name()?.to_str()?.strip_suffix(".lua")?.to_owned();
    Some((name, std::fs::read_to_string(file).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_known_alone_and_behind_shared_ones() {
        let files = [("fence".to_owned(), "return".to_owned()), ("look".to_owned(), " 1".to_owned())];
        let names = Names::of_files(&files);
        // The hash that a server gives to `return 1`.
        assert_eq!(names.of("e0e1f9fabfc9d4800c877a703b823ac0578ff8db"), "look");
        assert_eq!(names.of("0123456789abcdef"), "01234567");
    }

    #[test]
    fn the_scripts_of_this_checkout_are_found() {
        let text =
            |name| std::fs::read_to_string(checkout::root().join(FOLDER).join(name)).expect("there is such a script");
        let names = Names::read();
        let name = |text: String| names.of(&sha1_smol::Sha1::from(text).digest().to_string());
        assert_eq!(name(text("renew.lua")), "renew");
        assert_eq!(name(text("fence.lua") + &text("repair.lua")), "repair");
        assert_eq!(name(text("fence.lua") + &text("queue.lua") + &text("sets.lua") + &text("look.lua")), "look");
    }
}
