//! The output: its content, its streams, and the secrets that it never contains.

use serde_json::json;

use crate::support::event_schema;
use crate::support::fixture::{LIBRARY_HISTORY, PASSWORD, ROLE};
use crate::support::{Server, Workspace, server_and_workspace, set_up, sql};

#[test]
fn results_and_progress_are_kept_apart() {
    let (_server, workspace) = server_and_workspace();
    let outcome = workspace.run(&["db-setup"]).code(0);
    assert!(outcome.stdout.contains("(2 rows)") && !outcome.stderr.contains("(2 rows)"), "{outcome}");
    // Neither stream is a terminal, so there are no colours and no spinner.
    assert!(!outcome.text().contains('\u{1b}') && !outcome.text().contains('\r'), "{outcome}");
    // The output says what was done, and what to type next.
    outcome.says([".env", "library", "journal"]).mentions(["cargo xtask"]);
}

#[test]
fn quiet_on_success_and_complete_on_failure() {
    let (_server, workspace) = server_and_workspace();
    for flag in ["--quiet", "-q"] {
        let outcome = workspace.run(&["db-setup", flag]).code(0);
        assert_eq!(outcome.stderr, "", "{outcome}");
    }
    workspace.add_migration("library", "003_breaks", "SELECT missing;\n");
    workspace.run(&["db-setup", "--quiet"]).code(1).says(["migrations/library/003_breaks.up.sql:1:8", "missing"]);
}

#[test]
fn json_has_one_event_on_each_line() {
    let (server, workspace) = server_and_workspace();
    for run in 1..=2 {
        let outcome = workspace.run(&["db-setup", "--format", "json"]).code(0);
        assert_eq!(outcome.stderr, "", "{outcome}");
        let events = outcome.events();
        let listed: Vec<_> = events.iter().filter(|event| event["event"] == "tables").collect();
        assert_eq!(listed.len(), 2, "run {run}: {outcome}");
        let last = events.last().unwrap();
        assert_eq!(last["exit_code"], 0, "{outcome}");
    }
    // A failure is an event too, with its place. All output is JSON.
    workspace.add_migration("library", "003_breaks", "SELECT missing;\n");
    let outcome = workspace.run(&["db-setup", "--format", "json"]).code(1);
    assert_eq!(outcome.stderr, "", "{outcome}");
    let events = outcome.events();
    let problem = events.iter().find(|event| event["event"] == "problem").unwrap();
    assert!(problem.to_string().contains("migrations/library/003_breaks.up.sql"), "{problem}");
    assert_eq!(events.last().unwrap()["exit_code"], 1);
    server.assert_only(&["journal", "library"]);
}

/// Every event of every test is held against the schema. So here are those that it has to refuse, and its own form.
#[test]
fn the_schema_of_the_events_refuses_other_ones() {
    let sound = json!({"event": "step", "step": "main", "outcome": "done", "what": "made", "seconds": 0.1});
    assert_eq!(event_schema::errors(&sound), Vec::<String>::new());
    let problem = json!({"event": "problem", "code": "x", "exit_code": 1, "what": "x", "details": [], "remedies": [],
        "location": {"file": "a.sql", "line": 1, "column": null}});
    assert_eq!(event_schema::errors(&problem), Vec::<String>::new());
    for (event, field, value) in [
        (&sound, "event", json!("stop")),
        (&sound, "outcome", json!("good")),
        (&sound, "seconds", json!("0.1")),
        (&sound, "seconds", json!(-1)),
        (&sound, "more", json!(1)),
        (&problem, "code", json!(1)),
        (&problem, "exit_code", json!(7)),
        (&problem, "details", json!([1])),
        (&problem, "location", json!({"file": "a.sql", "line": 1})),
    ] {
        let mut other = event.clone();
        other[field] = value;
        assert!(!event_schema::errors(&other).is_empty(), "{other}");
        other.as_object_mut().unwrap().remove(field);
        let is_optional = ["more", "location"].contains(&field);
        assert_eq!(event_schema::errors(&other).is_empty(), is_optional, "{other}");
    }
}

