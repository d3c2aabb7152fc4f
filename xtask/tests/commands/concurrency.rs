//! Several runs at once.

use crate::support::fixture::{JOURNAL_HISTORY, LIBRARY_HISTORY, LIBRARY_TABLES};
use crate::support::sql::Session;
use crate::support::{DEADLINE, Server, Workspace, eventually, server_and_workspace, set_up, sql};

/// Fails unless every migration of the fixture was applied exactly once.
#[track_caller]
fn assert_applied_once(login: impl Fn(&str) -> sqlx::postgres::PgConnectOptions) {
    assert_eq!(sql::applied(&login("library"), LIBRARY_HISTORY), [1, 2]);
    assert_eq!(sql::applied(&login("journal"), JOURNAL_HISTORY), [1]);
    assert_eq!(sql::tables(&login("library")), LIBRARY_TABLES);
}

/// Makes another checkout that shares the databases of the first one, whose `db-setup` has ended.
fn sharing(first: &Workspace) -> Workspace {
    let second = Workspace::generic().build();
    second.write(".env.ci", first.read(".env.ci"));
    second.run(&["db-setup", "--share"]).code(0);
    second
}

#[track_caller]
fn run_at_once(workspaces: &[&Workspace], runs: usize, arguments: &[&str]) {
    let started: Vec<_> = (0..runs).map(|run| workspaces[run % workspaces.len()].xtask(arguments).start()).collect();
    for run in started {
        run.wait().code(0);
    }
}

#[test]
fn sixteen_runs_on_a_running_server() {
    let (server, workspace) = server_and_workspace();
    run_at_once(&[&workspace], 16, &["db-setup"]);
    assert_applied_once(|database| server.admin(database));
    server.assert_only(&["journal", "library"]);
    run_at_once(&[&workspace], 16, &["db-setup"]);
    assert_applied_once(|database| server.admin(database));
}

#[test]
fn sixteen_runs_without_a_running_server() {
    let workspace = Workspace::generic().build();
    run_at_once(&[&workspace], 16, &["db-setup"]);
    assert_applied_once(|database| workspace.login(database));
    assert_eq!(workspace.read(".env"), workspace.read(".env.ci"));
    workspace.run(&["db-stop"]).code(0);
}

/// Two checkouts share no file that they could lock. The lock on the server keeps their runs apart.
#[test]
fn two_checkouts_on_one_server() {
    let (server, first) = set_up();
    let second = sharing(&first);
    let drop_both = || ["journal", "library"].map(|name| server.execute("postgres", &format!("DROP DATABASE {name}")));
    drop_both();
    second.run(&["db-setup"]).code(0);
    first.run(&["db-setup", "--share"]).code(0);
    drop_both();
    // Now either may be the first to make them.
    run_at_once(&[&first, &second], 12, &["db-setup"]);
    assert_applied_once(|database| server.admin(database));
    server.assert_only(&["journal", "library"]);
}

#[test]
fn four_verifications_at_once() {
    let (server, workspace) = server_and_workspace();
    workspace.run(&["db-setup"]).code(0);
    // Each run makes its own scratch database.
    run_at_once(&[&workspace], 4, &["db-verify", "--write"]);
    run_at_once(&[&workspace], 4, &["db-verify"]);
    server.assert_only(&["journal", "library"]);
}

/// If a run held a snapshot while it waits for the lock, three of four runs would fail with "deadlock detected".
#[test]
fn an_index_that_is_built_concurrently() {
    let (server, workspace) = server_and_workspace();
    workspace.add_migration(
        "library",
        "003_books_author_id_idx",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY books_author_id_idx ON books (author_id);\n",
    );
    workspace.accept_schema();
    for database in ["journal", "library"] {
        assert!(!server.databases().contains(&database.to_owned()));
    }
    run_at_once(&[&workspace], 4, &["db-setup"]);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2, 3]);
    let valid = "SELECT indisvalid::text FROM pg_index WHERE indexrelid = 'books_author_id_idx'::regclass";
    assert_eq!(server.query("library", valid), ["true"]);

    // The result is the same if everything except the index was applied before.
    server.execute("library", "DROP INDEX books_author_id_idx; DELETE FROM _sqlx.migrations WHERE version = 3");
    run_at_once(&[&workspace], 4, &["db-setup"]);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2, 3]);
    assert_eq!(server.query("library", valid), ["true"]);
}

/// A run that waits names the holder of the lock, and gives up after the timeout. The holder's run succeeds.
#[test]
fn the_holder_of_the_lock_is_named() {
    let (server, first) = set_up();
    let second = sharing(&first);
    // The migration waits for a lock that this test holds.
    for workspace in [&first, &second] {
        let up = "SELECT pg_advisory_lock(4711);\nSELECT pg_advisory_unlock(4711);\n";
        workspace.add_migration("library", "003_waits", up);
    }
    let mut session = Session::open(&server.admin("library")).unwrap();
    session.execute("SELECT pg_advisory_lock(4711)").unwrap();

    let holder = first.xtask(&["db-setup"]).start();
    eventually("the migration runs", DEADLINE, || {
        server.xtask_statements().iter().any(|statement| statement.contains("4711")).then_some(())
    });
    let late = second.run(&["db-setup", "--timeout", "1"]).fails().problem("server-busy");
    late.says(["xtask"]).mentions_one_of(&["waiting", "lock", "held"]);
    session.execute("SELECT pg_advisory_unlock(4711)").unwrap();
    session.close();
    holder.wait().code(0);
    second.run(&["db-setup"]).code(0);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2, 3]);
}

/// A run with nothing to do takes no lock, so it ends while another run holds the lock.
#[test]
fn a_run_with_nothing_to_do_does_not_wait() {
    let (server, first) = set_up();
    let second = sharing(&first);
    first.add_migration("library", "003_waits", "SELECT pg_advisory_lock(4711);\nSELECT pg_advisory_unlock(4711);\n");
    let mut session = Session::open(&server.admin("library")).unwrap();
    session.execute("SELECT pg_advisory_lock(4711)").unwrap();
    let holder = first.xtask(&["db-setup"]).start();
    eventually("the migration runs", DEADLINE, || {
        server.xtask_statements().iter().any(|statement| statement.contains("4711")).then_some(())
    });
    second.xtask(&["db-setup", "--timeout", "600"]).run().code(0);
    session.execute("SELECT pg_advisory_unlock(4711)").unwrap();
    session.close();
    holder.wait().code(0);
}

/// An open session in the template database must not make the creation of a database fail.
#[test]
fn an_open_session_in_template1() {
    let (server, workspace) = server_and_workspace();
    let session = Session::open(&server.admin("template1")).unwrap();
    workspace.run(&["db-setup"]).code(0);
    session.close();
    server.assert_only(&["journal", "library"]);
}

/// Servers of different tests have nothing in common. So the runs of the tests above did not succeed by luck.
#[test]
fn runs_on_two_servers_do_not_wait_for_each_other() {
    let (first_server, first) = server_and_workspace();
    let (second_server, second): (Server, Workspace) = server_and_workspace();
    run_at_once(&[&first, &second], 4, &["db-setup"]);
    first_server.assert_only(&["journal", "library"]);
    second_server.assert_only(&["journal", "library"]);
}
