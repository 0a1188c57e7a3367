//! Logging in and out, and what a token says about who is there.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use super::ledger::{Command, Ledger};
use crate::chat::Chat;
use crate::chat::auth::{HostProfile, Identity, RefreshToken};
use crate::chat::domain::{Email, Password, PersonName, Role, SessionId, Timestamp, User, UserId};
use crate::chat::error::Error;
use crate::chat::limits::Act;
use crate::chat::storage::{Login, NewPerson, NewSession, RefreshUse, SessionState};

/// Somebody who has shown a valid token.
#[derive(Debug, Clone)]
pub(in crate::chat) struct Actor {
    pub(in crate::chat) user: User,
    pub(in crate::chat) session: SessionId,
    pub(in crate::chat) expires_at: Timestamp,
}

/// The answer to whoever comes in.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::chat) struct Entered {
    pub(in crate::chat) user: User,
    token: String,
    expires_at: Timestamp,
    refresh_token: String,
}

/// Opens a session with its first refresh token.
pub(super) struct OpenSession {
    pub(super) user: UserId,
    pub(super) session: SessionId,
    pub(super) refresh_hash: [u8; 32],
    pub(super) refresh_until: Timestamp,
}

impl Command for OpenSession {
    type Output = ();

    async fn apply(&self, ledger: &mut Ledger<'_>) -> Result<(), Error> {
        let new = NewSession {
            id: &self.session,
            user: &self.user,
            now: ledger.now,
            expires_at: self.refresh_until,
        };
        ledger.db.insert_session(&new).await?;
        let until = self.refresh_until;
        Ok(ledger
            .db
            .insert_refresh(&self.session, &self.refresh_hash, until)
            .await?)
    }
}

/// What a refresh token was worth.
enum Refreshed {
    Fresh(SessionId, UserId),
    /// It was used before: the session is ended now.
    Reused(SessionId),
}

struct Refresh {
    old_hash: [u8; 32],
    new_hash: [u8; 32],
    refresh_until: Timestamp,
}

impl Command for Refresh {
    type Output = Refreshed;

    async fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Refreshed, Error> {
        match ledger.db.spend_refresh(&self.old_hash, ledger.now).await? {
            RefreshUse::Unknown => Err(Error::Unauthenticated("The refresh token is not valid")),
            RefreshUse::Spent(session) => {
                ledger.db.revoke_session(&session, ledger.now).await?;
                Ok(Refreshed::Reused(session))
            }
            RefreshUse::Fresh(session, user) => {
                let until = self.refresh_until;
                ledger
                    .db
                    .insert_refresh(&session, &self.new_hash, until)
                    .await?;
                Ok(Refreshed::Fresh(session, user))
            }
        }
    }
}

/// Ends sessions of a person. The row of a host application's token is made
/// only now, to remember that it was ended.
struct EndSession {
    user: UserId,
    session: SessionId,
    expires_at: Timestamp,
}

impl Command for EndSession {
    type Output = ();

    async fn apply(&self, ledger: &mut Ledger<'_>) -> Result<(), Error> {
        let now = ledger.now;
        let (id, user, expires_at) = (&self.session, &self.user, self.expires_at);
        ledger
            .db
            .insert_session(&NewSession {
                id,
                user,
                now,
                expires_at,
            })
            .await?;
        Ok(ledger.db.revoke_session(&self.session, now).await?)
    }
}

/// The host application vouches for its own people, not for our accounts.
const FOREIGN_ACCOUNT: Error =
    Error::Unauthenticated("The token names somebody who has an account here");

/// Takes over what a host application says about a person.
struct KnowHostPerson {
    user: UserId,
    name: String,
    email: Option<String>,
    role: Role,
}

impl KnowHostPerson {
    /// What is not said is as it was, and at first sight the name is the id.
    fn describe(id: &UserId, profile: &HostProfile, known: Option<&User>) -> Self {
        let said = profile.name.as_ref().map(|name| name.as_str().to_owned());
        let name = said.or_else(|| known.map(|user| user.name.clone()));
        let email = profile.email.clone();
        Self {
            user: id.clone(),
            name: name.unwrap_or_else(|| PersonName::of_id(id).as_str().to_owned()),
            email: email.or_else(|| known?.email.clone()),
            role: profile.role,
        }
    }
}

impl Command for KnowHostPerson {
    type Output = ();

    async fn apply(&self, ledger: &mut Ledger<'_>) -> Result<(), Error> {
        let new = NewPerson {
            id: &self.user,
            name: &self.name,
            email: self.email.as_deref(),
            role: self.role,
            password_hash: None,
            now: ledger.now,
        };
        match ledger.db.upsert_host_person(&new).await? {
            true => Ok(()),
            false => Err(FOREIGN_ACCOUNT),
        }
    }
}

impl Chat {
    /// Who shows this token. The one check for REST and sockets.
    ///
    /// # Errors
    /// One of the 401 codes.
    pub(in crate::chat) async fn authenticate(
        self: &Arc<Self>,
        token: Option<&str>,
    ) -> Result<Actor, Error> {
        let token = token.ok_or(Error::Unauthenticated("A token is required"))?;
        let identity = self.tokens.verify(token, self.now())?;
        let found = self
            .store
            .read()
            .await?
            .session(&identity.user, &identity.session)
            .await?;
        let user = match (found, &identity.profile) {
            (Some((_, SessionState::Revoked)), _) => return Err(Error::TokenRevoked),
            (Some((user, SessionState::Open)), None) => user,
            (known, Some(profile)) => self.host_person(&identity, profile, known).await?,
            (_, None) => return Err(Error::Unauthenticated("The token is not valid")),
        };
        Ok(Actor {
            user,
            session: identity.session,
            expires_at: identity.expires_at,
        })
    }

