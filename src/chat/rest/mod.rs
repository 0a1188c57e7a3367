//! REST under `/api`: decode, call a use case, encode.

use std::sync::Arc;

use super::Chat;
use super::error::Error;
use crate::http::{Refusal, Reply, Router};

/// Every route under `/api`. What it does not know it answers in the one
/// reply shape too, so the whole of `/api` can be handed to it.
pub fn router() -> Router<Arc<Chat>> {
    Router::new(refuse)
}

fn refuse(refusal: Refusal) -> Reply {
    Error::from(refusal).into()
}
