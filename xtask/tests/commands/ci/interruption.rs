//! Runs that are interrupted or killed leave nothing behind.

use std::path::{Path, PathBuf};

use nix::unistd::Pid;

use super::{checkout, ci, json};
use crate::support::{DEADLINE, Pipeline, Running, Server, Workspace, eventually, process};

/// A test that reports its start, and then waits for a shell that doesn't end by itself.
const SLEEPER: &str = "\
//! Sleeps.
#[test]
fn sleeps() {
    let mut child = std::process::Command::new(\"/bin/sh\").args([\"-c\", SCRIPT, FILE]).spawn().unwrap();
    std::fs::write(FILE.to_owned() + \".tmp\", format!(\"{} {}\", std::process::id(), child.id())).unwrap();
    std::fs::rename(FILE.to_owned() + \".tmp\", FILE).unwrap();
    child.wait().unwrap();
}
";

/// Waits until the test has begun. Returns its process and its shell's process.
fn sleeping(file: &Path) -> [Pid; 2] {
    let text = eventually("the test has begun", super::WITH_BUILD, || std::fs::read_to_string(file).ok());
    let (test, shell) = text.split_once(' ').unwrap();
    [test, shell].map(|pid| Pid::from_raw(pid.parse().unwrap()))
}

/// Makes a checkout whose slow test starts a shell with this script. The test writes the returned file when it has
/// begun.
fn with_sleeper(script: &str) -> (Server, Workspace, PathBuf) {
    let (server, workspace) = checkout();
    let file = workspace.base().join("tmp/begun");
    let constants = format!("const FILE: &str = {:?};\nconst SCRIPT: &str = {script:?};\n", file.display().to_string());
    workspace.write("crates/tools/tests/it.rs", SLEEPER.to_owned() + &constants);
    (server, workspace, file)
}

/// Waits for an interrupted run. Fails unless it ends with the table, and exactly these steps were not run.
#[track_caller]
fn interrupted(run: Running<'_>, not_run: &[&str]) -> Pipeline {
    let pipeline = Pipeline::of(run.wait()).code(130).fails(&[], not_run);
    let events = pipeline.outcome().events();
    assert_eq!(events.last().unwrap()["exit_code"], 130);
    pipeline
}

#[track_caller]
fn no_test_is_left(workspace: &Workspace, pids: &[Pid]) {
    eventually("the test and its shell are gone", DEADLINE, || {
        pids.iter().all(|pid| !process::runs(*pid)).then_some(())
    });
    no_process_is_left(workspace);
}

/// Fails unless every process ends that has the checkout's name in its command line.
#[track_caller]
pub(super) fn no_process_is_left(workspace: &Workspace) {
    eventually("the processes are gone", DEADLINE, || {
        let left = process::with_argument(workspace.suffix());
        left.iter().all(|line| line.contains("reaper")).then_some(())
    });
}

const JSON: [&str; 2] = ["--format", "json"];

#[test]
fn while_a_test_runs() {
    let (server, workspace, file) = with_sleeper("while :; do sleep 1; done");
    let run = ci(&workspace, &[&JSON[..], &["--only", "db-setup,build,test"]].concat()).start();
    let pids = sleeping(&file);
    run.interrupt();
    let pipeline = interrupted(run, &["test"]);
    assert_eq!(pipeline.step("test").what, "ended before it was done");
    assert_eq!(pipeline.step("db-setup").outcome, "done");
    no_test_is_left(&workspace, &pids);
    server.assert_only(&["journal", "library"]);
}

/// Cargo's own runner runs the test, and the test's shell ignores the signals that ask it to end.
#[test]
fn while_cargos_own_runner_runs_a_test() {
    let (_server, workspace, file) = with_sleeper("trap '' TERM INT HUP; while :; do sleep 1; done");
    let run = ci(&workspace, &[&JSON[..], &["--only", "test"]].concat()).without("cargo-nextest").start();
    let pids = sleeping(&file);
    run.terminate();
    interrupted(run, &["test"]);
    no_test_is_left(&workspace, &pids);
}

/// The test ignores the signals that ask it to end. nextest gives each test its own process group, which only nextest
/// can kill.
#[test]
fn while_a_test_runs_that_ignores_signals() {
    let (_server, workspace, file) = with_sleeper("while :; do sleep 1; done");
    let deaf = "unsafe extern \"C\" {\n    fn signal(number: i32, handler: usize) -> usize;\n}\n";
    let ignore =
        "    // SIG_IGN for SIGHUP, SIGINT and SIGTERM.\n    [1, 2, 15].map(|number| unsafe { signal(number, 1) });\n";
    let test =
        workspace.read("crates/tools/tests/it.rs").replace("fn sleeps() {\n", &format!("fn sleeps() {{\n{ignore}"));
    workspace.write("crates/tools/tests/it.rs", test + deaf);
    let run = ci(&workspace, &[&JSON[..], &["--only", "test"]].concat()).start();
    let pids = sleeping(&file);
    run.interrupt();
    interrupted(run, &["test"]);
    no_test_is_left(&workspace, &pids);
}

/// Returns a build script that writes a file, and runs for as long as the file exists.
pub(super) fn endless_build(file: &Path) -> String {
    let file = file.display().to_string();
    let waits = "while file.exists() {\n        std::thread::sleep(std::time::Duration::from_millis(50));\n    }";
    let main =
        format!("let file = std::path::Path::new({file:?});\n    std::fs::write(file, \"\").unwrap();\n    {waits}");
    format!("//! Takes long.\n\nfn main() {{\n    {main}\n}}\n")
}

/// The table tells the steps that were running from the steps that had not begun.
#[test]
fn while_something_is_compiled() {
    let (_server, workspace) = checkout();
    let file = workspace.base().join("tmp/begun");
    workspace.write("crates/library/build.rs", endless_build(&file));
    let steps = ["build", "lint", "docs", "test", "env"];
    let run = ci(&workspace, &[&JSON[..], &["--only", &steps.join(",")]].concat()).start();
    eventually("the compilation has begun", super::WITH_BUILD, || file.exists().then_some(()));
    run.interrupt();
    let pipeline = interrupted(run, &steps);
    assert_eq!(pipeline.step("build").what, "ended before it was done");
    for step in &steps[1..] {
        assert_eq!(pipeline.step(step).what, "the run was ended before", "{step}");
    }
    no_process_is_left(&workspace);
}

/// Makes a checkout in which the last migration of each database takes an hour.
fn endless() -> (Server, Workspace) {
    let (server, workspace) = checkout();
    workspace.add_migration("library", "003_waits", "CREATE TABLE half (id integer);\nSELECT pg_sleep(3600);\n");
    workspace.add_migration("journal", "002_waits", "CREATE TABLE half (id integer);\nSELECT pg_sleep(3600);\n");
    (server, workspace)
}

/// Waits until this number of slow migrations is running.
#[track_caller]
fn migrates(server: &Server, count: usize) {
    let sleeping = || server.xtask_statements().iter().filter(|statement| statement.contains("pg_sleep")).count();
    eventually("the migrations run", DEADLINE, || (sleeping() == count).then_some(()));
}

#[test]
fn while_scratch_databases_are_migrated() {
    let (server, workspace) = endless();
    let run = ci(&workspace, &[&JSON[..], &["--only", "migrations,schema"]].concat()).start();
    migrates(&server, 4);
    assert_eq!(server.databases().len(), 4);
    run.interrupt();
    interrupted(run, &["migrations", "schema"]);
    server.assert_only(&[]);
}

#[test]
fn while_the_databases_are_set_up() {
    let (server, workspace) = endless();
    let run = ci(&workspace, &[&JSON[..], &["--only", "db-setup,migrations"]].concat()).start();
    migrates(&server, 2);
    run.terminate();
    let pipeline = interrupted(run, &["db-setup", "migrations"]);
    assert_eq!(pipeline.step("migrations").what, "the run was ended before");
    server.assert_only(&["journal", "library"]);
    for (database, table) in [("library", "authors"), ("journal", "entries")] {
        assert_eq!(server.query(database, "SELECT to_regclass('half')::text")[0], "");
        assert_eq!(server.query(database, &format!("SELECT to_regclass('{table}')::text"))[0], table);
    }
}

/// The next run deletes what a killed run has left behind.
#[test]
fn a_killed_run() {
    let (server, workspace) = endless();
    let run = ci(&workspace, &[&JSON[..], &["--only", "migrations,schema"]].concat()).start();
    migrates(&server, 4);
    let left = server.databases();
    assert_eq!(left.len(), 4);
    run.kill();
    drop(run.wait());
    for (database, name) in [("library", "003_waits"), ("journal", "002_waits")] {
        workspace.add_migration(database, name, "SELECT 1;\n");
    }
    json(&workspace, &["--only", "migrations,schema"]).passes_but(&[]);
    server.assert_only(&[]);
}
