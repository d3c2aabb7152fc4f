//! The templates: made once, made anew after a kill, and dropped when nobody needs them.

use crate::support::fixture::ROLE;
use crate::support::{DEADLINE, Server, Workspace, eventually, server_and_workspace};
use crate::{assert_only_templates, child, log_all, of_kind};

/// How often the log says that a database was made from nothing.
fn made_from_nothing(server: &Server) -> usize {
    server.log().matches("TEMPLATE template0").count()
}

#[test]
fn many_processes_at_once_make_one() {
    let (server, workspace) = server_and_workspace();
    log_all(&server);
    let running: Vec<_> = (0..6).map(|_| child(&workspace, "make").start()).collect();
    for run in running {
        run.wait().code(0);
    }
    assert_eq!(made_from_nothing(&server), 2, "{}", server.log());
    assert_only_templates(&server);
    let open = "SELECT datname::text FROM pg_database WHERE datname ~ '_template_' AND datallowconn";
    assert_eq!(server.query("postgres", open), [""; 0]);
}

#[test]
fn one_whose_maker_was_killed_is_made_anew() {
    let (server, workspace) = server_and_workspace();
    let slow = "SELECT CASE WHEN current_setting('test.slow', true) = 'on' THEN pg_sleep(600) END;\n";
    workspace.add_migration("library", "003_slow", slow);
    server.execute("postgres", &format!("ALTER ROLE {ROLE} SET test.slow = 'on'"));
    let maker = child(&workspace, "make").start();
    let at_work = || server.xtask_statements().iter().any(|statement| statement.contains("pg_sleep"));
    eventually("the migration runs", DEADLINE, || at_work().then_some(()));
    let waiting = child(&workspace, "make").start();
    server.execute("postgres", &format!("ALTER ROLE {ROLE} RESET test.slow"));
    let unfinished = of_kind(&server, "template");
    maker.kill();
    maker.wait();
    // The other process waits for the server to notice.
    waiting.wait().code(0);
    assert_only_templates(&server);
    assert!(unfinished.iter().all(|name| of_kind(&server, "template").contains(name)), "{unfinished:?}");
}

#[test]
fn one_of_other_migrations_is_dropped_unless_another_checkout_needs_it() {
    let (server, workspace) = server_and_workspace();
    let other = Workspace::generic().build();
    other.write(".env.ci", workspace.read(".env.ci"));
    other.add_migration("library", "003_theirs", "CREATE TABLE theirs ();\n");
    child(&workspace, "make").run().code(0);
    let first = of_kind(&server, "template");
    child(&other, "make").run().code(0);
    let theirs: Vec<_> = of_kind(&server, "template").into_iter().filter(|name| !first.contains(name)).collect();
    assert_eq!(theirs.len(), 1, "{theirs:?}");

    // Both checkouts have one for journal, which has the same migrations.
    workspace.add_migration("library", "003_ours", "CREATE TABLE ours ();\n");
    child(&workspace, "make").run().code(0);
    let second = of_kind(&server, "template");
    assert_eq!(second.len(), 3, "{second:?}");
    assert!(second.contains(&theirs[0]), "{second:?}");
    assert!(first.iter().any(|name| name.starts_with("library") && !second.contains(name)), "{first:?} {second:?}");

    // Theirs has not been used for days.
    let used = format!(
        "DO $$ BEGIN EXECUTE format('COMMENT ON DATABASE {0} IS %L', regexp_replace((SELECT \
         shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{0}'), '20\\d\\d-', '2020-')); END $$",
        theirs[0]
    );
    server.execute("postgres", &used);
    workspace.write("migrations/library/003_ours.up.sql", "CREATE TABLE ours (id int);\n");
    child(&workspace, "make").run().code(0);
    assert_only_templates(&server);

    // A use is noted, and then it is kept. When its checkout is gone, it is dropped.
    child(&other, "make").run().code(0);
    workspace.write("migrations/library/003_ours.up.sql", "CREATE TABLE ours (id bigint);\n");
    child(&workspace, "make").run().code(0);
    assert!(of_kind(&server, "template").contains(&theirs[0]));
    drop(other);
    workspace.write("migrations/library/003_ours.up.sql", "CREATE TABLE ours (id text);\n");
    child(&workspace, "make").run().code(0);
    assert_only_templates(&server);
}

#[test]
fn a_migration_that_fails_or_reaches_beyond_is_named_and_leaves_nothing() {
    let (server, workspace) = server_and_workspace();
    workspace.add_migration("library", "003_breaks", "CREATE TABLE x ();\nSELECT missing;\n");
    let said = ["migrations/library/003_breaks.up.sql:2:8", "missing"];
    child(&workspace, "make").run().code(101).says(said);
    assert_eq!(of_kind(&server, "test"), [""; 0]);
    assert!(of_kind(&server, "template").iter().all(|name| name.starts_with("journal")));

    workspace.write("migrations/library/003_breaks.up.sql", "CREATE ROLE intruder;\n");
    child(&workspace, "make").run().code(101).says(["CREATE ROLE reaches beyond the database"]);
    assert_eq!(server.query("postgres", "SELECT rolname::text FROM pg_roles WHERE rolname = 'intruder'"), [""; 0]);
    assert_eq!(of_kind(&server, "test"), [""; 0]);
}
