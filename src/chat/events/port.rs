//! The socket server behind the seam of `live`.

use serde_json::value::RawValue;

use crate::chat::live::{Delivery, Port, Room, SocketKey, To};
use crate::socketio::{Broadcast, Io};

pub(super) struct IoPort(Io);

impl IoPort {
    pub(super) fn new(io: &Io) -> Self {
        Self(io.clone())
    }

    fn send(broadcast: Broadcast<'_>, delivery: Delivery, event: &str, payload: &RawValue) {
        let broadcast = match delivery {
            Delivery::Durable => broadcast,
            Delivery::Volatile => broadcast.volatile(),
        };
        if let Err(error) = broadcast.emit(event, payload) {
            tracing::error!(%error, event, "an event could not be sent");
        }
    }
}

impl Port for IoPort {
    fn emit(&self, to: To<'_>, delivery: Delivery, event: &str, payload: &RawValue) {
        match to {
            To::Room(room) => Self::send(self.0.to(&room.name()), delivery, event, payload),
            To::Others(chat, user) => {
                let (room, left_out) = (Room::Chat(chat).name(), Room::User(user).name());
                Self::send(self.0.to(&room).except(&left_out), delivery, event, payload);
            }
            To::People(people) => {
                let rooms: Vec<String> =
                    people.iter().map(|user| Room::User(user).name()).collect();
                // Without any room it would go to everybody.
                let Some((first, rest)) = rooms.split_first() else {
                    return;
                };
                let all = rest.iter().fold(self.0.to(first), |all, room| all.to(room));
                Self::send(all, delivery, event, payload);
            }
        }
    }

    fn emit_unless_behind(
        &self,
        room: Room<'_>,
        except: &[SocketKey],
        event: &str,
        payload: &RawValue,
    ) -> Vec<SocketKey> {
        let room = room.name();
        let to = self.0.to(&room);
        let to = except.iter().fold(to, |to, socket| to.except(socket));
        match to.emit_unless_behind(event, payload) {
            Ok(behind) => behind.iter().map(|socket| socket.id().into()).collect(),
            Err(error) => {
                tracing::error!(%error, event, "an event could not be sent");
                Vec::new()
            }
        }
    }

    fn is_behind(&self, socket: &SocketKey) -> bool {
        let socket = self.0.socket(socket);
        socket.is_some_and(|socket| socket.is_behind())
    }

    fn leave(&self, sockets_of: Room<'_>, room: Room<'_>) {
        self.0.to(&sockets_of.name()).sockets_leave(&room.name());
    }

    fn disconnect(&self, room: Room<'_>) {
        self.0.to(&room.name()).disconnect_sockets(true);
    }
}
