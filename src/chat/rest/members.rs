//! `/api/chats/:id/participants` and leaving.

use std::sync::Arc;

use super::{Answer, actor, done, fields, ok};
use crate::chat::Chat;
use crate::http::Request;

pub(super) async fn add(chat: Arc<Chat>, request: Request) -> Answer {
    let actor = actor(&chat, &request).await?;
    let user = fields(&request)?.required("userId")?;
    ok(&chat
        .add_participant(&actor, request.param("id").into(), user)
        .await?)
}

pub(super) async fn remove(chat: Arc<Chat>, request: Request) -> Answer {
    let actor = actor(&chat, &request).await?;
    let user = request.param("user_id").into();
    chat.remove_participant(&actor, request.param("id").into(), user)
        .await?;
    done()
}

pub(super) async fn leave(chat: Arc<Chat>, request: Request) -> Answer {
    let actor = actor(&chat, &request).await?;
    chat.leave(&actor, request.param("id").into()).await?;
    done()
}

pub(super) async fn set_role(chat: Arc<Chat>, request: Request) -> Answer {
    let actor = actor(&chat, &request).await?;
    let role = fields(&request)?.required("role")?;
    let (id, user) = (request.param("id").into(), request.param("user_id").into());
    ok(&chat.set_role(&actor, id, user, role).await?)
}
