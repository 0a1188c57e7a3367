//! People and sessions.

use sqlx::FromRow;

use super::unreadable;
use crate::chat::domain::{Person, Role, Timestamp, User};
use crate::chat::storage::{Credentials, RefreshUse, SessionState, StoreError};

#[derive(FromRow)]
pub(in crate::chat::storage) struct UserRow {
    id: String,
    name: String,
    email: Option<String>,
    role: String,
    created_at: i64,
}

impl UserRow {
    pub(in crate::chat::storage) fn read(self) -> Result<User, StoreError> {
        Ok(User {
            id: self.id.into(),
            name: self.name,
            email: self.email,
            role: Role::from_name(&self.role).ok_or_else(|| unreadable("role"))?,
            created_at: Timestamp(self.created_at),
        })
    }
}

#[derive(FromRow)]
pub(in crate::chat::storage) struct PersonRow {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) role: String,
}

impl PersonRow {
    pub(in crate::chat::storage) fn read(self) -> Result<Person, StoreError> {
        let role = Role::from_name(&self.role).ok_or_else(|| unreadable("role"))?;
        Ok(Person {
            id: self.id.into(),
            name: self.name,
            role,
            avatar_url: None,
        })
    }
}

#[derive(FromRow)]
pub(in crate::chat::storage) struct CredentialsRow {
    #[sqlx(flatten)]
    user: UserRow,
    password_hash: Option<String>,
}

impl CredentialsRow {
    pub(in crate::chat::storage) fn read(self) -> Result<Credentials, StoreError> {
        Ok(Credentials {
            user: self.user.read()?,
            password_hash: self.password_hash,
        })
    }
}

#[derive(FromRow)]
pub(in crate::chat::storage) struct SessionRow {
    #[sqlx(flatten)]
    user: UserRow,
    session: Option<String>,
    revoked_at: Option<i64>,
}

impl SessionRow {
    pub(in crate::chat::storage) fn read(self) -> Result<(User, SessionState), StoreError> {
        let state = match (self.session, self.revoked_at) {
            (None, _) => SessionState::Unknown,
            (Some(_), None) => SessionState::Open,
            (Some(_), Some(_)) => SessionState::Revoked,
        };
        Ok((self.user.read()?, state))
    }
}

#[derive(FromRow)]
pub(in crate::chat::storage) struct RefreshRow {
    session_id: String,
    user_id: String,
    expires_at: i64,
    used_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl RefreshRow {
    /// What its use comes to now; [`RefreshUse::Fresh`] is still to be noted.
    pub(in crate::chat::storage) fn read(self, now: Timestamp) -> RefreshUse {
        if self.used_at.is_some() || self.revoked_at.is_some() {
            RefreshUse::Spent(self.session_id.into())
        } else if self.expires_at <= now.0 {
            RefreshUse::Unknown
        } else {
            RefreshUse::Fresh(self.session_id.into(), self.user_id.into())
        }
    }
}
