//! `parlance doctor`: tries what the server needs, without being it.
//!
//! Safe beside a running server. Nothing is left behind, and no database is made.

use std::fmt;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::app::open_chat;
use crate::config::{Database, Limits, Listen, Settings, StorageSettings, generate};
use crate::descriptors;
use crate::http::{CLIENT_VERSION, Server};

/// Rounds of writing and waiting for the disk.
const SYNCS: u32 = 8;
/// A slower disk is worth a word: it bounds the rate of messages.
const SLOW_SYNC: Duration = Duration::from_millis(20);
/// Fewer descriptors are soon used up.
const FEW_DESCRIPTORS: u64 = 4096;
/// How long whoever has the port may take to say whether it is a server of ours.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, but an operator should know.
    Mind,
    /// The server would not start, or not work.
    Bad,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How it went.
    pub verdict: Verdict,
    /// What was found, for people.
    pub text: String,
}

impl Finding {
    fn new(verdict: Verdict, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { verdict, text }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.verdict {
            Verdict::Good => "good",
            Verdict::Mind => "mind",
            Verdict::Bad => "BAD ",
        };
        write!(f, "{mark}  {}", self.text)
    }
}

/// Everything that was found, in an order in which it can be mended.
pub async fn examine(settings: &Settings) -> Vec<Finding> {
    let folder = data_folder(&settings.storage.data_dir);
    // Without its folder a database would only be another complaint.
    let usable = folder.verdict != Verdict::Bad;
    let mut findings = vec![folder];
    if usable {
        findings.push(database(&settings.storage).await);
    }
    findings.push(port(&settings.listen).await);
    if let Some(listen) = &settings.metrics.listen {
        findings.push(port(listen).await);
    }
    findings.push(descriptors(&settings.limits));
    findings.push(client());
    findings
}

/// Whether files can be made in it, and how long the disk takes to keep one.
fn data_folder(path: &Path) -> Finding {
    let shown = path.display();
    if !path.exists() {
        let text = format!("data folder {shown}: will be made at the first start");
        return Finding::new(Verdict::Good, text);
    }
    match sync_time(path) {
        Ok(time) => {
            let verdict = if time > SLOW_SYNC {
                Verdict::Mind
            } else {
                Verdict::Good
            };
            let ms = time.as_secs_f64() * 1e3;
            let text =
                format!("data folder {shown}: writable, {ms:.1} ms until the disk has a commit");
            Finding::new(verdict, text)
        }
        Err(error) => Finding::new(Verdict::Bad, format!("data folder {shown}: {error}")),
    }
}

fn sync_time(folder: &Path) -> std::io::Result<Duration> {
    let mut file = tempfile_in(folder)?;
    let begun = Instant::now();
    for _ in 0..SYNCS {
        file.0.write_all(&[0; 4096])?;
        file.0.sync_data()?;
    }
    Ok(begun.elapsed() / SYNCS)
}

/// A file that goes with the value.
struct Scratch(std::fs::File, std::path::PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is empty of meaning, and named after this program.
        let _ = std::fs::remove_file(&self.1);
    }
}

fn tempfile_in(folder: &Path) -> std::io::Result<Scratch> {
    let path = folder.join(format!(".parlance-doctor-{}", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).open(&path)?;
    Ok(Scratch(file, path))
}

/// Opens it as the server would, schema included.
async fn database(storage: &StorageSettings) -> Finding {
    let shown = storage.database.to_string();
    if let Database::Sqlite(file) = &storage.database
        && !file.exists()
    {
        let text = format!("database {shown}: will be made at the first start");
        return Finding::new(Verdict::Good, text);
    }
    // Nothing is signed: any secret will do.
    let Ok(secret) = generate() else {
        return Finding::new(Verdict::Bad, "the system gives no random bytes");
    };
    let folder_is_new = !storage.data_dir.exists();
    let opened = open_chat(storage, &secret, |_| ()).await;
    if folder_is_new {
        // Opening makes it; an examination leaves nothing. One that is not empty stays.
        let _ = std::fs::remove_dir(&storage.data_dir);
    }
    let chat = match opened {
        Ok(chat) => chat,
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            let text = format!("{error}: {}", cause.unwrap_or_default());
            return Finding::new(Verdict::Bad, text);
        }
    };
    let answer = chat.check_ready().await;
    chat.close().await;
    match answer {
        Ok(()) => Finding::new(
            Verdict::Good,
            format!("database {shown}: opens and answers"),
        ),
        Err(error) => Finding::new(Verdict::Bad, format!("database {shown}: {error}")),
    }
}

/// Whether the port is free, or has a server of ours on it.
async fn port(listen: &Listen) -> Finding {
    let addresses = match listen.addresses().await {
        Ok(addresses) => addresses,
        Err(error) => return Finding::new(Verdict::Bad, format!("port {listen}: {error}")),
    };
    let taken = match Server::bind(&addresses) {
        Ok(_) => return Finding::new(Verdict::Good, format!("port {listen}: free")),
        Err(error) => error,
    };
    for address in addresses {
        if let Ok(Ok(true)) = timeout(ANSWER_LIMIT, is_parlance(address)).await {
            let text = format!("port {listen}: a server answers there and is ready");
            return Finding::new(Verdict::Good, text);
        }
    }
    Finding::new(Verdict::Bad, format!("port {listen}: {taken}"))
}

async fn is_parlance(address: std::net::SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    let asked = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(asked.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer).await?;
    Ok(answer.starts_with("HTTP/1.1 200") && answer.contains("\"status\":\"ready\""))
}

fn descriptors(limits: &Limits) -> Finding {
    let Some(most) = descriptors::limit() else {
        return Finding::new(
            Verdict::Mind,
            "descriptors: the system does not say how many there may be",
        );
    };
    let connections = u64::from(limits.connections);
    let text = format!("descriptors: {most}, for up to {connections} connections");
    if connections >= most {
        return Finding::new(
            Verdict::Bad,
            format!("{text}: lower --max-connections, or raise the limit"),
        );
    }
    let verdict = if most < FEW_DESCRIPTORS {
        Verdict::Mind
    } else {
        Verdict::Good
    };
    Finding::new(verdict, text)
}

fn client() -> Finding {
    match CLIENT_VERSION {
        Some(version) => Finding::new(
            Verdict::Good,
            format!("browser client: socket.io-client {version}"),
        ),
        None => Finding::new(
            Verdict::Mind,
            "browser client: not built in, so the page does not work; build with Node.js and npm",
        ),
    }
}
