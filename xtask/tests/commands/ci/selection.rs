//! The list of the steps, and the selection of the steps that run.

use std::collections::BTreeSet;

use serde_json::Value;

use super::interruption::no_process_is_left;
use super::{WITHOUT_TOOLS, checkout, ci, json};
use crate::support::fixture::ROLE;
use crate::support::listener::Listener;
use crate::support::pipeline::{TESTS, group};
use crate::support::run::Invocation;
use crate::support::{Pipeline, StandInCargo, Workspace};

/// The steps, in their order.
const STEPS: [&str; 14] = [
    "format",
    "db-setup",
    "build",
    "tools",
    "env",
    "migrations",
    "schema",
    TESTS,
    "lint",
    "queries",
    "docs",
    "migration-lint",
    "workflow",
    "deps",
];

/// Returns the names of steps, with one name for the tests of all packages.
fn groups<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut groups: Vec<_> = names.map(group).collect();
    groups.dedup();
    groups
}

/// Makes a checkout whose URLs point to a listener, which would notice a connection.
fn unasked() -> (Workspace, Listener) {
    let workspace = Workspace::generic().build();
    let listener = Listener::silent();
    workspace.set_authority("127.0.0.1", listener.port, ROLE, "unused");
    (workspace, listener)
}

#[test]
fn a_list_is_only_a_list() {
    let (workspace, listener) = unasked();
    let files = workspace.files();
    let text = ci(&workspace, &["--list"]).run().code(0);
    let names = text.stdout.lines().filter_map(|line| line.split_whitespace().next());
    assert_eq!(groups(names), STEPS, "{text}");
    assert!(text.stdout.contains("(after build"), "{text}");

    let outcome = ci(&workspace, &["--list", "--format", "json"]).run().code(0);
    let events = outcome.events();
    let steps = events.iter().find(|event| event["event"] == "steps").unwrap()["steps"].as_array().unwrap();
    let names: Vec<_> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(groups(names.iter().copied()), STEPS);
    for step in steps {
        assert!(step["proves"].as_str().is_some_and(|proves| !proves.is_empty()), "{step}");
        assert!(step["needs"].as_array().unwrap().iter().all(|need| names.contains(&need.as_str().unwrap())), "{step}");
        // The event has the commands that the step runs, or the reason why it runs nothing here.
        let runs = step["runs"].as_array().is_some_and(|runs| !runs.is_empty());
        assert_eq!(runs, step["nothing"].is_null(), "{step}");
    }
    // A step that isn't selected isn't listed.
    let some = ci(&workspace, &["--list", "--only", "deps,format,lint", "--skip", "lint"]).run().code(0);
    assert_eq!(some.stdout.lines().count(), 2, "{some}");

    assert_eq!(workspace.files(), files);
    assert!(!workspace.root().join(".xtask").exists());
    assert_eq!(listener.connections(), 0);
}

#[test]
fn an_explanation_runs_nothing() {
    let (workspace, listener) = unasked();
    let files = workspace.files();
    let text = ci(&workspace, &["--explain"]).run().code(0);
    for step in STEPS {
        assert!(text.stdout.lines().any(|line| line.starts_with(&format!("# {step}:"))), "expected {step}: {text}");
    }
    // The explanation consists of comments and commands.
    let is_command = |line: &str| line.starts_with('#') || line.is_empty() || line.contains("cargo ");
    assert!(text.stdout.lines().all(is_command), "{text}");
    let outcome = ci(&workspace, &["--explain", "--format", "json"]).run().code(0);
    assert!(outcome.events().iter().any(|event| event["event"] == "steps"), "{outcome}");
    ci(&workspace, &["--explain", "--list"]).run().code(2);
    assert_eq!(workspace.files(), files);
    assert!(!workspace.root().join(".xtask").exists());
    assert_eq!(listener.connections(), 0);
}

