//! What a PostgreSQL server is asked, as its own log says, and over what.

use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use http::Method;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::support::{Person, PostgresServer, Program, request};

const OPTIONS: [&str; 4] = ["--listen", "127.0.0.1:0", "--rate-limits", "off"];

fn serve(data: &Path, url: &str) -> Program {
    Program::serve(data, &OPTIONS, &[("DATABASE_URL", url)])
}

/// A server that logs every statement with the name of who asked.
fn talkative() -> Option<PostgresServer> {
    let settings = ["log_statement=all", "log_line_prefix='%a|'"];
    Some(PostgresServer::start(PostgresServer::folder()?, &settings))
}

/// The statements of the program since the last look.
struct Statements<'a> {
    server: &'a PostgresServer,
    seen: usize,
}

impl Statements<'_> {
    fn new_ones(&mut self) -> Vec<String> {
        let log = self.server.log();
        let said = log.lines().filter_map(|line| {
            let said = line.strip_prefix("parlance|LOG:  ")?;
            let is_run = said.starts_with("statement: ") || said.starts_with("execute ");
            is_run.then(|| said.to_owned())
        });
        let all: Vec<String> = said.collect();
        let new = all[self.seen..].to_vec();
        self.seen = all.len();
        new
    }

    fn commits(&mut self) -> usize {
        let new = self.new_ones();
        new.iter().filter(|said| said.ends_with("COMMIT")).count()
    }
}

#[tokio::test]
async fn a_lone_message_is_committed_at_once_and_many_that_wait_share_their_commits() {
    let Some(server) = talkative() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let program = serve(folder.path(), &server.url);
    let ann = Person::register(program.address, "Ann").await;
    let chat = ann.lonely_chat().await;
    let mut live = ann.connect().await;
    let mut statements = Statements {
        server: &server,
        seen: 0,
    };
    statements.new_ones();
    let message = json!({"chatId": chat, "content": "x"});
    assert_eq!(
        live.ask("send-message", message.clone()).await["success"],
        true
    );
    assert_eq!(statements.commits(), 1);
    for answer in live.ask_all("send-message", &vec![message; 64]).await {
        assert_eq!(answer["success"], true, "{answer}");
    }
    let commits = statements.commits();
    assert!(
        (1..=6).contains(&commits),
        "{commits} commits for 64 messages"
    );
}

#[tokio::test]
async fn a_page_costs_the_same_number_of_statements_whatever_is_on_it() {
    let Some(server) = talkative() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let program = serve(folder.path(), &server.url);
    let ann = Person::register(program.address, "Ann").await;
    let ben = Person::register(program.address, "Ben").await;
    let chat = ann.direct_chat(&ben).await;
    let path = format!("/api/chats/{chat}/messages");
    let pages = [
        format!("{path}?limit=100"),
        "/api/chats?limit=100".to_owned(),
        "/api/notifications?limit=100".to_owned(),
        format!("/api/chats/{chat}/events?since=0&limit=100"),
    ];
    let first = ann.post(&path, json!({"content": "first"})).await;
    let mut last = first.expect(201)["id"].clone();
    let few = costs(&server, &ben, &pages).await;
    for number in 0..30 {
        let body = json!({"content": format!("{number}"), "replyTo": last, "mentions": [ben.id]});
        last = ann.post(&path, body).await.expect(201)["id"].clone();
        let mut live = ben.connect().await;
        let reaction = json!({"chatId": chat, "messageId": last, "emoji": "x"});
        assert_eq!(live.ask("add-reaction", reaction).await["success"], true);
        let group = json!({"name": "G", "isGroup": true, "participantIds": [ben.id]});
        ann.post("/api/chats", group).await.expect(201);
    }
    assert_eq!(costs(&server, &ben, &pages).await, few);
}

