//! What the steps say that they read, held against what they open. An input that isn't declared would let a step pass as
//! unchanged although it would fail now.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{WITH_BUILD, checkout, has_nextest, real_ci};
use crate::support::run::{Invocation, whole_path};
use crate::support::trace;
use crate::support::{Outcome, Workspace, skip};

/// Skips the test where strace can't be used.
macro_rules! needs_strace {
    () => {
        if !std::env::split_paths(&whole_path()).any(|folder| folder.join("strace").exists()) {
            skip!("strace isn't installed");
        }
    };
}

/// The files that no step declares: what is compiled, the state of this program, and what git reads to list the files.
const NOBODYS: [&str; 4] = [".git", ".gitignore", "target", ".xtask"];

/// Returns what each step reads, as the program lists it. Steps whose results are never kept are left out.
#[track_caller]
fn declared(list: &Outcome) -> BTreeMap<String, BTreeSet<PathBuf>> {
    let events = list.events();
    let steps = events.iter().find(|event| event["event"] == "steps").unwrap()["steps"].as_array().unwrap().clone();
    let files = |step: &serde_json::Value| {
        let files = step["reads"].as_array()?.iter().map(|file| PathBuf::from(file.as_str().unwrap()));
        Some((step["step"].as_str().unwrap().to_owned(), files.collect()))
    };
    steps.iter().filter_map(files).collect()
}

/// Runs a step below strace. Returns the files of the checkout that it opened and hasn't declared.
#[track_caller]
fn undeclared(run: Invocation<'_>, file: &Path, root: &Path, declared: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let (trace, outcome) = trace::run(run.deadline(WITH_BUILD), file);
    assert!(outcome.status.success(), "{outcome}");
    let opened = trace::opened(&trace, root);
    let is_somebodys = |path: &&PathBuf| !NOBODYS.iter().any(|folder| path.starts_with(folder));
    opened.iter().filter(is_somebodys).filter(|path| !declared.contains(*path)).cloned().collect()
}

/// Prepares a step of the fixture's pipeline below strace.
fn step<'a>(workspace: &'a Workspace, file: &Path, step: &str, how: &[&str]) -> Invocation<'a> {
    let arguments = [&["ci", "--quiet", "--only", step], how].concat();
    trace::traced(workspace, file, Path::new(env!("CARGO_BIN_EXE_xtask")), &arguments).with_cargo()
}

#[track_caller]
fn cargo(workspace: &Workspace, arguments: &[&str]) {
    Invocation::of(workspace, env!("CARGO"), arguments).with_cargo().deadline(WITH_BUILD).run().code(0);
}

/// Each step, from nothing: what is compiled already would not be read again.
#[test]
fn no_step_opens_what_it_has_not_declared() {
    needs_strace!();
    let (_server, workspace) = checkout();
    workspace.write("crates/library/Cargo.toml", workspace.read("crates/library/Cargo.toml") + READER);
    workspace.write(
        "crates/library/src/lib.rs",
        "//! Reads.\n\n/// Data.\npub const DATA: &str = include_str!(\"../data\");\n",
    );
    workspace.write("crates/library/data", "1\n");
    workspace.write("crates/library/tests/it.rs", READS);
    workspace.write("data/one.txt", "1\n");
    workspace.write("rustfmt.toml", "max_width = 120\n");
    workspace.write("clippy.toml", "msrv = \"1.85\"\n");
    workspace.write(".cargo/config.toml", "[term]\nquiet = true\n");
    let list = || real_ci(&workspace, &["--list", "--format", "json"]).run().code(0);
    let steps = declared(&list());
    let names: Vec<_> = steps.keys().map(String::as_str).collect();
    let all =
        ["docs", "format", "lint", "migrations", "queries", "schema", "test:journal", "test:library", "test:tools"];
    assert_eq!(names, all);
    let file = workspace.base().join("trace");
    let found = |name: &str, declared: &BTreeSet<PathBuf>| {
        match name.strip_prefix("test:") {
            // Alone, the step compiles every package. In a whole run, others have compiled the other packages.
            Some(package) => {
                real_ci(&workspace, &["--only", "build"]).run().code(0);
                cargo(&workspace, &["clean", "--quiet", "--package", package]);
            }
            None => drop(std::fs::remove_dir_all(workspace.root().join("target"))),
        }
        // Before the steps, cargo is asked for the packages. Only a step without cargo has to leave that out.
        let before = match name {
            "migrations" | "schema" => {
                undeclared(step(&workspace, &file, name, &["--list"]), &file, workspace.root(), declared)
            }
            _ => Vec::new(),
        };
        let mut found = undeclared(step(&workspace, &file, name, &["--all"]), &file, workspace.root(), declared);
        found.retain(|file| !before.contains(file));
        found
    };
    // The tests of one package stand for those of all.
    for (name, declared) in steps.iter().filter(|(name, _)| !["test:journal", "test:tools"].contains(&name.as_str())) {
        assert_eq!(found(name, declared), Vec::<PathBuf>::new(), "{name}");
    }
    // A file that isn't declared is found.
    workspace
        .write("crates/library/Cargo.toml", workspace.read("crates/library/Cargo.toml").replace("data/", "other/"));
    let declared = &declared(&list())["test:library"];
    assert_eq!(found("test:library", declared), [PathBuf::from("data/one.txt")]);
}

const READER: &str = "\n[package.metadata.xtask.tests]\nread = [\"data/*.txt\"]\n";

const READS: &str = "\
//! Reads.
#[test]
fn reads() {
    assert_eq!(std::fs::read_to_string(\"../../data/one.txt\").unwrap(), \"1\\n\");
}
";

/// Makes a run work on this repository, in which everything is compiled already.
fn in_repository(run: Invocation<'_>) -> Invocation<'_> {
    run.with_cargo().with_built_target().directory(repository()).deadline(WITH_BUILD)
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The tests of this repository's packages, except those that take long, once more.
#[test]
fn tests_open_what_their_package_has_declared() {
    needs_strace!();
    if !has_nextest() {
        skip!("cargo-nextest isn't installed");
    }
    let workspace = Workspace::generic().build();
    // With the list of the test programs, nothing is compiled below strace.
    in_repository(real_ci(&workspace, &["--only", "build"])).run().code(0);
    let list = in_repository(workspace.xtask(&["ci", "--only", "build,tools,test", "--list", "--format", "json"]))
        .run()
        .code(0);
    let (file, declared) = (workspace.base().join("trace"), declared(&list));
    let of_xtask = "binary(layers) + test(of_this_repository) + test(the_same_everywhere)";
    for (package, tests) in [("quickcart", "binary(check)"), ("xtask", of_xtask)] {
        let step = format!("test:{package}");
        let line = command(&list, &step).replace(")'", &format!(") & ({tests})'"));
        let run = trace::traced(&workspace, &file, Path::new("/bin/sh"), &["-c", &line]);
        let undeclared = undeclared(in_repository(run), &file, repository(), &declared[&step]);
        let none: [PathBuf; 0] = [];
        assert_eq!(undeclared, none, "add what is missing to [package.metadata.xtask.tests] of {package}");
    }
}

/// Returns the first command line of a step.
#[track_caller]
fn command(list: &Outcome, step: &str) -> String {
    let events = list.events();
    let steps = events.iter().find(|event| event["event"] == "steps").unwrap()["steps"].as_array().unwrap();
    let found = steps.iter().find(|listed| listed["step"] == step).unwrap();
    found["runs"][0].as_str().unwrap().to_owned()
}
