//! Accounts.

use sqlx::SqliteConnection;

use crate::chat::domain::{Limit, Person, SearchText, Timestamp, User, UserId};
use crate::chat::storage::rows::{CredentialsRow, PersonRow, UserRow, id_list};
use crate::chat::storage::values::{MAX_MATCHES, name_parts};
use crate::chat::storage::{Credentials, Login, NewPerson, StoreError};

pub(super) async fn user(
    connection: &mut SqliteConnection,
    id: &UserId,
) -> Result<Option<User>, StoreError> {
    let row = sqlx::query_as::<_, UserRow>(
        "SELECT id, name, email, role, created_at FROM users WHERE id = ?",
    )
    .bind(id.as_str())
    .fetch_optional(connection)
    .await?;
    row.map(UserRow::read).transpose()
}

pub(super) async fn credentials(
    connection: &mut SqliteConnection,
    login: Login<'_>,
) -> Result<Option<Credentials>, StoreError> {
    let query = match login {
        Login::Email(email) => sqlx::query_as::<_, CredentialsRow>(
            "SELECT id, name, email, role, created_at, password_hash FROM users WHERE email = ?",
        )
        .bind(email.as_str()),
        Login::Id(id) => sqlx::query_as(
            "SELECT id, name, email, role, created_at, password_hash FROM users WHERE id = ?",
        )
        .bind(id.as_str()),
    };
    let row = query.fetch_optional(connection).await?;
    row.map(CredentialsRow::read).transpose()
}

pub(super) const SEARCH: &str = "SELECT u.id, u.name, u.role FROM users u
         WHERE u.id IN (SELECT user_id FROM name_parts
                        WHERE part >= ?1 AND part < ?1 || char(0x10FFFF)
                        ORDER BY part LIMIT ?2)
         ORDER BY u.search_name, u.id LIMIT ?3";

pub(super) async fn search(
    connection: &mut SqliteConnection,
    text: &SearchText,
    limit: Limit,
) -> Result<Vec<Person>, StoreError> {
    let rows = sqlx::query_as::<_, PersonRow>(SEARCH)
        .bind(text.as_str())
        .bind(MAX_MATCHES)
        .bind(limit.get())
        .fetch_all(connection)
        .await?;
    rows.into_iter().map(PersonRow::read).collect()
}

pub(super) async fn people(
    connection: &mut SqliteConnection,
    ids: &[UserId],
) -> Result<Vec<Person>, StoreError> {
    let rows = sqlx::query_as::<_, PersonRow>(
        "SELECT id, name, role FROM users WHERE id IN (SELECT value FROM json_each(?))",
    )
    .bind(id_list(ids.iter().map(UserId::as_str)))
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(PersonRow::read).collect()
}

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    new: &NewPerson<'_>,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO users (id, name, search_name, email, role, password_hash, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (email) DO NOTHING",
    )
    .bind(new.id.as_str())
    .bind(new.name)
    .bind(new.name.to_lowercase())
    .bind(new.email)
    .bind(new.role.as_str())
    .bind(new.password_hash)
    .bind(new.now.0)
    .execute(&mut *connection)
    .await?;
    if done.rows_affected() == 1 {
        index_name(connection, new.id, new.name).await?;
    }
    Ok(done.rows_affected() == 1)
}

/// An e-mail address that somebody else has here is left out: the host
/// application vouches for the person, not for our accounts.
pub(super) async fn upsert_host(
    connection: &mut SqliteConnection,
    new: &NewPerson<'_>,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO users (id, name, search_name, email, role, created_at)
         VALUES (?1, ?2, ?3,
                 CASE WHEN EXISTS (SELECT 1 FROM users WHERE email = ?4 AND id <> ?1)
                      THEN NULL ELSE ?4 END,
                 ?5, ?6)
         ON CONFLICT (id) DO UPDATE SET
             name = excluded.name, search_name = excluded.search_name,
             email = excluded.email, role = excluded.role
         WHERE users.password_hash IS NULL",
    )
    .bind(new.id.as_str())
    .bind(new.name)
    .bind(new.name.to_lowercase())
    .bind(new.email)
    .bind(new.role.as_str())
    .bind(new.now.0)
    .execute(&mut *connection)
    .await?;
    if done.rows_affected() == 1 {
        index_name(connection, new.id, new.name).await?;
    }
    Ok(done.rows_affected() == 1)
}

/// Makes somebody be found by the name that they have now.
async fn index_name(
    connection: &mut SqliteConnection,
    id: &UserId,
    name: &str,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM name_parts WHERE user_id = ?")
        .bind(id.as_str())
        .execute(&mut *connection)
        .await?;
    sqlx::query("INSERT INTO name_parts (part, user_id) SELECT value, ? FROM json_each(?)")
        .bind(id.as_str())
        .bind(id_list(name_parts(name).iter()))
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn set_password(
    connection: &mut SqliteConnection,
    user: &UserId,
    hash: &str,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE users SET password_hash = ? WHERE id = ?")
        .bind(hash)
        .bind(user.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn acquaintances(
    connection: &mut SqliteConnection,
    user: &UserId,
    ids: &[UserId],
) -> Result<Vec<(UserId, Option<Timestamp>)>, StoreError> {
    let rows: Vec<(String, Option<i64>)> = sqlx::query_as(
        "SELECT u.id, u.last_seen_at FROM users u
         WHERE u.id IN (SELECT value FROM json_each(?1))
           AND (u.id = ?2 OR EXISTS
               (SELECT 1 FROM participants theirs
                JOIN participants mine ON mine.chat_id = theirs.chat_id AND mine.user_id = ?2
                WHERE theirs.user_id = u.id))",
    )
    .bind(id_list(ids.iter().map(UserId::as_str)))
    .bind(user.as_str())
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(id, seen)| (id.into(), seen.map(Timestamp)))
        .collect())
}

pub(super) async fn set_last_seen(
    connection: &mut SqliteConnection,
    user: &UserId,
    at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE users SET last_seen_at = ? WHERE id = ?")
        .bind(at.0)
        .bind(user.as_str())
        .execute(connection)
        .await?;
    Ok(())
}
