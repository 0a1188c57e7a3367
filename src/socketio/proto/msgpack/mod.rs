//! The parser of npm `socket.io-msgpack-parser`: each packet is one binary message that holds a
//! MessagePack map `{type, nsp, data?, id?, options?}`, and bytes stand where they belong.
//!
//! What `notepack.io` writes is read as its JavaScript value would have come through JSON, so that
//! handlers are the same for both parsers: `undefined` is `null` among arguments and left out of
//! objects, a `Date` is its ISO string, a number that is not finite is `null`, an `ArrayBuffer`
//! (an extension of type 0) is bytes like a `Buffer`. Arguments that are sent on stay as they came.
//!
//! The limits are those of the JSON parser: nesting, names, ids, namespaces; a number of elements is
//! believed only as far as there are bytes. No crate is used: what remains of one beside these rules
//! is the coding of numbers, and `rmp-serde` reads extensions and keys otherwise than they are meant
//! here.

mod container;
mod date;
mod de;
mod key;
mod packet;
mod read;
mod ser;
mod write;

pub(crate) use de::Elements;
pub(crate) use packet::{
    Content, Packet, decode, disconnect, event_or_ack, raw_event_or_ack, with_data,
};
pub use read::MsgpackError;
pub(crate) use read::Reader;
pub(crate) use ser::Writer;

#[cfg(test)]
mod tests;
