//! Who somebody is: tokens, passwords, and what slows guessing down.

mod backoff;
mod host;
mod jwt;
#[cfg(test)]
mod mutated;
mod password;
mod refresh;

pub(super) use backoff::Backoff;
pub(super) use jwt::{HostProfile, Identity, Tokens};
pub(super) use password::Passwords;
pub(crate) use password::{hash, is_strong, verify};
pub(super) use refresh::RefreshToken;
