//! The steps whose tools stand behind the front door: the linters of migrations and of workflows.

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

const WORKFLOW: &str = "\
name: ci
on: push
permissions:
  contents: read
jobs:
  all:
    runs-on: ubuntu-24.04
    timeout-minutes: 30
    steps:
      - run: cargo xtask ci --skip docs
";

/// A checkout that both are content with; no server is asked.
fn linted() -> Workspace {
    let workspace = Workspace::generic().build();
    make_whole(&workspace);
    workspace.write("migrations/accepted.toml", ACCEPTED);
    workspace.write(".github/workflows/ci.yml", WORKFLOW);
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
    run(&workspace, "tools,migration-lint,workflow,format").passes_but(&[]);
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

#[test]
fn a_workflow_that_names_what_there_is_not() {
    let workspace = linted();
    run(&workspace, "workflow,format").passes_but(&[]);
    let broken = WORKFLOW.replace("--skip docs", "--skip docs,dosc") + "      - uses: actions/checkout@v4\n";
    workspace.write(".github/workflows/ci.yml", broken);
    let pipeline = run(&workspace, "workflow,format").code(1).fails(&["workflow"], &[]);
    let places = [".github/workflows/ci.yml:10:41", ".github/workflows/ci.yml:11:15", ".github/workflows/ci.yml:11:15"];
    let text = pipeline.at("workflow", &places).concat();
    assert!(text.contains("`dosc` is no step") && text.contains("actions/checkout"), "{text}");
    // One that doesn't call the pipeline.
    workspace.write(".github/workflows/ci.yml", WORKFLOW.replace("cargo xtask ci --skip docs", "cargo test"));
    let pipeline = run(&workspace, "workflow").code(1).fails(&["workflow"], &[]);
    pipeline.at("workflow", &[".github/workflows/ci.yml:5:1"]);
    // None at all is no pass.
    std::fs::remove_dir_all(workspace.root().join(".github")).unwrap();
    let pipeline = run(&workspace, "workflow").passes_but(&["workflow"]);
    assert_eq!(pipeline.step("workflow").what, "there is no .github/workflows");
}

/// A file whose name is wrong isn't looked at: that is no pass.
#[test]
fn migrations_that_cannot_be_read() {
    let workspace = linted();
    workspace.write("migrations/library/3-wrong.sql", "SELECT 1;\n");
    let pipeline = run(&workspace, "migration-lint").code(1).fails(&["migration-lint"], &[]);
    assert!(pipeline.at("migration-lint", &[""]).concat().contains("migrations/library/3-wrong.sql"));
}
