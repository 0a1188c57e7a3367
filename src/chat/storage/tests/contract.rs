//! Questions and changes.

use super::*;

#[tokio::test]
async fn what_is_committed_is_read_by_others_and_after_opening_again() {
    let Engine {
        store,
        mut connection,
        url,
        _directory,
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
    let (_, mut connection) = open_at(&url).await;
    assert_eq!(say(connection.as_mut(), &id, &ann, "two").await, Seq(2));
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
    assert!(
        db.log(&id, Some(&eve), Rev(0), Rev(9), 10)
            .await
            .expect("answers")
            .is_empty()
    );
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
        db.log(&id, None, Rev(0), Rev(9), 10)
            .await
            .expect("answers")
            .is_empty()
    );
    assert!(db.participants(&id).await.expect("answers").is_empty());
}
