//! What is printed, and the exit codes.

use std::fs;

use crate::support::{CI, Checkout, SOUND, program};

#[test]
fn for_people() {
    let checkout = Checkout::new();
    checkout.write(CI, format!("{SOUND}      - run: cargo xtask ci --only fromat\n      - uses: a/b/c@v1\n"));
    checkout.command().assert().code(1).stderr("").stdout(
        ".github/workflows/ci.yml:12:36: unknown-step: `fromat` is no step of `cargo xtask ci`.
  → The steps are: format, lint, db-setup, test.
.github/workflows/ci.yml:13:15: unpinned-action: `v1` is no full commit: who can move it there runs other code here.
  → Pin the commit that is meant, and say which version it is: a/b/c@<40 hex digits> # v1.2.3
  → The commits of all versions: git ls-remote --tags https://github.com/a/b
",
    );
}

#[test]
fn for_programs() {
    let checkout = Checkout::new();
    checkout.write(CI, format!("{SOUND}      - run: cargo xtask nothing\n"));
    checkout.command().args(["--format", "json"]).assert().code(1).stderr("").stdout(
        "{\"file\":\".github/workflows/ci.yml\",\"line\":12,\"column\":26,\"rule\":\"unknown-command\",\
         \"message\":\"`nothing` is no command of `cargo xtask`.\",\
         \"help\":[\"The commands are: ci, db-setup, db-stop.\"]}\n",
    );
}

#[test]
fn nothing_found() {
    let checkout = Checkout::new();
    checkout.write(CI, SOUND);
    checkout.command().assert().code(0).stderr("").stdout("Nothing found in 1 file.\n");
    checkout.command().args(["--format", "json"]).assert().code(0).stderr("").stdout("");
}

#[test]
fn no_workflows() {
    let checkout = Checkout::new();
    let folder = checkout.root().join(".github/workflows");
    let note = format!("There are no workflows in {}: nothing to check.\n", folder.display());
    checkout.command().assert().code(0).stderr("").stdout(note.clone());
    checkout.command().args(["--format", "json"]).assert().code(0).stderr("").stdout("");
    fs::create_dir_all(folder).unwrap();
    checkout.command().assert().code(0).stderr("").stdout(note);
}

#[test]
fn usage() {
    let checkout = Checkout::new();
    let root = checkout.root().to_str().unwrap();
    for arguments in [
        &["--root", root, "--steps", "a"][..],
        &["--root", root, "--commands", "a"],
        &["--steps", "a", "--commands", "a"],
        &["--root", root, "--steps", "", "--commands", "a"],
        &["--root", root, "--steps", "a", "--commands", "a", "--format", "xml"],
    ] {
        let output = program().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn no_such_folder() {
    let checkout = Checkout::new();
    let root = checkout.root().join("nothing");
    let error = format!("error: There is no folder {}.\n", root.display());
    program().arg("--root").arg(&root).args(["--steps", "a", "--commands", "a"]).assert().code(2).stderr(error);
}

#[cfg(unix)]
#[test]
fn files_that_cannot_be_read() {
    let checkout = Checkout::new();
    checkout.write(CI, SOUND);
    for name in ["a.yml", "b.yaml"] {
        std::os::unix::fs::symlink("nothing", checkout.root().join(".github/workflows").join(name)).unwrap();
    }
    let why = std::io::Error::from_raw_os_error(2);
    checkout
        .command()
        .assert()
        .code(2)
        .stdout("")
        .stderr(format!("error: Can't read .github/workflows/a.yml ({why}), .github/workflows/b.yaml ({why}).\n"));
}
