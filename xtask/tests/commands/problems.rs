//! Each word of `docs/troubleshooting.md` is provoked by a test, which asserts it. The tests below provoke those that no
//! other test has a use for.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::local::pid_files;
use crate::support::fixture::{PASSWORD, ROLE};
use crate::support::listener::Listener;
use crate::support::stand_in_docker::StandInDocker;
use crate::support::{
    DEADLINE, Workspace, eventually, free_port, is_root, process, server_and_workspace, set_mode, set_up, skip,
};

/// The words that no test can provoke, each with the reason.
const NOT_PROVOKED: [(&str, &str); 1] =
    [("cluster-not-stopped", "PostgreSQL has a minute to stop, and a test that waits for it would be the longest one")];

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
    let folder = workspace.add_program("failing", "cargo", "#!/bin/sh\necho 'error: no crate' >&2\nexit 101\n");
    let outcome = workspace.xtask(&["bench"]).env("CARGO", folder.join("cargo")).run().code(1);
    outcome.problem("tool-not-built").says(["error: no crate", "cargo build --package xtask-bench"]);
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
    let outcome =
        docker.run(&["db-setup", "--server", "compose", "--timeout", "1"]).code(6).problem("server-not-ready");
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
    doctor.run().code(0).problem("disk-full").says(["cargo clean"]);
}

