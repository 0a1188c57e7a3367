//! The name of a group, and who is what in it.

use std::sync::Arc;

use super::access::access;
use super::ledger::{Command, Ledger};
use super::members::fact;
use super::sessions::Actor;
use crate::chat::Chat;
use crate::chat::domain::{
    self, ChatId, ChatName, MemberRole, Participant, Person, SystemFact, SystemKind, SystemParams,
    UserId,
};
use crate::chat::error::Error;

struct Rename {
    chat: ChatId,
    by: Person,
    name: ChatName,
}

impl Command for Rename {
    type Output = ();

    async fn apply(&self, ledger: &mut Ledger<'_>) -> Result<(), Error> {
        let Self { chat, by, name } = self;
        let access = access(ledger.db, chat, &by.id, by.role).await?;
        access.group()?;
        access.moderator()?;
        ledger.db.rename(chat, name).await?;
        let params = SystemParams {
            name: name.as_str().to_owned(),
            ..SystemParams::default()
        };
        let kind = SystemKind::ChatRenamed;
        ledger
            .append_fact(chat, SystemFact { kind, params })
            .await?;
        ledger.chat_updated(chat).await?;
        Ok(())
    }
}

struct SetRole {
    chat: ChatId,
    by: Person,
    user: UserId,
    role: MemberRole,
}

impl Command for SetRole {
    type Output = Participant;

    async fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Participant, Error> {
        let Self {
            chat,
            by,
            user,
            role,
        } = self;
        let access = access(ledger.db, chat, &by.id, by.role).await?;
        access.group()?;
        access.owner()?;
        let target = ledger
            .db
            .standing(chat, user)
            .await?
            .and_then(|standing| standing.role);
        let current = target.ok_or(Error::NotFound("This person is not in the chat"))?;
        let now = match (current, *role) {
            (current, wanted) if current == wanted => ledger.db.chat_for_everyone(chat).await?,
            (MemberRole::Owner, _) => {
                return Err(Error::Conflict(
                    "The owner hands over by making somebody else the owner",
                ));
            }
            (_, MemberRole::Owner) => Some(self.hand_over(ledger).await?),
            (_, wanted) => {
                ledger.db.set_role(chat, user, wanted).await?;
                Some(ledger.chat_updated(chat).await?)
            }
        };
        let people = now.into_iter().flat_map(|chat| chat.participants);
        people
            .into_iter()
            .find(|one| one.user_id == *user)
            .ok_or(Error::Internal)
    }
}

impl SetRole {
    async fn hand_over(&self, ledger: &mut Ledger<'_>) -> Result<domain::Chat, Error> {
        let heir = ledger
            .db
            .user(&self.user)
            .await?
            .ok_or(Error::Internal)?
            .person();
        ledger.db.demote_owner(&self.chat).await?;
        hand_over(ledger, &self.chat, &heir, &self.by).await
    }
}

/// Makes somebody the owner, and says so.
pub(super) async fn hand_over(
    ledger: &mut Ledger<'_>,
    chat: &ChatId,
    heir: &Person,
    by: &Person,
) -> Result<domain::Chat, Error> {
    ledger
        .db
        .set_role(chat, &heir.id, MemberRole::Owner)
        .await?;
    ledger
        .append_fact(chat, fact(SystemKind::OwnerChanged, heir, Some(by)))
        .await?;
    ledger.chat_updated(chat).await
}

impl super::access::Access {
    /// For acts of owners and admins.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for everybody else.
    fn owner(&self) -> Result<(), Error> {
        match self.standing.role {
            _ if self.is_admin => Ok(()),
            Some(MemberRole::Owner) => Ok(()),
            _ => Err(Error::Forbidden("Only the owner of the chat may do this")),
        }
    }
}

impl Chat {
    /// Gives a group another name.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for members.
    pub(in crate::chat) async fn rename(
        self: &Arc<Self>,
        actor: &Actor,
        id: ChatId,
        name: ChatName,
    ) -> Result<domain::Chat, Error> {
        self.commit(Rename {
            chat: id.clone(),
            by: actor.user.person(),
            name,
        })
        .await?;
        self.chat(actor, &id).await
    }

    /// Gives a participant another role; `owner` hands the group over.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for everybody but the owner and admins.
    pub(in crate::chat) async fn set_role(
        self: &Arc<Self>,
        actor: &Actor,
        chat: ChatId,
        user: UserId,
        role: MemberRole,
    ) -> Result<Participant, Error> {
        self.commit(SetRole {
            chat,
            by: actor.user.person(),
            user,
            role,
        })
        .await
    }
}
