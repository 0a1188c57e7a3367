//! The repository's own rules, checked by reading the tree: a rule that nothing enforces drifts.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Waits on the clock that are right where they are, each with its reason. Everything else waits
/// for a condition. Sleeps in stopped time (`start_paused`) are free.
const SLEEPS_ALLOWED: &[(&str, &str)] = &[
    (
        "tests/js/support/wait.js",
        "the one place that waits on the clock: bounds of condition waits, and rules about time",
    ),
    (
        "engineio/tests/it/abandoned.rs",
        "asks until the server holds nothing more, and lets clients outlast its time-outs",
    ),
    (
        "engineio/tests/it/handler.rs",
        "counts turns that must not happen: what could go wrong is given the time to",
    ),
    (
        "engineio/tests/it/server.rs",
        "lets all have their turn that wait for no time, with a stopped clock",
    ),
    (
        "engineio/tests/it/model.rs",
        "runs with a stopped clock, which sleeping steps",
    ),
    (
        "tests/js/reference/socketio_client_suite.js",
        "the delay is what the suite asks of the server's handshake",
    ),
];

const TOP_LEVEL: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "LICENSE",
    "src",
    "engineio",
    "migrations",
    "static",
    "fuzz",
    "tests",
    "docs",
];

const VAGUE_NAMES: &[&str] = &["util", "helper", "manager", "common"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What `.gitignore` keeps out of the tree by name, wherever it lies.
fn is_generated(name: &str) -> bool {
    matches!(
        name,
        ".git" | "target" | "data" | "node_modules" | "corpus" | "artifacts" | "coverage"
    )
}

/// Every file below `start` (relative to the root, `/` between the parts), in a fixed order.
fn files(start: &str) -> Vec<String> {
    let mut found = Vec::new();
    walk(&root().join(start), &mut found);
    let mut names: Vec<String> = found
        .iter()
        .filter_map(|path| path.strip_prefix(root()).ok())
        .map(|path| path.to_string_lossy().replace('\\', "/"))
        .collect();
    names.sort();
    names
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.map(|entry| entry.expect("the tree is readable")) {
        let path = entry.path();
        if is_generated(&entry.file_name().to_string_lossy()) {
            continue;
        }
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn rust_files(start: &str) -> Vec<String> {
    let mut names = files(start);
    names.retain(|name| name.ends_with(".rs"));
    names
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn is_test_file(name: &str) -> bool {
    // One of them is named after what it plays.
    let folders = ["/tests/", "/interleavings/"];
    let in_folder = folders.iter().any(|folder| name.contains(folder));
    name.starts_with("tests/") || in_folder || name.ends_with("tests.rs")
}

/// The lines of a Rust file by purpose, each with its number.
#[derive(Default)]
struct Lines {
    code: Vec<(usize, String)>,
    tests: Vec<(usize, String)>,
}

/// Separates tests from code and drops comments. Relies on rustfmt: a block ends at the indentation where it began.
fn separate(name: &str, source: &str) -> Lines {
    let mut lines = Lines::default();
    let mut block: Option<TestBlock> = None;
    for (index, line) in source.lines().enumerate() {
        let trimmed = line.trim_start();
        if trimmed == "#[cfg(test)]" && block.is_none() {
            block = Some(TestBlock::at(line.len() - trimmed.len()));
            continue;
        }
        if trimmed.starts_with("//") {
            continue;
        }
        let in_test = block.is_some() || is_test_file(name);
        let kind = if in_test {
            &mut lines.tests
        } else {
            &mut lines.code
        };
        kind.push((index + 1, line.to_owned()));
        if block.as_mut().is_some_and(|block| block.ends_with(line)) {
            block = None;
        }
    }
    lines
}

/// The item after a `#[cfg(test)]`.
struct TestBlock {
    indent: usize,
    opened: bool,
}

impl TestBlock {
    fn at(indent: usize) -> Self {
        Self {
            indent,
            opened: false,
        }
    }

    fn ends_with(&mut self, line: &str) -> bool {
        let at_level = line.len() - line.trim_start().len() == self.indent;
        if !self.opened {
            self.opened = line.trim_end().ends_with('{');
            return at_level && line.trim_end().ends_with([';', '}']);
        }
        at_level && line.trim_start().starts_with('}')
    }
}

/// `word` stands in `line` as a whole identifier (or path).
fn names(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(is_part) && !line[at + word.len()..].starts_with(is_part)
    })
}

/// One line for each place under `starts` where the code (tests apart) names one of `words`.
fn code_that_names(files: &[String], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        for (number, line) in separate(file, &read(file)).code {
            for word in words.iter().filter(|word| names(&line, word)) {
                found.push(format!("{file}:{number}: names {word}"));
            }
        }
    }
    found
}

fn assert_none(problems: &[String], rule: &str) {
    assert!(problems.is_empty(), "{rule}\n  {}\n", problems.join("\n  "));
}

#[test]
fn engineio_knows_nothing_of_what_stands_on_it() {
    let mut problems = code_that_names(
        &rust_files("engineio"),
        &["parlance", "socketio", "chat", "sqlx"],
    );
    let manifest = read("engineio/Cargo.toml");
    for (number, line) in manifest.lines().enumerate() {
        if names(line, "parlance") || names(line, "sqlx") {
            problems.push(format!("engineio/Cargo.toml:{}: {line}", number + 1));
        }
    }
    assert_none(&problems, "engineio is the lowest layer");
}

#[test]
fn socketio_knows_nothing_of_the_application() {
    let above = [
        "crate::chat",
        "crate::http",
        "crate::app",
        "crate::config",
        "sqlx",
    ];
    let problems = code_that_names(&rust_files("src/socketio"), &above);
    assert_none(&problems, "socketio stands on engineio alone");
}

#[test]
fn the_domain_of_the_chat_knows_nothing_of_transport_or_storage() {
    let outside = [
        "crate::http",
        "crate::socketio",
        "engineio",
        "hyper",
        "sqlx",
        "tokio",
    ];
    let problems = code_that_names(&rust_files("src/chat/domain"), &outside);
    assert_none(&problems, "the domain is values and their rules");
}

#[test]
fn sql_is_written_in_the_storage_alone() {
    let elsewhere: Vec<String> = rust_files("src")
        .into_iter()
        .filter(|name| !name.starts_with("src/chat/storage"))
        .collect();
    assert_none(
        &code_that_names(&elsewhere, &["sqlx"]),
        "storage is behind its traits",
    );
}

#[test]
fn the_sans_io_halves_have_no_runtime_no_clock_and_no_chance() {
    let proto: Vec<String> = ["engineio/src/proto", "src/socketio/proto"]
        .iter()
        .flat_map(|start| rust_files(start))
        .collect();
    let forbidden = [
        "tokio",
        "hyper",
        "Instant::now",
        "SystemTime",
        "rand",
        "getrandom",
        "std::net",
        "std::thread",
    ];
    assert_none(
        &code_that_names(&proto, &forbidden),
        "time and chance are passed in",
    );
}

#[test]
fn files_have_names_that_say_what_they_are() {
    let problems: Vec<String> = files("")
        .into_iter()
        .filter(|name| name.split('/').any(is_vague))
        .collect();
    assert_none(
        &problems,
        "no util, helper, manager or common: a file is named after its noun",
    );
}

fn is_vague(part: &str) -> bool {
    part.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .any(|word| VAGUE_NAMES.contains(&word.trim_end_matches('s')))
}

#[test]
fn the_top_level_holds_what_it_should_and_nothing_else() {
    let problems: Vec<String> = fs::read_dir(root())
        .expect("the root is readable")
        .map(|entry| entry.expect("the root is readable").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && !name.ends_with(".md"))
        .filter(|name| !is_generated(name) && !TOP_LEVEL.contains(&name.as_str()))
        .collect();
    assert_none(&problems, "these do not belong at the top level");
}

#[test]
fn nothing_is_unwrapped_outside_tests() {
    let mut problems = Vec::new();
    for file in rust_files("src").iter().chain(&rust_files("engineio/src")) {
        for (number, line) in separate(file, &read(file)).code {
            if line.contains(".unwrap()") {
                problems.push(format!("{file}:{number}"));
            }
        }
    }
    assert_none(
        &problems,
        "return a typed error, or `expect` with the reason why it cannot fail",
    );
}

#[test]
fn nothing_is_left_for_later() {
    let mut problems = Vec::new();
    for file in rust_files("")
        .iter()
        .filter(|file| !file.ends_with("tidy.rs"))
    {
        for (number, line) in read(file).lines().enumerate() {
            if ["todo!", "unimplemented!", "TODO", "FIXME", "dbg!"]
                .iter()
                .any(|mark| line.contains(mark))
            {
                problems.push(format!("{file}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert_none(&problems, "finish it, or leave it out");
}

#[test]
fn no_test_sleeps() {
    let mut problems = Vec::new();
    for file in files("").iter().filter(|file| !file.ends_with("tidy.rs")) {
        if SLEEPS_ALLOWED.iter().any(|(allowed, _)| allowed == file) {
            continue;
        }
        for number in sleeping_lines(file) {
            problems.push(format!("{file}:{number}"));
        }
    }
    assert_none(
        &problems,
        "step the clock by hand, or wait for a condition with a bound",
    );
}

fn sleeping_lines(file: &str) -> Vec<usize> {
    let is_script = file.ends_with(".js") || file.ends_with(".mjs");
    if file.ends_with(".rs") && !file.starts_with("tests/servers/") {
        sleeps_in_running_time(&separate(file, &read(file)).tests)
    } else if is_script && file.starts_with("tests/") {
        let source = read(file);
        let sleeps = |line: &str| line.contains("setTimeout(") || line.contains("waitForTimeout(");
        source
            .lines()
            .enumerate()
            .filter(|(_, line)| sleeps(line))
            .map(|(index, _)| index + 1)
            .collect()
    } else {
        Vec::new()
    }
}

/// Numbers of the lines that sleep, except in tests whose time stands still.
fn sleeps_in_running_time(tests: &[(usize, String)]) -> Vec<usize> {
    let mut paused = false;
    let mut found = Vec::new();
    for (number, line) in tests {
        if line.contains("#[tokio::test") {
            paused = line.contains("start_paused = true");
        }
        if !paused && names(line, "sleep") && line.contains("sleep(") {
            found.push(*number);
        }
    }
    found
}

#[test]
fn every_allowed_sleep_is_still_there() {
    for (file, reason) in SLEEPS_ALLOWED {
        assert!(!reason.is_empty(), "{file} is allowed without a reason");
        assert!(
            !sleeping_lines(file).is_empty(),
            "{file} sleeps no more: take it off the list"
        );
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut problems = Vec::new();
    for file in files("").iter().filter(|file| file.ends_with(".md")) {
        let directory = root().join(file);
        let directory = directory.parent().expect("a file lies in a directory");
        for link in local_links(&read(file)) {
            if !directory.join(&link).exists() {
                problems.push(format!("{file}: {link}"));
            }
        }
    }
    assert_none(&problems, "these links are broken");
}

/// The targets of `[text](target)` that are files of the repository, without their fragment.
fn local_links(text: &str) -> Vec<String> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter_map(|target| target.split('#').next())
        .filter(|target| !target.is_empty() && !target.contains(':') && !target.contains(' '))
        .map(str::to_owned)
        .collect()
}

#[test]
fn separate_tells_tests_from_code() {
    let source = "fn a() {}\n#[cfg(test)]\nuse x;\n// gone\nfn b() {}\n#[cfg(test)]\nmod tests {\n    fn c() {\n    }\n}\nfn d() {}\n";
    let lines = separate("src/x.rs", source);
    let text = |lines: &[(usize, String)]| -> Vec<String> {
        lines
            .iter()
            .map(|(_, line)| line.trim().to_owned())
            .collect()
    };
    assert_eq!(text(&lines.code), ["fn a() {}", "fn b() {}", "fn d() {}"]);
    assert_eq!(lines.code[1].0, 5);
    assert_eq!(lines.tests.len(), 5);
}

#[test]
fn names_finds_whole_words_alone() {
    assert!(names("use tokio::time;", "tokio"));
    assert!(names("let t = Instant::now();", "Instant::now"));
    assert!(!names("let operand = brand;", "rand"));
}
