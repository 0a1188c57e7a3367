//! `join-chat`, `leave-chat`, `typing`, `sync`.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;

use super::call::{Call, Done};
use crate::chat::domain::{CatchUp, ChatId, Fields, Invalid, Parse, Problem, Rev};
use crate::chat::error::Error;
use crate::chat::live::Room;
use crate::http::FailureDetail;

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

/// Chats in one `sync`.
const MAX_POSITIONS: usize = 200;

/// What one chat answers to `sync`.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(untagged)]
enum Synced {
    Missed(CatchUp),
    Refused { error: FailureDetail },
}

#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::chat) struct AllSynced {
    chats: HashMap<String, Synced>,
}

pub(super) async fn sync(mut call: Call) -> Result<Done, Error> {
    let positions = positions(&call.fields())?;
    let answers = call.chat.sync(&call.link.actor(), positions).await?;
    let chats = answers.into_iter().map(|(chat, answer)| {
        let answer = match answer {
            Ok(missed) => Synced::Missed(missed),
            Err(error) => Synced::Refused {
                error: error.failure().error,
            },
        };
        (chat.to_string(), answer)
    });
    Done::with(&AllSynced {
        chats: chats.collect(),
    })
}

fn positions(fields: &Fields) -> Result<Vec<(ChatId, Rev)>, Invalid> {
    let wrong = || Invalid::new("positions", "must be up to 200 numbers by chat id");
    let positions = fields
        .value("positions")
        .and_then(Value::as_object)
        .ok_or_else(wrong)?;
    if positions.len() > MAX_POSITIONS {
        return Err(wrong());
    }
    let read = |(chat, rev): (&String, &Value)| Ok((chat.as_str().into(), Rev::parse(rev)?));
    let all: Result<Vec<_>, Problem> = positions.iter().map(read).collect();
    all.map_err(|_| wrong())
}