    /// Whether the session of somebody who was let in has ended since.
    pub(in crate::chat) async fn is_revoked(&self, actor: &Actor) -> bool {
        let found = match self.store.read().await {
            Ok(mut read) => read.session(&actor.user.id, &actor.session).await,
            Err(error) => Err(error),
        };
        matches!(found, Ok(Some((_, SessionState::Revoked))))
    }

    /// The row of a host application's person: made on first sight, and brought
    /// up to date when the claims say something new.
    async fn host_person(
        self: &Arc<Self>,
        identity: &Identity,
        profile: &HostProfile,
        known: Option<(User, SessionState)>,
    ) -> Result<User, Error> {
        if known.is_some() && self.is_own_account(&identity.user).await? {
            return Err(FOREIGN_ACCOUNT);
        }
        let known = known.map(|(user, _)| user);
        let role_before = known.as_ref().map(|user| user.role);
        let command = KnowHostPerson::describe(&identity.user, profile, known.as_ref());
        if let Some(user) = known
            && user.name == command.name
            && user.role == command.role
            && (user.email == command.email || user.email.is_none())
        {
            return Ok(user);
        }
        self.commit(command).await?;
        if role_before.is_some_and(|role| role != profile.role) {
            // What was opened under the old role must not go on with its rights.
            self.live.cut_person(&identity.user);
        }
        let user = self.store.read().await?.user(&identity.user).await?;
        user.ok_or(Error::Unavailable)
    }

    /// Whether somebody logs in here, and not at the host application.
    async fn is_own_account(&self, user: &UserId) -> Result<bool, Error> {
        let found = self.store.read().await?.credentials(Login::Id(user)).await;
        Ok(found?.is_some_and(|found| found.password_hash.is_some()))
    }

    /// Logs somebody in.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`], [`Error::RateLimited`].
    pub(in crate::chat) async fn log_in(
        self: &Arc<Self>,
        email: &Email,
        password: Password,
        peer: IpAddr,
    ) -> Result<Entered, Error> {
        self.count_entry(peer)?;
        if self.limits.hold() {
            self.backoff
                .begin(email, std::time::Instant::now())
                .map_err(Error::RateLimited)?;
        }
        let found = self
            .store
            .read()
            .await?
            .credentials(Login::Email(email))
            .await?;
        let (user, hash) = match found {
            Some(found) => (Some(found.user), found.password_hash),
            None => (None, None),
        };
        let fits = self.passwords.verify(password, hash).await?;
        let user = user.filter(|_| fits).ok_or(Error::InvalidCredentials)?;
        self.backoff.succeeded(email);
        self.enter(user).await
    }

    /// Counts a login or registration against an address.
    pub(super) fn count_entry(&self, peer: IpAddr) -> Result<(), Error> {
        self.limits
            .count(Act::Enter, &peer.to_string(), std::time::Instant::now())
    }

    /// Opens a session for somebody who may come in.
    pub(super) async fn enter(self: &Arc<Self>, user: User) -> Result<Entered, Error> {
        let refresh = RefreshToken::generate()?;
        let session = SessionId::generate();
        let command = OpenSession {
            user: user.id.clone(),
            session: session.clone(),
            refresh_hash: refresh.hash(),
            refresh_until: self.refresh_until(),
        };
        self.commit(command).await?;
        self.entered(user, &session, refresh)
    }

    fn entered(
        &self,
        user: User,
        session: &SessionId,
        refresh: RefreshToken,
    ) -> Result<Entered, Error> {
        let now = self.now();
        // Tokens count whole seconds, and both must name the same moment.
        let expires_at = Timestamp::from_secs(now.after(self.config.access_ttl).as_secs());
        let token = self.tokens.mint(&user.id, session, now, expires_at)?;
        Ok(Entered {
            user,
            token,
            expires_at,
            refresh_token: refresh.into_text(),
        })
    }

    fn refresh_until(&self) -> Timestamp {
        self.now().after(self.config.refresh_ttl)
    }

    /// Exchanges a refresh token, once.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`]; [`Error::TokenRevoked`] when it was used
    /// before, which ends the session.
    pub(in crate::chat) async fn refresh(self: &Arc<Self>, old: String) -> Result<Entered, Error> {
        let next = RefreshToken::generate()?;
        let command = Refresh {
            old_hash: RefreshToken::from_client(old).hash(),
            new_hash: next.hash(),
            refresh_until: self.refresh_until(),
        };
        match self.commit(command).await? {
            Refreshed::Fresh(session, user) => {
                let user = self.store.read().await?.user(&user).await?;
                self.entered(user.ok_or(Error::TokenRevoked)?, &session, next)
            }
            Refreshed::Reused(session) => {
                self.live.cut_session(&session);
                Err(Error::TokenRevoked)
            }
        }
    }

    /// Ends this session.
    pub(in crate::chat) async fn log_out(self: &Arc<Self>, actor: &Actor) -> Result<(), Error> {
        let command = EndSession {
            user: actor.user.id.clone(),
            session: actor.session.clone(),
            expires_at: actor.expires_at,
        };
        self.commit(command).await?;
        self.live.cut_session(&actor.session);
        Ok(())
    }
}
