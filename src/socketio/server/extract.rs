//! Handlers of events as plain async functions: what their parameters are made of.

use std::any::{Any, type_name};
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::handler::{Ack, BoxFuture, Event};
use super::io::Io;
use super::socket::Socket;
use crate::socketio::proto::args::{Args, ArgsError};

/// Whatever a handler may fail with: `?` makes it of every error.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why a handler did not run to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// What the client sent is not what the handler takes. The handler was not called. The text may
    /// quote what was sent: it is for that client, not for a log.
    #[error(transparent)]
    Payload(#[from] ArgsError),
    /// The handler asks for a [`State`] that [`IoBuilder::state`](super::io::IoBuilder::state) was
    /// not given. The server's author is to blame; the handler was not called.
    #[error("the server has no state of type {type_name}")]
    NoState {
        /// The type that was asked for.
        type_name: &'static str,
    },
    /// A middleware has refused the event; the handler was not called. See
    /// [`NamespaceBuilder::use_packet`](super::namespace::NamespaceBuilder::use_packet).
    #[error("{0}")]
    Refused(BoxError),
    /// The handler itself has failed.
    #[error("{0}")]
    Handler(BoxError),
}

/// An event whose handler was not called, or has failed; see
/// [`NamespaceBuilder::on_error`](super::namespace::NamespaceBuilder::on_error).
#[derive(Debug)]
pub struct FailedEvent {
    /// The event's name.
    pub name: Arc<str>,
    /// What went wrong.
    pub error: EventError,
    /// The answer that the client waits for, if it does, and the handler has not taken it.
    pub ack: Option<Ack>,
}

/// A parameter of a handler. It looks at the event and leaves it as it is.
///
/// Implement it for what several handlers begin with:
///
/// ```
/// use parlance::socketio::{Event, EventError, FromEvent, Socket};
///
/// struct Nick(String);
///
/// impl FromEvent for Nick {
///     fn from_event(socket: &Socket, _: &Event) -> Result<Self, EventError> {
///         let nick = socket.data::<String>().ok_or("no nick yet");
///         nick.map(|nick| Self((*nick).clone()))
///             .map_err(|missing| EventError::Handler(missing.into()))
///     }
/// }
/// ```
pub trait FromEvent: Sized {
    /// Makes it.
    ///
    /// # Errors
    /// The handler cannot be called.
    fn from_event(socket: &Socket, event: &Event) -> Result<Self, EventError>;
}

/// What the client sent, read as what is emitted is written: a tuple is several arguments, `()` is
/// none, everything else the first one; bytes are [`Bytes`](bytes::Bytes). What is missing reads as
/// `null`, so an `Option` may be left out; what is beyond is ignored.
///
/// Anything that is no `T` is an [`EventError::Payload`], and the handler is not called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data<T>(pub T);

/// As [`Data`], for handlers that want to see what does not fit.
#[derive(Debug)]
pub struct TryData<T>(pub Result<T, ArgsError>);

/// What was given to [`IoBuilder::state`](super::io::IoBuilder::state).
#[derive(Debug)]
pub struct State<S>(pub Arc<S>);

impl<S> Deref for State<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.0
    }
}

impl FromEvent for Socket {
    fn from_event(socket: &Socket, _: &Event) -> Result<Self, EventError> {
        Ok(socket.clone())
    }
}

impl FromEvent for Io {
    fn from_event(socket: &Socket, _: &Event) -> Result<Self, EventError> {
        let gone = || EventError::Handler("the server was dropped".into());
        socket.io().ok_or_else(gone)
    }
}

impl<T: DeserializeOwned> FromEvent for Data<T> {
    fn from_event(_: &Socket, event: &Event) -> Result<Self, EventError> {
        Ok(Self(event.data()?))
    }
}

impl<T: DeserializeOwned> FromEvent for TryData<T> {
    fn from_event(_: &Socket, event: &Event) -> Result<Self, EventError> {
        Ok(Self(event.data()))
    }
}

impl FromEvent for Ack {
    fn from_event(socket: &Socket, event: &Event) -> Result<Self, EventError> {
        Ok(event.ack().unwrap_or_else(|| Ack::to_nobody(socket)))
    }
}

impl<S: Any + Send + Sync> FromEvent for State<S> {
    fn from_event(socket: &Socket, _: &Event) -> Result<Self, EventError> {
        let type_name = type_name::<S>();
        let state = socket.state().ok_or(EventError::NoState { type_name })?;
        Ok(Self(state))
    }
}

/// How the last parameter is made: it alone may take the event itself.
pub trait FromWholeEvent<Via>: Sized {
    #[doc(hidden)]
    fn from_whole_event(socket: &Socket, event: &mut Option<Event>) -> Result<Self, EventError>;
}

#[derive(Debug)]
#[doc(hidden)]
pub struct ViaReference;

#[derive(Debug)]
#[doc(hidden)]
pub struct ViaValue;

impl<T: FromEvent> FromWholeEvent<ViaReference> for T {
    fn from_whole_event(socket: &Socket, event: &mut Option<Event>) -> Result<Self, EventError> {
        T::from_event(socket, event.as_ref().ok_or_else(taken)?)
    }
}

