//! A mistake in a migration or in a schema file fails the step that looks for it, and is reported at its place.

use super::{checkout, json};
use crate::support::{Pipeline, Server, Workspace};

/// Runs the steps that work on databases, and `format`, which doesn't.
fn databases(workspace: &Workspace) -> Pipeline {
    json(workspace, &["--only", "db-setup,migrations,schema,queries,env,format", "--skip", "env"])
}

/// Adds a migration with its down file to the database `library`.
fn add(workspace: &Workspace, name: &str, up: &str, down: &str) {
    workspace.add_migration("library", name, up);
    workspace.write(&format!("migrations/library/{name}.down.sql"), down);
}

#[track_caller]
fn nothing_is_left(server: &Server) {
    server.assert_only(&["journal", "library"]);
}

#[test]
fn a_migration_that_does_not_go_up() {
    let (server, workspace) = checkout();
    add(&workspace, "003_breaks", "SELECT 1;\nSELECT\n    missing;\n", "SELECT 1;\n");
    let needs = ["migrations", "schema", "queries"];
    let pipeline = databases(&workspace).code(1).fails(&["db-setup"], &needs);
    let text = pipeline.at("db-setup", &["migrations/library/003_breaks.up.sql:3:5"]).concat();
    assert!(text.contains("column \"missing\" does not exist"), "{text}");
    for step in needs {
        assert_eq!(pipeline.step(step).what, "it needs db-setup");
    }
    nothing_is_left(&server);
    // Without db-setup in the run, each step finds the place by itself.
    let pipeline = json(&workspace, &["--only", "migrations,schema"]).code(1).fails(&["migrations", "schema"], &[]);
    for step in ["migrations", "schema"] {
        pipeline.at(step, &["migrations/library/003_breaks.up.sql:3:5"]);
    }
    nothing_is_left(&server);
}

/// One run reports all of them, in both databases, each at its place. The migrations between them are checked as well.
#[test]
fn every_migration_that_does_not_reverse() {
    let (server, workspace) = checkout();
    workspace.write("migrations/library/001_authors.down.sql", "DROP TABLE authors;\nDROP TABLE authors;\n");
    add(&workspace, "003_keeps", "CREATE TABLE kept (id integer);\n", "SELECT 1;\n");
    add(&workspace, "004_reverses", "CREATE TABLE more (id integer);\n", "DROP TABLE more;\n");
    add(
        &workspace,
        "005_other",
        "CREATE TABLE IF NOT EXISTS first (id integer);\n",
        "-- Too much.\nDROP TABLE first;\nDROP TABLE more;\n",
    );
    // An index of this name existed before this migration, on another column.
    add(
        &workspace,
        "006_reindex",
        "DROP INDEX books_title_idx;\nCREATE INDEX books_title_idx ON books (title, id);\n",
        "DROP INDEX books_title_idx;\nCREATE INDEX books_title_idx ON books (id);\n",
    );
    // The second time, the up file makes something else. The down file has left a row, which the catalog doesn't show.
    let up = "DO $$ BEGIN\n    IF EXISTS (SELECT FROM authors) THEN\n        \
              CREATE TABLE twice (id bigint);\n    ELSE\n        CREATE TABLE twice (id integer);\n    END IF;\n\
              END $$;\n";
    add(&workspace, "007_twice", up, "DROP TABLE twice;\nINSERT INTO authors (name) VALUES ('seen');\n");
    // Its up file can be applied twice, but its down file fails.
    workspace.write(
        "migrations/journal/002_again.up.sql",
        "DO $$ BEGIN IF to_regclass('again') IS NULL THEN CREATE TABLE again (id integer); END IF; END $$;\n",
    );
    workspace.write("migrations/journal/002_again.down.sql", "ALTER TABLE entries DROP COLUMN nothing_of_it;\n");
    workspace.accept_schema();
    let pipeline = databases(&workspace).code(1).fails(&["migrations"], &[]);
    let texts = pipeline.at(
        "migrations",
        &[
            "migrations/library/001_authors.down.sql:2:1",
            "migrations/library/003_keeps.down.sql:1",
            "migrations/library/005_other.down.sql:1",
            "migrations/journal/002_again.down.sql:1:1",
            "migrations/library/006_reindex.down.sql:1",
            "migrations/library/007_twice.up.sql:1",
        ],
    );
    assert!(texts[0].contains("table \"authors\" does not exist"), "{}", texts[0]);
    assert!(
        texts[1].contains("error[not-reversible]") && texts[1].contains("kept") && !texts[1].contains("more"),
        "{}",
        texts[1]
    );
    assert!(texts[2].contains("more") && !texts[2].contains("kept"), "{}", texts[2]);
    assert!(texts[3].contains("nothing_of_it"), "{}", texts[3]);
    assert!(texts[4].contains("006_reindex.down.sql doesn't restore"), "{}", texts[4]);
    assert!(["books_title_idx", "(title)", "(id)"].iter().all(|part| texts[4].contains(part)), "{}", texts[4]);
    assert!(texts[5].contains("bigint") && texts[5].contains("the second time"), "{}", texts[5]);
    nothing_is_left(&server);
}

