//! Chats: the list, one of them, and making one.

use std::sync::Arc;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::ledger::{Command, Ledger, Text};
use super::notices::About;
use super::sessions::Actor;
use crate::chat::Chat;
use crate::chat::domain::{
    self, ChatId, ChatName, Content, Invalid, Limit, MemberRole, NotificationKind, Person, Seq,
    Timestamp, UserId,
};
use crate::chat::error::Error;
use crate::chat::limits::Act;
use crate::chat::storage::{ChatCursor, NewChat};

/// People in one chat.
pub(super) const MAX_PARTICIPANTS: usize = 1000;

/// A page of chats.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::chat) struct ChatPage {
    chats: Vec<domain::Chat>,
    next_cursor: Option<String>,
}

/// What somebody wants to make.
pub(in crate::chat) struct CreateChat {
    pub(in crate::chat) name: Option<ChatName>,
    pub(in crate::chat) is_group: bool,
    pub(in crate::chat) participants: Vec<UserId>,
    pub(in crate::chat) initial_message: Option<Content>,
}

struct MakeChat {
    id: ChatId,
    maker: Person,
    /// None for a direct chat.
    name: Option<ChatName>,
    /// None for a group.
    direct_key: Option<String>,
    others: Vec<UserId>,
    initial_message: Option<Content>,
}

/// The id of the chat, and whether it was made now.
type Made = (ChatId, bool);

impl Command for MakeChat {
    type Output = Made;

    async fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Made, Error> {
        if ledger.db.people(&self.others).await?.len() != self.others.len() {
            return Err(Invalid::new("participantIds", "must be ids of people who exist").into());
        }
        if let Some(key) = &self.direct_key
            && let Some(known) = ledger.db.direct_chat(key).await?
        {
            if let Some(seq) = self.say_first(ledger, &known).await? {
                ledger.read_by_sending(&known, &self.maker.id, seq)?;
            }
            return Ok((known, false));
        }
        self.make(ledger).await?;
        Ok((self.id.clone(), true))
    }
}

impl MakeChat {
    async fn make(&self, ledger: &mut Ledger<'_>) -> Result<(), Error> {
        let now = ledger.now;
        let new = NewChat {
            id: &self.id,
            name: self.name.as_ref(),
            direct_key: self.direct_key.as_deref(),
            created_by: &self.maker.id,
            now,
        };
        ledger.db.insert_chat(&new).await?;
        let maker_role = match self.direct_key {
            None => MemberRole::Owner,
            Some(_) => MemberRole::Member,
        };
        let maker = std::slice::from_ref(&self.maker.id);
        for (people, role) in [
            (maker, maker_role),
            (self.others.as_slice(), MemberRole::Member),
        ] {
            let db = &mut ledger.db;
            db.insert_participants(&self.id, people, role, now, Seq(0))
                .await?;
        }
        self.announce(ledger).await
    }

    async fn announce(&self, ledger: &mut Ledger<'_>) -> Result<(), Error> {
        let chat = ledger.db.chat_for_everyone(&self.id).await?;
        let about = About {
            chat,
            user: None,
            by: Some(self.maker.clone()),
        };
        ledger
            .notify(
                self.others.clone(),
                NotificationKind::NewChat,
                &self.id,
                about,
            )
            .await?;
        self.say_first(ledger, &self.id).await?;
        Ok(())
    }

    /// Sends the initial message, into the chat that the pair has already too: what was written must
    /// not get lost.
    async fn say_first(
        &self,
        ledger: &mut Ledger<'_>,
        chat: &ChatId,
    ) -> Result<Option<Seq>, Error> {
        let Some(content) = &self.initial_message else {
            return Ok(None);
        };
        let text = Text {
            sender: &self.maker,
            content: content.as_str(),
            client_msg_id: None,
            body_hash: None,
            reply_to: None,
            mentions: &[],
        };
        let message = ledger.append_text(chat, &text).await?;
        Ok(Some(message.seq))
    }
}

