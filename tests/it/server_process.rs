//! The program from start to end: its line, its signals, what it keeps.

use http::Method;
use serde_json::{Value, json};

use crate::support::{PASSWORD, Program, request};

const ANY_PORT: [&str; 2] = ["--listen", "localhost:0"];

#[test]
fn signals_end_it_with_status_0_and_nothing_more_on_standard_output() {
    let folder = tempfile::tempdir().expect("a folder");
    for signal in ["-TERM", "-INT"] {
        let program = Program::serve(folder.path(), &ANY_PORT, &[]);
        assert!(program.address.ip().is_loopback());
        assert_eq!(program.end(signal), (Some(0), String::new()), "{signal}");
    }
}

#[tokio::test]
async fn accounts_and_tokens_outlive_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = Program::serve(folder.path(), &ANY_PORT, &[]);
    let body = json!({ "name": "Ann", "email": "ann@example.com", "password": PASSWORD });
    let path = "/api/auth/register";
    let answer = request(program.address, Method::POST, path, None, body).await;
    let data = answer.expect(201);
    let token = data["token"].as_str().expect("a token").to_owned();
    program.end("-TERM");

    let program = Program::serve(folder.path(), &ANY_PORT, &[]);
    let path = "/api/auth/profile";
    let profile = request(
        program.address,
        Method::GET,
        path,
        Some(&token),
        Value::Null,
    )
    .await;
    let profile = profile.expect(200);
    let user = if profile["user"].is_object() {
        &profile["user"]
    } else {
        &profile
    };
    assert_eq!(user["id"], data["user"]["id"]);
}

#[cfg(unix)]
#[test]
fn what_it_keeps_is_for_its_owner_only() {
    use std::os::unix::fs::MetadataExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("deep/data");
    drop(Program::serve(&data_dir, &ANY_PORT, &[]));
    let mode = |path: &std::path::Path| path.metadata().expect("made").mode() & 0o777;
    assert_eq!(mode(&data_dir), 0o700);
    assert_eq!(mode(&data_dir.join("jwt-secret")), 0o600);
    assert!(data_dir.join("parlance.db").is_file());
}

#[tokio::test]
async fn admins_are_made_from_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let create = |email: &str, role: &str, password: &str| {
        let options = [
            "user", "create", "--name", "Ada", "--email", email, "--role", role,
        ];
        Program::run(folder.path(), &options, &[], password)
    };
    let made = create("ada@example.com", "admin", &format!("{PASSWORD}\n"));
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    assert!(made.stdout.starts_with(b"created admin "), "{made:?}");
    for (email, role, password, status) in [
        ("ada@example.com", "admin", PASSWORD, 1),
        ("bob@example.com", "boss", PASSWORD, 2),
        ("bob@example.com", "admin", "short", 2),
        ("nobody", "admin", PASSWORD, 2),
    ] {
        let refused = create(email, role, password);
        assert_eq!(
            refused.status.code(),
            Some(status),
            "{email} {role}: {refused:?}"
        );
        assert!(!refused.stderr.is_empty());
    }

    let program = Program::serve(folder.path(), &ANY_PORT, &[]);
    let body = json!({ "email": "ada@example.com", "password": PASSWORD });
    let path = "/api/auth/login";
    let answer = request(program.address, Method::POST, path, None, body).await;
    assert_eq!(answer.expect(200)["user"]["role"], "admin");
}
