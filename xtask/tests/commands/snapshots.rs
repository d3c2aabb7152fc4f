//! Whole outputs of the main cases, in each form that is for people or for programs.

use crate::support::fixture::{PASSWORD, ROLE};
use crate::support::snapshot::assert;
use crate::support::{Outcome, Server, Workspace, set_up};

const FORMS: [&str; 4] = ["terminal", "plain", "github", "json"];

fn run(workspace: &Workspace, arguments: &[&str], form: &str) -> Outcome {
    workspace.run(&[arguments, &["--format", form]].concat())
}

#[test]
fn setting_up() {
    let server = Server::start();
    server.create_role(ROLE, PASSWORD, "CREATEDB");
    for form in FORMS {
        // Each form begins in a new checkout, on a server without databases.
        for database in server.databases() {
            server.execute("postgres", &format!("DROP DATABASE {database}"));
        }
        let workspace = Workspace::generic().build();
        workspace.set_server(&server);
        assert(&format!("setup-plan.{form}"), &workspace, &run(&workspace, &["db-setup", "--dry-run"], form));
        assert(&format!("setup-cold.{form}"), &workspace, &run(&workspace, &["db-setup"], form));
        assert(&format!("setup-again.{form}"), &workspace, &run(&workspace, &["db-setup"], form));
    }
}

#[test]
fn a_migration_that_fails() {
    let (_server, workspace) = set_up();
    let up = "CREATE TABLE readers (id integer);\nALTER TABLE readers ADD COLUMN age intger;\n";
    workspace.add_migration("library", "003_readers", up);
    for form in FORMS {
        // A migration that failed has left nothing, so each run fails in the same way.
        assert(&format!("migration-fails.{form}"), &workspace, &run(&workspace, &["db-setup"], form));
    }
}

#[test]
fn histories_that_differ() {
    let (_server, workspace) = set_up();
    workspace.add_migration("library", "004_later", "CREATE TABLE later (id integer);\n");
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    workspace.write("migrations/library/001_authors.up.sql", "CREATE TABLE authors (id integer);\n");
    workspace.add_migration("library", "003_between", "CREATE TABLE between (id integer);\n");
    workspace.remove("migrations/journal/001_entries.up.sql");
    workspace.remove("migrations/journal/001_entries.down.sql");
    workspace.add_migration("journal", "002_more", "CREATE TABLE more (id integer);\n");
    assert("history-differs.plain", &workspace, &run(&workspace, &["db-setup"], "plain"));
}

#[test]
fn migrations_that_are_taken_back() {
    let (server, workspace) = crate::migrate_down::with_third();
    server.execute("library", "INSERT INTO more VALUES (1), (2)");
    let redo = ["migrate", "redo", "library"];
    assert("redo-asks.plain", &workspace, &run(&workspace, &redo, "plain"));
    assert("redo-plan.plain", &workspace, &run(&workspace, &[&redo[..], &["--dry-run"]].concat(), "plain"));
    for form in FORMS {
        server.execute("library", "TRUNCATE more; INSERT INTO more VALUES (1), (2)");
        let name = format!("redo-done.{form}");
        assert(&name, &workspace, &run(&workspace, &[&redo[..], &["--yes"]].concat(), form));
    }
    assert("down-done.plain", &workspace, &run(&workspace, &["migrate", "down", "library"], "plain"));
}

#[test]
fn schemas_that_differ() {
    let (server, workspace) = set_up();
    assert("verify-good.plain", &workspace, &run(&workspace, &["db-verify"], "plain"));
    server.execute("library", "ALTER TABLE books ADD COLUMN stray text; DROP INDEX books_title_idx");
    for form in FORMS {
        assert(&format!("verify-drifted.{form}"), &workspace, &run(&workspace, &["db-verify"], form));
    }
    workspace.add_migration("journal", "002_more", "CREATE TABLE more (id integer);\n");
    assert("verify-pending.plain", &workspace, &run(&workspace, &["db-verify"], "plain"));
    assert("setup-stale.plain", &workspace, &run(&workspace, &["db-setup"], "plain"));
}

