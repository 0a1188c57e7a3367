//! What every engine must do, and the writer over a real one.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use super::*;
use crate::chat::domain::{ChatId, MessageId, Role, UserId};
use crate::chat::storage::values::NewPerson;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// A database file in a directory of its own.
struct Engine {
    store: Box<dyn Store>,
    connection: Box<dyn Write>,
    directory: tempfile::TempDir,
}

async fn engine() -> Engine {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (store, connection) = open_in(directory.path().join("chat.db")).await;
    Engine {
        store,
        connection,
        directory,
    }
}

async fn open_in(path: PathBuf) -> (Box<dyn Store>, Box<dyn Write>) {
    let config = ChatConfig::new(format!("sqlite:{}", path.display()), []);
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

#[tokio::test]
async fn what_is_committed_is_read_by_others_and_after_opening_again() {
    let Engine {
        store,
        mut connection,
        directory,
    } = engine().await;
    let db = connection.as_mut();
    db.begin().await.expect("begins");
    let ann = person(db, "ann").await;
    let id = chat(db, &ann).await;
    assert_eq!(say(db, &id, &ann, "one").await, Seq(1));
    let mut read = store.read().await.expect("a reader");
    assert!(
        read.chat(&id, &viewer(&ann))
            .await
            .expect("answers")
            .is_none()
    );
    db.commit().await.expect("commits");
    let seen = read
        .chat(&id, &viewer(&ann))
        .await
        .expect("answers")
        .expect("it is there now");
    assert_eq!((seen.last_seq, seen.rev), (Seq(1), Rev(1)));
    drop(read);
    drop(connection);
    store.close().await;
    let (_, mut connection) = open_in(directory.path().join("chat.db")).await;
    assert_eq!(say(connection.as_mut(), &id, &ann, "two").await, Seq(2));
}

#[tokio::test]
async fn readers_cannot_write_and_the_writer_waits_for_the_disk() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("chat.db");
    let pragmas = super::sqlite::pragmas_of(&path)
        .await
        .expect("the database opens");
    assert_eq!(
        pragmas.writer,
        ("wal".to_owned(), 2, 1),
        "WAL, FULL, foreign keys"
    );
    assert_eq!(pragmas.relaxed_synchronous, 1, "NORMAL");
    assert!(pragmas.reader_refuses_writes);
}

#[tokio::test]
async fn a_stranger_finds_nothing_by_any_query() {
    let Engine { mut connection, .. } = engine().await;
    let db = connection.as_mut();
    let (ann, eve) = (person(db, "ann").await, person(db, "eve").await);
    let id = chat(db, &ann).await;
    say(db, &id, &ann, "secret").await;
    let message = db
        .messages_by_seq(&id, &[Seq(1)])
        .await
        .expect("answers")
        .remove(0);
    assert!(
        db.chat(&id, &viewer(&eve))
            .await
            .expect("answers")
            .is_none()
    );
    let page = Page::Newest(Limit::default());
    assert!(
        db.history(&id, &viewer(&eve), page)
            .await
            .expect("answers")
            .is_none()
    );
    assert!(db.head(&id, &eve).await.expect("answers").is_none());
    assert!(db.unread(&id, &eve).await.expect("answers").is_none());
    assert!(db.chats(&eve, None, 10).await.expect("answers").is_empty());
    assert!(
        db.messages_for(&eve, &[message.id])
            .await
            .expect("answers")
            .is_empty()
    );
    assert!(
        db.chats_for(&eve, std::slice::from_ref(&id))
            .await
            .expect("answers")
            .is_empty()
    );
    assert!(
        db.acquaintances(&eve, &[ann])
            .await
            .expect("answers")
            .is_empty()
    );
    let standing = db
        .standing(&id, &eve)
        .await
        .expect("answers")
        .expect("the chat exists");
    assert_eq!(standing.role, None);
}

