//! `refresh-token`: another token for a connection that lives on.

use std::time::Instant;

use serde::Serialize;

use super::call::{Call, Done};
use crate::chat::domain::Timestamp;
use crate::chat::error::Error;
use crate::chat::live::{Moment, Room};

#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::chat) struct Refreshed {
    expires_at: Timestamp,
}

pub(super) async fn refresh(mut call: Call) -> Result<Done, Error> {
    let token: String = call.fields().required("token")?;
    let Call {
        chat, socket, link, ..
    } = call;
    let actor = chat.authenticate(Some(&token)).await?;
    if actor.user.id != link.actor().user.id {
        return Err(Error::Unauthenticated("The token belongs to somebody else"));
    }
    let (session, expires_at) = (actor.session.clone(), actor.expires_at);
    let before = link.replace_actor(actor.clone());
    if before.session != session {
        socket.leave(&Room::Session(&before.session).name());
        // Three rooms of its own never reach the limit.
        let _ = socket.join(&Room::Session(&session).name());
    }
    let now = Moment {
        wall: chat.now(),
        steady: Instant::now(),
    };
    chat.live.watch_expiry(&link.key, expires_at, now);
    if chat.is_revoked(&actor).await {
        chat.live.cut_session(&session);
    }
    Done::with(&Refreshed { expires_at })
}
