//! A disk that is full, and one that fails. Nobody is told that something is
//! stored that is not; what is there can be read; when the disk is well again,
//! so is the server.

use std::fs;
use std::process::Command;

use super::*;
use crate::support::database_url;

/// Sends until storage fails, looks around, lets it be `mended`, and goes on.
async fn run_into(program: &Program, mended: impl FnOnce()) {
    let mut teller = Teller::new(program).await;
    let content = "x".repeat(3000);
    let mut count = 0;
    while teller.try_send(&format!("m{count}"), &content).await {
        count += 1;
        assert!(count < 5000, "the disk was to fail");
    }
    assert!(count > 5, "it worked at first");
    teller.check().await;
    assert!(!teller.try_send("still", &content).await);
    teller.check().await;
    mended();
    teller.insist("mended").await;
    assert!(teller.try_send("still", &content).await);
    teller.check().await;
}

/// A file system of its own, unmounted with the value.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let options = format!("size={size}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(folder.path())
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then_some(Self(folder))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_what_it_cannot_keep_and_nothing_else() {
    let Some(mount) = Mount::new("3m").filter(|mount| database_url(mount.0.path()).is_none())
    else {
        eprintln!("not tried: only root can mount a small file system, and only SQLite uses it");
        return;
    };
    let filler = mount.0.path().join("filler");
    fs::write(&filler, vec![0; 1024 * 1024]).expect("there is room");
    let data = mount.0.path().join("data");
    let program = Program::serve(&data, &OPTIONS, &[]);
    run_into(&program, || fs::remove_file(&filler).expect("removed")).await;
}

#[tokio::test]
async fn a_disk_that_fails_is_told_and_survived() {
    let folder = tempfile::tempdir().expect("a folder");
    if database_url(folder.path()).is_some() {
        return;
    }
    // Files of this process cannot grow past this; writes fail as those of a bad disk do.
    let limit = "trap '' XFSZ; exec prlimit --fsize=1500000:unlimited \"$0\" \"$@\"";
    let program = Program::under(&["sh", "-c", limit], folder.path(), &OPTIONS, &[]);
    let id = program.id();
    run_into(&program, || {
        let lifted = Command::new("prlimit")
            .args(["--pid", &id, "--fsize=unlimited:unlimited"])
            .status();
        assert!(lifted.expect("prlimit runs").success());
    })
    .await;
}
