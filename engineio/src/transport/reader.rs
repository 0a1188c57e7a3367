//! The reading half of a WebSocket, without the socket: the bytes that came go in, messages come
//! out, and what is to be answered to control frames.

use std::{io::ErrorKind, time::Instant};

use bytes::Bytes;
use tokio_tungstenite::tungstenite::{
    self, Message as WsMessage, Utf8Bytes,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use super::decoder::{Decoder, is_violation};
use crate::proto::{
    inspector::{Inspector, StreamLimits},
    session::Loss,
};

/// Makes messages of what a peer sends.
pub(super) struct Reader {
    inspector: Inspector,
    /// None while the stream is idle.
    decoder: Option<Box<Decoder>>,
    max_payload: usize,
}

/// What a stream gave.
pub(crate) enum Incoming {
    Text(Utf8Bytes),
    Binary(Bytes),
}

/// Why a stream gives nothing more, and the code to close it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) loss: Loss,
    pub(crate) code: Option<CloseCode>,
}

impl Reader {
    /// One for messages of up to `max_payload` bytes.
    pub(super) fn new(limits: StreamLimits, max_payload: usize) -> Self {
        Self {
            inspector: Inspector::new(limits),
            decoder: None,
            max_payload,
        }
    }

    /// Gives it the first `len` bytes of `bytes`, all others being read. None are the end.
    pub(super) fn fill(&mut self, bytes: Vec<u8>, len: usize) {
        let borrow = || Decoder::borrow(self.max_payload);
        self.decoder.get_or_insert_with(borrow).fill(bytes, len);
    }

    /// The next message; `None` when everything is read. Control frames are handled on the way;
    /// whatever it gives, their answers are added to `control`.
    pub(super) fn next(
        &mut self,
        now: Instant,
        control: &mut Vec<u8>,
    ) -> Option<Result<Incoming, Ended>> {
        let incoming = loop {
            let decoder = self.decoder.as_mut()?;
            match decoder.read(&mut self.inspector, now, control) {
                Ok(WsMessage::Text(text)) => break Some(Ok(Incoming::Text(text))),
                Ok(WsMessage::Binary(data)) => break Some(Ok(Incoming::Binary(data))),
                Ok(WsMessage::Close(_)) => {
                    // Reading on makes tungstenite write its answer.
                    let _ = decoder.read(&mut self.inspector, now, control);
                    return Some(Err(Ended {
                        loss: Loss::Closed,
                        code: None,
                    }));
                }
                Ok(WsMessage::Ping(_) | WsMessage::Pong(_) | WsMessage::Frame(_)) => {}
                Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    break None;
                }
                Err(error) => return Some(Err(ended(&error))),
            }
        };
        Decoder::rest(&mut self.decoder, &self.inspector);
        incoming
    }

    /// Begins to close with this code; gives what is to be sent. After a close from the peer that
    /// is nothing: the answer was given.
    pub(super) fn close(&mut self, code: Option<CloseCode>, now: Instant) -> Vec<u8> {
        let frame = code.map(|code| CloseFrame {
            code,
            reason: Utf8Bytes::default(),
        });
        let mut control = Vec::new();
        let mut decoder =
            (self.decoder.take()).unwrap_or_else(|| Decoder::borrow(self.max_payload));
        decoder.close(&mut self.inspector, now, frame, &mut control);
        control
    }

    /// When [`Reader::handle_timeout`] is to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.inspector.poll_timeout()
    }

    /// Whether the message under way takes too long.
    pub(super) fn handle_timeout(&self, now: Instant) -> Result<(), Ended> {
        let watched = self.inspector.handle_timeout(now);
        watched.map_err(|_| Ended {
            loss: Loss::Failed,
            code: Some(CloseCode::Policy),
        })
    }
}

/// What an error of tungstenite means. It sends nothing by itself when it gives one.
fn ended(error: &tungstenite::Error) -> Ended {
    use tungstenite::{Error, error::ProtocolError};
    let code = match error {
        Error::Io(error) if is_violation(error) => CloseCode::Policy,
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Io(_)
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            return Ended {
                loss: Loss::Closed,
                code: None,
            };
        }
        Error::Capacity(_) => CloseCode::Size,
        Error::Utf8(_) => CloseCode::Invalid,
        _ => CloseCode::Protocol,
    };
    Ended {
        loss: Loss::Failed,
        code: Some(code),
    }
}
