//! Runs of db-snapshot and db-reset that are cut, killed or interrupted. Both databases are the old ones or the new ones then,
//! and no row is lost.

use crate::db_snapshot::{databases, rows, write_rows};
use crate::support::fixture::{PASSWORD, ROLE};
use crate::support::sql::Session;
use crate::support::wire::{Failure, Wire};
use crate::support::{DEADLINE, Server, Workspace, eventually, set_up};

/// Runs a command over a wire that is cut after `last` messages. Returns how many messages there were.
pub(crate) fn run_over_wire(server: &Server, workspace: &Workspace, command: &[&str], last: usize) -> usize {
    let wire = Wire::new(server.port, Failure::Cut, last);
    let url = |database| format!("postgres://{ROLE}:{PASSWORD}@127.0.0.1:{}/{database}", wire.port);
    let run = workspace.xtask(command).env("LIBRARY_URL", url("library")).env("JOURNAL_URL", url("journal"));
    let outcome = run.run();
    assert!(matches!(outcome.status.code(), Some(0 | 1 | 6)), "{command:?} after message {last}: {outcome}");
    wire.messages()
}

/// Names the snapshots of this checkout.
pub(crate) fn snapshots(workspace: &Workspace) -> Vec<String> {
    let list = workspace.run(&["db-snapshot", "list", "--format", "json"]).code(0);
    let listed = list.events().into_iter().find(|event| event["event"] == "snapshots").unwrap();
    let sets = listed["snapshots"].as_array().unwrap();
    assert!(sets.iter().all(|set| set["missing"].as_array().unwrap().is_empty()), "a set is incomplete: {listed}");
    sets.iter().map(|set| set["name"].as_str().unwrap().to_owned()).collect()
}

/// Cuts a command at some of its messages, or at all of them with `XTASK_TEST_POINTS` set to `all`. `after` are the rows that
/// it leaves.
fn cut_at_points(command: &[&str], after: fn(&[String]) -> Vec<String>, points: usize) {
    let (server, workspace) = set_up();
    write_rows(&server, "kept");
    let kept = rows(&server);
    workspace.run(&["db-snapshot", "save", "kept"]).code(0);
    write_rows(&server, "present");
    let before = rows(&server);
    workspace.run(&["db-snapshot", "save", "before"]).code(0);
    let after = after(&kept);
    let whole = run_over_wire(&server, &workspace, command, usize::MAX);
    assert!(whole > 60, "{whole} messages");
    assert_eq!(rows(&server), after);
    workspace.run(&["db-snapshot", "restore", "before"]).code(0);
    let all = std::env::var_os("XTASK_TEST_POINTS").is_some_and(|points| points == "all");
    let points = if all { whole } else { points };
    for point in 1..points {
        let last = point * whole / points;
        let at = format!("{command:?} after message {last} of {whole}");
        let is_old = |name: &String| ["kept", "before"].contains(&name.as_str());
        for name in snapshots(&workspace).iter().filter(|name| !is_old(name)) {
            workspace.run(&["db-snapshot", "drop", name, "--yes"]).code(0);
        }
        run_over_wire(&server, &workspace, command, last);
        let (left, new) = (rows(&server), snapshots(&workspace).into_iter().find(|name| !is_old(name)));
        match new {
            None => assert_eq!(left, before, "{at}"),
            Some(name) => {
                assert_eq!(left, after, "{at}");
                workspace.run(&["db-snapshot", "restore", &name]).code(0);
                assert_eq!(rows(&server), before, "{at}");
            }
        }
        // The next run drops what was made aside.
        workspace.run(&["db-snapshot", "restore", "before"]).code(0);
        assert!(databases(&server).iter().all(|name| ["journal", "library"].contains(&name.as_str())), "{at}");
    }
    println!("{points} points of {whole} messages: {command:?}");
}

#[test]
fn a_reset_that_is_cut() {
    cut_at_points(&["db-reset", "--yes"], |_| Vec::new(), 5);
}

#[test]
fn a_restore_that_is_cut() {
    cut_at_points(&["db-snapshot", "restore", "kept"], <[String]>::to_vec, 5);
}

/// A snapshot has both databases, or isn't there.
#[test]
fn a_save_that_is_cut() {
    let (server, workspace) = set_up();
    write_rows(&server, "kept");
    let before = rows(&server);
    let save = ["db-snapshot", "save", "x"];
    let whole = run_over_wire(&server, &workspace, &save, usize::MAX);
    for point in 1..8 {
        if snapshots(&workspace) == ["x"] {
            workspace.run(&["db-snapshot", "drop", "x", "--yes"]).code(0);
        }
        run_over_wire(&server, &workspace, &save, point * whole / 8);
        assert_eq!(rows(&server), before);
        assert!(snapshots(&workspace).len() <= 1);
    }
}