/// How many statements each page takes. The least of three times: now and then
/// something else is asked at the same time.
async fn costs(server: &PostgresServer, who: &Person, pages: &[String]) -> Vec<usize> {
    let mut statements = Statements { server, seen: 0 };
    let mut costs = Vec::new();
    for page in pages {
        let mut tries = Vec::new();
        for _ in 0..3 {
            statements.new_ones();
            who.get(page).await.expect(200);
            tries.push(statements.new_ones().len());
        }
        costs.extend(tries.into_iter().min());
    }
    costs
}

/// An authority, and a key and certificate of `localhost` that it signed.
fn certify(folder: &Path) {
    let write = |name: &str, text: String| {
        std::fs::write(folder.join(name), text).expect("written");
    };
    for authority in ["ours", "foreign"] {
        let mut params = CertificateParams::new(Vec::new()).expect("names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        write(&format!("{authority}.pem"), certificate.pem());
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["localhost".to_owned()]).expect("names");
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        // The last one stays a stranger's: the server gets those of the first.
        if authority == "ours" {
            write("server.pem", certificate.pem());
            write("server.key", key.serialize_pem());
        }
    }
    give_to_postgres(&folder.join("server.key"));
}

/// PostgreSQL wants its key to be its own, and nobody else's to read.
fn give_to_postgres(key: &Path) {
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(key, mode).expect("allowed");
    let id = Command::new("id").args(["-u", "postgres"]).output();
    let id = id.ok().and_then(|id| String::from_utf8(id.stdout).ok());
    if let Some(id) = id.and_then(|id| id.trim().parse().ok()) {
        // Who is not root runs the server too, and has it already.
        let _ = chown(key, Some(id), None);
    }
}

/// A port that nobody else is given while the socket lives. It is bound, but does not listen, and
/// shares its address: so PostgreSQL, which says the same of its own socket, may listen there.
fn reserve_port() -> (TcpSocket, u16) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("allowed");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(any).expect("a free port");
    let port = socket.local_addr().expect("bound").port();
    (socket, port)
}

#[tokio::test]
async fn the_certificate_of_the_database_is_verified_in_full() {
    let Some(folder) = PostgresServer::folder() else {
        return;
    };
    certify(folder.path());
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (ours, foreign) = (file("ours.pem"), file("foreign.pem"));
    let (_reserved, port) = reserve_port();
    let settings = [
        "ssl=on".to_owned(),
        format!("ssl_cert_file='{}'", file("server.pem")),
        format!("ssl_key_file='{}'", file("server.key")),
        "listen_addresses='127.0.0.1'".to_owned(),
        format!("port={port}"),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let mut server = PostgresServer::start(folder, &settings);
    server.url = format!("{}?port={port}", server.url);
    let url = |host: &str, authority: &str| {
        let verify = format!("sslmode=verify-full&sslrootcert={authority}");
        format!("postgres://postgres@{host}:{port}/postgres?{verify}")
    };
    let data = tempfile::tempdir().expect("a folder");
    for (host, authority) in [("localhost", &foreign), ("127.0.0.1", &ours)] {
        let environment = [("DATABASE_URL", &*url(host, authority))];
        let refused = Program::run(data.path(), &OPTIONS, &environment, "");
        assert_eq!(refused.status.code(), Some(1), "{host}: {refused:?}");
        assert!(refused.stdout.is_empty(), "nothing was started");
    }
    let program = serve(data.path(), &url("localhost", &ours));
    let ready = request(program.address, Method::GET, "/readyz", None, Value::Null).await;
    ready.expect(200);
    let ann = Person::register(program.address, "Ann").await;
    let ben = Person::register(program.address, "Ben").await;
    let path = format!("/api/chats/{}/messages", ann.direct_chat(&ben).await);
    ann.post(&path, json!({"content": "under TLS"}))
        .await
        .expect(201);
    let sql = "SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) \
               WHERE a.application_name = 'parlance' AND NOT s.ssl";
    assert_eq!(server.ask(sql), "0", "no connection is without it");
}
