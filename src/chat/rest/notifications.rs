//! `/api/notifications`.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::{Answer, actor, fields, ok, query};
use crate::chat::Chat;
use crate::chat::domain::{Fields, Invalid, NotificationId};
use crate::chat::error::Error;
use crate::http::Request;

/// Ids in one request.
const MAX_IDS: usize = 1000;

pub(super) async fn list(chat: Arc<Chat>, request: Request) -> Answer {
    let actor = actor(&chat, &request).await?;
    let limit = query(&request, "limit")?.unwrap_or_default();
    ok(&chat.inbox(&actor, request.query("cursor"), limit).await?)
}

#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::chat) struct Left {
    unread_count: u32,
}

pub(super) async fn mark_read(chat: Arc<Chat>, request: Request) -> Answer {
    let actor = actor(&chat, &request).await?;
    let ids = which(&fields(&request)?)?;
    ok(&Left {
        unread_count: chat.mark_notifications(&actor, ids).await?,
    })
}

/// These, or none for all.
fn which(body: &Fields) -> Result<Option<Vec<NotificationId>>, Error> {
    let ids: Vec<NotificationId> = body.list("ids", MAX_IDS)?;
    match (body.optional("all")?, ids.is_empty()) {
        (Some(true), true) => Ok(None),
        (Some(true), false) => Err(Invalid::new("all", "cannot go with ids").into()),
        (_, false) => Ok(Some(ids)),
        (_, true) if body.value("ids").is_some_and(Value::is_array) => Ok(Some(ids)),
        (_, true) => Err(Invalid::new("ids", "is required, unless all is true").into()),
    }
}
