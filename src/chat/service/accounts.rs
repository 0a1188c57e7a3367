//! Accounts: making them, finding people, changing passwords.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::ledger::{Command, Ledger};
use super::sessions::{Actor, Entered};
use crate::chat::domain::{
    Email, Limit, Password, Person, PersonName, Role, SearchText, SessionId, User, UserId,
};
use crate::chat::error::Error;
use crate::chat::limits::Act;
use crate::chat::storage::{Login, NewPerson};
use crate::chat::{Chat, NewUser, Registration as Policy};

/// Somebody who makes an account.
pub(in crate::chat) struct Registration {
    pub(in crate::chat) name: PersonName,
    pub(in crate::chat) email: Email,
    pub(in crate::chat) password: Password,
}

struct MakeAccount {
    user: User,
    password_hash: String,
}

impl Command for MakeAccount {
    type Output = ();

    async fn apply(&self, ledger: &mut Ledger<'_>) -> Result<(), Error> {
        let new = NewPerson {
            id: &self.user.id,
            name: &self.user.name,
            email: self.user.email.as_deref(),
            role: self.user.role,
            password_hash: Some(&self.password_hash),
            now: self.user.created_at,
        };
        if ledger.db.insert_person(&new).await? {
            Ok(())
        } else {
            Err(Error::Conflict(
                "There is an account with this e-mail address already",
            ))
        }
    }
}

/// Sets a password and ends every other session; answers which.
struct ChangePassword {
    user: UserId,
    session: SessionId,
    password_hash: String,
}

impl Command for ChangePassword {
    type Output = Vec<SessionId>;

    async fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Vec<SessionId>, Error> {
        ledger
            .db
            .set_password(&self.user, &self.password_hash)
            .await?;
        let others = ledger.db.other_sessions(&self.user, &self.session).await?;
        for session in &others {
            ledger.db.revoke_session(session, ledger.now).await?;
        }
        Ok(others)
    }
}

impl Chat {
    /// Makes an account of any role; for the command line.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the e-mail address is taken.
    pub async fn create_user(self: &Arc<Self>, new: NewUser) -> Result<User, Error> {
        let password_hash = self.passwords.hash(new.password).await?;
        let user = User {
            id: UserId::generate(),
            name: new.name.as_str().to_owned(),
            email: Some(new.email.as_str().to_owned()),
            role: new.role,
            created_at: self.now(),
        };
        self.commit(MakeAccount {
            user: user.clone(),
            password_hash,
        })
        .await?;
        Ok(user)
    }

    /// Makes a student's account and logs them in.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when people may not do that by themselves.
    pub(in crate::chat) async fn register(
        self: &Arc<Self>,
        new: Registration,
        peer: IpAddr,
    ) -> Result<Entered, Error> {
        if self.config.registration == Policy::Closed {
            return Err(Error::Forbidden(
                "Accounts are made by the administrator here",
            ));
        }
        self.count_entry(peer)?;
        let Registration {
            name,
            email,
            password,
        } = new;
        let user = self
            .create_user(NewUser {
                name,
                email,
                password,
                role: Role::Student,
            })
            .await?;
        self.enter(user).await
    }

    /// Sets another password; every other session of the person ends.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`] when the current one is wrong.
    pub(in crate::chat) async fn change_password(
        self: &Arc<Self>,
        actor: &Actor,
        current: Password,
        new: Password,
    ) -> Result<(), Error> {
        let found = self
            .store
            .read()
            .await?
            .credentials(Login::Id(&actor.user.id))
            .await?;
        let hash = found.and_then(|found| found.password_hash);
        if !self.passwords.verify(current, hash).await? {
            return Err(Error::InvalidCredentials);
        }
        let command = ChangePassword {
            user: actor.user.id.clone(),
            session: actor.session.clone(),
            password_hash: self.passwords.hash(new).await?,
        };
        for session in self.commit(command).await? {
            self.live.cut_session(&session);
        }
        Ok(())
    }

    /// People by a part of their name.
    pub(in crate::chat) async fn search_people(
        &self,
        actor: &Actor,
        text: &SearchText,
        limit: Limit,
    ) -> Result<Vec<Person>, Error> {
        self.limits
            .count(Act::Search, actor.user.id.as_str(), Instant::now())?;
        Ok(self.store.read().await?.search(text, limit).await?)
    }

    /// One person's public profile.
    pub(in crate::chat) async fn person(&self, id: &UserId) -> Result<Person, Error> {
        let user = self.store.read().await?.user(id).await?;
        Ok(user
            .ok_or(Error::NotFound("There is no such person"))?
            .person())
    }
}
