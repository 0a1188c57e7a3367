//! The `parlance` command. Exit status: 0 after a wanted end, 2 when the
//! command line or a setting is wrong, 1 when something else failed.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use parlance::app::StartError;
use parlance::config::{Cli, Command, CreateUser, Problems, ServeOptions, UserCommand};
use parlance::descriptors;
use parlance::doctor::{self, Verdict};
use parlance::shutdown::Shutdown;
use parlance::{accounts, app, telemetry, transfer};
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        // Help is an error of this kind too; it knows its stream and its status.
        Err(error) => error.exit(),
    };
    let result = match cli.command {
        None => serve(&cli.serve),
        Some(Command::Serve(options)) => serve(&options),
        Some(Command::Doctor(options)) => examine(&options),
        Some(Command::User(UserCommand::Create(options))) => create_user(&options),
        Some(Command::HashPassword) => hash_password(),
        Some(Command::Backup(options)) => copy(transfer::backup(&options)),
        Some(Command::Migrate(options)) => copy(transfer::migrate(&options)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error),
    }
}

fn complain(error: &anyhow::Error) -> ExitCode {
    if let Some(problems) = error.downcast_ref::<Problems>() {
        for problem in problems.iter() {
            eprintln!("error: {problem}");
        }
        return ExitCode::from(2);
    }
    eprintln!("error: {}", sentence(error));
    match error.downcast_ref::<StartError>() {
        Some(error) if error.is_a_setting() => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    }
}

/// The error and its causes. Some libraries repeat the cause in their own
/// text; what was said is not said again.
fn sentence(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !said.contains(&cause) {
            let between = if said.is_empty() { "" } else { ": " };
            said = format!("{said}{between}{cause}");
        }
    }
    said
}

fn serve(options: &ServeOptions) -> anyhow::Result<()> {
    // Before the settings are read: one of them goes by it.
    descriptors::raise();
    let settings = options.validate()?;
    if options.operation.check_config {
        return say(&settings.to_string());
    }
    telemetry::start(&settings.log, settings.log_format);
    runtime()?.block_on(async {
        let mut shutdown = Shutdown::listen().context("cannot wait for signals")?;
        let mut running = app::start(settings).await?;
        let address = running.address();
        tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "accepting connections");
        say(&format!("listening on {}://{address}\n", running.scheme()))?;
        let signal = tokio::select! {
            signal = shutdown.requested() => signal,
            never = running.watch_certificate() => match never {},
        };
        tracing::info!(signal, "ending");
        tokio::select! {
            () = running.stop() => Ok(()),
            signal = shutdown.requested() => Err(anyhow!("ended at once by a second {signal}")),
        }
    })
}

fn examine(options: &ServeOptions) -> anyhow::Result<()> {
    descriptors::raise();
    let settings = options.validate()?;
    let findings = runtime()?.block_on(doctor::examine(&settings));
    say("good  settings: nothing is wrong with them\n")?;
    for finding in &findings {
        say(&format!("{finding}\n"))?;
    }
    match findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::Bad)
        .count()
    {
        0 => Ok(()),
        bad => Err(anyhow!("the server would not work: {bad} of these are bad")),
    }
}

fn create_user(options: &CreateUser) -> anyhow::Result<()> {
    let account = accounts::Account::read(options, || first_line(io::stdin().lock()))?;
    let user = runtime()?.block_on(account.create())?;
    say(&format!("created {} {}\n", user.role.as_str(), user.id))
}

fn hash_password() -> anyhow::Result<()> {
    let password = first_line(io::stdin().lock()).context("cannot read the password")?;
    let hash = accounts::hash_admin_password(&password)?;
    say(&format!("{hash}\n"))
}

/// Runs one of the commands that copy a store, and says what it did.
fn copy(done: impl Future<Output = Result<String, transfer::CommandError>>) -> anyhow::Result<()> {
    match runtime()?.block_on(done) {
        Ok(text) => say(&text),
        Err(transfer::CommandError::Options(problems)) => Err(problems.into()),
        Err(error) => Err(error.into()),
    }
}

fn first_line(mut input: impl io::BufRead) -> io::Result<String> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn runtime() -> anyhow::Result<Runtime> {
    Runtime::new().context("cannot start the runtime")
}

/// Standard output is for what scripts read: nothing else is written to it.
fn say(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("cannot write to standard output")
}
