//! `/api/auth` and `/api/users`.

use std::sync::Arc;

use http::StatusCode;
use serde::Serialize;

use super::{Answer, actor, done, fields, ok, query};
use crate::chat::Chat;
use crate::chat::domain::{Invalid, Parse, Password, Person, SearchText};
use crate::chat::service::Registration;
use crate::http::{Reply, Request};

pub(super) async fn register(chat: Arc<Chat>, request: Request) -> Answer {
    let body = fields(&request)?;
    let new = Registration {
        name: body.required("name")?,
        email: body.required("email")?,
        password: body.required("password")?,
    };
    let entered = chat.register(new, request.peer.ip()).await?;
    Ok(Reply::success(StatusCode::CREATED, &entered))
}

pub(super) async fn log_in(chat: Arc<Chat>, request: Request) -> Answer {
    let body = fields(&request)?;
    let email = body.required("email")?;
    let password = Password::claimed(&body.required::<String>("password")?);
    ok(&chat.log_in(&email, password, request.peer.ip()).await?)
}

pub(super) async fn refresh(chat: Arc<Chat>, request: Request) -> Answer {
    let body = fields(&request)?;
    ok(&chat.refresh(body.required("refreshToken")?).await?)
}

pub(super) async fn log_out(chat: Arc<Chat>, request: Request) -> Answer {
    let actor = actor(&chat, &request).await?;
    chat.log_out(&actor).await?;
    done()
}

pub(super) async fn profile(chat: Arc<Chat>, request: Request) -> Answer {
    ok(&actor(&chat, &request).await?.user)
}

pub(super) async fn change_password(chat: Arc<Chat>, request: Request) -> Answer {
    let actor = actor(&chat, &request).await?;
    let body = fields(&request)?;
    let current = Password::claimed(&body.required::<String>("currentPassword")?);
    chat.change_password(&actor, current, body.required("newPassword")?)
        .await?;
    done()
}

#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::chat) struct Found {
    users: Vec<Person>,
}

pub(super) async fn search(chat: Arc<Chat>, request: Request) -> Answer {
    let actor = actor(&chat, &request).await?;
    // Not through `query`: a number is a text like any other here.
    let text = request
        .query("search")
        .ok_or(Invalid::new("search", "is required"))?;
    let text = SearchText::parse(&text.into()).map_err(|problem| Invalid {
        field: "search",
        problem,
    })?;
    let limit = query(&request, "limit")?.unwrap_or_default();
    ok(&Found {
        users: chat.search_people(&actor, &text, limit).await?,
    })
}

pub(super) async fn person(chat: Arc<Chat>, request: Request) -> Answer {
    actor(&chat, &request).await?;
    ok(&chat.person(&request.param("id").into()).await?)
}
