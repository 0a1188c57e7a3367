//! A row that cannot be read: a fault of ours. It is told without any detail,
//! and costs nobody else anything.

use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};

use super::*;
use crate::support::{TestApp, database_url};

/// No server of ours writes such a list of mentions.
const SPOIL: &str = r#"UPDATE messages SET mentions = '{"SPOILT": 1}'"#;

async fn spoil(app: &TestApp) {
    let done = match database_url(app.data_dir()) {
        Some(url) => {
            let mut connection = PgConnection::connect(&url).await.expect("opens");
            connection.execute(SPOIL).await.map(drop)
        }
        None => {
            let url = format!("sqlite:{}/parlance.db", app.data_dir().display());
            let mut connection = SqliteConnection::connect(&url).await.expect("opens");
            connection.execute(SPOIL).await.map(drop)
        }
    };
    done.expect("spoilt");
}

#[tokio::test]
async fn a_fault_of_ours_is_told_without_its_detail_and_costs_nobody_else_anything() {
    let app = TestApp::start().await;
    let (ann, ben) = (app.person("Ann").await, app.person("Ben").await);
    let chat = ann.direct_chat(&ben).await;
    let path = format!("/api/chats/{chat}/messages");
    let sent = ann.post(&path, json!({"content": "x"})).await.expect(201);
    spoil(&app).await;

    let answer = ann.get(&path).await;
    assert_eq!(answer.refused(500), "internal");
    let mut live = ann.connect().await;
    let edit = json!({"chatId": chat, "messageId": sent["id"], "content": "y"});
    let acknowledged = live.ask("edit-message", edit.clone()).await;
    live.emit("edit-message", edit).await;
    let mut event = live.event("error").await;
    assert_eq!(event["event"].take(), "edit-message");
    event.as_object_mut().expect("an object").remove("event");
    for failure in [answer.json(), acknowledged, event] {
        let error = json!({"code": "internal", "retryable": true});
        assert_eq!(
            (&failure["success"], &failure["error"]),
            (&json!(false), &error)
        );
        let text = failure.to_string();
        for detail in ["SPOILT", "mentions", "sql", "column", "panick"] {
            assert!(!text.contains(detail), "{text}");
        }
    }

    let group = json!({"name": "Well", "isGroup": true, "participantIds": [ben.id]});
    let well = ann.post("/api/chats", group).await.expect(201)["id"].clone();
    let message = json!({"chatId": well, "content": "as before"});
    assert_eq!(live.ask("send-message", message).await["success"], true);
}
