//! The setup lock: what could end the session that holds it, and what happens if it is lost all the same.

use crate::support::fixture::{JOURNAL_HISTORY, LIBRARY_HISTORY, ROLE};
use crate::support::sql::Session;
use crate::support::{DEADLINE, Server, Workspace, eventually, set_up, sql};

const WAITS: &str = "CREATE TABLE half (id integer);\nSELECT pg_advisory_lock(4711);\n";

/// Makes a checkout with a migration that waits until the session that is returned is closed.
fn waiting() -> (Server, Workspace, Session) {
    let (server, workspace) = set_up();
    workspace.add_migration("library", "003_waits", WAITS);
    workspace.accept_schema();
    let mut session = Session::open(&server.admin("library")).unwrap();
    session.execute("SELECT pg_advisory_lock(4711)").unwrap();
    (server, workspace, session)
}

fn waits(server: &Server) -> bool {
    server.xtask_statements().iter().any(|statement| statement.contains("4711"))
}

/// The role's own timeouts are as short as some administrators set them.
#[test]
fn timeouts_of_the_role_end_nothing() {
    let (server, workspace, session) = waiting();
    for timeout in ["idle_session_timeout", "idle_in_transaction_session_timeout", "statement_timeout", "lock_timeout"]
    {
        server.execute("postgres", &format!("ALTER ROLE {ROLE} SET {timeout} = '100ms'"));
    }
    let mut run = workspace.xtask(&["db-setup"]).start();
    let old = "SELECT count(*)::text FROM pg_stat_activity WHERE application_name LIKE 'xtask%' \
               AND query LIKE '%4711%' AND query_start < clock_timestamp() - interval '500 ms'";
    eventually("the migration has waited for longer than every timeout", DEADLINE, || {
        (run.has_ended() || server.query("postgres", old) == ["1"]).then_some(())
    });
    session.close();
    run.wait().code(0);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2, 3]);
}

/// Another run could have taken the lock, so nothing is committed.
#[test]
fn a_run_that_has_lost_the_lock_commits_nothing() {
    let (server, workspace, session) = waiting();
    let run = workspace.xtask(&["db-setup"]).start();
    eventually("the migration waits", DEADLINE, || waits(&server).then_some(()));
    // It returns when the session has ended, so that its lock is free.
    let end = "SELECT pg_terminate_backend(pid, 20000)::text FROM pg_stat_activity \
               WHERE application_name LIKE 'xtask db-setup%'";
    assert_eq!(server.query("postgres", end), ["true"]);
    session.close();
    run.wait().code(6).says(["setup lock", "cargo xtask db-setup"]).lacks(["Correct the migration"]);
    assert_eq!(server.query("library", "SELECT to_regclass('half')::text"), [""]);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2]);
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2, 3]);
    assert_eq!(sql::applied(&server.admin("journal"), JOURNAL_HISTORY), [1]);
    server.assert_only(&["journal", "library"]);
}
