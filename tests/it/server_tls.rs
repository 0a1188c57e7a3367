//! TLS at the port.

use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt as _;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::client_async;

use crate::support::{Program, soon};

type Issued = CertifiedKey<KeyPair>;

/// Makes a certificate of its own and writes its files.
fn issue(folder: &Path) -> Issued {
    let issued = generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(folder.join("key.pem"), issued.signing_key.serialize_pem()).expect("written");
    std::fs::write(folder.join("cert.pem"), issued.cert.pem()).expect("written");
    issued
}

fn serve(folder: &Path) -> Program {
    let file = |name: &str| folder.join(name).display().to_string();
    let (cert, key) = (file("cert.pem"), file("key.pem"));
    let options = [
        "--listen",
        "127.0.0.1:0",
        "--tls-cert",
        &cert,
        "--tls-key",
        &key,
    ];
    Program::serve(&folder.join("data"), &options, &[])
}

/// A connection that trusts this certificate and no other.
async fn connect(program: &Program, trusted: &Issued) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let trusted: CertificateDer<'static> = trusted.cert.der().clone();
    roots.add(trusted).expect("a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(program.address)
        .await
        .expect("a connection");
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

#[tokio::test]
async fn pages_and_websockets_are_served_under_tls() {
    let folder = tempfile::tempdir().expect("a folder");
    let issued = issue(folder.path());
    let program = serve(folder.path());
    let mut stream = connect(&program, &issued).await.expect("TLS");
    let asked = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(asked).await.expect("sent");
    let mut answer = Vec::new();
    soon("an answer", stream.read_to_end(&mut answer))
        .await
        .expect("an end in order");
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));

    let stream = connect(&program, &issued).await.expect("TLS");
    let url = "wss://localhost/socket.io/?EIO=4&transport=websocket";
    let (mut live, _) = soon("the upgrade", Box::pin(client_async(url, stream)))
        .await
        .expect("a WebSocket");
    let open = soon("the open packet", live.next())
        .await
        .expect("a packet")
        .expect("whole");
    assert!(open.to_text().expect("text").starts_with("0{"), "{open}");
}

#[tokio::test]
async fn a_new_certificate_is_used_after_sighup_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = issue(folder.path());
    let program = serve(folder.path());
    connect(&program, &first).await.expect("the first");
    std::fs::write(folder.path().join("cert.pem"), "broken").expect("written");
    program.signal("-HUP");
    connect(&program, &first).await.expect("still the first");
    let second = issue(folder.path());
    program.signal("-HUP");
    soon("the new certificate", async {
        while connect(&program, &second).await.is_err() {}
    })
    .await;
    connect(&program, &first)
        .await
        .expect_err("the first is gone");
}

#[test]
fn a_certificate_without_its_key_is_a_wrong_setting() {
    let folder = tempfile::tempdir().expect("a folder");
    issue(folder.path());
    let cert = folder.path().join("cert.pem").display().to_string();
    let other = folder.path().join("other");
    std::fs::create_dir(&other).expect("a folder");
    issue(&other);
    let wrong_key = other.join("key.pem").display().to_string();
    for (options, named) in [
        (vec!["--tls-cert", &cert], "--tls-key (PARLANCE_TLS_KEY)"),
        (
            vec!["--tls-cert", &cert, "--tls-key", &wrong_key],
            "--tls-cert (PARLANCE_TLS_CERT)",
        ),
        (
            vec!["--tls-cert", &cert, "--tls-key", &cert],
            "--tls-key (PARLANCE_TLS_KEY)",
        ),
        (
            vec!["--tls-cert", "none", "--tls-key", &wrong_key],
            "--tls-cert (PARLANCE_TLS_CERT)",
        ),
    ] {
        let output = Program::run(&folder.path().join("data"), &options, &[], "");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            complaint.starts_with(&format!("error: {named}: ")),
            "{complaint}"
        );
    }
}
