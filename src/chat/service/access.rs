//! What somebody is to a chat, and the one place that says no.

use super::sessions::Actor;
use crate::chat::domain::{ChatId, Invalid, MemberRole, Role, UserId};
use crate::chat::error::Error;
use crate::chat::storage::{Read, Standing, Viewer};

/// Somebody's right to a chat that exists and that they may know of.
#[derive(Debug, Clone)]
pub(super) struct Access {
    pub(super) standing: Standing,
    pub(super) is_admin: bool,
}

impl Actor {
    /// With whose eyes to look at a chat.
    pub(super) fn viewer(&self) -> Viewer {
        Viewer {
            user: self.user.id.clone(),
            sees_all: self.is_admin(),
        }
    }

    pub(super) fn is_admin(&self) -> bool {
        self.user.role == Role::Admin
    }
}

/// What somebody is to a chat.
///
/// # Errors
/// [`Error::ChatNotFound`] when there is no such chat, or they are neither in
/// it nor an admin: the two cannot be told apart.
pub(super) async fn access<R: Read + ?Sized>(
    db: &mut R,
    chat: &ChatId,
    user: &UserId,
    role: Role,
) -> Result<Access, Error> {
    Access::of(db.standing(chat, user).await?, role)
}

impl Access {
    /// What a standing in a chat comes to for a person of this role.
    ///
    /// # Errors
    /// As [`access`].
    pub(super) fn of(standing: Option<Standing>, role: Role) -> Result<Self, Error> {
        let is_admin = role == Role::Admin;
        match standing {
            Some(standing) if standing.role.is_some() || is_admin => {
                Ok(Self { standing, is_admin })
            }
            _ => Err(Error::ChatNotFound),
        }
    }

    /// Their role, for acts of participants.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for an admin who is not in the chat.
    pub(super) fn participant(&self) -> Result<MemberRole, Error> {
        self.standing.role.ok_or(Error::Forbidden(
            "Only participants of the chat may do this",
        ))
    }

    /// For acts that only groups know.
    ///
    /// # Errors
    /// [`Error::Invalid`] in a direct chat.
    pub(super) fn group(&self) -> Result<(), Error> {
        if self.standing.is_group {
            Ok(())
        } else {
            Err(Invalid::new("chatId", "must be a group: direct chats do not change").into())
        }
    }

    /// For acts of owners, moderators and admins.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for everybody else.
    pub(super) fn moderator(&self) -> Result<(), Error> {
        match self.standing.role {
            _ if self.is_admin => Ok(()),
            Some(MemberRole::Owner | MemberRole::Moderator) => Ok(()),
            _ => Err(Error::Forbidden(
                "Only the owner and moderators of the chat may do this",
            )),
        }
    }
}
