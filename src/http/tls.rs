//! TLS at the port, with a certificate that can be replaced while the server runs.
//!
//! A WebSocket under TLS is written by its own task: a broadcast's shortcut to the socket is for
//! plain TCP. Where that counts, let a proxy on the same machine end TLS.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Where the certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those that stand behind it, as PEM, the server's own first.
    pub certificates: PathBuf,
    /// Its private key, as PEM.
    pub key: PathBuf,
}

/// Why a certificate cannot be used. The one in use stays.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is no PEM.
    #[error("cannot read {path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificate and key do not fit, or cannot be used.
    #[error("the certificate cannot be used: {0}")]
    Unfit(#[from] rustls::Error),
}

/// Ends TLS for every connection of a port.
pub struct Tls {
    files: TlsFiles,
    current: Arc<Current>,
    acceptor: TlsAcceptor,
}

/// The certificate in use. Locked for one clone of a reference, or one exchange.
#[derive(Debug)]
struct Current(Mutex<Loaded>);

#[derive(Debug)]
struct Loaded {
    key: Arc<CertifiedKey>,
    written: [Option<SystemTime>; 2],
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`] says which of them is wrong.
    pub fn open(files: TlsFiles) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let current = Arc::new(Current(Mutex::new(load(&files, &provider)?)));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(Self {
            files,
            current,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        }))
    }

    /// Reads the files again if they were written since; connections that are open keep what they
    /// have. Says whether there is a new certificate.
    ///
    /// # Errors
    /// [`TlsError`]; the certificate in use stays.
    pub fn reload(&self) -> Result<bool, TlsError> {
        if self.current.0.lock().written == written(&self.files) {
            return Ok(false);
        }
        let loaded = load(&self.files, &aws_lc_rs::default_provider())?;
        *self.current.0.lock() = loaded;
        Ok(true)
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.acceptor.accept(stream).await
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.lock().key))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

fn load(files: &TlsFiles, provider: &CryptoProvider) -> Result<Loaded, TlsError> {
    // Before reading: a file that is written meanwhile is read again the next time.
    let written = written(files);
    let certificates = CertificateDer::pem_file_iter(&files.certificates)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .and_then(|found| {
            if found.is_empty() {
                Err(pem::Error::NoItemsFound)
            } else {
                Ok(found)
            }
        })
        .map_err(|error| wrong(&files.certificates, "certificate", &error))?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| wrong(&files.key, "private key", &error))?;
    let key = Arc::new(CertifiedKey::from_der(certificates, key, provider)?);
    Ok(Loaded { key, written })
}

fn wrong(path: &Path, wanted: &str, error: &pem::Error) -> TlsError {
    let reason = match error {
        pem::Error::NoItemsFound => format!("there is no PEM of a {wanted} in it"),
        pem::Error::Io(error) => error.to_string(),
        error => error.to_string(),
    };
    TlsError::File {
        path: path.to_owned(),
        reason,
    }
}

fn written(files: &TlsFiles) -> [Option<SystemTime>; 2] {
    [&files.certificates, &files.key]
        .map(|path| path.metadata().and_then(|file| file.modified()).ok())
}
