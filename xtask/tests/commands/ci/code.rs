//! A mistake in the code fails the step that looks for it, and no other step. Here the real cargo runs.

use super::{TEST, ci, has_nextest, json, make_whole, real_ci, real_json};
use crate::support::pipeline::TESTS;
use crate::support::{Pipeline, StandInCargo, Workspace, eventually, skip};

/// Selects the steps that look at the code. None of them asks a server.
const CODE: [&str; 2] = ["--skip", "tools,migration-lint,workflow,db-setup,migrations,schema"];

const UNFORMATTED: &str = "\
//! Well formatted, up to here.

pub fn f() -> bool {
      true
}
";

const LINTED: &str = "\
//! Compiles.

/// Whether there is nothing.
pub fn holds_nothing(x: &str) -> bool {
    x.len() == 0
}

/// One.
///
/// ```
/// assert_eq!(library::one(), 2, \"not two\");
/// ```
pub fn one() -> u8 {
    1
}
";

const BROKEN_LINK: &str = "\
//! Nothing.

/// Nothing, as in [`nowhere`].
pub fn nothing() {}
";

/// Tests of every kind. The last one ends when a file exists, and prints what could be taken for results.
const TESTS_OF_EVERY_KIND: &str = "\
//! Tests.

#[test]
fn dies() {
    std::process::abort();
}

