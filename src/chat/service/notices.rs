//! Notifications: kept, and told to people wherever they are.

use std::sync::Arc;

use super::ledger::{Command, Ledger, encode};
use super::publishing::Item;
use crate::chat::Chat;
use crate::chat::domain::{
    self, ChatId, Message, MessageId, Notification, NotificationId, NotificationKind, Person,
    UserId,
};
use crate::chat::error::Error;
use crate::chat::live::To;
use crate::chat::storage::NewNotification;

/// What a notification is about, beside its chat.
#[derive(Default)]
pub(super) struct About {
    pub(super) chat: Option<domain::Chat>,
    pub(super) user: Option<Person>,
    pub(super) by: Option<Person>,
}

impl Ledger<'_> {
    /// Keeps a notification for these people, and tells them after the commit.
    pub(super) async fn notify(
        &mut self,
        people: Vec<UserId>,
        kind: NotificationKind,
        chat_id: &ChatId,
        about: About,
    ) -> Result<(), Error> {
        if people.is_empty() {
            return Ok(());
        }
        let notification = Notification {
            id: NotificationId::generate(),
            kind,
            chat_id: chat_id.clone(),
            chat: about.chat,
            user: about.user,
            by: about.by,
            message: None,
            created_at: self.now,
        };
        self.keep(&notification, &people, None).await?;
        let payload = encode(&notification)?;
        self.say(chat_id, Item::Notify { people, payload });
        Ok(())
    }

    async fn keep(
        &mut self,
        notification: &Notification,
        people: &[UserId],
        message: Option<&MessageId>,
    ) -> Result<(), Error> {
        let new = NewNotification {
            id: &notification.id,
            people,
            kind: notification.kind,
            chat: &notification.chat_id,
            user: notification.user.as_ref().map(|person| &person.id),
            by: notification.by.as_ref().map(|person| &person.id),
            message,
            now: notification.created_at,
        };
        Ok(self.db.insert_notification(&new).await?)
    }
}

/// Keeps a notification that has been told already.
struct Keep {
    notification: Notification,
    people: Vec<UserId>,
    message: MessageId,
}

impl Command for Keep {
    type Output = ();

    async fn apply(&self, ledger: &mut Ledger<'_>) -> Result<(), Error> {
        ledger
            .keep(&self.notification, &self.people, Some(&self.message))
            .await
    }
}

impl Chat {
    /// Tells people of a message that they do not see live; those whom it
    /// names get a mention instead.
    pub(super) async fn notify_of_message(self: &Arc<Self>, message: Message, people: Vec<UserId>) {
        let (named, others): (Vec<_>, Vec<_>) = people
            .into_iter()
            .partition(|user| message.mentions.contains(user));
        self.tell(NotificationKind::Mention, named, &message).await;
        self.tell(NotificationKind::NewMessage, others, &message)
            .await;
    }

    /// Tells first and keeps then: it is on its way while the disk is busy.
    async fn tell(
        self: &Arc<Self>,
        kind: NotificationKind,
        people: Vec<UserId>,
        message: &Message,
    ) {
        if people.is_empty() {
            return;
        }
        let notification = Notification {
            id: NotificationId::generate(),
            kind,
            chat_id: message.chat_id.clone(),
            chat: None,
            user: None,
            by: message.sender.clone(),
            message: Some(message.clone()),
            created_at: message.created_at,
        };
        self.live
            .say(To::People(&people), "notification", &notification);
        self.enqueue(Keep {
            notification,
            people,
            message: message.id.clone(),
        })
        .await;
    }
}