/// Git hangs at a question of doctor's.
#[test]
fn program_slow() {
    let workspace = Workspace::generic().build();
    let script = "#!/bin/sh\ncase \"$*\" in *--eol*) exec sleep 645678 ;; esac\nexit 1\n";
    let folder = workspace.add_program("hangs", "git", script);
    let doctor = workspace.xtask(&["doctor", "--format", "json"]);
    doctor.path([folder, "/usr/bin".into(), "/bin".into()]).run().code(0).problem("program-slow");
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

/// The URLs name two servers, and one of them doesn't run.
#[test]
fn server_missing() {
    let (_server, workspace) = server_and_workspace();
    let elsewhere = format!("postgres://{ROLE}:{PASSWORD}@127.0.0.1:{}/journal", free_port());
    let run = workspace.xtask(&["db-setup"]).env("JOURNAL_URL", elsewhere).run();
    run.code(6).problem("server-missing").says(["cargo xtask db-setup"]);
}

/// The databases were made by somebody else, or in another encoding.
#[test]
fn may_not_write_and_encoding() {
    for (options, word) in [("", ""), (&format!("OWNER {ROLE} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"), "UTF8")]
    {
        let (server, workspace) = server_and_workspace();
        for database in ["library", "journal"] {
            server.execute("postgres", &format!("CREATE DATABASE {database} TEMPLATE template0 {options}"));
        }
        let outcome = workspace.run(&["db-setup"]).code(1).says(["ALTER DATABASE", word]);
        if word.is_empty() {
            outcome.problem("may-not-write")
        } else {
            outcome.problem("encoding")
        };
    }
}

#[test]
fn may_not_make() {
    let (server, workspace) = server_and_workspace();
    server.execute("postgres", &format!("ALTER ROLE {ROLE} NOCREATEDB"));
    workspace.run(&["db-setup"]).code(1).problem("may-not-make").says(["CREATE DATABASE", "CREATEDB"]);
}

/// Another run holds the lock of the checkout.
#[test]
fn checkout_busy() {
    let (_server, workspace) = server_and_workspace();
    workspace.write(".xtask/lock", "4711");
    let lock = std::fs::File::open(workspace.root().join(".xtask/lock")).unwrap();
    lock.lock().unwrap();
    workspace.run(&["db-setup", "--timeout", "1"]).code(1).problem("checkout-busy").says(["process 4711"]);
}

/// A table has the name of the history, and isn't one.
#[test]
fn history_unreadable() {
    let (server, workspace) = set_up();
    server.execute("library", "ALTER TABLE _sqlx.migrations RENAME COLUMN checksum TO sum");
    workspace
        .run(&["db-setup"])
        .fails()
        .problem("history-unreadable")
        .says(["_sqlx.migrations", "cargo xtask db-setup"]);
}

/// Somebody has dropped what the migrations made.
#[test]
fn database_empty() {
    let (server, workspace) = set_up();
    server.execute("journal", "DROP TABLE entries");
    let outcome = workspace.run(&["db-verify"]).code(4).problem("database-empty");
    outcome.says(["cargo xtask migrate add journal NAME"]);
}

/// The server answers, and has no database of that name.
#[test]
fn database_unreachable() {
    let (server, workspace) = set_up();
    server.execute("postgres", "DROP DATABASE journal");
    let missing = workspace.run(&["db-verify"]).code(6).problem("database-unreachable");
    missing.says(["the database doesn't exist", "→ cargo xtask db-setup"]);
}

/// The server that db-setup starts needs a password.
#[test]
fn no_password() {
    let workspace = Workspace::generic().build();
    let url = |database| format!("postgres://{ROLE}@127.0.0.1:{}/{database}", workspace.port());
    let run = workspace.xtask(&["db-setup"]).env("LIBRARY_URL", url("library")).env("JOURNAL_URL", url("journal"));
    run.run().code(1).problem("no-password").says(["Add a password"]);
}

/// A process may be the cluster's server, and neither the system nor the server says more.
#[test]
fn cluster_unclear() {
    let workspace = Workspace::ordinary().build();
    workspace.run(&["db-setup", "--server", "local"]).code(0);
    let [pid_file] = <[PathBuf; 1]>::try_from(pid_files(&workspace)).unwrap();
    workspace.run(&["db-stop"]).code(0);
    // The system hides the folder of a program that its user may not read.
    let folder = workspace.add_program("opaque", "sleep", "");
    std::fs::copy("/bin/sleep", folder.join("sleep")).unwrap();
    set_mode(&folder.join("sleep"), 0o111);
    let mut sleep = Command::new(folder.join("sleep"));
    if let Some(owner) = workspace.owner().filter(|_| is_root()) {
        process::become_user(&mut sleep, &process::user(owner).unwrap());
    }
    let mut process = sleep.arg("60").current_dir("/").spawn().unwrap();
    std::fs::write(&pid_file, format!("{}\n/nowhere\n0\n{}\n", process.id(), free_port())).unwrap();
    let outcome = workspace.run(&["db-setup", "--server", "local"]);
    process.kill().unwrap();
    process.wait().unwrap();
    outcome.code(6).problem("cluster-unclear").says([format!("ps -p {}", process.id())]);
}

/// Another program makes `.env` while the server is starting up.
#[test]
fn env_changed() {
    let (server, workspace) = server_and_workspace();
    let listener = Listener::starts_up(100, server.port);
    workspace.set_authority("127.0.0.1", listener.port, ROLE, PASSWORD);
    let run = workspace.xtask(&["db-setup", "--server", "running"]).start();
    eventually("the run waits for the server", DEADLINE, || (listener.connections() > 1).then_some(()));
    let own = workspace.write_own_env();
    run.wait().code(1).problem("env-changed").says(["cargo xtask db-setup"]);
    assert_eq!(workspace.read(".env"), own);
}

#[test]
fn no_env() {
    let workspace = Workspace::generic().build();
    let outcome = workspace.run(&["sqlx", "library", "migrate", "info"]).code(6).problem("no-env");
    outcome.says(["→ cargo xtask db-setup"]);
}

#[test]
fn same_names() {
    let workspace = Workspace::generic().build();
    let toml = workspace.read("crates/journal/sqlx.toml").replace("migrations/journal", "others/library");
    workspace.write("crates/journal/sqlx.toml", toml);
    workspace.run(&["db-setup"]).code(1).problem("same-names").says(["LIBRARY_URL"]);
}

/// The toolchain has only cargo.
#[test]
fn toolchain() {
    let workspace = Workspace::generic().build();
    let folder = workspace.add_program("toolchain", "cargo", "#!/bin/sh\necho cargo 1.95.0\n");
    let doctor = workspace.xtask(&["doctor", "--format", "json"]).env("CARGO", folder.join("cargo")).path([folder]);
    doctor.run().problem("toolchain").says(["rustup component add rustfmt clippy"]);
}
