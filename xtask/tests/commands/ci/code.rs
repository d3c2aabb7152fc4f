//! A mistake in the code fails the step that looks for it, and no other step.

use super::{TEST, WITHOUT_TOOLS, checkout, ci, has_nextest, json};
use crate::support::{Pipeline, skip};

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
";

const BROKEN_LINK: &str = "\
//! Nothing.

/// Nothing, as in [`nowhere`].
pub fn nothing() {}
";

/// The checkout has a mistake for each of four steps. Each step finds its own mistake, and all other steps pass.
#[test]
fn format_lint_test_and_docs() {
    let (server, workspace) = checkout();
    workspace.write("crates/tools/src/lib.rs", "//! Modules.\nmod linked;\npub mod unformatted;\n");
    workspace.write("crates/tools/src/unformatted.rs", UNFORMATTED);
    workspace.write("crates/tools/src/linked.rs", BROKEN_LINK.replace("pub fn", "pub(crate) fn"));
    workspace.write("crates/library/src/lib.rs", LINTED);
    workspace.write("crates/journal/src/lib.rs", TEST.replace("println!(", "assert_eq!(1, 2, "));
    workspace
        .write("crates/journal/tests/it.rs", "//! Passes.\n#[test]\nfn passes() {\n    println!(\"unasked\");\n}\n");
    // With one job at a time, the first failure must not hide the later ones.
    workspace.write(".cargo/config.toml", "[build]\njobs = 1\n");
    let pipeline = json(&workspace, &WITHOUT_TOOLS);
    let pipeline = pipeline.code(1).fails(&["format", "lint", "test", "docs"], &[]);
    assert_eq!(pipeline.with("skipped"), ["deps"]);

    let text = pipeline.at("format", &["crates/tools/src/unformatted.rs:4"]).concat();
    assert!(text.contains("-      true") && text.contains("cargo fmt --all"), "{text}");

    let text = pipeline.at("lint", &["crates/library/src/lib.rs:5:5", "crates/tools/src/linked.rs:4:15"]).concat();
    assert!(text.contains("clippy::len_zero") && text.contains("x.is_empty()"), "{text}");

    let text = pipeline.at("test", &["crates/journal/src/lib.rs:7:9"]).concat();
    assert!(text.contains("tests::holds") && text.contains("printed by the test"), "{text}");
    let step = pipeline.step("test");
    assert_eq!(step.what, "", "{}", step.output);
    // The output has everything that the failed test printed, and nothing that the passed tests printed.
    assert!(step.output.contains("printed by the test") && !step.output.contains("unasked"), "{}", step.output);

    let text = pipeline.at("docs", &["crates/tools/src/linked.rs:3:22"]).concat();
    assert!(text.contains("unresolved link to `nowhere`"), "{text}");
    server.assert_only(&["journal", "library"]);
}

/// Code that doesn't compile fails every step that compiles it, each at the same place. Steps that need `build` aren't
/// run.
#[test]
fn build() {
    let (server, workspace) = checkout();
    workspace.write("crates/library/src/lib.rs", "//! Wrong.\n\n/// One.\npub fn one() -> u8 {\n    \"one\"\n}\n");
    let pipeline = json(&workspace, &WITHOUT_TOOLS).code(1).fails(&["build", "lint", "docs"], &["test", "env"]);
    for step in ["build", "lint"] {
        // The error is reported once, although the library is compiled for its tests as well.
        let text = pipeline.at(step, &["crates/library/src/lib.rs:5:5"]).concat();
        assert!(text.contains("E0308") && text.contains("expected `u8`, found `&str`"), "{text}");
    }
    assert!(pipeline.step("docs").output.contains("crates/library/src/lib.rs:5:5"), "{}", pipeline.outcome());
    for step in ["test", "env"] {
        assert_eq!(pipeline.step(step).what, "it needs build");
    }
    server.assert_only(&["journal", "library"]);
}

/// A test can fail without a panic. A workspace can have no test at all.
#[test]
fn tests_without_a_panic() {
    if !has_nextest() {
        skip!("cargo-nextest isn't installed");
    }
    let (_server, workspace) = checkout();
    let fails = "#[test]\nfn fails() -> Result<(), String> {\n    Err(\"no good\".into())\n}\n";
    workspace.write("crates/journal/tests/it.rs", format!("//! Fails.\n{fails}"));
    let pipeline = json(&workspace, &["--only", "test"]).code(1).fails(&["test"], &[]);
    let text = pipeline.at("test", &[""]).concat();
    assert!(text.contains("fails") && text.contains("no good"), "{text}");
    // A process that aborts prints no reason.
    workspace.write("crates/journal/tests/it.rs", "//! Dies.\n#[test]\nfn dies() {\n    std::process::abort();\n}\n");
    let pipeline = json(&workspace, &["--only", "test"]).code(1).fails(&["test"], &[]);
    let text = pipeline.at("test", &[""]).concat();
    assert!(text.contains("dies"), "{text}");
    workspace.remove("crates/journal/tests/it.rs");
    workspace.write("crates/tools/src/lib.rs", "//! No test.\n");
    json(&workspace, &["--only", "test"]).passes_but(&[]);
}

/// An example in the documentation is a test that nextest doesn't run.
#[test]
fn an_example_that_fails() {
    if !has_nextest() {
        skip!("cargo-nextest isn't installed");
    }
    let (_server, workspace) = checkout();
    let example = "//! Examples.\n\n/// One.\n///\n/// ```\n/// assert_eq!(library::one(), 2, \"not two\");\n/// ```\n";
    workspace.write("crates/library/src/lib.rs", format!("{example}pub fn one() -> u8 {{\n    1\n}}\n"));
    let pipeline = json(&workspace, &["--only", "format,build,test,docs"]).code(1).fails(&["docs"], &[]);
    let text = pipeline.at("docs", &["crates/library/src/lib.rs:5"]).concat();
    assert!(text.contains("not two"), "{text}");
    // If cargo's own runner runs the tests, the example is one of them.
    let arguments = ["--format", "json", "--only", "format,build,test,docs"];
    let run = ci(&workspace, &arguments).without("cargo-nextest").run();
    let pipeline = Pipeline::of(run).code(1).fails(&["test"], &[]);
    pipeline.at("test", &["crates/library/src/lib.rs:5"]);
}

/// rustfmt can't read a source file, and cargo can't read a manifest.
#[test]
fn files_that_cannot_be_read() {
    let (_server, workspace) = checkout();
    workspace.write("crates/library/src/lib.rs", "//! Wrong.\n\npub fn one( {}\n");
    let pipeline = json(&workspace, &["--only", "format,lint"]).code(1).fails(&["format", "lint"], &[]);
    for step in ["format", "lint"] {
        let text = pipeline.at(step, &["crates/library/src/lib.rs:3:16"]).concat();
        assert!(text.contains("unclosed delimiter"), "{text}");
    }
    workspace.write("crates/library/Cargo.toml", "[package\n");
    let outcome = ci(&workspace, &["--only", "lint"]).run().code(1);
    outcome.says(["crates/library/Cargo.toml", "FAILED"]);
}
