//! The output of a run: little about steps that pass, everything about steps that fail, and the table at the end.

use super::{TEST, WITHOUT_TOOLS, checkout, ci, has_nextest, json};
use crate::support::{DEADLINE, Outcome, Pipeline, Server, Workspace, eventually, skip};

/// The quick steps. In the broken checkout, format, migrations, schema and test fail.
const STEPS: &str = "format,db-setup,migrations,schema,env,build,test";

/// Makes a checkout with a mistake for each of four steps.
fn broken() -> (Server, Workspace) {
    let (server, workspace) = checkout();
    workspace.write("crates/journal/src/lib.rs", "//! Not formatted.\n\n/// Nothing.\npub fn f()  {}\n");
    workspace.write("crates/journal/tests/it.rs", format!("//! {}", TEST.replace("println!", "panic!")));
    workspace.write("migrations/library/002_books.down.sql", "DROP TABLE books, 100%;\n");
    workspace.write("schema/journal.sql", workspace.read("schema/journal.sql").replace("entry text", "entry bigint"));
    (server, workspace)
}

/// Returns the rows of the table, each as a list of its words.
fn table(text: &str) -> Vec<Vec<&str>> {
    let rows = text.lines().skip_while(|line| !line.starts_with("step ")).skip(1);
    rows.take_while(|line| !line.is_empty()).map(|line| line.split_whitespace().collect()).collect()
}

/// Fails unless the table shows the right result for each step.
#[track_caller]
fn assert_results(outcome: &Outcome) {
    let rows = table(&outcome.stdout);
    assert_eq!(rows.len(), 7, "{outcome}");
    for row in rows {
        let failed = ["format", "migrations", "schema", "test"].contains(&row[0]);
        assert_eq!(row[1], if failed { "FAILED" } else { "passed" }, "{outcome}");
        // The row of a failed step has the command that repeats only this step.
        let repeat = format!("cargo xtask ci --only {}", row[0]);
        assert_eq!(row.join(" ").contains(&repeat), failed, "{outcome}");
    }
}

#[test]
fn quiet_on_success() {
    let (_server, workspace) = checkout();
    let outcome = ci(&workspace, &WITHOUT_TOOLS).run().code(0);
    // The run shows no output of compilers or tests, no colours, and no characters that only a terminal understands.
    let outcome = outcome.lacks(["printed by the test", "Compiling", "Finished", "running 1 test", "error", "warning"]);
    assert!(!outcome.text().contains(['\u{1b}', '\r']), "{outcome}");
    // Each step has one line, and one row in the table. The table is the result.
    let names: Vec<_> = table(&outcome.stdout).into_iter().map(|row| row[0].to_owned()).collect();
    assert_eq!(names.len(), 11, "{outcome}");
    for name in &names {
        let is_its_line = |line: &&str| line.split_whitespace().nth(1) == Some(name);
        assert_eq!(outcome.stderr.lines().filter(is_its_line).count(), 1, "{name}: {outcome}");
    }
    assert!(outcome.stderr.trim_end().lines().last().unwrap().starts_with("Done: ci took"), "{outcome}");

    let outcome = ci(&workspace, &[&["--quiet"], &WITHOUT_TOOLS[..]].concat()).run().code(0);
    assert_eq!(outcome.stderr, "", "{outcome}");
    assert_eq!(table(&outcome.stdout).len(), 11, "{outcome}");
}

#[test]
fn complete_on_failure() {
    let (server, workspace) = broken();
    for arguments in [&["--only", STEPS][..], &["--quiet", "--only", STEPS]] {
        let outcome = ci(&workspace, arguments).run().code(4);
        assert_results(&outcome);
        let outcome = outcome.says([
            "error: crates/journal/src/lib.rs:4: This isn't rustfmt's format.",
            "    -pub fn f()  {}",
            "error: migrations/library/002_books.down.sql:1:19: 002_books.down failed: syntax error",
            "error: schema/journal.sql:",
            "error: crates/journal/tests/it.rs:7:9: ",
            "tests::holds failed: printed by the test",
            "$ cargo fmt --all --check",
            "running 1 test",
            "→ To format all files: cargo fmt --all",
        ]);
        // A test's failure is reported once as a problem. It also stands in the test's output.
        assert_eq!(outcome.stderr.matches("error: crates/journal/tests/it.rs").count(), 1, "{outcome}");
        outcome.lacks(["crates/tools/src/lib.rs", "Nothing was run"]);
    }
    server.assert_only(&["journal", "library"]);
}

