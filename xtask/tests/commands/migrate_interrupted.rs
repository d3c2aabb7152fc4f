//! `migrate down` and `migrate redo` that are killed, interrupted, asked about, or not alone. Each leaves the old state or the
//! new one, and the next run goes on from there.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use nix::sys::stat::Mode;

use crate::migrate_down::{add, applied, is_there, with_third};
use crate::support::fixture::ROLE;
use crate::support::run::{Invocation, whole_path};
use crate::support::sql::Session;
use crate::support::{DEADLINE, Running, Server, Workspace, eventually, skip, sql};
use crate::texts::recorded;

const REDO: [&str; 4] = ["migrate", "redo", "library", "--yes"];
const DOWN: [&str; 4] = ["migrate", "down", "library", "--yes"];

/// A third migration whose way down waits for a lock that the session holds.
fn waiting() -> (Server, Workspace, Session) {
    let (server, workspace) = with_third();
    let waits = "SELECT pg_advisory_lock(4711);\nDROP TABLE more;\nALTER TABLE books DROP COLUMN isbn;\n";
    add(&workspace, "003_more", &workspace.read("migrations/library/003_more.up.sql"), waits);
    // The new way down is recorded.
    workspace.run(&REDO).code(0);
    server.execute("library", "INSERT INTO more VALUES (1)");
    let mut session = Session::open(&server.admin("library")).unwrap();
    session.execute("SELECT pg_advisory_lock(4711)").unwrap();
    (server, workspace, session)
}

fn waits(server: &Server) -> bool {
    server.xtask_statements().iter().any(|statement| statement.contains("4711"))
}

/// The old state, with its row.
#[track_caller]
fn is_as_before(server: &Server) {
    assert_eq!((applied(server), is_there(server)), (vec![1, 2, 3], true));
    assert_eq!(recorded(server), ["1", "2", "3"]);
    assert_eq!(server.query("library", "SELECT id::text FROM more"), ["1"]);
}

/// Ends a run in the middle of the way down.
fn ended_in_the_middle(is_killed: bool) {
    for words in [DOWN, REDO] {
        let (server, workspace, session) = waiting();
        let run = workspace.xtask(&words).start();
        eventually("the way down waits", DEADLINE, || waits(&server).then_some(()));
        if is_killed {
            run.kill();
            drop(run.wait());
        } else {
            run.interrupt();
            run.wait().code(130).says(["done as a whole, or not at all", "cargo xtask db-verify"]);
        }
        eventually("its session is gone", DEADLINE, || (!waits(&server)).then_some(()));
        is_as_before(&server);
        workspace.run(&["db-setup"]).code(0).says(["nothing was changed"]);
        session.close();
        workspace.run(&words).code(0);
        server.assert_only(&["journal", "library"]);
    }
}

#[test]
fn ctrl_c_in_the_middle_of_a_way_down() {
    ended_in_the_middle(false);
}

#[test]
fn killed_in_the_middle_of_a_way_down() {
    ended_in_the_middle(true);
}

/// Kills runs, each as soon as it has reached the next point. Whatever is left, what the next run names is the way on.
#[test]
fn killed_at_points_of_a_redo() {
    let points =
        [r#""what":"003_more.down""#, r#""what":"003_more""#, r#""what":"004_index""#, r#""step":"library","outcome""#];
    for point in points {
        let (server, workspace) = with_third();
        let index = "-- no-transaction\nCREATE INDEX CONCURRENTLY by_title ON books (title, id);\n";
        add(&workspace, "003_more", "CREATE TABLE more (id integer, name text);\n", "DROP TABLE more;\n");
        // This one can't be a part of the transaction, so there are three states.
        add(&workspace, "004_index", index, "-- no-transaction\nDROP INDEX CONCURRENTLY by_title;\n");
        workspace.accept_schema();
        let mut run = workspace.xtask(&[&REDO[..], &["--format", "json"]].concat()).start();
        eventually(point, DEADLINE, || (run.stdout_has(point) || run.has_ended()).then_some(()));
        if !run.has_ended() {
            run.kill();
        }
        drop(run.wait());
        eventually("its sessions are gone", DEADLINE, || server.xtask_statements().is_empty().then_some(()));
        // The old state asks for the command again, and the others for db-setup.
        let outcome = workspace.run(&["db-setup"]);
        if outcome.status.code() == Some(5) {
            outcome.says(["cargo xtask migrate redo library"]);
            workspace.run(&REDO).code(0);
        }
        workspace.run(&["db-setup"]).code(0).says(["nothing was changed"]);
        assert_eq!(applied(&server), [1, 2, 3, 4], "{point}");
        assert_eq!(recorded(&server), ["1", "2", "3", "4"], "{point}");
        eventually("nothing else is left", DEADLINE, || (server.databases() == ["journal", "library"]).then_some(()));
    }
}

/// The server ends the session that holds the lock, and another run may be at work.
#[test]
fn the_setup_lock_is_lost() {
    let (server, workspace, session) = waiting();
    let run = workspace.xtask(&DOWN).start();
    eventually("the way down waits", DEADLINE, || waits(&server).then_some(()));
    let end = "SELECT pg_terminate_backend(pid, 20000)::text FROM pg_stat_activity WHERE datname = 'postgres' AND \
               application_name LIKE 'xtask migrate-down %'";
    assert_eq!(server.query("postgres", end), ["true"]);
    session.close();
    run.wait().code(6).problem("connection-lost").says(["setup lock"]);
    eventually("its session is gone", DEADLINE, || server.xtask_statements().is_empty().then_some(()));
    is_as_before(&server);
}

/// Two runs wait for each other, and each finds what the other has left.
#[test]
fn two_runs_at_once() {
    let (server, workspace) = with_third();
    let runs = [DOWN, REDO, DOWN].map(|words| workspace.xtask(&words).start());
    let outcomes = runs.map(Running::wait);
    // What is left depends on the order, and never is a half.
    for outcome in outcomes {
        assert!([Some(0), Some(4), Some(5)].contains(&outcome.status.code()), "{outcome}");
    }
    workspace.run(&["db-setup"]).code(0);
    assert_eq!((applied(&server), is_there(&server)), (vec![1, 2, 3], true));
}

/// Rows that others add while the user isn't asked aren't lost without a question.
#[test]
fn a_row_that_is_added_meanwhile() {
    let (server, workspace) = with_third();
    let mut session = Session::open(&server.admin("library")).unwrap();
    session.execute("BEGIN; INSERT INTO more VALUES (1)").unwrap();
    let run = workspace.xtask(&["migrate", "down", "library"]).start();
    let locks = || server.xtask_statements().iter().any(|statement| statement.starts_with("LOCK TABLE"));
    eventually("the run waits for the row", DEADLINE, || locks().then_some(()));
    session.execute("COMMIT").unwrap();
    session.close();
    run.wait().code(1).problem("not-confirmed").says(["table public.more with 1 row"]);
    assert_eq!((applied(&server), is_there(&server)), (vec![1, 2, 3], true));
}

/// Another checkout's database is refused, and so is a role that may only read.
#[test]
fn databases_that_may_not_be_changed() {
    let (server, workspace) = with_third();
    let second = Workspace::generic().build();
    second.write(".env.ci", workspace.read(".env.ci"));
    second.write_own_env();
    for words in [DOWN, REDO] {
        second.run(&words).code(6).problem("other-checkout").says(["Nothing was changed"]);
    }
    server.execute("postgres", &format!("ALTER ROLE {ROLE} SET default_transaction_read_only = on"));
    for words in [DOWN, REDO] {
        workspace.run(&words).code(6).problem("read-only");
    }
    server.execute("postgres", &format!("ALTER ROLE {ROLE} RESET default_transaction_read_only"));
    assert_eq!((applied(&server), is_there(&server)), (vec![1, 2, 3], true));
}

/// A run on a terminal, which the test types into.
struct Terminal<'a> {
    run: Running<'a>,
    keys: std::fs::File,
}

