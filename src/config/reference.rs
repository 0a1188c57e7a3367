//! The reference page of all settings, made from the command line's own definition.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};

use super::file::settable;
use super::options::Cli;

const INTRODUCTION: &str = "# Configuration

Every setting is an option of the command line, a variable of the environment, and a key of the
settings file. The command line wins over the environment, the environment over the file.

The file is TOML; its keys are the names of the options without the dashes in front, and a table
joins its name to the keys in it:

```toml
listen = \"0.0.0.0:3000\"
cors-origins = [\"https://app.example\"]

[host-jwt]                      # the same as host-jwt-secret, host-jwt-issuer, …
secret = \"…\"
issuer = \"https://app.example\"
audience = \"chat\"
```

`parlance --check-config` reports every problem at once and otherwise prints what would be used, with
secrets masked. A wrong setting is exit status 2, and nothing is started.

This page is made from the code: `UPDATE_DOCS=1 cargo test -p parlance the_reference` writes it.
";

/// The page docs/configuration.md.
pub fn reference() -> String {
    let command = Cli::command();
    let mut page = INTRODUCTION.to_owned();
    let mut heading = None;
    for argument in arguments(&command) {
        let group = argument.get_help_heading();
        if heading != Some(group) {
            heading = Some(group);
            let title = group.unwrap_or("General");
            let _ = write!(
                page,
                "\n## {title}\n\n| option | variable | default | |\n|---|---|---|---|\n"
            );
        }
        page.push_str(&row(argument));
    }
    page
}

/// In the order of `--help`: the groups as they first come.
fn arguments(command: &Command) -> Vec<&Arg> {
    let shown = |argument: &&Arg| {
        !argument.is_hide_set() && !matches!(argument.get_id().as_str(), "help" | "version")
    };
    let all: Vec<&Arg> = command.get_arguments().filter(shown).collect();
    let mut headings: Vec<_> = all
        .iter()
        .map(|argument| argument.get_help_heading())
        .collect();
    headings.dedup();
    let mut sorted = Vec::new();
    for (at, heading) in headings.iter().enumerate() {
        if !headings[..at].contains(heading) {
            let group = all
                .iter()
                .filter(|argument| argument.get_help_heading() == *heading);
            sorted.extend(group.copied());
        }
    }
    sorted
}

fn row(argument: &Arg) -> String {
    let long = argument.get_long().unwrap_or_default();
    let value = argument.get_value_names().and_then(|names| names.first());
    let value = value.filter(|_| settable(argument) || long == "config");
    let value = value.map_or_else(String::new, |name| format!(" {}", escape(name)));
    let variable = argument.get_env().map(|name| name.to_string_lossy());
    let default = argument.get_default_values().first();
    let code = |text: Option<_>| text.map_or_else(String::new, |text: String| format!("`{text}`"));
    format!(
        "| `--{long}{value}` | {} | {} | {} |\n",
        code(variable.map(std::borrow::Cow::into_owned)),
        code(default.map(|value| value.to_string_lossy().into_owned())),
        escape(
            &argument
                .get_help()
                .map(ToString::to_string)
                .unwrap_or_default()
        ),
    )
}

fn escape(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socketio::proto::offence::Offence;

    #[test]
    fn the_reference_in_the_docs_is_what_the_code_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, reference()).expect("written");
        }
        let page = std::fs::read_to_string(path).expect("the page");
        assert!(
            page == reference(),
            "docs/configuration.md is stale: UPDATE_DOCS=1 cargo test -p parlance the_reference"
        );
    }

    #[test]
    fn every_setting_can_be_given_in_all_three_ways() {
        let command = Cli::command();
        for argument in arguments(&command) {
            let name = argument.get_long().expect("options have long names");
            let asks = ["check-config"].contains(&name);
            assert!(
                asks || argument.get_env().is_some(),
                "--{name} has no variable"
            );
        }
    }

    #[test]
    fn every_limit_is_in_the_operators_table_with_its_counter() {
        let guide = include_str!("../../docs/guide/operating.md");
        let (_, section) = guide.split_once("\n## Limits\n").expect("the section");
        let table = section.split("\n## ").next().unwrap_or_default();
        let command = Cli::command();
        let limits = arguments(&command).into_iter().filter(|argument| {
            let heading = argument.get_help_heading();
            heading.is_some_and(|heading| heading.starts_with("Limits"))
        });
        // Who is believed is no limit.
        let named = limits.filter_map(Arg::get_long);
        for name in named.filter(|name| *name != "trusted-proxies") {
            assert!(table.contains(&format!("`--{name}`")), "--{name}");
        }
        for offence in Offence::ALL {
            assert!(table.contains(offence.as_str()), "{}", offence.as_str());
        }
    }
}
