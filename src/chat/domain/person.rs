//! People.

use serde::Serialize;
use serde_json::Value;

use super::fields::{Parse, Problem};
use super::id::UserId;
use super::time::Timestamp;

/// What a person is in the whole system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Learns; the role of everybody who registers.
    Student,
    /// Teaches.
    Tutor,
    /// Runs the system; made by the command line only.
    Admin,
}

impl Role {
    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Student => "student",
            Self::Tutor => "tutor",
            Self::Admin => "admin",
        }
    }

    /// The role with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Student, Self::Tutor, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == name)
    }
}

impl Parse for Role {
    fn parse(value: &Value) -> Result<Self, Problem> {
        let role = value.as_str().and_then(Self::from_name);
        role.ok_or_else(|| "must be student, tutor or admin".into())
    }
}

/// A person as others see them: no e-mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    /// Who.
    pub id: UserId,
    /// As they call themselves.
    pub name: String,
    /// In the whole system.
    pub role: Role,
    /// A picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
}

/// A person as they see themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Who.
    pub id: UserId,
    /// As they call themselves.
    pub name: String,
    /// Null for people of a host application that tells none.
    pub email: Option<String>,
    /// In the whole system.
    pub role: Role,
    /// When the account was made.
    pub created_at: Timestamp,
}

impl User {
    /// What others may see of them.
    pub fn person(&self) -> Person {
        Person {
            id: self.id.clone(),
            name: self.name.clone(),
            role: self.role,
            avatar_url: None,
        }
    }
}
