//! `subscribe-presence`, `unsubscribe-presence`.

use serde::Serialize;

use super::call::{Call, Done};
use crate::chat::domain::{Fields, Invalid, UserId};
use crate::chat::error::Error;
use crate::chat::live::Room;
use crate::chat::service::PersonPresence;

/// People in one subscription.
const MAX_PEOPLE: usize = 100;

#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::chat) struct Snapshot {
    presence: Vec<PersonPresence>,
}

fn people(fields: &Fields) -> Result<Vec<UserId>, Invalid> {
    fields.required_list("userIds", MAX_PEOPLE)
}

/// People with whom one shares no chat are left out.
pub(super) async fn subscribe(mut call: Call) -> Result<Done, Error> {
    let people = people(&call.fields())?;
    let Call {
        chat, socket, link, ..
    } = call;
    let watch = |user: &UserId| {
        let joined = socket.join(&Room::Presence(user).name());
        joined.map_err(|_| Invalid::new("userIds", "cannot be watched: they are too many").into())
    };
    let unwatch = |user: &UserId| socket.leave(&Room::Presence(user).name());
    let actor = link.actor();
    let presence = chat.presence_of(&actor, &people, watch, unwatch).await?;
    Done::with(&Snapshot { presence })
}

/// Answers as `subscribe` does, with how these people are at the end.
pub(super) async fn unsubscribe(mut call: Call) -> Result<Done, Error> {
    let people = people(&call.fields())?;
    let actor = call.link.actor();
    let presence = call.chat.presence_of(&actor, &people, |_| Ok(()), |_| ());
    let presence = presence.await?;
    for user in &people {
        call.socket.leave(&Room::Presence(user).name());
    }
    Done::with(&Snapshot { presence })
}