/// A dropped set that is cut is incomplete, says so, and is dropped by the same command.
#[test]
fn an_incomplete_set() {
    let (server, workspace) = set_up();
    write_rows(&server, "kept");
    let before = rows(&server);
    workspace.run(&["db-snapshot", "save", "x"]).code(0);
    let journals = server.databases().into_iter().find(|name| name.starts_with("journal_snapshot_")).unwrap();
    server.execute("postgres", &format!("DROP DATABASE {journals}"));
    workspace.run(&["db-snapshot", "list"]).code(0).says(["library, but not journal"]);
    server.execute("library", "TRUNCATE books, authors");
    workspace.run(&["db-snapshot", "restore", "x"]).code(0).says(["\"x\" has no snapshot of journal"]);
    assert_eq!(rows(&server), before);
    workspace.run(&["db-snapshot", "drop", "x", "--yes"]).code(0);
    assert_eq!(snapshots(&workspace).len(), 1);
}

/// Whether a run waits for a lock.
fn waits(server: &Server) -> bool {
    let waits =
        "SELECT pid::text FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'xtask%'";
    !server.query("template1", waits).is_empty()
}

/// How a run ends.
#[derive(Clone, Copy)]
pub(crate) enum End {
    CtrlC,
    Kill,
    /// The session with the setup lock is ended.
    NoLock,
}

/// Starts a command, and ends it in the middle of its work: the first database is copied or has its new name already, and the
/// statement waits for the second one. Returns the exit code.
pub(crate) fn while_it_waits(server: &Server, workspace: &Workspace, command: &[&str], end: End) -> Option<i32> {
    let mut session = Session::open(&server.admin("postgres")).unwrap();
    session.execute("BEGIN; COMMENT ON DATABASE library IS 'changing'").unwrap();
    let run = workspace.xtask(command).start();
    eventually("the run waits", DEADLINE, || waits(server).then_some(()));
    match end {
        End::CtrlC => run.interrupt(),
        End::Kill => run.kill(),
        End::NoLock => server.execute(
            "template1",
            "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity WHERE application_name LIKE 'xtask db-reset %'",
        ),
    }
    let code = run.wait().status.code();
    session.execute("ROLLBACK").unwrap();
    session.close();
    code
}

fn with_rows() -> (Server, Workspace) {
    let (server, workspace) = set_up();
    write_rows(&server, "kept");
    (server, workspace)
}

#[test]
fn ctrl_c() {
    for command in [&["db-reset", "--yes"][..], &["db-snapshot", "save", "x"]] {
        let (server, workspace) = with_rows();
        assert_eq!(while_it_waits(&server, &workspace, command, End::CtrlC), Some(130));
        assert_eq!(rows(&server), ["author kept", "book kept", "entry kept"]);
        server.assert_only(&["journal", "library"]);
        workspace.run(command).code(0);
    }
}

/// Neither database has its new name then.
#[test]
fn killed() {
    let (server, workspace) = with_rows();
    while_it_waits(&server, &workspace, &["db-reset", "--yes"], End::Kill);
    assert_eq!(rows(&server), ["author kept", "book kept", "entry kept"]);
    assert!(snapshots(&workspace).is_empty());
    workspace.run(&["db-reset", "--yes"]).code(0);
    assert_eq!(databases(&server), ["journal", "journal", "library", "library"]);
    let name = snapshots(&workspace).remove(0);
    workspace.run(&["db-snapshot", "restore", &name]).code(0);
    assert_eq!(rows(&server), ["author kept", "book kept", "entry kept"]);
}

/// Another run may be at work by then.
#[test]
fn the_lock_is_lost() {
    let (server, workspace) = with_rows();
    let code = while_it_waits(&server, &workspace, &["db-reset", "--yes"], End::NoLock);
    assert_eq!(code, Some(6));
    assert_eq!(rows(&server), ["author kept", "book kept", "entry kept"]);
    assert!(snapshots(&workspace).is_empty());
    workspace.run(&["db-reset", "--yes"]).code(0);
}

