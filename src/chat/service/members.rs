//! Who is in a group: adding, removing, leaving. (CONTRACT section 9 says what
//! is logged, and who hears of it.)

use std::sync::Arc;

use super::access::access;
use super::chats::MAX_PARTICIPANTS;
use super::ledger::{Command, Ledger};
use super::notices::About;
use super::publishing::Item;
use super::roles::hand_over;
use super::sessions::Actor;
use crate::chat::Chat;
use crate::chat::domain::{
    self, ChatId, Invalid, MemberRole, NotificationKind, Participant, Person, SystemFact,
    SystemKind, SystemParams, UserId,
};
use crate::chat::error::Error;

struct Add {
    chat: ChatId,
    by: Person,
    user: UserId,
}

impl Command for Add {
    type Output = Participant;

    async fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Participant, Error> {
        let Self { chat, by, user } = self;
        let access = access(ledger.db, chat, &by.id, by.role).await?;
        access.group()?;
        let added = self.check(ledger).await?;
        let (role, read) = (MemberRole::Member, access.standing.last_seq);
        ledger
            .db
            .insert_participants(chat, std::slice::from_ref(user), role, ledger.now, read)
            .await?;
        ledger.say(chat, Item::PeopleChanged);
        ledger
            .append_fact(chat, fact(SystemKind::ParticipantAdded, &added, Some(by)))
            .await?;
        let now = ledger.chat_updated(chat).await?;
        let participant = now
            .participants
            .iter()
            .find(|one| one.user_id == *user)
            .cloned();
        self.announce(ledger, now, added).await?;
        participant.ok_or(Error::Internal)
    }
}

impl Add {
    async fn check(&self, ledger: &mut Ledger<'_>) -> Result<Person, Error> {
        let user = ledger.db.user(&self.user).await?;
        let user = user.ok_or(Invalid::new(
            "userId",
            "must be the id of a person who exists",
        ))?;
        if !ledger
            .db
            .members_among(&self.chat, std::slice::from_ref(&user.id))
            .await?
            .is_empty()
        {
            return Err(Error::Conflict("This person is in the chat already"));
        }
        if ledger.db.people_in(&self.chat).await? as usize >= MAX_PARTICIPANTS {
            return Err(Invalid::new("userId", "cannot be added: the chat is full").into());
        }
        Ok(user.person())
    }

    async fn announce(
        &self,
        ledger: &mut Ledger<'_>,
        now: domain::Chat,
        added: Person,
    ) -> Result<(), Error> {
        let others = everyone_but(&now, &self.user);
        let by = Some(self.by.clone());
        let about = About {
            chat: Some(now),
            user: None,
            by: by.clone(),
        };
        let newcomer = vec![self.user.clone()];
        ledger
            .notify(newcomer, NotificationKind::NewChat, &self.chat, about)
            .await?;
        let about = About {
            chat: None,
            user: Some(added),
            by,
        };
        ledger
            .notify(
                others,
                NotificationKind::ParticipantAdded,
                &self.chat,
                about,
            )
            .await
    }
}

struct Remove {
    chat: ChatId,
    by: Person,
    user: UserId,
}

impl Command for Remove {
    type Output = ();

    async fn apply(&self, ledger: &mut Ledger<'_>) -> Result<(), Error> {
        let Self { chat, by, user } = self;
        let access = access(ledger.db, chat, &by.id, by.role).await?;
        access.group()?;
        if by.id == *user {
            let role = access.participant()?;
            return depart(ledger, chat, by, role, None).await;
        }
        access.moderator()?;
        let target = ledger
            .db
            .standing(chat, user)
            .await?
            .and_then(|standing| standing.role);
        let role = target.ok_or(Error::NotFound("This person is not in the chat"))?;
        if role == MemberRole::Owner && by.role != domain::Role::Admin {
            return Err(Error::Forbidden(
                "Only an administrator may remove the owner",
            ));
        }
        let removed = ledger.db.user(user).await?.ok_or(Error::Internal)?.person();
        depart(ledger, chat, &removed, role, Some(by)).await
    }
}

struct Leave {
    chat: ChatId,
    user: Person,
}

impl Command for Leave {
    type Output = ();

