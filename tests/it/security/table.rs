//! SECURITY.md names a test for every published fault, and every test here
//! stands in it.

use std::collections::BTreeSet;
use std::path::Path;

/// The faults that the table must have; a new one is added here first.
const PUBLISHED: &[&str] = &[
    "CVE-2017-16031",
    "CVE-2020-28481",
    "CVE-2020-36048",
    "CVE-2020-36049",
    "CVE-2022-21676",
    "CVE-2022-41940",
    "CVE-2023-31125",
    "CVE-2022-2421",
    "CVE-2023-32695",
    "CVE-2024-38355",
    "CVE-2026-33151",
    "CVE-2026-69185",
    "CVE-2026-59725",
    "CVE-2026-102599",
    "CVE-2026-102600",
    "CVE-2026-59724",
    "CVE-2016-10536",
    "CVE-2021-31597",
    "CVE-2019-13611",
    "CVE-2025-61765",
    "CVE-2026-48802",
    "CVE-2026-48809",
    "CVE-2026-48804",
    "GHSA-55mf-67qm-4wpg",
    "CVE-2016-10518",
    "CVE-2026-45736",
    "CVE-2016-10542",
    "GHSA-5v72-xg48-5rpm",
    "CVE-2021-32640",
    "CVE-2024-37890",
    "CVE-2026-48779",
    "CVE-2026-62389",
    "RUSTSEC-2023-0065",
    "RUSTSEC-2022-0035",
    "RUSTSEC-2020-0043",
    "CVE-2026-54490",
    "CVE-2026-42786",
    "CVE-2026-2454",
    "RUSTSEC-2021-0020",
    "RUSTSEC-2021-0078",
    "RUSTSEC-2021-0079",
    "RUSTSEC-2022-0022",
    "RUSTSEC-2022-0055",
    "RUSTSEC-2024-0003",
    "RUSTSEC-2024-0332",
    "RUSTSEC-2024-0363",
    "RUSTSEC-2023-0071",
    "CVE-2026-25537",
    "CVE-2015-9235",
    "CVE-2022-23539",
    "CVE-2022-23540",
    "CVE-2022-23541",
    "CVE-2025-65945",
    "CVE-2026-28514",
    "CVE-2021-22911",
    "CVE-2026-45689",
];

const MODULES: [&str; 6] = [
    "floods",
    "http",
    "sessions",
    "socketio",
    "tokens",
    "websocket",
];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{} is gone", path.display()))
}

/// The cells of every row of SECURITY.md's tables.
fn rows() -> Vec<Vec<String>> {
    let text = read("SECURITY.md");
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let cells = |row: &str| {
        row.trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    rows.map(cells).collect()
}

/// `module::name` of every test of these modules.
fn tests() -> BTreeSet<String> {
    let of = |module: &str| -> Vec<String> {
        let text = read(&format!("tests/it/security/{module}.rs"));
        let after = text.split("#[tokio::test]").skip(1);
        let name = |part: &str| Some(part.split("fn ").nth(1)?.split('(').next()?.to_owned());
        after
            .filter_map(name)
            .map(|name| format!("{module}::{name}"))
            .collect()
    };
    MODULES.iter().flat_map(|module| of(module)).collect()
}

#[test]
fn every_published_fault_has_a_row_with_a_test_or_a_reason() {
    let rows = rows();
    for fault in PUBLISHED {
        let row = rows.iter().find(|row| row[0] == *fault);
        let last = row
            .and_then(|row| row.last())
            .unwrap_or_else(|| panic!("no row for {fault}"));
        assert!(
            last.contains('`') || last.starts_with("none: "),
            "{fault}: {last}"
        );
    }
}

#[test]
fn the_tests_of_the_table_are_the_tests_that_there_are() {
    let named: BTreeSet<String> = rows()
        .iter()
        .filter_map(|row| row.last())
        .flat_map(|cell| {
            cell.split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .filter(|name| name.contains("::"))
        .collect();
    assert_eq!(named, tests());
}
