//! Session ids.

use std::fmt;

/// The alphabet of the ids: URL-safe, so that an id needs no escaping in a query string.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A session id: exactly 20 characters of `A-Za-z0-9-_`, 120 random bits.
///
/// The length is fixed because the official cluster packages accept no other. An id is a bearer
/// secret (whoever knows it may take the session), so `Debug` does not show it and nothing logs it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sid([u8; Sid::LEN]);

impl Sid {
    /// Length of every id, in characters and in bytes.
    pub const LEN: usize = 20;

    /// Makes an id of random bytes, which must come from the operating system's source. Each byte
    /// gives one character, without bias.
    #[must_use]
    pub fn from_random(random: [u8; Self::LEN]) -> Self {
        Self(random.map(|byte| ALPHABET[usize::from(byte & 63)]))
    }

    /// Reads an id of a request. Anything that [`Sid::from_random`] cannot have made is refused,
    /// so that it is answered as an unknown session without a look into the registry.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; Self::LEN] = text.as_bytes().try_into().ok()?;
        bytes
            .iter()
            .all(|byte| ALPHABET.contains(byte))
            .then_some(Self(bytes))
    }

    /// The id as text, for the wire only.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("the alphabet is ASCII")
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sid(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_twenty_url_safe_characters() {
        let sid = Sid::from_random(std::array::from_fn(|i| (i * 37) as u8));
        assert_eq!(sid.as_str().len(), 20);
        assert_eq!(Sid::parse(sid.as_str()), Some(sid));
    }

    #[test]
    fn foreign_texts_are_no_ids() {
        for text in [
            "",
            "__proto__",
            "constructor",
            "AAAAAAAAAAAAAAAAAAA%",
            "AAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(Sid::parse(text), None, "{text}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Sid::from_random([7; 20])), "Sid(…)");
    }
}
