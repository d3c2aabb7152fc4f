//! `migrate down`: what was applied is taken back by its recorded text.

use crate::sqlx::sqlx;
use crate::support::fixture::LIBRARY_HISTORY;
use crate::support::{Server, Workspace, set_up, sql};
use crate::texts::{LIBRARY_TEXTS, recorded};

/// Adds a migration with its way down to the database `library`.
pub(crate) fn add(workspace: &Workspace, name: &str, up: &str, down: &str) {
    workspace.add_migration("library", name, up);
    workspace.write(&format!("migrations/library/{name}.down.sql"), down);
}

/// Deletes the files of a migration.
pub(crate) fn remove(workspace: &Workspace, name: &str) {
    ["up", "down"].iter().for_each(|side| workspace.remove(&format!("migrations/library/{name}.{side}.sql")));
}

/// A checkout whose database `library` has a third migration: a table, and a column of another one.
pub(crate) fn with_third() -> (Server, Workspace) {
    let (server, workspace) = set_up();
    add(
        &workspace,
        "003_more",
        "CREATE TABLE more (id integer);\nALTER TABLE books ADD COLUMN isbn text;\n",
        "ALTER TABLE books DROP COLUMN isbn;\nDROP TABLE more;\n",
    );
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    (server, workspace)
}

pub(crate) fn applied(server: &Server) -> Vec<i64> {
    sql::applied(&server.admin("library"), LIBRARY_HISTORY)
}

/// Whether the table of the third migration is there.
pub(crate) fn is_there(server: &Server) -> bool {
    server.query("library", "SELECT to_regclass('more')::text") == ["more"]
}

#[test]
fn the_newest_is_taken_back_and_applied_again() {
    let (server, workspace) = with_third();
    let outcome = workspace.run(&["migrate", "down", "library"]).code(0);
    outcome
        .says(["003_more taken back", "schema proven to be that of the migrations up to 002_books"])
        .says(["cargo xtask db-setup", "applies 003_more again"])
        .lacks(["lost"]);
    assert_eq!((applied(&server), is_there(&server)), (vec![1, 2], false));
    assert_eq!(recorded(&server), ["1", "2"]);
    workspace.run(&["db-setup"]).code(0);
    assert_eq!((applied(&server), is_there(&server)), (vec![1, 2, 3], true));
    server.assert_only(&["journal", "library"]);
}

#[test]
fn a_migration_whose_file_is_gone() {
    let (server, workspace) = with_third();
    remove(&workspace, "003_more");
    let outcome = workspace.run(&["db-setup"]).code(5);
    outcome
        .says(["Take 003_more back as recorded", "cargo xtask migrate down library --to 2, then cargo xtask db-setup"]);
    workspace.run(&["migrate", "down", "library", "--to", "2"]).code(0).lacks(["applies"]);
    assert_eq!((applied(&server), is_there(&server)), (vec![1, 2], false));
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0).says(["nothing was changed"]);
}

/// The recorded way down counts, and not that of the file.
#[test]
fn a_migration_whose_files_were_edited() {
    let (server, workspace) = with_third();
    add(&workspace, "003_more", "CREATE TABLE other (id integer);\n", "DROP TABLE other;\n");
    workspace.run(&["migrate", "down", "library"]).code(0);
    assert_eq!((applied(&server), is_there(&server)), (vec![1, 2], false));
}

#[test]
fn all_of_them() {
    let (server, workspace) = with_third();
    let outcome = workspace.run(&["migrate", "down", "library", "--to", "0"]).code(0);
    outcome.says(["003_more, 002_books, 001_authors taken back", "schema proven to be that of no migration"]);
    assert_eq!(applied(&server), [0; 0]);
    assert_eq!(sql::tables(&server.admin("library")), [""; 0]);
    workspace.run(&["migrate", "down", "library"]).code(0).says(["no such migration", "Nothing was changed"]);
    workspace.run(&["migrate", "down", "library", "--to", "7"]).code(0).says(["no such migration"]);
    workspace.run(&["migrate", "down", "library", "--to", "-1"]).code(2);
    workspace.run(&["migrate", "down", "films"]).code(2).problem("unknown-database");
    workspace.run(&["db-setup"]).code(0);
}

