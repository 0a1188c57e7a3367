//! The session cookie.

use std::time::{Duration, SystemTime};

use http::HeaderValue;
use httpdate::fmt_http_date;

/// The `SameSite` attribute of the [`Cookie`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// Sent by requests of the same site only.
    Strict,
    /// Sent by top-level navigation as well.
    Lax,
    /// Always sent; browsers then want `Secure`.
    None,
}

/// The `Priority` attribute of the [`Cookie`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookiePriority {
    /// Evicted first.
    Low,
    /// What browsers assume.
    Medium,
    /// Evicted last.
    High,
}

/// The session cookie. It identifies a session to load balancers; the server itself never reads it.
/// Its value is the session's id, percent-encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// Default `io`.
    pub name: String,
    /// Default `/`. Empty: no such attribute.
    pub path: String,
    /// Default none: the host that set it, alone.
    pub domain: Option<String>,
    /// Default yes.
    pub http_only: bool,
    /// Default [`SameSite::Lax`].
    pub same_site: Option<SameSite>,
    /// Default no.
    pub secure: bool,
    /// Default none: a session cookie. Whole seconds count.
    pub max_age: Option<Duration>,
    /// Default none. Browsers look at `max_age` first.
    pub expires: Option<SystemTime>,
    /// Whether each top-level site has a jar of its own for it. Default no.
    pub partitioned: bool,
    /// Default none.
    pub priority: Option<CookiePriority>,
}

impl Default for Cookie {
    fn default() -> Self {
        Self {
            name: "io".to_owned(),
            path: "/".to_owned(),
            domain: None,
            http_only: true,
            same_site: Some(SameSite::Lax),
            secure: false,
            max_age: None,
            expires: None,
            partitioned: false,
            priority: None,
        }
    }
}

impl Cookie {
    /// The `Set-Cookie` line for a session, its attributes in the order of the `cookie` package
    /// that the official server uses. `None`: what is configured is no header value.
    pub(crate) fn line(&self, id: &str) -> Option<HeaderValue> {
        let mut line = format!("{}={}", self.name, percent_encode(id));
        for (name, value) in self.attributes() {
            line.push_str("; ");
            line.push_str(name);
            line.push_str(&value);
        }
        HeaderValue::try_from(line).ok()
    }

    fn attributes(&self) -> impl Iterator<Item = (&'static str, String)> {
        let flag = |set: bool| set.then(String::new);
        let named = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let attributes = [
            (
                "Max-Age=",
                self.max_age.map(|age| age.as_secs().to_string()),
            ),
            ("Domain=", self.domain.as_deref().and_then(named)),
            ("Path=", named(&self.path)),
            ("Expires=", self.expires.map(fmt_http_date)),
            ("HttpOnly", flag(self.http_only)),
            ("Secure", flag(self.secure)),
            ("Partitioned", flag(self.partitioned)),
            (
                "Priority=",
                self.priority.map(|priority| format!("{priority:?}")),
            ),
            (
                "SameSite=",
                self.same_site.map(|same_site| format!("{same_site:?}")),
            ),
        ];
        attributes
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
    }
}

/// As `encodeURIComponent`.
fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => out.push(char::from(byte)),
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn the_default_cookie_is_the_official_one() {
        let line = Cookie::default().line("abc").unwrap();
        assert_eq!(line, "io=abc; Path=/; HttpOnly; SameSite=Lax");
    }

    #[test]
    fn every_attribute_has_its_place() {
        let cookie = Cookie {
            domain: Some("example.org".to_owned()),
            secure: true,
            max_age: Some(Duration::from_millis(86_400_900)),
            expires: Some(UNIX_EPOCH),
            partitioned: true,
            priority: Some(CookiePriority::High),
            same_site: Some(SameSite::None),
            ..Cookie::default()
        };
        let expected = "io=a%20b; Max-Age=86400; Domain=example.org; Path=/; \
            Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; Partitioned; \
            Priority=High; SameSite=None";
        assert_eq!(cookie.line("a b").unwrap(), expected);
    }

    #[test]
    fn every_attribute_may_be_left_out() {
        let cookie = Cookie {
            path: String::new(),
            http_only: false,
            same_site: None,
            ..Cookie::default()
        };
        assert_eq!(cookie.line("a").unwrap(), "io=a");
    }

    #[test]
    fn a_cookie_that_would_split_the_headers_is_not_set() {
        let cookie = Cookie {
            path: "/\r\nX: y".to_owned(),
            ..Cookie::default()
        };
        assert_eq!(cookie.line("a"), None);
    }
}
