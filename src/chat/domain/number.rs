//! Positions and page sizes.

use serde::Serialize;
use serde_json::Value;

use super::fields::{Parse, Problem};

/// Numbers on the wire stay exact in JavaScript.
const MAX_SAFE: u64 = (1 << 53) - 1;

macro_rules! position {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The one after it.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl Parse for $name {
            fn parse(value: &Value) -> Result<Self, Problem> {
                let number = value.as_u64().filter(|number| *number <= MAX_SAFE);
                number.map(Self).ok_or_else(|| "must be a whole number, 0 or more".into())
            }
        }
    };
}

position! {
    /// The number of a message in its chat: 1, 2, 3 … with no gap; 0 is
    /// "before the first".
    Seq
}
position! {
    /// The number of a durable change of a chat, counted like [`Seq`].
    Rev
}

/// How many items a page has: 1 to 100, 50 when nothing is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(u32);

impl Limit {
    /// The largest page.
    pub const MAX: Self = Self(100);

    /// The number of items.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}

impl Parse for Limit {
    fn parse(value: &Value) -> Result<Self, Problem> {
        match value.as_u64() {
            Some(number @ 1..=100) => Ok(Self(number as u32)),
            _ => Err("must be a whole number from 1 to 100".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn positions_are_whole_and_safe_in_javascript() {
        assert_eq!(
            Seq::parse(&json!(9_007_199_254_740_991_u64)),
            Ok(Seq(MAX_SAFE))
        );
        for value in [
            json!(9_007_199_254_740_992_u64),
            json!(-1),
            json!(1.5),
            json!("1"),
        ] {
            assert!(Seq::parse(&value).is_err(), "{value}");
        }
    }

    #[test]
    fn a_page_has_one_to_a_hundred_items() {
        assert_eq!(Limit::parse(&json!(100)), Ok(Limit::MAX));
        for value in [json!(0), json!(101), json!("5"), json!(null)] {
            assert!(Limit::parse(&value).is_err(), "{value}");
        }
    }
}
