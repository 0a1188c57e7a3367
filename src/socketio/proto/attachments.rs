//! A packet that waits for its attachments. At most one per connection, bounded in number, bytes
//! and time.

use std::time::Instant;

use bytes::Bytes;

use super::args::Args;
use super::packet::{AckId, Packet};

/// Why an attachment is refused. The sender is to blame, and its connection closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AssemblyError {
    /// The attachments of one packet have more bytes than allowed.
    #[error("attachments of more than {limit} bytes")]
    TooManyBytes {
        /// The limit.
        limit: usize,
    },
}

/// The header of a binary packet and the attachments that have come.
#[derive(Debug)]
pub(crate) struct Assembly {
    namespace: Box<str>,
    ack_id: Option<AckId>,
    name: Option<Box<str>>,
    array: Box<str>,
    arguments_at: usize,
    expected: u16,
    received: Vec<Bytes>,
    bytes: usize,
    deadline: Instant,
}

/// A binary packet with all its attachments.
#[derive(Debug)]
pub(crate) struct Assembled {
    pub(crate) namespace: Box<str>,
    pub(crate) ack_id: Option<AckId>,
    pub(crate) name: Option<Box<str>>,
    pub(crate) args: Args,
}

impl Assembly {
    /// Keeps a packet of a binary kind until its attachments have come, at the latest at `deadline`.
    pub(crate) fn begin(packet: Packet<'_>, deadline: Instant) -> Self {
        Self {
            namespace: packet.namespace.into(),
            ack_id: packet.ack_id,
            name: packet.name.map(|name| name.into_owned().into()),
            array: packet.payload.into_owned().into(),
            arguments_at: packet.arguments_at,
            expected: packet.attachments,
            // Grows with what comes: nothing is reserved by a number from the wire.
            received: Vec::new(),
            bytes: 0,
            deadline,
        }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Takes an attachment; says whether it was the last.
    pub(crate) fn add(&mut self, attachment: Bytes, limit: usize) -> Result<bool, AssemblyError> {
        self.bytes = self.bytes.saturating_add(attachment.len());
        if self.bytes > limit {
            return Err(AssemblyError::TooManyBytes { limit });
        }
        self.received.push(attachment);
        Ok(self.received.len() >= usize::from(self.expected))
    }

    pub(crate) fn finish(self) -> Assembled {
        let args = match self.name {
            Some(_) => Args::named(self.array, self.arguments_at, self.received),
            None => Args::unnamed(self.array, self.received),
        };
        Assembled {
            namespace: self.namespace,
            ack_id: self.ack_id,
            name: self.name,
            args,
        }
    }
}
