//! `/api/chats/:id/messages` and the log.

use std::sync::Arc;

use http::StatusCode;
use serde::Serialize;

use super::{Answer, actor, fields, ok, query};
use crate::chat::Chat;
use crate::chat::domain::{Emoji, Invalid, Limit, LoggedEvent, ReactionCount, Reactions, Rev, Seq};
use crate::chat::error::Error;
use crate::chat::service::{Actor, Budget, Draft, Page, Target};
use crate::http::{Reply, Request};

pub(super) async fn history(chat: Arc<Chat>, request: Request) -> Answer {
    let actor = actor(&chat, &request).await?;
    let page = page(&request)?;
    ok(&chat
        .history(&actor, &request.param("id").into(), page)
        .await?)
}

fn page(request: &Request) -> Result<Page, Error> {
    let limit: Limit = query(request, "limit")?.unwrap_or_default();
    let before = query::<Seq>(request, "before")?.map(|seq| Page::Before(seq, limit));
    let after = query::<Seq>(request, "after")?.map(|seq| Page::After(seq, limit));
    let around = query::<Seq>(request, "around")?.map(|seq| Page::Around(seq, limit));
    match [before, after, around] {
        [None, None, None] => Ok(Page::Newest(limit)),
        [Some(page), None, None] | [None, Some(page), None] | [None, None, Some(page)] => Ok(page),
        [_, Some(_), _] => Err(Invalid::new("after", "cannot go with before or around").into()),
        _ => Err(Invalid::new("around", "cannot go with before or after").into()),
    }
}

pub(super) async fn send(chat: Arc<Chat>, request: Request) -> Answer {
    let actor = actor(&chat, &request).await?;
    let draft = Draft::read(&fields(&request)?)?;
    let sent = chat.send(&actor, request.param("id").into(), draft).await?;
    let status = if sent.duplicate {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok(Reply::success(status, &sent.message))
}

#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::chat) struct Events {
    events: Vec<LoggedEvent>,
    rev: Rev,
    more: bool,
    reset: bool,
}

pub(super) async fn events(chat: Arc<Chat>, request: Request) -> Answer {
    let actor = actor(&chat, &request).await?;
    let since: Option<Rev> = query(&request, "since")?;
    let since = since.ok_or(Invalid::new("since", "is required"))?;
    let limit: Limit = query(&request, "limit")?.unwrap_or_default();
    let id = request.param("id").into();
    let mut budget = Budget::events(limit.get());
    let missed = chat.catch_up(&actor, &id, Some(since), &mut budget).await?;
    let (events, rev) = (missed.events, missed.rev);
    ok(&Events {
        events,
        rev,
        more: missed.more,
        reset: missed.reset,
    })
}

fn target(request: &Request) -> Target {
    let (chat, message) = (
        request.param("id").into(),
        request.param("message_id").into(),
    );
    Target { chat, message }
}

pub(super) async fn edit(chat: Arc<Chat>, request: Request) -> Answer {
    let actor = actor(&chat, &request).await?;
    let body = fields(&request)?;
    let (content, version) = (body.required("content")?, body.optional("ifVersion")?);
    ok(&chat
        .edit(&actor, target(&request), content, version)
        .await?)
}

pub(super) async fn delete(chat: Arc<Chat>, request: Request) -> Answer {
    let actor = actor(&chat, &request).await?;
    ok(&chat.delete(&actor, target(&request)).await?)
}

/// The answer of both reaction routes and events.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::chat) struct Reacted {
    #[schema(value_type = std::collections::HashMap<String, ReactionCount>)]
    reactions: Reactions,
}

async fn react(chat: &Arc<Chat>, actor: &Actor, request: &Request, wanted: bool) -> Answer {
    let emoji = Emoji::new(request.param("emoji"));
    let emoji = emoji.map_err(|problem| Invalid {
        field: "emoji",
        problem,
    })?;
    let reactions = chat.react(actor, target(request), emoji, wanted).await?;
    ok(&Reacted { reactions })
}

pub(super) async fn add_reaction(chat: Arc<Chat>, request: Request) -> Answer {
    let actor = actor(&chat, &request).await?;
    react(&chat, &actor, &request, true).await
}

pub(super) async fn remove_reaction(chat: Arc<Chat>, request: Request) -> Answer {
    let actor = actor(&chat, &request).await?;
    react(&chat, &actor, &request, false).await
}

pub(super) async fn mark_read(chat: Arc<Chat>, request: Request) -> Answer {
    let actor = actor(&chat, &request).await?;
    let seq = fields(&request)?.required("seq")?;
    ok(&chat
        .mark_read(&actor, request.param("id").into(), seq)
        .await?)
}
