//! Tests of the test support. A test that leaves something behind would disturb other tests.

use std::time::Duration;

use sqlx::postgres::PgSslMode;

use crate::support::listener::Listener;
use crate::support::{DEADLINE, Server, Workspace, eventually, mode, process, server_and_workspace, set_up, sql};

#[test]
fn a_server_is_private_and_leaves_nothing() {
    let mut server = Server::start();
    assert_eq!(server.query("postgres", "SELECT current_user::text"), ["test_admin"]);
    let folder = server.folder().parent().unwrap().to_owned();
    assert!(!process::in_folder(&folder.display().to_string()).is_empty());
    server.stop();
    assert!(!folder.exists());
    assert_eq!(process::in_folder(&folder.display().to_string()), Vec::<String>::new());
}

#[test]
fn a_listener_refuses_logins_and_then_passes_them_on() {
    let server = Server::start();
    let listener = Listener::starts_up(2, server.port);
    let login = server.admin("postgres").port(listener.port);
    for encryption in [PgSslMode::Disable, PgSslMode::Prefer] {
        let error = sql::try_query(&login.clone().ssl_mode(encryption), "SELECT ''").unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().unwrap(), "57P03");
    }
    assert_eq!(sql::query(&login, "SELECT 'ready'"), ["ready"]);
    assert_eq!(listener.connections(), 3);
    assert!(sql::try_query(&login.clone().port(Listener::closes().port), "SELECT ''").is_err());
}

/// Many tests begin with a copy of what another test's `db-setup` made.
#[test]
fn a_set_up_checkout_is_as_db_setup_leaves_it() {
    let state = |server: &Server, workspace: &Workspace| {
        let read = |(path, content, _): (std::path::PathBuf, Vec<u8>, _)| {
            let content = String::from_utf8(content).unwrap().replace(&workspace.port().to_string(), "PORT");
            (path.strip_prefix(workspace.root()).unwrap().to_owned(), mode(&path), content)
        };
        let files: Vec<_> = workspace.files().into_iter().map(read).collect();
        let state = std::fs::read_dir(workspace.root().join(".xtask")).unwrap().flatten();
        let mut state: Vec<_> = state.map(|entry| (entry.file_name(), mode(&entry.path()))).collect();
        state.sort();
        let owners = "SELECT datname || ' ' || pg_get_userbyid(datdba) FROM pg_database ORDER BY 1";
        let tables = ["library", "journal"].map(|database| sql::tables(&server.admin(database)));
        (files, state, server.query("postgres", owners), tables)
    };
    let (server, workspace) = server_and_workspace();
    workspace.run(&["db-setup"]).code(0);
    let (copied_server, copied) = set_up();
    assert_eq!(state(&copied_server, &copied), state(&server, &workspace));
    copied.run(&["db-setup"]).code(0).says(["nothing was changed"]);
}

/// A test that ends in order leaves no more behind than one that is killed.
#[test]
fn a_process_of_a_checkout_ends_with_it() {
    // The checkout is in the command line, or it is the folder in which the process works.
    for works_there in [false, true] {
        let workspace = Workspace::generic().build();
        let base = workspace.base().to_owned();
        let argument = format!("{}/lives-on", base.display());
        // The shell waits for input.
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(["-c", "read -r _"]).stdin(std::process::Stdio::piped());
        let folder = if works_there {
            shell.current_dir(workspace.root());
            workspace.root().display().to_string()
        } else {
            shell.arg(&argument);
            argument
        };
        let mut child = shell.spawn().unwrap();
        let input = child.stdin.take();
        // A process that has just become another program has no command line for a moment.
        eventually("the shell runs", DEADLINE, || (!process::in_folder(&folder).is_empty()).then_some(()));
        drop(workspace);
        // By now the shell was killed. If it was not, the end of its input ends it.
        drop(input);
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()), Some(9), "{works_there}");
        assert!(!base.exists());
    }
}

#[test]
fn a_secret_in_the_output_is_noticed() {
    let workspace = Workspace::generic().build();
    workspace.xtask(&["--help"]).run();
    workspace.add_secret("db-setup");
    let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| workspace.run(&["--help"])));
    assert!(seen.is_err());
}

/// A test process that is killed runs no destructors, but the processes that it started must end. The killed process is
/// this test binary, which starts a server, makes a checkout, and then waits.
#[test]
fn a_killed_test_leaves_nothing() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "support_itself::waits_to_be_killed", "--ignored", "--nocapture"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let folders: Vec<String> =
        lines.filter_map(|line| line.split_once("folder: ").map(|(_, path)| path.to_owned())).take(2).collect();
    assert_eq!(folders.len(), 2);
    child.kill().unwrap();
    child.wait().unwrap();
    for folder in folders {
        eventually(&format!("{folder} is deleted"), DEADLINE, || {
            (!std::path::Path::new(&folder).exists()).then_some(())
        });
        eventually(&format!("no process in {folder}"), Duration::from_secs(20), || {
            process::in_folder(&folder).is_empty().then_some(())
        });
    }
}

#[test]
#[ignore = "a_killed_test_leaves_nothing starts and kills it"]
fn waits_to_be_killed() {
    let server = Server::start();
    let workspace = Workspace::generic().build();
    println!("folder: {}", server.folder().parent().unwrap().display());
    println!("folder: {}", workspace.base().display());
    std::thread::sleep(DEADLINE);
}

/// Writes the fixture's schema files again, after a change to their form. Run it by name with `--ignored`.
#[test]
#[ignore = "writes into tests/fixtures"]
fn writes_the_fixtures_schema_files() {
    let (_server, workspace) = server_and_workspace();
    workspace.accept_schema();
    for name in ["library.sql", "journal.sql"] {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        std::fs::write(file, workspace.read(&format!("schema/{name}"))).unwrap();
    }
}
