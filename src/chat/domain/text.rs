//! Text that people write, with the limits of CONTRACT section 3, counted in
//! Unicode code points.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::fields::{Parse, Problem};

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $read:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
        #[schema(value_type = String)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Checks a text that did not come from JSON.
            ///
            /// # Errors
            /// What it must be.
            pub fn new(text: &str) -> Result<Self, Problem> {
                let read: fn(&str) -> Result<String, Problem> = $read;
                read(text).map(Self)
            }

            /// The checked text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Parse for $name {
            fn parse(value: &Value) -> Result<Self, Problem> {
                Self::new(value.as_str().ok_or_else(|| Problem::from("must be text"))?)
            }
        }
    };
}

text! {
    /// The text of a message: 1 to 4000 code points, kept as it was written.
    Content, content
}
text! {
    /// A person's name: 1 to 100 code points, trimmed.
    PersonName, name
}
text! {
    /// A group's name: 1 to 100 code points, trimmed.
    ChatName, name
}
text! {
    /// An e-mail address, trimmed and in lower case; checked for form only.
    Email, email
}
text! {
    /// What a client calls its own message, so that a repeat is recognised.
    ClientMsgId, client_msg_id
}
text! {
    /// A reaction: 1 to 32 bytes of something visible.
    Emoji, emoji
}
text! {
    /// What people are searched by: at least 2 code points, in lower case.
    SearchText, search_text
}

impl PersonName {
    /// For people whose host application tells no name: their id, or "Unknown"
    /// when that cannot be shown.
    pub fn of_id(id: &super::id::UserId) -> Self {
        let short: String = id.as_str().chars().take(100).collect();
        Self::new(&short).unwrap_or_else(|_| Self("Unknown".to_owned()))
    }
}

/// A password: 8 to 128 code points of anything. It never shows itself.
#[derive(Clone)]
pub struct Password(secrecy::SecretString);

impl Password {
    /// Checks the length.
    ///
    /// # Errors
    /// When it is shorter than 8 or longer than 128 code points.
    pub fn new(text: &str) -> Result<Self, Problem> {
        match text.chars().count() {
            8..=128 => Ok(Self(text.into())),
            _ => Err("must be 8 to 128 characters long".into()),
        }
    }

    /// What somebody says that their password is. One outside of the limits
    /// cannot be right, and is treated like any other wrong one.
    pub fn claimed(text: &str) -> Self {
        Self::new(text).unwrap_or_else(|_| Self(String::new().into()))
    }

    /// The bytes to hash.
    pub fn expose(&self) -> &[u8] {
        secrecy::ExposeSecret::expose_secret(&self.0).as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

impl Parse for Password {
    fn parse(value: &Value) -> Result<Self, Problem> {
        Self::new(
            value
                .as_str()
                .ok_or_else(|| Problem::from("must be text"))?,
        )
    }
}

fn content(text: &str) -> Result<String, Problem> {
    if text.chars().all(char::is_whitespace) {
        return Err("must not be empty or only white space".into());
    }
    if text.chars().count() > 4000 {
        return Err("must be at most 4000 characters long".into());
    }
    if text
        .chars()
        .any(|c| c.is_control() && c != '\n' && c != '\t')
    {
        return Err("must not have control characters other than newline and tab".into());
    }
    Ok(text.to_owned())
}

fn name(text: &str) -> Result<String, Problem> {
    let trimmed = text.trim();
    if !(1..=100).contains(&trimmed.chars().count()) {
        return Err("must be 1 to 100 characters long".into());
    }
    if trimmed.chars().any(char::is_control) {
        return Err("must not have control characters".into());
    }
    Ok(trimmed.to_owned())
}

fn email(text: &str) -> Result<String, Problem> {
    // Counted as it is kept: a few small letters are longer than their capitals.
    let small = text.trim().to_lowercase();
    let plain =
        small.len() <= 254 && !small.contains(|c: char| c.is_whitespace() || c.is_control());
    match small.split_once('@') {
        Some((local, domain)) if plain && !local.is_empty() && is_domain(domain) => Ok(small),
        _ => Err("must be an e-mail address".into()),
    }
}

fn is_domain(domain: &str) -> bool {
    !domain.contains('@') && domain.split('.').all(|label| !label.is_empty())
}

fn client_msg_id(text: &str) -> Result<String, Problem> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 64 of the characters A-Z a-z 0-9 _ . : -".into())
    }
}

