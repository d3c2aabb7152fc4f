//! Runs leave nothing behind: no scratch database, no session, no file and no process.

use crate::support::{DEADLINE, Workspace, eventually, process, server_and_workspace, set_up};

#[test]
fn after_success_and_failure_on_a_running_server() {
    let (server, workspace) = server_and_workspace();
    let check = |step: &str| {
        server.assert_only(&["journal", "library"]);
        for folder in ["tmp", "home"] {
            let left: Vec<_> = std::fs::read_dir(workspace.base().join(folder)).unwrap().flatten().collect();
            assert!(left.is_empty(), "after {step}: {left:?}");
        }
        let schema: Vec<_> = std::fs::read_dir(workspace.root().join("schema")).unwrap().flatten().collect();
        assert_eq!(schema.len(), 2, "after {step}: {schema:?}");
        assert!(process::in_folder(&workspace.root().display().to_string()).is_empty(), "after {step}");
    };
    workspace.run(&["db-setup"]).code(0);
    check("db-setup");
    workspace.run(&["db-verify"]).code(0);
    check("db-verify");
    workspace.run(&["db-verify", "--write"]).code(0);
    check("db-verify --write");

    // A difference is diagnosed with a scratch database, which is dropped afterwards.
    server.execute("library", "ALTER TABLE books ALTER COLUMN title DROP NOT NULL");
    workspace.run(&["db-verify"]).code(4);
    check("a difference");
    server.execute("library", "ALTER TABLE books ALTER COLUMN title SET NOT NULL");

    workspace.add_migration("library", "003_breaks", "SELECT missing;\n");
    workspace.run(&["db-setup"]).code(1);
    check("a failed migration");
    workspace.run(&["db-verify", "--write"]).fails();
    check("a failed db-verify --write");
}

#[test]
fn after_a_private_cluster_was_stopped() {
    let workspace = Workspace::generic().filled_cache().build();
    workspace.run(&["db-setup"]).code(0);
    workspace.run(&["db-stop"]).code(0);
    let root = workspace.root().display().to_string();
    eventually("no process of the checkout runs", DEADLINE, || process::in_folder(&root).is_empty().then_some(()));
    for folder in ["tmp", "home"] {
        let left: Vec<_> = std::fs::read_dir(workspace.base().join(folder)).unwrap().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Scratch databases that a killed run left are dropped. A database that is only named like one may be anybody's.
#[test]
fn scratch_databases_of_killed_runs_are_dropped() {
    let (server, workspace) = set_up();
    let role = crate::support::fixture::ROLE;
    let unmarked = "library_scratch_fedcba987654";
    for name in [unmarked, "library_scratch", "library_scratch_mine", "scratch_0123456789ab"] {
        server.execute("postgres", &format!("CREATE DATABASE {name} OWNER {role}"));
    }
    // The run is killed while its scratch database is made, or a moment later.
    workspace.add_migration("library", "003_waits", "SELECT pg_sleep(600);\n");
    let run = workspace.xtask(&["db-verify", "--write"]).start();
    let scratch = || server.databases().into_iter().find(|name| name.contains("_scratch_") && name != unmarked);
    eventually("a scratch database is made", DEADLINE, || scratch().filter(|name| !name.ends_with("_mine")));
    run.kill();
    drop(run.wait());
    workspace.remove("migrations/library/003_waits.up.sql");
    workspace.remove("migrations/library/003_waits.down.sql");
    workspace.run(&["db-verify", "--write"]).code(0);
    let kept = ["journal", "library", "library_scratch", unmarked, "library_scratch_mine", "scratch_0123456789ab"];
    server.assert_only(&kept);
    // A run that is killed while it drops a database leaves it without the mark, and the server lets nobody use it.
    let half_dropped = "library_scratch_0a1b2c3d4e5f";
    server.execute("postgres", &format!("CREATE DATABASE {half_dropped} OWNER {role}"));
    let drop_in_part = format!("UPDATE pg_database SET datconnlimit = -2 WHERE datname = '{half_dropped}'");
    server.execute("postgres", &drop_in_part);
    workspace.run(&["db-verify", "--write"]).code(0);
    server.assert_only(&kept);
    // A run that holds the server's lock says what it has left alone.
    workspace.add_migration("library", "003_more", "SELECT 1;\n");
    workspace.run(&["db-setup"]).code(0).says([&format!("DROP DATABASE \"{unmarked}\";")]);
    server.assert_only(&kept);
}
