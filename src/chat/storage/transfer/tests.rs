use super::*;
use crate::chat::storage::tests::{SERVER, empty_database};
use secrecy::ExposeSecret as _;

/// A store with a row in every table, some of them awkward.
const ROWS: &str = "
    INSERT INTO users VALUES ('ann', 'Änn 🦀', 'änn 🦀', 'a@x', 'admin', 'hash', 1, NULL), ('ben', 'Ben', 'ben', NULL, 'student', NULL, 2, 3);
    INSERT INTO sessions VALUES ('s', 'ann', 1, 2, NULL);
    INSERT INTO refresh_tokens VALUES (x'00ff', 's', 2, NULL);
    INSERT INTO chats VALUES ('c', 'It''s', 1, NULL, 'ann', 1, 9007199254740991, 2, 3), ('d', NULL, 0, 'ann ben', 'ben', 1, 1, 0, 0);
    INSERT INTO participants VALUES ('c', 'ann', 'owner', 1, 2, 2), ('c', 'ben', 'member', 1, 0, 0);
    INSERT INTO messages (id, chat_id, seq, rev, sender_id, content, client_msg_id, body_hash, created_at)
        VALUES ('m1', 'c', 1, 1, 'ann', 'one\ntwo \"three\" \\', 'k', x'0102', 5), ('m2', 'c', 2, 2, NULL, '', NULL, NULL, 6);
    INSERT INTO reactions VALUES ('m1', '👍', 'ben', 7);
    INSERT INTO chat_events VALUES ('c', 1, 'new-message', 1, NULL, 5), ('c', 3, 'chat-updated', NULL, '{\"a\":1}', 6);
    INSERT INTO notifications VALUES ('ben', 'n', 'mention', 'c', NULL, 'ann', 'm1', 5, NULL);
    INSERT INTO name_parts VALUES ('änn 🦀', 'ann'), ('be', 'ben');
";

/// A filled SQLite file in a folder.
async fn store(folder: &Path) -> String {
    let url = format!("sqlite:{}", folder.join("chat.db").display());
    let Link::Sqlite(mut connection) = Link::open(&url).await.expect("opens") else {
        panic!("SQLite was asked for");
    };
    sqlx::raw_sql(ROWS)
        .execute(&mut connection)
        .await
        .expect("the rows fit");
    connection.close().await.expect("closes");
    url
}

async fn checksums(url: &str) -> Vec<Copied> {
    let mut link = Link::open(url).await.expect("opens");
    let mut all = Vec::new();
    for table in &TABLES {
        all.push(link.read(table, None).await.expect("reads"));
    }
    all
}

#[tokio::test]
async fn every_table_of_the_schema_is_copied() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = store(folder.path()).await;
    let Link::Sqlite(mut connection) = Link::open(&url).await.expect("opens") else {
        panic!("SQLite was asked for");
    };
    let columns: Vec<(String, String)> = sqlx::query_as(
        "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c
         WHERE t.type = 'table' AND t.name NOT LIKE '\\_sqlx%' ESCAPE '\\' AND t.name NOT LIKE 'sqlite%'
         ORDER BY t.name, c.cid",
    )
    .fetch_all(&mut connection)
    .await
    .expect("answers");
    let mut known: Vec<_> = TABLES.iter().collect();
    known.sort_by_key(|table| table.name);
    let known: Vec<_> = known
        .iter()
        .flat_map(|table| {
            table
                .columns
                .iter()
                .map(|(column, _)| (table.name.to_owned(), (*column).to_owned()))
        })
        .collect();
    assert_eq!(columns, known);
    assert!(
        checksums(&url).await.iter().all(|copied| copied.rows > 0),
        "every table is tried below"
    );
}

#[tokio::test]
async fn a_store_moves_to_the_other_engine_and_back_without_loss() {
    let folder = tempfile::tempdir().expect("a folder");
    let original = store(folder.path()).await;
    let moved = tempfile::tempdir().expect("a folder");
    let moved = empty_database(moved.path()).await;
    let copied = migrate(&original, moved.expose_secret())
        .await
        .expect("moves");
    assert_eq!(copied, checksums(&original).await);
    let back = format!("sqlite:{}", folder.path().join("back.db").display());
    let again = migrate(moved.expose_secret(), &back)
        .await
        .expect("moves back");
    assert_eq!(again, copied);
    let refused = migrate(&original, &back).await;
    assert!(
        matches!(refused, Err(TransferError::NotEmpty)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_backup_is_a_whole_store_in_one_file_of_its_owner() {
    let folder = tempfile::tempdir().expect("a folder");
    let original = store(folder.path()).await;
    let source = if std::env::var(SERVER).is_ok() {
        let moved = empty_database(folder.path()).await;
        migrate(&original, moved.expose_secret())
            .await
            .expect("moves");
        moved.expose_secret().to_owned()
    } else {
        original.clone()
    };
    let path = folder.path().join("backup.db");
    backup(&source, &path).await.expect("copies");
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        assert_eq!(path.metadata().expect("made").mode() & 0o777, 0o600);
    }
    assert!(!folder.path().join("backup.db-wal").exists());
    let copy = format!("sqlite:{}", path.display());
    assert_eq!(checksums(&copy).await, checksums(&original).await);
    let again = backup(&source, &path).await;
    assert!(matches!(again, Err(TransferError::File(_))), "{again:?}");
    assert!(path.exists(), "what was there stays");
}
