//! Session ids.

use std::{
    borrow::Borrow,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

/// The alphabet of the ids: URL-safe, so that an id needs no escaping in a query string.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// An id as this crate makes them: exactly 20 characters of `A-Za-z0-9-_`, 120 random bits.
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
    #[expect(clippy::indexing_slicing, reason = "six bits count to 63")]
    pub fn from_random(random: [u8; Self::LEN]) -> Self {
        Self(random.map(|byte| ALPHABET[usize::from(byte & 63)]))
    }

    /// Reads an id. Anything that [`Sid::from_random`] cannot have made is refused.
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
    #[expect(clippy::expect_used, reason = "every character is one of the alphabet")]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("the alphabet is ASCII")
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sid(…)")
    }
}

/// The id of a session: a [`Sid`], or a text that the application made
/// ([`GenerateId`](crate::GenerateId)). A secret as well, so `Debug` does not show it.
#[derive(Clone)]
pub struct SessionId(Repr);

/// A `Sid` costs no allocation; a text is shared by its clones.
#[derive(Clone)]
enum Repr {
    Made(Sid),
    Given(Arc<str>),
}

impl SessionId {
    /// Longest id, in bytes. With every byte percent-encoded it still fits a query string.
    pub const MAX_LEN: usize = 256;

    /// Takes any text as an id. `None` if it is empty, which in a query string means no session at
    /// all, or longer than [`SessionId::MAX_LEN`].
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        if let Some(sid) = Sid::parse(text) {
            return Some(sid.into());
        }
        (1..=Self::MAX_LEN)
            .contains(&text.len())
            .then(|| Self(Repr::Given(text.into())))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Made(sid) => &sid.0,
            Repr::Given(text) => text.as_bytes(),
        }
    }

    /// The id as text, for the wire only.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Made(sid) => sid.as_str(),
            Repr::Given(text) => text,
        }
    }
}

impl From<Sid> for SessionId {
    fn from(sid: Sid) -> Self {
        Self(Repr::Made(sid))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(…)")
    }
}

impl PartialEq for SessionId {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for SessionId {}

/// As its bytes, so that a session can be looked up by what stands in a query string.
impl Hash for SessionId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl Borrow<[u8]> for SessionId {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
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
        let sid = Sid::from_random([7; 20]);
        assert_eq!(format!("{sid:?}"), "Sid(…)");
        assert_eq!(format!("{:?}", SessionId::from(sid)), "SessionId(…)");
    }

    #[test]
    fn a_session_may_have_any_text_of_a_sane_length_as_its_id() {
        for text in ["7", "node 1/ü;=\r\n\0", &"x".repeat(SessionId::MAX_LEN)] {
            assert_eq!(SessionId::new(text).unwrap().as_str(), text);
        }
        assert_eq!(SessionId::new(""), None);
        assert_eq!(SessionId::new(&"x".repeat(SessionId::MAX_LEN + 1)), None);
    }

    #[test]
    fn an_id_is_found_by_its_text() {
        let sid = Sid::from_random([7; 20]);
        let ids = std::collections::HashSet::from([sid.into(), SessionId::new("given").unwrap()]);
        assert!(ids.contains(sid.as_str().as_bytes()) && ids.contains("given".as_bytes()));
        assert!(!ids.contains("other".as_bytes()));
    }

    #[test]
    fn an_id_of_ours_costs_no_more_than_its_bytes_and_a_mark() {
        assert!(size_of::<SessionId>() <= 24);
    }
}
