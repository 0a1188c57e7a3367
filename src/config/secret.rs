//! The secret that signs our own tokens.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

/// The least length of a secret, given or generated.
pub const SECRET_BYTES: usize = 32;

/// The file in the data folder.
const FILE: &str = "jwt-secret";

/// Where the secret comes from.
#[derive(Debug, Clone)]
pub enum JwtSecret {
    /// Given by the operator.
    Given(SecretString),
    /// Made at the first start and kept in this file.
    Kept(PathBuf),
}

/// Why there is no secret to sign with; the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read or made.
    #[error("cannot keep the secret in {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody shortened the file.
    #[error(
        "the secret in {0} is shorter than {SECRET_BYTES} bytes; restore it, or remove the file to make a new one"
    )]
    Short(PathBuf),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random(#[source] getrandom::Error),
}

impl JwtSecret {
    pub(super) fn kept_in(data_dir: &Path) -> Self {
        Self::Kept(data_dir.join(FILE))
    }

    /// The secret; made now if this is the first start.
    ///
    /// # Errors
    /// [`SecretError`] when it can neither be read nor made.
    pub fn load(&self) -> Result<SecretString, SecretError> {
        match self {
            Self::Given(secret) => Ok(secret.clone()),
            Self::Kept(path) => read_or_make(path),
        }
    }
}

fn read_or_make(path: &Path) -> Result<SecretString, SecretError> {
    let failed = |source| SecretError::Io {
        path: path.to_owned(),
        source,
    };
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(path, &generate()?).map_err(failed)?;
        }
        Err(error) => return Err(failed(error)),
        Ok(_) => {}
    }
    // Read back, so that of two starts at once both use what the first wrote.
    let text = fs::read_to_string(path).map_err(failed)?;
    let secret = SecretString::from(text.trim());
    if secret.expose_secret().len() < SECRET_BYTES {
        return Err(SecretError::Short(path.to_owned()));
    }
    Ok(secret)
}

/// A new secret.
///
/// # Errors
/// [`SecretError::Random`].
pub(crate) fn generate() -> Result<SecretString, SecretError> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(SecretError::Random)?;
    Ok(STANDARD.encode(bytes).into())
}

/// Writes a file that is there whole or not at all, for its owner only.
fn make(path: &Path, secret: &SecretString) -> io::Result<()> {
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(secret.expose_secret().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    // A link never replaces what another start has put there meanwhile.
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

/// Makes the data folder, readable by its owner only; one that is there stays
/// as it is.
///
/// # Errors
/// What the system says.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(folder: &Path) -> JwtSecret {
        JwtSecret::kept_in(folder)
    }

    #[test]
    fn a_generated_secret_is_kept_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = kept(folder.path()).load().expect("made");
        let again = kept(folder.path()).load().expect("read");
        assert_eq!(first.expose_secret(), again.expose_secret());
        assert!(
            STANDARD
                .decode(first.expose_secret())
                .is_ok_and(|bytes| bytes.len() == SECRET_BYTES)
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            let mode = fs::metadata(folder.path().join(FILE))
                .expect("the file")
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1);
    }

    #[test]
    fn a_secret_that_was_cut_short_is_refused_and_not_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(FILE), "short").expect("written");
        let error = kept(folder.path()).load().expect_err("too short");
        assert!(matches!(error, SecretError::Short(_)), "{error}");
    }
}