/// Each kind of loss is named, in rows. Without --yes and without a terminal, nothing is lost.
#[test]
fn what_would_be_lost_is_named_first() {
    let (server, workspace) = with_third();
    server.execute(
        "library",
        "INSERT INTO more VALUES (1), (2); INSERT INTO authors (name) VALUES ('a'), ('b'), ('c'); \
         INSERT INTO books (author_id, title, isbn) SELECT id, name, nullif(name, 'a') FROM authors",
    );
    add(
        &workspace,
        "004_rows",
        "CREATE TABLE empty (id integer);\n",
        "DROP TABLE empty;\nDELETE FROM books WHERE title = 'a';\nUPDATE authors SET name = 'd' WHERE name <> 'a';\n\
         ALTER TABLE authors RENAME COLUMN name TO other;\nALTER TABLE authors RENAME COLUMN other TO name;\n",
    );
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    let before = sql::fingerprint(&server.admin("library"), LIBRARY_HISTORY);
    let lost = [
        "table public.more with 2 rows",
        "column public.books.isbn with 2 values",
        "1 of 3 rows of public.books",
        "the values that 2 rows of public.authors have now",
    ];
    let down = ["migrate", "down", "library", "--to", "2"];
    let outcome = workspace.run(&down).code(1).problem("not-confirmed").says(lost);
    outcome.says(["cargo xtask migrate down library --to 2 --yes", "Nothing was changed"]).lacks(["public.empty"]);
    let dry = workspace.run(&[&down[..], &["--dry-run"]].concat()).code(0).says(lost);
    dry.says(["Would take back 004_rows, 003_more", "this was a dry run"]);
    assert_eq!(sql::fingerprint(&server.admin("library"), LIBRARY_HISTORY), before);
    assert_eq!(server.query("library", "SELECT count(*)::text FROM more"), ["2"]);

    let outcome = workspace.run(&[&down[..], &["--yes"]].concat()).code(0).says(lost);
    outcome.says(["004_rows, 003_more taken back"]);
    assert_eq!((applied(&server), is_there(&server)), (vec![1, 2], false));
    assert_eq!(server.query("library", "SELECT title FROM books ORDER BY title"), ["b", "c"]);
}

/// A text that somebody has changed is never run.
#[test]
fn recorded_texts_that_were_tampered_with() {
    let (server, workspace) = with_third();
    remove(&workspace, "003_more");
    for change in ["down = 'DROP TABLE books'", "checksum = 'x'", "branch = 'x'", "sum = 'x'"] {
        let keep = format!("CREATE TABLE kept AS TABLE {LIBRARY_TEXTS}");
        server.execute("library", &format!("{keep}; UPDATE {LIBRARY_TEXTS} SET {change} WHERE version = 3"));
        let outcome = workspace.run(&["migrate", "down", "library"]).code(1).problem("no-way-back");
        let outcome =
            outcome.says(["003_more", "nothing is recorded", "git log -p -- 'migrations/library/003_more.*'"]);
        outcome.says(["DELETE FROM _sqlx.migrations WHERE version = 3;"]);
        workspace.run(&["db-setup"]).code(5).lacks(["migrate down"]);
        assert_eq!((applied(&server), is_there(&server)), (vec![1, 2, 3], true), "{change}");
        let restore = format!("TRUNCATE {LIBRARY_TEXTS}; INSERT INTO {LIBRARY_TEXTS} TABLE kept; DROP TABLE kept");
        server.execute("library", &restore);
    }
    workspace.run(&["migrate", "down", "library"]).code(0);
}

/// Of what sqlx-cli applied, the file tells the way down as long as it is the same. Otherwise nothing does.
#[test]
fn a_migration_that_sqlx_cli_applied() {
    let (server, workspace) = set_up();
    add(&workspace, "003_more", "CREATE TABLE more (id integer);\n", "DROP TABLE more;\n");
    sqlx(&workspace, &["library", "migrate", "run"]).run().code(0);
    assert_eq!(recorded(&server), ["1", "2"]);
    workspace.run(&["migrate", "down", "library"]).code(0);
    assert_eq!((applied(&server), is_there(&server)), (vec![1, 2], false));
    sqlx(&workspace, &["library", "migrate", "run"]).run().code(0);
    add(&workspace, "003_more", "CREATE TABLE other (id integer);\n", "DROP TABLE other;\n");
    workspace.run(&["migrate", "down", "library"]).code(1).problem("no-way-back").says(["sqlx-cli", "003_more"]);
    let outcome = workspace.run(&["db-setup"]).code(5).says(["of which nothing is recorded"]);
    outcome.lacks(["migrate redo"]);
    assert_eq!((applied(&server), is_there(&server)), (vec![1, 2, 3], true));
    // sqlx-cli leaves the row of what it reverts. It counts for nothing else.
    add(&workspace, "003_more", "CREATE TABLE more (id integer);\n", "DROP TABLE more;\n");
    workspace.run(&["migrate", "redo", "library", "--yes"]).code(4);
    sqlx(&workspace, &["library", "migrate", "revert"]).run().code(0);
    assert_eq!(recorded(&server), ["1", "2", "3"]);
    workspace.run(&["migrate", "down", "library", "--to", "1"]).code(0).lacks(["003_more"]);
    assert_eq!(applied(&server), [1]);
}

