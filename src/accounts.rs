//! `parlance user …`: accounts made from the command line.

use std::io;

use secrecy::ExposeSecret as _;

use crate::app::{StartError, open_chat};
use crate::chat::NewUser;
use crate::chat::auth::hash;
use crate::chat::domain::{Email, Password, PersonName, Problem, Role, User};
use crate::config::{CreateUser, Problems, StorageSettings, generate};

/// Fewer can be guessed, and the admin page shows everybody.
const ADMIN_PASSWORD_CHARS: usize = 12;

/// An account that is about to be made.
#[derive(Debug)]
pub struct Account {
    storage: StorageSettings,
    new: NewUser,
}

/// Why an account could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The data folder or the database cannot be opened.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The application refused.
    #[error("cannot make the account")]
    Refused(#[from] crate::chat::Error),
}

impl Account {
    /// Checks the options; `password` is asked when none was given.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn read(
        options: &CreateUser,
        password: impl FnOnce() -> io::Result<String>,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let storage = options.storage.read(&mut problems);
        let name = problems.take("--name", PersonName::new(&options.name).map_err(said));
        let email = problems.take("--email", Email::new(&options.email).map_err(said));
        let role = Role::from_name(&options.role);
        let role =
            role.ok_or_else(|| format!("`{}` is none of student, tutor, admin", options.role));
        let role = problems.take("--role", role);
        let password = match &options.password {
            Some(given) => Ok(given.expose_secret().to_owned()),
            None => password().map_err(|error| error.to_string()),
        };
        let password = password.and_then(|text| Password::new(&text).map_err(said));
        let password = problems.take("--password, or the first line of standard input", password);
        let account = || {
            let (name, email) = (name?, email?);
            let new = NewUser {
                name,
                email,
                password: password?,
                role: role?,
            };
            Some(Self {
                storage: storage?,
                new,
            })
        };
        account().filter(|_| problems.is_empty()).ok_or(problems)
    }

    /// Makes it. Works beside a running server on the same database.
    ///
    /// # Errors
    /// When the database cannot be opened, or the e-mail address is taken.
    pub async fn create(self) -> Result<User, AccountError> {
        // No token is signed here, so the server's own secret stays untouched.
        let secret = generate().map_err(StartError::from)?;
        let chat = open_chat(&self.storage, &secret, |_| ()).await?;
        let user = chat.create_user(self.new).await?;
        chat.close().await;
        Ok(user)
    }
}

/// The hash of a password for the admin page.
///
/// # Errors
/// It is too short, or the machine has no randomness.
pub fn hash_admin_password(password: &str) -> Result<String, AdminPasswordError> {
    if password.chars().count() < ADMIN_PASSWORD_CHARS {
        return Err(AdminPasswordError::Short);
    }
    hash(password.as_bytes()).map_err(AdminPasswordError::Hash)
}

/// Why a password for the admin page has no hash.
#[derive(Debug, thiserror::Error)]
pub enum AdminPasswordError {
    /// It could be guessed.
    #[error("the password needs at least {ADMIN_PASSWORD_CHARS} characters")]
    Short,
    /// The machine lacks what is needed.
    #[error("cannot hash the password")]
    Hash(#[source] crate::chat::Error),
}

fn said(problem: Problem) -> String {
    problem.0
}
