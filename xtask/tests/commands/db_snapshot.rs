//! `cargo xtask db-snapshot`: databases that are kept, and brought back with every row.

use crate::support::sql::Session;
use crate::support::{Server, set_up};

/// Writes a row into every table.
fn write_rows(server: &Server, name: &str) {
    let library = format!(
        "INSERT INTO authors (name) VALUES ('{name}'); INSERT INTO books (author_id, title) SELECT id, '{name}' FROM authors"
    );
    server.execute("library", &library);
    server.execute("journal", &format!("INSERT INTO entries (entry) VALUES ('{name}')"));
}

/// The rows of every table.
fn rows(server: &Server) -> Vec<String> {
    let library = "SELECT 'author ' || name FROM authors UNION ALL SELECT 'book ' || title FROM books ORDER BY 1";
    let mut rows = server.query("library", library);
    rows.extend(server.query("journal", "SELECT 'entry ' || entry FROM entries ORDER BY 1"));
    rows
}

/// The databases without the random parts of their names.
fn databases(server: &Server) -> Vec<String> {
    server.databases().iter().map(|name| name.split("_snapshot_").next().unwrap().to_owned()).collect()
}

#[test]
fn rows_of_every_table_come_back() {
    let (server, workspace) = set_up();
    write_rows(&server, "before");
    let before = rows(&server);
    workspace
        .run(&["db-snapshot", "save", "a b/'c'"])
        .code(0)
        .says([r"cargo xtask db-snapshot restore 'a b/'\''c'\'''"]);
    write_rows(&server, "after");
    let after = rows(&server);
    let restored = workspace.run(&["db-snapshot", "restore", "a b/'c'"]).code(0);
    assert_eq!(rows(&server), before);
    assert_eq!(databases(&server), ["journal", "journal", "journal", "library", "library", "library"]);

    // The last line takes it back.
    let last = restored.stderr.trim().lines().last().unwrap();
    let name = last.rsplit(' ').next().unwrap();
    workspace.run(&["db-snapshot", "restore", name]).code(0);
    assert_eq!(rows(&server), after);
    workspace.run(&["db-setup"]).code(0).says(["There was nothing to do, and nothing was changed."]);
    let list = workspace.run(&["db-snapshot", "list"]).code(0);
    list.says(["a b/'c'", "this checkout", "library", "journal", "(3 rows)"]);
}

#[test]
fn sessions_are_ended_and_named() {
    let (server, workspace) = set_up();
    let mut session = Session::open(&server.admin("library")).unwrap();
    session.execute("BEGIN; INSERT INTO authors (name) VALUES ('lost')").unwrap();
    server.execute("postgres", "GRANT pg_signal_backend TO keeper");
    workspace.run(&["db-snapshot", "save", "x"]).fails().problem("database-in-use").says(["\"test\" in library"]);
    session.close();
}