#[test]
fn json_problems_before_anything_starts() {
    let workspace = Workspace::generic().build();
    workspace.write(".env", "LIBRARY_URL=\nno sign here\n");
    let outcome = workspace.run(&["db-setup", "--format", "json"]).code(1);
    assert!(outcome.events().iter().filter(|event| event["event"] == "problem").count() >= 3, "{outcome}");
    let server_gone = workspace.xtask(&["db-setup", "--format", "json"]).directory("/").run().fails();
    assert!(!server_gone.events().is_empty());
}

#[test]
fn a_dry_run_touches_nothing() {
    let (server, workspace) = server_and_workspace();
    let files = workspace.files();
    let outcome = workspace.run(&["db-setup", "--dry-run"]);
    assert!(matches!(outcome.status.code(), Some(0 | 3)), "{outcome}");
    outcome.says([".env", "library", "journal", "002_books", "001_entries"]);
    assert_eq!(workspace.files(), files);
    assert!(!workspace.root().join(".xtask").exists());
    server.assert_only(&[]);

    // The databases exist now, and one migration is pending.
    workspace.run(&["db-setup"]).code(0);
    workspace.add_migration("library", "003_more", "CREATE TABLE more (id integer);\n");
    let before = sql::fingerprint(&server.admin("library"), LIBRARY_HISTORY);
    let files = workspace.files();
    let outcome = workspace.run(&["db-setup", "--dry-run"]);
    assert!(matches!(outcome.status.code(), Some(0 | 3)), "{outcome}");
    outcome.says(["003_more"]);
    assert_eq!(workspace.files(), files);
    assert_eq!(sql::fingerprint(&server.admin("library"), LIBRARY_HISTORY), before);
    server.assert_only(&["journal", "library"]);
}

#[test]
fn a_dry_run_starts_no_server() {
    let workspace = Workspace::generic().build();
    let files = workspace.files();
    let outcome = workspace.run(&["db-setup", "--dry-run"]);
    assert!(matches!(outcome.status.code(), Some(0 | 3)), "{outcome}");
    assert_eq!(workspace.files(), files);
    assert!(crate::local::pid_files(&workspace).is_empty());
    assert!(sql::try_query(&workspace.login("postgres"), "SELECT ''").is_err());
    let inside = |folder: &str| std::fs::read_dir(workspace.base().join(folder)).unwrap().count();
    assert_eq!((inside("cache"), inside("tmp")), (0, 0));
}

#[test]
fn a_dry_run_reports_problems() {
    let (server, workspace) = set_up();
    workspace.write("migrations/library/001_authors.up.sql", "SELECT 'modified';\n");
    workspace.run(&["db-setup", "--dry-run"]).code(5).says(["001_authors"]);
    server.assert_only(&["journal", "library"]);
}

#[test]
fn command_lines_that_cannot_be_used() {
    let workspace = Workspace::generic().build();
    for arguments in [
        &["db-setpu"][..],
        &["db-setup", "--server", "elsewhere"],
        &["db-setup", "--timeout", "soon"],
        &["db-setup", "--timeout", "-1"],
        &["db-setup", "--format", "xml"],
        &["db-setup", "surplus"],
        &[],
    ] {
        let outcome = workspace.run(arguments);
        assert_eq!(outcome.status.code(), Some(2), "{outcome}");
    }
    let outcome = workspace.run(&["db-setpu"]);
    assert!(outcome.stderr.contains("db-setup"), "{outcome}");
}

#[test]
fn help_names_every_command_and_option() {
    let workspace = Workspace::generic().build();
    workspace.run(&["--help"]).code(0).says(["db-setup", "db-stop", "db-verify", "ci", "--quiet", "--format"]);
    let help = workspace.run(&["db-setup", "--help"]).code(0);
    help.says(["--server", "running", "compose", "local", "--timeout", "--dry-run", "--allow-remote"]);
}

/// On GitHub, a failing statement gets an annotation on its line.
#[test]
fn annotations_on_github() {
    let (_server, workspace) = server_and_workspace();
    workspace.add_migration("library", "003_breaks", "SELECT 1;\nSELECT missing;\n");
    let summary = workspace.base().join("tmp/summary.md");
    let run = workspace.xtask(&["db-setup"]).env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary);
    let outcome = run.run().code(1);
    let annotation = outcome.text().lines().find(|line| line.starts_with("::error ")).map(str::to_owned);
    let annotation = annotation.unwrap_or_else(|| panic!("no annotation: {outcome}"));
    for part in ["file=migrations/library/003_breaks.up.sql", "line=2", "col=8"] {
        assert!(annotation.contains(part), "{annotation}");
    }
}

