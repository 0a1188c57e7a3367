//! Two people, one server: REST and live events on one port.

use serde_json::json;

use crate::support::{TestApp, database_url};

#[tokio::test]
async fn two_people_chat_and_see_each_other_type() {
    let app = TestApp::start().await;
    let (ann, ben) = (app.person("Ann").await, app.person("Ben").await);
    let mut anns = ann.connect().await;
    let mut bens = ben.connect().await;

    let chat = ann.direct_chat(&ben).await;
    let notice = bens.event("notification").await;
    assert_eq!(
        (&notice["type"], &notice["chatId"]),
        (&json!("new-chat"), &json!(chat))
    );

    // A bare id joins, as in the first example that clients copy.
    assert_eq!(anns.ask("join-chat", json!(chat)).await["success"], true);
    assert_eq!(
        bens.ask("join-chat", json!({ "chatId": chat })).await["success"],
        true
    );

    anns.emit("typing", json!({ "chatId": chat, "isTyping": true }))
        .await;
    let typing = bens.event("user-typing").await;
    assert_eq!(
        (&typing["userId"], &typing["isTyping"]),
        (&json!(ann.id), &json!(true))
    );

    let sent = anns
        .ask(
            "send-message",
            json!({ "chatId": chat, "content": "Hello, Ben" }),
        )
        .await;
    assert_eq!(sent["success"], true, "{sent}");
    for live in [&mut anns, &mut bens] {
        let message = live.event("new-message").await;
        assert_eq!(message["id"], sent["data"]["id"]);
        assert_eq!(message["content"], "Hello, Ben");
    }

    let path = format!("/api/chats/{chat}/messages");
    let answer = ben.post(&path, json!({ "content": "Hello, Ann" })).await;
    assert_eq!(
        anns.event("new-message").await["id"],
        answer.expect(201)["id"]
    );
    let history = ann.get(&path).await.expect(200);
    let texts = history["messages"].as_array().expect("messages").iter();
    let texts: Vec<_> = texts.map(|message| &message["content"]).collect();
    assert_eq!(texts, ["Hello, Ben", "Hello, Ann"]);
}

#[tokio::test]
async fn nobody_is_let_in_without_a_token() {
    let app = TestApp::start().await;
    for auth in [json!({}), json!({ "token": "x" }), json!({ "token": 7 })] {
        let mut live = crate::support::Live::open(app.address).await;
        let refusal = live.join(&auth).await.expect_err("refused");
        let message = refusal["message"].as_str().expect("a message");
        assert!(message.starts_with("Authentication error: "), "{message}");
        assert_eq!(refusal["data"]["code"], "unauthenticated");
    }
}

#[tokio::test]
async fn the_end_of_the_server_closes_live_connections_and_keeps_what_was_said() {
    let mut app = TestApp::start().await;
    let (ann, ben) = (app.person("Ann").await, app.person("Ben").await);
    let chat = ann.direct_chat(&ben).await;
    let mut live = ann.connect().await;
    let sent = live
        .ask(
            "send-message",
            json!({ "chatId": chat, "content": "Last words" }),
        )
        .await;
    assert_eq!(sent["data"]["seq"], 1, "{sent}");
    app.stop().await;
    live.closed().await;
    let elsewhere = database_url(app.data_dir()).is_some();
    assert!(elsewhere || app.data_dir().join("parlance.db").is_file());
}
