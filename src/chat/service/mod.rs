//! The use cases, and who may do what. The only caller of storage.
//!
//! What changes something is a [`Command`](ledger::Command): it runs inside of
//! the writer's transaction on a [`Ledger`](ledger::Ledger), which numbers each
//! change and remembers what has to be said about it. What has to be said goes
//! into the chat's own queue in the order of the commits (`publishing`).

mod access;
mod accounts;
mod catch_up;
mod chats;
mod edits;
mod inbox;
mod lagging;
mod ledger;
mod members;
mod messages;
mod notices;
mod posting;
mod presence;
mod publishing;
mod receipts;
mod recent;
mod retention;
mod roles;
mod rooms;
mod sessions;
mod timekeeper;

pub(super) use accounts::Registration;
pub(super) use catch_up::Budget;
pub(super) use chats::CreateChat;
pub(super) use edits::Target;
pub(super) use messages::Draft;
pub(super) use presence::PersonPresence;
pub(super) use publishing::Publishing;
pub(super) use recent::Recent;
#[cfg(test)]
pub(super) use retention::Retention;
pub(super) use sessions::Actor;
pub(super) use timekeeper::keep_time;

pub(super) use super::storage::Page;

/// What use cases answer with and tell, for the API description.
pub(super) mod replies {
    pub(in crate::chat) use super::chats::ChatPage;
    pub(in crate::chat) use super::edits::{MessageDeleted, ReactionUpdated};
    pub(in crate::chat) use super::inbox::Inbox;
    pub(in crate::chat) use super::lagging::SyncRequired;
    pub(in crate::chat) use super::ledger::ChatUpdated;
    pub(in crate::chat) use super::messages::HistoryPage;
    pub(in crate::chat) use super::presence::PersonPresence;
    pub(in crate::chat) use super::publishing::PresenceEvent;
    pub(in crate::chat) use super::receipts::{ReadState, Receipt, UnreadUpdated};
    pub(in crate::chat) use super::sessions::Entered;
}
