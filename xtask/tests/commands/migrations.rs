//! Migrations that fail: the place, the reason, and the state of the databases.

use crate::support::fixture::{JOURNAL_HISTORY, LIBRARY_HISTORY};
use crate::support::{Server, Workspace, server_and_workspace, set_up, sql};

/// Adds a third migration to `library`, which must fail at `place`. Everything before it must be applied.
#[track_caller]
fn fails_at(up: &str, place: &str, parts: &[&str]) -> (Server, Workspace) {
    let (server, workspace) = server_and_workspace();
    workspace.add_migration("library", "003_breaks", up);
    let outcome = workspace.run(&["db-setup"]).code(1);
    outcome.says([format!("migrations/library/003_breaks.up.sql{place}")]).says(parts);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2]);
    assert_eq!(server.query("library", "SELECT to_regclass('half')::text"), [""]);
    (server, workspace)
}

#[test]
fn the_position_of_a_failing_statement() {
    let up = "-- A comment first.\nCREATE TABLE half (id integer);\n\n    SELECT nothing_of_that_name FROM books;\n";
    fails_at(up, ":4:12", &["nothing_of_that_name", "does not exist", "    SELECT nothing_of_that_name FROM books;"]);
}

#[test]
fn the_column_counts_characters() {
    let up = "CREATE TABLE half (id integer);\nSELECT 'Übergröße 😀', missing FROM books;\n";
    fails_at(up, ":2:23", &["missing"]);
}

#[test]
fn a_position_in_a_crlf_file() {
    let up = "CREATE TABLE half (id integer);\r\n\r\nSELECT 1,\r\n  missing FROM books;\r\n";
    fails_at(up, ":4:3", &["missing"]);
}

#[test]
fn a_syntax_error() {
    // The server parses the whole text first, so that nothing of it runs.
    fails_at("CREATE TABLE half (id integer);\nCREATE TABEL other (id integer);\n", ":2:8", &["syntax error", "TABEL"]);
}

#[test]
fn a_syntax_error_at_the_end() {
    fails_at("CREATE TABLE half (id integer", "", &["syntax error at end of input"]);
}

#[test]
fn the_message_the_detail_and_the_hint_of_the_server_are_shown() {
    let up = "CREATE TABLE half (id integer);\n\
              DO $$ BEGIN RAISE EXCEPTION 'no more moons' USING DETAIL = 'there were two', HINT = 'count again'; END $$;\n";
    fails_at(up, "", &["no more moons", "there were two", "count again"]);
}

#[test]
fn an_error_of_the_data() {
    let (server, workspace) = fails_at(
        "INSERT INTO authors (name) VALUES ('a'), (NULL);\n",
        "",
        &["null value in column \"name\"", "Failing row contains"],
    );
    assert_eq!(server.query("library", "SELECT name FROM authors"), Vec::<String>::new());
    workspace.add_migration("library", "003_breaks", "SELECT 1;\n");
    workspace.run(&["db-setup"]).code(0);
}

#[test]
fn an_error_that_occurs_at_the_commit() {
    let up = "ALTER TABLE books ADD CONSTRAINT later FOREIGN KEY (author_id) REFERENCES authors (id) DEFERRABLE INITIALLY DEFERRED;\n\
              INSERT INTO books (author_id, title) VALUES (77, 'nobody wrote it');\n";
    // The fixture's own foreign key is checked at once. A deferred one is checked at the commit.
    let (server, workspace) = set_up();
    workspace.add_migration(
        "library",
        "003_breaks",
        &format!("ALTER TABLE books DROP CONSTRAINT books_author_id_fkey;\n{up}"),
    );
    workspace.run(&["db-setup"]).code(1).says(["003_breaks", "later"]);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2]);
    assert_eq!(server.query("library", "SELECT title FROM books"), Vec::<String>::new());
}

/// A migration that ends its own transaction would be half applied.
#[test]
fn a_migration_that_commits_by_itself() {
    let (_server, workspace) = server_and_workspace();
    workspace.add_migration("library", "003_commits", "CREATE TABLE half (id integer);\nCOMMIT;\nSELECT missing;\n");
    workspace.run(&["db-setup"]).code(1).says(["003_commits"]);
}

#[test]
fn a_failure_in_one_database_does_not_stop_the_other() {
    let (server, workspace) = server_and_workspace();
    workspace.add_migration("library", "003_breaks", "SELECT missing;\n");
    workspace.add_migration("journal", "002_works", "SELECT pg_sleep(0.3);\n");
    workspace.add_migration("journal", "003_works_too", "SELECT 1;\n");
    // The output shows the state of each database.
    workspace.run(&["db-setup"]).code(1).says(["migrations/library/003_breaks.up.sql:1:8", "library", "journal"]);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2]);
    assert_eq!(sql::applied(&server.admin("journal"), JOURNAL_HISTORY), [1, 2, 3]);
    server.assert_only(&["journal", "library"]);
}

#[test]
fn both_databases_fail() {
    let (server, workspace) = server_and_workspace();
    workspace.add_migration("library", "003_breaks", "SELECT missing;\n");
    workspace.add_migration("journal", "002_breaks", "SELECT\n absent;\n");
    let places = ["migrations/library/003_breaks.up.sql:1:8", "migrations/journal/002_breaks.up.sql:2:2"];
    workspace.run(&["db-setup"]).code(1).says(places);
    assert_eq!(sql::applied(&server.admin("journal"), JOURNAL_HISTORY), [1]);
}

#[test]
fn a_corrected_migration_is_applied() {
    let (server, workspace) = server_and_workspace();
    workspace.add_migration("library", "003_breaks", "CREATE TABLE half (id integer);\nSELECT missing;\n");
    workspace.run(&["db-setup"]).code(1);
    workspace.add_migration("library", "003_breaks", "CREATE TABLE half (id integer);\n");
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2, 3]);
}

#[test]
fn a_failed_migration_without_a_transaction_can_be_corrected() {
    let (server, workspace) = server_and_workspace();
    let up = "-- no-transaction\nCREATE INDEX CONCURRENTLY half_idx ON books (missing);\n";
    workspace.add_migration("library", "003_breaks", up);
    workspace.run(&["db-setup"]).code(1).says(["migrations/library/003_breaks.up.sql:2"]);
    workspace.add_migration("library", "003_breaks", &up.replace("missing", "author_id"));
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2, 3]);
}

/// The session settings of one migration don't affect the next one.
#[test]
fn settings_of_a_migration_end_with_it() {
    let (server, workspace) = server_and_workspace();
    workspace.add_migration("library", "003_sets", "SET search_path = pg_catalog;\nSET ROLE NONE;\n");
    workspace.add_migration(
        "library",
        "004_uses",
        "CREATE TABLE public.found (id integer);\nINSERT INTO found VALUES (1);\n",
    );
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2, 3, 4]);
}

/// A migration sees the tables of its own database only.
#[test]
fn a_table_of_one_database_is_not_in_the_other() {
    let (server, workspace) = server_and_workspace();
    workspace.add_migration("journal", "002_reads", "SELECT * FROM books;\n");
    workspace.run(&["db-setup"]).code(1).says(["migrations/journal/002_reads.up.sql:1:15", "books"]);
    assert_eq!(sql::tables(&server.admin("journal")), ["entries"]);
}
