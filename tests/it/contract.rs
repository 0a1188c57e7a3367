//! Every clause of the contract has a test: the map in `tests/contract`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What stands for tests where a table only names its columns.
const HEAD: &str = "(the head of a table)";

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(ROOT).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The paragraphs, rows and points of the contract by number.
fn clauses() -> BTreeMap<String, String> {
    let mut clauses = Clauses::default();
    let mut code = false;
    for line in read("docs/CONTRACT.md").lines() {
        if line.starts_with("```") {
            code = !code;
            clauses.end();
        } else if let Some(title) = line.strip_prefix("## ") {
            clauses.end();
            let number = title.split('.').next().unwrap_or_default();
            (clauses.section, clauses.count) = (number.to_owned(), 0);
        } else if line.trim().is_empty() {
            clauses.end();
        } else if !line.starts_with("# ") && !line.starts_with("|---") {
            let row = code || line.starts_with("| ");
            if row || line.starts_with("- ") || is_point(line) {
                clauses.end();
            }
            clauses.lines.push(line.trim().to_owned());
            if row {
                clauses.end();
            }
        }
    }
    clauses.end();
    clauses.found
}

/// `1. ` and the like.
fn is_point(line: &str) -> bool {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < line.len() && rest.starts_with(". ")
}

#[derive(Default)]
struct Clauses {
    section: String,
    count: u32,
    lines: Vec<String>,
    found: BTreeMap<String, String>,
}

impl Clauses {
    fn end(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        self.count += 1;
        let section = if self.section.is_empty() {
            "0"
        } else {
            &self.section
        };
        let text = self.lines.join(" ");
        self.found.insert(format!("{section}.{}", self.count), text);
        self.lines.clear();
    }
}

/// FNV-1a, so that the map can be made without anything.
fn hash(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// Number, hash and tests of each clause in the map.
fn map() -> BTreeMap<String, (String, Vec<String>)> {
    let text = read("tests/contract/clauses.md");
    let entries = text.split("\n## ").skip(1).map(|entry| {
        let mut lines = entry.lines();
        let head = lines.next().unwrap_or_default();
        let (number, hash) = head.split_once(' ').expect("a number and a hash");
        let tests = lines.filter_map(|line| line.strip_prefix("- "));
        (
            number.to_owned(),
            (hash.to_owned(), tests.map(str::to_owned).collect()),
        )
    });
    entries.collect()
}

fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("node_modules") {
            files(&path, ending, found);
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
}

fn sources(folders: &[&str], ending: &str) -> String {
    let mut found = Vec::new();
    for folder in folders {
        files(&Path::new(ROOT).join(folder), ending, &mut found);
    }
    found.iter().map(read).collect()
}

#[test]
fn the_map_has_every_clause_as_it_is_now() {
    let map = map();
    for (number, text) in clauses() {
        let begin: String = text.chars().take(60).collect();
        let (known, tests) = map
            .get(&number)
            .unwrap_or_else(|| panic!("clause {number} is not in the map: {begin}"));
        let now = hash(&text);
        assert_eq!(*known, now, "clause {number} has changed: {begin}");
        assert!(!tests.is_empty(), "clause {number} has no test: {begin}");
    }
    assert_eq!(map.len(), clauses().len(), "the map has a clause too many");
}

/// Whether a test is among these sources.
fn has(rust: &str, javascript: &str, test: &str) -> bool {
    match test.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        true => rust.contains(&format!("fn {test}()")),
        false => javascript.contains(test),
    }
}

#[test]
fn every_clause_has_tests_that_exist_and_one_of_them_goes_over_the_port() {
    let all = sources(&["src", "tests/it", "engineio"], ".rs");
    let over_the_port = sources(&["tests/it"], ".rs");
    let javascript = sources(&["tests/js/chat", "tests/js/crash"], ".test.js");
    for (number, (_, tests)) in map() {
        for test in tests.iter().filter(|test| *test != HEAD) {
            assert!(
                has(&all, &javascript, test),
                "clause {number} names a test that is not there: {test}"
            );
        }
        let mut tests = tests.iter();
        assert!(
            tests.any(|test| test == HEAD || has(&over_the_port, &javascript, test)),
            "clause {number} is tested in process alone"
        );
    }
}
