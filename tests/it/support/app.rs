//! A server in this process, on a free port and a folder of its own.

use std::net::SocketAddr;

use http::Method;
use parlance::app::{self, Running};
use parlance::config::Cli;
use serde_json::Value;
use tempfile::TempDir;

use super::database::database_url;
use super::person::Person;
use super::rest::{Answer, request};

/// A running server; it and its folder go when the value does.
pub(crate) struct TestApp {
    pub(crate) address: SocketAddr,
    /// Where the metrics are, with an address of their own.
    pub(crate) metrics_address: Option<SocketAddr>,
    running: Option<Running>,
    folder: TempDir,
}

impl TestApp {
    /// With rate limits off, as most tests are faster than people.
    pub(crate) async fn start() -> Self {
        Self::with(&["--rate-limits=off"]).await
    }

    /// With these options of the command line.
    pub(crate) async fn with(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data_dir = format!("--data-dir={}", folder.path().display());
        let database = database_url(folder.path()).map(|url| format!("--database-url={url}"));
        let mut arguments = vec!["parlance", &data_dir];
        arguments.extend(database.as_deref());
        arguments.extend(options);
        if !options.iter().any(|option| option.starts_with("--listen")) {
            arguments.push("--listen=127.0.0.1:0");
        }
        let cli = Cli::read(arguments).expect("known options");
        let settings = cli.serve.validate().expect("good settings");
        let running = app::start(settings).await.expect("a free port");
        Self {
            address: running.address(),
            metrics_address: running.metrics_address(),
            running: Some(running),
            folder,
        }
    }

    /// The folder that everything is kept in.
    pub(crate) fn data_dir(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Ends it as SIGTERM would.
    pub(crate) async fn stop(&mut self) {
        self.running.take().expect("running").stop().await;
    }

    /// Begins to end it as SIGTERM would.
    pub(crate) fn begin_to_stop(&mut self) -> tokio::task::JoinHandle<()> {
        tokio::spawn(self.running.take().expect("running").stop())
    }

    /// A request of nobody in particular.
    pub(crate) async fn anonymous(&self, method: Method, path: &str, body: Value) -> Answer {
        request(self.address, method, path, None, body).await
    }

    /// Somebody who has just registered.
    pub(crate) async fn person(&self, name: &str) -> Person {
        Person::register(self.address, name).await
    }
}
