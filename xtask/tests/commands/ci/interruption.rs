//! Runs that are interrupted or killed leave nothing behind.

use std::path::Path;

use nix::unistd::Pid;

use super::{checkout, ci, has_nextest, json, make_whole, real_ci};
use crate::support::fixture::LIBRARY_HISTORY;
use crate::support::pipeline::TESTS;
use crate::support::{DEADLINE, Pipeline, Running, Server, StandInCargo, Workspace, eventually, process, sql};

/// A test that ignores signals, reports its start, and then waits for a shell that doesn't end by itself.
const SLEEPER: &str = "\
//! Sleeps.

unsafe extern \"C\" {
    fn signal(number: i32, handler: usize) -> usize;
}

#[test]
fn sleeps() {
    // SIG_IGN for SIGHUP, SIGINT and SIGTERM.
    [1, 2, 15].map(|number| unsafe { signal(number, 1) });
    let script = \"while :; do sleep 1; done\";
    let mut child = std::process::Command::new(\"/bin/sh\").args([\"-c\", script, FILE]).spawn().unwrap();
    std::fs::write(FILE.to_owned() + \".tmp\", format!(\"{} {}\", std::process::id(), child.id())).unwrap();
    std::fs::rename(FILE.to_owned() + \".tmp\", FILE).unwrap();
    child.wait().unwrap();
}
";

/// Waits until a file names processes that a run has started.
#[track_caller]
fn begun<const N: usize>(run: &mut Running<'_>, file: &Path) -> [Pid; N] {
    let text = eventually("it has begun", super::WITH_BUILD, || {
        assert!(!run.has_ended(), "the run ended before it began");
        std::fs::read_to_string(file).ok()
    });
    let pids: Vec<_> = text.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap())).collect();
    pids.try_into().unwrap()
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
fn are_gone(workspace: &Workspace, pids: &[Pid]) {
    eventually("the processes are gone", DEADLINE, || pids.iter().all(|pid| !process::runs(*pid)).then_some(()));
    no_process_is_left(workspace);
}

/// Fails unless every process ends that has a path below the checkout's folders in its command line.
#[track_caller]
pub(super) fn no_process_is_left(workspace: &Workspace) {
    eventually("the processes are gone", DEADLINE, || {
        let left = process::in_folder(&workspace.base().display().to_string());
        left.iter().all(|line| line.contains("reaper")).then_some(())
    });
}

const JSON: [&str; 2] = ["--format", "json"];

#[test]
fn while_a_test_runs() {
    let (server, workspace) = checkout();
    let file = StandInCargo::of(&workspace).never_ends("nextest");
    let mut run = ci(&workspace, &[&JSON[..], &["--only", "db-setup,build", "--only", TESTS]].concat()).start();
    let pids: [Pid; 2] = begun(&mut run, &file);
    let ended = "{\"event\":\"ended\",\"step\":\"db-setup\"";
    eventually("the databases are set up", DEADLINE, || run.stdout_has(ended).then_some(()));
    run.interrupt();
    let pipeline = interrupted(run, &[TESTS]);
    assert_eq!(pipeline.tests().what, "ended before it was done");
    assert_eq!(pipeline.step("db-setup").outcome, "done");
    are_gone(&workspace, &pids);
    server.assert_only(&["journal", "library"]);
}

/// Tests ignore the signals that ask them to end. nextest gives each test its own process group, which only nextest can
/// kill. Below cargo's own runner, for which recorded answers stand in, a test belongs to the runner's group.
///
/// Both runs wait for their tests before these are killed, so they do it at the same time.
#[test]
fn while_tests_run_that_ignore_signals() {
    let [nextest, own] = [(); 2].map(|()| {
        let workspace = Workspace::generic().build();
        make_whole(&workspace);
        workspace
    });
    let stand_in = StandInCargo::of(&own);
    let own_file = stand_in.ignores_signals("test");
    let mut own_run = ci(&own, &[&JSON[..], &["--only", TESTS]].concat()).without("cargo-nextest").start();
    let own_pids: [Pid; 2] = begun(&mut own_run, &own_file);
    own_run.terminate();
    let real = has_nextest().then(|| {
        let file = nextest.base().join("tmp/begun");
        nextest.write("Cargo.toml", nextest.read("Cargo.toml").replace("crates/*", "crates/tools"));
        nextest
            .write("crates/tools/tests/it.rs", SLEEPER.replace("FILE", &format!("{:?}", file.display().to_string())));
        let mut run = real_ci(&nextest, &[&JSON[..], &["--only", TESTS]].concat()).start();
        let pids: [Pid; 2] = begun(&mut run, &file);
        run.interrupt();
        (run, pids)
    });
    if let Some((run, pids)) = real {
        interrupted(run, &[TESTS]);
        are_gone(&nextest, &pids);
    }
    interrupted(own_run, &[TESTS]);
    are_gone(&own, &own_pids);
}

/// Tests start runs of this program, each in a group of its own, as a shell with a job does. Nobody in the runner's group
/// passes a signal on to them.
#[test]
fn while_a_test_has_a_run_of_its_own() {
    let workspace = Workspace::generic().build();
    let file = workspace.base().join("tmp/begun");
    let stand_in = StandInCargo::of(&workspace);
    let begun_there = file.display();
    let own =
        format!("echo $PPID $$ > {begun_there}.tmp; mv {begun_there}.tmp {begun_there}; while :; do sleep 1; done");
    // The run works in the checkout, and its command line says nothing of it.
    stand_in.does("test", "setsid /bin/sh -c \"$RUN\" & while :; do sleep 1; done");
    for how in [Running::interrupt, Running::terminate] {
        drop(std::fs::remove_file(&file));
        let run = ci(&workspace, &[&JSON[..], &["--only", TESTS]].concat()).without("cargo-nextest").env("RUN", &own);
        let mut run = run.start();
        let [_, pid]: [Pid; 2] = begun(&mut run, &file);
        how(&run);
        interrupted(run, &[TESTS]);
        are_gone(&workspace, &[pid]);
    }
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
    let workspace = Workspace::generic().build();
    let file = StandInCargo::of(&workspace).never_ends("build");
    let steps = ["build", "lint", "docs", TESTS, "env"];
    let mut run = ci(&workspace, &[&JSON[..], &["--only", &steps.join(",")]].concat()).start();
    let pids: [Pid; 2] = begun(&mut run, &file);
    run.interrupt();
    let pipeline = interrupted(run, &steps);
    assert_eq!(pipeline.step("build").what, "ended before it was done");
    for step in &steps[1..] {
        assert_eq!(pipeline.step(step).what, "the run was ended before", "{step}");
    }
    are_gone(&workspace, &pids);
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

/// Kills a run that has begun these processes. Its server goes on, and nothing else does.
#[track_caller]
fn kill(run: Running<'_>, workspace: &Workspace, pids: &[Pid]) {
    run.kill();
    drop(run.wait());
    eventually("the processes are gone", DEADLINE, || pids.iter().all(|pid| !process::runs(*pid)).then_some(()));
    eventually("only the server is left", DEADLINE, || {
        let left = process::in_folder(&workspace.base().display().to_string());
        left.iter().all(|line| line.contains("postgres") || line.contains("reaper")).then_some(())
    });
}

/// SIGKILL gives a run no time to end what it has started, and neither does a second Ctrl-C.
#[test]
fn a_run_that_is_killed_leaves_no_process() {
    let workspace = Workspace::generic().filled_cache().build();
    make_whole(&workspace);
    workspace.remove("compose.yaml");
    let stand_in = StandInCargo::of(&workspace);
    let start = |steps: &str| ci(&workspace, &[&JSON[..], &["--only", steps]].concat()).without("cargo-nextest");

    let file = stand_in.never_ends("build");
    let mut run = start("db-setup,build").start();
    let pids: [Pid; 2] = begun(&mut run, &file);
    let ended = "{\"event\":\"ended\",\"step\":\"db-setup\"";
    eventually("the databases are set up", DEADLINE, || run.stdout_has(ended).then_some(()));
    kill(run, &workspace, &pids);
    assert_eq!(sql::applied(&workspace.login("library"), LIBRARY_HISTORY), [1, 2]);
    workspace.run(&["db-stop"]).code(0);

    // What a test has started may be in a session of its own. Its command line and its folder say nothing of the checkout.
    let file = workspace.base().join("tmp/begun");
    let begun_there = file.display();
    let own = format!(
        "cd /; echo $PPID $$ > {begun_there}.tmp; mv {begun_there}.tmp {begun_there}; \
         while :; do sleep 1; done"
    );
    stand_in.does("test", "setsid /bin/sh -c \"$RUN\" & while :; do sleep 1; done");
    let mut run = start(TESTS).env("RUN", &own).start();
    let pids: [Pid; 2] = begun(&mut run, &file);
    kill(run, &workspace, &pids);

    let file = stand_in.never_ends("clippy");
    let mut run = start("lint").start();
    let pids: [Pid; 2] = begun(&mut run, &file);
    run.interrupt();
    // Two signals of one kind may become one.
    run.terminate();
    assert_eq!(run.wait().status.code(), Some(130));
    are_gone(&workspace, &pids);
}

/// The real cargo and rustc, at a few points of a build.
#[test]
fn a_run_that_is_killed_leaves_no_compiler() {
    let workspace = Workspace::generic().build();
    make_whole(&workspace);
    let file = workspace.base().join("tmp/begun");
    workspace.write("crates/library/build.rs", endless_build(&file));
    for points in 0..3 {
        drop(std::fs::remove_file(&file));
        let mut run = real_ci(&workspace, &[&JSON[..], &["--only", "build,lint,docs"]].concat()).start();
        match points {
            0 => {
                let begins = "{\"event\":\"started\",\"step\":\"build\"";
                eventually("the build begins", DEADLINE, || run.stdout_has(begins).then_some(()));
            }
            1 => {
                let works = || process::in_folder(&workspace.base().display().to_string());
                eventually("rustc runs", super::WITH_BUILD, || {
                    assert!(!run.has_ended());
                    works().iter().any(|line| line.contains("rustc")).then_some(())
                });
            }
            _ => eventually("the build script runs", super::WITH_BUILD, || file.exists().then_some(())),
        }
        kill(run, &workspace, &[]);
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
