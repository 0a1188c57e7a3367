//! How the engines are opened.

use secrecy::ExposeSecret as _;

use super::engine;

#[tokio::test]
async fn readers_cannot_write_and_the_writer_waits_for_the_disk() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("chat.db");
    let pragmas = crate::chat::storage::sqlite::pragmas_of(&path)
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
async fn postgresql_waits_for_the_disk_and_for_nothing_else_without_a_bound() {
    let engine = engine().await;
    let url = engine.url.expose_secret();
    if url.starts_with("sqlite:") {
        return;
    }
    for (durability, synchronous) in [
        (crate::chat::Durability::Full, "on"),
        (crate::chat::Durability::Relaxed, "off"),
    ] {
        let settings = crate::chat::storage::postgres::settings_of(url, durability).await;
        let settings = settings.expect("the database opens");
        assert_eq!(settings, [synchronous, "5s", "300ms", "on"]);
    }
}
