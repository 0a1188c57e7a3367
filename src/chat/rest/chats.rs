//! `/api/chats`.

use std::sync::Arc;

use http::StatusCode;

use super::{Answer, actor, fields, ok, query};
use crate::chat::Chat;
use crate::chat::domain::{ChatName, Fields, Invalid};
use crate::chat::error::Error;
use crate::chat::service::CreateChat;
use crate::http::{Reply, Request};

pub(super) async fn list(chat: Arc<Chat>, request: Request) -> Answer {
    let actor = actor(&chat, &request).await?;
    let limit = query(&request, "limit")?.unwrap_or_default();
    ok(&chat.chats(&actor, request.query("cursor"), limit).await?)
}

pub(super) async fn get(chat: Arc<Chat>, request: Request) -> Answer {
    let actor = actor(&chat, &request).await?;
    ok(&chat.chat(&actor, &request.param("id").into()).await?)
}

pub(super) async fn create(chat: Arc<Chat>, request: Request) -> Answer {
    let actor = actor(&chat, &request).await?;
    let wanted = wanted(&fields(&request)?)?;
    let (made, is_new) = chat.create_chat(&actor, wanted).await?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(Reply::success(status, &made))
}

fn wanted(body: &Fields) -> Result<CreateChat, Error> {
    let participants = body.required_list("participantIds", 1000)?;
    let is_group = body.optional("isGroup")?.unwrap_or(false);
    Ok(CreateChat {
        name: name(body, is_group)?,
        is_group,
        participants,
        initial_message: body.optional("initialMessage")?,
    })
}

/// Direct chats have no name, whatever a client sends; but it must be text.
fn name(body: &Fields, is_group: bool) -> Result<Option<ChatName>, Invalid> {
    if is_group {
        return body.optional("name");
    }
    body.optional::<String>("name").map(|_| None)
}

pub(super) async fn rename(chat: Arc<Chat>, request: Request) -> Answer {
    let actor = actor(&chat, &request).await?;
    let name = fields(&request)?.required("name")?;
    ok(&chat
        .rename(&actor, request.param("id").into(), name)
        .await?)
}
