//! The deep proof: it passes where nothing was changed, and sees every change that can be made.

use xtask_schema::{Deep, deep_differences};

use super::support::sql::Session;
use super::support::{Server, set_up, skip};
use super::{changes, every_kind};

/// The statements that make a copy of a database. The copy takes a tenth of a second, so each change has its own.
const COPY: &str = "CREATE DATABASE copy TEMPLATE library STRATEGY file_copy";

/// Changes that leave the names of all objects as they are, and most of what the server's functions write about them.
pub(crate) const BEHIND_THE_NAMES: &[&str] = &[
    // Duplicates and orphans get in, because the triggers of the constraints do nothing.
    "ALTER TABLE orders DISABLE TRIGGER ALL",
    "ALTER TABLE events_2024 DISABLE TRIGGER ALL",
    "UPDATE pg_trigger SET tgenabled = 'D' WHERE tgconstraint = \
     (SELECT oid FROM pg_constraint WHERE conname = 'orders_a_b_key')",
    "UPDATE pg_inherits SET inhdetachpending = true WHERE inhrelid = 'events_2024'::regclass",
    "ALTER TABLE child ALTER id DROP NOT NULL",
    "ALTER TABLE a_child ALTER v SET COMPRESSION pglz",
    "ALTER TABLE a_child ALTER v SET STORAGE EXTERNAL",
    "DROP INDEX orders_identity_idx",
    "CREATE OR REPLACE FUNCTION app.plain_sql(a integer, b text DEFAULT 'x''y') RETURNS text LANGUAGE sql IMMUTABLE \
     AS E'\\r\\nselect a::text || b; -- table public.trap\\r\\n'",
    "COMMENT ON TABLE users IS E'Users;\\r\\n with'",
    "ALTER FUNCTION crypt(text, text) VOLATILE",
    "ALTER EXTENSION pgcrypto DROP FUNCTION crypt(text, text)",
    "ALTER FUNCTION app.traps() DEPENDS ON EXTENSION pgcrypto",
    "CREATE TRIGGER t BEFORE INSERT ON _sqlx.migrations FOR EACH ROW EXECUTE FUNCTION touch()",
    "ALTER TABLE _sqlx.migrations ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE _sqlx.migrations ADD note text",
    "ALTER DATABASE copy SET session_replication_role = 'replica'",
    "ALTER ROLE keeper IN DATABASE copy SET session_replication_role = 'replica'",
    "UPDATE pg_database SET encoding = 0 WHERE datname = 'copy'",
    "UPDATE pg_index SET indisready = false WHERE indexrelid = 'orders_sum_idx'::regclass",
    "UPDATE pg_proc SET prosrc = 'int4mi' WHERE oid = 'int4pl'::regproc",
];

/// Reads all catalogs of the database.
fn library(server: &Server) -> Deep {
    let mut session = Session::open(&server.admin("library")).unwrap();
    let deep = session.deep();
    session.close();
    deep
}

/// Returns what the deep proof says about a copy of the database in which these statements were run.
fn seen(server: &Server, before: &Deep, statements: &str) -> Vec<String> {
    server.execute("postgres", COPY);
    let mut session = Session::open(&server.admin("copy")).unwrap();
    session.execute(statements).unwrap_or_else(|error| panic!("{statements}: {error}"));
    let after = session.deep();
    session.close();
    server.execute("postgres", "DROP DATABASE copy WITH (FORCE)");
    deep_differences(before, &after)
}

#[test]
fn the_deep_proof_passes_where_nothing_was_changed() {
    let Some((server, workspace)) = every_kind() else {
        skip!("PostgreSQL's contributed extensions are not installed")
    };
    workspace.run(&["db-verify", "--deep"]).code(0).says(["row by row"]);
    // Neither does it see what is no part of the schema, for example rows, privileges and dropped columns.
    server.execute("library", changes::NOT_COMPARED);
    workspace.run(&["db-verify", "--deep"]).code(0);
    server.assert_only(&["journal", "library"]);
}

#[test]
fn the_deep_proof_sees_what_no_name_shows() {
    let Some((server, _workspace)) = every_kind() else {
        skip!("PostgreSQL's contributed extensions are not installed")
    };
    let before = library(&server);
    assert_eq!(seen(&server, &before, "SELECT 1"), Vec::<String>::new());
    let unseen: Vec<_> =
        BEHIND_THE_NAMES.iter().filter(|statements| seen(&server, &before, statements).is_empty()).collect();
    assert!(unseen.is_empty(), "{unseen:#?}");
}

#[test]
fn the_deep_proof_says_which_row_differs_in_which_column() {
    let (server, workspace) = set_up();
    // A system column of an index that the fast proof doesn't know.
    server.execute("library", "UPDATE pg_index SET indisready = false WHERE indexrelid = 'books_title_idx'::regclass");
    workspace.run(&["db-verify"]).code(0);
    workspace.run(&["db-verify", "--deep"]).code(4).says([
        "library differs from the result of the migrations in the server's catalogs",
        "different row of pg_index: public.books_title_idx: indisready is \"false\", expected \"true\"",
        "Put the change into a migration",
    ]);
    server.assert_only(&["journal", "library"]);
}

#[test]
fn ci_compares_the_catalogs_of_the_databases_that_it_has_set_up() {
    let (server, workspace) = set_up();
    workspace.run(&["ci", "--only", "db-setup,schema"]).code(0).says(["all catalogs of the databases"]);
    server.execute("library", "UPDATE pg_index SET indisready = false WHERE indexrelid = 'books_title_idx'::regclass");
    workspace.run(&["ci", "--all", "--only", "db-setup,schema"]).code(4).says(["indisready is \"false\""]);
    // Without db-setup, the databases are a developer's own.
    workspace.run(&["ci", "--all", "--only", "schema"]).code(0).lacks(["catalogs"]);
    server.assert_only(&["journal", "library"]);
}
