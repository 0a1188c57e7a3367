//! Accounts.

use sqlx::PgConnection;

use super::list;
use crate::chat::domain::{Limit, Person, SearchText, Timestamp, User, UserId};
use crate::chat::storage::rows::{CredentialsRow, PersonRow, UserRow};
use crate::chat::storage::values::{MAX_MATCHES, name_parts};
use crate::chat::storage::{Credentials, Login, NewPerson, StoreError};

pub(super) async fn user(
    connection: &mut PgConnection,
    id: &UserId,
) -> Result<Option<User>, StoreError> {
    let row = sqlx::query_as::<_, UserRow>(
        "SELECT id, name, email, role, created_at FROM users WHERE id = $1",
    )
    .bind(id.as_str())
    .fetch_optional(connection)
    .await?;
    row.map(UserRow::read).transpose()
}

pub(super) async fn credentials(
    connection: &mut PgConnection,
    login: Login<'_>,
) -> Result<Option<Credentials>, StoreError> {
    let query = match login {
        Login::Email(email) => sqlx::query_as::<_, CredentialsRow>(
            "SELECT id, name, email, role, created_at, password_hash FROM users WHERE email = $1",
        )
        .bind(email.as_str()),
        Login::Id(id) => sqlx::query_as(
            "SELECT id, name, email, role, created_at, password_hash FROM users WHERE id = $1",
        )
        .bind(id.as_str()),
    };
    let row = query.fetch_optional(connection).await?;
    row.map(CredentialsRow::read).transpose()
}

pub(super) const SEARCH: &str = "SELECT u.id, u.name, u.role FROM users u
         WHERE u.id IN (SELECT user_id FROM name_parts
                        WHERE part >= $1 AND part < $1 || chr(1114111)
                        ORDER BY part LIMIT $2)
         ORDER BY u.search_name, u.id LIMIT $3";

pub(super) async fn search(
    connection: &mut PgConnection,
    text: &SearchText,
    limit: Limit,
) -> Result<Vec<Person>, StoreError> {
    let rows = sqlx::query_as::<_, PersonRow>(SEARCH)
        .bind(text.as_str())
        .bind(i64::from(MAX_MATCHES))
        .bind(i64::from(limit.get()))
        .fetch_all(connection)
        .await?;
    rows.into_iter().map(PersonRow::read).collect()
}

pub(super) async fn people(
    connection: &mut PgConnection,
    ids: &[UserId],
) -> Result<Vec<Person>, StoreError> {
    let rows =
        sqlx::query_as::<_, PersonRow>("SELECT id, name, role FROM users WHERE id = ANY($1)")
            .bind(list(ids.iter(), UserId::as_str))
            .fetch_all(connection)
            .await?;
    rows.into_iter().map(PersonRow::read).collect()
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    new: &NewPerson<'_>,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO users (id, name, search_name, email, role, password_hash, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (email) DO NOTHING",
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
    connection: &mut PgConnection,
    new: &NewPerson<'_>,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO users (id, name, search_name, email, role, created_at)
         VALUES ($1, $2, $3,
                 CASE WHEN EXISTS (SELECT 1 FROM users WHERE email = $4 AND id <> $1)
                      THEN NULL ELSE $4 END,
                 $5, $6)
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
    connection: &mut PgConnection,
    id: &UserId,
    name: &str,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM name_parts WHERE user_id = $1")
        .bind(id.as_str())
        .execute(&mut *connection)
        .await?;
    sqlx::query("INSERT INTO name_parts (part, user_id) SELECT part, $1 FROM unnest($2) part")
        .bind(id.as_str())
        .bind(name_parts(name).into_iter().collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn set_password(
    connection: &mut PgConnection,
    user: &UserId,
    hash: &str,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE users SET password_hash = $1 WHERE id = $2")
        .bind(hash)
        .bind(user.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn acquaintances(
    connection: &mut PgConnection,
    user: &UserId,
    ids: &[UserId],
) -> Result<Vec<(UserId, Option<Timestamp>)>, StoreError> {
    let rows: Vec<(String, Option<i64>)> = sqlx::query_as(
        "SELECT u.id, u.last_seen_at FROM users u
         WHERE u.id = ANY($1)
           AND (u.id = $2 OR EXISTS
               (SELECT 1 FROM participants theirs
                JOIN participants mine ON mine.chat_id = theirs.chat_id AND mine.user_id = $2
                WHERE theirs.user_id = u.id))",
    )
    .bind(list(ids.iter(), UserId::as_str))
    .bind(user.as_str())
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(id, seen)| (id.into(), seen.map(Timestamp)))
        .collect())
}

pub(super) async fn set_last_seen(
    connection: &mut PgConnection,
    user: &UserId,
    at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE users SET last_seen_at = $1 WHERE id = $2")
        .bind(at.0)
        .bind(user.as_str())
        .execute(connection)
        .await?;
    Ok(())
}
