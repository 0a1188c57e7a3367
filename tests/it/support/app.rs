//! A server in this process, on a free port and a folder of its own.

use std::net::SocketAddr;

use clap::Parser as _;
use http::Method;
use parlance::app::{self, Running};
use parlance::config::Cli;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::live::Live;
use super::rest::{Answer, request};

/// Everybody's.
pub const PASSWORD: &str = "correct horse battery";

/// A running server; it and its folder go when the value does.
pub struct TestApp {
    pub address: SocketAddr,
    running: Option<Running>,
    folder: TempDir,
}

impl TestApp {
    /// With rate limits off, as most tests are faster than people.
    pub async fn start() -> Self {
        Self::with(&["--rate-limits=off"]).await
    }

    /// With these options of the command line.
    pub async fn with(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data_dir = format!("--data-dir={}", folder.path().display());
        let mut arguments = vec!["parlance", &data_dir];
        arguments.extend(options);
        if !options.iter().any(|option| option.starts_with("--listen")) {
            arguments.push("--listen=127.0.0.1:0");
        }
        let cli = Cli::try_parse_from(arguments).expect("known options");
        let settings = cli.serve.validate().expect("good settings");
        let running = app::start(settings).await.expect("a free port");
        Self {
            address: running.address(),
            running: Some(running),
            folder,
        }
    }

    /// The folder that everything is kept in.
    pub fn data_dir(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Ends it as SIGTERM would.
    pub async fn stop(&mut self) {
        self.running.take().expect("running").stop().await;
    }

    /// A request of nobody in particular.
    pub async fn anonymous(&self, method: Method, path: &str, body: Value) -> Answer {
        request(self.address, method, path, None, body).await
    }

    /// Somebody who has just registered.
    pub async fn person(&self, name: &str) -> Person {
        let email = format!("{}@example.com", name.to_lowercase().replace(' ', "."));
        let body = json!({ "name": name, "email": email, "password": PASSWORD });
        let answer = self
            .anonymous(Method::POST, "/api/auth/register", body)
            .await;
        let data = answer.expect(201);
        Person {
            address: self.address,
            id: text(&data["user"]["id"]),
            name: name.to_owned(),
            email,
            token: text(&data["token"]),
            refresh_token: text(&data["refreshToken"]),
        }
    }
}

/// Somebody who is logged in.
pub struct Person {
    address: SocketAddr,
    pub id: String,
    pub name: String,
    pub email: String,
    pub token: String,
    pub refresh_token: String,
}

impl Person {
    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, Value::Null).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, body).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, Value::Null).await
    }

    pub async fn call(&self, method: Method, path: &str, body: Value) -> Answer {
        request(self.address, method, path, Some(&self.token), body).await
    }

    /// A chat of the two; its id.
    pub async fn direct_chat(&self, other: &Person) -> String {
        let body = json!({ "participantIds": [other.id] });
        text(&self.post("/api/chats", body).await.expect(201)["id"])
    }

    /// A group with the others in it; its id.
    pub async fn group(&self, name: &str, others: &[&Person]) -> String {
        let ids: Vec<_> = others.iter().map(|other| &other.id).collect();
        let body = json!({ "isGroup": true, "name": name, "participantIds": ids });
        text(&self.post("/api/chats", body).await.expect(201)["id"])
    }

    /// A live connection in their name.
    pub async fn connect(&self) -> Live {
        let mut live = Live::open(self.address).await;
        live.join(&json!({ "token": self.token }))
            .await
            .expect("let in");
        live
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}
