//! Sessions as streams, for applications that would rather wait for events than be called.

use std::{
    future::{Future, poll_fn},
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;
use futures_util::stream::Stream;
use tokio::sync::{
    mpsc::{self, OwnedPermit, error::TrySendError},
    oneshot,
};

use super::{Application, CloseMode, Handler, Handshake, Server, SessionHandle};
use crate::{
    config::Config,
    proto::{CloseReason, Message},
};

/// Sessions that may wait to be taken; one more is closed at once.
const WAITING_SESSIONS: usize = 1024;
/// Messages that may wait in a session; then its client is read no further.
const WAITING_MESSAGES: usize = 64;

/// A server whose sessions come as a stream, and it.
///
/// ```no_run
/// # async fn run() {
/// use engineio::{Config, Event, Frame};
///
/// let (server, mut sessions) = engineio::sessions(Config::default());
/// # let _ = server;
/// while let Some(mut session) = sessions.next().await {
///     tokio::spawn(async move {
///         while let Some(event) = session.next().await {
///             let frame = match event {
///                 Event::Text(text) => Frame::text(&text),
///                 Event::Binary(data) => Frame::binary(data),
///                 Event::Closed(_reason) => break,
///             };
///             let _ = session.handle().send(frame); // refused when it is closed meanwhile
///         }
///     });
/// }
/// # }
/// ```
#[must_use]
pub fn sessions(config: Config) -> (Server<Streams>, Sessions) {
    let (sender, receiver) = mpsc::channel(WAITING_SESSIONS);
    (
        Server::new(config, Streams { sender }),
        Sessions { receiver },
    )
}

/// The sessions of a server, as they are opened. When this is dropped, every further session is
/// closed at once.
#[derive(Debug)]
pub struct Sessions {
    receiver: mpsc::Receiver<SessionEvents>,
}

impl Sessions {
    /// The next session; `None` when the server is gone.
    pub async fn next(&mut self) -> Option<SessionEvents> {
        self.receiver.recv().await
    }
}

impl Stream for Sessions {
    type Item = SessionEvents;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<SessionEvents>> {
        self.receiver.poll_recv(cx)
    }
}

/// What happened in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A text arrived.
    Text(String),
    /// Bytes arrived.
    Binary(Bytes),
    /// The session is closed. The last event.
    Closed(CloseReason),
}

/// One session: what comes of it, and by its handle what goes to it. Dropped, it is closed in order.
///
/// While nobody takes its events the client is read no further, and after
/// [`Config::stall_timeout`] its session is closed.
#[derive(Debug)]
pub struct SessionEvents {
    handshake: Handshake,
    handle: SessionHandle,
    messages: mpsc::Receiver<Event>,
    end: Option<oneshot::Receiver<CloseReason>>,
}

impl SessionEvents {
    /// The request that opened the session.
    #[must_use]
    pub fn handshake(&self) -> &Handshake {
        &self.handshake
    }

    /// To send, and to close.
    #[must_use]
    pub fn handle(&self) -> &SessionHandle {
        &self.handle
    }

    /// The next event; `None` after [`Event::Closed`]. May be given up while it waits.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if let Some(message) = ready!(self.messages.poll_recv(cx)) {
            return Poll::Ready(Some(message));
        }
        let Some(end) = &mut self.end else {
            return Poll::Ready(None);
        };
        let reason = ready!(Pin::new(end).poll(cx));
        self.end = None;
        Poll::Ready(reason.ok().map(Event::Closed))
    }
}

impl Stream for SessionEvents {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.poll_event(cx)
    }
}

impl Drop for SessionEvents {
    fn drop(&mut self) {
        self.handle.close(CloseMode::Flush);
    }
}

/// The application of a server that [`sessions`] has made.
#[derive(Debug)]
pub struct Streams {
    sender: mpsc::Sender<SessionEvents>,
}

impl Application for Streams {
    type Handler = StreamHandler;

    fn open(&self, handshake: Handshake, session: SessionHandle) -> StreamHandler {
        let (sender, messages) = mpsc::channel(WAITING_MESSAGES);
        let (end_sender, end) = oneshot::channel();
        let events = SessionEvents {
            handshake,
            handle: session.clone(),
            messages,
            end: Some(end),
        };
        // What is not taken is dropped, and so closed.
        let _ = self.sender.try_send(events);
        StreamHandler {
            room: Room::behind(sender),
            end: Some(end_sender),
        }
    }
}

/// The handler of a session whose events are a stream.
pub struct StreamHandler {
    room: Room,
    end: Option<oneshot::Sender<CloseReason>>,
}

/// Where the next message goes.
enum Room {
    Free(OwnedPermit<Event>),
    Awaited(Pin<Box<dyn Future<Output = Option<OwnedPermit<Event>>> + Send>>),
    /// Nobody listens any more.
    Gone,
}

impl Room {
    fn behind(sender: mpsc::Sender<Event>) -> Self {
        match sender.try_reserve_owned() {
            Ok(permit) => Self::Free(permit),
            Err(TrySendError::Full(sender)) => {
                Self::Awaited(Box::pin(async move { sender.reserve_owned().await.ok() }))
            }
            Err(TrySendError::Closed(_)) => Self::Gone,
        }
    }
}

impl Handler for StreamHandler {
    fn handle_message(&mut self, message: Message<'_>, _now: Instant) {
        let event = match message {
            Message::Text(text) => Event::Text(text.to_owned()),
            Message::Binary(data) => Event::Binary(data),
        };
        if let Room::Free(permit) = mem::replace(&mut self.room, Room::Gone) {
            self.room = Room::behind(permit.send(event));
        }
    }

    fn wants_message(&self) -> bool {
        !matches!(self.room, Room::Awaited(_))
    }

    /// Nothing of this outlives the session.
    fn poll_tasks(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Room::Awaited(permit) = &mut self.room
            && let Poll::Ready(permit) = permit.as_mut().poll(cx)
        {
            self.room = permit.map_or(Room::Gone, Room::Free);
        }
        Poll::Ready(())
    }

    fn handle_close(&mut self, reason: CloseReason, _now: Instant) {
        if let Some(end) = self.end.take() {
            let _ = end.send(reason);
        }
    }
}
