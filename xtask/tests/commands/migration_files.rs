//! Mistakes in migrations folders. The error names the file, and comes before any server is used.

use crate::support::{Outcome, Workspace, set_mode};

/// Makes a checkout without a server. Nothing in it may be set up.
fn workspace() -> Workspace {
    Workspace::generic().build()
}

/// Fails unless db-setup ends with exit code 1, prints `parts`, and makes neither `.env` nor a server.
#[track_caller]
fn refused(workspace: &Workspace, parts: &[&str]) -> Outcome {
    let outcome = workspace.run(&["db-setup"]).code(1).says(parts);
    assert!(!workspace.root().join(".env").exists());
    assert!(crate::local::pid_files(workspace).is_empty());
    outcome
}

#[test]
fn a_folder_that_is_missing() {
    let workspace = workspace();
    std::fs::remove_dir_all(workspace.root().join("migrations/journal")).unwrap();
    refused(&workspace, &["migrations/journal"]).problem("migrations-missing");
}

#[test]
fn a_folder_that_is_empty() {
    let workspace = workspace();
    workspace.remove("migrations/journal/001_entries.up.sql");
    workspace.remove("migrations/journal/001_entries.down.sql");
    workspace.write("migrations/journal/README.md", "Nothing yet.\n");
    refused(&workspace, &["migrations/journal"]);
}

#[test]
fn a_folder_that_is_a_file() {
    let workspace = workspace();
    std::fs::remove_dir_all(workspace.root().join("migrations/journal")).unwrap();
    workspace.write("migrations/journal", "not a folder");
    refused(&workspace, &["migrations/journal"]);
}

#[test]
fn a_folder_or_a_file_that_cannot_be_read() {
    let workspace = Workspace::ordinary().build();
    let folder = workspace.root().join("migrations/journal");
    set_mode(&folder, 0);
    refused(&workspace, &["migrations/journal"]);
    set_mode(&folder, 0o755);
    set_mode(&folder.join("001_entries.up.sql"), 0);
    refused(&workspace, &["migrations/journal/001_entries.up.sql"]);
}

#[test]
fn a_file_that_is_not_text() {
    let workspace = workspace();
    workspace.write("migrations/journal/001_entries.up.sql", b"SELECT '\xff';\n");
    refused(&workspace, &["001_entries.up.sql"]);
}

#[test]
fn bad_file_names() {
    for name in
        ["entries.up.sql", "002-dash.up.sql", "002.up.sql", "2x_letters.up.sql", "-2_minus.up.sql", "002_shout.up.SQL"]
    {
        let workspace = workspace();
        workspace.write(&format!("migrations/journal/{name}"), "SELECT 1;\n");
        refused(&workspace, &[&format!("migrations/journal/{name}")]);
    }
}

#[test]
fn a_version_that_does_not_fit() {
    let workspace = workspace();
    workspace.add_migration("journal", "99999999999999999999_big", "SELECT 1;\n");
    refused(&workspace, &["99999999999999999999_big.up.sql"]);
}

#[test]
fn two_files_with_one_version() {
    let workspace = workspace();
    workspace.add_migration("journal", "001_other", "SELECT 1;\n");
    refused(&workspace, &["001_entries.up.sql", "001_other.up.sql"]);
    // The number is written differently, but the version is the same.
    let workspace = self::workspace();
    workspace.add_migration("journal", "1_other", "SELECT 1;\n");
    refused(&workspace, &["001_entries.up.sql", "1_other.up.sql"]);
}

#[test]
fn an_up_without_its_down() {
    let workspace = workspace();
    workspace.remove("migrations/library/002_books.down.sql");
    refused(&workspace, &["migrations/library/002_books.up.sql", "002_books.down.sql"]);
}

#[test]
fn a_down_without_its_up() {
    let workspace = workspace();
    workspace.remove("migrations/library/002_books.up.sql");
    refused(&workspace, &["migrations/library/002_books.down.sql", "002_books.up.sql"]);
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let workspace = workspace();
    workspace.remove("migrations/library/002_books.down.sql");
    workspace.add_migration("library", "001_again", "SELECT 1;\n");
    workspace.write("migrations/journal/bad.sql", "SELECT 1;\n");
    workspace.write(".env", "LIBRARY_URL=\nno sign here\n");
    let parts = ["002_books", "001_again", "migrations/journal/bad.sql", "LIBRARY_URL", ".env:2"];
    workspace.run(&["db-setup"]).code(1).says(parts);
}

#[test]
fn an_sqlx_toml_that_cannot_be_read() {
    let workspace = workspace();
    workspace.write("crates/journal/sqlx.toml", "[migrate\n");
    refused(&workspace, &["crates/journal/sqlx.toml"]).problem("sqlx-toml");
    workspace.write("crates/journal/sqlx.toml", "[migrate]\nmigrations-folder = \"x\"\n");
    refused(&workspace, &["crates/journal/sqlx.toml", "migrations-folder"]);
}

#[test]
fn no_workspace_at_all() {
    let workspace = workspace();
    workspace.xtask(&["db-setup"]).directory("/").run().fails().problem("no-workspace").says(["Cargo.toml"]);
}

#[test]
fn a_workspace_without_a_database() {
    let workspace = workspace();
    workspace.remove("crates/library/sqlx.toml");
    workspace.remove("crates/journal/sqlx.toml");
    std::fs::remove_dir_all(workspace.root().join("migrations")).unwrap();
    refused(&workspace, &["sqlx.toml"]).problem("no-database");
}
