//! Socket.IO events on `/` (CONTRACT section 5): decode, call a use case,
//! acknowledge.
//!
//! A handler answers through the acknowledgement that the client asked for.
//! One that fails without such a callback answers with the event `error`.

mod call;
mod connect;
mod link;
mod messages;
mod port;
mod presence;
mod rooms;
mod session;

use std::future::Future;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Chat;
use super::live::{Port, Room};
use crate::socketio::{Event, Io, NamespaceBuilder, Socket};
use call::{Answer, Call};

/// What events answer with, for the API description.
pub(super) mod replies {
    pub(in crate::chat) use super::connect::Ready;
    pub(in crate::chat) use super::presence::Snapshot;
    pub(in crate::chat) use super::rooms::AllSynced;
    pub(in crate::chat) use super::session::Refreshed;
}

/// The events that clients send, and who serves them.
const HANDLERS: [(&str, Handler); 14] = [
    ("join-chat", |call| Box::pin(rooms::join(call))),
    ("leave-chat", |call| Box::pin(rooms::leave(call))),
    ("typing", |call| Box::pin(rooms::type_in(call))),
    ("sync", |call| Box::pin(rooms::sync(call))),
    ("send-message", |call| Box::pin(messages::send(call))),
    ("edit-message", |call| Box::pin(messages::edit(call))),
    ("delete-message", |call| Box::pin(messages::delete(call))),
    ("add-reaction", |call| {
        Box::pin(messages::add_reaction(call))
    }),
    ("remove-reaction", |call| {
        Box::pin(messages::remove_reaction(call))
    }),
    ("mark-read", |call| Box::pin(messages::mark_read(call))),
    ("mark-delivered", |call| {
        Box::pin(messages::mark_delivered(call))
    }),
    ("subscribe-presence", |call| {
        Box::pin(presence::subscribe(call))
    }),
    ("unsubscribe-presence", |call| {
        Box::pin(presence::unsubscribe(call))
    }),
    ("refresh-token", |call| Box::pin(session::refresh(call))),
];

/// The names of the events that clients send.
pub fn names() -> impl Iterator<Item = &'static str> {
    HANDLERS.iter().map(|(name, _)| *name)
}

/// Registers everything that the application does on its namespace. After the
/// server is built it goes to [`Chat::attach`].
#[must_use]
pub fn namespace(chat: &Arc<Chat>, namespace: NamespaceBuilder) -> NamespaceBuilder {
    let namespace = connect::register(chat, namespace);
    let namespace = HANDLERS
        .into_iter()
        .fold(namespace, |namespace, (name, handler)| {
            namespace.on(name, serving(chat, name, handler))
        });
    namespace.on_fallback(serving(chat, "other", |call| Box::pin(call::unknown(call))))
}

/// Who is at the other end of a socket, for those who run the server: no name and no address.
pub fn describe(socket: &Socket) -> Value {
    match socket.data::<link::Link>() {
        Some(link) => {
            let actor = link.actor();
            json!({ "userId": actor.user.id, "role": actor.user.role })
        }
        None => json!({}),
    }
}

/// Whether those who run the server are not shown a room of this name.
pub fn hides(room: &str) -> bool {
    Room::is_private(room)
}

/// The socket server as the connected side of the application sees it.
pub(super) fn port(io: &Io) -> Box<dyn Port> {
    Box::new(port::IoPort::new(io))
}

type Handler = fn(Call) -> Answer;
type Served = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

fn serving(
    chat: &Arc<Chat>,
    name: &'static str,
    handler: Handler,
) -> impl Fn(Socket, Event) -> Served + Send + Sync + 'static {
    let chat = Arc::clone(chat);
    let received = chat.events.received.counter(name);
    move |socket, event| {
        received.count();
        Box::pin(call::serve(Arc::clone(&chat), socket, event, handler))
    }
}
