//! The applied migrations, compared with the repository's files: modified, missing and out-of-order migrations.

use crate::support::fixture::{JOURNAL_HISTORY, LIBRARY_HISTORY};
use crate::support::{Server, server_and_workspace, set_up, sql};

/// Fails if anything was applied beyond what [`set_up`] applied.
#[track_caller]
fn assert_nothing_applied(server: &Server) {
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2]);
    assert_eq!(sql::applied(&server.admin("journal"), JOURNAL_HISTORY), [1]);
    server.assert_only(&["journal", "library"]);
}

#[test]
fn a_modified_migration() {
    let (server, workspace) = set_up();
    let path = "migrations/library/002_books.up.sql";
    workspace.write(path, workspace.read(path) + "CREATE TABLE more (id integer);\n");
    // Both databases have a pending migration as well. It isn't applied.
    workspace.add_migration("library", "003_pending", "CREATE TABLE pending (id integer);\n");
    workspace.add_migration("journal", "002_pending", "CREATE TABLE pending (id integer);\n");
    let outcome = workspace.run(&["db-setup"]).code(5).says(["002_books"]).mentions(["modified"]);
    outcome.lacks(["line endings"]);
    assert_nothing_applied(&server);
    workspace.run(&["db-verify"]).code(5).says(["002_books"]);
}

#[test]
fn a_migration_whose_line_endings_differ() {
    let (server, workspace) = set_up();
    let path = "migrations/library/002_books.up.sql";
    workspace.write(path, workspace.read(path).replace('\n', "\r\n"));
    workspace.run(&["db-setup"]).code(5).says(["002_books"]).mentions(["line endings"]);
    assert_nothing_applied(&server);
    // The other way round.
    let (server, workspace) = server_and_workspace();
    let lf = workspace.read(path);
    workspace.write(path, lf.replace('\n', "\r\n"));
    workspace.run(&["db-setup"]).code(0);
    workspace.write(path, lf);
    workspace.run(&["db-setup"]).code(5).says(["002_books"]).mentions(["line endings"]);
    assert_nothing_applied(&server);
}

/// sqlx.toml can say that line endings don't matter.
#[test]
fn line_endings_that_are_ignored() {
    let (server, workspace) = server_and_workspace();
    let manifest = workspace.read("crates/library/sqlx.toml");
    workspace.write("crates/library/sqlx.toml", format!("{manifest}ignored-chars = [\"\\r\"]\n"));
    workspace.run(&["db-setup"]).code(0);
    let path = "migrations/library/002_books.up.sql";
    workspace.write(path, workspace.read(path).replace('\n', "\r\n"));
    workspace.run(&["db-setup"]).code(0);
    assert_nothing_applied(&server);
}

/// Every file of the checkout has CRLF line endings, and the server has no databases yet.
#[test]
fn a_crlf_checkout_from_nothing() {
    let (server, workspace) = server_and_workspace();
    for (path, content, _) in workspace.files() {
        let text = String::from_utf8(content).unwrap().replace('\n', "\r\n");
        std::fs::write(path, text).unwrap();
    }
    workspace.run(&["db-setup"]).code(0);
    workspace.run(&["db-setup"]).code(0);
    assert_nothing_applied(&server);
}

#[test]
fn a_missing_migration() {
    let (server, workspace) = set_up();
    workspace.remove("migrations/library/002_books.up.sql");
    workspace.remove("migrations/library/002_books.down.sql");
    workspace.add_migration("library", "003_pending", "CREATE TABLE pending (id integer);\n");
    // The history holds the version and the description, but not the name of the file.
    workspace.run(&["db-setup"]).code(5).says(["2", "books"]).mentions(["missing"]);
    assert_nothing_applied(&server);
}

#[test]
fn a_migration_that_is_out_of_order() {
    let (server, workspace) = server_and_workspace();
    for side in ["up", "down"] {
        let from = workspace.root().join(format!("migrations/library/002_books.{side}.sql"));
        std::fs::rename(&from, workspace.root().join(format!("migrations/library/005_books.{side}.sql"))).unwrap();
    }
    workspace.run(&["db-setup"]).code(0);
    workspace.add_migration("library", "003_late", "CREATE TABLE late (id integer);\n");
    workspace.add_migration("journal", "002_pending", "CREATE TABLE pending (id integer);\n");
    workspace.run(&["db-setup"]).code(5).says(["003_late"]).mentions(["order"]);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 5]);
    assert_eq!(sql::applied(&server.admin("journal"), JOURNAL_HISTORY), [1]);
}

#[test]
fn all_differences_are_listed_at_once() {
    let (server, workspace) = server_and_workspace();
    workspace.add_migration("library", "007_seventh", "SELECT 7;\n");
    workspace.run(&["db-setup"]).code(0);
    workspace.write("migrations/library/001_authors.up.sql", "CREATE TABLE writers (id integer);\n");
    workspace.remove("migrations/library/002_books.up.sql");
    workspace.remove("migrations/library/002_books.down.sql");
    workspace.add_migration("library", "004_late", "SELECT 4;\n");
    workspace.add_migration("library", "005_later", "SELECT 5;\n");
    workspace.write("migrations/journal/001_entries.up.sql", "CREATE TABLE lines (id integer);\n");
    let outcome = workspace.run(&["db-setup"]).code(5);
    outcome
        .says(["001_authors", "books", "004_late", "005_later", "001_entries"])
        .mentions(["modified", "missing", "order"]);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2, 7]);
}

#[test]
fn a_history_with_a_migration_of_another_branch() {
    let (server, workspace) = set_up();
    server.execute(
        "library",
        "INSERT INTO _sqlx.migrations (version, description, success, checksum, execution_time) \
         VALUES (90, 'from a branch', true, '\\x00', 1)",
    );
    workspace.run(&["db-setup"]).code(5).says(["90", "from a branch"]);
}

/// sqlx leaves this row behind if a migration without a transaction is interrupted. The message must show a way out.
#[test]
fn a_migration_that_is_recorded_as_not_successful() {
    let (server, workspace) = set_up();
    server.execute("library", "UPDATE _sqlx.migrations SET success = false WHERE version = 2");
    workspace.run(&["db-setup"]).code(5).says(["2", "books", "DELETE FROM _sqlx.migrations"]);
    // The way out works.
    server.execute("library", "DROP TABLE books; DELETE FROM _sqlx.migrations WHERE version = 2 AND NOT success");
    workspace.run(&["db-setup"]).code(0);
    assert_nothing_applied(&server);
}
