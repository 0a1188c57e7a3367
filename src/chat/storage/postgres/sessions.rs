//! Sessions and refresh tokens.

use sqlx::PgConnection;

use crate::chat::domain::{SessionId, Timestamp, User, UserId};
use crate::chat::storage::rows::{RefreshRow, SessionRow};
use crate::chat::storage::{NewSession, RefreshUse, SessionState, StoreError};

pub(super) async fn session(
    connection: &mut PgConnection,
    user: &UserId,
    session: &SessionId,
) -> Result<Option<(User, SessionState)>, StoreError> {
    let row = sqlx::query_as::<_, SessionRow>(
        "SELECT u.id, u.name, u.email, u.role, u.created_at, s.id AS session, s.revoked_at
         FROM users u LEFT JOIN sessions s ON s.user_id = u.id AND s.id = $1 WHERE u.id = $2",
    )
    .bind(session.as_str())
    .bind(user.as_str())
    .fetch_optional(connection)
    .await?;
    row.map(SessionRow::read).transpose()
}

pub(super) async fn others(
    connection: &mut PgConnection,
    user: &UserId,
    except: &SessionId,
) -> Result<Vec<SessionId>, StoreError> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM sessions WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL",
    )
    .bind(user.as_str())
    .bind(except.as_str())
    .fetch_all(connection)
    .await?;
    Ok(ids.into_iter().map(SessionId::from).collect())
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    new: &NewSession<'_>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO sessions (id, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)
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
    connection: &mut PgConnection,
    id: &SessionId,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE sessions SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL")
        .bind(now.0)
        .bind(id.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn insert_refresh(
    connection: &mut PgConnection,
    session: &SessionId,
    hash: &[u8],
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO refresh_tokens (hash, session_id, expires_at) VALUES ($1, $2, $3)")
        .bind(hash)
        .bind(session.as_str())
        .bind(expires_at.0)
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE sessions SET expires_at = greatest(expires_at, $1) WHERE id = $2")
        .bind(expires_at.0)
        .bind(session.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Runs in the writer's transaction, so nobody else can spend it in between.
pub(super) async fn spend_refresh(
    connection: &mut PgConnection,
    hash: &[u8],
    now: Timestamp,
) -> Result<RefreshUse, StoreError> {
    let row = sqlx::query_as::<_, RefreshRow>(
        "SELECT r.session_id, s.user_id, r.expires_at, r.used_at, s.revoked_at
         FROM refresh_tokens r JOIN sessions s ON s.id = r.session_id WHERE r.hash = $1",
    )
    .bind(hash)
    .fetch_optional(&mut *connection)
    .await?;
    let found = row.map_or(RefreshUse::Unknown, |row| row.read(now));
    if matches!(found, RefreshUse::Fresh(..)) {
        sqlx::query("UPDATE refresh_tokens SET used_at = $1 WHERE hash = $2")
            .bind(now.0)
            .bind(hash)
            .execute(connection)
            .await?;
    }
    Ok(found)
}

pub(super) async fn prune(
    connection: &mut PgConnection,
    before: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sessions WHERE expires_at < $1")
        .bind(before.0)
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM refresh_tokens WHERE expires_at < $1")
        .bind(before.0)
        .execute(connection)
        .await?;
    Ok(())
}
