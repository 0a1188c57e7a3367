//! Answers that the server waits for.

use std::future::Future;
use std::time::Duration;

use engineio::Frame;
use tokio::sync::mpsc;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, timeout_at};

use super::socket::{EmitError, Socket};
use crate::socketio::proto::acks::TooManyAcks;
use crate::socketio::proto::args::Args;
use crate::socketio::proto::encode::EncodeError;
use crate::socketio::proto::packet::AckId;

/// Who waits for an answer: one channel for everybody who was asked with one id.
pub(crate) type Waiter = mpsc::UnboundedSender<(Socket, Args)>;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AckError {
    /// The event could not be sent.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// Too many answers are waited for.
    #[error(transparent)]
    TooMany(#[from] TooManyAcks),
    /// The client did not answer in time.
    #[error("the client did not answer in time")]
    TimedOut,
    /// The socket was disconnected before it answered.
    #[error("the socket was disconnected before it answered")]
    Disconnected,
}

/// The answers to a broadcast.
#[derive(Debug, Default)]
pub struct BroadcastReplies {
    /// Who answered what, in the order in which the answers came.
    pub replies: Vec<(Socket, Args)>,
    /// How many did not answer in time, or were disconnected before.
    pub missing: usize,
}

/// Takes the waiters of those who have not answered back, whatever ends the wait.
struct Asked {
    id: AckId,
    sockets: Vec<Socket>,
}

impl Drop for Asked {
    fn drop(&mut self) {
        for socket in &self.sockets {
            drop(socket.acks().lock().take(self.id));
        }
    }
}

/// Sends `frame`, which carries `id`, and waits for the answer.
pub(crate) fn ask(
    frame: Result<Frame, EncodeError>,
    id: AckId,
    socket: &Socket,
    timeout: Duration,
) -> impl Future<Output = Result<Args, AckError>> + Send + use<> {
    let (waiter, mut answers) = mpsc::unbounded_channel();
    let deadline = Instant::now() + timeout;
    let sent = frame
        .map_err(EmitError::from)
        .map_err(AckError::from)
        .and_then(|frame| {
            socket.wait_for(id, waiter)?;
            Ok(socket.send(frame)?)
        });
    let asked = Asked {
        id,
        sockets: vec![socket.clone()],
    };
    async move {
        let _asked = asked;
        sent?;
        // An answer that is there is taken at once: what came behind it must not overtake it.
        match timeout_at(deadline, unconstrained(answers.recv())).await {
            Ok(Some((_, args))) => Ok(args),
            Ok(None) => Err(AckError::Disconnected),
            Err(_) => Err(AckError::TimedOut),
        }
    }
}

/// Sends `frame`, which carries `id`, to all of `sockets`, and waits for their answers.
pub(crate) fn ask_all(
    frame: Result<Frame, EncodeError>,
    id: AckId,
    mut sockets: Vec<Socket>,
    timeout: Duration,
) -> impl Future<Output = Result<BroadcastReplies, AckError>> + Send + use<> {
    let (waiter, mut answers) = mpsc::unbounded_channel();
    let deadline = Instant::now() + timeout;
    let meant = sockets.len();
    let sent = frame.map_err(EmitError::from).map(|frame| {
        sockets.retain(|socket| {
            socket.wait_for(id, waiter.clone()).is_ok() && socket.send(frame.clone()).is_ok()
        });
    });
    drop(waiter);
    let asked = Asked { id, sockets };
    async move {
        sent?;
        let mut replies = Vec::new();
        while replies.len() < asked.sockets.len() {
            match timeout_at(deadline, answers.recv()).await {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) | Err(_) => break,
            }
        }
        let missing = meant - replies.len();
        Ok(BroadcastReplies { replies, missing })
    }
}
