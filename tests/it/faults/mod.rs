//! What happens when the disk, the database or the program itself fails.
//!
//! What was acknowledged stays, what was refused is not there, what was cut off
//! may be sent again, and all goes on when the fault is gone.

mod disk;
#[cfg(feature = "failpoints")]
mod failpoints;
mod order;
mod postgres;
mod rows;

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Answer, Person, Program};

const OPTIONS: [&str; 4] = ["--listen", "127.0.0.1:0", "--rate-limits", "off"];

/// Somebody who writes into a chat, and knows what must be in it.
struct Teller {
    person: Person,
    chat: String,
    acknowledged: Vec<String>,
}

impl Teller {
    async fn new(program: &Program) -> Self {
        let person = Person::register(program.address, "Ann").await;
        let other = Person::register(program.address, "Ben").await;
        let chat = person.direct_chat(&other).await;
        Self {
            person,
            chat,
            acknowledged: Vec::new(),
        }
    }

    /// The same at another server on the same data.
    #[cfg(feature = "failpoints")]
    fn at(self, program: &Program) -> Self {
        Self {
            person: self.person.at(program.address),
            ..self
        }
    }

    async fn send(&self, name: &str, content: &str) -> Answer {
        let path = format!("/api/chats/{}/messages", self.chat);
        let body = json!({ "content": content, "clientMsgId": name });
        self.person.post(&path, body).await
    }

    /// Sends; true when it is acknowledged, and false when storage is away.
    async fn try_send(&mut self, name: &str, content: &str) -> bool {
        let answer = self.send(name, content).await;
        if answer.status == StatusCode::SERVICE_UNAVAILABLE {
            assert_eq!(answer.refused(503), "unavailable");
            assert_eq!(answer.json()["error"]["retryable"], true);
            return false;
        }
        assert!(answer.status.is_success(), "{answer:?}");
        if !self.acknowledged.contains(&name.to_owned()) {
            self.acknowledged.push(name.to_owned());
        }
        true
    }

    /// Sends until it is acknowledged: the fault is gone.
    async fn insist(&mut self, name: &str) {
        crate::support::soon("an acknowledgement", async {
            while !self.try_send(name, "again").await {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// The chat has what was acknowledged, in that order, and nothing else.
    async fn check(&self) {
        let mut names = Vec::new();
        loop {
            let path = format!(
                "/api/chats/{}/messages?limit=100&after={}",
                self.chat,
                names.len()
            );
            let page = self.person.get(&path).await.expect(200);
            let messages = page["messages"].as_array().expect("messages").clone();
            for message in messages {
                assert_eq!(message["seq"], names.len() + 1);
                names.push(message["clientMsgId"].as_str().expect("a name").to_owned());
            }
            if page["hasMoreAfter"] == Value::Bool(false) {
                break;
            }
        }
        assert_eq!(names, self.acknowledged);
    }
}
