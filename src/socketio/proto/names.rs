//! Names that travel on the wire, and how long they may be.

use std::borrow::Cow;

/// Bytes that a namespace's name may have.
pub const MAX_NAMESPACE_BYTES: usize = 256;
/// Bytes that an event's name may have.
pub const MAX_EVENT_NAME_BYTES: usize = 128;
/// Bytes that a room's name may have.
pub const MAX_ROOM_NAME_BYTES: usize = 128;
/// The namespace that is left out on the wire.
pub const DEFAULT_NAMESPACE: &str = "/";

/// Names that mean something to one end alone. A peer that sends one is cut off, as with the
/// official parser; `error`, `__proto__` and `constructor` are ordinary names.
const RESERVED: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// Whether an event may not have this name.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// Why an event's name is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Neither a string nor a number.
    #[error("an event's name is a string or a number")]
    NotAName,
    /// One of the six names that mean something to one end alone.
    #[error("reserved event name")]
    Reserved,
    /// Longer than [`MAX_EVENT_NAME_BYTES`].
    #[error("event name of {bytes} bytes, {MAX_EVENT_NAME_BYTES} allowed")]
    TooLong {
        /// Bytes of the name.
        bytes: usize,
    },
}

/// Checks the name of an event, incoming or outgoing.
///
/// # Errors
/// [`NameError::Reserved`] or [`NameError::TooLong`].
pub fn check_event_name(name: &str) -> Result<(), NameError> {
    if name.len() > MAX_EVENT_NAME_BYTES {
        return Err(NameError::TooLong { bytes: name.len() });
    }
    if is_reserved(name) {
        Err(NameError::Reserved)
    } else {
        Ok(())
    }
}

/// Reads the first element of an event's array, given as JSON, as its name. It may have any length:
/// a name that is too long to be emitted is one that nobody listens to, and the application answers
/// it as such.
///
/// # Errors
/// The name is refused; its sender is to blame.
pub(crate) fn parse_event_name(json: &str) -> Result<Cow<'_, str>, NameError> {
    let name = match json.as_bytes().first() {
        Some(b'"') => unquote(json)?,
        Some(b'-' | b'0'..=b'9') => Cow::Borrowed(json),
        _ => return Err(NameError::NotAName),
    };
    if is_reserved(&name) {
        return Err(NameError::Reserved);
    }
    Ok(name)
}

#[expect(clippy::string_slice, reason = "a JSON string has its two quotes")]
fn unquote(json: &str) -> Result<Cow<'_, str>, NameError> {
    let inner = &json[1..json.len() - 1];
    if !inner.contains('\\') {
        return Ok(Cow::Borrowed(inner));
    }
    serde_json::from_str::<String>(json)
        .map(Cow::Owned)
        .map_err(|_| NameError::NotAName)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_66_six_names_are_reserved_and_no_other() {
        let reserved = [
            "connect",
            "connect_error",
            "disconnect",
            "disconnecting",
            "newListener",
            "removeListener",
        ];
        for name in reserved {
            assert_eq!(
                parse_event_name(&format!("\"{name}\"")),
                Err(NameError::Reserved)
            );
        }
        for name in ["error", "__proto__", "constructor", "message", ""] {
            assert_eq!(parse_event_name(&format!("\"{name}\"")), Ok(name.into()));
        }
        assert_eq!(
            parse_event_name(r#""conn\u0065ct""#),
            Err(NameError::Reserved),
            "an escape hides nothing"
        );
    }

    #[test]
    fn trap_66_a_number_is_a_name_and_nothing_else_is() {
        assert_eq!(parse_event_name("12"), Ok("12".into()));
        for json in ["true", "null", "{}", "[\"a\"]"] {
            assert_eq!(parse_event_name(json), Err(NameError::NotAName));
        }
    }

    #[test]
    fn a_long_name_is_for_the_application_to_refuse() {
        let long = "a".repeat(129);
        let read = parse_event_name(&format!("\"{long}\"")).map(Cow::into_owned);
        assert_eq!(read, Ok(long));
    }

    #[test]
    fn a_name_of_129_bytes_is_too_long() {
        assert!(check_event_name(&"é".repeat(64)).is_ok());
        assert_eq!(
            check_event_name(&"a".repeat(129)),
            Err(NameError::TooLong { bytes: 129 })
        );
    }
}
