//! Who of one's acquaintances is online.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use futures_util::{StreamExt as _, stream};
use serde::Serialize;

use super::ledger::{Command, Ledger};
use super::sessions::Actor;
use crate::chat::Chat;
use crate::chat::domain::{ChatId, Timestamp, UserId};
use crate::chat::error::Error;
use crate::chat::limits::Act;
use crate::chat::live::{Room, To};

/// `presence-updated`, and each line of a snapshot.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::chat) struct PersonPresence {
    pub(in crate::chat) user_id: UserId,
    status: Status,
    /// When somebody who is offline was last here; null for who is online.
    last_seen_at: Option<Timestamp>,
}

#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    Online,
    Offline,
}

/// People who are stored as gone at a time.
const GOING_AT_ONCE: usize = 64;

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
    /// `watch` joins the rooms in which changes are told, before the look;
    /// `unwatch` leaves them.
    ///
    /// # Errors
    /// What `watch` refuses with.
    pub(in crate::chat) async fn presence_of(
        &self,
        actor: &Actor,
        people: &[UserId],
        watch: impl Fn(&UserId) -> Result<(), Error> + Send,
        unwatch: impl Fn(&UserId) + Send,
    ) -> Result<Vec<PersonPresence>, Error> {
        let user = &actor.user.id;
        self.limits
            .count(Act::Join, user.as_str(), Instant::now())?;
        let mut read = self.store.read().await?;
        let before = read.acquaintances(user, people).await?;
        before.iter().try_for_each(|(person, _)| watch(person))?;
        // Whose last chat with them ended meanwhile was parted from them before
        // they began to watch.
        let known = read.acquaintances(user, people).await?;
        let is_known = |person: &UserId| known.iter().any(|(one, _)| one == person);
        let parted = before.iter().filter(|(person, _)| !is_known(person));
        parted.for_each(|(person, _)| unwatch(person));
        let look = |(user_id, last_seen_at): (UserId, Option<Timestamp>)| match self
            .live
            .is_online(&user_id)
        {
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
        };
        Ok(known.into_iter().map(look).collect())
    }

    /// Somebody is no longer in a chat: they and those in it who share no other
    /// chat with them watch each other no more.
    pub(super) async fn part_strangers(&self, chat: &ChatId, user: &UserId) {
        let Some(people) = self.audience(chat).await else {
            return;
        };
        let known = match self.store.read().await {
            Ok(mut read) => read.acquaintances(user, &people).await,
            Err(error) => Err(error),
        };
        let known = match known {
            Ok(known) => known,
            Err(error) => return tracing::warn!(%error, "nobody was parted after a removal"),
        };
        let known: HashSet<&UserId> = known.iter().map(|(person, _)| person).collect();
        for person in people.iter().filter(|person| !known.contains(person)) {
            self.live.unwatch(person, user);
            self.live.unwatch(user, person);
        }
    }

    /// A socket of somebody has come.
    pub(in crate::chat) fn came_online(&self, user: &UserId) {
        if self.live.come(user) {
            self.say_status(user, Status::Online, None);
        }
    }

    /// Those who have stayed away are offline now. Does not wait: other
    /// deadlines come, whatever storage does.
    pub(in crate::chat) fn end_presence(self: &Arc<Self>, now: Instant) {
        let gone = self.live.expire_presence(now);
        if !gone.is_empty() {
            tokio::spawn(Arc::clone(self).say_who_went(gone));
        }
    }

    /// Stored first and told then, so that whoever asks when they have heard it
    /// is told the same.
    async fn say_who_went(self: Arc<Self>, gone: Vec<(UserId, Timestamp)>) {
        let chat = &self;
        let tell = async |(user, at): (UserId, Timestamp)| {
            let keep = KeepLastSeen {
                user: user.clone(),
                at,
            };
            // What failed was logged, and they are gone all the same.
            let _ = chat.commit(keep).await;
            // Whoever has come back meanwhile is online, and that was told.
            if !chat.live.is_online(&user) {
                chat.say_status(&user, Status::Offline, Some(at));
            }
        };
        let gone = stream::iter(gone);
        gone.for_each_concurrent(GOING_AT_ONCE, tell).await;
    }

    /// As if these people had just come online.
    #[cfg(test)]
    pub(in crate::chat) fn say_status_of(&self, people: &[&str]) {
        for user in people {
            self.say_status(&UserId::from(*user), Status::Online, None);
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
