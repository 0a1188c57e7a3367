//! REST under `/api` (CONTRACT section 4): decode, call a use case, encode.

mod auth;
mod chats;
mod members;
mod messages;
mod notifications;

use std::sync::Arc;

use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::Value;

use super::Chat;
use super::domain::{Fields, Invalid, Parse};
use super::error::Error;
use super::service::Actor;
use crate::http::{Refusal, Reply, Request, Router};

/// What routes answer with, for the API description.
pub(super) mod replies {
    pub(in crate::chat) use super::Nothing;
    pub(in crate::chat) use super::auth::Found;
    pub(in crate::chat) use super::messages::{Events, Reacted};
    pub(in crate::chat) use super::notifications::Left;
}

const REACTION: &str = "/api/chats/{id}/messages/{message_id}/reactions/{emoji}";

/// Every route under `/api`. What it does not know it answers in the one
/// reply shape too, so the whole of `/api` can be handed to it.
pub fn router() -> Router<Arc<Chat>> {
    Router::new(refuse)
        .route(Method::POST, "/api/auth/register", auth::register)
        .route(Method::POST, "/api/auth/login", auth::log_in)
        .route(Method::POST, "/api/auth/refresh", auth::refresh)
        .route(Method::POST, "/api/auth/logout", auth::log_out)
        .route(Method::GET, "/api/auth/profile", auth::profile)
        .route(Method::PUT, "/api/auth/password", auth::change_password)
        .route(Method::GET, "/api/users", auth::search)
        .route(Method::GET, "/api/users/{id}", auth::person)
        .route(Method::GET, "/api/chats", chats::list)
        .route(Method::POST, "/api/chats", chats::create)
        .route(Method::GET, "/api/chats/{id}", chats::get)
        .route(Method::PATCH, "/api/chats/{id}", chats::rename)
        .route(Method::GET, "/api/chats/{id}/messages", messages::history)
        .route(Method::POST, "/api/chats/{id}/messages", messages::send)
        .route(
            Method::PATCH,
            "/api/chats/{id}/messages/{message_id}",
            messages::edit,
        )
        .route(
            Method::DELETE,
            "/api/chats/{id}/messages/{message_id}",
            messages::delete,
        )
        .route(Method::PUT, REACTION, messages::add_reaction)
        .route(Method::DELETE, REACTION, messages::remove_reaction)
        .route(Method::POST, "/api/chats/{id}/read", messages::mark_read)
        .route(Method::GET, "/api/chats/{id}/events", messages::events)
        .route(Method::POST, "/api/chats/{id}/participants", members::add)
        .route(
            Method::DELETE,
            "/api/chats/{id}/participants/{user_id}",
            members::remove,
        )
        .route(
            Method::PATCH,
            "/api/chats/{id}/participants/{user_id}",
            members::set_role,
        )
        .route(Method::POST, "/api/chats/{id}/leave", members::leave)
        .route(Method::GET, "/api/notifications", notifications::list)
        .route(
            Method::POST,
            "/api/notifications/read",
            notifications::mark_read,
        )
}

fn refuse(refusal: Refusal) -> Reply {
    Error::from(refusal).into()
}

/// What a handler answers with.
type Answer = Result<Reply, Error>;

/// `{}`, where there is nothing to say but that it is done.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::chat) struct Nothing {}

fn done() -> Answer {
    ok(&Nothing {})
}

fn ok<T: Serialize>(data: &T) -> Answer {
    Ok(Reply::success(StatusCode::OK, data))
}

/// Who asks.
async fn actor(chat: &Arc<Chat>, request: &Request) -> Result<Actor, Error> {
    chat.authenticate(request.bearer()).await
}

/// The body's fields.
fn fields(request: &Request) -> Result<Fields, Error> {
    Ok(Fields::new(request.json()?))
}

/// A parameter of the query. What looks like a whole number is read as one.
fn query<T: Parse>(request: &Request, name: &'static str) -> Result<Option<T>, Error> {
    let Some(text) = request.query(name) else {
        return Ok(None);
    };
    let value = text
        .parse::<u64>()
        .map_or_else(|_| Value::from(text), Value::from);
    let parsed = T::parse(&value);
    parsed.map(Some).map_err(|problem| {
        Invalid {
            field: name,
            problem,
        }
        .into()
    })
}
