//! The examples of `--help` are run as they stand there.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::run::{Invocation, whole_path};
use crate::support::{Server, Workspace};

/// These compile for minutes. The tests of these commands run them.
const COMPILING: [&str; 3] = ["ci", "db-prepare", "sqlx"];

/// The words behind `cargo xtask` of every example. The snapshots have the help of each command.
fn examples() -> BTreeSet<Vec<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let helps = files.filter(|file| file.file_name().unwrap().to_str().unwrap().starts_with("help"));
    let texts: Vec<String> = helps.map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let lines = texts.iter().flat_map(|text| text.lines()).filter_map(|line| line.strip_prefix("  cargo xtask "));
    lines.map(|line| words(line.split("  ").next().unwrap().split(" > ").next().unwrap())).collect()
}

/// A part in quotes is one word.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('"').enumerate().flat_map(|(at, part)| match at % 2 {
        0 => part.split_whitespace().collect(),
        _ => vec![part],
    });
    parts.map(str::to_owned).collect()
}

#[test]
fn every_example_of_the_help_can_be_typed() {
    let server = Server::start();
    // The role of the contract, which has to make the one that writes the audit trail.
    let (role, password) = ("quickcart", "a-passw0rd-of-this-test");
    server.create_role(role, password, "CREATEDB CREATEROLE");
    let workspace = Workspace::repository().build();
    workspace.set_authority("127.0.0.1", server.port, role, password);
    Invocation::of(&workspace, "git", &["init", "--quiet"]).env("PATH", whole_path()).run().code(0);
    let git = workspace.add_git();
    workspace.run(&["db-setup"]).code(0);
    let without_server = Workspace::repository().build();

    // A new migration has no statement yet, so nothing can be applied after it. A snapshot is saved before it is brought back,
    // and dropped after that.
    let mut all: Vec<_> = examples().into_iter().collect();
    all.sort_by_key(|words| match [words[0].as_str(), words.get(1).map_or("", String::as_str)] {
        ["db-snapshot", "save"] => 0,
        ["db-snapshot", "drop"] => 2,
        ["migrate", "add"] => 3,
        _ => 1,
    });
    let mut typed = 0;
    for words in all {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if COMPILING.contains(&words[0]) && words != ["ci", "--list"] {
            continue;
        }
        if words.contains(&"local") {
            without_server.run(&words).code(0);
            without_server.run(&["db-stop"]).code(0);
        } else {
            workspace.xtask(&words).path_first(git.clone()).run().code(0);
        }
        typed += 1;
    }
    assert!(typed >= 28, "{typed}");
}
