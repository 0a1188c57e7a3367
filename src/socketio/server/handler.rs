//! The application's functions, and what they are given.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engineio::{Frame, Handshake, Sid};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::client::Client;
use super::extract::FailedEvent;
use super::reason::DisconnectReason;
use super::socket::{EmitError, Socket};
use crate::socketio::proto::args::{Args, ArgsError};
use crate::socketio::proto::encode;
use crate::socketio::proto::packet::AckId;

pub(crate) type BoxFuture<T = ()> = Pin<Box<dyn Future<Output = T> + Send>>;
pub(crate) type Middleware =
    Box<dyn Fn(ConnectRequest) -> BoxFuture<Result<(), ConnectError>> + Send + Sync>;
pub(crate) type ConnectHandler = Box<dyn Fn(Socket) -> BoxFuture + Send + Sync>;
pub(crate) type EventHandler = Box<dyn Fn(Socket, Event) -> BoxFuture + Send + Sync>;
pub(crate) type ErrorHandler = Box<dyn Fn(Socket, FailedEvent) -> BoxFuture + Send + Sync>;
pub(crate) type DisconnectHandler =
    Box<dyn Fn(Socket, DisconnectReason) -> BoxFuture + Send + Sync>;

pub(crate) type DrainHandler = Box<dyn Fn(&Socket) + Send + Sync>;

/// Values of any types that middlewares put beside a socket.
pub(crate) type SocketData = Vec<Arc<dyn Any + Send + Sync>>;

/// An event that a client sent.
pub struct Event {
    name: Box<str>,
    args: Args,
    /// Where an answer goes, when the client waits for one.
    reply_to: Option<(Socket, AckId)>,
    answered: AtomicBool,
}

impl Event {
    pub(crate) fn new(name: Box<str>, args: Args, reply_to: Option<(Socket, AckId)>) -> Self {
        Self {
            name,
            args,
            reply_to,
            answered: AtomicBool::new(false),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was sent: a tuple is several arguments, `()` is none, everything else the first one. What
    /// is missing reads as `null`, and what is beyond is ignored.
    ///
    /// # Errors
    /// It is not a `T`.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, ArgsError> {
        self.args.data()
    }

    /// All arguments, as a tuple or a `Vec`. A tuple gets `null` for what is missing, and what is
    /// beyond it is ignored.
    ///
    /// # Errors
    /// They are not a `T`.
    pub fn args<T: DeserializeOwned>(&self) -> Result<T, ArgsError> {
        self.args.decode()
    }

    /// The arguments as they came.
    pub fn raw(&self) -> &Args {
        &self.args
    }

    /// The arguments as they came, to be sent on.
    pub fn into_args(self) -> Args {
        self.args
    }

    /// Whether the client waits for an answer.
    pub fn has_ack(&self) -> bool {
        self.reply_to.is_some()
    }

    /// The answer that the client waits for, if it does. Given out once, then `None`.
    pub fn ack(&self) -> Option<Ack> {
        let (socket, id) = self.reply_to.as_ref()?;
        let first = !self.answered.swap(true, Ordering::Relaxed);
        first.then(|| Ack {
            socket: socket.clone(),
            id: Some(*id),
        })
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("name", &self.name)
            .field("args", &self.args)
            .finish_non_exhaustive()
    }
}

/// The answer to an event. It can be sent once; when it is dropped instead, the client waits until
/// its own time-out. Where the client does not wait for one, sending does nothing.
#[derive(Debug)]
#[must_use = "the client waits for it"]
pub struct Ack {
    socket: Socket,
    /// `None` when nobody waits.
    id: Option<AckId>,
}

impl Ack {
    pub(crate) fn to_nobody(socket: &Socket) -> Self {
        Self {
            socket: socket.clone(),
            id: None,
        }
    }

    /// Whether the client waits for it.
    pub fn is_awaited(&self) -> bool {
        self.id.is_some()
    }

