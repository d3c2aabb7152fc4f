//! `cargo xtask db-reset`: new databases in the place of the present ones.

use crate::db_snapshot::{databases, rows, write_rows};
use crate::support::fixture::{LIBRARY_HISTORY, ROLE};
use crate::support::sql::{self, Session};
use crate::support::{Server, Workspace, server_and_workspace, set_up};

/// All that is in the databases, and their names.
fn state(server: &Server) -> (Vec<String>, Vec<String>) {
    (rows(server), server.databases())
}

#[test]
fn new_databases_and_the_old_ones_come_back() {
    let (server, workspace) = set_up();
    write_rows(&server, "old");
    let before = rows(&server);
    let reset = workspace.run(&["db-reset", "--yes"]).code(0);
    assert!(rows(&server).is_empty());
    let last = reset.stderr.trim().lines().last().unwrap().to_owned();
    let reset =
        reset.says(["/library will be replaced, and kept as a snapshot: 2 rows, ", "List of tables in journal"]);
    drop(reset.says(["library is new: 2 migrations applied, schema proven"]));
    workspace.run(&["db-setup"]).code(0).says(["There was nothing to do, and nothing was changed."]);
    let name = last.rsplit(' ').next().unwrap();
    assert!(last.contains("cargo xtask db-snapshot restore before-reset-"), "{last}");
    workspace.run(&["db-snapshot", "restore", name]).code(0);
    assert_eq!(rows(&server), before);
}

#[test]
fn one_database_without_a_snapshot() {
    let (server, workspace) = set_up();
    write_rows(&server, "old");
    workspace.run(&["db-reset", "library", "--yes", "--no-snapshot"]).code(0).says(["library will be dropped"]);
    assert_eq!(rows(&server), ["entry old"]);
    server.assert_only(&["journal", "library"]);
    workspace.run(&["db-reset", "libary", "--yes"]).code(2).problem("unknown-database");
}

/// Nobody can be asked, so nothing happens.
#[test]
fn not_a_terminal() {
    let (server, workspace) = set_up();
    write_rows(&server, "old");
    let before = state(&server);
    let outcome = workspace.run(&["db-reset"]).code(1).problem("not-confirmed");
    outcome.says(["library will be replaced", "2 rows", "cargo xtask db-reset --yes"]);
    workspace.run(&["db-reset", "library"]).code(1).says(["cargo xtask db-reset library --yes"]);
    assert_eq!(state(&server), before);
}

#[test]
fn a_migration_that_fails_changes_nothing() {
    let (server, workspace) = set_up();
    write_rows(&server, "old");
    let before = state(&server);
    workspace.add_migration("library", "003_bad", "CREATE TABLE x (id integer);\nSELECT 1/0;\n");
    let failed = workspace.run(&["db-reset", "--yes"]).code(1).problem("migration-failed");
    failed.says(["003_bad.up.sql:2", "Your databases are as they were."]);
    assert_eq!(state(&server), before);
    // The new one is proven before it is taken into use.
    workspace.add_migration("library", "003_bad", "CREATE TABLE x (id integer);\n");
    workspace.run(&["db-reset", "--yes"]).code(4).problem("schema-file-stale");
    assert_eq!(state(&server), before);
    server.assert_only(&["journal", "library"]);
}

/// A history that differs is a reason to begin anew.
#[test]
fn a_history_that_differs() {
    let (server, workspace) = set_up();
    server.execute("library", &format!("UPDATE {LIBRARY_HISTORY} SET checksum = '\\x00' WHERE version = 1"));
    workspace.run(&["db-setup"]).code(5);
    workspace.run(&["db-reset", "--yes"]).code(0);
    workspace.run(&["db-setup"]).code(0);
    // The same holds for one that can't be read.
    server.execute("library", &format!("ALTER TABLE {LIBRARY_HISTORY} RENAME COLUMN checksum TO sum"));
    workspace.run(&["db-setup"]).fails().problem("history-unreadable");
    workspace.run(&["db-reset", "library", "--yes"]).code(0);
    workspace.run(&["db-setup"]).code(0);
}

#[test]
fn databases_that_are_not_this_checkouts() {
    let (server, workspace) = set_up();
    let before = state(&server);
    // Without a stamp.
    server.execute("postgres", "COMMENT ON DATABASE library IS 'mine'");
    workspace.run(&["db-reset", "--yes"]).code(1).problem("not-ours").says(["library", "cargo xtask db-setup"]);
    workspace.run(&["db-reset", "journal", "--yes", "--no-snapshot"]).code(0);
    workspace.run(&["db-setup"]).code(0);
    // Another checkout's, which is there or not, and shared on purpose or not.
    let second = Workspace::generic().build();
    second.write(".env.ci", workspace.read(".env.ci"));
    second.write_own_env();
    second.run(&["db-reset", "--yes"]).code(6).problem("other-checkout");
    second.run(&["db-setup", "--share"]).code(0);
    second.run(&["db-reset", "--yes"]).code(6).problem("other-checkout");
    assert_eq!(state(&server), before);
}

