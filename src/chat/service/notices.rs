//! Notifications: kept, and told to people wherever they are.

use std::sync::Arc;

use super::ledger::{Ledger, encode};
use super::publishing::Item;
use crate::chat::Chat;
use crate::chat::domain::{
    self, ChatId, Message, MessageId, Notification, NotificationId, NotificationKind, Person,
    UserId,
};
use crate::chat::error::Error;
use crate::chat::live::To;
use crate::chat::storage::{Answer, Job, NewNotification, StoreError, Verdict, Write};

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
        let new = row(notification, people, message);
        Ok(self.db.insert_notifications(&[new]).await?)
    }
}

/// A notification as it is stored.
fn row<'a>(
    notification: &'a Notification,
    people: &'a [UserId],
    message: Option<&'a MessageId>,
) -> NewNotification<'a> {
    NewNotification {
        id: &notification.id,
        people,
        kind: notification.kind,
        chat: &notification.chat_id,
        user: notification.user.as_ref().map(|person| &person.id),
        by: notification.by.as_ref().map(|person| &person.id),
        message,
        now: notification.created_at,
    }
}

/// Keeps a notification that has been told already.
struct Keep {
    notification: Notification,
    people: Vec<UserId>,
}

impl Job for Keep {
    fn run<'a>(&'a mut self, connection: &'a mut dyn Write) -> Answer<'a, Verdict> {
        Box::pin(async move {
            let new = self.row();
            connection.insert_notifications(&[new]).await?;
            Ok(Verdict::Keep)
        })
    }

    fn notification(&self) -> Option<NewNotification<'_>> {
        Some(self.row())
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>) {
        if let Err(error) = outcome {
            tracing::warn!(%error, "a notification was told, but not kept");
        }
    }
}

impl Keep {
    fn row(&self) -> NewNotification<'_> {
        let message = self.notification.message.as_ref();
        row(
            &self.notification,
            &self.people,
            message.map(|message| &message.id),
        )
    }
}

impl Chat {
    /// Tells people of a message that they do not see live; those whom it
    /// names get a mention instead.
    pub(super) async fn notify_of_message(
        self: &Arc<Self>,
        message: &Message,
        people: Vec<UserId>,
    ) {
        let (named, others): (Vec<_>, Vec<_>) = people
            .into_iter()
            .partition(|user| message.mentions.contains(user));
        self.tell(NotificationKind::Mention, named, message).await;
        self.tell(NotificationKind::NewMessage, others, message)
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
        let kept = self.writer.submit(Box::new(Keep {
            notification,
            people,
        }));
        if let Err(error) = kept.await {
            tracing::warn!(%error, "a notification was told, but not kept");
        }
    }
}
