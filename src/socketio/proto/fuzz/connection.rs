//! A connection, its client and its server, through any sequence of messages and decisions.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::connection::{Connection, ConnectionLimits, Received, Violation};
use super::super::encode::MAX_ATTACHMENTS;
use super::super::parser::Parser;

const MAX_BYTES: usize = 64;

/// What comes of a line.
enum Next {
    Nothing,
    Asked(String),
    Over,
}

/// Target `sio_connection`: lines are texts of the client, lines that begin with `b` binary messages,
/// and lines that begin with `!` what the server does: `!a`, `!r`, `!u` and `!d` accept, reject, know
/// not and dismiss a namespace, `!w` waits. A CONNECT is granted at once unless it brings `auth`.
/// Attachments and namespaces stay within their limits, and nothing is kept after the close.
pub fn sio_connection(data: &[u8], mut now: Instant) {
    let limits = ConnectionLimits {
        max_attachment_bytes: MAX_BYTES,
        ..ConnectionLimits::default()
    };
    let mut connection: Connection<()> = Connection::new(Parser::Json, &limits, now);
    let due = Some(now + limits.connect_timeout);
    assert_eq!(connection.poll_timeout(), due);
    for line in data.split(|&byte| byte == b'\n') {
        let next = match line {
            [b'!', b'w', seconds @ ..] => {
                now += Duration::from_secs(seconds.first().copied().unwrap_or(1).into());
                over(&connection.handle_timeout(now))
            }
            [b'!', act, name @ ..] => decide(&mut connection, *act, name, &limits, now),
            [b'b', bytes @ ..] => {
                let bytes = Bytes::copy_from_slice(bytes);
                next(connection.handle_binary(bytes, &limits, now))
            }
            line => match std::str::from_utf8(line) {
                Ok(text) => next(connection.handle_text(text, &limits, now)),
                Err(_) => return,
            },
        };
        match next {
            Next::Nothing => {}
            Next::Asked(namespace) => {
                assert!(connection.accept(&namespace, ()));
                assert!(connection.get(&namespace).is_some());
                assert!(!connection.accept(&namespace, ()), "granted once");
            }
            Next::Over => break,
        }
        assert!(connection.joined() <= limits.max_namespaces);
    }
    connection.close().for_each(drop);
    assert_eq!((connection.joined(), connection.poll_timeout()), (0, None));
    let mut other: Connection<()> = Connection::new(Parser::Msgpack, &limits, now);
    let text = other.handle_text("0", &limits, now);
    assert!(matches!(text, Err(Violation::UnexpectedText)));
}

fn over(result: &Result<(), Violation>) -> Next {
    match result {
        Ok(()) => Next::Nothing,
        Err(_) => Next::Over,
    }
}

fn next(received: Result<Received<'_, ()>, Violation>) -> Next {
    match received {
        Ok(Received::Connect { namespace, auth }) => match auth.is_empty() {
            true => Next::Asked(namespace.into_owned()),
            false => Next::Nothing,
        },
        Ok(Received::Event { args, .. } | Received::Ack { args, .. }) => {
            assert!(args.attachments().len() <= usize::from(MAX_ATTACHMENTS));
            assert!(args.attachments().iter().map(Bytes::len).sum::<usize>() <= MAX_BYTES);
            assert!(args.has_binary() != args.attachments().is_empty());
            Next::Nothing
        }
        Ok(Received::Nothing | Received::Disconnect { .. }) => Next::Nothing,
        Err(violation) => {
            assert!(!violation.to_string().is_empty());
            Next::Over
        }
    }
}

/// What the server does with a namespace.
fn decide(
    connection: &mut Connection<()>,
    act: u8,
    name: &[u8],
    limits: &ConnectionLimits,
    now: Instant,
) -> Next {
    let Ok(name) = std::str::from_utf8(name) else {
        return Next::Nothing;
    };
    let joined = connection.get(name).is_some();
    match act {
        b'a' => {
            let granted = connection.accept(name, ());
            assert!(!(granted && joined));
            assert_eq!(connection.get(name).is_some(), granted || joined);
        }
        b'r' => {
            connection.reject(name);
            assert_eq!(connection.get(name).is_some(), joined);
        }
        b'u' => return over(&connection.reject_unknown(name, limits, now)),
        b'd' => {
            assert_eq!(connection.dismiss(name).is_some(), joined);
            assert!(connection.get(name).is_none());
        }
        _ => {}
    }
    Next::Nothing
}
