//! Refresh tokens: 32 random bytes, of which only the hash is kept.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::chat::error::Error;

/// A refresh token as the client holds it.
pub(crate) struct RefreshToken(String);

impl RefreshToken {
    /// A new one from the system's random source.
    ///
    /// # Errors
    /// [`Error::Internal`] when there is none.
    pub(crate) fn generate() -> Result<Self, Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| {
            tracing::error!(%error, "no randomness");
            Error::Internal
        })?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// One that a client sent.
    pub(crate) fn from_client(text: String) -> Self {
        Self(text)
    }

    /// What is kept. The token is random, so a plain hash cannot be reversed.
    pub(crate) fn hash(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }

    /// The text for the client.
    pub(crate) fn into_text(self) -> String {
        self.0
    }
}