    async fn apply(&self, ledger: &mut Ledger<'_>) -> Result<(), Error> {
        let access = access(ledger.db, &self.chat, &self.user.id, self.user.role).await?;
        let role = access.participant()?;
        access.group()?;
        depart(ledger, &self.chat, &self.user, role, None).await
    }
}

/// Somebody goes, or is put out by `by`.
async fn depart(
    ledger: &mut Ledger<'_>,
    chat: &ChatId,
    user: &Person,
    role: MemberRole,
    by: Option<&Person>,
) -> Result<(), Error> {
    ledger.db.delete_participant(chat, &user.id).await?;
    // First of all: whoever is out hears nothing of what follows.
    ledger.say(chat, Item::Evict(user.id.clone()));
    let Some(heir) = ledger.db.longest_standing(chat, &user.id).await? else {
        ledger.db.delete_chat(chat).await?;
        ledger.say(chat, Item::Dissolve);
        return told_alone(ledger, chat, user, by).await;
    };
    let (system, notice) = match by {
        Some(_) => (
            SystemKind::ParticipantRemoved,
            NotificationKind::ParticipantRemoved,
        ),
        None => (
            SystemKind::ParticipantLeft,
            NotificationKind::ParticipantLeft,
        ),
    };
    ledger.append_fact(chat, fact(system, user, by)).await?;
    let now = ledger.chat_updated(chat).await?;
    let mut people = everyone_but(&now, &user.id);
    people.extend(by.map(|_| user.id.clone()));
    let about = About {
        chat: None,
        user: Some(user.clone()),
        by: by.cloned(),
    };
    ledger.notify(people, notice, chat, about).await?;
    if role == MemberRole::Owner {
        hand_over(ledger, chat, &heir, by.unwrap_or(user)).await?;
    }
    Ok(())
}

/// The last one was put out by an admin: nobody remains to be told but they.
async fn told_alone(
    ledger: &mut Ledger<'_>,
    chat: &ChatId,
    user: &Person,
    by: Option<&Person>,
) -> Result<(), Error> {
    let people = by.map(|_| user.id.clone()).into_iter().collect();
    let about = About {
        chat: None,
        user: Some(user.clone()),
        by: by.cloned(),
    };
    ledger
        .notify(people, NotificationKind::ParticipantRemoved, chat, about)
        .await
}

pub(super) fn fact(kind: SystemKind, user: &Person, by: Option<&Person>) -> SystemFact {
    let params = SystemParams {
        user_id: Some(user.id.to_string()),
        name: user.name.clone(),
        by_id: by.map(|by| by.id.to_string()),
        by_name: by.map(|by| by.name.clone()),
    };
    SystemFact { kind, params }
}

fn everyone_but(chat: &domain::Chat, user: &UserId) -> Vec<UserId> {
    let others = chat
        .participants
        .iter()
        .map(|one| &one.user_id)
        .filter(|one| *one != user);
    others.cloned().collect()
}

impl Chat {
    /// Puts somebody into a group.
    ///
    /// # Errors
    /// [`Error::Conflict`] when they are in it already.
    pub(in crate::chat) async fn add_participant(
        self: &Arc<Self>,
        actor: &Actor,
        chat: ChatId,
        user: UserId,
    ) -> Result<Participant, Error> {
        self.commit(Add {
            chat,
            by: actor.user.person(),
            user,
        })
        .await
    }

    /// Puts somebody out of a group. When this comes back, their sockets have
    /// left its room.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for members, and for the owner as target.
    pub(in crate::chat) async fn remove_participant(
        self: &Arc<Self>,
        actor: &Actor,
        chat: ChatId,
        user: UserId,
    ) -> Result<(), Error> {
        self.commit(Remove {
            chat: chat.clone(),
            by: actor.user.person(),
            user,
        })
        .await?;
        self.settled(&chat).await;
        Ok(())
    }

    /// Takes oneself out of a group. When this comes back, one's sockets have
    /// left its room.
    pub(in crate::chat) async fn leave(
        self: &Arc<Self>,
        actor: &Actor,
        chat: ChatId,
    ) -> Result<(), Error> {
        self.commit(Leave {
            chat: chat.clone(),
            user: actor.user.person(),
        })
        .await?;
        self.settled(&chat).await;
        Ok(())
    }
}
