//! Connecting and disconnecting.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::link::Link;
use crate::chat::Chat;
use crate::chat::domain::{Timestamp, UserId};
use crate::chat::error::Error;
use crate::chat::live::{Moment, Room};
use crate::socketio::{ConnectError, ConnectRequest, NamespaceBuilder, Socket};

/// Parameters of the query that clients put tokens into, where logs see them.
const TOKEN_PARAMETERS: [&str; 3] = ["token", "access_token", "auth"];

/// `ready`.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::chat) struct Ready<'a> {
    user_id: &'a UserId,
    server_time: Timestamp,
    limits: Limits,
}

/// What clients check before they send (CONTRACT section 3).
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Limits {
    content: u32,
    name: u32,
    participants: u32,
    mentions: u32,
    reactions: u32,
    client_msg_id: u32,
    edit_window_ms: u64,
    typing_ms: u64,
}

pub(super) fn register(chat: &Arc<Chat>, namespace: NamespaceBuilder) -> NamespaceBuilder {
    let (deciding, connecting, leaving) = (Arc::clone(chat), Arc::clone(chat), Arc::clone(chat));
    let draining = Arc::clone(chat);
    namespace
        .use_middleware(move |request| decide(Arc::clone(&deciding), request))
        .on_drain(move |socket| drained(&draining, socket))
        .on_connect(move |socket| connected(Arc::clone(&connecting), socket))
        .on_disconnect(move |socket, _| disconnected(Arc::clone(&leaving), socket))
}

async fn decide(chat: Arc<Chat>, request: ConnectRequest) -> Result<(), ConnectError> {
    match admitted(&chat, &request).await {
        Ok(link) => {
            request.set_data(link);
            Ok(())
        }
        Err(error) => {
            chat.events.refused.count(error.code().0);
            Err(refused(&error))
        }
    }
}

async fn admitted(chat: &Arc<Chat>, request: &ConnectRequest) -> Result<Link, Error> {
    let actor = chat.authenticate(token(request)?.as_deref()).await?;
    let held = chat.limits.hold_connection(&actor.user.id)?;
    Ok(Link::new(request.id().into(), actor, held))
}

/// From `auth`, or from the header for clients that cannot set `auth`.
fn token(request: &ConnectRequest) -> Result<Option<String>, Error> {
    let auth = request.auth();
    let in_auth = auth.get("token").and_then(|token| token.as_str());
    let header = request.handshake().header("authorization");
    let in_header = header
        .and_then(|value| value.split_once(' '))
        .and_then(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()));
    let query = request.handshake().query();
    // With another token too: this one is in somebody's log by now, and its
    // client must learn of it.
    if TOKEN_PARAMETERS
        .iter()
        .any(|name| query.get(name).is_some())
    {
        return Err(Error::Unauthenticated(
            "A token in the query string is not accepted",
        ));
    }
    Ok(in_auth.or(in_header).map(str::to_owned))
}

fn refused(error: &Error) -> ConnectError {
    let code = error.code().0;
    let message = format!("Authentication error: {error}");
    ConnectError::with_data(message, serde_json::json!({ "code": code }))
}

async fn connected(chat: Arc<Chat>, socket: Socket) {
    let Some(link) = socket.data::<Link>() else {
        return socket.disconnect(true);
    };
    let actor = link.actor();
    chat.came_online(&actor.user.id);
    let rooms = [Room::User(&actor.user.id), Room::Session(&actor.session)];
    for room in rooms {
        if let Err(error) = socket.join(&room.name()) {
            tracing::error!(%error, "a new socket could not join its rooms");
            return socket.disconnect(true);
        }
    }
    let now = Moment {
        wall: chat.now(),
        steady: Instant::now(),
    };
    chat.live.watch_expiry(&link.key, actor.expires_at, now);
    if let Err(error) = socket.emit("ready", &chat.ready(&actor.user.id)) {
        tracing::debug!(%error, "a socket was gone before it was ready");
    }
    // A session that was ended between the check of its token and now could
    // not be cut through its room: the socket was not in it yet.
    if chat.is_revoked(&actor).await {
        chat.live.cut_session(&actor.session);
    }
}

fn drained(chat: &Arc<Chat>, socket: &Socket) {
    if let Some(link) = socket.data::<Link>() {
        chat.caught_up(&link.key);
    }
}

async fn disconnected(chat: Arc<Chat>, socket: Socket) {
    let Some(link) = socket.data::<Link>() else {
        return;
    };
    chat.live.forget_expiry(&link.key);
    chat.live.stop_typing_on(&link.key, None);
    let actor = link.actor();
    let now = Moment {
        wall: chat.now(),
        steady: Instant::now(),
    };
    chat.live.go(&actor.user.id, now);
    for room in link.close() {
        chat.leave_room(&actor, &link.key, &room, || ());
    }
    // What was left out for it is forgotten in its turn.
    chat.caught_up(&link.key);
}

impl Chat {
    fn ready<'a>(&self, user_id: &'a UserId) -> Ready<'a> {
        let limits = Limits {
            content: 4000,
            name: 100,
            participants: 1000,
            mentions: 50,
            reactions: 20,
            client_msg_id: 64,
            edit_window_ms: self.config.edit_window.as_millis() as u64,
            typing_ms: 6000,
        };
        Ready {
            user_id,
            server_time: self.now(),
            limits,
        }
    }
}
