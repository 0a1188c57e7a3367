//! The query string of a request.

use std::borrow::Cow;

use super::frame::BinaryForm;

/// The parsed query string of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Parses a query string the way browsers write it (WHATWG URL): `+` is a blank, and what is
    /// not valid percent-encoding or UTF-8 is kept or replaced, never refused.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let pairs = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode(name), decode(value))
            });
        Self {
            pairs: pairs.collect(),
        }
    }

    /// The value of `name`; the last one, if it is given several times.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// All pairs, in order, decoded.
    #[must_use]
    pub fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// How a client of this request wants binary messages on a WebSocket.
    #[must_use]
    pub fn binary_form(&self) -> BinaryForm {
        match self.get("b64") {
            Some(value) if !value.is_empty() => BinaryForm::Base64,
            _ => BinaryForm::Frames,
        }
    }

    /// Whether the request speaks revision 4. Nothing else is offered.
    #[must_use]
    pub fn is_revision_4(&self) -> bool {
        self.get("EIO") == Some("4")
    }

    /// Whether a parameter of the protocol is given twice.
    pub(super) fn has_duplicate(&self) -> bool {
        ["EIO", "transport", "sid"]
            .iter()
            .any(|name| self.pairs.iter().filter(|(key, _)| key == name).count() > 1)
    }
}

/// Decodes `+` and percent-encoding; what is not UTF-8 then is replaced by U+FFFD.
fn decode(text: &str) -> String {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return text.to_owned();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let (byte, next) = match (first, tail) {
            (b'%', [high, low, next @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, next),
                _ => (b'%', tail),
            },
            (b'+', _) => (b' ', tail),
            _ => (*first, tail),
        };
        out.push(byte);
        rest = next;
    }
    match String::from_utf8_lossy(&out) {
        Cow::Owned(replaced) => replaced,
        Cow::Borrowed(valid) => valid.to_owned(),
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded_as_browsers_write_them() {
        let query = Query::parse("a=1+2&%26a=%26%3D%3Fa&b=%C3%A9%zz&c&a=3&=x");
        assert_eq!(query.get("a"), Some("3"), "the last one wins");
        assert_eq!(query.get("&a"), Some("&=?a"));
        assert_eq!(query.get("b"), Some("é%zz"));
        assert_eq!(query.get("c"), Some(""));
        assert_eq!(Query::parse("x=%ff").get("x"), Some("\u{fffd}"));
    }
}
