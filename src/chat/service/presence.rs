//! Who of one's acquaintances is online.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::ledger::{Command, Ledger};
use super::sessions::Actor;
use crate::chat::Chat;
use crate::chat::domain::{Timestamp, UserId};
use crate::chat::error::Error;
use crate::chat::limits::Act;
use crate::chat::live::{Room, To};

/// `presence-updated`, and each line of a snapshot.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::chat) struct PersonPresence {
    pub(in crate::chat) user_id: UserId,
    status: Status,
    /// When somebody who is offline was last here; null for who is online.
    last_seen_at: Option<Timestamp>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Online,
    Offline,
}

struct KeepLastSeen {
    user: UserId,
    at: Timestamp,
}

impl Command for KeepLastSeen {
    type Output = ();

    async fn apply(&self, ledger: &mut Ledger<'_>) -> Result<(), Error> {
        Ok(ledger.db.set_last_seen(&self.user, self.at).await?)
    }
}

impl Chat {
    /// Those of these people who share a chat with somebody, and how they are.
    /// `watch` joins the rooms in which changes are told, before the look.
    ///
    /// # Errors
    /// What `watch` refuses with.
    pub(in crate::chat) async fn presence_of(
        &self,
        actor: &Actor,
        people: &[UserId],
        watch: impl Fn(&UserId) -> Result<(), Error> + Send,
    ) -> Result<Vec<PersonPresence>, Error> {
        let user = &actor.user.id;
        self.limits
            .count(Act::Join, user.as_str(), Instant::now())?;
        let known = self.store.read().await?.acquaintances(user, people).await?;
        let look = |(user_id, last_seen_at): (UserId, Option<Timestamp>)| {
            watch(&user_id)?;
            Ok(match self.live.is_online(&user_id) {
                true => PersonPresence {
                    user_id,
                    status: Status::Online,
                    last_seen_at: None,
                },
                false => PersonPresence {
                    user_id,
                    status: Status::Offline,
                    last_seen_at,
                },
            })
        };
        known.into_iter().map(look).collect()
    }

    /// A socket of somebody has come.
    pub(in crate::chat) fn came_online(&self, user: &UserId) {
        if self.live.come(user) {
            self.say_status(user, Status::Online, None);
        }
    }

    /// Those who have stayed away are offline now.
    pub(in crate::chat) async fn say_who_went(self: &Arc<Self>, now: Instant) {
        for (user, at) in self.live.expire_presence(now) {
            self.say_status(&user, Status::Offline, Some(at));
            self.enqueue(KeepLastSeen { user, at }).await;
        }
    }

    fn say_status(&self, user: &UserId, status: Status, last_seen_at: Option<Timestamp>) {
        let payload = PersonPresence {
            user_id: user.clone(),
            status,
            last_seen_at,
        };
        self.live
            .say(To::Room(Room::Presence(user)), "presence-updated", &payload);
    }
}
