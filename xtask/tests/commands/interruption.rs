//! Runs that are killed or interrupted. A plain run afterwards repairs everything.

use crate::support::fixture::{JOURNAL_HISTORY, LIBRARY_HISTORY, ROLE};
use crate::support::listener::Listener;
use crate::support::server::binaries;
use crate::support::sql::Session;
use crate::support::{DEADLINE, Running, Server, Workspace, eventually, process, server_and_workspace, sql};

/// Kills runs in one checkout, one after the other. Each one is killed as soon as it has reached the next of some points.
///
/// Each run finds what the killed runs before it left, and gets further than they did. A run that ends by itself, because
/// everything before its point is done, must have succeeded.
fn kill_at_each_point(workspace: &Workspace, points: &[&dyn Fn(&Running<'_>) -> bool]) {
    for (number, reached) in points.iter().enumerate() {
        let mut run = workspace.xtask(&["db-setup", "--format", "json"]).own_cache().start();
        eventually(&format!("point {number}"), DEADLINE, || (reached(&run) || run.has_ended()).then_some(()));
        if !run.has_ended() {
            run.kill();
        }
        let outcome = run.wait();
        assert!(outcome.status.code().is_none_or(|code| code == 0), "point {number}: {outcome}");
    }
}

/// Returns a point that a run reaches when it reports this event.
fn event(part: &str) -> impl Fn(&Running<'_>) -> bool {
    move |run| run.stdout_has(part)
}

#[test]
fn killed_at_points_of_a_run_on_a_running_server() {
    let (server, workspace) = server_and_workspace();
    kill_at_each_point(
        &workspace,
        &[
            &|_| true,
            &event(r#""step":"settings","outcome""#),
            &event(r#""step":"server","outcome""#),
            &event("making "),
            &event("migration 1 of 1"),
            &event("migration 1 of 2"),
            &event("migration 2 of 2"),
            &event(r#""step":"journal","outcome""#),
            &event(r#""step":"library","outcome""#),
            &event(r#""event":"tables""#),
        ],
    );
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2]);
    assert_eq!(sql::applied(&server.admin("journal"), JOURNAL_HISTORY), [1]);
    assert_eq!(workspace.read(".env"), workspace.read(".env.ci"));
    server.assert_only(&["journal", "library"]);
}

#[test]
fn killed_at_points_of_a_run_with_a_server_of_its_own() {
    let workspace = Workspace::generic().build();
    let postgres = workspace.root().join(".xtask/postgres");
    let holds = |part: &str| {
        let entries = std::fs::read_dir(&postgres).into_iter().flatten().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(part)).count() > 0
    };
    let cached = || std::fs::read_dir(workspace.base().join("cache")).is_ok_and(|cache| cache.count() > 0);
    kill_at_each_point(
        &workspace,
        &[
            &event(r#""step":"settings","outcome""#),
            // initdb works in this folder.
            &|_| holds("data.new-"),
            &|_| cached(),
            &|_| postgres.join("data").exists(),
            // The server is started, but its pid file isn't written yet.
            &|_| holds("log"),
            &|_| postgres.join("data/postmaster.pid").exists(),
            &event(r#""step":"server","outcome""#),
            &event("making "),
            &event("migration 1 of 2"),
            &event(r#""step":"library","outcome""#),
        ],
    );
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(workspace.read(".env"), workspace.read(".env.ci"));
    assert_eq!(sql::applied(&workspace.login("library"), LIBRARY_HISTORY), [1, 2]);
    assert_eq!(sql::applied(&workspace.login("journal"), JOURNAL_HISTORY), [1]);
    workspace.run(&["db-stop"]).code(0);
    let base = workspace.base().display().to_string();
    eventually("the processes of the runs are gone", DEADLINE, || {
        process::in_folder(&base).iter().all(|line| line.contains("reaper")).then_some(())
    });
}

#[test]
fn killed_while_the_schema_files_are_written() {
    let (server, workspace) = server_and_workspace();
    let before = workspace.read("schema/library.sql");
    let whole = workspace.run(&["db-verify", "--write"]).code(0).duration;
    // No event shows when a file is written, so the kills are spread over the time of a whole run.
    for tenths in 1..=10 {
        let run = workspace.xtask(&["db-verify", "--write"]).start();
        std::thread::sleep(whole * tenths / 10);
        run.kill();
        drop(run.wait());
        // The file is complete after each kill, never half written.
        assert_eq!(workspace.read("schema/library.sql"), before, "{tenths}/10");
    }
    // The next run deletes what the killed runs left, as soon as the server knows that they are gone.
    eventually("nothing is left", DEADLINE, || {
        workspace.run(&["db-verify", "--write"]).code(0);
        server.databases().is_empty().then_some(())
    });
    server.assert_only(&[]);
    assert_eq!(std::fs::read_dir(workspace.root().join("schema")).unwrap().count(), 2);
}

/// Makes a checkout in which both databases have a migration that sleeps. Returns an open session in each database too.
fn blocked() -> (Server, Workspace, [Session; 2]) {
    let (server, workspace) = server_and_workspace();
    workspace.run(&["db-setup"]).code(0);
    workspace.add_migration("library", "003_waits", "CREATE TABLE half (id integer);\nSELECT pg_sleep(600);\n");
    workspace.add_migration("journal", "002_waits", "CREATE TABLE half (id integer);\nSELECT pg_sleep(600);\n");
    let sessions = ["library", "journal"].map(|database| Session::open(&server.admin(database)).unwrap());
    (server, workspace, sessions)
}

/// How a run is asked to end.
#[derive(Clone, Copy)]
enum End {
    CtrlC,
    Terminate,
}

/// Ends a run in the middle of two migrations. Nothing of the migrations may be left.
fn ends_in_order(end: End) {
    let (server, workspace, mut sessions) = blocked();
    let sleeping = || server.xtask_statements().iter().filter(|statement| statement.contains("pg_sleep")).count();
    let run = workspace.xtask(&["db-setup"]).start();
    eventually("both migrations run", DEADLINE, || (sleeping() == 2).then_some(()));
    match end {
        End::CtrlC => run.interrupt(),
        End::Terminate => run.terminate(),
    }
    run.wait().code(130).mentions(["interrupt"]);
    eventually("the statements are cancelled on the server", DEADLINE, || (sleeping() == 0).then_some(()));
    for session in &mut sessions {
        assert_eq!(session.query("SELECT to_regclass('half')::text").unwrap(), [""]);
    }
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2]);
    assert_eq!(sql::applied(&server.admin("journal"), JOURNAL_HISTORY), [1]);

    for (database, name) in [("library", "003_waits"), ("journal", "002_waits")] {
        workspace.add_migration(database, name, "SELECT 1;\n");
    }
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2, 3]);
    sessions.into_iter().for_each(Session::close);
    server.assert_only(&["journal", "library"]);
}

#[test]
fn ctrl_c_in_the_middle_of_a_migration() {
    ends_in_order(End::CtrlC);
}

#[test]
fn a_request_to_terminate_in_the_middle_of_a_migration() {
    ends_in_order(End::Terminate);
}

/// An interrupted run drops its scratch database.
#[test]
fn ctrl_c_while_a_schema_file_is_written() {
    let (server, workspace) = server_and_workspace();
    workspace.run(&["db-setup"]).code(0);
    workspace.add_migration("library", "003_waits", "SELECT pg_sleep(600);\n");
    let sleeping = || server.xtask_statements().iter().any(|statement| statement.contains("pg_sleep"));
    let run = workspace.xtask(&["db-verify", "--write"]).start();
    eventually("the scratch database is migrated", DEADLINE, || sleeping().then_some(()));
    run.interrupt();
    run.wait().code(130).mentions(["interrupt"]);
    server.assert_only(&["journal", "library"]);
}

/// An index that is built concurrently has no transaction to roll back. The invalid index that is left must not be in
/// the way.
#[test]
fn ctrl_c_while_an_index_is_built_concurrently() {
    let (server, workspace) = server_and_workspace();
    workspace.run(&["db-setup"]).code(0);
    workspace.add_migration(
        "library",
        "003_idx",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS books_author_id_idx ON books (author_id);\n",
    );
    // A transaction that has written to the table keeps the index waiting.
    let mut session = Session::open(&server.admin("library")).unwrap();
    session.execute("BEGIN; LOCK TABLE books IN ROW EXCLUSIVE MODE").unwrap();
    let run = workspace.xtask(&["db-setup"]).start();
    let building = || server.xtask_statements().iter().any(|statement| statement.contains("CREATE INDEX CONCURRENTLY"));
    eventually("the index is being built", DEADLINE, || building().then_some(()));
    run.interrupt();
    run.wait().code(130);
    eventually("the statement is cancelled", DEADLINE, || (!building()).then_some(()));
    session.execute("COMMIT").unwrap();
    session.close();
    let applied = format!("SELECT version::text FROM {LIBRARY_HISTORY} WHERE success ORDER BY version");
    assert_eq!(server.query("library", &applied), ["1", "2"]);

    // The invalid index is not taken for the wanted one.
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(server.query("library", &applied), ["1", "2", "3"]);
    let valid = "SELECT indisvalid::text FROM pg_index WHERE indexrelid = 'books_author_id_idx'::regclass";
    assert_eq!(server.query("library", valid), ["true"]);
}

/// The file is read as PostgreSQL reads it, with comments and quoted names.
#[test]
fn an_interrupted_index_is_built_again_whatever_its_name_is() {
    let (server, workspace) = server_and_workspace();
    workspace.add_migration(
        "library",
        "003_idx",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY /* the author */ \"books.by Author\" ON books (author_id);\n",
    );
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    server.execute("library", &format!("UPDATE {LIBRARY_HISTORY} SET success = false WHERE version = 3"));
    workspace.run(&["db-setup"]).code(0);
}

/// Only an index that a migration creates is dropped first. An index that it removes must still be there.
#[test]
fn an_interrupted_removal_of_an_index_is_repeated() {
    let (server, workspace) = server_and_workspace();
    workspace.add_migration(
        "library",
        "003_idx",
        "-- no-transaction\nDROP INDEX CONCURRENTLY books_title_idx RESTRICT;\n",
    );
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    server.execute("library", "CREATE INDEX books_title_idx ON books (title)");
    server.execute("library", &format!("UPDATE {LIBRARY_HISTORY} SET success = false WHERE version = 3"));
    workspace.run(&["db-setup"]).code(0);
}

#[test]
fn ctrl_c_while_waiting_for_a_server() {
    let server = Server::start();
    let workspace = Workspace::generic().build();
    let listener = Listener::starts_up(usize::MAX, server.port);
    workspace.set_authority("127.0.0.1", listener.port, ROLE, "unused");
    let run = workspace.xtask(&["db-setup", "--timeout", "600"]).start();
    eventually("the run connects more than once", DEADLINE, || (listener.connections() > 1).then_some(()));
    run.interrupt();
    run.wait().code(130);
}

#[test]
fn ctrl_c_while_waiting_for_something_silent() {
    let workspace = Workspace::generic().build();
    let listener = Listener::silent();
    workspace.set_authority("127.0.0.1", listener.port, ROLE, "unused");
    workspace.write(".env", workspace.read(".env.ci"));
    let run = workspace.xtask(&["db-setup", "--server", "running", "--timeout", "600"]).start();
    eventually("the run connects", DEADLINE, || (listener.connections() > 0).then_some(()));
    run.interrupt();
    run.wait().code(130);
}

/// The processes that the run has started end with it.
#[test]
fn ctrl_c_while_initdb_runs() {
    let workspace = Workspace::generic().build();
    let started = workspace.base().join("tmp/started");
    let script = format!(
        "#!/bin/sh\ncase $1 in -V|--version) exec {} --version ;; esac\n: > '{}'\nexec sleep 612345\n",
        binaries().join("initdb").display(),
        started.display(),
    );
    let folder = workspace.add_program("slow", "initdb", &script);
    std::os::unix::fs::symlink(binaries().join("postgres"), folder.join("postgres")).unwrap();
    // The script needs `sleep`.
    let path = [folder.as_path(), "/usr/bin".as_ref(), "/bin".as_ref()];
    let run = workspace.xtask(&["db-setup", "--server", "local"]).env("XTASK_PG_BINDIR", &folder).path(path).start();
    eventually("initdb runs", DEADLINE, || started.exists().then_some(()));
    run.interrupt();
    run.wait().code(130);
    eventually("initdb is gone", DEADLINE, || process::in_folder("612345").is_empty().then_some(()));
    workspace.run(&["db-setup"]).code(0);
    workspace.run(&["db-stop"]).code(0);
}

#[test]
fn ctrl_c_while_waiting_for_the_lock() {
    let (server, workspace, sessions) = blocked();
    let second = Workspace::generic().build();
    for file in [".env.ci", "migrations/library/003_waits.up.sql", "migrations/library/003_waits.down.sql"] {
        second.write(file, workspace.read(file));
    }
    let holder = workspace.xtask(&["db-setup"]).start();
    let sleeping = || server.xtask_statements().iter().any(|statement| statement.contains("pg_sleep"));
    eventually("the first run migrates", DEADLINE, || sleeping().then_some(()));
    let waiter = second.xtask(&["db-setup", "--share", "--timeout", "600"]).start();
    let runs =
        "SELECT application_name FROM pg_stat_activity WHERE application_name LIKE 'xtask%' AND datname = 'postgres'";
    eventually("the second run waits", DEADLINE, || (server.query("postgres", runs).len() > 1).then_some(()));
    waiter.interrupt();
    waiter.wait().code(130);
    assert!(sleeping(), "the migration of the lock's holder ended");
    holder.interrupt();
    holder.wait().code(130);
    sessions.into_iter().for_each(Session::close);
}
