//! What the application needs to be told. The command line is not known here.

use std::time::Duration;

use secrecy::{SecretSlice, SecretString};

/// How much a commit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// An acknowledged message is on disk (`synchronous=FULL` of SQLite,
    /// `synchronous_commit=on` of PostgreSQL).
    #[default]
    Full,
    /// It survives a crash of the program, not a loss of power
    /// (`synchronous=NORMAL`, `synchronous_commit=off`).
    Relaxed,
}

impl Durability {
    /// As it is set, and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Relaxed => "relaxed",
        }
    }
}

/// Whether the default rates of CONTRACT section 9 hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RateLimits {
    /// They hold.
    #[default]
    Default,
    /// None holds; for load tests.
    Off,
}

/// Whether people may make accounts by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Registration {
    /// They may.
    #[default]
    Open,
    /// Accounts are made by the command line, or come from a host application.
    Closed,
}

/// What a host application signs its tokens with: one algorithm, ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostAlgorithm {
    /// A shared secret.
    Hs256,
    /// RSA.
    Rs256,
    /// ECDSA on P-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

/// How tokens of a host application are checked.
#[derive(Debug, Clone)]
pub enum HostKey {
    /// A shared secret of at least 32 bytes, for HS256.
    Secret(SecretSlice<u8>),
    /// A public key as PEM.
    Pem(String),
    /// The text of a JWKS document; `kid` picks the key.
    Jwks(String),
}

/// Tokens of a host application that are accepted beside our own.
#[derive(Debug, Clone)]
pub struct HostTokens {
    /// The key, or keys.
    pub key: HostKey,
    /// The only algorithm that is accepted.
    pub algorithm: HostAlgorithm,
    /// The only `iss` that is accepted.
    pub issuer: String,
    /// What `aud` must be or contain.
    pub audience: String,
}

/// Everything that [`Chat::open`](super::Chat::open) needs.
#[derive(Debug, Clone)]
pub struct ChatConfig {
    /// `sqlite:<path>`, where the file is made when it is missing, its directory
    /// is not; or `postgres://…`, of a database that is there.
    pub database_url: SecretString,
    /// See [`Durability`].
    pub durability: Durability,
    /// The key of our own tokens (HS256), at least 32 bytes.
    pub token_secret: SecretSlice<u8>,
    /// How long a token lives.
    pub access_ttl: Duration,
    /// How long a refresh token lives.
    pub refresh_ttl: Duration,
    /// See [`Registration`].
    pub registration: Registration,
    /// See [`RateLimits`].
    pub rate_limits: RateLimits,
    /// Logins and registrations that one address may try in a minute.
    pub logins_per_address: u32,
    /// Sockets that one person may have at a time.
    pub connections_per_person: u32,
    /// How long after it was sent a message may be edited.
    pub edit_window: Duration,
    /// Tokens of a host application.
    pub host_tokens: Option<HostTokens>,
}

impl ChatConfig {
    /// The defaults over a database and a key.
    pub fn new(database_url: impl Into<SecretString>, token_secret: impl Into<Vec<u8>>) -> Self {
        Self {
            database_url: database_url.into(),
            durability: Durability::default(),
            token_secret: token_secret.into().into(),
            access_ttl: Duration::from_secs(15 * 60),
            refresh_ttl: Duration::from_secs(30 * 24 * 3600),
            registration: Registration::default(),
            rate_limits: RateLimits::default(),
            logins_per_address: 300,
            connections_per_person: 50,
            edit_window: Duration::from_secs(24 * 3600),
            host_tokens: None,
        }
    }
}
