//! Sessions and refresh tokens.

use sqlx::SqliteConnection;

use crate::chat::domain::{SessionId, Timestamp, User, UserId};
use crate::chat::storage::rows::{RefreshRow, SessionRow};
use crate::chat::storage::{NewSession, RefreshUse, SessionState, StoreError};

pub(super) async fn session(
    connection: &mut SqliteConnection,
    user: &UserId,
    session: &SessionId,
) -> Result<Option<(User, SessionState)>, StoreError> {
    let row = sqlx::query_as::<_, SessionRow>(
        "SELECT u.id, u.name, u.email, u.role, u.created_at, s.id AS session, s.revoked_at
         FROM users u LEFT JOIN sessions s ON s.user_id = u.id AND s.id = ? WHERE u.id = ?",
    )
    .bind(session.as_str())
    .bind(user.as_str())
    .fetch_optional(connection)
    .await?;
    row.map(SessionRow::read).transpose()
}

pub(super) async fn others(
    connection: &mut SqliteConnection,
    user: &UserId,
    except: &SessionId,
) -> Result<Vec<SessionId>, StoreError> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM sessions WHERE user_id = ? AND id <> ? AND revoked_at IS NULL",
    )
    .bind(user.as_str())
    .bind(except.as_str())
    .fetch_all(connection)
    .await?;
    Ok(ids.into_iter().map(SessionId::from).collect())
}

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    new: &NewSession<'_>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO sessions (id, user_id, created_at, expires_at) VALUES (?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at",
    )
    .bind(new.id.as_str())
    .bind(new.user.as_str())
    .bind(new.now.0)
    .bind(new.expires_at.0)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn revoke(
    connection: &mut SqliteConnection,
    id: &SessionId,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE sessions SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL")
        .bind(now.0)
        .bind(id.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn insert_refresh(
    connection: &mut SqliteConnection,
    session: &SessionId,
    hash: &[u8],
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO refresh_tokens (hash, session_id, expires_at) VALUES (?, ?, ?)")
        .bind(hash)
        .bind(session.as_str())
        .bind(expires_at.0)
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE sessions SET expires_at = max(expires_at, ?) WHERE id = ?")
        .bind(expires_at.0)
        .bind(session.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Runs in the writer's transaction, so nobody else can spend it in between.
pub(super) async fn spend_refresh(
    connection: &mut SqliteConnection,
    hash: &[u8],
    now: Timestamp,
) -> Result<RefreshUse, StoreError> {
    let row = sqlx::query_as::<_, RefreshRow>(
        "SELECT r.session_id, s.user_id, r.expires_at, r.used_at, s.revoked_at
         FROM refresh_tokens r JOIN sessions s ON s.id = r.session_id WHERE r.hash = ?",
    )
    .bind(hash)
    .fetch_optional(&mut *connection)
    .await?;
    let found = row.map_or(RefreshUse::Unknown, |row| row.read(now));
    if matches!(found, RefreshUse::Fresh(..)) {
        sqlx::query("UPDATE refresh_tokens SET used_at = ? WHERE hash = ?")
            .bind(now.0)
            .bind(hash)
            .execute(connection)
            .await?;
    }
    Ok(found)
}

pub(super) async fn prune(
    connection: &mut SqliteConnection,
    before: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sessions WHERE expires_at < ?")
        .bind(before.0)
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM refresh_tokens WHERE expires_at < ?")
        .bind(before.0)
        .execute(connection)
        .await?;
    Ok(())
}
