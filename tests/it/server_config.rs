//! The command line and the environment.

use std::process::Output;

use crate::support::Program;

fn run(options: &[&str], environment: &[(&str, &str)]) -> (Output, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Program::run(&folder.path().join("data"), options, environment, "");
    (output, folder)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn wrong_settings_are_named_all_at_once_and_nothing_is_started() {
    let environment = [
        ("PORT", "80a"),
        ("PARLANCE_RATE_LIMITS", "few"),
        ("JWT_SECRET", "hunter2"),
    ];
    let (output, folder) = run(&["--durability", "some"], &environment);
    assert_eq!(output.status.code(), Some(2));
    let complaint = text(&output.stderr);
    assert_eq!(complaint.lines().count(), 4, "{complaint}");
    for setting in [
        "PORT",
        "--durability",
        "--jwt-secret (JWT_SECRET)",
        "--rate-limits",
    ] {
        assert!(
            complaint.contains(&format!("error: {setting}")),
            "{setting}: {complaint}"
        );
    }
    assert!(!complaint.contains("hunter2"), "{complaint}");
    assert!(output.stdout.is_empty());
    assert!(!folder.path().join("data").exists());
}

#[test]
fn a_database_that_does_not_answer_is_named_without_its_password() {
    let url = "postgres://me:hunter2@127.0.0.1:1/chat";
    let (output, _folder) = run(&[], &[("DATABASE_URL", url)]);
    assert_eq!(output.status.code(), Some(1));
    let complaint = text(&output.stderr);
    assert!(
        complaint.contains("postgres://127.0.0.1:1/chat"),
        "{complaint}"
    );
    assert!(!complaint.contains("hunter2"), "{complaint}");
}

#[test]
fn a_database_of_another_kind_is_refused_clearly() {
    let (output, _folder) = run(
        &[],
        &[("DATABASE_URL", "mysql://me:hunter2@localhost/chat")],
    );
    assert_eq!(output.status.code(), Some(2));
    let complaint = text(&output.stderr);
    assert!(complaint.contains("error: --database-url"), "{complaint}");
    assert!(!complaint.contains("hunter2"), "{complaint}");
}

#[test]
fn an_unknown_option_is_named() {
    let (output, _folder) = run(&["--lisen", "localhost:1"], &[]);
    assert_eq!(output.status.code(), Some(2));
    let complaint = text(&output.stderr);
    assert!(
        complaint.contains("'--lisen'") && complaint.contains("--listen"),
        "{complaint}"
    );
}

#[test]
fn checking_prints_what_would_be_used_and_opens_nothing() {
    let secret = "0123456789abcdef0123456789abcdef";
    let options = ["serve", "--check-config", "--jwt-secret", secret];
    let (output, folder) = run(&options, &[("PORT", "8080")]);
    assert_eq!(output.status.code(), Some(0));
    let settings = text(&output.stdout);
    assert!(settings.contains("localhost:8080\n"), "{settings}");
    assert!(
        settings.contains("********") && !settings.contains(secret),
        "{settings}"
    );
    assert!(!folder.path().join("data").exists());
}

#[test]
fn help_names_every_option_and_shows_no_secret_of_the_environment() {
    let (output, _folder) = run(&["--help"], &[("JWT_SECRET", "hunter2")]);
    let help = text(&output.stdout);
    for option in [
        "--listen",
        "--data-dir",
        "--database-url",
        "--jwt-secret",
        "--rate-limits",
        "--durability",
        "--host-jwt-secret",
        "--host-jwt-pem",
        "--host-jwt-jwks",
        "--host-jwt-alg",
        "--host-jwt-issuer",
        "--host-jwt-audience",
        "--check-config",
    ] {
        assert!(help.contains(option), "{option}");
    }
    assert!(!help.contains("hunter2"));
}

#[test]
fn a_data_folder_that_cannot_be_made_is_named_by_its_option() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("written");
    let output = Program::run(&file.join("data"), &["--listen", "localhost:0"], &[], "");
    assert_eq!(output.status.code(), Some(2));
    let complaint = text(&output.stderr);
    assert!(
        complaint.starts_with("error: --data-dir (PARLANCE_DATA_DIR): "),
        "{complaint}"
    );
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    assert!(output.stdout.is_empty());
}

#[test]
fn flags_win_over_the_environment_and_the_environment_over_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("parlance.toml");
    let settings = "listen = \"[::1]:1\"\nlog = \"debug\"\nregistration = \"closed\"\n";
    std::fs::write(&file, settings).expect("written");
    let environment = [
        ("PARLANCE_CONFIG", file.to_str().expect("text")),
        ("PARLANCE_LISTEN", "[::1]:2"),
        ("PARLANCE_LOG", "trace"),
    ];
    let (output, _folder) = run(&["--check-config", "--listen", "[::1]:3"], &environment);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let settings = text(&output.stdout);
    for value in ["[::1]:3\n", "trace\n", "closed\n"] {
        assert!(settings.contains(value), "{settings}");
    }
}

#[test]
fn a_taken_port_is_a_failure_that_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let (output, folder) = run(&["--listen", &address], &[]);
    assert_eq!(output.status.code(), Some(1));
    let complaint = text(&output.stderr);
    let said = format!("error: --listen (PARLANCE_LISTEN): cannot listen on {address}: another");
    assert!(complaint.starts_with(&said), "{complaint}");
    assert!(!folder.path().join("data").exists());
}
