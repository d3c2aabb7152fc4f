//! `cargo xtask db-stop --remove-data`: deletes what db-setup has started, with all that is in it, and nothing else.

use crate::compose::needs;
use crate::local::{pid_files, postmaster};
use crate::support::docker::{Docker, containers, docker, make_quick};
use crate::support::{DEADLINE, Workspace, eventually, is_root, process, set_up, skip, sql};

const COMMAND: [&str; 3] = ["db-stop", "--remove-data", "--yes"];

/// Fails if anything of the server is left.
#[track_caller]
fn assert_nothing_left(workspace: &Workspace) {
    assert_eq!(pid_files(workspace), Vec::<std::path::PathBuf>::new());
    for left in ["postgres", "server", "empty.env"] {
        assert!(!workspace.root().join(".xtask").join(left).exists(), "{left}");
    }
    assert!(!workspace.root().join("compose.override.yaml").exists());
    let outside = std::fs::read_dir("/var/lib/xtask").into_iter().flatten().flatten();
    assert!(outside.into_iter().all(|entry| !entry.file_name().to_string_lossy().contains(workspace.suffix())));
}

#[test]
fn a_private_cluster() {
    let workspace = Workspace::generic().build();
    workspace.run(&COMMAND).code(0).says(["nothing was deleted"]);
    workspace.run(&["db-setup"]).code(0);
    sql::execute(&workspace.login("library"), "INSERT INTO authors (name) VALUES ('a'), ('b')");
    workspace.run(&["db-snapshot", "save", "kept"]).code(0);
    sql::execute(&workspace.login("postgres"), "CREATE DATABASE notes");
    let env = workspace.read(".env");
    let pid = postmaster(&workspace);

    workspace.run(&["db-stop", "--yes"]).code(2);
    let asked = workspace.run(&["db-stop", "--remove-data"]).code(1).problem("not-confirmed");
    asked.says(["2 rows", "the database notes (", "the snapshot \"kept\" of library", "--remove-data --yes"]);
    assert_eq!(sql::query(&workspace.login("library"), "SELECT name FROM authors ORDER BY 1"), ["a", "b"]);

    workspace.run(&COMMAND).code(0).says(["is deleted", ".env, which is yours"]);
    assert!(!process::runs(pid));
    assert_nothing_left(&workspace);
    assert_eq!(workspace.read(".env"), env);
    workspace.run(&COMMAND).code(0).says(["nothing was deleted"]);
    workspace.run(&["db-setup"]).code(0);
    assert!(sql::query(&workspace.login("library"), "SELECT name FROM authors").is_empty());
    workspace.run(&COMMAND).code(0);
    assert_nothing_left(&workspace);
}

/// The cluster of root is outside of the checkout then. Those of other checkouts stay.
#[test]
fn a_private_cluster_below_a_closed_home() {
    if !is_root() {
        skip!("the tests don't run as root");
    }
    let other = Workspace::generic().below_closed_home().filled_cache().build();
    let workspace = Workspace::generic().below_closed_home().filled_cache().build();
    other.run(&["db-setup"]).code(0);
    workspace.run(&["db-setup"]).code(0);
    assert!(pid_files(&workspace).is_empty(), "the cluster is elsewhere");
    workspace.run(&COMMAND).code(0).says(["/var/lib/xtask/"]);
    assert_nothing_left(&workspace);
    other.run(&["db-setup"]).code(0).says(["nothing was changed"]);
    other.run(&COMMAND).code(0);
    assert_nothing_left(&other);
}

/// Nobody can say what is in a server that doesn't run.
#[test]
fn a_server_that_does_not_run() {
    let workspace = Workspace::generic().build();
    workspace.run(&["db-setup"]).code(0);
    workspace.run(&["db-stop"]).code(0);
    let refused = workspace.run(&COMMAND).code(6).problem("data-server-stopped");
    refused.says([".xtask/postgres", "cargo xtask db-setup --server local"]);
    workspace.run(&["db-setup", "--server", "local"]).code(0).says(["List of tables in library"]);
    workspace.run(&COMMAND).code(0);
}

#[test]
fn databases_of_others_and_of_production() {
    let workspace = Workspace::generic().build();
    workspace.run(&["db-setup"]).code(0);
    let second = Workspace::generic().build();
    second.write(".env.ci", workspace.read(".env.ci").replace("/library", "/shelves").replace("/journal", "/papers"));
    second.write_own_env();
    second.run(&["db-setup", "--server", "running"]).code(0);
    workspace.run(&COMMAND).code(6).problem("other-checkout").says(["shelves", &second.root().display().to_string()]);
    // The second checkout has started nothing.
    second.run(&COMMAND).code(0).says(["wasn't touched"]);
    let drop = ["DROP DATABASE shelves", "DROP DATABASE papers"];
    drop.iter().for_each(|drop| sql::execute(&workspace.login("postgres"), drop));

    workspace.xtask(&COMMAND).env("ENVIRONMENT", "production").run().code(1).problem("production");
    sql::execute(&workspace.login("postgres"), "COMMENT ON DATABASE library IS NULL");
    workspace.run(&COMMAND).code(1).problem("not-ours");
    workspace.run(&["db-setup"]).code(0);
    workspace.run(&COMMAND).code(0);
}

