//! The application from the outside, without a network: the router is called
//! directly, and sockets poll the server in the same process.

mod auth;
mod chats;
mod client;
mod cost;
mod description;
mod edits;
mod events;
mod expiry;
mod hostile;
mod lagging;
mod members;
mod messages;
mod model;
mod publishing;
mod rates;
mod receipts;
mod retention;
mod rights;
mod schema;
mod sequences;
mod world;

use client::Client;
use world::{Someone, World};
