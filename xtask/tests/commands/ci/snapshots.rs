//! Whole outputs of the pipeline.

use super::{checkout, ci, make_whole};
use crate::support::Workspace;
use crate::support::snapshot::assert;

/// The quick steps.
const STEPS: &str = "format,db-setup,migrations,schema,deps";

#[test]
fn lists() {
    let workspace = Workspace::generic().build();
    make_whole(&workspace);
    assert("ci-list", &workspace, &workspace.run(&["ci", "--list"]));
    assert("ci-unknown-step", &workspace, &workspace.run(&["ci", "--only", "tset,lint", "--skip", "dosc"]));
}

#[test]
fn runs() {
    let (_server, workspace) = checkout();
    // One step at a time, so that the order is always the same.
    let run = |form: &str, step: &str| ci(&workspace, &["--only", step, "--format", form]).run();
    assert("ci-passes.plain", &workspace, &run("plain", "schema"));
    workspace.write("schema/journal.sql", workspace.read("schema/journal.sql").replace("entry text", "entry bigint"));
    for form in ["terminal", "plain", "github", "json"] {
        assert(&format!("ci-fails.{form}"), &workspace, &run(form, "schema"));
    }
    let outcome = ci(&workspace, &["--only", STEPS, "--format", "plain"]).run().code(4);
    assert!(outcome.stdout.lines().filter(|line| line.contains("passed")).count() >= 3, "{outcome}");
}
