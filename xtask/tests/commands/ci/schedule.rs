//! The order of the steps: which ones wait for each other, and which ones run side by side.

use super::{WITHOUT_TOOLS, ci, json, json_of, make_whole};
use crate::support::pipeline::{TESTS, group};
use crate::support::{Pipeline, StandInCargo, Workspace};

/// Steps that work in cargo's target folder. The tests do so if the step `tools` isn't part of the run.
const COMPILE: [&str; 5] = ["build", TESTS, "lint", "queries", "docs"];

fn whole() -> Workspace {
    let workspace = Workspace::generic().build();
    make_whole(&workspace);
    workspace
}

/// Returns the numbers of the events with which a step began and ended.
fn time_of(pipeline: &Pipeline, step: &str) -> [usize; 2] {
    let events = pipeline.outcome().events();
    let is_it = |name: &str, event: &serde_json::Value| {
        event["event"] == name && event["step"].as_str().is_some_and(|found| group(found) == step)
    };
    let begun = events.iter().position(|event| is_it("started", event));
    let ended = events.iter().rposition(|event| is_it("ended", event));
    [begun, ended].map(|found| found.unwrap_or_else(|| panic!("no event of {step}: {}", pipeline.outcome())))
}

/// Steps that compile would wait for cargo's lock, each with its time running. All others begin as soon as they can.
#[test]
fn steps_that_compile_take_turns() {
    let workspace = whole();
    let stand_in = StandInCargo::of(&workspace);
    // The build ends after `format`, so every step that can begin with them has begun.
    let formatted = workspace.base().join("tmp/formatted");
    stand_in.does("fmt", &format!(": > '{}'", formatted.display()));
    stand_in.does("build", &format!("while [ ! -e '{}' ]; do sleep 0.01; done", formatted.display()));
    let steps = ["--only", "format,build,lint,queries,docs,deps", "--only", TESTS];
    let pipeline = json(&workspace, &steps).passes_but(&["deps"]);
    let mut turns = COMPILE.map(|step| time_of(&pipeline, step));
    turns.sort();
    assert!(turns.is_sorted_by(|[_, end], [start, _]| end < start), "{turns:?}: {}", pipeline.outcome());
    // `format` didn't wait for a step that compiles.
    assert!(time_of(&pipeline, "format")[0] < time_of(&pipeline, "build")[1]);
    // The commands of a step run one after the other.
    let calls = stand_in.calls();
    let compiling: Vec<_> = calls
        .iter()
        .map(|call| call.split_once(':').unwrap().0)
        .filter(|call| {
            ["build", "list", "nextest", "clippy", "doc", "examples"]
                .iter()
                .any(|name| call.ends_with(&format!(" {name}")))
        })
        .collect();
    for pair in compiling.chunks(2) {
        assert_eq!(pair[0].strip_prefix("begins "), pair[1].strip_prefix("ends "), "{calls:?}");
    }
}

/// The programs of the tests are known after the build. So clippy compiles while the tests run.
#[test]
fn the_tests_run_beside_clippy() {
    let workspace = whole();
    let stand_in = StandInCargo::of(&workspace);
    let linting = workspace.base().join("tmp/linting");
    stand_in.does("clippy", &format!(": > '{}'", linting.display()));
    stand_in.does("nextest", &format!("while [ ! -e '{}' ]; do sleep 0.01; done", linting.display()));
    json(&workspace, &["--only", "build,tools,lint", "--only", TESTS]).passes_but(&[]);
    let calls = stand_in.calls();
    assert!(calls.iter().any(|call| call.contains("nextest run --binaries-metadata target/xtask/tests-all.json ")));
}

/// A step that failed keeps those that need it from running, and no others. What needs them isn't run either.
#[test]
fn a_step_whose_need_failed() {
    let workspace = whole();
    let stand_in = StandInCargo::of(&workspace);
    stand_in.answers("uncompilable");
    let steps = [WITHOUT_TOOLS[0], "tools,migration-lint,workflow,db-setup,migrations,schema,queries"];
    let pipeline = json(&workspace, &steps).code(1).fails(&["build", "docs", "lint"], &["env", TESTS]);
    for step in ["env", TESTS] {
        assert_eq!(pipeline.step(step).what, "it needs build");
    }
    let calls = stand_in.calls();
    assert!(!calls.iter().any(|call| call.contains(" nextest: ") || call.contains(" run: ")), "{calls:?}");
    // Without `build` in the run, the tests are compiled by the step itself.
    let run = ci(&workspace, &["--format", "json", "--only", TESTS]);
    json_of(run).passes_but(&[]);
}