/// A server that db-setup didn't start is never touched.
#[test]
fn a_server_of_the_users() {
    let (server, workspace) = set_up();
    workspace.run(&["db-setup"]).code(0);
    let record = workspace.root().join(".xtask/server");
    let before = std::fs::read(&record).unwrap();
    workspace.run(&COMMAND).code(0).says(["wasn't touched"]);
    assert_eq!(std::fs::read(&record).unwrap(), before);
    server.assert_only(&["journal", "library"]);
}

/// A run is killed at some time, and the next one does the rest.
#[test]
fn killed_at_any_time() {
    let workspace = Workspace::generic().build();
    let whole = {
        workspace.run(&["db-setup"]).code(0);
        workspace.run(&COMMAND).code(0).duration
    };
    for part in 1..=6 {
        workspace.run(&["db-setup"]).code(0);
        sql::execute(&workspace.login("library"), "INSERT INTO authors (name) VALUES ('a')");
        let run = workspace.xtask(&COMMAND).start();
        std::thread::sleep(whole * part / 6);
        run.kill();
        drop(run.wait());
        // What is left is whole, or is nothing.
        let again = workspace.run(&COMMAND);
        if again.status.code() == Some(6) {
            // The server is gone, or is about to be. Its data is all there.
            eventually("the server has ended or works", DEADLINE, || {
                let setup = workspace.run(&["db-setup", "--server", "local"]);
                (setup.status.code() == Some(0)).then_some(())
            });
            assert_eq!(sql::query(&workspace.login("library"), "SELECT name FROM authors"), ["a"]);
            workspace.run(&COMMAND).code(0);
        } else {
            drop(again.code(0));
        }
        assert_nothing_left(&workspace);
    }
}

/// A run that was killed between the two has deleted the data, and not the record of it.
#[test]
fn a_record_without_data() {
    let workspace = Workspace::generic().build();
    workspace.run(&["db-setup"]).code(0);
    let record = workspace.read(".xtask/server");
    workspace.run(&COMMAND).code(0);
    workspace.write(".xtask/server", record);
    workspace.run(&COMMAND).code(0);
    assert_nothing_left(&workspace);
}

/// A folder that the record names is not emptied of what isn't the cluster's.
#[test]
fn files_that_are_not_the_clusters() {
    let workspace = Workspace::generic().build();
    workspace.run(&["db-setup"]).code(0);
    workspace.write(".xtask/postgres/notes.txt", "mine");
    workspace.run(&COMMAND).code(1).problem("cluster-files").says([".xtask/postgres"]);
    assert_eq!(workspace.read(".xtask/postgres/notes.txt"), "mine");
    workspace.remove(".xtask/postgres/notes.txt");
    workspace.run(&COMMAND).code(0);
    assert_nothing_left(&workspace);
}

#[test]
fn a_container() {
    needs!(Docker::Plugin);
    let workspace = Workspace::generic().build();
    make_quick(&workspace);
    let run = |arguments: &[&str]| Docker::Plugin.show(&workspace, workspace.xtask(arguments)).run();
    run(&["db-setup", "--server", "compose"]).code(0);
    assert_eq!(containers(&workspace).len(), 1);
    run(&["db-stop"]).code(0);
    run(&COMMAND).code(6).problem("data-server-stopped").says(["the volume", "--server compose"]);
    run(&["db-setup"]).code(0);
    sql::execute(&workspace.login("library"), "INSERT INTO authors (name) VALUES ('a')");
    run(&["db-stop", "--remove-data"]).code(1).says(["1 row,"]);
    let removed = run(&COMMAND).code(0);
    removed.says(["the volume", "is deleted"]);
    assert!(containers(&workspace).is_empty());
    for listed in ["volume", "network"] {
        let all = docker(&["docker", listed, "ls", "--format", "{{.Name}}"]).unwrap();
        assert!(!all.contains(workspace.suffix()), "{all}");
    }
    assert_nothing_left(&workspace);
    run(&COMMAND).code(0).says(["nothing was deleted"]);
    eventually("nothing works in the checkout", DEADLINE, || {
        let base = workspace.base().display().to_string();
        process::in_folder(&base).iter().all(|line| line.contains("reaper")).then_some(())
    });
    assert!(workspace.root().join(".env").exists());
}
