//! From a JSON object to parsed values: each field is looked at once, here,
//! and a wrong one is named.

use serde_json::{Map, Value};

/// What is wrong with a value, as the end of a sentence that starts with the
/// field's name: `must be …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem(pub String);

impl From<&str> for Problem {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// A field is missing or wrong. The client is to blame; nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}", problem = problem.0)]
pub struct Invalid {
    /// The name of the field.
    pub field: &'static str,
    /// What it must be.
    pub problem: Problem,
}

impl Invalid {
    /// `field` and what it must be.
    pub fn new(field: &'static str, problem: &str) -> Self {
        Self {
            field,
            problem: problem.into(),
        }
    }
}

/// A value that can be read from JSON.
pub trait Parse: Sized {
    /// Reads it, or says what it must be.
    ///
    /// # Errors
    /// The [`Problem`] with a value of a wrong type or outside of its limits.
    fn parse(value: &Value) -> Result<Self, Problem>;
}

impl Parse for bool {
    fn parse(value: &Value) -> Result<Self, Problem> {
        value
            .as_bool()
            .ok_or_else(|| "must be true or false".into())
    }
}

impl Parse for u64 {
    fn parse(value: &Value) -> Result<Self, Problem> {
        value
            .as_u64()
            .ok_or_else(|| "must be a whole number, 0 or more".into())
    }
}

impl Parse for String {
    fn parse(value: &Value) -> Result<Self, Problem> {
        value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| "must be text".into())
    }
}

impl<T: Parse> Parse for Vec<T> {
    fn parse(value: &Value) -> Result<Self, Problem> {
        let items = value
            .as_array()
            .ok_or_else(|| Problem::from("must be a list"))?;
        items.iter().map(T::parse).collect()
    }
}

/// Spellings that clients of the first system use (CONTRACT section 1).
const ALIASES: [(&str, &str); 4] = [
    ("isGroup", "is_group"),
    ("participantIds", "participant_ids"),
    ("userId", "user_id"),
    ("initialMessage", "initial_message"),
];

/// A JSON object that is being read. Fields that nobody asks for are ignored.
#[derive(Debug, Default)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// Wraps an object.
    pub fn new(object: Map<String, Value>) -> Self {
        Self(object)
    }

    /// A field that must be there.
    ///
    /// # Errors
    /// [`Invalid`] when it is missing, null or wrong.
    pub fn required<T: Parse>(&self, name: &'static str) -> Result<T, Invalid> {
        self.optional(name)?
            .ok_or_else(|| Invalid::new(name, "is required"))
    }

    /// A field that may be missing or null.
    ///
    /// # Errors
    /// [`Invalid`] when it is there and wrong.
    pub fn optional<T: Parse>(&self, name: &'static str) -> Result<Option<T>, Invalid> {
        match self.value(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => T::parse(value).map(Some).map_err(|problem| Invalid {
                field: name,
                problem,
            }),
        }
    }

    /// A list that may be missing, of at most `limit` items.
    ///
    /// # Errors
    /// [`Invalid`] when it is no list, too long, or has a wrong item.
    pub fn list<T: Parse>(&self, name: &'static str, limit: usize) -> Result<Vec<T>, Invalid> {
        let too_long = || Invalid {
            field: name,
            problem: Problem(format!("must have at most {limit} items")),
        };
        match self.value(name).and_then(Value::as_array) {
            Some(items) if items.len() > limit => Err(too_long()),
            _ => Ok(self.optional(name)?.unwrap_or_default()),
        }
    }

    /// A list that must be there, of at most `limit` items.
    ///
    /// # Errors
    /// [`Invalid`] when it is missing or null too.
    pub fn required_list<T: Parse>(
        &self,
        name: &'static str,
        limit: usize,
    ) -> Result<Vec<T>, Invalid> {
        match self.value(name) {
            None | Some(Value::Null) => Err(Invalid::new(name, "is required")),
            Some(_) => self.list(name, limit),
        }
    }

    /// The raw value, under its name or the older spelling.
    pub fn value(&self, name: &str) -> Option<&Value> {
        let alias = ALIASES.iter().find(|(known, _)| *known == name);
        self.0.get(name).or_else(|| self.0.get(alias?.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(value: Value) -> Fields {
        match value {
            Value::Object(object) => Fields::new(object),
            other => panic!("not an object: {other}"),
        }
    }

    #[test]
    fn a_missing_or_wrong_field_is_named() {
        let body = fields(serde_json::json!({"isGroup": "yes", "name": null}));
        let wrong = body
            .required::<bool>("isGroup")
            .expect_err("text is not a boolean");
        assert_eq!(wrong.to_string(), "`isGroup` must be true or false");
        let missing = body
            .required::<String>("name")
            .expect_err("null is missing");
        assert_eq!(
            (missing.field, missing.to_string().as_str()),
            ("name", "`name` is required")
        );
    }

    #[test]
    fn the_older_spellings_are_read() {
        let body = fields(serde_json::json!({"is_group": true, "participant_ids": ["a"]}));
        assert_eq!(body.optional("isGroup"), Ok(Some(true)));
        assert_eq!(
            body.list::<String>("participantIds", 1),
            Ok(vec!["a".to_owned()])
        );
    }

    #[test]
    fn a_list_over_its_limit_is_refused_before_its_items_are_read() {
        let body = fields(serde_json::json!({"participantIds": [1, 2, 3]}));
        let error = body
            .list::<String>("participantIds", 2)
            .expect_err("three are too many");
        assert_eq!(
            error.to_string(),
            "`participantIds` must have at most 2 items"
        );
    }
}