fn emoji(text: &str) -> Result<String, Problem> {
    let invisible = |c: char| c.is_control() || c.is_whitespace();
    if (1..=32).contains(&text.len()) && !text.contains(invisible) {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 32 bytes long".into())
    }
}

fn search_text(text: &str) -> Result<String, Problem> {
    let trimmed = text.trim();
    if trimmed.contains(char::is_control) {
        return Err("must not have control characters".into());
    }
    // Counted as it is searched for, like an e-mail address.
    let small = trimmed.to_lowercase();
    match small.chars().count() {
        2..=100 => Ok(small),
        _ => Err("must be 2 to 100 characters long".into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_and_a_search_are_counted_in_the_small_letters_that_are_kept() {
        // Two bytes, and in small letters three.
        let long = format!("{}@a.b", "İ".repeat(100));
        assert!(long.len() <= 254 && Email::new(&long).is_err());
        assert!(SearchText::new(&"İ".repeat(51)).is_err());
        assert!(SearchText::new(&"İ".repeat(50)).is_ok());
    }

    #[test]
    fn content_is_counted_in_code_points_and_kept_as_written() {
        let longest = "👍".repeat(4000);
        assert_eq!(
            Content::new(&longest).map(|text| text.as_str().len()),
            Ok(16_000)
        );
        assert!(Content::new(&format!("{longest}x")).is_err());
        assert_eq!(
            Content::new(" <b>\n\t ").map(|text| text.0),
            Ok(" <b>\n\t ".to_owned())
        );
    }

    #[test]
    fn content_must_show_something() {
        for text in ["", " ", "\n\t", "\u{3000}", "a\u{7}", "a\r\n", "a\u{85}"] {
            assert!(Content::new(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_are_trimmed() {
        assert_eq!(
            PersonName::new("  Ann  ").map(|name| name.0),
            Ok("Ann".to_owned())
        );
        assert!(PersonName::new("   ").is_err());
        assert!(ChatName::new(&"é".repeat(100)).is_ok());
        assert!(ChatName::new(&"é".repeat(101)).is_err());
    }

    #[test]
    fn e_mail_addresses_are_compared_in_lower_case() {
        assert_eq!(
            Email::new(" Ann@Example.ORG").map(|email| email.0),
            Ok("ann@example.org".to_owned())
        );
        for text in ["", "ann", "@x.org", "ann@", "a@b@c", "a b@c.org", "a@b..c"] {
            assert!(Email::new(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_password_never_shows_itself() {
        let password = Password::new("correct horse").expect("13 characters");
        assert_eq!(format!("{password:?}"), "Password");
        assert!(Password::new("1234567").is_err());
        assert!(Password::new(&"x".repeat(129)).is_err());
    }

    proptest! {
        #[test]
        fn whatever_passes_is_within_its_limits(text in any::<String>()) {
            if let Ok(content) = Content::new(&text) {
                prop_assert_eq!(content.as_str(), &text);
                prop_assert!(content.as_str().chars().count() <= 4000);
            }
            if let Ok(name) = PersonName::new(&text) {
                prop_assert_eq!(name.as_str().trim(), name.as_str());
                prop_assert!((1..=100).contains(&name.as_str().chars().count()));
                prop_assert_eq!(PersonName::new(name.as_str()), Ok(name.clone()));
            }
            if let Ok(email) = Email::new(&text) {
                prop_assert_eq!(Email::new(email.as_str()), Ok(email.clone()));
            }
            if let Ok(emoji) = Emoji::new(&text) {
                prop_assert!((1..=32).contains(&emoji.as_str().len()));
            }
        }

        #[test]
        fn a_client_msg_id_has_only_its_alphabet(text in "[A-Za-z0-9_.:-]{1,64}") {
            prop_assert!(ClientMsgId::new(&text).is_ok());
            let with_space = format!("{text} ");
            prop_assert!(ClientMsgId::new(&with_space).is_err());
        }
    }
}
