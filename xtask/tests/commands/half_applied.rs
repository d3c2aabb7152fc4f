//! What a failed migration says about the state of its database is true, and the next run goes on from there.

use crate::support::fixture::LIBRARY_HISTORY;
use crate::support::sql::Session;
use crate::support::{DEADLINE, Outcome, Server, Workspace, eventually, server_and_workspace, set_up, sql};

const NOTHING: &str = "nothing of it was applied";

/// Runs db-setup with a third migration that fails.
#[track_caller]
fn fails(server: &Server, workspace: &Workspace, up: &str, is_there: bool) -> Outcome {
    workspace.add_migration("library", "003_breaks", up);
    let outcome = workspace.run(&["db-setup"]).fails().says(["003_breaks"]);
    assert_eq!(is_half_there(server), is_there, "{outcome}");
    let applied = format!("SELECT version::text FROM {LIBRARY_HISTORY} WHERE success ORDER BY version");
    assert_eq!(server.query("library", &applied), ["1", "2"], "{outcome}");
    if is_there { outcome.lacks([NOTHING]) } else { outcome.says([NOTHING]) }
}

fn is_half_there(server: &Server) -> bool {
    server.query("library", "SELECT to_regclass('half')::text") == ["half"]
}

/// Corrects the third migration. Every way to fail must leave a way on.
#[track_caller]
fn is_corrected(server: &Server, workspace: &Workspace) {
    workspace.add_migration("library", "003_breaks", "CREATE TABLE half (id integer);\n");
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2, 3]);
}

#[test]
fn a_file_that_commits_by_itself() {
    let (server, workspace) = set_up();
    let up = "CREATE TABLE half (id integer);\nCOMMIT;\nCREATE TABLE other (id integer);\nSELECT missing;\n";
    let outcome = fails(&server, &workspace, up, true).code(1);
    let undo = format!("DELETE FROM {LIBRARY_HISTORY} WHERE version = 3 AND NOT success");
    outcome.says(["migrations/library/003_breaks.up.sql:4:8", "COMMIT in line 2", "is still there", &undo]);
    // What followed the COMMIT was undone.
    assert_eq!(server.query("library", "SELECT to_regclass('other')::text"), [""]);
    // The next run doesn't begin it again, because a half of it is there.
    workspace.run(&["db-setup"]).code(5).says(["version 3", "unfinished", &undo]).lacks(["already exists"]);
    server.execute("library", &format!("DROP TABLE half; {undo}"));
    is_corrected(&server, &workspace);
}

/// The COMMIT itself fails, so there is nothing that it has committed.
#[test]
fn a_file_whose_own_commit_fails() {
    let (server, workspace) = set_up();
    let up = "CREATE TABLE half (id integer UNIQUE DEFERRABLE INITIALLY DEFERRED);\n\
              INSERT INTO half VALUES (1), (1);\nCOMMIT;\n";
    fails(&server, &workspace, up, false).code(1).says(["003_breaks.up.sql:3:1", "duplicate key"]);
    is_corrected(&server, &workspace);
}

#[test]
fn a_file_that_begins_and_commits_by_itself() {
    let (server, workspace) = set_up();
    workspace.add_migration("library", "003_whole", "BEGIN;\nCREATE TABLE half (id integer);\nCOMMIT;\n");
    workspace.add_migration("library", "004_open", "COMMIT;\nBEGIN;\nCREATE TABLE other (id integer);\n");
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2, 3, 4]);
    server.assert_only(&["journal", "library"]);
}

/// The run is killed while the second transaction of the file is under way.
#[test]
fn a_file_that_commits_by_itself_and_is_killed() {
    let (server, workspace) = set_up();
    let up = "CREATE TABLE half (id integer);\nCOMMIT;\nSELECT pg_sleep(600);\n";
    workspace.add_migration("library", "003_breaks", up);
    let run = workspace.xtask(&["db-setup"]).start();
    let sleeps = || server.xtask_statements().iter().any(|statement| statement.contains("pg_sleep"));
    eventually("the second half runs", DEADLINE, || (is_half_there(&server) && sleeps()).then_some(()));
    run.kill();
    drop(run.wait());
    workspace.run(&["db-setup"]).code(5).says(["version 3", "unfinished"]);
    server.execute("library", &format!("DROP TABLE half; DELETE FROM {LIBRARY_HISTORY} WHERE NOT success"));
    is_corrected(&server, &workspace);
}

/// The server runs the statements of one message as one transaction.
#[test]
fn several_statements_outside_a_transaction() {
    let (server, workspace) = set_up();
    let up = "-- no-transaction\nCREATE TABLE half (id integer);\nSELECT missing;\n";
    fails(&server, &workspace, up, false).code(1).says(["003_breaks.up.sql:3:8"]);
    is_corrected(&server, &workspace);
}

#[test]
fn a_procedure_that_commits() {
    let (server, workspace) = set_up();
    let body = "CREATE PROCEDURE go() LANGUAGE plpgsql AS $$ BEGIN CREATE TABLE half (id integer); COMMIT; \
                RAISE 'too late'; END $$;\n";
    workspace.add_migration("library", "003_go", body);
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    workspace.add_migration("library", "004_breaks", "-- no-transaction\nCALL go();\n");
    let outcome = workspace.run(&["db-setup"]).code(1);
    assert!(is_half_there(&server));
    outcome.says(["004_breaks.up.sql:2:1", "too late", "are still there"]).lacks([NOTHING]);
}

