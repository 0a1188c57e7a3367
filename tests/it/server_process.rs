//! The program from start to end: its line, its signals, what it keeps.

use http::Method;
use serde_json::json;

use crate::support::{PASSWORD, Person, Program, database_url, request};

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
async fn a_restart_keeps_accounts_tokens_and_messages_and_seq_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = Program::serve(folder.path(), &ANY_PORT, &[]);
    let ann = Person::register(program.address, "Ann").await;
    let ben = Person::register(program.address, "Ben").await;
    let chat = ann.direct_chat(&ben).await;
    let path = format!("/api/chats/{chat}/messages");
    let say = json!({ "content": "Before" });
    assert_eq!(ann.post(&path, say).await.expect(201)["seq"], 1);
    assert_eq!(program.end("-TERM").0, Some(0));

    let program = Program::serve(folder.path(), &ANY_PORT, &[]);
    let (ann, ben) = (ann.at(program.address), ben.at(program.address));
    let history = ben.get(&path).await.expect(200);
    assert_eq!(history["messages"][0]["content"], "Before");
    let say = json!({ "content": "After" });
    assert_eq!(ann.post(&path, say).await.expect(201)["seq"], 2);
}

#[tokio::test]
async fn a_kill_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = Program::serve(folder.path(), &ANY_PORT, &[]);
    let ann = Person::register(program.address, "Ann").await;
    let ben = Person::register(program.address, "Ben").await;
    let chat = ann.direct_chat(&ben).await;
    let mut live = ann.connect().await;
    for number in 1..=20 {
        let message = json!({ "chatId": chat, "content": format!("{number}") });
        assert_eq!(live.ask("send-message", message).await["success"], true);
    }
    program.end("-KILL");

    let program = Program::serve(folder.path(), &ANY_PORT, &[]);
    let ben = ben.at(program.address);
    let history = ben.get(&format!("/api/chats/{chat}/messages")).await;
    let history = history.expect(200);
    let seqs = history["messages"].as_array().expect("messages").iter();
    assert!(
        seqs.map(|message| message["seq"].as_u64())
            .eq((1..=20).map(Some))
    );
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
    let elsewhere = database_url(&data_dir).is_some();
    assert!(elsewhere || data_dir.join("parlance.db").is_file());
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
