//! Requests of an open session: polls and posts. They run in the tasks of their HTTP connections;
//! everything that concerns the session they hand to its own task.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use tokio::sync::oneshot;

use super::handle::{Command, PollReply, PostReply, Shared};
use crate::{
    error::HandshakeError,
    proto::{
        handshake::{BadRequest, Refused},
        session::Admission,
    },
    transport::polling::{self, BodyError, BodyLimits},
};

type Reply = Result<Response<Full<Bytes>>, HandshakeError>;

/// A GET: waits until the session has something to say.
pub(super) async fn poll(session: Arc<Shared>) -> PollReply {
    let (sender, receiver) = oneshot::channel();
    let mut waiting = WaitingPoll {
        receiver,
        session,
        answered: false,
    };
    waiting.session.push(Command::Poll(sender));
    let reply = (&mut waiting.receiver).await;
    waiting.answered = true;
    reply.unwrap_or(PollReply::Refused(Admission::Gone))
}

/// A GET that waits. Dropped unanswered (the client closed its connection), it ends the session.
struct WaitingPoll {
    receiver: oneshot::Receiver<PollReply>,
    session: Arc<Shared>,
    answered: bool,
}

impl Drop for WaitingPoll {
    fn drop(&mut self) {
        if !self.answered {
            // In this order: the task asks the channel whether the poll that it holds is this one.
            self.receiver.close();
            self.session.push(Command::PollAborted);
        }
    }
}

/// A POST: reads the body under its limits and hands it over.
pub(super) async fn post<B: Body>(session: &Arc<Shared>, body: B, limits: BodyLimits) -> Reply {
    let Some(mut posting) = Posting::begin(session) else {
        return hand_over(session, Command::PostOverlap).await;
    };
    let body = polling::read_body(body, limits).await;
    match body {
        Ok(body) => {
            posting.complete = true;
            hand_over(session, |reply| Command::Post(body, reply)).await
        }
        Err(error) => {
            drop(posting);
            refuse_body(error)
        }
    }
}

/// A POST of bytes, or in an encoding: what it says is lost, so the session ends, and the body is
/// not awaited.
pub(super) fn refuse_unread(session: &Shared, status: StatusCode) -> Response<Full<Bytes>> {
    session.push(Command::PostFailed);
    polling::closing(polling::bare(status))
}

async fn hand_over(
    session: &Shared,
    command: impl FnOnce(oneshot::Sender<PostReply>) -> Command,
) -> Reply {
    let (sender, receiver) = oneshot::channel();
    session.push(command(sender));
    match receiver.await {
        Ok(PostReply::Ok) => Ok(polling::posted()),
        Ok(PostReply::Malformed) => Err(BadRequest::Body.into()),
        Ok(PostReply::Refused(admission)) => refuse(admission),
        Err(_) => refuse(Admission::Gone),
    }
}

/// The reply to a request that the session does not admit.
pub(super) fn refuse(admission: Admission) -> Reply {
    match admission {
        Admission::Overlap => Ok(polling::bare(StatusCode::BAD_REQUEST)),
        Admission::Moved => Err(BadRequest::TransportMismatch.into()),
        Admission::Gone | Admission::Granted => Err(Refused::UnknownSid.into()),
    }
}

fn refuse_body(error: BodyError) -> Reply {
    let response = match error {
        BodyError::Broken => HandshakeError::from(BadRequest::Body).into_response(),
        BodyError::TooLarge | BodyError::TimedOut => polling::bare(error.status()),
    };
    Ok(polling::closing(response))
}

/// Marks the session as busy with a POST while its body is read. Dropped before the body is
/// complete, whatever the reason, it ends the session.
struct Posting<'a> {
    session: &'a Arc<Shared>,
    complete: bool,
}

impl<'a> Posting<'a> {
    fn begin(session: &'a Arc<Shared>) -> Option<Self> {
        let busy = std::mem::replace(&mut session.lock().posting, true);
        // Not `then_some`: a guard that is made and dropped would end the session.
        (!busy).then(|| Self {
            session,
            complete: false,
        })
    }
}

impl Drop for Posting<'_> {
    fn drop(&mut self) {
        self.session.lock().posting = false;
        if !self.complete {
            self.session.push(Command::PostFailed);
        }
    }
}