#[test]
fn an_error_at_the_commit_has_no_place() {
    let (server, workspace) = set_up();
    let up =
        "CREATE TABLE half (id integer UNIQUE DEFERRABLE INITIALLY DEFERRED);\nINSERT INTO half VALUES (1), (1);\n";
    let outcome = fails(&server, &workspace, up, false).code(1);
    outcome.says(["duplicate key", "commit", "migrations/library/003_breaks.up.sql"]).lacks(["003_breaks.up.sql:"]);
    is_corrected(&server, &workspace);
}

#[test]
fn an_error_of_the_history_has_no_place() {
    let (server, workspace) = set_up();
    let up = format!("CREATE TABLE half (id integer);\nSELECT 1;\nALTER TABLE {LIBRARY_HISTORY} RENAME TO gone;\n");
    let outcome = fails(&server, &workspace, &up, false).code(1);
    outcome.says(["the history couldn't be written", LIBRARY_HISTORY]).lacks(["003_breaks.up.sql:"]);
    is_corrected(&server, &workspace);
}

/// The settings of a file don't reach this program's own statements.
#[test]
fn the_history_is_written_whatever_a_file_sets() {
    let (server, workspace) = set_up();
    let up = "SET standard_conforming_strings = off;\nSELECT set_config('search_path', '', false);\n\
              SET default_transaction_read_only = on;\nSET statement_timeout = '1ms';\n";
    workspace.add_migration("library", "003_sets", up);
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2, 3]);
}

/// The semicolon between the two commands of a rule ends no statement.
#[test]
fn the_place_of_an_error_after_a_rule_with_two_commands() {
    let (server, workspace) = set_up();
    let up = "CREATE TABLE half (id integer);\n\
              CREATE RULE twice AS ON DELETE TO half DO (INSERT INTO half VALUES (1); INSERT INTO half VALUES (2));\n\
              DELETE FROM half;\n\
              SELECT 1;\n\
              CREATE TABLE half (id integer);\n";
    fails(&server, &workspace, up, false).code(1).says(["003_breaks.up.sql:5:1", "already exists"]);
}

/// It can't be known here whether the server has applied it.
#[test]
fn a_session_that_the_server_ends() {
    let (server, workspace) = set_up();
    workspace.add_migration(
        "library",
        "003_waits",
        "CREATE TABLE half (id integer);\nSELECT pg_advisory_lock(4711);\n",
    );
    let mut session = Session::open(&server.admin("library")).unwrap();
    session.execute("SELECT pg_advisory_lock(4711)").unwrap();
    let run = workspace.xtask(&["db-setup"]).start();
    eventually("the migration waits", DEADLINE, || {
        server.xtask_statements().iter().any(|statement| statement.contains("4711")).then_some(())
    });
    let end = "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE query LIKE '%4711%' \
               AND application_name LIKE 'xtask migrate %'";
    assert_eq!(server.query("postgres", end), ["true"]);
    let outcome = run.wait().code(6).problem("connection-lost");
    outcome
        .says(["003_waits", "The next run finds out which", "cargo xtask db-setup"])
        .lacks([NOTHING, "Correct the migration"]);
    session.close();
    workspace.add_migration("library", "003_waits", "CREATE TABLE half (id integer);\n");
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
}

/// The same files make the same database, no matter how many of them were applied in one run.
#[test]
fn each_file_starts_from_the_same_state_of_the_session() {
    let (server, workspace) = server_and_workspace();
    let role = crate::support::fixture::ROLE;
    server.execute("postgres", &format!("CREATE ROLE owners; GRANT owners TO {role}"));
    let sets = "SELECT set_config('search_path', '', false);\nSET check_function_bodies = off;\nSET lock_timeout = '1s';\n\
                CREATE TEMP TABLE books (trap integer);\nPREPARE trap AS SELECT 1;\nLISTEN trap;\n\
                SELECT pg_advisory_lock(4712);\nSET ROLE owners;\n";
    let uses = "CREATE TABLE later (id integer DEFAULT 1);\nPREPARE trap AS SELECT 2;\nSELECT title FROM books;\n\
                DO $$ BEGIN IF current_user = 'owners' OR current_setting('lock_timeout') <> '0' OR \
                (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) > 0 \
                THEN RAISE 'a setting is left'; END IF; END $$;\n";
    workspace.add_migration("library", "003_sets", sets);
    workspace.add_migration("library", "004_uses", uses);
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2, 3, 4]);
    assert_eq!(server.query("library", "SELECT to_regclass('public.later')::text"), ["later"]);
}

/// A scratch database doesn't have the settings of the live one, so the files don't get them there either.
#[test]
fn the_settings_of_a_database_do_not_reach_the_files() {
    let (server, workspace) = set_up();
    server.execute("library", "ALTER DATABASE library SET search_path = 'nowhere'");
    workspace.add_migration("library", "003_later", "CREATE TABLE later (id integer);\n");
    workspace.accept_schema();
    // The setting itself is a difference, because no migration has made it.
    workspace.run(&["db-setup"]).code(4).says(["settings of the database"]);
    assert_eq!(server.query("library", "SELECT to_regclass('public.later')::text"), ["public.later"]);
}
