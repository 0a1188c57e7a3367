//! Kept notifications: reading them, marking them as read.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use serde::Serialize;

use super::ledger::{Command, Ledger};
use super::sessions::Actor;
use crate::chat::Chat;
use crate::chat::domain::{
    self, ChatId, Invalid, Limit, Message, MessageId, Notification, NotificationId,
    NotificationKind, Person, Timestamp, UserId,
};
use crate::chat::error::Error;
use crate::chat::storage::{KeptNotification, Read};

/// `GET /api/notifications`.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::chat) struct Inbox {
    notifications: Vec<Shown>,
    next_cursor: Option<String>,
    unread_count: u32,
}

/// A notification as it was told, and whether it was read.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Shown {
    #[serde(flatten)]
    notification: Notification,
    read_at: Option<Timestamp>,
}

/// What notifications name, as far as the person may see it now.
struct Named {
    people: HashMap<UserId, Person>,
    chats: HashMap<ChatId, domain::Chat>,
    messages: HashMap<MessageId, Message>,
}

impl Named {
    async fn look_up(
        read: &mut dyn Read,
        person: &UserId,
        kept: &[KeptNotification],
    ) -> Result<Self, Error> {
        let people = distinct(kept.iter().flat_map(|one| [&one.user, &one.by]).flatten());
        let messages = distinct(kept.iter().filter_map(|one| one.message.as_ref()));
        let chats = distinct(
            kept.iter()
                .filter(|one| one.kind == NotificationKind::NewChat)
                .map(|one| &one.chat),
        );
        let people = read.people(&people).await?;
        let chats = read.chats_for(person, &chats).await?;
        let messages = read.messages_for(person, &messages).await?;
        Ok(Self {
            people: people
                .into_iter()
                .map(|one| (one.id.clone(), one))
                .collect(),
            chats: chats.into_iter().map(|one| (one.id.clone(), one)).collect(),
            messages: messages
                .into_iter()
                .map(|one| (one.id.clone(), one))
                .collect(),
        })
    }

    fn show(&self, kept: KeptNotification) -> Shown {
        let person = |id: Option<UserId>| id.and_then(|id| self.people.get(&id).cloned());
        let is_new_chat = kept.kind == NotificationKind::NewChat;
        let notification = Notification {
            id: kept.id,
            kind: kept.kind,
            chat: self.chats.get(&kept.chat).filter(|_| is_new_chat).cloned(),
            chat_id: kept.chat,
            user: person(kept.user),
            by: person(kept.by),
            message: kept.message.and_then(|id| self.messages.get(&id).cloned()),
            created_at: kept.created_at,
        };
        Shown {
            notification,
            read_at: kept.read_at,
        }
    }
}

fn distinct<'a, T: Clone + Eq + Hash + 'a>(ids: impl Iterator<Item = &'a T>) -> Vec<T> {
    ids.cloned().collect::<HashSet<T>>().into_iter().collect()
}

struct MarkNotifications {
    person: UserId,
    /// None for all.
    ids: Option<Vec<NotificationId>>,
}

impl Command for MarkNotifications {
    type Output = u32;

    async fn apply(&self, ledger: &mut Ledger<'_>) -> Result<u32, Error> {
        let (ids, now) = (self.ids.as_deref(), ledger.now);
        ledger.db.read_notifications(&self.person, ids, now).await?;
        Ok(ledger.db.unread_notifications(&self.person).await?)
    }
}

/// The last notification of the page before.
fn read_cursor(text: &str) -> Result<&str, Error> {
    let given = uuid::Uuid::try_parse(text);
    given
        .map(|_| text)
        .map_err(|_| Invalid::new("cursor", "must be one that the server gave").into())
}

impl Chat {
    /// A page of somebody's notifications, newest first.
    pub(in crate::chat) async fn inbox(
        &self,
        actor: &Actor,
        cursor: Option<&str>,
        limit: Limit,
    ) -> Result<Inbox, Error> {
        let (person, wanted) = (&actor.user.id, limit.get());
        let cursor = cursor.map(read_cursor).transpose()?;
        let mut read = self.store.read().await?;
        // One more than wanted tells whether there is a next page.
        let mut kept = read.notifications(person, cursor, wanted + 1).await?;
        let more = kept.len() > wanted as usize;
        kept.truncate(wanted as usize);
        let next_cursor = kept.last().filter(|_| more).map(|last| last.id.to_string());
        let unread_count = read.unread_notifications(person).await?;
        let named = Named::look_up(read.as_mut(), person, &kept).await?;
        let notifications = kept.into_iter().map(|one| named.show(one)).collect();
        Ok(Inbox {
            notifications,
            next_cursor,
            unread_count,
        })
    }

    /// Marks notifications as read, these or all; how many are left.
    pub(in crate::chat) async fn mark_notifications(
        self: &Arc<Self>,
        actor: &Actor,
        ids: Option<Vec<NotificationId>>,
    ) -> Result<u32, Error> {
        self.commit(MarkNotifications {
            person: actor.user.id.clone(),
            ids,
        })
        .await
    }
}
