//! What violations are counted by: a name for each limit, and for each kind of what makes no sense.

use super::codec::DecodeError;
use super::connection::Violation;
use super::json::JsonError;
use super::msgpack::MsgpackError;
use super::names::NameError;

/// The rule that a client broke. Few, whatever clients send: each is a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offence {
    /// Something that is no packet.
    Malformed,
    /// Nesting beyond the limit.
    TooDeep,
    /// The name of a namespace or an event, beyond the limit.
    NameTooLong,
    /// The name of an event that means something to one end alone.
    ReservedName,
    /// A packet where it does not belong: before CONNECT, twice, amid the attachments of another.
    OutOfTurn,
    /// More attachments than one packet may have.
    Attachments,
    /// More bytes of attachments than one packet may have.
    AttachmentBytes,
    /// Attachments that did not come in time.
    AttachmentsTimeout,
    /// No namespace was joined in time.
    ConnectTimeout,
    /// More namespaces than one connection may join.
    Namespaces,
    /// Too many packets in a minute that lead to nothing.
    Flood,
}

impl Offence {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 11] = [
        Self::Malformed,
        Self::TooDeep,
        Self::NameTooLong,
        Self::ReservedName,
        Self::OutOfTurn,
        Self::Attachments,
        Self::AttachmentBytes,
        Self::AttachmentsTimeout,
        Self::ConnectTimeout,
        Self::Namespaces,
        Self::Flood,
    ];

    /// The label that it is counted by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooDeep => "too-deep",
            Self::NameTooLong => "name-too-long",
            Self::ReservedName => "reserved-name",
            Self::OutOfTurn => "out-of-turn",
            Self::Attachments => "attachments",
            Self::AttachmentBytes => "attachment-bytes",
            Self::AttachmentsTimeout => "attachments-timeout",
            Self::ConnectTimeout => "connect-timeout",
            Self::Namespaces => "namespaces",
            Self::Flood => "flood",
        }
    }
}

impl From<&Violation> for Offence {
    fn from(violation: &Violation) -> Self {
        match violation {
            Violation::Decode(error) => error.into(),
            Violation::Assembly(_) => Self::AttachmentBytes,
            Violation::IllegalPlaceholder => Self::Malformed,
            Violation::UnfinishedAttachments
            | Violation::UnexpectedBinary
            | Violation::UnexpectedText
            | Violation::NotJoined
            | Violation::SecondConnect
            | Violation::WrongDirection => Self::OutOfTurn,
            Violation::ConnectTimeout => Self::ConnectTimeout,
            Violation::AttachmentsTimeout => Self::AttachmentsTimeout,
            Violation::TooManyNamespaces => Self::Namespaces,
            Violation::Flood => Self::Flood,
        }
    }
}

impl From<&DecodeError> for Offence {
    fn from(error: &DecodeError) -> Self {
        match error {
            DecodeError::TooManyAttachments { .. } => Self::Attachments,
            DecodeError::NamespaceTooLong { .. } | DecodeError::Name(NameError::TooLong { .. }) => {
                Self::NameTooLong
            }
            DecodeError::Name(NameError::Reserved) => Self::ReservedName,
            DecodeError::Json(JsonError::TooDeep) | DecodeError::Msgpack(MsgpackError::TooDeep) => {
                Self::TooDeep
            }
            _ => Self::Malformed,
        }
    }
}
