//! `join-chat`, `leave-chat`, `send-message`, `typing`.

use serde_json::Value;

use super::call::{Call, Done};
use crate::chat::domain::{ChatId, Fields, Invalid, Parse, Rev};
use crate::chat::error::Error;
use crate::chat::live::Room;
use crate::chat::service::Draft;

/// `chatId` alone, or an object that has it.
fn chat_id(call: &mut Call) -> Result<(ChatId, Fields), Error> {
    if let Value::String(_) | Value::Number(_) = call.argument {
        let id = ChatId::parse(&call.argument);
        let id = id.map_err(|problem| Invalid {
            field: "chatId",
            problem,
        })?;
        return Ok((id, Fields::default()));
    }
    let fields = call.fields();
    Ok((fields.required("chatId")?, fields))
}

pub(super) async fn join(mut call: Call) -> Result<Done, Error> {
    let (id, fields) = chat_id(&mut call)?;
    let since: Option<Rev> = fields.optional("rev")?;
    let Call {
        chat, socket, link, ..
    } = call;
    let _turn = link.turn(&id).await;
    let enter = || {
        link.enter(&id)?;
        socket.join(&Room::Chat(&id).name()).map_err(|_| {
            link.exit(&id);
            Invalid::new(
                "chatId",
                "cannot be joined: this connection is in too many chats",
            )
            .into()
        })
    };
    let missed = chat
        .join_room(&link.actor(), &link.key, &id, since, enter)
        .await?;
    Done::with(&missed)
}

pub(super) async fn leave(mut call: Call) -> Result<Done, Error> {
    let (id, _) = chat_id(&mut call)?;
    let Call {
        chat, socket, link, ..
    } = call;
    let _turn = link.turn(&id).await;
    chat.leave_room(&link.actor(), &link.key, &id, || {
        link.exit(&id);
        socket.leave(&Room::Chat(&id).name());
    });
    // Only now: somebody who was put out of the chat may still leave its room.
    chat.check_participant(&link.actor(), &id).await?;
    Done::nothing()
}

/// Has no turn to wait for: messages are ordered by the writer's queue, and a
/// sender may have many on their way.
pub(super) async fn send(mut call: Call) -> Result<Done, Error> {
    let fields = call.fields();
    let id: ChatId = fields.required("chatId")?;
    let draft = Draft::read(&fields)?;
    let sent = call.chat.send(&call.link.actor(), id, draft).await?;
    Ok(Done::with(&sent.message)?.repeated(sent.duplicate))
}

pub(super) async fn type_in(mut call: Call) -> Result<Done, Error> {
    let fields = call.fields();
    let id: ChatId = fields.required("chatId")?;
    let is_typing = fields.required("isTyping")?;
    let Call { chat, link, .. } = call;
    let _turn = link.turn(&id).await;
    chat.type_in(&link.actor(), &link.key, &id, is_typing)
        .await?;
    Done::nothing()
}
