//! `cargo xtask db-snapshot`: databases that are kept, and brought back with every row.

use crate::support::sql::Session;
use crate::support::{Server, set_up};

/// Writes a row into every table.
pub(crate) fn write_rows(server: &Server, name: &str) {
    let library = format!(
        "INSERT INTO authors (name) VALUES ('{name}'); INSERT INTO books (author_id, title) SELECT id, '{name}' FROM authors"
    );
    server.execute("library", &library);
    server.execute("journal", &format!("INSERT INTO entries (entry) VALUES ('{name}')"));
}

/// The rows of every table.
pub(crate) fn rows(server: &Server) -> Vec<String> {
    let library = "SELECT 'author ' || name FROM authors UNION ALL SELECT 'book ' || title FROM books ORDER BY 1";
    let mut rows = server.query("library", library);
    rows.extend(server.query("journal", "SELECT 'entry ' || entry FROM entries ORDER BY 1"));
    rows
}

/// The databases without the random parts of their names.
pub(crate) fn databases(server: &Server) -> Vec<String> {
    server.databases().iter().map(|name| name.split("_snapshot_").next().unwrap().to_owned()).collect()
}

#[test]
pub(crate) fn rows_of_every_table_come_back() {
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

/// A session of a role that may do more can't be ended, so nothing is done.
#[test]
fn a_session_that_may_not_be_ended() {
    let (server, workspace) = set_up();
    let session = Session::open(&server.admin("library")).unwrap();
    let refused = workspace.run(&["db-snapshot", "save", "x"]).code(1).problem("database-in-use");
    refused.says(["in library (role ", "SELECT pg_terminate_backend("]);
    server.assert_only(&["journal", "library"]);
    session.close();
    workspace.run(&["db-snapshot", "save", "x"]).code(0);
}
