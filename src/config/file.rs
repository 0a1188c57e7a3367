//! The settings file: TOML whose keys are the names of the options, without the dashes in front.
//!
//! Its values become the defaults of the command line, so that flags win over the environment and
//! the environment over the file, by clap's own rules. A table joins its name to the keys in it:
//! `[host-jwt]` with `issuer` is `host-jwt-issuer`.

use std::ffi::OsString;
use std::path::Path;

use clap::{ArgAction, Command, CommandFactory as _, FromArgMatches as _};
use toml::{Table, Value};

use super::options::Cli;
use super::problem::Problems;

/// A setting of the file: the name of its option, and its value as the command line would have it.
type Entry = (String, String);

impl Cli {
    /// Reads the command line, the environment and, where one is named, the settings file. What is
    /// wrong with the file is kept for [`validate`](super::ServeOptions::validate).
    ///
    /// # Errors
    /// The command line cannot be understood, or asks for help.
    pub fn read<I, T>(arguments: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<OsString> + Clone,
    {
        let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        let cli = Self::from_arg_matches(&Self::command().try_get_matches_from(&arguments)?)?;
        let Some(file) = &cli.config else {
            return Ok(cli);
        };
        let mut problems = Problems::default();
        let entries = entries(file, &mut problems);
        let command = with_defaults(Self::command(), &entries);
        let mut cli = Self::from_arg_matches(&command.try_get_matches_from(&arguments)?)?;
        cli.keep(problems);
        Ok(cli)
    }

    fn keep(&mut self, problems: Problems) {
        use super::options::Command::{Backup, Doctor, HashPassword, Migrate, Serve, User};
        use super::options::UserCommand::Create;
        let storage = match &mut self.command {
            None => &mut self.serve.storage,
            Some(Serve(serve) | Doctor(serve)) => &mut serve.storage,
            Some(User(Create(create))) => &mut create.storage,
            Some(Backup(options)) => &mut options.storage,
            Some(Migrate(options)) => &mut options.storage,
            // It reads no setting.
            Some(HashPassword) => return,
        };
        storage.file_problems = problems;
    }
}

/// The options that a file may set: those that take a value.
pub(super) fn settable(argument: &clap::Arg) -> bool {
    matches!(argument.get_action(), ArgAction::Set)
        && !argument.is_hide_set()
        && argument.get_id() != "config"
}

/// Whatever of the file can be used; the rest goes to `problems`.
fn entries(file: &Path, problems: &mut Problems) -> Vec<Entry> {
    let place = format!("--config (PARLANCE_CONFIG) {}", file.display());
    let table = match read(file) {
        Ok(table) => table,
        Err(message) => {
            problems.add(place, message);
            return Vec::new();
        }
    };
    let mut entries = Vec::new();
    flatten("", table, &mut |name, value| match text(value) {
        _ if !is_known(&name) => problems.add(place.clone(), format!("`{name}` is no setting")),
        Some(text) => entries.push((name, text)),
        None => problems.add(
            place.clone(),
            format!("`{name}` must be a text, a number, or a list of them"),
        ),
    });
    entries
}

/// What is wrong is said without the text of the line: it may hold a secret.
fn read(file: &Path) -> Result<Table, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot be read: {error}"))?;
    text.parse::<Table>().map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map_or(1, |before| before.matches('\n').count() + 1);
        format!("line {line}: {}", error.message())
    })
}

fn flatten(prefix: &str, table: Table, each: &mut impl FnMut(String, Value)) {
    for (key, value) in table {
        let name = format!("{prefix}{key}");
        match value {
            Value::Table(inner) => flatten(&format!("{name}-"), inner, each),
            value => each(name, value),
        }
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Integer(number) => Some(number.to_string()),
        Value::Array(items) => {
            let items: Option<Vec<_>> = items.into_iter().map(text).collect();
            items.map(|items| items.join(","))
        }
        _ => None,
    }
}

fn is_known(name: &str) -> bool {
    let command = Cli::command();
    let mut arguments = command.get_arguments();
    arguments.any(|argument| settable(argument) && argument.get_long() == Some(name))
}

/// Secrets among them must not be shown by `--help`, so none is.
fn with_defaults(command: Command, entries: &[Entry]) -> Command {
    let command = command.mut_args(|argument| {
        let name = argument.get_long().unwrap_or_default();
        match entries.iter().find(|(known, _)| known == name) {
            Some((_, value)) => argument
                .default_value(value.clone())
                .hide_default_value(true),
            None => argument,
        }
    });
    command.mut_subcommands(|subcommand| with_defaults(subcommand, entries))
}

#[cfg(test)]
mod tests {
    use super::super::settings::Settings;
    use super::*;

    fn with_file(text: &str, options: &[&str]) -> Result<Settings, Problems> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("parlance.toml");
        std::fs::write(&file, text).expect("written");
        let arguments = ["parlance", "--config", file.to_str().expect("text")];
        let cli = Cli::read(arguments.iter().chain(options)).expect("known options");
        cli.serve.validate()
    }

    #[test]
    fn the_file_sets_what_the_command_line_leaves_open() {
        let text = "listen = \"[::1]:1\"\nregistration = \"closed\"\n\
                    cors-origins = [\"https://a.example\", \"https://b.example\"]\n";
        let settings = with_file(text, &["--listen=[::1]:2"])
            .expect("good")
            .to_string();
        for line in ["[::1]:2", "https://a.example,https://b.example", "closed"] {
            assert!(settings.contains(line), "{line}: {settings}");
        }
    }

    #[test]
    fn a_table_joins_its_name_to_its_keys() {
        let text = "[host-jwt]\nsecret = \"0123456789abcdef0123456789abcdef\"\n\
                    issuer = \"i\"\naudience = \"a\"\n";
        let settings = with_file(text, &[]).expect("good");
        assert_eq!(settings.host_tokens.expect("configured").issuer, "i");
    }

    #[test]
    fn every_problem_of_the_file_is_reported_beside_those_of_its_values() {
        let text = "lisen = \"x\"\ncheck-config = true\nlog = 1.5\nregistration = \"maybe\"\n\
                    jwt-secret = \"hunter2\"\n";
        let problems = with_file(text, &[]).expect_err("all wrong").to_string();
        for part in [
            "`lisen` is no setting",
            "`check-config` is no setting",
            "`log` must be",
            "--registration",
            "--jwt-secret",
        ] {
            assert!(problems.contains(part), "{part}: {problems}");
        }
        assert!(!problems.contains("hunter2"), "{problems}");
    }

    #[test]
    fn what_is_not_toml_is_named_by_its_line_without_its_text() {
        let problems = with_file("log = \"info\"\njwt-secret = hunter2\n", &[]);
        let problems = problems.expect_err("no TOML").to_string();
        assert!(problems.contains("line 2"), "{problems}");
        assert!(!problems.contains("hunter2"), "{problems}");
    }

    #[test]
    fn subcommands_read_the_file_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("parlance.toml");
        std::fs::write(&file, "log = \"debug\"\n").expect("written");
        let file = file.to_str().expect("text");
        let cli = Cli::read(["parlance", "serve", "--config", file]).expect("known options");
        let Some(super::super::Command::Serve(serve)) = cli.command else {
            panic!("not serving");
        };
        assert_eq!(serve.operation.log, "debug");
    }
}