/// A session that comes after the look at the sessions, and before the statement has locked the database, is ended as well.
#[test]
fn a_session_that_comes_late() {
    let (server, workspace) = set_up();
    server.execute("postgres", "CREATE ROLE gate");
    // The new databases are made before this migration, and exchanged after it.
    let waits_for_gate = "DO $$ BEGIN WHILE (SELECT rolconnlimit < 0 FROM pg_roles WHERE rolname = 'gate') LOOP \
                          PERFORM pg_sleep(0.01); END LOOP; END $$;\n";
    workspace.add_migration("library", "003_waits", waits_for_gate);
    let run = workspace.xtask(&["db-reset", "--yes"]).start();
    let is_migrating = || server.xtask_statements().iter().any(|statement| statement.contains("pg_sleep"));
    eventually("the migration runs", DEADLINE, || is_migrating().then_some(()));
    let mut catalog = Session::open(&server.admin("template1")).unwrap();
    catalog.execute("BEGIN; LOCK TABLE pg_database IN SHARE MODE").unwrap();
    server.execute("postgres", "ALTER ROLE gate CONNECTION LIMIT 5");
    eventually("the exchange waits", DEADLINE, || waits(&server).then_some(()));
    let late = Session::open(&workspace.login("library").application_name("late")).unwrap();
    catalog.execute("COMMIT").unwrap();
    catalog.close();
    run.wait().code(0).says(["Ended \"late\" in library"]);
    late.close();
}

/// Two servers have no common transaction. What one of them would refuse is found before the other one changes. If the second
/// one refuses after that, the first one's old database is in a snapshot, and the same command does the rest.
#[test]
fn two_servers() {
    let mut servers = [Server::start(), Server::start()];
    // The order of their addresses is the order in which they are changed.
    servers.sort_by_key(|server| server.port.to_string());
    let [library, journal] = &servers;
    let workspace = Workspace::generic().build();
    workspace.point_at(library);
    journal.create_role(ROLE, PASSWORD, "CREATEDB");
    let env = workspace
        .read(".env.ci")
        .replace(&format!("127.0.0.1:{}/journal", library.port), &format!("127.0.0.1:{}/journal", journal.port));
    workspace.write(".env", env);
    workspace.run(&["db-setup"]).code(0);
    library.execute("library", "INSERT INTO authors (name) VALUES ('kept')");
    journal.execute("journal", "INSERT INTO entries (entry) VALUES ('kept')");
    let rows = || {
        let authors = library.query("library", "SELECT 'author ' || name FROM authors");
        [authors, journal.query("journal", "SELECT 'entry ' || entry FROM entries")].concat()
    };
    let kept = ["author kept", "entry kept"];
    for (server, database) in [(library, "library"), (journal, "journal")] {
        let session = Session::open(&server.admin(database)).unwrap();
        workspace.run(&["db-reset", "--yes"]).code(1).problem("database-in-use");
        assert_eq!(rows(), kept);
        session.close();
    }

    // This migration ends when the role may not make databases any more, and so may not rename them.
    let waits = "DO $$ BEGIN WHILE (SELECT rolcreatedb FROM pg_roles WHERE rolname = current_user) LOOP \
                 PERFORM pg_sleep(0.01); END LOOP; END $$;\n";
    workspace.write("migrations/journal/002_waits.up.sql", waits);
    workspace.write("migrations/journal/002_waits.down.sql", "SELECT 1;\n");
    let run = workspace.xtask(&["db-reset", "--yes"]).start();
    let is_migrating = || journal.xtask_statements().iter().any(|statement| statement.contains("pg_sleep"));
    eventually("the migration runs", DEADLINE, || is_migrating().then_some(()));
    journal.execute("postgres", "ALTER ROLE keeper NOCREATEDB");
    let half = run.wait().code(1).problem("may-not-rename");
    half.says([format!("127.0.0.1:{} were exchanged already", library.port).as_str(), "same command again"]);
    assert_eq!(rows(), ["entry kept"]);
    journal.execute("postgres", "ALTER ROLE keeper CREATEDB");
    workspace.write("migrations/journal/002_waits.up.sql", "SELECT 1;\n");
    let first = workspace.run(&["db-snapshot", "list"]).code(0).says(["library, but not journal"]);
    workspace.run(&["db-reset", "--yes"]).code(0);
    assert!(rows().is_empty());
    let listed = first.stdout.lines().find(|line| line.contains("but not journal")).unwrap();
    workspace.run(&["db-snapshot", "restore", listed.trim().split(' ').next().unwrap()]).code(0);
    assert_eq!(rows(), ["author kept"]);
}

/// Two runs at the same time: one after the other.
#[test]
fn two_runs_at_once() {
    let (server, workspace) = set_up();
    write_rows(&server, "kept");
    let runs = ["a", "b", "c"].map(|name| workspace.xtask(&["db-snapshot", "save", name]).start());
    let reset = workspace.xtask(&["db-reset", "--yes"]).start();
    let same = workspace.xtask(&["db-snapshot", "save", "a"]).start();
    let codes: Vec<_> = runs.into_iter().chain([same]).map(|run| run.wait().status.code()).collect();
    assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 3, "{codes:?}");
    drop(reset.wait().code(0));
    assert_eq!(snapshots(&workspace).len(), 4);
    assert!(rows(&server).is_empty());
}
