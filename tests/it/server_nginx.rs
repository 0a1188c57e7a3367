//! Behind nginx, with the example of the documentation.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use rcgen::generate_simple_self_signed;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{TestApp, soon};

/// Debian keeps it where only root's path leads.
fn nginx() -> Option<PathBuf> {
    let known = [
        "/usr/sbin/nginx",
        "/usr/local/sbin/nginx",
        "/opt/homebrew/bin/nginx",
    ];
    known
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.is_file())
}

/// A running nginx; it is killed with the value.
struct Proxy {
    child: Child,
    address: SocketAddr,
    certificate: CertificateDer<'static>,
    folder: tempfile::TempDir,
}

impl Proxy {
    fn start(nginx: &Path, upstream: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let issued = generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("written");
            path.display().to_string()
        };
        let cert = write("cert.pem", issued.cert.pem());
        let key = write("key.pem", issued.signing_key.serialize_pem());
        let address = free_address();
        let site = include_str!("../../docs/deploy/nginx.conf")
            .replace("server 127.0.0.1:3000;", &format!("server {upstream};"))
            .replace("listen 443 ssl;", &format!("listen {address} ssl;"))
            .replace("listen [::]:443 ssl;", "")
            .replace("/etc/ssl/chat.example.com/fullchain.pem", &cert)
            .replace("/etc/ssl/chat.example.com/privkey.pem", &key);
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {kind};\n"))
            .concat();
        let config = format!(
            "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr;\nevents {{}}\n\
             http {{\naccess_log off;\n{temporary}{site}}}\n"
        );
        let config = write("nginx.conf", config);
        let child = Command::new(nginx)
            .args(["-e", "stderr", "-p"])
            .arg(folder.path())
            .args(["-c", &config])
            .stderr(Stdio::inherit())
            .spawn()
            .expect("nginx starts");
        let certificate = issued.cert.der().clone();
        Self {
            child,
            address,
            certificate,
            folder,
        }
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        let stream = soon("nginx listens", async {
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
        // nginx closes without a closing alert now and then.
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
    let Some(nginx) = nginx() else {
        eprintln!("skipped: nginx is not installed (Debian: nginx-light)");
        return;
    };
    let app = TestApp::with(&["--trusted-proxies=127.0.0.1,::1"]).await;
    let proxy = Proxy::start(&nginx, app.address);
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
