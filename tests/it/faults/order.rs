//! The order in which the system was asked: the write of a message, the sync,
//! and only then anything that tells of it. `kill -9` cannot show this, because
//! the kernel keeps what a killed process has written.

use std::fs;
use std::process::Command;

use super::*;
use crate::support::database_url;

/// What the program asked of the system, in order.
struct Trace(Vec<String>);

impl Trace {
    /// The first line from `start` on for which `is` holds.
    fn find(&self, start: usize, what: &str, is: impl Fn(&str) -> bool) -> usize {
        let found = self.0[start..].iter().position(|line| is(line));
        start + found.unwrap_or_else(|| panic!("{what} is not in the trace"))
    }

    /// Where a message was written to the log, where that was synced, and where
    /// something was first said about it.
    fn places(&self, mark: &str) -> [usize; 3] {
        let quoted = |line: &str| line.contains(mark);
        let written = self.find(0, "the write", |line| {
            line.contains("pwrite64(") && quoted(line)
        });
        let synced = self.find(written, "the sync", is_sync);
        let said = self.find(0, "the acknowledgement", |line| {
            ["write(", "writev(", "sendto(", "sendmsg("]
                .iter()
                .any(|call| line.contains(&format!(" {call}")))
                && quoted(line)
        });
        [written, synced, said]
    }

    fn syncs(&self, from: usize, to: usize) -> usize {
        self.0[from..to].iter().filter(|line| is_sync(line)).count()
    }
}

/// The end of a sync that has succeeded.
fn is_sync(line: &str) -> bool {
    let calls = [
        " fdatasync(",
        " fsync(",
        "<... fdatasync resumed>",
        "<... fsync resumed>",
    ];
    calls.iter().any(|call| line.contains(call)) && line.trim_end().ends_with("= 0")
}

#[tokio::test]
async fn the_sync_comes_before_the_acknowledgement_and_one_is_enough_for_many() {
    let folder = tempfile::tempdir().expect("a folder");
    let strace = Command::new("strace").arg("-V").output();
    if database_url(folder.path()).is_some() || strace.is_err() {
        eprintln!("not tried: strace is missing, or the database syncs elsewhere");
        return;
    }
    let file = folder.path().join("trace");
    let calls = "trace=fsync,fdatasync,pwrite64,write,writev,sendto,sendmsg";
    let file_name = file.to_str().expect("text");
    let wrapper = [
        "strace",
        "-D",
        "-f",
        "-s",
        "100000",
        "-e",
        calls,
        "-e",
        "signal=none",
        "-o",
        file_name,
    ];
    let program = Program::under(&wrapper, &folder.path().join("data"), &OPTIONS, &[]);
    let ann = Person::register(program.address, "Ann").await;
    let chat = ann.lonely_chat().await;
    let mut live = ann.connect().await;
    let message = |mark: &str| json!({ "chatId": chat, "content": mark });
    let alone = live.ask("send-message", message("mark-alone.")).await;
    assert_eq!(alone["success"], true, "{alone}");
    let marks: Vec<String> = (0..64).map(|number| format!("mark-{number}.")).collect();
    let many: Vec<_> = marks.iter().map(|mark| message(mark)).collect();
    for answer in live.ask_all("send-message", &many).await {
        assert_eq!(answer["success"], true, "{answer}");
    }
    program.end("-TERM");
    let text = String::from_utf8_lossy(&fs::read(&file).expect("a trace")).into_owned();
    let trace = Trace(text.lines().map(str::to_owned).collect());

    let [written, synced, said] = trace.places("mark-alone.");
    assert!(
        written < synced && synced < said,
        "{written} {synced} {said}"
    );
    assert_eq!(
        trace.syncs(written, said),
        1,
        "one message, one sync, at once"
    );
    let (mut first, mut last) = (usize::MAX, 0);
    for mark in &marks {
        let [written, synced, said] = trace.places(mark);
        assert!(
            written < synced && synced < said,
            "{mark} {written} {synced} {said}"
        );
        (first, last) = (first.min(written), last.max(synced));
    }
    let syncs = trace.syncs(first, last + 1);
    assert!(
        syncs * 10 <= marks.len(),
        "{syncs} syncs for {} messages",
        marks.len()
    );
}
