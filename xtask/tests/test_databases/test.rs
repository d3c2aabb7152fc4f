//! The databases of a test, from their beginning to every end that a test can have.

use crate::child::GO;
use crate::support::fixture::{PASSWORD, ROLE};
use crate::support::{DEADLINE, Server, Workspace, eventually, server_and_workspace};
use crate::{assert_only_templates, child, log_all, of_kind};

#[test]
fn they_have_all_migrations_and_are_dropped_at_the_end() {
    let (server, workspace) = server_and_workspace();
    let before = workspace.files();
    child(&workspace, "make").run().code(0).says(["made 127.0.0.1:", "/library_test_", "/journal_test_"]);
    assert_only_templates(&server);
    // The migrations aren't run again.
    log_all(&server);
    for does in ["make", "async", "threads"] {
        child(&workspace, does).run().code(0);
        assert_only_templates(&server);
    }
    assert!(!server.log().contains("CREATE TABLE books"), "{}", server.log());
    assert!(server.log().contains("CREATE DATABASE"), "{}", server.log());
    assert_eq!(workspace.files(), before);
    assert!(!workspace.root().join(".xtask").exists());
}

#[test]
fn they_are_dropped_after_a_panic_and_by_the_next_test_after_a_kill() {
    let (server, workspace) = server_and_workspace();
    child(&workspace, "panic").run().code(101);
    assert_only_templates(&server);

    let (held, exited) = (child(&workspace, "hold").start(), child(&workspace, "exit").run().code(3));
    assert!(exited.stdout.contains("made"), "{exited}");
    eventually("the databases are made", DEADLINE, || held.stdout_has("made").then_some(()));
    let names = of_kind(&server, "test");
    held.kill();
    held.wait();
    assert!(names.len() >= 2, "{names:?}");
    // The server gives up the locks when it has noticed the end of the sessions.
    let sessions = "SELECT 'x' FROM pg_stat_activity WHERE application_name LIKE 'xtask test %'";
    eventually("the sessions have ended", DEADLINE, || server.query("postgres", sessions).is_empty().then_some(()));
    child(&workspace, "make").run().code(0);
    assert_only_templates(&server);
}

#[test]
fn those_of_a_test_that_runs_are_not_touched_and_neither_are_databases_with_such_names() {
    let (server, workspace) = server_and_workspace();
    let held = child(&workspace, "hold").start();
    eventually("the databases are made", DEADLINE, || held.stdout_has("made").then_some(()));
    let names = of_kind(&server, "test");
    for name in ["library_test_0123456789ab", "library_test", "library_test_mine"] {
        server.execute("postgres", &format!("CREATE DATABASE {name} OWNER {ROLE}"));
    }
    let all = server.databases();
    child(&workspace, "make").run().code(0);
    assert_eq!(server.databases(), all);
    workspace.write(GO, "");
    held.wait().code(0);
    assert!(names.iter().all(|name| !server.databases().contains(name)));
    assert!(server.databases().contains(&"library_test_0123456789ab".to_owned()));
}

/// A name has at most 63 bytes, and may have anything in it.
#[test]
fn long_and_unusual_names_are_cut_between_characters() {
    let server = Server::start();
    let workspace = Workspace::generic().build();
    server.create_role(ROLE, PASSWORD, "CREATEDB");
    let authority = server.authority(ROLE, PASSWORD);
    let long = format!("a{}", "é".repeat(31));
    assert_eq!(long.len(), 63);
    let env = format!(
        "LIBRARY_URL=postgres://{authority}/{}\nJOURNAL_URL=postgres://{authority}/%22quoted%22%20and%20%27more%27\nGREETING=x\n",
        long.replace('é', "%C3%A9")
    );
    workspace.write(".env", env);
    for _ in 0..2 {
        child(&workspace, "make").run().code(0);
        let names = server.databases();
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(names.iter().all(|name| name.contains("_template_") && name.len() <= 63), "{names:?}");
    }
}
