//! The examples of `docs/deploy`: behind nginx, behind Caddy, and what systemd says of its unit.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{TestApp, soon};

/// The first of these files that is there. Debian keeps some where only root's path leads.
fn installed(known: &[&str]) -> Option<PathBuf> {
    let known = known.iter().map(PathBuf::from);
    let found = known.clone().find(|path| path.is_file());
    if found.is_none() {
        eprintln!("skipped: none of {:?} is there", known.collect::<Vec<_>>());
    }
    found
}

/// A running proxy; it is killed with the value.
struct Proxy {
    child: Child,
    address: SocketAddr,
    certificate: CertificateDer<'static>,
    folder: TempDir,
}

/// What the examples are adapted to.
struct Place {
    folder: TempDir,
    issued: CertifiedKey<KeyPair>,
    cert: String,
    key: String,
    address: SocketAddr,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let issued = generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let mut place = Self {
            folder,
            cert: String::new(),
            key: String::new(),
            address: free_address(),
            issued,
        };
        place.cert = place.write("cert.pem", &place.issued.cert.pem());
        place.key = place.write("key.pem", &place.issued.signing_key.serialize_pem());
        place
    }

    /// Writes a file; its path.
    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    }

    fn run(self, command: &mut Command) -> Proxy {
        let child = command.stderr(Stdio::null()).spawn().expect("it starts");
        let certificate = self.issued.cert.der().clone();
        Proxy {
            child,
            address: self.address,
            certificate,
            folder: self.folder,
        }
    }
}

/// The text with each of these exchanged, all of which must be in it.
fn exchanged(text: &str, pairs: &[(&str, &str)]) -> String {
    let text = text.to_owned();
    pairs.iter().fold(text, |text, (old, new)| {
        assert!(text.contains(old), "the example has no `{old}`");
        text.replace(old, new)
    })
}

fn nginx(program: &Path, upstream: SocketAddr) -> Proxy {
    let place = Place::new();
    let example = include_str!("../../docs/deploy/nginx.conf");
    let site = exchanged(
        example,
        &[
            ("server 127.0.0.1:3000;", &format!("server {upstream};")),
            ("listen 443 ssl;", &format!("listen {} ssl;", place.address)),
            ("listen [::]:443 ssl;", ""),
            ("/etc/ssl/chat.example.com/fullchain.pem", &place.cert),
            ("/etc/ssl/chat.example.com/privkey.pem", &place.key),
        ],
    );
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {kind};\n"))
        .concat();
    let config = format!(
        "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr;\nevents {{}}\n\
         http {{\naccess_log off;\n{temporary}{site}}}\n"
    );
    let config = place.write("nginx.conf", &config);
    let mut command = Command::new(program);
    command
        .args(["-e", "stderr", "-p"])
        .arg(place.folder.path());
    command.args(["-c", &config]);
    place.run(&mut command)
}

fn caddy(program: &Path, upstream: SocketAddr) -> Proxy {
    let place = Place::new();
    let (address, home) = (place.address, place.folder.path().to_owned());
    let example = include_str!("../../docs/deploy/Caddyfile");
    let certificate = format!("tls {} {}", place.cert, place.key);
    let site = format!(
        "https://localhost:{} {{\n\tbind 127.0.0.1\n\t{certificate}\n",
        address.port()
    );
    let site = exchanged(
        example,
        &[
            ("chat.example.com {\n", &site),
            ("127.0.0.1:3000", &upstream.to_string()),
        ],
    );
    let config = place.write(
        "Caddyfile",
        &format!("{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n{site}"),
    );
    let mut command = Command::new(program);
    command.args(["run", "--adapter", "caddyfile", "--config", &config]);
    command.env_clear().env("HOME", home);
    place.run(&mut command)
}

impl Proxy {
    async fn connect(&self) -> TlsStream<TcpStream> {
        let stream = soon("the proxy listens", async {
            loop {
                if let Ok(stream) = TcpStream::connect(self.address).await {
                    return stream;
                }
                tokio::task::yield_now().await;
            }
        })
        .await;
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("a certificate");
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").expect("a name");
        let connector = TlsConnector::from(Arc::new(config));
        soon("TLS", connector.connect(name, stream))
            .await
            .expect("TLS")
    }

    async fn get(&self, target: &str) -> String {
        let mut stream = self.connect().await;
        let asked =
            format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(asked.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        // A proxy closes without a closing alert now and then.
        let _ = soon("an answer", stream.read_to_end(&mut answer)).await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        debug_assert!(self.folder.path().is_dir());
    }
}

/// A port that was free a moment ago: nginx picks none by itself.
fn free_address() -> SocketAddr {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    taken.local_addr().expect("bound")
}

#[tokio::test]
async fn pages_polls_and_websockets_pass_through_nginx_as_the_example_says() {
    let known = [
        "/usr/sbin/nginx",
        "/usr/local/sbin/nginx",
        "/opt/homebrew/bin/nginx",
    ];
    if let Some(program) = installed(&known) {
        let app = TestApp::with(&BEHIND_A_PROXY).await;
        everything_passes(&nginx(&program, app.address)).await;
    }
}

#[tokio::test]
async fn pages_polls_and_websockets_pass_through_caddy_as_the_example_says() {
    let known = [
        "/usr/bin/caddy",
        "/usr/local/bin/caddy",
        "/opt/homebrew/bin/caddy",
    ];
    if let Some(program) = installed(&known) {
        let app = TestApp::with(&BEHIND_A_PROXY).await;
        everything_passes(&caddy(&program, app.address)).await;
    }
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let Some(program) = installed(&["/usr/bin/systemd-analyze"]) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let unit = include_str!("../../docs/deploy/parlance.service");
    let binary = env!("CARGO_BIN_EXE_parlance");
    let unit = exchanged(unit, &[("/usr/local/bin/parlance", binary)]);
    let file = folder.path().join("parlance.service");
    std::fs::write(&file, unit).expect("written");
    let verified = Command::new(program)
        .args(["verify", "--man=no"])
        .arg(&file)
        .output()
        .expect("it runs");
    // An unknown key is said, and no failure.
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(
        verified.status.success() && !said.contains("parlance"),
        "{said}"
    );
}

/// As the examples say that the server is to be started.
const BEHIND_A_PROXY: [&str; 1] = ["--trusted-proxies=127.0.0.1,::1"];

async fn everything_passes(proxy: &Proxy) {
    assert!(proxy.get("/readyz").await.starts_with("HTTP/1.1 200"));
    assert!(proxy.get("/metrics").await.starts_with("HTTP/1.1 404"));
    let refused = proxy.get("/api/chats").await;
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    let polled = proxy.get("/socket.io/?EIO=4&transport=polling").await;
    assert!(polled.contains("\"upgrades\":[\"websocket\"]"), "{polled}");

    let stream = proxy.connect().await;
    let url = "wss://localhost/socket.io/?EIO=4&transport=websocket";
    let upgraded = soon("the upgrade", Box::pin(client_async(url, stream))).await;
    let (mut live, _) = upgraded.expect("a WebSocket");
    let mut next = async || {
        let packet = soon("a packet", live.next())
            .await
            .expect("a packet")
            .expect("whole");
        let text = packet.to_text().expect("text").to_owned();
        if text.starts_with('0') {
            live.send(Message::text("40")).await.expect("sent");
        }
        text
    };
    assert!(next().await.starts_with('0'));
    let refused = next().await;
    assert!(
        refused.starts_with("44{\"message\":\"Authentication error: "),
        "{refused}"
    );
}
