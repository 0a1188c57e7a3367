//! No question reads more than what it answers, however much is stored. The
//! tables have `PLAN_MESSAGES` messages: 50,000, or a million when one has time.

use secrecy::ExposeSecret as _;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, SqliteConnection};

use super::*;
use crate::chat::storage::{queries, sqlite};

fn messages() -> u32 {
    let wanted = std::env::var("PLAN_MESSAGES").ok();
    wanted.map_or(50_000, |count| count.parse().expect("a number"))
}

/// A tenth of the messages is in one chat; everybody is in that one and in
/// some others. `{n}` is the number of messages, `{numbers}` a table of them.
const FILL: &str = "
    INSERT INTO users (id, name, search_name, role, created_at)
        SELECT 'u' || n, 'User ' || n, 'user ' || n, 'student', n FROM numbers WHERE n <= {n} / 10;
    INSERT INTO name_parts (part, user_id) SELECT 'user ' || n, 'u' || n FROM numbers WHERE n <= {n} / 10;
    INSERT INTO name_parts (part, user_id) SELECT 'er ' || n, 'u' || n FROM numbers WHERE n <= {n} / 10;
    INSERT INTO chats (id, is_group, created_by, created_at, updated_at, last_seq, rev)
        SELECT 'c' || n, {true}, 'u1', n, n, 0, 0 FROM numbers WHERE n <= {n} / 10;
    INSERT INTO participants (chat_id, user_id, role, joined_at, read_seq)
        SELECT 'c1', 'u' || n, 'member', n, 0 FROM numbers WHERE n <= {n} / 10;
    INSERT INTO participants (chat_id, user_id, role, joined_at, read_seq)
        SELECT 'c' || n, 'u' || (n % 50 + 1), 'member', n, 0 FROM numbers WHERE n > 1 AND n <= {n} / 10;
    INSERT INTO messages (id, chat_id, seq, rev, sender_id, content, client_msg_id, created_at)
        SELECT 'm' || n, CASE WHEN n % 10 = 0 THEN 'c1' ELSE 'c' || (n % ({n} / 10) + 1) END, n, n,
               'u' || (n % ({n} / 10) + 1), 'text', 'k' || n, n FROM numbers;
    INSERT INTO chat_events (chat_id, rev, kind, seq, created_at)
        SELECT chat_id, rev, 'new-message', seq, created_at FROM messages;
    INSERT INTO reactions (message_id, emoji, user_id, created_at)
        SELECT 'm' || n, 'x', 'u' || (n % ({n} / 10) + 1), n FROM numbers WHERE n % 20 = 0;
    INSERT INTO notifications (person_id, id, kind, chat_id, created_at)
        SELECT 'u' || (n % ({n} / 10) + 1), 'n' || n, 'new-message', 'c1', n FROM numbers WHERE n % 10 = 0;
    ANALYZE;
";

/// The statements that fill an empty database of an engine.
fn fill(numbers: &str, yes: &str) -> AssertSqlSafe<String> {
    let text = format!("{numbers}{FILL}");
    let text = text.replace("{n}", &messages().to_string());
    AssertSqlSafe(text.replace("{true}", yes))
}

#[tokio::test]
async fn every_question_is_answered_by_an_index() {
    let engine = engine().await;
    let url = engine.url.expose_secret();
    match url.strip_prefix("sqlite:") {
        Some(path) => on_sqlite(path.as_ref()).await,
        None => on_postgres(url).await,
    }
}

async fn on_sqlite(path: &Path) {
    let options = sqlite::options(path, crate::chat::Durability::Relaxed);
    let mut connection = options.foreign_keys(false).connect().await.expect("opens");
    let numbers = "CREATE TEMP TABLE numbers (n INTEGER PRIMARY KEY);
        WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < {n})
        INSERT INTO numbers SELECT n FROM up; BEGIN;";
    sqlx::raw_sql(fill(numbers, "1"))
        .execute(&mut connection)
        .await
        .expect("fills");
    sqlx::raw_sql("COMMIT")
        .execute(&mut connection)
        .await
        .expect("commits");
    for (name, sql, _) in queries::questions() {
        let plan = sqlite_plan(&mut connection, sql.sqlite).await;
        for step in &plan {
            // Lists that were bound may be gone through, and what is in the query itself.
            let whole = step.starts_with("SCAN") && step != "SCAN c";
            let bound = ["VIRTUAL TABLE", "CONSTANT"]
                .iter()
                .any(|word| step.contains(word));
            let inner = step.starts_with("SCAN unread") || step.contains("(subquery");
            assert!(!whole || bound || inner, "{name}: {plan:#?}");
        }
        let sorts = plan.iter().any(|step| step.contains("FOR ORDER BY"));
        let small = ["LIST", "PARTICIPANTS", "REACTIONS", "SEARCH"].contains(&name);
        assert!(!sorts || small, "{name} sorts what it reads: {plan:#?}");
    }
}

async fn sqlite_plan(connection: &mut SqliteConnection, sql: &str) -> Vec<String> {
    let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
    let rows: Vec<(i64, i64, i64, String)> = sqlx::query_as(explain)
        .fetch_all(connection)
        .await
        .expect("explains");
    rows.into_iter().map(|(.., step)| step).collect()
}

async fn on_postgres(url: &str) {
    let options: PgConnectOptions = url.parse().expect("a URL");
    let mut connection = PgConnection::connect_with(&options).await.expect("opens");
    let numbers = "SET session_replication_role = replica;
        CREATE TEMP TABLE numbers AS SELECT n FROM generate_series(1, {n}) n;";
    sqlx::raw_sql(fill(numbers, "true"))
        .execute(&mut connection)
        .await
        .expect("fills");
    sqlx::raw_sql("SET plan_cache_mode = force_generic_plan")
        .execute(&mut connection)
        .await
        .expect("sets");
    for (name, sql, types) in queries::questions() {
        let plan = postgres_plan(&mut connection, name, sql.postgres, types).await;
        assert!(!plan.contains("Seq Scan"), "{name}: {plan}");
        let small = ["LIST", "PARTICIPANTS", "REACTIONS", "SEARCH"].contains(&name);
        assert!(
            small || !plan.contains("Sort Key"),
            "{name} sorts what it reads: {plan}"
        );
    }
}

async fn postgres_plan(
    connection: &mut PgConnection,
    name: &str,
    sql: &str,
    types: &str,
) -> String {
    let arguments = vec!["NULL"; types.split(", ").count()].join(", ");
    let prepare = format!("PREPARE {name} ({types}) AS {sql}");
    sqlx::raw_sql(AssertSqlSafe(prepare))
        .execute(&mut *connection)
        .await
        .expect("prepares");
    let explain = format!("EXPLAIN EXECUTE {name} ({arguments})");
    let rows = sqlx::raw_sql(AssertSqlSafe(explain))
        .fetch_all(connection)
        .await
        .expect("explains");
    let lines: Vec<String> = rows.iter().map(|row| sqlx::Row::get(row, 0)).collect();
    lines.join("\n")
}
