//! The output of a run: little about steps that pass, everything about steps that fail, and the table at the end.

use super::{WITHOUT_TOOLS, checkout, ci, json};
use crate::output::obeyed;
use crate::support::pipeline::{TESTS, group};
use crate::support::{DEADLINE, Outcome, Pipeline, Server, StandInCargo, Workspace, eventually};

/// The quick steps. In the broken checkout, format, migrations, schema and test fail.
const STEPS: &str = "format,db-setup,migrations,schema,env,build,test";

/// The steps that fail in the broken checkout.
const FAILED: [&str; 4] = ["format", "migrations", "schema", "test:journal"];

/// Makes a checkout with mistakes for each of four steps. The mistakes in the code are recorded ones.
fn broken() -> (Server, Workspace) {
    let (server, workspace) = checkout();
    StandInCargo::of(&workspace).answers("mistakes");
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
    assert_eq!(rows.len(), 9, "{outcome}");
    for row in rows {
        let failed = FAILED.contains(&row[0]);
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
    assert_eq!(names.len(), 13, "{outcome}");
    for name in &names {
        let is_its_line = |line: &&str| line.split_whitespace().nth(1) == Some(name);
        assert_eq!(outcome.stderr.lines().filter(is_its_line).count(), 1, "{name}: {outcome}");
    }
    assert!(outcome.stderr.trim_end().lines().last().unwrap().starts_with("Done: ci took"), "{outcome}");

    let outcome = ci(&workspace, &[&["--quiet"], &WITHOUT_TOOLS[..]].concat()).run().code(0);
    assert_eq!(outcome.stderr, "", "{outcome}");
    assert_eq!(table(&outcome.stdout).len(), 13, "{outcome}");
}

/// The output of a program that failed is shown, but neither the terminal nor GitHub's runner obeys it.
#[test]
fn what_a_program_prints_gives_no_orders() {
    let (_server, workspace) = checkout();
    let printed = "printed\u{1b}[2J \u{1b}[31mred\u{1b}[0m\n::set-env name=X::forged\nmore ##[error]forged\u{202e}\n";
    StandInCargo::of(&workspace).answer("fmt", "", printed, 1);
    for format in ["github", "plain"] {
        let outcome = ci(&workspace, &["--only", "format", "--format", format]).run().fails();
        let outcome = outcome.says(["::set-env name=X::forged", "##[error]forged\\u{202e}", "red"]);
        assert!(!outcome.text().contains(['\u{1b}', '\u{202e}']), "{outcome}");
        if format == "github" {
            let obeyed = [obeyed(&outcome.stdout), obeyed(&outcome.stderr)].concat();
            assert!(obeyed.iter().all(|line| line.starts_with("::error") || line.contains("group::")), "{obeyed:?}");
        }
    }
}

#[test]
fn complete_on_failure() {
    let (server, workspace) = broken();
    for arguments in [&["--only", STEPS][..], &["--quiet", "--only", STEPS]] {
        let outcome = ci(&workspace, arguments).run().code(4);
        assert_results(&outcome);
        let outcome = outcome.says([
            "error[not-formatted]: crates/tools/src/unformatted.rs:4: This isn't rustfmt's format.",
            "    -      true",
            "error[migration-failed]: migrations/library/002_books.down.sql:1:19: 002_books.down failed: syntax error",
            "error[schema-file-stale]: schema/journal.sql:",
            "error[test-failed]: crates/journal/src/lib.rs:7:9: journal tests::holds failed: assertion `left == right` failed: printed by the test",
            "error[test-failed]: journal::it fails failed: Error: \"no good\"",
            "$ cargo fmt --all --check",
            "journal tests::holds:",
            "→ To format all files: cargo fmt --all",
        ]);
        // A test's failure is reported once as a problem. It also stands in the test's output.
        assert_eq!(outcome.stderr.matches("error[test-failed]: crates/journal/src/lib.rs").count(), 1, "{outcome}");
        outcome.lacks(["crates/tools/src/lib.rs", "unasked", "Nothing was run"]);
    }
    server.assert_only(&["journal", "library"]);
}

/// Each line is an event, in the order in which things happened. The run prints nothing else.
#[test]
fn events() {
    let (_server, workspace) = broken();
    let pipeline = json(&workspace, &["--only", STEPS]).code(4);
    let pipeline = pipeline.fails(&FAILED.map(group), &[]);
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
    let run = ci(&workspace, &["--format", "json", "--only", "format,build", "--only", TESTS]);
    let run = run.env("GITHUB_ACTIONS", "true").run().code(1);
    assert!(!run.events().is_empty() && run.stderr.is_empty(), "{run}");
}

/// The failure of a test is shown when it happens. The run goes on, and shows it no second time.
#[test]
fn a_test_that_fails_while_others_run() {
    let workspace = Workspace::generic().build();
    let stand_in = StandInCargo::of(&workspace);
    stand_in.answers("mistakes");
    // The failures are printed first. The test runner ends when one of them was seen.
    let may_end = workspace.base().join("tmp/may-end");
    let wait = format!("while [ ! -e '{}' ]; do sleep 0.01; done", may_end.display());
    stand_in.does("nextest", &format!("cat \"$folder/$name.stdout\"; {wait}; exit $(cat \"$folder/$name.code\")"));
    let mut run = ci(&workspace, &["--only", TESTS, "--format", "json"]).start();
    let failed = "journal::it fails failed: Error:";
    eventually("the failure is shown", DEADLINE, || run.stdout_has(failed).then_some(()));
    assert!(!run.has_ended());
    std::fs::write(&may_end, "").unwrap();
    Pipeline::of(run.wait()).code(1).fails(&[TESTS], &[]).tests_at(&["", "", "crates/journal/src/lib.rs:7:9"]);
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
    // Two of the failed tests don't say where they failed.
    assert_eq!(errors.iter().filter(|error| error.starts_with("::error file=")).count(), 4, "{outcome}");
    assert_eq!(errors.len(), 6, "{outcome}");
    for (place, words) in [
        ("file=crates/tools/src/unformatted.rs,line=4,title=not-formatted::", "This isn't rustfmt's format.%0A"),
        ("file=migrations/library/002_books.down.sql,line=1,col=19,title=migration-failed::", "syntax error"),
        ("file=schema/journal.sql,line=", "cargo xtask db-verify --write"),
        ("file=crates/journal/src/lib.rs,line=7,col=9,title=test-failed::", "printed by the test"),
    ] {
        let error = errors.iter().find(|error| error.starts_with(&format!("::error {place}")));
        assert!(error.is_some_and(|error| error.contains(words)), "expected {words} at {place}: {outcome}");
    }
    assert!(outcome.stderr.contains("books, 100%25;"), "{outcome}");
    // The output of the passed steps is folded away. The output of the failed steps is not.
    let groups = commands("group::");
    assert_eq!(groups.len(), 5, "{outcome}");
    for step in ["db-setup", "build", "env", "test:library", "test:tools"] {
        assert!(groups.iter().any(|group| group.starts_with(&format!("::group::passed {step}"))), "{outcome}");
    }
    assert_eq!(commands("endgroup").len(), groups.len(), "{outcome}");
    assert!(outcome.stderr.lines().any(|line| line.starts_with("FAILED format")), "{outcome}");

    let text = std::fs::read_to_string(&summary).unwrap();
    assert!(text.starts_with("before\n"), "{text}");
    let rows: Vec<_> = text.lines().filter(|line| line.starts_with("| ")).collect();
    assert_eq!(rows.len(), 10, "{text}");
    for row in &rows[1..] {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        assert_eq!(cells.len(), 4, "{row}");
        let failed = FAILED.contains(&cells[0]);
        assert_eq!(cells[1].ends_with("FAILED"), failed, "{row}");
        assert_eq!(cells[3].contains(&format!("`cargo xtask ci --only {}`", cells[0])), failed, "{row}");
        assert!(!cells[2].is_empty(), "{row}");
    }
    assert!(!text.contains(crate::support::fixture::PASSWORD), "{text}");
}
