//! The real program: its command line, its output, its signals.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use super::database::database_url;

/// A running `parlance`; it is killed with the value.
pub(crate) struct Program {
    child: Child,
    output: BufReader<ChildStdout>,
    /// Where it listens, as its own line said.
    pub(crate) address: SocketAddr,
}

impl Program {
    /// Starts the server and waits for its line.
    pub(crate) fn serve(data_dir: &Path, options: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::under(&[], data_dir, options, environment)
    }

    /// The same under another program, which must become it (`exec`).
    pub(crate) fn under(
        wrapper: &[&str],
        data_dir: &Path,
        options: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        Self::start(
            &mut wrapped(wrapper, data_dir, options, environment),
            Stdio::null(),
        )
    }

    /// The same, with its log in a file.
    pub(crate) fn serve_logging(data_dir: &Path, options: &[&str], log: &Path) -> Self {
        let log = std::fs::File::create(log).expect("a file");
        Self::start(&mut command(data_dir, options, &[]), log.into())
    }

    fn start(command: &mut Command, log: Stdio) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the program starts");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        let line = line.trim_end();
        let address = line.strip_prefix("listening on ");
        let address = address
            .and_then(|url| url.split_once("://"))
            .map(|(_, address)| address);
        let address = address.and_then(|address| address.parse().ok());
        Self {
            child,
            output,
            address: address.unwrap_or_else(|| panic!("not the line that was promised: {line:?}")),
        }
    }

    /// Sends a signal that does not end it.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Runs a command to its end, with `input` on standard input.
    pub(crate) fn run(
        data_dir: &Path,
        options: &[&str],
        environment: &[(&str, &str)],
        input: &str,
    ) -> Output {
        let mut child = command(data_dir, options, environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut pipe = child.stdin.take().expect("piped");
        // It may end without reading.
        let _ = pipe.write_all(input.as_bytes());
        drop(pipe);
        child.wait_with_output().expect("it ends")
    }

    /// A line of `/proc/<pid>/status` that is in kB, such as `VmRSS`, in bytes.
    #[cfg(target_os = "linux")]
    pub(crate) fn memory(&self, line: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the program runs");
        let found = status.lines().find_map(|text| text.strip_prefix(line));
        let kilobytes = found.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
        kilobytes.expect("a line in kB") * 1024
    }

    /// Its process.
    pub(crate) fn id(&self) -> String {
        self.child.id().to_string()
    }

    /// Sends a signal and waits for the end; gives the exit status, and what
    /// else was written to standard output.
    pub(crate) fn end(mut self, signal: &str) -> (Option<i32>, String) {
        self.signal(signal);
        let status = self.child.wait().expect("it ends");
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("text");
        (status.code(), rest)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(data_dir: &Path, options: &[&str], environment: &[(&str, &str)]) -> Command {
    wrapped(&[], data_dir, options, environment)
}

/// Nothing of the tests' own environment but the path reaches the program.
fn wrapped(
    wrapper: &[&str],
    data_dir: &Path,
    options: &[&str],
    environment: &[(&str, &str)],
) -> Command {
    let mut words = wrapper
        .iter()
        .copied()
        .chain([env!("CARGO_BIN_EXE_parlance")]);
    let mut command = Command::new(words.next().expect("one at least"));
    command
        .args(words)
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("PARLANCE_DATA_DIR", data_dir)
        .envs(database_url(data_dir).map(|url| ("DATABASE_URL", url)))
        .envs(environment.iter().copied())
        .args(options);
    command
}
