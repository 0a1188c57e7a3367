//! `CONFORMANCE.md` is complete, and every test that it names exists.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = include_str!("../CONFORMANCE.md");
const SOURCES: [&str; 2] = ["src/socketio", "tests/js"];

fn rows(section: &str) -> Vec<Vec<&'static str>> {
    let (_, rest) = PAGE
        .split_once(&format!("\n## {section}\n"))
        .expect("the section is there");
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

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| !path.ends_with("node_modules"))
        .flat_map(|path| match path.is_dir() {
            true => files(&path),
            false => vec![path],
        })
        .collect()
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

/// A function of Rust, or the title of a test in a script.
fn exists(sources: &HashMap<String, String>, file: &str, test: &str) -> bool {
    let is_function = test
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let needle = match is_function {
        true => format!("fn {test}("),
        false => test.to_owned(),
    };
    sources.get(file).is_some_and(|text| text.contains(&needle))
}

#[test]
fn every_rule_has_a_row_and_every_test_that_is_named_exists() {
    let sources = sources();
    for (section, numbers) in [
        ("Server surface", 1..=25),
        ("Recovery", 1..=9),
        ("Traps", 56..=91),
    ] {
        let rows = rows(section);
        let found: Vec<u32> = rows.iter().filter_map(|row| row[0].parse().ok()).collect();
        assert_eq!(found, numbers.collect::<Vec<_>>(), "{section}");
        for row in rows {
            let tests = named(row[2]);
            assert!(!tests.is_empty(), "{section} {}", row[0]);
            for (file, test) in tests {
                assert!(exists(&sources, file, test), "{file}::{test}");
            }
        }
    }
}
