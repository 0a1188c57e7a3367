//! The chat under load: several people send, everybody receives, each message is on the disk before it is acknowledged.
//!
//! Starts a server of its own in an empty folder, loads it for some seconds, and prints messages and deliveries per
//! second, the time to the acknowledgement, and the server's processor time. A message that was acknowledged and did
//! not reach everybody once and in order is an error.
//!
//!     cargo build --release && cargo run --release --example chat_load
//!     … --example chat_load -- --senders 64 --window 1 -- --database-url postgres://…
//!
//! What follows the second `--` goes to the server. Linux only: it reads `/proc`.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use clap::Parser as _;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Clock ticks in a second of `/proc/PID/stat`, the same on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

#[derive(clap::Parser, Clone)]
struct Args {
    /// People in the chat; every one receives.
    #[arg(long, default_value_t = 50)]
    people: usize,
    /// How many of them send.
    #[arg(long, default_value_t = 4)]
    senders: usize,
    /// Messages of one sender that wait for their acknowledgement.
    #[arg(long, default_value_t = 8)]
    window: usize,
    /// Bytes of a message's text.
    #[arg(long, default_value_t = 128)]
    bytes: usize,
    /// Seconds of load.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// The server.
    #[arg(long, default_value = "target/release/parlance")]
    server: PathBuf,
    /// Options for the server.
    #[arg(last = true)]
    options: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    ensure!(
        (1..=args.people).contains(&args.senders) && args.window > 0,
        "at least one sender and one message, and no more senders than people"
    );
    let folder = tempfile::tempdir()?;
    let server = Server::start(&args, folder.path())?;
    let tokens = register(&server.address, args.people).await?;
    let chat = group(&server.address, &tokens).await?;

    let mut joined = Vec::new();
    for (_, token) in &tokens {
        joined.push(Client::join(&server.address, token, &chat).await?);
    }
    let processor = server.processor()?;
    let until = Instant::now() + Duration::from_secs(args.seconds);
    let mut clients = JoinSet::new();
    for (index, mut client) in joined.into_iter().enumerate() {
        let window = if index < args.senders { args.window } else { 0 };
        let text = "x".repeat(args.bytes);
        clients.spawn(async move { client.run(&text, window, until).await });
    }
    let mut all = Vec::new();
    while let Some(done) = clients.join_next().await {
        all.push(done??);
    }
    report(
        &args,
        &all,
        server.processor()? - processor,
        args.seconds as f64,
    )
}

/// Checks what everybody saw, and prints the figures.
fn report(args: &Args, all: &[Seen], processor: f64, seconds: f64) -> Result<()> {
    let mut waits: Vec<f64> = all
        .iter()
        .flat_map(|seen| seen.waits.iter().copied())
        .collect();
    let sent = waits.len();
    ensure!(sent > 0, "nothing was acknowledged");
    for seen in all {
        ensure!(
            seen.messages == sent,
            "{sent} messages were acknowledged, somebody saw {}",
            seen.messages
        );
    }
    waits.sort_by(f64::total_cmp);
    let at = |share: f64| waits[((sent - 1) as f64 * share) as usize];
    let deliveries = (sent * args.people) as f64;
    #[allow(clippy::print_stdout, reason = "it is what the program is for")]
    {
        println!(
            "messages per second             {:>10.0}",
            sent as f64 / seconds
        );
        println!(
            "deliveries per second           {:>10.0}",
            deliveries / seconds
        );
        println!(
            "acknowledgement p50, p99, ms    {:>10.1} {:>7.1}",
            at(0.5),
            at(0.99)
        );
        println!(
            "server's processors             {:>10.2}",
            processor / seconds
        );
        println!(
            "deliveries per processor second {:>10.0}",
            deliveries / processor
        );
    }
    Ok(())
}

/// A server, killed with the value.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(args: &Args, folder: &std::path::Path) -> Result<Self> {
        let mut child = Command::new(&args.server)
            .args([
                "--listen",
                "127.0.0.1:0",
                "--rate-limits",
                "off",
                "--data-dir",
            ])
            .arg(folder)
            .args(&args.options)
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", args.server.display()))?;
        let mut line = String::new();
        let output = child.stdout.take().context("its output is piped")?;
        BufReader::new(output).read_line(&mut line)?;
        let address = line
            .trim_end()
            .strip_prefix("listening on http://")
            .map(str::to_owned);
        let mut server = Self {
            child,
            address: String::new(),
        };
        server.address = address.context("the server did not start")?;
        Ok(server)
    }

    /// Seconds of processor time so far, its own and the system's for it.
    fn processor(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, fields) = stat.rsplit_once(')').context("stat")?;
        let mut times = fields.split_whitespace().skip(11).map(str::parse::<f64>);
        let mut next = || times.next().context("stat");
        Ok((next()?? + next()??) / TICKS)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Accounts, as ids and tokens.
async fn register(address: &str, people: usize) -> Result<Vec<(String, String)>> {
    let mut accounts = Vec::new();
    for number in 0..people {
        let account = json!({
            "name": format!("Person {number}"),
            "email": format!("person{number}@example.com"),
            "password": "a long enough passphrase",
        });
        let made = post(address, "/api/auth/register", None, &account).await?;
        accounts.push((text(&made["user"]["id"])?, text(&made["token"])?));
    }
    Ok(accounts)
}

