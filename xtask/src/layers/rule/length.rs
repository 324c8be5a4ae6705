//! No file is too long to be read at a sitting, tests included.
//!
//! Deliberately absent: what git ignores, which has a name that begins with a dot, or is called `target`.

use std::path::{Path, PathBuf};

use crate::layers::finding::Finding;

/// Rust files below this folder of more lines than that.
pub(crate) fn check(workspace: &Path, longest: usize) -> Result<Vec<Finding>, String> {
    let mut findings = Vec::new();
    for path in files(workspace)? {
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let relative = path.strip_prefix(workspace).unwrap_or(&path);
        findings.extend(judged(relative, &text, longest));
    }
    findings.sort();
    Ok(findings)
}

fn judged(path: &Path, text: &str, longest: usize) -> Option<Finding> {
    let lines = text.lines().count();
    let what = format!(
        "{lines} lines, and {longest} is the most; split it by what it answers, tests into a file of their own"
    );
    (lines > longest).then(|| Finding { path: path.to_owned(), line: longest + 1, what })
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error| format!("{}: {error}", folder.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, name) = (entry.path(), entry.file_name());
        let is_ignored = name == "target" || name.to_string_lossy().starts_with('.');
        if entry.file_type().map_err(failed)?.is_dir() {
            if !is_ignored {
                found.extend(files(&path)?);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_no_longer_than_the_longest() {
        assert_eq!(judged(Path::new("a.rs"), "1\n2\n3\n", 3), None);
        let found = judged(Path::new("a.rs"), "1\n2\n3\n4\n", 3).expect("it is too long");
        assert!(found.to_string().starts_with("a.rs:4: 4 lines, and 3 is the most; "), "{found}");
    }
}
