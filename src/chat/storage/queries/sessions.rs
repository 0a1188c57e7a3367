//! Sessions and refresh tokens.

use crate::chat::domain::{SessionId, Timestamp, User, UserId};
use crate::chat::storage::rows::{RefreshRow, SessionRow, ids};
use crate::chat::storage::sql::Db;
use crate::chat::storage::{NewSession, RefreshUse, SessionState, StoreError};

pub(super) async fn session(
    db: &mut Db<'_>,
    user: &UserId,
    session: &SessionId,
) -> Result<Option<(User, SessionState)>, StoreError> {
    let row = db
        .query(
            "SELECT u.id, u.name, u.email, u.role, u.created_at, s.id AS session, s.revoked_at
             FROM users u LEFT JOIN sessions s ON s.user_id = u.id AND s.id = $1 WHERE u.id = $2",
        )
        .bind(session.as_str())
        .bind(user.as_str())
        .fetch_optional::<SessionRow>()
        .await?;
    row.map(SessionRow::read).transpose()
}

pub(super) async fn others(
    db: &mut Db<'_>,
    user: &UserId,
    except: &SessionId,
) -> Result<Vec<SessionId>, StoreError> {
    let rows = db
        .query("SELECT id FROM sessions WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL")
        .bind(user.as_str())
        .bind(except.as_str())
        .fetch_all()
        .await?;
    Ok(ids(rows))
}

pub(super) async fn insert(db: &mut Db<'_>, new: &NewSession<'_>) -> Result<(), StoreError> {
    db.query(
        "INSERT INTO sessions (id, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at",
    )
    .bind(new.id.as_str())
    .bind(new.user.as_str())
    .bind(new.now.0)
    .bind(new.expires_at.0)
    .execute()
    .await
}

pub(super) async fn revoke(
    db: &mut Db<'_>,
    id: &SessionId,
    now: Timestamp,
) -> Result<(), StoreError> {
    db.query("UPDATE sessions SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL")
        .bind(now.0)
        .bind(id.as_str())
        .execute()
        .await
}

pub(super) async fn insert_refresh(
    db: &mut Db<'_>,
    session: &SessionId,
    hash: &[u8],
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    db.query("INSERT INTO refresh_tokens (hash, session_id, expires_at) VALUES ($1, $2, $3)")
        .bind(hash)
        .bind(session.as_str())
        .bind(expires_at.0)
        .execute()
        .await?;
    db.query("UPDATE sessions SET expires_at = $1 WHERE id = $2 AND expires_at < $1")
        .bind(expires_at.0)
        .bind(session.as_str())
        .execute()
        .await
}

/// Runs in the writer's transaction, so nobody else can spend it in between.
pub(super) async fn spend_refresh(
    db: &mut Db<'_>,
    hash: &[u8],
    now: Timestamp,
) -> Result<RefreshUse, StoreError> {
    let row = db
        .query(
            "SELECT r.session_id, s.user_id, r.expires_at, r.used_at, s.revoked_at
             FROM refresh_tokens r JOIN sessions s ON s.id = r.session_id WHERE r.hash = $1",
        )
        .bind(hash)
        .fetch_optional::<RefreshRow>()
        .await?;
    let found = row.map_or(RefreshUse::Unknown, |row| row.read(now));
    if matches!(found, RefreshUse::Fresh(..)) {
        db.query("UPDATE refresh_tokens SET used_at = $1 WHERE hash = $2")
            .bind(now.0)
            .bind(hash)
            .execute()
            .await?;
    }
    Ok(found)
}

pub(super) async fn prune(db: &mut Db<'_>, before: Timestamp) -> Result<(), StoreError> {
    db.query("DELETE FROM sessions WHERE expires_at < $1")
        .bind(before.0)
        .execute()
        .await?;
    db.query("DELETE FROM refresh_tokens WHERE expires_at < $1")
        .bind(before.0)
        .execute()
        .await
}
