//! The step whose tool stands behind the front door: the linter of migrations.

use super::{json, json_of, make_whole, real_ci};
use crate::support::run::built_target;
use crate::support::{StandInCargo, Workspace};

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

#[test]
fn an_index_that_locks_its_table() {
    let workspace = linted();
    let (up, down) = ("migrations/library/003_index.up.sql", "migrations/library/003_index.down.sql");
    workspace.write(
        up,
        "-- Locks out writers.\nCREATE TABLE more (id integer);\n    CREATE INDEX books_author_id_idx\n    ON books (author_id);\n",
    );
    workspace.write(down, "DROP TABLE more;\n");
    // Without the step `tools`, cargo compiles the linter, where this repository's is.
    let run = real_ci(&workspace, &["--format", "json", "--only", "migration-lint,format"]).with_built_target();
    let pipeline = json_of(run).code(1).fails(&["migration-lint"], &[]);
    let text = pipeline.at("migration-lint", &[&format!("{up}:3:5")]).concat();
    assert!(text.contains("error[migration-finding]") && text.contains("require-concurrent-index-creation"), "{text}");

    // What `tools` has built is run as it is. The linter itself is the real one.
    let stand_in = StandInCargo::of(&workspace);
    let linter = built_target().join("debug/xtask-migration-lint");
    stand_in.builds("tool", "xtask-migration-lint", &linter);
    let steps = ["--only", "tools,migration-lint,format"];
    json(&workspace, &steps).code(1).fails(&["migration-lint"], &[]).at("migration-lint", &[&format!("{up}:3:5")]);
    workspace.remove(up);
    workspace.remove(down);
    json(&workspace, &steps).passes_but(&[]);
    let calls = stand_in.calls();
    assert!(!calls.iter().any(|call| call.starts_with("begins run")), "{calls:?}");
    // Each tool has a workspace of its own.
    let builds = calls.iter().filter(|call| call.starts_with("begins tool: build --quiet --manifest-path "));
    assert_eq!(builds.count(), 2 * 4, "{calls:?}");
}

/// A file whose name is wrong isn't looked at: that is no pass.
#[test]
fn migrations_that_cannot_be_read() {
    let workspace = linted();
    workspace.write("migrations/library/3-wrong.sql", "SELECT 1;\n");
    let pipeline = json(&workspace, &["--only", "migration-lint"]).code(1).fails(&["migration-lint"], &[]);
    assert!(pipeline.at("migration-lint", &[""]).concat().contains("migrations/library/3-wrong.sql"));
}