#[test]
fn fails() -> Result<(), String> {
    Err(\"no good\".into())
}

#[test]
fn passes() {
    println!(\"unasked\");
}

#[test]
fn waits() {
    println!(\"     Summary [   0.1s] 99 tests run: 99 passed, 0 skipped\");
    println!(\"        FAIL [   0.1s] (1/1) a lie\");
    while !std::path::Path::new(MAY_END).exists() {
        std::thread::yield_now();
    }
}
";

const UNCOMPILABLE: &str = "//! Wrong.\n\n/// One.\npub fn one() -> u8 {\n    \"one\"\n}\n";

/// The checkout has a mistake for each of four steps. Each step finds its own mistakes, and all other steps pass. A run
/// with recorded answers reports the same as the run with the real programs.
#[test]
fn format_lint_test_and_docs() {
    if !has_nextest() {
        skip!("cargo-nextest isn't installed");
    }
    let workspace = plain();
    let with_test = |text: &str| format!("{text}{}", TEST.trim_start_matches("//! Tests.\n"));
    workspace.write("crates/tools/src/lib.rs", with_test("//! Modules.\nmod linked;\npub mod unformatted;\n"));
    workspace.write("crates/tools/src/unformatted.rs", UNFORMATTED);
    workspace.write("crates/tools/src/linked.rs", BROKEN_LINK.replace("pub fn", "pub(crate) fn"));
    workspace.write("crates/library/src/lib.rs", with_test(LINTED));
    workspace.write("crates/journal/src/lib.rs", TEST.replace("println!(", "assert_eq!(1, 2, "));
    let may_end = workspace.base().join("tmp/may-end");
    let constant = format!("\nconst MAY_END: &str = {:?};\n", may_end.display().to_string());
    workspace.write("crates/journal/tests/it.rs", TESTS_OF_EVERY_KIND.to_owned() + &constant);
    // With one job at a time, the first failure must not hide the later ones.
    workspace.write(".cargo/config.toml", "[build]\njobs = 1\n");
    let arguments = [&["--format", "json"], &CODE[..]].concat();
    StandInCargo::of(&workspace).record("mistakes", &["fmt", "nextest", "clippy", "doc", "examples"], || {
        std::fs::write(&may_end, "").unwrap();
        ci(&workspace, &arguments).deadline(super::WITH_BUILD).run().code(1);
        std::fs::remove_file(&may_end).unwrap();
    });

    // The failure of a test is shown when it happens, and what tests print can't change the results.
    let mut run = real_ci(&workspace, &arguments).env("NEXTEST_TEST_THREADS", "1").start();
    let failed = "journal::it fails failed: Error: \\\"no good\\\"";
    eventually("the failure is shown", super::WITH_BUILD, || (run.stdout_has(failed) || run.has_ended()).then_some(()));
    assert!(!run.has_ended(), "{}", run.wait());
    std::fs::write(&may_end, "").unwrap();
    let pipeline = Pipeline::of(run.wait()).code(1).fails(&["format", "lint", TESTS, "docs"], &[]);
    assert_eq!(pipeline.with("skipped"), ["deps"]);

    let text = pipeline.at("format", &["crates/tools/src/unformatted.rs:4"]).concat();
    assert!(text.contains("-      true") && text.contains("cargo fmt --all"), "{text}");

    let text = pipeline.at("lint", &["crates/library/src/lib.rs:5:5", "crates/tools/src/linked.rs:4:15"]).concat();
    assert!(text.contains("clippy::len_zero") && text.contains("x.is_empty()"), "{text}");

    // A process that aborts prints no reason, and a test can fail without a panic.
    let texts = pipeline.tests_at(&["", "", "crates/journal/src/lib.rs:7:9"]);
    assert!(texts[0].contains("journal::it dies"), "{}", texts[0]);
    assert!(texts[1].contains("no good"), "{}", texts[1]);
    assert!(texts[1].contains("cargo nextest run --package journal -E 'test(=fails)'"), "{}", texts[1]);
    assert!(texts[2].contains("tests::holds") && texts[2].contains("printed by the test"), "{}", texts[2]);
    let step = pipeline.tests();
    assert_eq!(step.what, "", "{}", step.output);
    // The output has everything that the failed test printed, and nothing that the passed tests printed.
    assert!(step.output.contains("printed by the test") && !step.output.contains("unasked"), "{}", step.output);

    // An example in the documentation is a test that nextest doesn't run.
    let texts = pipeline.at("docs", &["crates/library/src/lib.rs:10", "crates/tools/src/linked.rs:3:22"]);
    assert!(texts[0].contains("not two"), "{}", texts[0]);
    assert!(texts[1].contains("unresolved link to `nowhere`"), "{}", texts[1]);

    StandInCargo::of(&workspace).answers("mistakes");
    json(&workspace, &CODE).code(1).same_as(&pipeline);
}

/// Code that doesn't compile fails every step that compiles it, each at the same place. Steps that need `build` aren't
/// run. The same holds for the recorded answers.
#[test]
fn build() {
    let workspace = of_one_package("library");
    workspace.write("crates/library/src/lib.rs", UNCOMPILABLE);
    StandInCargo::of(&workspace).record("uncompilable", &["build", "clippy", "doc", "examples"], || {
        json(&workspace, &CODE).code(1);
    });
    let pipeline = real_json(&workspace, &CODE).code(1).fails(&["build", "lint", "docs"], &["env", TESTS]);
    for step in ["build", "lint"] {
        // The error is reported once, although the library is compiled for its tests as well.
        let text = pipeline.at(step, &["crates/library/src/lib.rs:5:5"]).concat();
        assert!(text.contains("E0308") && text.contains("expected `u8`, found `&str`"), "{text}");
    }
    assert!(pipeline.step("docs").output.contains("crates/library/src/lib.rs:5:5"), "{}", pipeline.outcome());
    for step in ["env", TESTS] {
        assert_eq!(pipeline.step(step).what, "it needs build");
    }
    // Without nextest, the examples are run by another step.
    if has_nextest() {
        StandInCargo::of(&workspace).answers("uncompilable");
        json(&workspace, &CODE).code(1).same_as(&pipeline);
    }
}

/// rustfmt can't read a source file, and cargo can't read a manifest.
#[test]
fn files_that_cannot_be_read() {
    let workspace = of_one_package("library");
    workspace.write("crates/library/src/lib.rs", "//! Wrong.\n\npub fn one( {}\n");
    let pipeline = real_json(&workspace, &["--only", "format,lint"]).code(1).fails(&["format", "lint"], &[]);
    for step in ["format", "lint"] {
        let text = pipeline.at(step, &["crates/library/src/lib.rs:3:16"]).concat();
        assert!(text.contains("error[compile-error]: this file contains an unclosed delimiter"), "{text}");
    }
    workspace.write("crates/library/Cargo.toml", "[package\n");
    let outcome = real_ci(&workspace, &["--only", "lint"]).run().code(1);
    outcome.problem("program-failed").says(["crates/library/Cargo.toml", "FAILED"]);
}

/// Cargo's own runner takes the place of nextest. To it, an example in the documentation is a test like the others.
#[test]
fn without_nextest() {
    let workspace = of_one_package("tools");
    workspace.write("crates/tools/src/lib.rs", TEST);
    let real = || real_ci(&workspace, &["--format", "json", "--only", "build,test,docs"]).without("cargo-nextest");
    let recorded = || ci(&workspace, &["--format", "json", "--only", "build,test,docs"]).without("cargo-nextest");
    let stand_in = StandInCargo::of(&workspace);
    stand_in.record("passing", &["test"], || drop(recorded().run().code(0)));
    let pipeline = Pipeline::of(real().run()).passes_but(&[]);
    assert_eq!(pipeline.tests().what, "1 passed, 0 failed, 0 skipped");
    assert!(!pipeline.outcome().text().contains("printed by the test"), "{}", pipeline.outcome());
    stand_in.answers("passing");
    Pipeline::of(recorded().run()).same_as(&pipeline);

    let example = "/// One.\n///\n/// ```\n/// assert_eq!(tools::one(), 2, \"not two\");\n/// ```\n";
    let test = TEST.replace("println!", "panic!");
    workspace.write("crates/tools/src/lib.rs", format!("{test}\n{example}pub fn one() -> u8 {{\n    1\n}}\n"));
    stand_in.record("own-runner", &["test"], || drop(recorded().run().code(1)));
    let pipeline = Pipeline::of(real().run()).code(1).fails(&[TESTS], &[]);
    let texts = pipeline.tests_at(&["crates/tools/src/lib.rs:7:9", "crates/tools/src/lib.rs:13"]);
    assert!(texts[0].contains("printed by the test") && texts[1].contains("not two"), "{texts:?}");
    stand_in.answers("own-runner");
    Pipeline::of(recorded().run()).same_as(&pipeline);
}

/// A checkout with all its files. No step of it asks a server.
fn plain() -> Workspace {
    let workspace = Workspace::generic().build();
    make_whole(&workspace);
    workspace
}

/// A checkout in which cargo sees only one package, so that it has less to compile.
pub(super) fn of_one_package(name: &str) -> Workspace {
    let workspace = plain();
    let manifest = workspace.read("Cargo.toml");
    workspace.write("Cargo.toml", manifest.replace("crates/*", &format!("crates/{name}")));
    let lock = workspace.read("Cargo.lock");
    let others = |block: &&str| !block.starts_with("[[package]]") || block.contains(&format!("\"{name}\""));
    let blocks: Vec<_> = lock.trim_end().split("\n\n").filter(others).collect();
    workspace.write("Cargo.lock", blocks.join("\n\n") + "\n");
    workspace
}
