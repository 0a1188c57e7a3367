//! Fetches the official browser client with npm and hands it to the crate as
//! embedded files.
//!
//! The client is a dependency, pinned with its checksums in
//! `package-lock.json`; it is installed into a folder of `OUT_DIR`, and nothing
//! is written into the tree. Without Node, npm or a network the build still
//! succeeds: the bundles are left out, a warning says why, and the next build
//! tries again.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

/// What the server hands out under `/socket.io/`, as the official server does.
const BUNDLES: [&str; 4] = [
    "socket.io.js",
    "socket.io.min.js",
    "socket.io.esm.min.js",
    "socket.io.msgpack.min.js",
];

/// Below the folder that `npm ci` fills.
const PACKAGE: &str = "node_modules/socket.io-client";
/// Below `OUT_DIR`.
const DIST: &str = "client/node_modules/socket.io-client/dist";

/// An install takes seconds; a network that swallows packets must not hold the
/// build for ever.
const INSTALL_LIMIT: Duration = Duration::from_secs(120);

fn main() -> io::Result<()> {
    let sources = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("static");
    let out = PathBuf::from(variable("OUT_DIR")?);
    for input in ["build.rs", "package.json", "package-lock.json"] {
        println!("cargo:rerun-if-changed=static/{input}");
    }
    let client = install(&sources, &out.join("client"));
    if let Err(why) = &client {
        println!("cargo:warning=the browser client is left out: {why}");
        println!(
            "cargo:warning=the server works, but /socket.io/*.js and the example page need it; \
             install Node.js with npm and build again"
        );
        // A file that is not there makes cargo run this again.
        println!("cargo:rerun-if-changed={}", out.join("missing").display());
    }
    fs::write(
        out.join("client_bundles.rs"),
        table(client.ok().as_deref())?,
    )
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(|error| io::Error::other(format!("{name}: {error}")))
}

/// Installs the locked packages into `target` unless they are there already;
/// gives the folder of the client's package.
fn install(sources: &Path, target: &Path) -> Result<PathBuf, String> {
    let package = target.join(PACKAGE);
    let lock = fs::read(sources.join("package-lock.json")).map_err(|error| error.to_string())?;
    let stamp = target.join("installed");
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) && complete(&package) {
        return Ok(package);
    }
    fs::create_dir_all(target).map_err(|error| error.to_string())?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(sources.join(name), target.join(name)).map_err(|error| error.to_string())?;
    }
    npm_ci(target)?;
    if !complete(&package) {
        return Err("the installed package lacks its bundles".to_owned());
    }
    fs::write(stamp, lock).map_err(|error| error.to_string())?;
    Ok(package)
}

fn complete(package: &Path) -> bool {
    BUNDLES
        .iter()
        .all(|name| package.join("dist").join(name).is_file())
}

fn npm_ci(target: &Path) -> Result<(), String> {
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let log = target.join("npm.log");
    let output = fs::File::create(&log).map_err(|error| error.to_string())?;
    let child = Command::new(npm)
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .args(["--prefer-offline", "--fetch-retries=1"])
        .current_dir(target)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(output)
        .spawn()
        .map_err(|error| format!("npm does not start: {error}"))?;
    match finish(child) {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("`npm ci` failed: {}", reason(&log))),
        Err(error) => Err(format!("`npm ci` failed: {error}")),
    }
}

/// Whether the child ended well within [`INSTALL_LIMIT`].
fn finish(mut child: Child) -> io::Result<bool> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if started.elapsed() > INSTALL_LIMIT {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::from(io::ErrorKind::TimedOut));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// The first line in which npm complains.
fn reason(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let mut complaints = text.lines().filter(|line| line.starts_with("npm error"));
    complaints
        .next()
        .unwrap_or("it does not say why")
        .to_owned()
}

/// The source of `CLIENT_VERSION` and `CLIENT_FILES`, which the crate includes.
fn table(package: Option<&Path>) -> io::Result<String> {
    let mut files = String::new();
    let mut version = None;
    if let Some(package) = package {
        version = Some(version_of(package)?);
        for name in BUNDLES {
            for file in [name.to_owned(), format!("{name}.map")] {
                if package.join("dist").join(&file).is_file() {
                    // Writing to a String cannot fail.
                    let _ = writeln!(
                        files,
                        "    ({file:?}, include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{DIST}/{file}\"))),"
                    );
                }
            }
        }
    }
    Ok(format!(
        "/// The version of the embedded client; `None` when it could not be installed.\n\
         pub const CLIENT_VERSION: Option<&str> = {version:?};\n\
         /// The client's bundles and source maps by file name.\n\
         pub static CLIENT_FILES: &[(&str, &[u8])] = &[\n{files}];\n"
    ))
}

fn version_of(package: &Path) -> io::Result<String> {
    let manifest = fs::read_to_string(package.join("package.json"))?;
    let version = manifest
        .lines()
        .find_map(|line| line.trim().strip_prefix("\"version\": \""))
        .and_then(|rest| rest.split('"').next());
    version
        .map(str::to_owned)
        .ok_or_else(|| io::Error::other("the client's package.json names no version"))
}