/// Each line is an event, in the order in which things happened. The run prints nothing else.
#[test]
fn events() {
    let (_server, workspace) = broken();
    let pipeline = json(&workspace, &["--only", STEPS]).code(4);
    let pipeline = pipeline.fails(&["format", "migrations", "schema", "test"], &[]);
    let events = pipeline.outcome().events();
    let [.., table, finished] = &events[..] else { panic!("{}", pipeline.outcome()) };
    assert_eq!((&table["event"], &finished["event"]), (&"pipeline".into(), &"finished".into()));
    assert_eq!((&finished["command"], &finished["exit_code"]), (&"ci".into(), &4.into()));
    for row in table["steps"].as_array().unwrap() {
        assert!(row["seconds"].as_f64().is_some(), "{row}");
        let ended = events.iter().filter(|event| event["event"] == "ended" && event["step"] == row["step"]);
        assert_eq!(ended.count(), 1, "{row}");
        let failed = row["outcome"] == "failed";
        let repeat = format!("cargo xtask ci --only {}", row["step"].as_str().unwrap());
        assert_eq!(row.get("repeat").and_then(|repeat| repeat.as_str()), failed.then_some(repeat.as_str()), "{row}");
    }
    for row in table["steps"].as_array().unwrap() {
        let at = |name: &str| events.iter().position(|event| event["event"] == name && event["step"] == row["step"]);
        assert!(at("started") < at("ended") && at("started").is_some(), "{row}");
    }
    // On GitHub as well, a run that was asked for events prints nothing else.
    let run = ci(&workspace, &["--format", "json", "--only", STEPS]).env("GITHUB_ACTIONS", "true").run().code(4);
    assert!(!run.events().is_empty() && run.stderr.is_empty(), "{run}");
}

/// The failure of a test is shown when it happens, and what tests print can't change the results.
#[test]
fn a_test_that_fails_while_others_run() {
    if !has_nextest() {
        skip!("nextest isn't installed");
    }
    let (_server, workspace) = checkout();
    let may_end = workspace.base().join("tmp/may-end");
    // The second test ends when the failure of the first one was seen.
    let tests = format!(
        "//! Tests.\n#[test]\nfn fails() {{\n    panic!(\"for a reason\");\n}}\n\n#[test]\nfn waits() {{\n    \
         println!(\"     Summary [   0.1s] 99 tests run: 99 passed, 0 skipped\");\n    \
         println!(\"        FAIL [   0.1s] (1/1) a lie\");\n    \
         while !std::path::Path::new({may_end:?}).exists() {{\n        std::thread::yield_now();\n    }}\n}}\n"
    );
    workspace.write("crates/journal/tests/it.rs", tests);
    let mut run = ci(&workspace, &["--only", "test", "--format", "json"]).start();
    let failed = "journal::it fails failed: for a reason";
    eventually("the failure is shown", DEADLINE, || run.stdout_has(failed).then_some(()));
    assert!(!run.has_ended());
    std::fs::write(&may_end, "").unwrap();
    let pipeline = Pipeline::of(run.wait()).code(1).fails(&["test"], &[]);
    let texts = pipeline.at("test", &["crates/journal/tests/it.rs:4:5"]).concat();
    assert!(texts.contains("cargo nextest run --package journal -E 'test(=fails)'"), "{texts}");
}

#[test]
fn on_github() {
    let (_server, workspace) = broken();
    let summary = workspace.base().join("tmp/summary");
    // Other steps of the job write into the summary as well.
    std::fs::write(&summary, "before\n").unwrap();
    let run = ci(&workspace, &["--only", STEPS]).env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary);
    let outcome = run.run().code(4);
    assert_results(&outcome);
    let commands = |name: &str| {
        let prefix = format!("::{name}");
        let lines = outcome.stdout.lines().chain(outcome.stderr.lines());
        lines.filter(move |line| line.starts_with(&prefix)).map(str::to_owned).collect::<Vec<_>>()
    };
    // Each annotation is on the line at fault, and holds the whole problem in one line.
    let errors = commands("error");
    assert_eq!(errors.len(), 4, "{outcome}");
    for (place, words) in [
        ("file=crates/journal/src/lib.rs,line=4::", "This isn't rustfmt's format.%0A"),
        ("file=migrations/library/002_books.down.sql,line=1,col=19::", "syntax error"),
        ("file=schema/journal.sql,line=", "cargo xtask db-verify --write"),
        ("file=crates/journal/tests/it.rs,line=7,col=9::", "printed by the test"),
    ] {
        let error = errors.iter().find(|error| error.starts_with(&format!("::error {place}")));
        assert!(error.is_some_and(|error| error.contains(words)), "expected {words} at {place}: {outcome}");
    }
    assert!(outcome.stdout.contains("books, 100%25;"), "{outcome}");
    // The output of the passed steps is folded away. The output of the failed steps is not.
    let groups = commands("group::");
    assert_eq!(groups.len(), 3, "{outcome}");
    for step in ["db-setup", "build", "env"] {
        assert!(groups.iter().any(|group| group.starts_with(&format!("::group::passed {step}"))), "{outcome}");
    }
    assert_eq!(commands("endgroup").len(), groups.len(), "{outcome}");
    assert!(outcome.stderr.lines().any(|line| line.starts_with("FAILED format")), "{outcome}");

    let text = std::fs::read_to_string(&summary).unwrap();
    assert!(text.starts_with("before\n"), "{text}");
    let rows: Vec<_> = text.lines().filter(|line| line.starts_with("| ")).collect();
    assert_eq!(rows.len(), 8, "{text}");
    for row in &rows[1..] {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        assert_eq!(cells.len(), 4, "{row}");
        let failed = ["format", "migrations", "schema", "test"].contains(&cells[0]);
        assert_eq!(cells[1].ends_with("FAILED"), failed, "{row}");
        assert_eq!(cells[3].contains(&format!("`cargo xtask ci --only {}`", cells[0])), failed, "{row}");
        assert!(!cells[2].is_empty(), "{row}");
    }
    assert!(!text.contains(crate::support::fixture::PASSWORD), "{text}");
}
