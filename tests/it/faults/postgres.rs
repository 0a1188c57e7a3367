//! A PostgreSQL server that ends connections, stops, and comes back.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use super::*;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres");

/// A server of this test alone, which it may stop.
struct Server {
    folder: tempfile::TempDir,
    url: String,
}

impl Server {
    /// None where the tests do not run on PostgreSQL.
    fn start() -> Option<Self> {
        std::env::var_os("PARLANCE_TEST_POSTGRES")?;
        let folder = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp");
        let folder = folder.expect("a folder");
        // It may belong to another user.
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).expect("allowed");
        let url = run(&["start", text(&folder.path().join("pg"))]);
        Some(Self { folder, url })
    }

    fn stop(&self) {
        run(&["stop", text(&self.folder.path().join("pg")), "immediate"]);
    }

    fn start_again(&self) {
        run(&["start", text(&self.folder.path().join("pg"))]);
    }

    fn end_connections(&self) {
        let psql = format!("{}/psql", run(&["find"]));
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE application_name = 'parlance'";
        let done = Command::new(psql).args([&self.url, "-c", sql]).output();
        assert!(done.expect("psql runs").status.success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pg = self.folder.path().join("pg");
        let _ = Command::new(SCRIPT)
            .args(["stop", text(&pg), "immediate"])
            .output();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn run(arguments: &[&str]) -> String {
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

#[tokio::test]
async fn a_server_that_goes_away_and_comes_back_loses_nothing() {
    let Some(server) = Server::start() else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let program = Program::serve(folder.path(), &OPTIONS, &[("DATABASE_URL", &server.url)]);
    let mut teller = Teller::new(&program).await;
    assert!(teller.try_send("first", "x").await);

    server.end_connections();
    teller.insist("after-the-connections-ended").await;
    teller.check().await;

    server.stop();
    assert!(!teller.try_send("while-it-is-away", "x").await);
    let ready = crate::support::request(
        program.address,
        http::Method::GET,
        "/readyz",
        None,
        Value::Null,
    )
    .await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    server.start_again();
    teller.insist("it-is-back").await;
    teller.check().await;
}
