//! What is wrong with the code makes the step fail that it is wrong for, and no other.

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

/// Each finds its own, though all of it is there at once; everything else passes.
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
    // One after the other: what fails first must not hide what comes after it.
    workspace.write(".cargo/config.toml", "[build]\njobs = 1\n");
    let pipeline = json(&workspace, &WITHOUT_TOOLS);
    let pipeline = pipeline.code(1).fails(&["format", "lint", "test", "docs"], &[]);
    assert_eq!(pipeline.with("skipped"), ["deps"]);

    let text = pipeline.at("format", &["crates/tools/src/unformatted.rs:4"]).concat();
    assert!(text.contains("-      true") && text.contains("cargo fmt --all"), "{text}");

    let text = pipeline.at("lint", &["crates/library/src/lib.rs:5:5", "crates/tools/src/linked.rs:4:15"]).concat();
    assert!(text.contains("clippy::len_zero") && text.contains("x.is_empty()"), "{text}");

    let text = pipeline.at("test", &["crates/journal/src/lib.rs:7:9"]).concat();
    assert!(text.contains("tests::holds") && text.contains("only for who asks"), "{text}");
    let step = pipeline.step("test");
    assert_eq!(step.what, "", "{}", step.output);
    // All that the failed one printed, and nothing of those that passed.
    assert!(step.output.contains("only for who asks") && !step.output.contains("unasked"), "{}", step.output);

    let text = pipeline.at("docs", &["crates/tools/src/linked.rs:3:22"]).concat();
    assert!(text.contains("unresolved link to `nowhere`"), "{text}");
    server.assert_only(&["journal", "library"]);
}

/// What doesn't compile has everything fail that compiles it, each with the same place. What needs it isn't run.
#[test]
fn build() {
    let (server, workspace) = checkout();
    workspace.write("crates/library/src/lib.rs", "//! Wrong.\n\n/// One.\npub fn one() -> u8 {\n    \"one\"\n}\n");
    let pipeline = json(&workspace, &WITHOUT_TOOLS).code(1).fails(&["build", "lint", "docs"], &["test", "env"]);
    for step in ["build", "lint"] {
        // Once, though the library is compiled for its tests as well.
        let text = pipeline.at(step, &["crates/library/src/lib.rs:5:5"]).concat();
        assert!(text.contains("E0308") && text.contains("expected `u8`, found `&str`"), "{text}");
    }
    assert!(pipeline.step("docs").output.contains("crates/library/src/lib.rs:5:5"), "{}", pipeline.outcome());
    for step in ["test", "env"] {
        assert_eq!(pipeline.step(step).what, "it needs build");
    }
    server.assert_only(&["journal", "library"]);
}

/// A test that fails in another way than by a panic; one that isn't there.
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
    // A process that dies takes its word with it.
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
    // The same where cargo's own runner runs the tests: then it's one of them.
    let arguments = ["--format", "json", "--only", "format,build,test,docs"];
    let run = ci(&workspace, &arguments).without("cargo-nextest").run();
    let pipeline = Pipeline::of(run).code(1).fails(&["test"], &[]);
    pipeline.at("test", &["crates/library/src/lib.rs:5"]);
}

/// A file that rustfmt can't read, and a manifest that cargo can't.
#[test]
fn what_cannot_be_read() {
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
