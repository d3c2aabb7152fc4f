//! The step `deps`: `Cargo.lock`, and cargo-deny where it is installed.

use super::{ci, make_whole, real_ci, real_json};
use crate::support::pipeline::Pipeline;
use crate::support::run::Invocation;
use crate::support::{Outcome, Workspace};

fn plain() -> Workspace {
    let workspace = Workspace::generic().build();
    make_whole(&workspace);
    workspace
}

/// Adds a dependency to a manifest, but not to Cargo.lock.
fn add_dependency(workspace: &Workspace) {
    let manifest = workspace.read("crates/journal/Cargo.toml");
    workspace.write("crates/journal/Cargo.toml", manifest + "\n[dependencies]\nlibrary = { path = \"../library\" }\n");
}

#[test]
fn a_lock_file_that_is_out_of_date() {
    let workspace = plain();
    add_dependency(&workspace);
    let before = workspace.read("Cargo.lock");
    let pipeline = real_json(&workspace, &["--only", "deps,format"]).code(1).fails(&["deps"], &[]);
    let text = pipeline.at("deps", &["Cargo.lock:1"]).concat();
    assert!(text.contains("error[lock-file-stale]") && text.contains("cargo update --workspace"), "{text}");
    assert_eq!(workspace.read("Cargo.lock"), before);
}

/// The steps that compile update Cargo.lock at the same time. Here cargo updates it before the step can read it.
#[test]
fn a_lock_file_that_other_steps_update() {
    let workspace = plain();
    add_dependency(&workspace);
    let cargo = env!("CARGO");
    // Before the first step, the program asks for the packages. That changes nothing.
    let update = format!("[ \"$2\" = --no-deps ] || '{cargo}' update --quiet --workspace --offline");
    let script = format!("#!/bin/sh\n{update}\nexec '{cargo}' \"$@\"\n");
    let folder = workspace.add_program("updating", "cargo", &script);
    let run =
        real_ci(&workspace, &["--format", "json", "--only", "deps,format"]).env("CARGO", folder.join("cargo")).run();
    Pipeline::of(run).code(1).fails(&["deps"], &[]).at("deps", &["Cargo.lock:1"]);
    assert!(workspace.read("Cargo.lock").contains("dependencies"));
    // The next run finds nothing wrong with it.
    real_json(&workspace, &["--only", "deps,format"]).passes_but(&["deps"]);
}

#[test]
fn a_missing_deny_toml_or_cargo_deny_is_named() {
    let workspace = plain();
    let deps = |run: Invocation<'_>| Pipeline::of(run.run()).passes_but(&["deps"]).step("deps").what.clone();
    let arguments = ["--format", "json", "--only", "deps"];
    assert!(deps(ci(&workspace, &arguments)).contains("there is no deny.toml"));
    workspace.write("deny.toml", "[licenses]\n");
    let what = deps(ci(&workspace, &arguments).without("cargo-deny"));
    assert!(what.contains("cargo install --locked cargo-deny"), "{what}");
}

/// A script stands in for cargo-deny. Its output is shown if it fails.
#[test]
fn findings_of_cargo_deny() {
    let workspace = plain();
    workspace.write("deny.toml", "[licenses]\n");
    let run = |script: &str| -> Outcome {
        let folder = workspace.add_program("deny", "cargo-deny", &format!("#!/bin/sh\n{script}\n"));
        real_ci(&workspace, &["--format", "json", "--only", "deps"]).path_first(folder).run()
    };
    let seen = workspace.base().join("tmp/seen");
    let pipeline = Pipeline::of(run(&format!("echo \"$@\" > '{}'; echo well >&2", seen.display()))).passes_but(&[]);
    assert_eq!(pipeline.step("deps").what, "Cargo.lock is current, and cargo-deny finds nothing");
    assert!(std::fs::read_to_string(seen).unwrap().contains("check"), "cargo-deny wasn't called");
    let pipeline = Pipeline::of(run("echo 'error[rejected]: no licence'; exit 4")).code(1).fails(&["deps"], &[]);
    assert!(pipeline.step("deps").output.contains("error[rejected]: no licence"));
    assert!(pipeline.at("deps", &["", ""]).concat().contains("cargo deny"));
    let pipeline =
        Pipeline::of(run("echo 'failed to fetch advisory database'; case $* in *advisories*) exit 1 ;; esac"));
    let pipeline = pipeline.passes_but(&["deps"]);
    assert!(pipeline.step("deps").what.contains("can't be fetched"), "{}", pipeline.step("deps").what);
}
