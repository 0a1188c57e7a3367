//! `CONFORMANCE.md` is complete, and every test that it names exists.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = include_str!("../CONFORMANCE.md");
/// Where the tests are that the page names.
const SOURCES: [&str; 3] = ["src/socketio", "tests/js/raw", "tests/js/protocol"];
/// Sections whose rows are numbered as in the reference.
const NUMBERED: [(&str, std::ops::RangeInclusive<u32>); 3] = [
    ("Server surface", 1..=25),
    ("Recovery", 1..=9),
    ("Traps", 56..=91),
];
/// Sections beside those, and how many assertions each has.
const SECTIONS: [(&str, usize); 3] = [
    ("The official protocol suite", 11),
    ("The server of every basic feature", 11),
    ("The official client's suite", 16),
];

/// The rows of a section's table, cell by cell.
fn rows(section: &str) -> Vec<Vec<&'static str>> {
    let heading = format!("\n## {section}\n");
    let (_, rest) = PAGE.split_once(&heading).expect("the section is there");
    let section = rest.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

/// What is written as `file::test` in a cell.
fn named(cell: &str) -> Vec<(&str, &str)> {
    let quoted = cell.split('`').skip(1).step_by(2);
    quoted.filter_map(|name| name.split_once("::")).collect()
}

/// The sources by the name of their file, without its endings.
fn sources() -> HashMap<String, String> {
    let mut sources: HashMap<String, String> = HashMap::new();
    for start in SOURCES {
        for file in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(start)) {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let stem = name.split('.').next().unwrap_or_default().to_owned();
            let text = fs::read_to_string(&file).unwrap_or_default();
            sources.entry(stem).or_default().push_str(&text);
        }
    }
    sources
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| match entry.path() {
            path if path.is_dir() => files(&path),
            path => vec![path],
        })
        .collect()
}

/// Whether the sources have the test: a function, or the title (or a part of it) in a script.
fn exists(sources: &HashMap<String, String>, file: &str, test: &str) -> bool {
    let is_function = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let needle = match test.bytes().all(is_function) {
        true => format!("fn {test}("),
        false => test.to_owned(),
    };
    sources.get(file).is_some_and(|text| text.contains(&needle))
}

#[test]
fn every_number_has_a_row_with_a_test() {
    for (section, numbers) in NUMBERED {
        let rows = rows(section);
        let found: Vec<u32> = rows.iter().filter_map(|row| row[0].parse().ok()).collect();
        assert_eq!(found, numbers.collect::<Vec<_>>(), "{section}");
        for row in rows {
            assert!(!named(row[2]).is_empty(), "{section} {}", row[0]);
        }
    }
}

#[test]
fn every_assertion_has_a_row_with_a_test() {
    for (section, count) in SECTIONS {
        let rows = rows(section);
        assert_eq!(rows.len(), count, "{section}");
        for row in rows {
            assert!(!named(row[1]).is_empty(), "{section}: {}", row[0]);
        }
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let sources = sources();
    let sections = SECTIONS.iter().map(|(section, _)| *section);
    let numbered = NUMBERED.iter().map(|(section, _)| *section);
    let cells = numbered
        .chain(sections)
        .flat_map(rows)
        .filter_map(|row| row.last().copied());
    let missing: Vec<String> = cells
        .flat_map(named)
        .filter(|(file, test)| !exists(&sources, file, test))
        .map(|(file, test)| format!("{file}::{test}"))
        .collect();
    assert!(
        missing.is_empty(),
        "these do not exist:\n  {}",
        missing.join("\n  ")
    );
}