    /// Answers. A tuple is several arguments, `()` is none; bytes become attachments.
    ///
    /// # Errors
    /// The value cannot be encoded, or the socket is no longer connected.
    pub fn send<T: Serialize + ?Sized>(self, data: &T) -> Result<(), EmitError> {
        let Some(id) = self.id else { return Ok(()) };
        let frame = encode::ack(self.socket.envelope(), id, data)?;
        self.deliver(frame)
    }

    /// Answers with arguments as they came.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_raw(self, args: &Args) -> Result<(), EmitError> {
        let Some(id) = self.id else { return Ok(()) };
        let frame = encode::raw_ack(self.socket.envelope(), id, args)?;
        self.deliver(frame)
    }

    fn deliver(&self, frame: Frame) -> Result<(), EmitError> {
        self.socket.send(frame)?;
        self.socket.namespace().0.metrics.answers_sent.count();
        Ok(())
    }
}

/// A client that wants to join a namespace, as middlewares see it. Cheap to clone.
#[derive(Clone)]
pub struct ConnectRequest(Arc<Request>);

struct Request {
    id: Sid,
    client: Arc<Client>,
    auth: Box<str>,
    data: Mutex<SocketData>,
}

impl ConnectRequest {
    pub(crate) fn new(id: Sid, client: Arc<Client>, auth: Box<str>) -> Self {
        Self(Arc::new(Request {
            id,
            client,
            auth,
            data: Mutex::new(Vec::new()),
        }))
    }

    /// The id that the socket will have.
    pub fn id(&self) -> &str {
        self.0.id.as_str()
    }

    /// The request that opened the connection.
    pub fn handshake(&self) -> &Handshake {
        self.0.client.handshake()
    }

    /// What the client gave as `auth`; `{}` when it gave nothing.
    pub fn auth(&self) -> Value {
        parse_auth(&self.0.auth)
    }

    /// Puts a value beside the socket, where [`Socket::data`] finds it by its type. A second value
    /// of a type replaces the first.
    pub fn set_data<T: Any + Send + Sync>(&self, data: T) {
        put_data(&mut self.0.data.lock(), data);
    }

    /// The value of this type, put there by a middleware before.
    pub fn data<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        find_data(&self.0.data.lock())
    }

    /// With the values that were beside the socket before its connection was lost.
    pub(crate) fn with_data(self, data: SocketData) -> Self {
        *self.0.data.lock() = data;
        self
    }

    pub(crate) fn client(&self) -> &Arc<Client> {
        &self.0.client
    }

    pub(crate) fn sid(&self) -> Sid {
        self.0.id
    }

    pub(crate) fn raw_auth(&self) -> &str {
        &self.0.auth
    }

    pub(crate) fn take_data(&self) -> SocketData {
        std::mem::take(&mut self.0.data.lock())
    }
}

impl fmt::Debug for ConnectRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectRequest").finish_non_exhaustive()
    }
}

/// What was sent as `auth`: it passed the parser as an object when it came.
pub(crate) fn parse_auth(auth: &str) -> Value {
    let parsed = (!auth.is_empty())
        .then(|| serde_json::from_str(auth).ok())
        .flatten();
    parsed.unwrap_or_else(|| Value::Object(serde_json::Map::new()))
}

/// Puts a value among those of other types, in the place of one of its own.
pub(crate) fn put_data<T: Any + Send + Sync>(all: &mut SocketData, data: T) {
    all.retain(|other| !other.is::<T>());
    all.push(Arc::new(data));
}

pub(crate) fn find_data<T: Any + Send + Sync>(all: &SocketData) -> Option<Arc<T>> {
    all.iter()
        .find(|data| data.is::<T>())
        .and_then(|data| Arc::clone(data).downcast().ok())
}

/// Refuses a connection. The client gets it as `connect_error`: `err.message` and `err.data`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ConnectError {
    /// `err.message`.
    pub message: String,
    /// `err.data`, left out when there is none.
    pub data: Option<Value>,
}

impl ConnectError {
    /// A refusal without data.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            data: None,
        }
    }

    /// A refusal with data.
    pub fn with_data(message: impl Into<String>, data: impl Into<Value>) -> Self {
        Self {
            message: message.into(),
            data: Some(data.into()),
        }
    }
}
