//! The step whose tool stands behind the front door: the linter of migrations.

use super::{ci, json_of, make_whole};
use crate::support::{Pipeline, Workspace};

/// What the fixture's own migrations need to pass.
const ACCEPTED: &str = "\
[[off]]
rules = [\"require-lock-timeout\", \"require-statement-timeout\", \"prefer-robust-stmts\", \"prefer-bigint-over-int\"]
reason = \"Not what is tried here.\"

[[off]]
rules = [\"ban-drop-table\"]
direction = \"down\"
reason = \"What else.\"
";

/// A checkout that the linter is content with; no server is asked.
fn linted() -> Workspace {
    let workspace = Workspace::generic().build();
    make_whole(&workspace);
    workspace.write("migrations/accepted.toml", ACCEPTED);
    workspace
}

/// Runs these steps. The tools are compiled where this repository's are.
#[track_caller]
fn run(workspace: &Workspace, steps: &str) -> Pipeline {
    json_of(ci(workspace, &["--format", "json", "--only", steps]).with_built_target())
}

#[test]
fn an_index_that_locks_its_table() {
    let workspace = linted();
    // What `tools` has built is run as it is.
    run(&workspace, "tools,migration-lint,format").passes_but(&[]);
    run(&workspace, "migration-lint,format").passes_but(&[]);
    workspace.add_migration(
        "library",
        "003_index",
        "-- Locks out writers.\nCREATE TABLE more (id integer);\n    CREATE INDEX books_author_id_idx\n    ON books (author_id);\n",
    );
    workspace.write("migrations/library/003_index.down.sql", "DROP TABLE more;\n");
    let pipeline = run(&workspace, "migration-lint,format").code(1).fails(&["migration-lint"], &[]);
    let text = pipeline.at("migration-lint", &["migrations/library/003_index.up.sql:3:5"]).concat();
    assert!(text.contains("require-concurrent-index-creation"), "{text}");
}

/// A file whose name is wrong isn't looked at: that is no pass.
#[test]
fn migrations_that_cannot_be_read() {
    let workspace = linted();
    workspace.write("migrations/library/3-wrong.sql", "SELECT 1;\n");
    let pipeline = run(&workspace, "migration-lint").code(1).fails(&["migration-lint"], &[]);
    assert!(pipeline.at("migration-lint", &[""]).concat().contains("migrations/library/3-wrong.sql"));
}
