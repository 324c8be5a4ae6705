//! The table in `tests/MATRIX.md` is complete, and what it names exists.

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// The rows of faults that concern one address; the numbers between them are of set-ups that the library has not yet.
/// Those behind them may have gaps.
const ROWS: [RangeInclusive<u32>; 11] =
    [1..=23, 25..=35, 37..=39, 41..=42, 44..=44, 46..=60, 62..=65, 68..=68, 70..=72, 82..=99, 141..=146];

/// A row of the table.
struct Row {
    number: u32,
    cells: Vec<String>,
}

fn rows() -> Vec<Row> {
    let table = fs::read_to_string(root().join("tests/MATRIX.md")).expect("the table is there");
    let row = |line: &str| {
        let cells: Vec<String> = line.strip_prefix('|')?.split('|').map(|cell| cell.trim().to_owned()).collect();
        Some(Row { number: cells[0].parse().ok()?, cells })
    };
    table.lines().filter_map(row).collect()
}

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is in a folder of the repository").to_owned()
}

/// What stands in backquotes and has the form of a file and a function in it.
fn tests_named(cell: &str) -> impl Iterator<Item = (&str, &str)> {
    cell.split('`').skip(1).step_by(2).filter_map(|code| code.split_once(".rs::"))
}

#[test]
fn every_row_is_there_once_in_order_with_its_fault_and_what_shows_it() {
    let rows = rows();
    let numbers: Vec<u32> = rows.iter().map(|row| row.number).collect();
    let of_old: Vec<_> = ROWS.into_iter().flatten().collect();
    assert!(numbers.starts_with(&of_old), "{numbers:?}");
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    for Row { number, cells } in rows {
        // Number, fault, what must be seen, what shows it, and the empty rest behind the last line.
        assert_eq!(cells.len(), 5, "row {number}");
        assert!(cells[1..4].iter().all(|cell| cell.len() > 10), "row {number}");
        let is_reason = cells[3].starts_with("does not apply: ");
        assert!(is_reason || tests_named(&cells[3]).next().is_some(), "row {number} is shown by nothing");
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let mut files = BTreeMap::new();
    for Row { number, cells } in rows() {
        for (file, test) in tests_named(&cells[3]) {
            let path = root().join(format!("{file}.rs"));
            let text = files.entry(path.clone()).or_insert_with(|| fs::read_to_string(&path).unwrap_or_default());
            assert!(text.contains(&format!("fn {test}(")), "row {number}: there is no {test} in {}", path.display());
        }
    }
}
