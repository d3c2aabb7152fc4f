//! A server for tests, where the server of the URLs can't be used: shared by all processes, gone when they are.

use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::child;
use crate::child::GO;
use crate::support::fixture::{PASSWORD, ROLE};
use crate::support::{DEADLINE, Server, Workspace, eventually, process, server_and_workspace};

/// Fails unless everything of the servers for tests ends: the processes and the files.
#[track_caller]
fn assert_all_ends(workspace: &Workspace) {
    let base = workspace.base().display().to_string();
    // The reapers of the checkout's own folder stay.
    let left = || -> Vec<String> {
        process::in_folder(&base).into_iter().filter(|line| !line.split(' ').any(|word| word == "reaper")).collect()
    };
    eventually("no process is left", DEADLINE, || left().is_empty().then_some(()));
    let files = |folder: &Path| std::fs::read_dir(folder).unwrap().flatten().count();
    eventually("no file is left", DEADLINE, || (files(&workspace.base().join("tmp")) == 0).then_some(()));
}

/// A checkout at whose URLs nothing listens.
fn without_server() -> Workspace {
    Workspace::generic().filled_cache().build()
}

/// The address that a process says.
fn address(stdout: &str) -> String {
    let (_, rest) = stdout.split_once("made ").unwrap_or_else(|| panic!("{stdout}"));
    rest.split('/').next().unwrap().to_owned()
}

#[test]
fn processes_share_one_and_it_ends_with_them() {
    let workspace = without_server();
    let held = child(&workspace, "hold").start();
    eventually("the databases are made", DEADLINE, || held.stdout_has("made").then_some(()));
    let others: Vec<_> = (0..3).map(|_| child(&workspace, "make").start()).collect();
    let addresses: Vec<_> = others.into_iter().map(|run| address(&run.wait().code(0).stdout)).collect();
    workspace.write(GO, "");
    let first = address(&held.wait().code(0).stdout);
    assert!(addresses.iter().all(|other| *other == first), "{first} {addresses:?}");
    assert_all_ends(&workspace);
    // The next run begins with another one.
    child(&workspace, "make").run().code(0);
    assert_all_ends(&workspace);
}

#[test]
fn it_ends_when_its_processes_are_killed_and_survives_its_keeper() {
    let workspace = without_server();
    let held = child(&workspace, "hold").start();
    eventually("the databases are made", DEADLINE, || held.stdout_has("made").then_some(()));
    let keeper = || {
        let found = std::fs::read_dir("/proc").unwrap().flatten().find(|entry| {
            let line = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
            line.contains("xtask-test-server") && line.contains(&workspace.base().display().to_string())
        });
        found.and_then(|entry| entry.file_name().to_str()?.parse().ok()).map(Pid::from_raw)
    };
    kill(keeper().expect("the server has a keeper"), Signal::SIGKILL).unwrap();
    // Another process uses the same server, and gives it a new keeper.
    let other = child(&workspace, "make").run().code(0);
    assert!(held.stdout_has(&address(&other.stdout)), "{other}");
    held.kill();
    held.wait();
    assert_all_ends(&workspace);
}

#[test]
fn one_alone_has_a_superuser_inherits_no_file_and_ends_with_its_value() {
    let workspace = without_server();
    child(&workspace, "alone").run().code(0).says(["alone", "ended"]);
    // It was waited for.
    let tmp: Vec<_> = std::fs::read_dir(workspace.base().join("tmp")).unwrap().flatten().collect();
    assert!(tmp.is_empty(), "{tmp:?}");
    assert_all_ends(&workspace);
}

#[test]
fn it_is_used_where_the_role_may_not_make_databases() {
    let server = Server::start();
    let workspace = Workspace::generic().filled_cache().build();
    workspace.point_at(&server);
    server.execute("postgres", &format!("ALTER ROLE {ROLE} NOCREATEDB"));
    let run = child(&workspace, "make").run().code(0);
    assert_ne!(address(&run.stdout), format!("127.0.0.1:{}", server.port));
    assert_eq!(server.databases(), [""; 0]);
    assert_all_ends(&workspace);
    // Where there are no programs, both reasons are said.
    let empty = workspace.empty();
    let said = ["postgres and initdb aren't there", "The server of the URLs can't be used", "may not make databases"];
    child(&workspace, "make").env("XTASK_PG_BINDIR", empty).run().code(101).says(said);
}

#[test]
fn it_is_used_on_demand_and_never_for_a_wrong_password_elsewhere() {
    let (server, workspace) = server_and_workspace();
    let run = child(&workspace, "make").env("XTASK_TEST_SERVER", "own").run().code(0);
    assert_ne!(address(&run.stdout), format!("127.0.0.1:{}", server.port));
    child(&workspace, "make").env("XTASK_TEST_SERVER", "theirs").run().code(101).says(["it can only be own"]);
    server.execute("postgres", &format!("ALTER ROLE {ROLE} PASSWORD 'another'"));
    let run = child(&workspace, "make").run().code(0).lacks([PASSWORD]);
    assert_ne!(address(&run.stdout), format!("127.0.0.1:{}", server.port));
    assert_eq!(server.databases(), [""; 0]);
    assert_all_ends(&workspace);
}
