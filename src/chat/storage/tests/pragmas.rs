//! How SQLite is opened.

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
