//! Each word of `docs/troubleshooting.md` is provoked by a test, which asserts it. The tests below provoke those that no
//! other test has a use for.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use crate::support::fixture::{PASSWORD, ROLE};
use crate::support::stand_in_docker::StandInDocker;
use crate::support::{Workspace, is_root, server_and_workspace, set_mode, set_up, skip};

/// The words that no test can provoke, each with the reason.
const NOT_PROVOKED: [(&str, &str); 0] = [];

/// Each assertion of a word runs whenever the tests run. So a word in the sources is a word that was provoked.
#[test]
fn every_word_is_provoked() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(package.join("../docs/troubleshooting.md")).unwrap();
    let words: BTreeSet<_> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert!(!words.is_empty());
    let sources: String = files(&package.join("tests")).iter().map(|file| asserted(file)).collect();
    let asserted = |word: &str| {
        [format!(".problem(\"{word}\")"), format!("error[{word}]"), format!("\"code\":\"{word}\"")]
            .iter()
            .any(|assertion| sources.contains(assertion))
    };
    let excused: BTreeSet<_> = NOT_PROVOKED.iter().map(|(word, _)| *word).collect();
    let missing: Vec<_> = words.iter().filter(|word| !asserted(word) && !excused.contains(*word)).collect();
    assert!(missing.is_empty(), "no test asserts these words with .problem(\"WORD\"): {missing:#?}");
    let needless: Vec<_> = excused.iter().filter(|word| asserted(word) || !words.contains(*word)).collect();
    assert!(needless.is_empty(), "these words are provoked, or don't exist: {needless:#?}");
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The part of a file that may hold assertions: the code of a test, or a snapshot.
fn asserted(file: &Path) -> String {
    let is_snapshot = file.parent().is_some_and(|folder| folder.ends_with("snapshots"));
    if !is_snapshot && file.extension().is_none_or(|extension| extension != "rs") {
        return String::new();
    }
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().filter(|line| is_snapshot || !line.trim_start().starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// A tool behind the command can't be compiled.
#[test]
fn tool_not_built() {
    let workspace = Workspace::generic().build();
    let outcome = workspace.xtask(&["bench"]).with_cargo().run().code(1).problem("tool-not-built");
    outcome.says(["cargo build --package xtask-bench"]);
}

/// No port is left above the highest one.
#[test]
fn no_free_port() {
    let workspace = Workspace::generic().build();
    // If another program listens there, the port is taken as well.
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, u16::MAX));
    workspace.set_authority("127.0.0.1", u16::MAX, ROLE, PASSWORD);
    let outcome = workspace.run(&["db-setup", "--timeout", "1"]).code(6).problem("no-free-port");
    outcome.says(["cargo xtask db-setup"]);
}

/// The container runs, and nothing listens at its port.
#[test]
fn server_not_ready() {
    let workspace = Workspace::generic().build();
    let docker = StandInDocker::new(&workspace, "running");
    let outcome = docker.run(&["db-setup", "--server", "compose", "--timeout", "1"]).code(6).problem("server-not-ready");
    outcome.says(["cargo xtask db-setup --timeout 300"]);
}

/// The server has no template from which a database can be made.
#[test]
fn database_not_made() {
    let (server, workspace) = server_and_workspace();
    server.execute("postgres", "ALTER DATABASE template0 RENAME TO template_gone");
    let outcome = workspace.run(&["db-setup"]).code(1).problem("database-not-made");
    outcome.says(["template0", "cargo xtask db-setup"]);
}

/// Another file is in the place of the cluster's folder.
#[test]
fn cluster_files() {
    let workspace = Workspace::generic().build();
    workspace.write(".xtask/postgres", "");
    workspace.run(&["db-setup", "--server", "local"]).fails().problem("cluster-files").says(["cargo xtask doctor"]);
}

/// A file system of the kernel has no room at all.
#[test]
fn disk_full() {
    if !Path::new("/proc/self").exists() {
        skip!("there is no /proc here");
    }
    let workspace = Workspace::generic().build();
    let doctor = workspace.xtask(&["doctor", "--format", "json"]).env("XTASK_STATE_DIR", "/proc/nothing");
    doctor.run().fails().problem("disk-full").says(["cargo clean"]);
}

/// Git hangs at a question of doctor's.
#[test]
fn program_slow() {
    let workspace = Workspace::generic().build();
    let script = "#!/bin/sh\ncase \"$*\" in *--eol*) exec sleep 645678 ;; esac\nexit 1\n";
    let folder = workspace.add_program("hangs", "git", script);
    let doctor = workspace.xtask(&["doctor", "--format", "json"]);
    doctor.path([folder, "/usr/bin".into(), "/bin".into()]).run().fails().problem("program-slow");
}

/// The server fails in a way that nobody has thought of.
#[test]
fn unexpected() {
    let (server, workspace) = set_up();
    server.execute("library", "REVOKE SELECT ON pg_catalog.pg_class FROM PUBLIC");
    workspace.run(&["db-verify"]).fails().problem("unexpected").says(["cargo xtask doctor"]);
}

/// The account that runs PostgreSQL for root can't reach the folder that the user has named.
#[test]
fn no_account() {
    if !is_root() {
        skip!("the tests don't run as root");
    }
    let workspace = Workspace::generic().build();
    let closed = workspace.base().join("closed");
    std::fs::create_dir(&closed).unwrap();
    set_mode(&closed, 0o700);
    let run = workspace.xtask(&["db-setup", "--server", "local"]).env("XTASK_STATE_DIR", closed.join("state"));
    run.run().code(6).problem("no-account");
}