/// A simple migration has no down file. The step names it and passes.
#[test]
fn a_migration_without_a_down_file() {
    let (server, workspace) = checkout();
    workspace.write("migrations/library/003_simple.sql", "CREATE TABLE simple (id integer);\n");
    workspace.accept_schema();
    let pipeline = databases(&workspace).passes_but(&[]);
    let what = &pipeline.step("migrations").what;
    assert!(what.contains("no way down: migrations/library/003_simple.sql"), "{what}");
    assert!(what.starts_with("3 went up"), "{what}");
    nothing_is_left(&server);
}

/// `db-setup` passes if the databases are what the migrations make. Only the step `schema` reports a stale file.
#[test]
fn a_schema_file_that_is_stale() {
    let (server, workspace) = checkout();
    let text = workspace.read("schema/library.sql");
    let line = text.lines().position(|line| line.contains("title text NOT NULL")).unwrap() + 1;
    workspace.write("schema/library.sql", text.replace("title text NOT NULL", "title text"));
    workspace.remove("schema/journal.sql");
    // In the first run db-setup makes the databases. In the second run they exist.
    for _ in 0..2 {
        let pipeline = json(&workspace, &["--only", "db-setup,schema,format"]).code(4).fails(&["schema"], &[]);
        let texts = pipeline.at("schema", &[&format!("schema/library.sql:{line}"), ""]);
        assert!(texts[0].contains("title") && texts[0].contains("cargo xtask db-verify --write"), "{}", texts[0]);
        assert!(
            texts[1].contains("error[schema-file-missing]: journal: there is no schema/journal.sql"),
            "{}",
            texts[1]
        );
        nothing_is_left(&server);
    }
    workspace.accept_schema();
    databases(&workspace).passes_but(&[]);
    // A table was added at the end of the file.
    let text = workspace.read("schema/library.sql");
    workspace.write("schema/library.sql", format!("{text}\n-- table public.more\nCREATE TABLE public.more ();\n"));
    let pipeline = json(&workspace, &["--only", "schema"]).code(4).fails(&["schema"], &[]);
    let texts = pipeline.at("schema", &[&format!("schema/library.sql:{}", text.lines().count() + 1)]).concat();
    assert!(texts.contains("public.more"), "{texts}");
}

/// `db-setup` reports a live database that drifted.
#[test]
fn a_live_database_that_drifted() {
    let (server, workspace) = checkout();
    workspace.run(&["db-setup"]).code(0);
    server.execute("library", "ALTER TABLE books ADD COLUMN mine text");
    let pipeline = databases(&workspace).code(4).fails(&["db-setup"], &["migrations", "schema", "queries"]);
    let text = pipeline.at("db-setup", &[""]).concat();
    assert!(text.contains("drifted") && text.contains("mine"), "{text}");
    nothing_is_left(&server);
}

/// Every step that reads the folder reports a wrong file name.
#[test]
fn a_migration_with_a_wrong_name() {
    let (server, workspace) = checkout();
    workspace.write("migrations/library/3-wrong.sql", "SELECT 1;\n");
    let outcome = databases(&workspace);
    let pipeline = outcome.code(1).fails(&["db-setup"], &["migrations", "schema", "queries"]);
    assert!(pipeline.at("db-setup", &[""]).concat().contains("migrations/library/3-wrong.sql"));
    let pipeline = json(&workspace, &["--only", "migrations,schema"]).code(1).fails(&["migrations", "schema"], &[]);
    for step in ["migrations", "schema"] {
        assert!(pipeline.at(step, &[""]).concat().contains("migrations/library/3-wrong.sql"));
    }
    server.assert_only(&[]);
}
