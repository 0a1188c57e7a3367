//! The program ends, or a statement fails, at the worst of places.

use std::fs;

use super::*;

async fn crash_at(place: &str, is_stored: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let points = tempfile::tempdir().expect("a folder");
    let environment = [("PARLANCE_FAILPOINTS", points.path().to_str().expect("text"))];
    let program = Program::serve(folder.path(), &OPTIONS, &environment);
    let mut teller = Teller::new(&program).await;
    assert!(teller.try_send("before", "x").await);
    fs::write(points.path().join(place), "crash").expect("written");
    let (path, token) = (
        format!("/api/chats/{}/messages", teller.chat),
        teller.person.token().to_owned(),
    );
    let address = program.address;
    // It panics, because no answer comes.
    let cut_off = tokio::spawn(async move {
        let body = json!({ "content": "cut off", "clientMsgId": "cut-off" });
        crate::support::request(address, http::Method::POST, &path, Some(&token), body).await
    });
    assert!(
        cut_off.await.is_err(),
        "{place}: the program ended before it answered"
    );
    drop(program);
    fs::remove_file(points.path().join(place)).expect("removed");
    let program = Program::serve(folder.path(), &OPTIONS, &environment);
    let mut teller = teller.at(&program);
    // Whoever comes back gets what was stored, told or not.
    let mut live = teller.person.connect().await;
    let caught_up = live
        .ask("join-chat", json!({ "chatId": teller.chat, "rev": 1 }))
        .await;
    let events = caught_up["data"]["events"].as_array().expect("events");
    assert_eq!(events.len(), usize::from(is_stored), "{place}: {caught_up}");
    let again = teller.send("cut-off", "cut off").await;
    assert_eq!(
        again.status == StatusCode::OK,
        is_stored,
        "{place}: {again:?}"
    );
    teller.acknowledged.push("cut-off".to_owned());
    assert!(teller.try_send("after", "x").await);
    teller.check().await;
}

#[tokio::test]
async fn a_crash_before_anything_is_stored_leaves_nothing() {
    crash_at("before-insert", false).await;
}

#[tokio::test]
async fn a_crash_before_the_commit_leaves_nothing() {
    crash_at("before-commit", false).await;
}

#[tokio::test]
async fn a_crash_between_commit_and_publishing_loses_nothing() {
    crash_at("before-publish", true).await;
}

#[tokio::test]
async fn a_crash_between_publishing_and_acknowledgement_loses_nothing() {
    crash_at("before-ack", true).await;
}

#[tokio::test]
async fn a_transaction_that_fails_is_unavailable_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let points = tempfile::tempdir().expect("a folder");
    let environment = [("PARLANCE_FAILPOINTS", points.path().to_str().expect("text"))];
    let program = Program::serve(folder.path(), &OPTIONS, &environment);
    let mut teller = Teller::new(&program).await;
    let mut live = teller.person.connect().await;
    for place in ["before-insert", "before-commit"] {
        let file = points.path().join(place);
        fs::write(&file, "error").expect("written");
        assert!(!teller.try_send(place, "again").await);
        let message = json!({"chatId": teller.chat, "content": "x"});
        let acknowledged = live.ask("send-message", message.clone()).await;
        let error = json!({"code": "unavailable", "retryable": true});
        assert_eq!(acknowledged["error"], error, "{acknowledged}");
        live.emit("send-message", message).await;
        let told = live.event("error").await;
        assert_eq!(
            (&told["error"], &told["event"]),
            (&error, &json!("send-message"))
        );
        fs::remove_file(&file).expect("removed");
        teller.check().await;
        assert!(teller.try_send(place, "again").await);
    }
    teller.check().await;
}