#[test]
fn states() {
    let (server, workspace) = set_up();
    server.execute("postgres", "COMMENT ON DATABASE library IS NULL; COMMENT ON DATABASE journal IS NULL");
    workspace.write(".git/HEAD", "ref: refs/heads/main\n");
    workspace.run(&["db-setup"]).code(0);
    assert("status-good.plain", &workspace, &run(&workspace, &["db-status"], "plain"));
    server.execute("library", "ALTER TABLE books ADD COLUMN stray text");
    workspace.remove("migrations/journal/001_entries.up.sql");
    workspace.remove("migrations/journal/001_entries.down.sql");
    for number in 2..9 {
        workspace.add_migration("journal", &format!("00{number}_more"), "SELECT 1;\n");
    }
    for form in FORMS {
        assert(&format!("status-differs.{form}"), &workspace, &run(&workspace, &["db-status"], form));
    }
    assert("status-brief.plain", &workspace, &run(&workspace, &["db-status", "--brief"], "plain"));
}

#[test]
fn no_server() {
    let workspace = Workspace::generic().build();
    let empty = workspace.empty();
    for form in FORMS {
        let run = workspace.xtask(&["db-setup", "--format", form]).path([&empty]).env("XTASK_PG_BINDIR", &empty).run();
        assert(&format!("no-server.{form}"), &workspace, &run);
    }
    assert("stop-nothing.plain", &workspace, &run(&workspace, &["db-stop"], "plain"));
}

#[test]
fn settings_that_are_wrong() {
    let workspace = Workspace::generic().build();
    workspace.write(".env", "LIBRARY_URL=mysql://me@localhost/library\nGREETING=\nnonsense\nA='open\n");
    assert("settings-wrong.plain", &workspace, &run(&workspace, &["db-setup"], "plain"));
}

#[test]
fn a_login_that_is_refused() {
    let server = Server::start();
    let workspace = Workspace::generic().build();
    workspace.set_authority("127.0.0.1", server.port, "keeper", "not-the-Passw0rd");
    workspace.write_own_env();
    assert("login-refused.plain", &workspace, &run(&workspace, &["db-setup"], "plain"));
}

#[test]
fn migration_files() {
    let (_server, workspace) = set_up();
    assert("migrate-add.plain", &workspace, &run(&workspace, &["migrate", "add", "library", "more books"], "plain"));
    assert("setup-empty.plain", &workspace, &run(&workspace, &["db-setup"], "plain"));
    workspace.write("migrations/library/4-strange.sql", "SELECT 1;\n");
    workspace.remove("migrations/library/001_authors.down.sql");
    assert("migration-names.plain", &workspace, &run(&workspace, &["db-setup"], "plain"));
    assert("migrate-unknown.plain", &workspace, &run(&workspace, &["migrate", "add", "libary", "x"], "plain"));
}

#[test]
fn help() {
    let workspace = Workspace::generic().build();
    for command in [
        "",
        "db-setup",
        "db-status",
        "db-shell",
        "db-url",
        "db-stop",
        "db-reset",
        "db-switch",
        "db-snapshot",
        "db-snapshot save",
        "db-snapshot list",
        "db-snapshot restore",
        "db-snapshot drop",
        "db-verify",
        "db-diagram",
        "db-prepare",
        "doctor",
        "ci",
        "sqlx",
        "migrate add",
        "migrate down",
        "migrate redo",
        "hooks install",
        "completions",
    ] {
        let words: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let name = if command.is_empty() { "help".to_owned() } else { format!("help-{}", command.replace(' ', "-")) };
        assert(&name, &workspace, &workspace.run(&words));
    }
    assert("usage.plain", &workspace, &workspace.run(&["db-setpu"]));
}