/// Returns the lines that GitHub's runner takes for commands. It reads both streams at once, so their order is unknown.
pub(crate) fn obeyed(stream: &str) -> Vec<&str> {
    let mut stopped: Option<&str> = None;
    let mut obeyed = Vec::new();
    for line in stream.lines() {
        let command = line.trim_start().strip_prefix("::");
        match stopped {
            Some(word) => stopped = stopped.filter(|_| command != Some(&format!("{word}::"))),
            None if line.contains("##[") => obeyed.push(line),
            None => match command.map(|command| command.strip_prefix("stop-commands::").unwrap_or(command)) {
                Some(word) if line.contains("stop-commands::") => stopped = Some(word),
                Some(_) => obeyed.push(line),
                None => {}
            },
        }
    }
    assert!(stopped.is_none(), "the runner isn't told to go on: {stream}");
    obeyed
}

/// What the server says is shown, but neither the terminal nor GitHub's runner obeys it.
#[test]
fn what_the_server_says_gives_no_orders() {
    let (_server, workspace) = server_and_workspace();
    let raised = "E'orders\\n::set-env name=X::forged\\n  ::add-mask::y\\n##[error]forged\\033[2J\\007'";
    let up = format!("DO $$BEGIN RAISE EXCEPTION USING MESSAGE = {raised}; END$$;\n");
    workspace.add_migration("library", "003_orders", &up);
    for format in ["github", "plain", "terminal"] {
        let outcome = workspace.run(&["db-setup", "--format", format]).code(1);
        let outcome = outcome.says(["orders", "::set-env name=X::forged", "##[error]forged", "\\u{1b}[2J", "\\u{7}"]);
        assert!(!outcome.text().contains("\u{1b}[2J") && !outcome.text().contains('\u{7}'), "{outcome}");
        if format == "github" {
            assert_eq!(obeyed(&outcome.stdout), Vec::<&str>::new());
            let obeyed = obeyed(&outcome.stderr);
            assert!(obeyed.len() == 1 && obeyed[0].starts_with("::error file=migrations/library/003"), "{obeyed:?}");
        }
    }
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let (_server, workspace) = server_and_workspace();
    let plain = workspace.xtask(&["db-setup", "--format", "terminal"]).env("NO_COLOR", "1").run().code(0);
    assert!(!plain.text().contains("\u{1b}["), "{plain}");
    let dumb = workspace.xtask(&["db-setup", "--format", "terminal"]).env("TERM", "dumb").run().code(0);
    assert!(!dumb.text().contains('\u{1b}'), "{dumb}");
    let plain = workspace.run(&["db-setup", "--format", "plain"]).code(0);
    assert!(!plain.text().contains('\u{1b}'), "{plain}");
}

/// A URL that can't be parsed isn't shown, because any part of it may be a password.
#[test]
fn a_password_in_an_invalid_url_is_not_shown() {
    let server = Server::start();
    let workspace = Workspace::generic().build();
    for url in [
        format!("postgres://{ROLE}:{PASSWORD}@127.0.0.1:99999/library"),
        format!("postgres//{ROLE}:{PASSWORD}@127.0.0.1:1/library"),
        format!("postgresql+psycopg://{ROLE}:{PASSWORD}@127.0.0.1:1/library"),
        format!("{ROLE}:{PASSWORD}@127.0.0.1:{}/library", server.port),
        format!("postgres://{PASSWORD}"),
        format!("postgres://{ROLE}:{PASSWORD}@127.0.0.1:1/library?sslmode={PASSWORD}"),
    ] {
        for format in ["plain", "json"] {
            workspace.xtask(&["db-setup", "--format", format]).env("LIBRARY_URL", &url).run().fails();
        }
    }
    // A line without an equals sign may be a part of a line with a password.
    workspace
        .write(".env", format!("{}LIBRARY_URL postgres://x:{PASSWORD}@y/z\n'{PASSWORD}\n", workspace.read(".env.ci")));
    workspace.run(&["db-setup"]).code(1);
}