impl FromWholeEvent<ViaValue> for Event {
    fn from_whole_event(_: &Socket, event: &mut Option<Event>) -> Result<Self, EventError> {
        event.take().ok_or_else(taken)
    }
}

impl FromWholeEvent<ViaValue> for Args {
    fn from_whole_event(_: &Socket, event: &mut Option<Event>) -> Result<Self, EventError> {
        event.take().map(Event::into_args).ok_or_else(taken)
    }
}

/// Only the last parameter takes the event.
fn taken() -> EventError {
    EventError::Handler("the event was taken".into())
}

/// What a handler may give back: nothing, or a `Result` whose error goes to
/// [`on_error`](super::namespace::NamespaceBuilder::on_error).
pub trait Outcome {
    #[doc(hidden)]
    const CAN_FAIL: bool;
    #[doc(hidden)]
    fn into_error(self) -> Option<EventError>;
}

impl Outcome for () {
    const CAN_FAIL: bool = false;

    fn into_error(self) -> Option<EventError> {
        None
    }
}

impl<E: Into<BoxError>> Outcome for Result<(), E> {
    const CAN_FAIL: bool = true;

    fn into_error(self) -> Option<EventError> {
        let error: BoxError = self.err()?.into();
        Some(match error.downcast::<EventError>() {
            Ok(error) => *error,
            Err(error) => EventError::Handler(error),
        })
    }
}

/// An async function that handles an event: of up to six parameters, each made by [`FromEvent`];
/// the last one may also be the whole [`Event`], or its [`Args`]. It gives back nothing, or a
/// `Result<(), E>` whose error is anything that `?` makes a [`BoxError`] of.
#[diagnostic::on_unimplemented(
    message = "this is no handler of an event",
    label = "not an async function of `Socket`, `Data<T>`, `TryData<T>`, `State<S>`, `Io`, `Ack`, and last `Event` or `Args`",
    note = "every parameter of a closure needs its type, as in `async |Data(text): Data<String>, ack: Ack| …`",
    note = "what it awaits must be `Send`, and what it captures must be moved: clone it in the closure, and use it in an `async move` block"
)]
pub trait EventHandler<Parameters>: Send + Sync + 'static {
    #[doc(hidden)]
    fn call(&self, name: &Arc<str>, socket: Socket, event: Event) -> BoxFuture;
}

macro_rules! handler {
    ($($parameter:ident),* ; $last:ident) => {
        impl<F, R, Via, $($parameter,)* $last> EventHandler<(Via, $($parameter,)* $last)> for F
        where
            F: Fn($($parameter,)* $last) -> R + Send + Sync + 'static,
            R: Future<Output: Outcome> + Send + 'static,
            $($parameter: FromEvent,)*
            $last: FromWholeEvent<Via>,
        {
            #[allow(non_snake_case)]
            fn call(&self, name: &Arc<str>, socket: Socket, event: Event) -> BoxFuture {
                let mut whole = Some(event);
                let made = (|| {
                    let event = whole.as_ref().ok_or_else(taken)?;
                    $(let $parameter = $parameter::from_event(&socket, event)?;)*
                    // Not every handler has something before its last parameter.
                    _ = event;
                    let $last = $last::from_whole_event(&socket, &mut whole)?;
                    Ok(self($($parameter,)* $last))
                })();
                drive(made, name, socket, whole)
            }
        }
    };
}

impl<F, R> EventHandler<()> for F
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output: Outcome> + Send + 'static,
{
    fn call(&self, name: &Arc<str>, socket: Socket, event: Event) -> BoxFuture {
        drive(Ok(self()), name, socket, Some(event))
    }
}

handler!(; A);
handler!(A; B);
handler!(A, B; C);
handler!(A, B, C; D);
handler!(A, B, C, D; E);
handler!(A, B, C, D, E; G);

/// Runs a handler that could be called, and reports what went wrong.
fn drive<R>(
    made: Result<R, EventError>,
    name: &Arc<str>,
    socket: Socket,
    left: Option<Event>,
) -> BoxFuture
where
    R: Future<Output: Outcome> + Send + 'static,
{
    let report = |error, name, socket: Socket, ack| {
        let failed = FailedEvent { name, error, ack };
        socket.namespace().clone().0.handlers.report(socket, failed)
    };
    match made {
        Err(error) => report(
            error,
            Arc::clone(name),
            socket,
            left.and_then(|event| event.ack()),
        ),
        Ok(handler) if !R::Output::CAN_FAIL => Box::pin(async move {
            handler.await;
        }),
        Ok(handler) => {
            let name = Arc::clone(name);
            Box::pin(async move {
                if let Some(error) = handler.await.into_error() {
                    let ack = left.and_then(|event| event.ack());
                    report(error, name, socket, ack).await;
                }
            })
        }
    }
}

/// Says on the log what nobody else wants to hear. What a client sent is not quoted.
pub(crate) fn log(failed: &FailedEvent) {
    let event = &*failed.name;
    match &failed.error {
        EventError::Payload(_) => tracing::debug!(event, "an event's arguments do not fit"),
        error => tracing::error!(event, %error, "an event's handler has failed"),
    }
}

impl fmt::Display for FailedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}
