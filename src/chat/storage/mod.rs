//! Where chats are kept: one trait, one module per engine.

mod error;

pub use error::StoreError;
