//! The protocol without IO: packets, their JSON, attachments, acknowledgement ids, and the state
//! machine of a connection. Nothing in here reads a clock, draws randomness or touches a socket.
#![forbid(unsafe_code)]

pub mod acks;
pub mod args;
mod arity;
pub mod attachments;
mod binary;
pub mod codec;
pub mod connection;
pub mod encode;
pub mod fuzz;
pub mod json;
pub mod msgpack;
pub mod names;
pub mod packet;
pub mod parser;
pub mod payload;
mod placeholder;
