//! Every step passes, and the pipeline changes nothing that isn't its own.

use super::{WITHOUT_TOOLS, checkout, ci, has_nextest, json, json_of, real_json};
use crate::support::fixture::{JOURNAL_HISTORY, LIBRARY_HISTORY};
use crate::support::pipeline::TESTS;
use crate::support::{StandInCargo, Workspace, server_and_workspace, sql};

/// The real programs run. A run with recorded answers reports the same.
#[test]
fn all_steps_pass() {
    let (server, workspace) = checkout();
    let names = ["fmt", "build", "list", "nextest", "clippy", "doc", "examples", "lock", "metadata"];
    StandInCargo::of(&workspace).record("passing", &names, || drop(json(&workspace, &WITHOUT_TOOLS)));
    let pipeline = real_json(&workspace, &WITHOUT_TOOLS).passes_but(&["deps"]);
    let what = |step: &str| pipeline.step(step).what.as_str();
    assert_eq!(pipeline.tests().what, "3 passed, 0 failed, 0 skipped");
    assert_eq!(what("db-setup"), "journal and library migrated and proven");
    assert_eq!(what("migrations"), "3 went up, down without a trace, and up again");
    assert_eq!(what("env"), ".env.ci has 3 harmless values that satisfy the settings");
    assert_eq!(what("queries"), "no package with a database uses sqlx");
    assert!(what("schema").contains("schema/journal.sql and schema/library.sql"), "{}", what("schema"));
    assert!(what("deps").contains("there is no deny.toml"), "{}", what("deps"));
    server.assert_only(&["journal", "library"]);

    // A second run, with everything in place, has the same result.
    if has_nextest() {
        StandInCargo::of(&workspace).answers("passing");
        json(&workspace, &WITHOUT_TOOLS).same_as(&pipeline);
    }
    let pipeline = real_json(&workspace, &["--only", "build,env,lint", "--only", TESTS]).passes_but(&[]);
    assert_eq!(pipeline.tests().what, "3 passed, 0 failed, 0 skipped");
    server.assert_only(&["journal", "library"]);
}

/// The steps that work on migrations don't depend on the content of the development databases, and don't change it.
#[test]
fn development_databases_are_left_alone() {
    let (server, workspace) = checkout();
    workspace.run(&["db-setup"]).code(0);
    server.execute(
        "library",
        "INSERT INTO authors (name) VALUES ('Shelley'); CREATE TABLE mine (id integer); INSERT INTO mine VALUES (7)",
    );
    let state = || {
        let rows = server.query(
            "library",
            "SELECT a.xmin || name || id FROM authors a UNION ALL SELECT xmin || ' ' || id FROM mine",
        );
        let library = sql::fingerprint(&server.admin("library"), LIBRARY_HISTORY);
        (rows, library, sql::fingerprint(&server.admin("journal"), JOURNAL_HISTORY))
    };
    let before = state();
    json(&workspace, &["--only", "migrations,schema,queries"]).passes_but(&[]);
    assert_eq!(state(), before);
    server.assert_only(&["journal", "library"]);
    // The result is the same with a migration that isn't applied there yet.
    workspace.add_migration("library", "003_more", "CREATE TABLE more (id integer);\n");
    workspace.write("migrations/library/003_more.down.sql", "DROP TABLE more;\n");
    json(&workspace, &["--only", "migrations"]).passes_but(&[]);
    assert_eq!(state(), before);
    server.assert_only(&["journal", "library"]);
}

/// Without a server, the steps that need one name the command that starts it. The step `db-setup` starts one itself.
#[test]
fn without_a_server() {
    let workspace = Workspace::generic().build();
    let run = |steps: &str| {
        let run = ci(&workspace, &["--format", "json", "--only", steps]).without("docker").without("docker-compose");
        json_of(run)
    };
    let steps = ["migrations", "schema"];
    let pipeline = run("migrations,schema").code(6).fails(&steps, &[]);
    for step in steps {
        assert!(pipeline.at(step, &["", ""]).concat().contains("cargo xtask db-setup"), "{}", pipeline.outcome());
    }
    assert!(!workspace.root().join(".env").exists());
    run("db-setup,migrations,schema").passes_but(&[]);
    assert_eq!(sql::databases(&workspace.login("postgres")), ["journal", "library"]);
    workspace.run(&["db-stop"]).code(0);
}

/// The workspace isn't a git checkout, and later it has no `.env.ci` either.
#[test]
fn a_bare_workspace() {
    let (_server, workspace) = server_and_workspace();
    let pipeline = json(&workspace, &["--only", "env,format"]).passes_but(&["env", "format"]);
    assert!(pipeline.step("env").what.contains("this is no git checkout"), "{}", pipeline.step("env").what);
    workspace.remove(".env.ci");
    let pipeline = json(&workspace, &["--only", "env"]).passes_but(&["env"]);
    assert!(pipeline.step("env").what.contains("there is no .env.ci"), "{}", pipeline.step("env").what);
}
