//! Long-polling over HTTP: request bodies under limits, and the replies.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::Full;
use tokio::time::{Instant, timeout_at};

/// How long the rest of a refused body is read and thrown away. A reply that meets unread bytes
/// can be lost to a reset of the connection.
const DISCARD_TIMEOUT: Duration = Duration::from_millis(300);

/// Limits of a request body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    pub(crate) max_bytes: usize,
    pub(crate) idle_timeout: Duration,
    pub(crate) total_timeout: Duration,
}

/// Why a body was not read. Each ends the session and the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyError {
    TooLarge,
    TimedOut,
    /// The client ended or broke it.
    Broken,
}

impl BodyError {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

/// Reads a body, counting its bytes on the way.
pub(crate) async fn read_body<B: Body>(body: B, limits: BodyLimits) -> Result<Bytes, BodyError> {
    let mut body = pin!(body);
    let deadline = Instant::now() + limits.total_timeout;
    if body.size_hint().lower() > limits.max_bytes as u64 {
        discard(body, limits.max_bytes).await;
        return Err(BodyError::TooLarge);
    }
    let mut chunks = Chunks::default();
    while let Some(frame) = next_frame(body.as_mut(), limits.idle_timeout, deadline).await? {
        if let Ok(data) = frame.into_data() {
            if chunks.len() + data.remaining() > limits.max_bytes {
                discard(body, limits.max_bytes).await;
                return Err(BodyError::TooLarge);
            }
            chunks.push(data);
        }
    }
    Ok(chunks.join())
}

async fn next_frame<B: Body>(
    mut body: Pin<&mut B>,
    idle: Duration,
    deadline: Instant,
) -> Result<Option<Frame<B::Data>>, BodyError> {
    let mut poll = |cx: &mut Context<'_>| {
        let frame = body.as_mut().poll_frame(cx);
        frame.map(|frame| frame.transpose().map_err(|_| BodyError::Broken))
    };
    match at_once(&mut poll).await {
        Some(frame) => frame,
        None => {
            let due = deadline.min(Instant::now() + idle);
            let frame = timeout_at(due, poll_fn(poll)).await;
            frame.unwrap_or(Err(BodyError::TimedOut))
        }
    }
}

/// What is there now, or when everything else of this task has had a turn: hyper hands over the body
/// that came with its head only then. A timer for that moment would be the earliest of all, and
/// setting it would cost a system call for every request.
async fn at_once<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    let mut asked = false;
    poll_fn(|cx| match poll(cx) {
        Poll::Ready(ready) => Poll::Ready(Some(ready)),
        Poll::Pending if std::mem::replace(&mut asked, true) => Poll::Ready(None),
        Poll::Pending => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}

/// Throws at most `max_bytes` more away.
async fn discard<B: Body>(mut body: Pin<&mut B>, max_bytes: usize) {
    let deadline = Instant::now() + DISCARD_TIMEOUT;
    let mut discarded = 0;
    while discarded <= max_bytes {
        let frame = next_frame(body.as_mut(), DISCARD_TIMEOUT, deadline).await;
        let Ok(Some(frame)) = frame else { return };
        discarded += frame.data_ref().map_or(0, Buf::remaining);
    }
}

/// The chunks of a body; one alone is not copied.
#[derive(Default)]
struct Chunks {
    first: Bytes,
    all: BytesMut,
}

impl Chunks {
    fn len(&self) -> usize {
        self.first.len().max(self.all.len())
    }

    fn push(&mut self, mut data: impl Buf) {
        let data = data.copy_to_bytes(data.remaining());
        if self.len() == 0 {
            self.first = data;
            return;
        }
        if self.all.is_empty() {
            self.all.extend_from_slice(&self.first);
        }
        self.all.extend_from_slice(&data);
    }

    fn join(self) -> Bytes {
        match self.all.is_empty() {
            true => self.first,
            false => self.all.freeze(),
        }
    }
}

/// The reply to a handshake or a poll.
pub(crate) fn payload(body: Bytes) -> Response<Full<Bytes>> {
    reply(body, HeaderValue::from_static("text/plain; charset=UTF-8"))
}

/// The reply to a POST. Its type is `text/html` because some browsers offer text for download.
pub(crate) fn posted() -> Response<Full<Bytes>> {
    reply(
        Bytes::from_static(b"ok"),
        HeaderValue::from_static("text/html"),
    )
}

fn reply(body: Bytes, content_type: HeaderValue) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A reply of a status alone.
pub(crate) fn bare(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// Ends the connection with this reply.
pub(crate) fn closing(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Whether a POST carries bytes instead of text. Revision 4 has no such payloads.
pub(crate) fn is_octet_stream(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        let value = value
            .as_bytes()
            .split(|&byte| byte == b';')
            .next()
            .unwrap_or_default();
        value
            .trim_ascii()
            .eq_ignore_ascii_case(b"application/octet-stream")
    })
}

/// Whether a body would have to be inflated. None ever is: a small one could grow past every limit.
pub(crate) fn is_encoded(headers: &HeaderMap) -> bool {
    let mut encodings = headers
        .get_all(header::CONTENT_ENCODING)
        .into_iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    encodings.any(|encoding| !encoding.trim_ascii().eq_ignore_ascii_case(b"identity"))
}

/// Old versions of Internet Explorer take base64 in a reply for an attack on the page, and rewrite
/// it unless they are told not to.
pub(crate) fn silence_xss_filter(request: &HeaderMap, reply: &mut HeaderMap) {
    let agent = request.get(header::USER_AGENT).map(HeaderValue::as_bytes);
    let names =
        |part: &[u8]| agent.is_some_and(|agent| memchr::memmem::find(agent, part).is_some());
    if names(b";MSIE") || names(b"Trident/") {
        reply.insert(header::X_XSS_PROTECTION, HeaderValue::from_static("0"));
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::StreamBody;

    use super::*;

    /// A body in these chunks, which then ends, or breaks.
    async fn read(chunks: &[&[u8]], breaks: bool, max_bytes: usize) -> Result<Bytes, BodyError> {
        let limits = BodyLimits {
            max_bytes,
            idle_timeout: Duration::from_secs(5),
            total_timeout: Duration::from_secs(30),
        };
        let chunks = chunks.iter().map(|chunk| Bytes::copy_from_slice(chunk));
        let mut frames: Vec<_> = chunks.map(|chunk| Ok(Frame::data(chunk))).collect();
        frames.extend(breaks.then_some(Err("the connection broke")));
        read_body(StreamBody::new(stream::iter(frames)), limits).await
    }

    #[tokio::test]
    async fn a_body_reads_the_same_cut_at_any_two_places() {
        let whole = "4é\x1ebAQID\x1e2\x1e4".as_bytes();
        let room = whole.len();
        for max_bytes in [0, 1, room - 1, room] {
            let (fits, expected) = match max_bytes == room {
                true => (Ok(Bytes::from_static(whole)), Err(BodyError::Broken)),
                false => (Err(BodyError::TooLarge), Err(BodyError::TooLarge)),
            };
            for first in 0..=room {
                for second in first..=room {
                    let chunks = [&whole[..first], &whole[first..second], &whole[second..]];
                    assert_eq!(read(&chunks, false, max_bytes).await, fits);
                    assert_eq!(read(&chunks, true, max_bytes).await, expected);
                }
            }
            let bytes: Vec<&[u8]> = whole.chunks(1).collect();
            assert_eq!(read(&bytes, false, max_bytes).await, fits);
        }
    }
}
