//! Every published fault of this field, as an input to the real program.
//!
//! A test's name says what must not happen again; the table in SECURITY.md says
//! which advisory it stands for, and [`table`] that none is without a test. Each
//! bound here is far below the heartbeat's 45 seconds, so that no ping time-out
//! can pass for an answer, and after each attack two honest people still chat.

mod floods;
mod http;
mod sessions;
mod socketio;
mod table;
mod tokens;
mod websocket;

use serde_json::json;
use tempfile::TempDir;

use crate::support::{Live, Person, Program};

/// The real program with two people in a chat.
struct Attacked {
    program: Program,
    ann: Person,
    ben: Person,
    chat: String,
    speaking: Live,
    listening: Live,
    _folder: TempDir,
}

impl Attacked {
    /// With the limits that it ships with.
    async fn start() -> Self {
        Self::with(&[]).await
    }

    async fn with(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options: Vec<&str> = ["--listen", "127.0.0.1:0"]
            .iter()
            .chain(options)
            .copied()
            .collect();
        let program = Program::serve(folder.path(), &options, &[]);
        let ann = Person::register(program.address, "Ann").await;
        let ben = Person::register(program.address, "Ben").await;
        let chat = ann.direct_chat(&ben).await;
        let (speaking, mut listening) = (ann.connect().await, ben.connect().await);
        let joined = listening.ask("join-chat", json!({ "chatId": chat })).await;
        assert_eq!(joined["success"], true, "{joined}");
        Self {
            program,
            ann,
            ben,
            chat,
            speaking,
            listening,
            _folder: folder,
        }
    }

    /// The resident memory of the program in bytes.
    fn memory(&self) -> u64 {
        self.program.memory("VmRSS:")
    }

    /// By how much that has grown. What hashing the passwords took may be given back meanwhile.
    fn grown(&self, before: u64) -> u64 {
        self.memory().saturating_sub(before)
    }

    /// The two were connected before the attack; they still chat after it.
    async fn assert_chatting(&mut self) {
        let message = json!({ "chatId": self.chat, "content": "Still here?" });
        let answer = self.speaking.ask("send-message", message).await;
        assert_eq!(answer["success"], true, "{answer}");
        let heard = self.listening.event("new-message").await;
        assert_eq!(heard["content"], "Still here?", "{heard}");
    }
}
