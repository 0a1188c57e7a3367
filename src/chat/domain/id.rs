//! Identifiers: opaque strings outside, told apart by type inside.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::fields::{Parse, Problem};

/// Longer ids cannot exist: ours are UUIDs, a host application's are bounded.
const MAX_ID_BYTES: usize = 100;

/// PostgreSQL cannot even be asked for a text with a NUL. No id has one, and no
/// id is empty: both are nobody's.
fn possible(text: &str) -> &str {
    if text.contains('\0') { "" } else { text }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, utoipa::ToSchema)]
        #[schema(value_type = String)]
        pub struct $name(Arc<str>);

        impl $name {
            /// A new one: UUIDv7.
            pub fn generate() -> Self {
                Self(uuid::Uuid::now_v7().to_string().into())
            }

            /// The text of it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(possible(text).into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(possible(&text).into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl Parse for $name {
            fn parse(value: &Value) -> Result<Self, Problem> {
                parse_id(value).map(Self::from)
            }
        }
    };
}

id! {
    /// A person.
    UserId
}
id! {
    /// A chat.
    ChatId
}
id! {
    /// A message.
    MessageId
}
id! {
    /// A login of a person on one device: the `sid` of its tokens.
    SessionId
}
id! {
    /// A notification.
    NotificationId
}

impl NotificationId {
    /// Smaller than every id that was made from then on, larger than those
    /// from before: UUIDv7 begins with the time.
    pub fn first_at(time: super::time::Timestamp) -> Self {
        let ms = u64::try_from(time.0).unwrap_or(0);
        Self(format!("{:08x}-{:04x}", ms >> 16, ms & 0xffff).into())
    }
}

/// An id as clients write it: text, or a whole number read as its decimal text.
fn parse_id(value: &Value) -> Result<String, Problem> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
        _ => return Err("must be an id".into()),
    };
    let fits = !text.is_empty() && text.len() <= MAX_ID_BYTES;
    if fits && !text.chars().any(char::is_control) {
        Ok(text)
    } else {
        Err("must be an id".into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_is_read_as_its_decimal_text() {
        assert_eq!(
            ChatId::parse(&json!(42)).map(|id| id.to_string()),
            Ok("42".to_owned())
        );
        assert_eq!(ChatId::parse(&json!("42")), ChatId::parse(&json!(42)));
    }

    #[test]
    fn ids_of_notifications_are_in_the_order_of_their_times() {
        let id = NotificationId::generate();
        let now = super::super::time::Timestamp::now();
        let at = |ms: i64| NotificationId::first_at(super::super::time::Timestamp(now.0 + ms));
        assert!(at(-60_000) < id && id < at(60_000));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for value in [
            json!(""),
            json!(1.5),
            json!(null),
            json!([]),
            json!({}),
            json!("a\u{0}"),
        ] {
            assert!(ChatId::parse(&value).is_err(), "{value}");
        }
        assert!(ChatId::parse(&json!("x".repeat(MAX_ID_BYTES + 1))).is_err());
    }
}
