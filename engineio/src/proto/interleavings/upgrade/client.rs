//! The client, and its WebSocket.

use super::{Upgrade, task::Command};
use crate::proto::payload::SEPARATOR;

/// What a client says, one after the other.
const SAID: [&str; 3] = ["40", "41", "42"];

/// A WebSocket between the two.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    /// Messages that the server has not read.
    pub(super) up: Vec<&'static str>,
    /// Bytes that the client has not read, and how many there may be.
    pub(super) down: Vec<u8>,
    pub(super) room: usize,
    /// Broken, or closed by the client.
    pub(super) cut: bool,
    /// Closed by the server.
    pub(super) ended: bool,
}

/// What it has done and seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Client {
    pub(super) getting: bool,
    pub(super) posting: bool,
    pub(super) line: Option<Line>,
    /// It has read `3probe`, and polls no more.
    pub(super) paused: bool,
    /// It has sent `5`.
    pub(super) moved: bool,
    pub(super) gone: bool,
    /// Part of a frame.
    pub(super) partial: Vec<u8>,
    pub(super) heard: String,
    pub(super) said: usize,
}

impl Upgrade {
    pub(super) fn refuse_get(&mut self) {
        self.client.getting = false;
        // After `5` it is not waited for.
        self.client.gone |= !self.client.moved;
    }

    pub(super) fn end_line(&mut self) {
        if let Some(line) = &mut self.client.line {
            line.ended = true;
        }
    }

    pub(super) fn say(&mut self) {
        let text = SAID[self.client.said];
        self.client.said += 1;
        match (&mut self.client.line, self.client.moved) {
            (Some(line), true) => {
                line.up.push(text);
                self.woken = true;
            }
            _ => {
                self.client.posting = true;
                self.push(Command::Post(text));
            }
        }
    }

    pub(super) fn upgrade(&mut self) {
        self.client.moved = true;
        let line = self.client.line.as_mut().expect("a stream");
        line.up.push("5");
        self.woken = true;
        // It does not know yet that it comes too late.
        self.faulty |= line.ended;
    }

    pub(super) fn cut(&mut self) {
        if let Some(line) = &mut self.client.line {
            line.cut = true;
            self.woken = true;
        }
        self.client.lose_line();
    }

    pub(super) fn leave(&mut self) {
        self.client.gone = true;
        if std::mem::take(&mut self.client.getting) {
            self.aborted = true;
            self.push(Command::GetAborted);
        }
        self.cut();
    }
}

impl Client {
    pub(super) fn receive_reply(&mut self, body: &[u8]) {
        self.getting = false;
        for record in body.split(|&byte| byte == SEPARATOR) {
            match record {
                [b'4', text] => self.heard.push(char::from(*text)),
                b"1" => self.gone = true,
                b"2" | b"6" => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub(super) fn has_to_read(&self) -> bool {
        self.line
            .as_ref()
            .is_some_and(|line| !line.cut && (line.ended || !line.down.is_empty()))
    }

    pub(super) fn read(&mut self) {
        let Some(line) = &mut self.line else { return };
        self.partial.append(&mut line.down);
        let ended = line.ended;
        while let [0x81, length, rest @ ..] = &self.partial[..]
            && let Some((payload, rest)) = rest.split_at_checked(usize::from(*length))
        {
            match payload {
                b"3probe" => self.paused = true,
                [b'4', text] if self.moved => self.heard.push(char::from(*text)),
                b"2" if self.moved => {}
                other => panic!("{other:?}"),
            }
            self.partial = rest.to_vec();
        }
        assert!(self.partial.first().is_none_or(|first| *first == 0x81));
        if ended {
            self.lose_line();
        }
    }

    pub(super) fn lose_line(&mut self) {
        self.gone |= self.moved;
        self.paused = false;
        if let Some(line) = &mut self.line {
            line.cut = true;
            line.down.clear();
        }
    }
}
