//! Accounts.

use crate::chat::domain::{Limit, Person, SearchText, Timestamp, User, UserId};
use crate::chat::storage::rows::{CredentialsRow, PersonRow, UserRow};
use crate::chat::storage::sql::{Db, sql};
use crate::chat::storage::values::{MAX_MATCHES, name_parts};
use crate::chat::storage::{Credentials, Login, NewPerson, StoreError};

pub(super) async fn user(db: &mut Db<'_>, id: &UserId) -> Result<Option<User>, StoreError> {
    let row = db
        .query("SELECT id, name, email, role, created_at FROM users WHERE id = $1")
        .bind(id.as_str())
        .fetch_optional::<UserRow>()
        .await?;
    row.map(UserRow::read).transpose()
}

pub(super) async fn credentials(
    db: &mut Db<'_>,
    login: Login<'_>,
) -> Result<Option<Credentials>, StoreError> {
    let query = match login {
        Login::Email(email) => db.query(
            "SELECT id, name, email, role, created_at, password_hash FROM users WHERE email = $1",
        )
        .bind(email.as_str()),
        Login::Id(id) => db.query(
            "SELECT id, name, email, role, created_at, password_hash FROM users WHERE id = $1",
        )
        .bind(id.as_str()),
    };
    let row = query.fetch_optional().await?;
    row.map(CredentialsRow::read).transpose()
}

pub(super) const SEARCH: &str = "SELECT u.id, u.name, u.role FROM users u
         WHERE u.id IN (SELECT user_id FROM name_parts
                        WHERE part >= $1 AND part < $2 ORDER BY part LIMIT $3)
         ORDER BY u.search_name, u.id LIMIT $4";

pub(super) async fn search(
    db: &mut Db<'_>,
    text: &SearchText,
    limit: Limit,
) -> Result<Vec<Person>, StoreError> {
    let rows = db
        .query(SEARCH)
        .bind(text.as_str())
        .bind(format!("{}{}", text.as_str(), char::MAX))
        .bind(i64::from(MAX_MATCHES))
        .bind(i64::from(limit.get()))
        .fetch_all::<PersonRow>()
        .await?;
    rows.into_iter().map(PersonRow::read).collect()
}

pub(super) async fn people(db: &mut Db<'_>, ids: &[UserId]) -> Result<Vec<Person>, StoreError> {
    let rows = db
        .query(sql!(
            "SELECT id, name, role FROM users WHERE id ",
            among("$1")
        ))
        .bind_list(ids.iter().map(UserId::as_str))
        .fetch_all::<PersonRow>()
        .await?;
    rows.into_iter().map(PersonRow::read).collect()
}

pub(super) async fn insert(db: &mut Db<'_>, new: &NewPerson<'_>) -> Result<bool, StoreError> {
    let stored = db
        .query(
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
        .rows_affected()
        .await?;
    if stored == 1 {
        index_name(db, new.id, new.name).await?;
    }
    Ok(stored == 1)
}

/// An e-mail address that somebody else has here is left out: the host
/// application vouches for the person, not for our accounts.
pub(super) async fn upsert_host(db: &mut Db<'_>, new: &NewPerson<'_>) -> Result<bool, StoreError> {
    let stored = db
        .query(
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
        .rows_affected()
        .await?;
    if stored == 1 {
        index_name(db, new.id, new.name).await?;
    }
    Ok(stored == 1)
}

/// Makes somebody be found by the name that they have now.
async fn index_name(db: &mut Db<'_>, id: &UserId, name: &str) -> Result<(), StoreError> {
    db.query("DELETE FROM name_parts WHERE user_id = $1")
        .bind(id.as_str())
        .execute()
        .await?;
    db.query(sql!(
        "INSERT INTO name_parts (part, user_id) SELECT value, $1 FROM ",
        each("$2")
    ))
    .bind(id.as_str())
    .bind_list(name_parts(name).iter().map(String::as_str))
    .execute()
    .await
}

pub(super) async fn set_password(
    db: &mut Db<'_>,
    user: &UserId,
    hash: &str,
) -> Result<(), StoreError> {
    db.query("UPDATE users SET password_hash = $1 WHERE id = $2")
        .bind(hash)
        .bind(user.as_str())
        .execute()
        .await
}

pub(super) async fn acquaintances(
    db: &mut Db<'_>,
    user: &UserId,
    ids: &[UserId],
) -> Result<Vec<(UserId, Option<Timestamp>)>, StoreError> {
    let rows = db
        .query(sql!(
            "SELECT u.id, u.last_seen_at FROM users u
             WHERE u.id ",
            among("$1"),
            " AND (u.id = $2 OR EXISTS
               (SELECT 1 FROM participants theirs
                JOIN participants mine ON mine.chat_id = theirs.chat_id AND mine.user_id = $2
                WHERE theirs.user_id = u.id))"
        ))
        .bind_list(ids.iter().map(UserId::as_str))
        .bind(user.as_str())
        .fetch_all::<(String, Option<i64>)>()
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, seen)| (id.into(), seen.map(Timestamp)))
        .collect())
}

pub(super) async fn set_last_seen(
    db: &mut Db<'_>,
    user: &UserId,
    at: Timestamp,
) -> Result<(), StoreError> {
    db.query("UPDATE users SET last_seen_at = $1 WHERE id = $2")
        .bind(at.0)
        .bind(user.as_str())
        .execute()
        .await
}
