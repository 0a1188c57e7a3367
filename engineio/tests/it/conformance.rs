//! `CONFORMANCE.md` is complete, and every test that it names exists.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

const PAGE: &str = include_str!("../../CONFORMANCE.md");
/// Where the tests are that the page names, from the crate's folder.
const SOURCES: &[&str] = &["src", "tests", "../tests/js/raw", "../src"];
const TRAPS: u32 = 57;
/// Traps of the layer above: its tests are named after its own rules.
const ABOVE: [u32; 2] = [56, 57];
/// Sections beside that of the traps, and how many rules each has.
const SECTIONS: &[(&str, usize)] = &[
    ("Options", 23),
    ("Behaviours", 16),
    ("Answers", 15),
    ("The edge of HTTP", 13),
    ("The official protocol suite", 21),
    ("The official client's suite", 14),
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

/// The sources by the name of their file, without its endings; `main` is called as its folder, and the
/// tests of a module that have a folder are called as the module.
fn sources() -> HashMap<String, String> {
    let mut sources = HashMap::new();
    for start in SOURCES {
        let start = Path::new(env!("CARGO_MANIFEST_DIR")).join(start);
        for file in files(&start) {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let stem = name.split('.').next().unwrap_or_default();
            let mut folders = file.ancestors().skip(1).filter_map(Path::file_name);
            let (folder, above) = (folders.next(), folders.next());
            let stem = match (stem, folder) {
                ("main", Some(folder)) => folder.to_string_lossy().into_owned(),
                (_, Some(folder))
                    if folder == "tests" && above.is_some_and(|above| above == "session") =>
                {
                    "session".to_owned()
                }
                _ => stem.to_owned(),
            };
            let text = fs::read_to_string(&file).unwrap_or_default();
            sources
                .entry(stem)
                .or_insert_with(String::new)
                .push_str(&text);
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

/// Whether the sources have the test: a function of Rust, or the title (or a part of it) in a script.
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

/// Whether the name of a test says that it is about a trap: `trap_7_…`, `traps_3_to_7_…`.
fn is_about(test: &str, trap: u32) -> bool {
    let Some((_, rest)) = test.split_once("trap") else {
        return false;
    };
    let mut parts = rest
        .trim_start_matches('s')
        .trim_start_matches('_')
        .split('_');
    let number = |part: Option<&str>| part.and_then(|part| part.parse::<u32>().ok());
    let first = number(parts.next());
    match (first, parts.next(), number(parts.next())) {
        (Some(first), Some("to"), Some(last)) => (first..=last).contains(&trap),
        (Some(first), Some("and"), Some(second)) => first == trap || second == trap,
        (first, ..) => first == Some(trap),
    }
}

#[test]
fn every_trap_has_a_row_and_a_test_that_is_named_after_it() {
    let rows = rows("Traps");
    let numbers: Vec<u32> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    assert_eq!(numbers, (1..=TRAPS).collect::<Vec<_>>());
    for (row, trap) in rows.iter().zip(1..) {
        let tests = named(row[2]);
        let after_it = tests.iter().any(|(_, test)| is_about(test, trap));
        assert!(
            after_it || (ABOVE.contains(&trap) && !tests.is_empty()),
            "trap {trap}"
        );
    }
}

#[test]
fn every_rule_has_a_row_and_a_test() {
    for (section, count) in SECTIONS {
        let rows = rows(section);
        assert_eq!(rows.len(), *count, "{section}");
        for row in rows {
            assert!(!named(row[1]).is_empty(), "{section}: {}", row[0]);
        }
    }
}

#[test]
fn every_test_that_is_named_exists() {
    // The crate may be built without the repository around it.
    if !Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/js/raw")
        .exists()
    {
        return;
    }
    let sources = sources();
    let sections = SECTIONS.iter().map(|(section, _)| *section);
    let cells = std::iter::once("Traps")
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

#[test]
fn names_of_tests_are_understood() {
    assert!(is_about("trap_7_x", 7) && !is_about("trap_7_x", 8));
    assert!(is_about("traps_3_to_7_x", 5) && !is_about("traps_3_to_7_x", 2));
    assert!(is_about("traps_25_and_26_x", 26) && !is_about("traps_25_and_26_x", 24));
    assert!(!is_about("a_poll_x", 7));
}
