//! Tests `cargo xtask bench` as people call it, in this repository. Each test has its own folder for temporary files.
#![cfg(unix)]
#![allow(clippy::unwrap_used, missing_docs)]

mod left;
mod run;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::left::Left;
use crate::run::{Bench, Outcome};

/// Skips a test that needs a server that this machine lacks. If `XTASK_NO_SKIP` is set, the test fails.
fn may_skip(outcome: &Outcome) -> bool {
    let skips = outcome.code == Some(6);
    assert!(!skips || std::env::var_os("XTASK_NO_SKIP").is_none(), "may not be skipped: {outcome}");
    if skips {
        println!("skipped: no private server can be had here");
    }
    skips
}

#[test]
fn nothing_to_do_as_json() {
    let bench = Bench::new();
    let outcome = bench.run(&["db-setup", "nothing", "--runs", "2", "--json"]);
    if may_skip(&outcome) {
        return;
    }
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let lines = outcome.json();
    let ours = lines.iter().find(|line| line["command"] == "cargo xtask db-setup").unwrap();
    assert_eq!(
        (&ours["event"], &ours["subject"], &ours["case"]),
        (&json!("result"), &json!("db-setup"), &json!("nothing"))
    );
    assert_eq!((&ours["runs"], &ours["peer"]), (&json!(2), &json!(false)));
    for times in ["seconds", "cpu_seconds"] {
        let [min, median, max] = ["min", "median", "max"].map(|key| ours[times][key].as_f64().unwrap());
        assert!(0.0 < min && min <= median && median <= max && max < 60.0, "{outcome}");
    }
    // The peer is measured, or the output names the command that installs it.
    let peer = lines.iter().find(|line| line["command"].as_str().is_some_and(|name| name.starts_with("sqlx"))).unwrap();
    if peer["event"] == "missing" {
        assert!(peer["remedies"][0].as_str().unwrap().starts_with("cargo install sqlx-cli"), "{outcome}");
        assert_eq!(ours.get("ratio"), None);
    } else {
        assert_eq!((&peer["event"], &peer["peer"], &peer["ratio"]), (&json!("result"), &json!(true), &json!(1.0)));
        assert!(ours["ratio"].as_f64().unwrap() > 0.0, "{outcome}");
        assert_eq!(ours["compared_to"], peer["command"]);
    }
    assert_eq!(lines.len(), 2, "{outcome}");
    assert_eq!(bench.left(), Left::default());
}

/// Ends a run in the middle of a measurement.
fn ends(how: impl Fn(&Bench) -> (Option<i32>, &'static str)) {
    let mut bench = Bench::new();
    let Some(()) = bench.start_until(&["db-setup", "nothing", "--runs", "10000"], "Measuring: nothing to do") else {
        may_skip(&bench.wait());
        return;
    };
    let before = bench.left();
    assert!(before.files.len() == 1 && before.processes.iter().any(|line| line.contains("postgres")), "{before:?}");
    let (code, says) = how(&bench);
    let outcome = bench.wait();
    assert_eq!(outcome.code, code, "{outcome}");
    assert!(outcome.stderr.contains(says), "{outcome}");
    // The command ends only after everything was removed.
    assert_eq!(bench.left(), Left::default());
}

#[test]
fn an_interrupted_run_leaves_nothing() {
    ends(|bench| {
        bench.signal(Signal::SIGINT);
        (Some(130), "interrupted")
    });
}

#[test]
fn a_killed_run_leaves_nothing() {
    ends(|bench| {
        bench.kill_program();
        (Some(1), "SIGKILL")
    });
}

#[test]
fn the_package_reads_its_own_arguments() {
    let bench = Bench::new();
    let outcome = bench.run(&["--help"]);
    assert_eq!(outcome.code, Some(0), "{outcome}");
    for word in ["--runs", "scale", "compared_to"] {
        assert!(outcome.stdout.contains(word), "{word}: {outcome}");
    }
    let outcome = bench.run(&["db-setup", "hot"]);
    assert_eq!(outcome.code, Some(2), "{outcome}");
    assert!(outcome.stderr.contains("'hot'"), "{outcome}");
}

#[test]
fn an_unknown_revision_is_refused() {
    let bench = Bench::new();
    let outcome = bench.run(&["build", "--base", "no-such-branch", "--json"]);
    assert_eq!(outcome.code, Some(2), "{outcome}");
    let problem = outcome.json().pop().unwrap();
    assert_eq!((&problem["event"], &problem["exit_code"]), (&json!("problem"), &json!(2)));
    assert!(problem["what"].as_str().unwrap().contains("`no-such-branch`"), "{outcome}");
    assert_eq!(bench.left(), Left::default());
}

impl Outcome {
    /// The lines of the run's output, which are JSON.
    #[track_caller]
    fn json(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{self}"))).collect()
    }
}
