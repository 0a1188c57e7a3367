//! `parlance doctor`.

use std::net::TcpListener;
use std::path::Path;

use crate::support::Program;

fn examine(data_dir: &Path, options: &[&str]) -> (Option<i32>, String) {
    let options = [&["doctor"], options].concat();
    let output = Program::run(data_dir, &options, &[], "");
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), report)
}

#[test]
fn a_machine_on_which_all_is_well_gets_a_clean_report_and_nothing_is_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let (status, report) = examine(&data_dir, &["--listen", "127.0.0.1:0"]);
    assert_eq!(status, Some(0), "{report}");
    assert!(report.contains("good  port 127.0.0.1:0: free"), "{report}");
    assert!(
        report.contains("will be made at the first start"),
        "{report}"
    );
    assert!(!data_dir.exists());
}

#[test]
fn a_running_server_is_found_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = Program::serve(folder.path(), &["--listen", "127.0.0.1:0"], &[]);
    let (status, report) = examine(folder.path(), &["--listen", &program.address.to_string()]);
    assert_eq!(status, Some(0), "{report}");
    assert!(
        report.contains("a server answers there and is ready"),
        "{report}"
    );
    assert!(report.contains(": opens and answers"), "{report}");
    let left = std::fs::read_dir(folder.path()).expect("the folder");
    let names: Vec<_> = left
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert!(
        !names
            .iter()
            .any(|name| name.to_string_lossy().contains("doctor")),
        "{names:?}"
    );
    assert_eq!(program.end("-TERM").0, Some(0));
}

#[test]
fn a_port_that_somebody_else_has_is_bad() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let (status, report) = examine(&folder.path().join("data"), &["--listen", &address]);
    assert_eq!(status, Some(1), "{report}");
    assert!(
        report.contains(&format!("BAD   port {address}: ")),
        "{report}"
    );
}

#[test]
fn a_database_that_is_none_is_bad() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("broken.db");
    std::fs::write(
        &file,
        "this is no database, and long enough to be seen as such",
    )
    .expect("written");
    let url = format!("sqlite:{}", file.display());
    let (status, report) = examine(
        folder.path(),
        &["--listen", "127.0.0.1:0", "--database-url", &url],
    );
    assert_eq!(status, Some(1), "{report}");
    assert!(report.contains("BAD   cannot open the chat"), "{report}");
}

#[test]
fn wrong_settings_are_named_as_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let (status, _) = examine(folder.path(), &["--durability", "some"]);
    assert_eq!(status, Some(2));
}
