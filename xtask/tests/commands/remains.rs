//! What an interrupted CREATE INDEX CONCURRENTLY leaves behind: only that is removed, and nothing that looks like it.

use crate::support::fixture::LIBRARY_HISTORY;
use crate::support::{Server, Workspace, server_and_workspace, sql};

const INDEX: &str = "-- no-transaction\nCREATE INDEX CONCURRENTLY books_author_id_idx ON books (author_id);\n";

/// Makes it look as if a run was killed while it applied a migration.
fn cut_off(server: &Server, version: i64) {
    server.execute("library", &format!("UPDATE {LIBRARY_HISTORY} SET success = false WHERE version = {version}"));
}

/// Makes an index look as if its statement was killed before the index was complete.
fn make_invalid(server: &Server, index: &str) {
    server
        .execute("library", &format!("UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{index}'::regclass"));
}

/// The identity of an index, and whether it can be used.
#[track_caller]
fn index(server: &Server, name: &str) -> Vec<String> {
    server.query(
        "library",
        &format!("SELECT indexrelid || ' ' || indisvalid FROM pg_index WHERE indexrelid = to_regclass('{name}')"),
    )
}

fn applied(workspace: &Workspace, server: &Server, name: &str, up: &str) {
    workspace.add_migration("library", name, up);
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    assert!(index(server, "books_author_id_idx").iter().all(|index| index.ends_with("true")));
}

#[test]
fn an_index_of_the_same_name_in_another_schema_stays() {
    let (server, workspace) = server_and_workspace();
    let up = "CREATE SCHEMA other;\nCREATE TABLE other.books (author_id integer);\n\
              CREATE UNIQUE INDEX books_author_id_idx ON other.books (author_id);\n";
    applied(&workspace, &server, "003_other", up);
    applied(&workspace, &server, "004_idx", INDEX);
    let other = index(&server, "other.books_author_id_idx");
    let own = index(&server, "public.books_author_id_idx");
    assert!(!other.is_empty() && !own.is_empty());
    make_invalid(&server, "public.books_author_id_idx");
    cut_off(&server, 4);
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(index(&server, "other.books_author_id_idx"), other);
    // The one that can't be used was built again.
    assert_ne!(index(&server, "public.books_author_id_idx"), own);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2, 3, 4]);
}

/// A table of another schema is named in the statement.
#[test]
fn the_schema_in_the_statement_counts() {
    let (server, workspace) = server_and_workspace();
    let up = "CREATE SCHEMA \"the Other\";\nCREATE TABLE \"the Other\".books (author_id integer);\n\
              CREATE INDEX books_author_id_idx ON books (author_id);\n";
    applied(&workspace, &server, "003_other", up);
    applied(&workspace, &server, "004_idx", &INDEX.replace("ON books", "ON ONLY \"the Other\".books"));
    let own = index(&server, "public.books_author_id_idx");
    let built = index(&server, "\"the Other\".books_author_id_idx");
    make_invalid(&server, "\"the Other\".books_author_id_idx");
    cut_off(&server, 4);
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(index(&server, "public.books_author_id_idx"), own);
    assert_ne!(index(&server, "\"the Other\".books_author_id_idx"), built);
}

/// The run was killed after the statement, or the index was there before it.
#[test]
fn an_index_that_can_be_used_stays() {
    let (server, workspace) = server_and_workspace();
    let up = "-- no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS books_title_idx ON books (title);\n";
    applied(&workspace, &server, "003_idx", INDEX);
    applied(&workspace, &server, "004_idx", up);
    let indexes = ["books_author_id_idx", "books_title_idx"].map(|name| index(&server, name));
    for version in [3, 4] {
        cut_off(&server, version);
    }
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(["books_author_id_idx", "books_title_idx"].map(|name| index(&server, name)), indexes);
    assert_eq!(server.query("library", &format!("SELECT count(*)::text FROM {LIBRARY_HISTORY} WHERE success")), ["4"]);
}

/// No migration was begun that could have left it. A killed REINDEX may have.
#[test]
fn an_index_that_no_migration_has_begun_stays() {
    let (server, workspace) = server_and_workspace();
    workspace.run(&["db-setup"]).code(0);
    server.execute("library", "CREATE INDEX books_author_id_idx ON books (author_id)");
    make_invalid(&server, "books_author_id_idx");
    let before = index(&server, "books_author_id_idx");
    workspace.add_migration("library", "003_idx", INDEX);
    workspace.run(&["db-setup"]).code(1).says(["books_author_id_idx", "already exists", "nothing of it was applied"]);
    assert_eq!(index(&server, "books_author_id_idx"), before);
    // The failed migration has changed nothing, so it isn't taken for one that was begun.
    workspace.run(&["db-setup"]).code(1).says(["already exists"]);
    assert_eq!(index(&server, "books_author_id_idx"), before);
}

#[test]
fn an_index_that_failed_is_built_from_the_corrected_file() {
    let (server, workspace) = server_and_workspace();
    workspace.run(&["db-setup"]).code(0);
    server.execute("library", "INSERT INTO authors (name) VALUES ('one'), ('one')");
    let up = "-- no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY authors_name_idx ON authors (name);\n";
    workspace.add_migration("library", "003_idx", up);
    let outcome = workspace.run(&["db-setup"]).code(1);
    outcome.says(["could not create unique index", "are still there"]).lacks(["nothing of it was applied"]);
    assert!(index(&server, "authors_name_idx")[0].ends_with("false"));
    workspace.add_migration("library", "003_idx", &up.replace("UNIQUE ", ""));
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    assert!(index(&server, "authors_name_idx")[0].ends_with("true"));
}