impl<'a> Terminal<'a> {
    /// Returns `None` where there is no program that gives a run a terminal.
    fn start(workspace: &'a Workspace, words: &str) -> Option<Self> {
        let path = whole_path();
        let script = std::env::split_paths(&path).map(|folder| folder.join("script")).find(|file| file.exists())?;
        if !cfg!(target_os = "linux") {
            return None;
        }
        let keys = workspace.base().join("keys");
        drop(std::fs::remove_file(&keys));
        nix::unistd::mkfifo(&keys, Mode::from_bits_truncate(0o600)).unwrap();
        let program = PathBuf::from(env!("CARGO_BIN_EXE_xtask"));
        assert!(std::fs::metadata(&program).unwrap().permissions().mode() & 0o100 != 0);
        let line = format!(
            "exec '{}' -qefc \"'{}' {words}\" /dev/null < '{}'",
            script.display(),
            program.display(),
            keys.display()
        );
        let run = Invocation::of(workspace, "/bin/sh", &["-c", &line]).env("TERM", "xterm").start();
        let keys = OpenOptions::new().write(true).open(keys).unwrap();
        Some(Self { run, keys })
    }

    /// Types as soon as the run asks.
    fn answers(mut self, keys: &str) -> crate::support::Outcome {
        eventually("the run asks", DEADLINE, || self.run.stdout_has("Type yes to go on").then_some(()));
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.run.wait()
    }
}

#[test]
fn a_user_on_a_terminal_is_asked() {
    let (server, workspace) = with_third();
    server.execute("library", "INSERT INTO more VALUES (1)");
    let words = "migrate down library";
    let Some(terminal) = Terminal::start(&workspace, words) else { skip!("there is no script(1) of Linux here") };
    // The lock isn't held while the user thinks.
    eventually("the run asks", DEADLINE, || terminal.run.stdout_has("Type yes to go on").then_some(()));
    workspace.run(&["db-setup", "--timeout", "5"]).code(0);
    workspace.add_migration("journal", "002_more", "SELECT 1;\n");
    workspace.run(&["db-setup", "--timeout", "5"]).code(0);
    let outcome = terminal.answers("no\n").code(1).problem("not-confirmed");
    outcome.says(["table public.more with 1 row", "the answer wasn't yes"]);
    is_as_before(&server);

    let outcome = Terminal::start(&workspace, words).unwrap().answers("\x03").code(130);
    outcome.says(["Interrupted"]);
    is_as_before(&server);

    // More rows are lost than the user has agreed to, so it asks again.
    let mut terminal = Terminal::start(&workspace, words).unwrap();
    eventually("the run asks", DEADLINE, || terminal.run.stdout_has("Type yes to go on").then_some(()));
    server.execute("library", "INSERT INTO more VALUES (2)");
    terminal.keys.write_all(b"yes\n").unwrap();
    eventually("the run asks again", DEADLINE, || terminal.run.stdout_has("with 2 rows").then_some(()));
    assert!(is_there(&server));
    terminal.keys.write_all(b"yes\n").unwrap();
    terminal.run.wait().code(0).says(["003_more taken back"]);
    assert_eq!((applied(&server), is_there(&server)), (vec![1, 2], false));
    assert_eq!(sql::tables(&server.admin("library")), ["authors", "books"]);
}