/// Databases of production are safe, whatever says so.
#[test]
fn production() {
    let (server, workspace) = set_up();
    let env = |environment: &str| {
        workspace.write(".env", format!("{}ENVIRONMENT={environment}\n", workspace.read(".env.ci")));
    };
    env("production");
    workspace.run(&["db-reset", "--yes"]).code(1).problem("production").says(["ENVIRONMENT in the settings"]);
    server.execute("postgres", "COMMENT ON DATABASE library IS NULL");
    workspace.run(&["db-setup"]).code(0);
    env("development");
    workspace.run(&["db-reset", "--yes"]).code(1).problem("production").says(["Nothing of library", "its stamp"]);
    workspace.xtask(&["db-reset", "journal", "--yes"]).env("ENVIRONMENT", "PROD").run().code(1).problem("production");
    workspace.write(
        "Cargo.toml",
        format!("{}[workspace.metadata.xtask]\nproduction = \"STAGE=live\"\n", workspace.read("Cargo.toml")),
    );
    workspace.xtask(&["db-reset", "journal", "--yes"]).env("STAGE", "live").run().code(1).problem("production");
    workspace.xtask(&["db-reset", "journal", "--yes"]).env("STAGE", "dev").run().code(0);
    server.execute("postgres", "COMMENT ON DATABASE library IS NULL");
    workspace.run(&["db-setup"]).code(0);
    workspace.run(&["db-reset", "--yes"]).code(0);
}

#[test]
fn another_machine() {
    let workspace = Workspace::generic().build();
    workspace.set_authority("db.example.com", 5432, ROLE, "unused");
    workspace.write_own_env();
    for command in [&["db-reset", "--yes"][..], &["db-stop", "--remove-data", "--yes"]] {
        workspace.run(command).code(6).problem("remote-host").says(["LIBRARY_URL", "JOURNAL_URL"]);
    }
    for command in [&["db-snapshot", "save", "x"][..], &["db-snapshot", "restore", "x"]] {
        workspace.run(command).code(6).problem("remote-host").says(["LIBRARY_URL", "JOURNAL_URL"]);
    }
}

/// Nothing is there yet, so there is nothing to ask.
#[test]
fn no_database_yet() {
    let (server, workspace) = server_and_workspace();
    workspace.run(&["db-reset"]).code(0);
    server.assert_only(&["journal", "library"]);
    server.execute("postgres", "DROP DATABASE library");
    workspace.run(&["db-reset", "--yes"]).code(0);
    assert_eq!(databases(&server), ["journal", "journal", "library"]);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2]);
}

/// What a database has beside its content: settings, privileges, a limit, and lines of the user's in its comment.
fn beside(server: &Server) -> Vec<String> {
    let query = "SELECT concat_ws(' ', datacl, datconnlimit, datallowconn, \
                 split_part(shobj_description(database.oid, 'pg_database'), E'\\n', 1), \
                 (SELECT string_agg(concat_ws(' ', setrole::regrole, setconfig), ' ' ORDER BY setrole) FROM pg_db_role_setting \
                 WHERE setdatabase = database.oid)) FROM pg_database AS database WHERE datname = 'library'";
    server.query("postgres", query)
}

/// A copy of a database has neither its privileges nor its settings. The settings are a part of the schema.
#[test]
fn settings_and_privileges_of_the_databases() {
    let (server, workspace) = set_up();
    server.create_role("reader \"x\"", "r", "");
    server.execute(
        "postgres",
        "ALTER DATABASE library CONNECTION LIMIT 77; REVOKE ALL ON DATABASE library FROM PUBLIC; \
         GRANT CONNECT ON DATABASE library TO \"reader \"\"x\"\"\" WITH GRANT OPTION; \
         COMMENT ON DATABASE library IS 'a line of mine'",
    );
    workspace.run(&["db-setup"]).code(0);
    let before = beside(&server);
    workspace.run(&["db-reset", "--yes"]).code(0).lacks(["hasn't them"]);
    assert_eq!(beside(&server), before);

    let superusers = "ALTER DATABASE \"library\" SET \"log_min_duration_statement\" TO '1000';";
    server.execute(
        "postgres",
        &format!(
            "ALTER DATABASE library SET search_path = \"$user\", public, \"a b\"; ALTER ROLE keeper IN DATABASE library SET \
             work_mem = '5MB'; {superusers}"
        ),
    );
    let set = beside(&server);
    workspace.run(&["db-snapshot", "save", "set"]).code(0);
    workspace
        .run(&["db-reset", "--yes"])
        .code(0)
        .says(["\"keeper\" IN DATABASE \"library\" SET \"work_mem\" TO '5MB';"]);
    assert_eq!(beside(&server), before);
    workspace.run(&["db-setup"]).code(0);
    // Only a superuser may give the last one, and the message says how.
    workspace.run(&["db-snapshot", "restore", "set"]).code(0).lacks(["work_mem"]);
    assert_eq!(beside(&server), [set[0].replace(",log_min_duration_statement=1000", "")]);
}

/// Sessions are ended and named, also those that connect again at once.
#[test]
fn sessions_in_the_databases() {
    let (server, workspace) = set_up();
    let mut open = Session::open(&workspace.login("library").application_name("my shop")).unwrap();
    open.execute("BEGIN; INSERT INTO authors (name) VALUES ('lost')").unwrap();
    let login = workspace.login("journal").application_name("eager");
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                if let Ok(mut session) = Session::open(&login) {
                    let _ = session.execute("SELECT pg_sleep(1)");
                }
            }
        });
        let reset = workspace.run(&["db-reset", "--yes"]);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let reset =
            reset.says(["Ended \"my shop\" in library (role keeper", "in a transaction", "Ended \"eager\" in journal"]);
        assert_eq!(reset.text().matches("Ended \"eager\"").count(), 1, "{reset}");
        drop(reset.code(0));
        server.execute(
            "postgres",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'eager'",
        );
    });
    assert!(open.query("SELECT 1::text").is_err());
    workspace.run(&["db-setup"]).code(0);
}
