//! What is wrong with the settings, said all at once.

use std::borrow::Cow;
use std::fmt;

/// One wrong setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The option, and the variable that sets it too; or a line of the settings file.
    pub setting: Cow<'static, str>,
    /// What is wrong with it, for people; never the value of a secret.
    pub message: String,
}

/// Every problem that was found. The operator is to blame; nothing was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Notes a problem.
    pub fn add(&mut self, setting: impl Into<Cow<'static, str>>, message: impl Into<String>) {
        self.0.push(Problem {
            setting: setting.into(),
            message: message.into(),
        });
    }

    /// Notes what was found elsewhere.
    pub fn extend(&mut self, others: &Self) {
        self.0.extend_from_slice(&others.0);
    }

    /// The value of a good setting; a bad one is noted and gives `None`.
    pub fn take<T>(&mut self, setting: &'static str, value: Result<T, String>) -> Option<T> {
        value.map_err(|message| self.add(setting, message)).ok()
    }

    /// All of them, in the order of the command line's groups.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.message)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let between = if index == 0 { "" } else { "\n" };
            write!(f, "{between}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