/// The explanation is true: a shell that runs it line by line calls cargo as the pipeline does, and with the same files.
#[test]
fn an_explanation_can_be_pasted_into_a_shell() {
    let (server, workspace) = checkout();
    let stand_in = StandInCargo::of(&workspace);
    let list = "target/xtask/tests-all.json";
    ci(&workspace, &WITHOUT_TOOLS).run().code(0);
    let (expected, listed) = (calls(&stand_in), workspace.read(list));
    assert!(expected.len() >= 10, "{expected:?}");
    workspace.remove(list);
    stand_in.forget_calls();

    let script = ci(&workspace, &[&["--explain"], &WITHOUT_TOOLS[..]].concat()).run().code(0).stdout;
    let shell = || stand_in.serves(Invocation::of(&workspace, "/bin/sh", &["-ec", &script]));
    shell().run().code(0).says(["1 passed", "Done: ci took", "Done: db-setup took"]);
    assert_eq!(calls(&stand_in), expected);
    assert_eq!(workspace.read(list), listed);
    server.assert_only(&["journal", "library"]);

    // The explanation of a step that fails also fails.
    stand_in.answers("mistakes");
    shell().run().code(1);
}

/// Returns the different calls that were made, without the arguments that only make the output machine-readable.
fn calls(stand_in: &StandInCargo<'_>) -> BTreeSet<String> {
    let for_reading = [" --message-format json", " --message-format libtest-json-plus", " -- --color never --verbose"];
    let plain = |call: &String| for_reading.iter().fold(call.clone(), |call, words| call.replace(words, ""));
    // The file for the results has another name in each run.
    let plain = |call: &String| plain(call).split(" -- --logfile").next().unwrap_or_default().to_owned();
    stand_in.calls().iter().filter(|call| call.starts_with("begins ")).map(plain).collect()
}

#[test]
fn only_and_skip() {
    let (server, workspace) = checkout();
    let run = |arguments: &[&str]| json(&workspace, &[&["--all"], arguments].concat()).passes_but(&["deps"]);
    let names = |pipeline: &Pipeline| pipeline.with("done").into_iter().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(names(&run(&["--only", "format,deps"])), ["format"]);
    assert_eq!(names(&run(&["--only", "format", "--only", "deps", "--only", "deps"])), ["format"]);
    assert_eq!(names(&run(&["--only", "format,deps,lint", "--skip", "lint"])), ["format"]);
    // If the steps that a step needs aren't part of the run, the step finds what it needs by itself.
    assert_eq!(names(&run(&["--only", "env,deps"])), ["env"]);
    // db-setup was in none of these runs, so nothing was set up.
    server.assert_only(&[]);
    assert!(!workspace.root().join(".env").exists());
}

#[test]
fn names_that_no_step_has() {
    let (workspace, listener) = unasked();
    let outcome = ci(&workspace, &["--only", "format,fromat,,test", "--skip", "tset,Lint"]).run().code(2);
    let outcome = outcome.says(["\"fromat\"", "\"\"", "\"tset\"", "\"Lint\""]).says(STEPS);
    assert!(!outcome.text().contains("\"format\""), "{outcome}");
    let outcome = ci(&workspace, &["--only", "nothing", "--format", "json"]).run().code(2);
    let events = outcome.events();
    assert!(events.iter().any(|event| event["event"] == "problem" && event["exit_code"] == 2), "{outcome}");
    // `--skip` leaves no step.
    ci(&workspace, &["--only", "format,lint", "--skip", "lint,format"]).run().code(2).says([
        "No step is left",
        "format",
        "lint",
    ]);
    ci(&workspace, &["--skip", &STEPS.join(",")]).run().code(2).says(["No step is left"]);
    assert_eq!(listener.connections(), 0);
    assert!(!workspace.root().join("target").exists());
}

/// The first step that fails ends the running steps with all their processes. The other steps never begin.
#[test]
fn fail_fast() {
    let workspace = Workspace::generic().build();
    let stand_in = StandInCargo::of(&workspace);
    stand_in.answers("mistakes");
    // The build runs when `format` ends.
    let building = stand_in.never_ends("build");
    stand_in.does("fmt", &format!("while [ ! -e '{}' ]; do sleep 0.01; done", building.display()));
    let all = ["--only", "format,build,lint,docs", "--only", TESTS, "--fail-fast"];
    let pipeline = json(&workspace, &all).code(1).fails(&["format"], &["build", TESTS, "lint", "docs"]);
    pipeline.at("format", &["crates/tools/src/unformatted.rs:4"]);
    assert_eq!(pipeline.step("build").what, "ended before it was done");
    for step in [TESTS, "lint", "docs"] {
        assert_eq!(pipeline.step(step).what, "another step failed before", "{step}");
    }
    no_process_is_left(&workspace);
    let finished: Value = pipeline.outcome().events().pop().unwrap();
    assert_eq!(finished["exit_code"], 1, "{finished}");
}