/// A migration without a down file has no way back, whether its text is recorded or not.
#[test]
fn a_migration_without_a_way_down() {
    let (server, workspace) = set_up();
    workspace.write("migrations/library/003_simple.sql", "CREATE TABLE more (id integer);\n");
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    let outcome = workspace.run(&["migrate", "down", "library", "--to", "1"]).code(1).problem("no-way-back");
    outcome.says(["003_simple", "without a way down", "Undo by hand"]).lacks(["002_books"]);
    assert_eq!(applied(&server), [1, 2, 3]);
}

#[test]
fn a_way_down_that_fails() {
    let (server, workspace) = set_up();
    add(&workspace, "003_more", "CREATE TABLE more (id integer);\n", "DROP TABLE more;\nDROP TABLE missing;\n");
    add(&workspace, "004_fine", "CREATE TABLE fine (id integer);\n", "DROP TABLE fine;\n");
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    remove(&workspace, "003_more");
    let outcome = workspace.run(&["migrate", "down", "library", "--to", "2"]).code(1).problem("migration-failed");
    outcome
        .says(["003_more.down failed", "table \"missing\" does not exist", "2 | DROP TABLE missing;"])
        .says(["the database is as it was", "recorded when the migration was applied"])
        .says(["cargo xtask sqlx library migrate revert", "DELETE FROM _sqlx.migrations"]);
    assert_eq!((applied(&server), is_there(&server)), (vec![1, 2, 3, 4], true));
    assert_eq!(recorded(&server), ["1", "2", "3", "4"]);
}

#[test]
fn a_way_down_that_leaves_traces() {
    let (server, workspace) = set_up();
    add(&workspace, "003_more", "CREATE TABLE more (id integer);\n", "SELECT 1;\n");
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    let outcome = workspace.run(&["migrate", "down", "library"]).code(4).problem("schema-differs");
    outcome.says(["without 003_more", "up to 002_books", "extra table public.more"]);
    assert_eq!((applied(&server), is_there(&server)), (vec![1, 2], true));
    server.assert_only(&["journal", "library"]);
}

/// The migrations that stay may have been edited meanwhile. The proof knows what was applied.
#[test]
fn the_proof_is_of_what_was_applied() {
    let (server, workspace) = with_third();
    workspace.write("migrations/library/002_books.up.sql", "CREATE TABLE films (id integer);\n");
    let outcome = workspace.run(&["migrate", "down", "library"]).code(0);
    outcome.says(["schema proven to be that of the migrations up to 002_books"]);
    server.execute("library", &format!("DELETE FROM {LIBRARY_TEXTS} WHERE version = 1"));
    workspace.write("migrations/library/001_authors.up.sql", "CREATE TABLE writers (id integer);\n");
    let outcome = workspace.run(&["migrate", "down", "library", "--yes"]).code(0);
    outcome.says(["002_books taken back, schema not proven", "001_authors"]);
    assert_eq!(applied(&server), [1]);
}

/// A way down that isn't one transaction can't be tried before.
#[test]
fn a_way_down_outside_a_transaction() {
    let (server, workspace) = set_up();
    let index = "-- no-transaction\nCREATE INDEX CONCURRENTLY by_title ON books (title, id);\n";
    add(&workspace, "003_index", index, "-- no-transaction\nDROP INDEX CONCURRENTLY by_title;\n");
    add(&workspace, "004_more", "CREATE TABLE more (id integer);\n", "DROP TABLE more;\n");
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    let down = ["migrate", "down", "library", "--to", "2"];
    let outcome = workspace.run(&down).code(1).problem("not-confirmed");
    outcome.says(["what 003_index.down loses", "can't be tried"]);
    assert_eq!((applied(&server), is_there(&server)), (vec![1, 2, 3, 4], true));
    workspace.run(&[&down[..], &["--yes"]].concat()).code(0).says(["up to 002_books"]);
    assert_eq!((applied(&server), is_there(&server)), (vec![1, 2], false));
}

/// It fails after a part of it is done. The history says so, and db-setup brings the index back.
#[test]
fn a_way_down_outside_a_transaction_that_fails() {
    let (server, workspace) = set_up();
    let index = "-- no-transaction\nCREATE INDEX CONCURRENTLY by_title ON books (title, id);\n";
    add(&workspace, "003_index", index, "-- no-transaction\nDROP INDEX CONCURRENTLY by_nothing;\n");
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    let down = ["migrate", "down", "library", "--yes"];
    workspace.run(&down).code(1).says(["by_nothing"]);
    assert_eq!(
        server.query("library", &format!("SELECT success::text FROM {LIBRARY_HISTORY} WHERE version = 3")),
        ["true"]
    );
    // A run that was killed leaves the row like this.
    server.execute("library", &format!("UPDATE {LIBRARY_HISTORY} SET success = false WHERE version = 3"));
    let outcome = workspace.run(&down).code(5).says(["003_index was begun and not finished", "cargo xtask db-setup"]);
    outcome.says(["Nothing was changed"]);
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(applied(&server), [1, 2, 3]);
}
