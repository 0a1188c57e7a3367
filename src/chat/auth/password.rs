//! Passwords: argon2id with OWASP's floor, away from the async workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::Semaphore;

use super::refresh::RefreshToken;
use crate::chat::domain::Password;
use crate::chat::error::Error;

/// 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;

/// Hashes that may wait for their turn. Each needs 19 MiB while it runs, and
/// as many run as there are cores.
const MAX_WAITING: usize = 64;

/// Hashes and verifies.
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// The hash of nobody's password: verifying against it takes as long as
    /// against a real one.
    dummy: String,
}

impl Passwords {
    /// # Errors
    /// When the machine has no randomness.
    pub(crate) fn new() -> Result<Self, Error> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let nobody = RefreshToken::generate()?.into_text();
        Ok(Self {
            turns: Arc::new(Semaphore::new(cores)),
            waiting: AtomicUsize::new(0),
            dummy: hash(nobody.as_bytes())?,
        })
    }

    /// The hash to keep.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when too many wait already.
    pub(crate) async fn hash(&self, password: Password) -> Result<String, Error> {
        self.take_turn(move || hash(password.expose())).await?
    }

    /// Whether the password is the hash's. Without a hash the answer is no,
    /// and takes as long.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when too many wait already.
    pub(crate) async fn verify(
        &self,
        password: Password,
        hash: Option<String>,
    ) -> Result<bool, Error> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.dummy.clone());
        let fits = self
            .take_turn(move || verify(password.expose(), &hash))
            .await?;
        Ok(fits && known)
    }

    async fn take_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Error::Unavailable);
        }
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.map_err(|error| {
            tracing::error!(%error, "hashing a password failed");
            Error::Internal
        })
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// The hash to keep, in the form of PHC.
///
/// # Errors
/// When the machine has no randomness.
pub(crate) fn hash(password: &[u8]) -> Result<String, Error> {
    let hash = argon2().hash_password(password).map_err(|error| {
        tracing::error!(%error, "hashing a password failed");
        Error::Internal
    })?;
    Ok(hash.to_string())
}

/// Whether the password is the hash's. It takes its time.
pub(crate) fn verify(password: &[u8], hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else {
        return false;
    };
    argon2().verify_password(password, &hash).is_ok()
}

/// Whether a hash costs a guesser at least what OWASP asks of argon2id: its settings trade memory
/// against passes, and this is the least of their products.
pub(crate) fn is_strong(hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else {
        return false;
    };
    let costs = |params: Params| {
        let (memory, passes) = (params.m_cost(), params.t_cost());
        memory >= 7168 && u64::from(memory) * u64::from(passes) >= 35_840
    };
    let strong = hash.algorithm.as_str() == "argon2id" && hash.hash.is_some();
    strong && Params::try_from(&hash).is_ok_and(costs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::new(text).expect("long enough")
    }

    #[tokio::test]
    async fn only_the_right_password_fits() {
        let passwords = Passwords::new().expect("randomness");
        let hash = passwords
            .hash(password("correct horse"))
            .await
            .expect("hashes");
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        let fits = async |text, hash| passwords.verify(password(text), hash).await;
        assert_eq!(fits("correct horse", Some(hash.clone())).await, Ok(true));
        assert_eq!(fits("correct hors3", Some(hash)).await, Ok(false));
        assert_eq!(fits("correct horse", None).await, Ok(false));
        assert_eq!(
            fits("correct horse", Some("nonsense".to_owned())).await,
            Ok(false)
        );
    }

    #[test]
    fn a_hash_that_is_cheap_to_guess_is_not_strong() {
        let ours = hash(b"correct horse battery").expect("randomness");
        assert!(is_strong(&ours), "{ours}");
        let rest = ours.split_once("t=2").expect("its passes").1;
        for (weak, strong) in [
            (format!("$argon2id$v=19$m=8192,t=5{rest}"), true),
            (format!("$argon2id$v=19$m=19456,t=1{rest}"), false),
            (format!("$argon2id$v=19$m=64,t=1000{rest}"), false),
            (ours.replace("argon2id", "argon2i"), false),
            (
                "$2b$10$heqvAkYMez.Va6Et2uXInOnkCT6/uQj1brkrbyG3LpopDklcq7ZOS".to_owned(),
                false,
            ),
            ("correct horse battery".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(is_strong(&weak), strong, "{weak}");
        }
    }

    #[tokio::test]
    async fn the_queue_is_bounded() {
        let passwords = Passwords::new().expect("randomness");
        passwords.waiting.store(MAX_WAITING, Ordering::Relaxed);
        assert_eq!(
            passwords.hash(password("correct horse")).await,
            Err(Error::Unavailable)
        );
        assert_eq!(passwords.waiting.load(Ordering::Relaxed), MAX_WAITING);
    }
}
