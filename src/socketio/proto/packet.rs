//! A Socket.IO packet as it travels: the header's parts and the JSON after them.

use std::borrow::Cow;

/// An acknowledgement id. At most 2^53 − 1, so that every client can hold it.
pub type AckId = u64;

/// The largest acknowledgement id.
pub const MAX_ACK_ID: AckId = (1 << 53) - 1;

/// What a packet is for. The discriminant is the digit on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PacketKind {
    /// Joins a namespace, or grants it.
    Connect = b'0',
    /// Leaves a namespace.
    Disconnect = b'1',
    /// An event.
    Event = b'2',
    /// The answer to an event that asked for one.
    Ack = b'3',
    /// Refuses a namespace. Only a server sends it.
    ConnectError = b'4',
    /// An event followed by attachments.
    BinaryEvent = b'5',
    /// An answer followed by attachments.
    BinaryAck = b'6',
}

impl PacketKind {
    pub(crate) fn from_digit(digit: u8) -> Option<Self> {
        Some(match digit {
            b'0' => Self::Connect,
            b'1' => Self::Disconnect,
            b'2' => Self::Event,
            b'3' => Self::Ack,
            b'4' => Self::ConnectError,
            b'5' => Self::BinaryEvent,
            b'6' => Self::BinaryAck,
            _ => return None,
        })
    }

    /// Whether binary frames follow the header.
    pub fn is_binary(self) -> bool {
        matches!(self, Self::BinaryEvent | Self::BinaryAck)
    }

    /// Whether the payload begins with an event's name.
    pub fn is_event(self) -> bool {
        matches!(self, Self::Event | Self::BinaryEvent)
    }
}

/// A decoded packet; everything but repaired JSON borrows from the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What it is for.
    pub kind: PacketKind,
    /// Number of binary frames that follow.
    pub attachments: u16,
    /// The namespace, `/` when left out on the wire.
    pub namespace: &'a str,
    /// The acknowledgement id.
    pub ack_id: Option<AckId>,
    /// The JSON payload, empty when there is none. Valid, at most 127 levels deep, without lone
    /// surrogates, without blanks after it.
    pub payload: Cow<'a, str>,
    /// The event's name, for [`PacketKind::Event`] and [`PacketKind::BinaryEvent`] only.
    pub name: Option<Cow<'a, str>>,
    /// Where the first argument begins in `payload`, or the closing bracket when there is none.
    pub(crate) arguments_at: usize,
}

/// The parts of a packet that stand before its JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// What it is for.
    pub kind: PacketKind,
    /// Number of binary frames that follow; written for the binary kinds only.
    pub attachments: u16,
    /// The namespace; left out on the wire when it is `/`.
    pub namespace: &'a str,
    /// The acknowledgement id.
    pub ack_id: Option<AckId>,
}
