//! A PostgreSQL server of one test alone.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres");

/// It may be stopped and started again; it goes with the value.
pub(crate) struct PostgresServer {
    folder: tempfile::TempDir,
    /// By its socket.
    pub(crate) url: String,
}

impl PostgresServer {
    /// A folder for a server; none where the tests do not run on PostgreSQL.
    pub(crate) fn folder() -> Option<tempfile::TempDir> {
        std::env::var_os("PARLANCE_TEST_POSTGRES")?;
        let folder = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp");
        let folder = folder.expect("a folder");
        // It may belong to another user.
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).expect("allowed");
        Some(folder)
    }

    /// A server in it, with settings of its own (`name=value`).
    pub(crate) fn start(folder: tempfile::TempDir, settings: &[&str]) -> Self {
        let place = cluster(folder.path());
        let arguments = ["start", text(&place)];
        let url = run(arguments.iter().chain(settings).copied());
        Self { folder, url }
    }

    /// Ends it as a crash would.
    pub(crate) fn stop(&self) {
        run(["stop", text(&cluster(self.folder.path())), "immediate"]);
    }

    pub(crate) fn start_again(&self) {
        run(["start", text(&cluster(self.folder.path()))]);
    }

    /// Cuts every connection of the program.
    pub(crate) fn end_connections(&self) {
        self.ask(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE application_name = 'parlance'",
        );
    }

    /// The answer to a question, as bare text.
    pub(crate) fn ask(&self, sql: &str) -> String {
        let psql = format!("{}/psql", run(["find"]));
        let options = [
            "--no-psqlrc",
            "--tuples-only",
            "--no-align",
            "--command",
            sql,
        ];
        let done = Command::new(psql).args(options).arg(&self.url).output();
        let done = done.expect("psql runs");
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout)
            .expect("text")
            .trim_end()
            .to_owned()
    }

    /// What it has logged by now.
    pub(crate) fn log(&self) -> String {
        let file = cluster(self.folder.path()).join("log");
        String::from_utf8_lossy(&std::fs::read(file).expect("a log")).into_owned()
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        let _ = Command::new(SCRIPT)
            .args(["stop", text(&cluster(self.folder.path())), "immediate"])
            .output();
    }
}

fn cluster(folder: &Path) -> PathBuf {
    folder.join("pg")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn run<'a>(arguments: impl IntoIterator<Item = &'a str>) -> String {
    let done = Command::new(SCRIPT)
        .args(arguments)
        .output()
        .expect("it runs");
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout)
        .expect("text")
        .trim_end()
        .to_owned()
}
