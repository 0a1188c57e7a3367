//! What every engine must do. The tests run on SQLite, or on the PostgreSQL
//! server that `PARLANCE_TEST_POSTGRES` names.

mod contract;
mod plans;
mod pragmas;
mod writer;

use std::any::Any;
use std::path::Path;

use secrecy::SecretString;
use sqlx::Connection as _;

use super::*;
use crate::chat::domain::{ChatId, MessageId, Role, UserId};
use crate::chat::storage::values::NewPerson;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// The server that tests use instead of SQLite.
pub(in crate::chat) const SERVER: &str = "PARLANCE_TEST_POSTGRES";

/// An empty database: a file in the directory, or a schema of its own.
pub(in crate::chat) async fn empty_database(directory: &Path) -> SecretString {
    let Ok(server) = std::env::var(SERVER) else {
        return format!("sqlite:{}", directory.join("chat.db").display()).into();
    };
    let mut connection = sqlx::PgConnection::connect(&server)
        .await
        .expect("the server of the tests answers");
    let schema = format!("t{}", uuid::Uuid::now_v7().simple());
    let create = format!("CREATE SCHEMA {schema}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create))
        .execute(&mut connection)
        .await
        .expect("a new schema");
    let separator = if server.contains('?') { '&' } else { '?' };
    format!("{server}{separator}options[search_path]={schema}").into()
}

thread_local! {
    static COUNTED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// A statement of one of the traits is run.
pub(in crate::chat) fn count() {
    COUNTED.set(COUNTED.get() + 1);
}

/// How many statements `work` runs; a test's own runtime has one thread.
pub(in crate::chat) async fn counted<F: Future>(work: F) -> (F::Output, u64) {
    let before = COUNTED.get();
    let output = work.await;
    (output, COUNTED.get() - before)
}

/// Keeps everybody else from writing until it is dropped.
pub(in crate::chat) async fn lock_everything(url: &SecretString) -> Box<dyn Any + Send> {
    let url = url.expose_secret();
    if let Some(path) = url.strip_prefix("sqlite:") {
        let options = sqlite::options(path.as_ref(), crate::chat::Durability::Full);
        let mut connection = sqlx::ConnectOptions::connect(&options)
            .await
            .expect("opens");
        let locked = sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut connection);
        locked.await.expect("locks");
        return Box::new(connection);
    }
    let mut connection = sqlx::PgConnection::connect(url).await.expect("opens");
    let locked = sqlx::raw_sql("BEGIN; LOCK TABLE chats").execute(&mut connection);
    locked.await.expect("locks");
    Box::new(connection)
}

/// An empty database of its own.
struct Engine {
    store: Box<dyn Store>,
    connection: Box<dyn Write>,
    url: SecretString,
    _directory: tempfile::TempDir,
}

async fn engine() -> Engine {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let url = empty_database(directory.path()).await;
    let (store, connection) = open_at(&url).await;
    Engine {
        store,
        connection,
        url,
        _directory: directory,
    }
}

async fn open_at(url: &SecretString) -> (Box<dyn Store>, Box<dyn Write>) {
    let config = ChatConfig::new(url.clone(), []);
    open(&config).await.expect("the database opens")
}

/// Puts somebody into the database.
async fn person(db: &mut dyn Write, id: &str) -> UserId {
    let id = UserId::from(id);
    let new = NewPerson {
        id: &id,
        name: id.as_str(),
        email: None,
        role: Role::Student,
        password_hash: None,
        now: NOW,
    };
    assert!(db.insert_person(&new).await.expect("a new person"));
    id
}

/// A group of one.
async fn chat(db: &mut dyn Write, owner: &UserId) -> ChatId {
    let id = ChatId::generate();
    let name = ChatName::new("Group").expect("a name");
    let new = NewChat {
        id: &id,
        name: Some(&name),
        direct_key: None,
        created_by: owner,
        now: NOW,
    };
    db.insert_chat(&new).await.expect("a new chat");
    let role = MemberRole::Owner;
    db.insert_participant(&id, owner, role, NOW, Seq(0))
        .await
        .expect("a new participant");
    id
}

/// Appends a message, as the service does.
async fn say(db: &mut dyn Write, chat: &ChatId, who: &UserId, content: &str) -> Seq {
    let (seq, rev) = db.next_message(chat, NOW).await.expect("the chat is there");
    let new = NewMessage {
        id: &MessageId::generate(),
        chat,
        seq,
        rev,
        sender: Some(who),
        content,
        client_msg_id: None,
        body_hash: None,
        reply_to: None,
        mentions: &[],
        system: None,
        now: NOW,
    };
    db.insert_message(&new).await.expect("a new message");
    let entry = LogEntry {
        rev,
        kind: LogKind::NewMessage,
        seq: Some(seq),
        payload: None,
    };
    db.insert_log(chat, &entry, NOW)
        .await
        .expect("a new change");
    seq
}

fn viewer(user: &UserId) -> Viewer {
    Viewer {
        user: user.clone(),
        sees_all: false,
    }
}