impl Chat {
    /// A page of somebody's chats, newest activity first.
    pub(in crate::chat) async fn chats(
        &self,
        actor: &Actor,
        cursor: Option<&str>,
        limit: Limit,
    ) -> Result<ChatPage, Error> {
        let cursor = cursor.map(read_cursor).transpose()?;
        let wanted = limit.get();
        let mut read = self.store.read().await?;
        // One more than wanted tells whether there is a next page.
        let mut chats = read
            .chats(&actor.user.id, cursor.as_ref(), wanted + 1)
            .await?;
        let more = chats.len() > wanted as usize;
        chats.truncate(wanted as usize);
        let next_cursor = chats.last().filter(|_| more).map(write_cursor);
        Ok(ChatPage { chats, next_cursor })
    }

    /// One chat.
    pub(in crate::chat) async fn chat(
        &self,
        actor: &Actor,
        id: &ChatId,
    ) -> Result<domain::Chat, Error> {
        let chat = self.store.read().await?.chat(id, &actor.viewer()).await?;
        chat.ok_or(Error::ChatNotFound)
    }

    /// Makes a chat, or finds the one that a pair has. True when it is new.
    ///
    /// # Errors
    /// [`Error::Invalid`] for unknown people and sizes that do not fit.
    pub(in crate::chat) async fn create_chat(
        self: &Arc<Self>,
        actor: &Actor,
        wanted: CreateChat,
    ) -> Result<(domain::Chat, bool), Error> {
        let who = actor.user.id.as_str();
        self.limits.count(Act::NewChat, who, Instant::now())?;
        let done = self.make_chat(actor, wanted).await;
        if !matches!(done, Ok((_, true))) {
            self.limits.give_back(Act::NewChat, who);
        }
        let (id, made) = done?;
        Ok((self.chat(actor, &id).await?, made))
    }

    async fn make_chat(
        self: &Arc<Self>,
        actor: &Actor,
        wanted: CreateChat,
    ) -> Result<(ChatId, bool), Error> {
        self.commit(wanted.check(actor.user.person())?).await
    }
}

impl CreateChat {
    fn check(self, maker: Person) -> Result<MakeChat, Error> {
        let mut others = self.participants;
        others.sort();
        others.dedup();
        others.retain(|user| *user != maker.id);
        if others.len() >= MAX_PARTICIPANTS {
            return Err(Invalid::new("participantIds", "must be at most 999 people").into());
        }
        let (name, direct_key) = match (self.is_group, others.as_slice()) {
            (true, _) => (
                Some(
                    self.name
                        .ok_or(Invalid::new("name", "is required for a group"))?,
                ),
                None,
            ),
            (false, [other]) => (None, Some(direct_key(&maker.id, other))),
            (false, _) => {
                let problem = "must be exactly one other person for a direct chat";
                return Err(Invalid::new("participantIds", problem).into());
            }
        };
        let id = ChatId::generate();
        let initial_message = self.initial_message;
        Ok(MakeChat {
            id,
            maker,
            name,
            direct_key,
            others,
            initial_message,
        })
    }
}

/// The same for both orders of a pair. The length keeps `a` + `bc` and `ab` +
/// `c` apart whatever characters an id has.
fn direct_key(one: &UserId, other: &UserId) -> String {
    let (first, second) = if one < other {
        (one, other)
    } else {
        (other, one)
    };
    format!("{}:{first}:{second}", first.as_str().len())
}

fn write_cursor(chat: &domain::Chat) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}:{}", chat.updated_at.0, chat.id))
}

fn read_cursor(text: &str) -> Result<ChatCursor, Error> {
    let decoded = URL_SAFE_NO_PAD.decode(text).ok();
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let parts = decoded.as_deref().and_then(|text| text.split_once(':'));
    let cursor = parts.and_then(|(time, id)| {
        Some(ChatCursor {
            updated_at: Timestamp(time.parse().ok()?),
            id: id.into(),
        })
    });
    cursor.ok_or_else(|| Invalid::new("cursor", "must be one that the server gave").into())
}