/// A group of all of them; its id.
async fn group(address: &str, accounts: &[(String, String)]) -> Result<String> {
    let (_, token) = accounts.first().context("people")?;
    let others: Vec<&str> = accounts.iter().skip(1).map(|(id, _)| id.as_str()).collect();
    let group = json!({ "name": "Load", "is_group": true, "participant_ids": others });
    let made = post(address, "/api/chats", Some(token), &group).await?;
    text(&made["id"])
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().context("not a text")?.to_owned())
}

/// `data` of the answer to a POST.
async fn post(address: &str, path: &str, token: Option<&str>, body: &Value) -> Result<Value> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = http::Request::post(path)
        .header("host", address)
        .header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(Full::new(Bytes::from(body.to_string())))?;
    let answer = sender
        .send_request(request)
        .await?
        .into_body()
        .collect()
        .await?;
    let mut answer: Value = serde_json::from_slice(&answer.to_bytes())?;
    ensure!(answer["success"] == true, "{path}: {answer}");
    Ok(answer["data"].take())
}

/// One person's connection.
struct Client {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    chat: String,
    sent: u64,
    waiting: HashMap<u64, Instant>,
    seq: u64,
    seen: Seen,
}

/// What one person saw.
#[derive(Default)]
struct Seen {
    /// `new-message` events.
    messages: usize,
    /// Milliseconds from each own message to its acknowledgement.
    waits: Vec<f64>,
}

impl Client {
    /// Connects and joins the chat's room.
    async fn join(address: &str, token: &str, chat: &str) -> Result<Self> {
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let (stream, _) = connect_async(url).await?;
        let mut client = Self {
            stream,
            chat: chat.to_owned(),
            sent: 0,
            waiting: HashMap::new(),
            seq: 0,
            seen: Seen::default(),
        };
        client
            .write(format!("40{}", json!({ "token": token })))
            .await?;
        while !client.packet().await?.starts_with("40") {}
        client
            .write(format!(r#"420["join-chat","{chat}"]"#))
            .await?;
        while !client.packet().await?.starts_with("430") {}
        Ok(client)
    }

    /// Keeps `window` messages on their way until the time is over, and reads until all of everybody's have come.
    async fn run(&mut self, text: &str, window: usize, until: Instant) -> Result<Seen> {
        for _ in 0..window {
            self.send(text).await?;
        }
        // Every acknowledged message has reached everybody by then, or the check fails.
        let end = until + Duration::from_secs(2);
        while let Ok(packet) = tokio::time::timeout_at(end.into(), self.packet()).await {
            let packet = packet?;
            if packet.starts_with(r#"42["new-message","#) {
                self.delivered(&packet)?;
            } else if let Some(answer) = packet.strip_prefix("43") {
                self.acknowledged(answer)?;
                if Instant::now() < until {
                    self.send(text).await?;
                }
            }
        }
        ensure!(self.waiting.is_empty(), "a message was never acknowledged");
        Ok(std::mem::take(&mut self.seen))
    }

    async fn send(&mut self, text: &str) -> Result<()> {
        self.sent += 1;
        let message = json!({ "chatId": self.chat, "content": text });
        self.waiting.insert(self.sent, Instant::now());
        let packet = format!("42{}{}", self.sent, json!(["send-message", message]));
        self.write(packet).await
    }

    fn acknowledged(&mut self, answer: &str) -> Result<()> {
        let (id, arguments) = answer.split_at(answer.find('[').context("arguments")?);
        ensure!(
            arguments.starts_with(r#"[{"success":true"#),
            "refused: {arguments}"
        );
        let sent = self
            .waiting
            .remove(&id.parse()?)
            .context("an acknowledgement of nothing")?;
        self.seen.waits.push(sent.elapsed().as_secs_f64() * 1000.0);
        Ok(())
    }

    /// Counts a message, which must be the next one.
    fn delivered(&mut self, packet: &str) -> Result<()> {
        let digits = packet.split_once(r#""seq":"#).context("seq")?.1;
        let digits = digits.split(|c: char| !c.is_ascii_digit()).next();
        let seq: u64 = digits.context("seq")?.parse()?;
        if self.seq != 0 && seq != self.seq + 1 {
            bail!("message {seq} came after {}", self.seq);
        }
        self.seq = seq;
        self.seen.messages += 1;
        Ok(())
    }

    /// The next packet but pings, which are answered.
    async fn packet(&mut self) -> Result<String> {
        loop {
            match self.stream.next().await.context("the server closed")?? {
                Message::Text(text) if text.as_str() == "2" => self.write("3".to_owned()).await?,
                Message::Text(text) => return Ok(text.to_string()),
                Message::Close(_) => bail!("the server closed"),
                _ => {}
            }
        }
    }

    async fn write(&mut self, packet: String) -> Result<()> {
        Ok(self.stream.send(Message::text(packet)).await?)
    }
}
