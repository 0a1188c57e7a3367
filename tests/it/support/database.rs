//! Which database the server of a test keeps its data in.

use std::path::Path;
use std::process::Command;

/// The PostgreSQL server that is used instead of SQLite.
const SERVER: &str = "PARLANCE_TEST_POSTGRES";

/// The URL that goes with a data folder; none means the file in it.
pub(crate) fn database_url(data_dir: &Path) -> Option<String> {
    let server = std::env::var(SERVER).ok()?;
    // The folder's own name is unique, and the same after a restart.
    let name = data_dir.to_string_lossy().to_lowercase();
    let name: String = name
        .chars()
        .rev()
        .filter(char::is_ascii_alphanumeric)
        .take(40)
        .collect();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres");
    let made = Command::new(script)
        .args(["schema", &server, &format!("t{name}")])
        .output()
        .expect("tests/postgres runs");
    assert!(made.status.success(), "{made:?}");
    let url = String::from_utf8(made.stdout).expect("a URL");
    Some(url.trim_end().to_owned())
}
