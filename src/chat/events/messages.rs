//! `send-message`, and what happens to messages afterwards.

use serde::Serialize;
use serde_json::Value;

use super::call::{Call, Done};
use crate::chat::domain::{ChatId, Fields, Invalid, Parse, Problem, Reactions, Seq};
use crate::chat::error::Error;
use crate::chat::service::{Draft, Target};

/// Chats in one `mark-delivered`.
const MAX_DELIVERED: usize = 100;

/// Has no turn to wait for: messages are ordered by the writer's queue, and a
/// sender may have many on their way.
pub(super) async fn send(mut call: Call) -> Result<Done, Error> {
    let fields = call.fields();
    let id: ChatId = fields.required("chatId")?;
    let draft = Draft::read(&fields)?;
    let sent = call.chat.send(&call.link.actor(), id, draft).await?;
    Ok(Done::with(&sent.message)?.repeated(sent.duplicate))
}

fn target(fields: &Fields) -> Result<Target, Invalid> {
    Ok(Target {
        chat: fields.required("chatId")?,
        message: fields.required("messageId")?,
    })
}

pub(super) async fn edit(mut call: Call) -> Result<Done, Error> {
    let fields = call.fields();
    let target = target(&fields)?;
    let (content, version) = (fields.required("content")?, fields.optional("ifVersion")?);
    Done::with(
        &call
            .chat
            .edit(&call.link.actor(), target, content, version)
            .await?,
    )
}

pub(super) async fn delete(mut call: Call) -> Result<Done, Error> {
    let target = target(&call.fields())?;
    Done::with(&call.chat.delete(&call.link.actor(), target).await?)
}

#[derive(Serialize)]
struct Reacted {
    reactions: Reactions,
}

pub(super) async fn add_reaction(call: Call) -> Result<Done, Error> {
    react(call, true).await
}

pub(super) async fn remove_reaction(call: Call) -> Result<Done, Error> {
    react(call, false).await
}

async fn react(mut call: Call, wanted: bool) -> Result<Done, Error> {
    let fields = call.fields();
    let (target, emoji) = (target(&fields)?, fields.required("emoji")?);
    let reactions = call
        .chat
        .react(&call.link.actor(), target, emoji, wanted)
        .await?;
    Done::with(&Reacted { reactions })
}

pub(super) async fn mark_read(mut call: Call) -> Result<Done, Error> {
    let fields = call.fields();
    let id: ChatId = fields.required("chatId")?;
    let seq: Seq = fields.required("seq")?;
    Done::with(&call.chat.mark_read(&call.link.actor(), id, seq).await?)
}

/// A line of `mark-delivered`.
struct Delivered(ChatId, Seq);

impl Parse for Delivered {
    fn parse(value: &Value) -> Result<Self, Problem> {
        let problem = || Problem::from("must be a list of {chatId, seq}");
        let object = value
            .as_object()
            .cloned()
            .map(Fields::new)
            .ok_or_else(problem)?;
        let read = || Ok(Self(object.required("chatId")?, object.required("seq")?));
        read().map_err(|_: Invalid| problem())
    }
}

pub(super) async fn mark_delivered(mut call: Call) -> Result<Done, Error> {
    let items: Vec<Delivered> = call.fields().required_list("items", MAX_DELIVERED)?;
    let items = items
        .into_iter()
        .map(|Delivered(chat, seq)| (chat, seq))
        .collect();
    call.chat.mark_delivered(&call.link.actor(), items).await?;
    Done::nothing()
}
