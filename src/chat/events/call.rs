//! One event: its argument, and its answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::link::Link;
use crate::chat::Chat;
use crate::chat::domain::{Fields, Invalid};
use crate::chat::error::Error;
use crate::chat::live::ErrorEvent;
use crate::socketio::{EmitError, Event, Socket};

/// An event that is being handled.
pub(super) struct Call {
    pub(super) chat: Arc<Chat>,
    pub(super) socket: Socket,
    pub(super) link: Arc<Link>,
    pub(super) argument: Value,
}

/// A handler at work. What it does before its first wait happens in the order
/// of the events.
pub(super) type Answer = Pin<Box<dyn Future<Output = Result<Done, Error>> + Send>>;

/// A successful acknowledgement.
#[derive(Serialize)]
pub(super) struct Done {
    success: bool,
    data: Box<RawValue>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    duplicate: bool,
}

impl Done {
    /// With this `data`.
    ///
    /// # Errors
    /// [`Error::Internal`] when it cannot be encoded.
    pub(super) fn with<T: Serialize>(data: &T) -> Result<Self, Error> {
        let data = to_raw_value(data).map_err(|error| {
            tracing::error!(%error, "an acknowledgement could not be encoded");
            Error::Internal
        })?;
        Ok(Self {
            success: true,
            data,
            duplicate: false,
        })
    }

    /// With `{}`.
    ///
    /// # Errors
    /// As [`Done::with`].
    pub(super) fn nothing() -> Result<Self, Error> {
        Self::with(&serde_json::Map::new())
    }

    /// Marks the answer to a repeat.
    pub(super) fn repeated(self, duplicate: bool) -> Self {
        Self { duplicate, ..self }
    }
}

impl Call {
    /// The fields of the argument; an argument of another kind has none, so
    /// that the first required one is named as missing.
    pub(super) fn fields(&mut self) -> Fields {
        match self.argument.take() {
            Value::Object(object) => Fields::new(object),
            _ => Fields::default(),
        }
    }
}

/// Runs a handler and answers.
pub(super) async fn serve(
    chat: Arc<Chat>,
    socket: Socket,
    event: Event,
    handler: fn(Call) -> Answer,
) {
    let outcome = match (socket.data::<Link>(), event.data()) {
        (Some(link), Ok(argument)) => {
            handler(Call {
                chat: Arc::clone(&chat),
                socket: socket.clone(),
                link,
                argument,
            })
            .await
        }
        (Some(_), Err(_)) => {
            Err(Invalid::new("argument", "must be JSON without attachments").into())
        }
        (None, _) => Err(Error::Unauthenticated("This connection has no session")),
    };
    if let Err(error) = &outcome {
        chat.events.failed.count(error.code().0);
    }
    if let Err(error) = answer(&socket, &event, outcome) {
        // A client that went away meanwhile is no fault.
        tracing::debug!(%error, event = event.name(), "an event could not be answered");
    }
}

fn answer(socket: &Socket, event: &Event, outcome: Result<Done, Error>) -> Result<(), EmitError> {
    match (outcome, event.ack()) {
        (Ok(done), Some(ack)) => ack.send(&done),
        (Ok(_), None) => Ok(()),
        (Err(error), Some(ack)) => ack.send(&error.failure()),
        (Err(error), None) => socket.emit("error", &ErrorEvent::new(&error, event.name())),
    }
}

/// Every event that the contract does not know.
pub(super) async fn unknown(_: Call) -> Result<Done, Error> {
    Err(Invalid::new("event", "is not one that the server knows").into())
}
