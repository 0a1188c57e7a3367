//! Being live in a chat's room: coming, going, typing.

use std::sync::Arc;
use std::time::Instant;

use super::access::access;
use super::catch_up::{Budget, CATCH_UP_EVENTS};
use super::publishing::Item;
use super::sessions::Actor;
use crate::chat::Chat;
use crate::chat::domain::{CatchUp, ChatId, Rev};
use crate::chat::error::Error;
use crate::chat::limits::Act;
use crate::chat::live::{Seat, SocketKey, typist};

impl Chat {
    /// Lets a socket into a chat's room and answers what it missed. `enter`
    /// joins the room, or refuses; that happens before the log is read, so that
    /// nothing falls between.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`] for everybody who is not in the chat; what
    /// `enter` refuses with.
    pub(in crate::chat) async fn join_room(
        self: &Arc<Self>,
        actor: &Actor,
        socket: &SocketKey,
        chat: &ChatId,
        since: Option<Rev>,
        enter: impl Fn() -> Result<(), Error> + Send,
    ) -> Result<CatchUp, Error> {
        let user = &actor.user;
        self.limits
            .count(Act::Join, user.id.as_str(), Instant::now())?;
        let seat = Seat {
            chat,
            user: &user.id,
            name: &user.name,
            socket,
        };
        loop {
            // Whoever is evicted after this makes the join below fail, and
            // whoever was evicted before fails the check in between.
            let ticket = self.live.roster.ticket(chat);
            // What is kept is not older than any eviction that was told.
            let known = self
                .recent(chat, |snapshot| snapshot.head(&user.id))
                .await?;
            if known.flatten().is_none() {
                self.ask_participant(actor, chat).await?;
            }
            let joined = self.live.roster.join(&seat, ticket, |first| {
                enter()?;
                if first {
                    self.say_presence_later(&seat, "user-joined");
                }
                Ok::<_, Error>(())
            })?;
            if joined {
                break;
            }
        }
        self.catch_up(actor, chat, since, &mut Budget::events(CATCH_UP_EVENTS))
            .await
    }

    /// Whether somebody is in a chat.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`], or [`Error::Forbidden`] for an admin, when not.
    pub(in crate::chat) async fn check_participant(
        &self,
        actor: &Actor,
        chat: &ChatId,
    ) -> Result<(), Error> {
        if self.is_known_participant(chat, &actor.user.id) {
            return Ok(());
        }
        self.ask_participant(actor, chat).await
    }

    /// As [`Chat::check_participant`], by asking the database.
    pub(super) async fn ask_participant(&self, actor: &Actor, chat: &ChatId) -> Result<(), Error> {
        let mut read = self.store.read().await?;
        let user = &actor.user;
        access(read.as_mut(), chat, &user.id, user.role)
            .await?
            .participant()?;
        Ok(())
    }

    /// In the chat's queue, so that it comes after what was committed before.
    fn say_presence_later(self: &Arc<Self>, seat: &Seat<'_>, event: &'static str) {
        let (user, name) = (seat.user.clone(), seat.name.into());
        self.publish_one(seat.chat, Item::Presence { event, user, name });
    }

    /// Takes a socket out of a chat's room; `exit` leaves the room.
    pub(in crate::chat) fn leave_room(
        self: &Arc<Self>,
        actor: &Actor,
        socket: &SocketKey,
        chat: &ChatId,
        exit: impl FnOnce(),
    ) {
        self.live.stop_typing_on(socket, Some(chat));
        let seat = Seat {
            chat,
            user: &actor.user.id,
            name: &actor.user.name,
            socket,
        };
        self.live.roster.leave(&seat, |last| {
            exit();
            if last {
                self.say_presence_later(&seat, "user-left");
            }
        });
    }

    /// Says that somebody types, or has stopped. Membership is enough.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`] for everybody who is not in the chat.
    pub(in crate::chat) async fn type_in(
        &self,
        actor: &Actor,
        socket: &SocketKey,
        chat: &ChatId,
        is_typing: bool,
    ) -> Result<(), Error> {
        self.limits
            .count(Act::Typing, actor.user.id.as_str(), Instant::now())?;
        self.check_participant(actor, chat).await?;
        let who = typist(actor.user.id.clone(), &actor.user.name, socket.clone());
        self.live.type_in(chat, who, is_typing, Instant::now());
        Ok(())
    }
}