#[tokio::test]
async fn one_pair_and_one_client_msg_id_are_unique_in_the_schema_itself() {
    let Engine { mut connection, .. } = engine().await;
    let db = connection.as_mut();
    let ann = person(db, "ann").await;
    let new = |id: &'static str| {
        let created_by = UserId::from("ann");
        (ChatId::from(id), created_by)
    };
    for (id, fits) in [("a", true), ("b", false)] {
        let (id, created_by) = new(id);
        let direct = NewChat {
            id: &id,
            name: None,
            direct_key: Some("pair"),
            created_by: &created_by,
            now: NOW,
        };
        assert_eq!(db.insert_chat(&direct).await.is_ok(), fits);
    }
    let id = chat(db, &ann).await;
    let client_msg_id = ClientMsgId::new("m").expect("an id");
    for fits in [true, false] {
        let (seq, rev) = db.next_message(&id, NOW).await.expect("the chat is there");
        let message = NewMessage {
            id: &MessageId::generate(),
            chat: &id,
            seq,
            rev,
            sender: Some(&ann),
            content: "x",
            client_msg_id: Some(&client_msg_id),
            body_hash: Some(b"hash"),
            reply_to: None,
            mentions: &[],
            system: None,
            now: NOW,
        };
        assert_eq!(db.insert_message(&message).await.is_ok(), fits);
    }
}

#[tokio::test]
async fn deleting_a_chat_deletes_everything_in_it() {
    let Engine { mut connection, .. } = engine().await;
    let db = connection.as_mut();
    let ann = person(db, "ann").await;
    let id = chat(db, &ann).await;
    say(db, &id, &ann, "x").await;
    db.delete_chat(&id).await.expect("deletes");
    assert!(
        db.messages_by_seq(&id, &[Seq(1)])
            .await
            .expect("answers")
            .is_empty()
    );
    assert!(
        db.log(&id, Rev(0), Rev(9), 10)
            .await
            .expect("answers")
            .is_empty()
    );
    assert!(db.participants(&id).await.expect("answers").is_empty());
}

type Finished = Arc<Mutex<Vec<(u32, bool)>>>;

/// Says something in a chat, and then perhaps fails.
struct Say {
    number: u32,
    chat: ChatId,
    who: UserId,
    end: End,
    finished: Finished,
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    Keep,
    Undo,
    Fail,
}

impl Job for Say {
    fn run<'a>(&'a mut self, connection: &'a mut dyn Write) -> Answer<'a, Verdict> {
        Box::pin(async move {
            say(connection, &self.chat, &self.who, "x").await;
            match self.end {
                End::Keep => Ok(Verdict::Keep),
                End::Undo => Ok(Verdict::Undo),
                // A participant who is in it already: the schema refuses.
                End::Fail => {
                    let role = MemberRole::Member;
                    let (chat, who) = (&self.chat, &self.who);
                    connection
                        .insert_participant(chat, who, role, NOW, Seq(0))
                        .await?;
                    Ok(Verdict::Keep)
                }
            }
        })
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>) {
        self.finished.lock().push((self.number, outcome.is_ok()));
    }
}

#[tokio::test]
async fn a_bad_job_never_fails_its_neighbours_and_all_are_told_in_order() {
    let Engine {
        store,
        mut connection,
        ..
    } = engine().await;
    let who = person(connection.as_mut(), "ann").await;
    let chat = chat(connection.as_mut(), &who).await;
    let writer = Writer::start(connection);
    let finished = Finished::default();
    let ends = [End::Keep, End::Fail, End::Keep, End::Undo, End::Keep];
    for (number, end) in (0..).zip(ends) {
        let (chat, who, finished) = (chat.clone(), who.clone(), Arc::clone(&finished));
        let job = Say {
            number,
            chat,
            who,
            end,
            finished,
        };
        writer.submit(Box::new(job)).await.expect("there is room");
    }
    writer.close().await;
    let told = [(0, true), (1, false), (2, true), (3, true), (4, true)];
    assert_eq!(*finished.lock(), told);
    let mut read = store.read().await.expect("a reader");
    let head = read
        .head(&chat, &who)
        .await
        .expect("answers")
        .expect("a participant");
    assert_eq!((head.last_seq, head.rev), (Seq(3), Rev(3)));
    let kept = read
        .messages_by_seq(&chat, &[Seq(1), Seq(2), Seq(3), Seq(4)])
        .await;
    assert_eq!(kept.expect("answers").len(), 3);
}

#[tokio::test]
async fn after_the_end_nothing_is_taken() {
    let Engine { mut connection, .. } = engine().await;
    let who = person(connection.as_mut(), "ann").await;
    let chat = chat(connection.as_mut(), &who).await;
    let writer = Writer::start(connection);
    writer.close().await;
    let job = Say {
        number: 0,
        chat,
        who,
        end: End::Keep,
        finished: Finished::default(),
    };
    assert!(matches!(
        writer.submit(Box::new(job)).await,
        Err(StoreError::Overloaded)
    ));
}
