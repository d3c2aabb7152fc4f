//! Schema files and `db-verify`: a schema can be written to a file and loaded again, and every difference from the file
//! is found and named.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

mod changes;
mod deep;
mod privileges;
mod random;
mod versions;

use std::collections::BTreeSet;
use std::process::Command;

use changes::Change;
use support::fixture::ROLE;
use support::server::{ADMIN_PASSWORD, binaries};
use support::sql::{self, Session};
use support::template::Template;
use support::{Outcome, Server, Workspace, server_and_workspace, set_up, skip};

/// A difference as `db-verify` reports it.
struct Named {
    /// The kind and the object: `kind object`.
    what: String,
    /// The statements that repair it, or the reason why there are none.
    repair: Result<String, String>,
}

/// Returns the differences in the output of `db-verify --format json`.
#[track_caller]
fn named(outcome: &Outcome) -> Vec<Named> {
    let events = outcome.events();
    let problems = events.iter().filter(|event| event["event"] == "problem");
    let details = problems.flat_map(|problem| problem["details"].as_array().unwrap());
    let named = |detail: &serde_json::Value| {
        let text = detail.as_str().unwrap().to_owned();
        let repair = text.split_once("\n  repair:\n").map(|(shown, repair)| (shown, Ok(repair)));
        let reason = || text.split_once("\n  no repair: ").map(|(shown, reason)| (shown, Err(reason.to_owned())));
        let (shown, repair) = repair.or_else(reason).unwrap_or_else(|| panic!("neither a repair nor a reason: {text}"));
        let first = shown.lines().next().unwrap();
        // A few words about the difference may follow.
        let what = first.split_once(": ").map_or(first, |(what, _)| what);
        let repair = repair.map(|repair: &str| {
            repair.lines().map(|line| line.strip_prefix("    ").unwrap()).collect::<Vec<_>>().join("\n")
        });
        Named { what: what.to_owned(), repair }
    };
    details.map(named).collect()
}

/// A file of the checkout, if this machine lacks extensions.
const LACKS_EXTENSIONS: &str = "lacks-extensions";

/// A checkout whose migrations make every kind of object, and whose schema files are right.
const EVERY_KIND: Template = Template {
    name: "every-kind",
    make: |server, workspace| {
        let extensions = "SELECT name::text FROM pg_available_extensions WHERE name IN ('citext', 'btree_gist', 'pgcrypto', 'hstore')";
        if server.query("postgres", extensions).len() < 4 {
            workspace.write(LACKS_EXTENSIONS, "");
            return;
        }
        server.execute("postgres", &format!("ALTER ROLE {ROLE} SUPERUSER"));
        workspace.add_migration("library", "003_every_kind", include_str!("every_kind.sql"));
        workspace.accept_schema();
        workspace.run(&["db-setup"]).code(0);
        workspace.run(&["db-verify"]).code(0);
    },
};

/// Sets up a server and a workspace whose migrations make every kind of object. Returns `None` if this machine lacks
/// extensions.
fn every_kind() -> Option<(Server, Workspace)> {
    let (server, workspace) = EVERY_KIND.start();
    (!workspace.root().join(LACKS_EXTENSIONS).exists()).then_some((server, workspace))
}

/// The tables with rows, and the rows.
const WITH_ROWS: [&str; 4] = ["users", "orders", "events", "parent"];
const ROWS: &str = r#"
    INSERT INTO users (id, name, balance, "select") VALUES (1, 'one', 0.5, 1), (2, 'two', 2.25, 2);
    INSERT INTO orders (user_id, room, a, b) VALUES (1, 1, NULL, 1), (2, 1, NULL, 2);
    INSERT INTO events (at, kind, user_id) VALUES ('2024-05-01', 'x', 1), ('2025-05-01', 'a', 2), ('2030-01-01', 'x', 1);
    INSERT INTO parent VALUES (1, 'p');
    INSERT INTO a_child (id, v, extra) VALUES (2, 'c', 1);
"#;

/// Makes the changes, and expects `db-verify` to name them and nothing else. Then it runs the printed repairs in their order.
/// What had one has to be as if nothing had happened: for both proofs, and row by row.
#[track_caller]
fn are_named(changes: &[Change]) {
    let Some((server, workspace)) = every_kind() else {
        skip!("PostgreSQL's contributed extensions are not installed")
    };
    // The statements share a session, because the server starts a process for each session.
    let execute = |session: &mut Session, statements: &str, what: &str| {
        session.execute(statements).unwrap_or_else(|error| panic!("{what}: {statements}: {error}"));
        session.execute("DISCARD ALL").unwrap();
    };
    server.execute("library", ROWS);
    server.execute("postgres", "CREATE DATABASE copy TEMPLATE library STRATEGY file_copy");
    let mut session = Session::open(&server.admin("library")).unwrap();
    for (statements, _) in changes {
        execute(&mut session, statements, "change");
    }
    let verify = || workspace.run(&["db-verify", "--format", "json"]);
    let whats = |named: &[Named]| -> BTreeSet<String> { named.iter().map(|named| named.what.clone()).collect() };
    let expected: BTreeSet<String> = changes.iter().flat_map(|(_, names)| *names).map(ToString::to_string).collect();
    let found = named(&verify().code(4));
    assert_eq!(whats(&found), expected);

    let repairs = || found.iter().filter_map(|Named { what, repair }| Some((what, repair.as_ref().ok()?)));
    for (what, repair) in repairs() {
        execute(&mut session, repair, what);
    }
    let reasons: BTreeSet<String> =
        found.iter().filter(|named| named.repair.is_err()).map(|named| named.what.clone()).collect();
    let outcome = verify();
    let left =
        if outcome.events().iter().any(|event| event["event"] == "problem") { named(&outcome) } else { Vec::new() };
    let left = whats(&left);
    assert!(left.is_subset(&reasons), "after the repairs: {:?}", left.difference(&reasons));

    // In the copy, only those changes are made that weren't repaired.
    let mut copy = Session::open(&server.admin("copy")).unwrap();
    let stays = |names: &[&str]| names.iter().any(|name| left.contains(*name));
    let stayed: Vec<&Change> = changes.iter().filter(|(_, names)| stays(names)).collect();
    for (statements, _) in &stayed {
        execute(&mut copy, statements, "change");
    }
    for (what, repair) in repairs() {
        if stayed.iter().any(|(_, names)| names.contains(&what.as_str())) {
            execute(&mut copy, repair, what);
        }
    }
    let rows = WITH_ROWS.map(|table| format!("SELECT '{table} ' || t::text FROM {table} AS t")).join(" UNION ALL ");
    let rows = format!("{rows} ORDER BY 1");
    assert_eq!(session.query(&rows).unwrap(), copy.query(&rows).unwrap(), "rows after the repairs");
    if stayed.len() < changes.len() {
        let differences = session.deep().compare(&copy.deep()).unwrap().differences;
        assert!(differences.is_empty(), "after the repairs: {differences:#?}");
    }
    session.close();
    copy.close();
    server.execute("postgres", "DROP DATABASE copy WITH (FORCE)");
}

#[test]
fn columns() {
    are_named(changes::COLUMNS);
}

#[test]
fn constraints() {
    are_named(changes::CONSTRAINTS);
}

#[test]
fn indexes() {
    are_named(changes::INDEXES);
}

#[test]
fn comments() {
    are_named(changes::COMMENTS);
}

#[test]
fn routines() {
    are_named(changes::ROUTINES);
}

#[test]
fn types_and_sequences() {
    are_named(changes::TYPES_AND_SEQUENCES);
}

#[test]
fn views() {
    are_named(changes::VIEWS);
}

#[test]
fn triggers_rules_and_policies() {
    are_named(changes::TRIGGERS_RULES_POLICIES);
}

#[test]
fn tables_schemas_and_extensions() {
    are_named(changes::TABLES);
}

#[test]
fn kinds_that_are_not_rendered_are_compared_by_name() {
    are_named(changes::OTHER_KINDS);
}

#[test]
fn repairs_that_lose_rows_or_fail_on_them() {
    are_named(changes::REPAIRS);
}

#[test]
fn changes_outside_the_schema_are_not_compared() {
    let Some((server, workspace)) = every_kind() else {
        skip!("PostgreSQL's contributed extensions are not installed")
    };
    server.execute("library", changes::NOT_COMPARED);
    workspace.run(&["db-verify"]).code(0);
}

#[test]
fn an_index_whose_build_failed_is_named() {
    let (server, workspace) = set_up();
    server.execute("library", "DROP INDEX books_title_idx; INSERT INTO authors (name) VALUES ('same'), ('same')");
    let mut session = Session::open(&server.admin("library")).unwrap();
    session.execute("CREATE INDEX CONCURRENTLY books_title_idx ON books (title)").unwrap();
    session.execute("CREATE UNIQUE INDEX CONCURRENTLY authors_name_idx ON authors (name)").unwrap_err();
    session.close();
    workspace.run(&["db-verify"]).code(4).says(["extra index public.authors_name_idx"]).lacks(["books_title_idx"]);
    // The index has the same name and definition, but PostgreSQL doesn't use it.
    server.execute("library", "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'books_title_idx'::regclass");
    workspace
        .run(&["db-verify"])
        .code(4)
        .says(["different index public.books_title_idx", "REINDEX INDEX public.books_title_idx;"]);
}

#[test]
fn a_foreign_key_with_disabled_triggers_is_named() {
    let (server, workspace) = set_up();
    server.execute("library", "ALTER TABLE books DISABLE TRIGGER ALL");
    workspace
        .run(&["db-verify"])
        .code(4)
        .says(["different foreign key books_author_id_fkey on public.books", "not enforced"]);
}

/// Makes a workspace whose only migration of the library is this schema file.
fn loading(server: &Server, schema: &str, database: &str) -> Workspace {
    let workspace = Workspace::generic().build();
    workspace.set_authority("127.0.0.1", server.port, ROLE, support::fixture::PASSWORD);
    let contract = workspace.read(".env.ci");
    workspace
        .write(".env.ci", contract.replace("/library", &format!("/{database}")).replace("/journal", "/journal_again"));
    workspace.remove("migrations/library/002_books.up.sql");
    workspace.remove("migrations/library/002_books.down.sql");
    workspace.write("migrations/library/001_authors.up.sql", schema);
    workspace.write("schema/library.sql", schema);
    workspace
}

/// Returns the schema of a database as pg_dump writes it, without the lines that differ from run to run. The names of NOT
/// NULL constraints, which only PostgreSQL 18 and later have, aren't in a schema file.
fn dump(server: &Server, database: &str) -> Option<Vec<String>> {
    let output = Command::new(binaries().join("pg_dump"))
        .args(["--schema-only", "--no-owner", "--exclude-schema=_sqlx", "-h", "127.0.0.1", "-U", "test_admin", "-p"])
        .args([&server.port.to_string(), database])
        .env("PGPASSWORD", ADMIN_PASSWORD)
        .output()
        .ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
    let without_name = |line: &str| match (line.find(" CONSTRAINT "), line.find(" NOT NULL")) {
        (Some(from), Some(to)) if from < to => format!("{}{}", &line[..from], &line[to..]),
        _ => line.to_owned(),
    };
    Some(lines.map(without_name).collect())
}

#[test]
fn a_schema_file_makes_the_same_schema_again() {
    let Some((server, workspace)) = every_kind() else {
        skip!("PostgreSQL's contributed extensions are not installed")
    };
    let schema = workspace.read("schema/library.sql");
    let again = loading(&server, &schema, "again");
    // The proof says that every object exists again. pg_dump, which is no part of the proof, has to agree.
    again.run(&["db-setup"]).code(0);
    again.run(&["db-verify", "--write"]).code(0);
    assert_eq!(again.read("schema/library.sql"), schema);
    let Some(first) = dump(&server, "library") else { skip!("pg_dump is not installed") };
    assert_eq!(dump(&server, "again").unwrap(), first);
}

#[test]
fn definitions_that_a_server_rewrites_when_it_loads_them_have_one_form() {
    let (server, workspace) = server_and_workspace();
    let lists =
        "CREATE TABLE lists (v varchar(10) CHECK (v IN ('a''b', 'c,d', 'e)f')), n numeric CHECK (n IN (1, 2.5, -3)), \
                 CHECK (v = ANY (ARRAY['x', 'y']::varchar(10)[])), CHECK (v NOT IN (lower('a'), NULL)));
                 CREATE INDEX lists_idx ON lists (v) WHERE v IN ('a', 'b');
                 CREATE VIEW listed AS SELECT v, v IN ('a', 'b') AS x FROM lists WHERE v NOT IN ('c', upper('d'));
                 CREATE FUNCTION crlf() RETURNS integer LANGUAGE sql AS E'select\\r\\n1';
                 CREATE TABLE options (x integer) WITH (fillfactor = 70, autovacuum_enabled = off);";
    workspace.add_migration("library", "003_lists", lists);
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    let schema = workspace.read("schema/library.sql");
    let again = loading(&server, &schema, "again");
    again.run(&["db-setup"]).code(0);
    again.run(&["db-verify", "--write"]).code(0);
    assert_eq!(again.read("schema/library.sql"), schema);
}

#[test]
fn settings_of_a_role_change_nothing() {
    let (server, workspace) = server_and_workspace();
    let values = "CREATE TABLE defaults (t timestamptz DEFAULT '2020-01-01 00:00:00+07', i interval DEFAULT '1 day 02:00', \
                  f float8 DEFAULT 0.1, b bytea DEFAULT '\\xde', m money DEFAULT 12.5, d date DEFAULT '2020-02-01', \
                  r books DEFAULT NULL);";
    workspace.add_migration("library", "003_defaults", values);
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    let settings = [
        "timezone = 'Asia/Jakarta'",
        "datestyle = 'German, DMY'",
        "intervalstyle = 'iso_8601'",
        "extra_float_digits = -3",
        "bytea_output = 'escape'",
        "quote_all_identifiers = on",
        "standard_conforming_strings = off",
        "search_path = app, public, pg_catalog",
        "default_transaction_isolation = 'serializable'",
    ];
    for setting in settings {
        server.execute("postgres", &format!("ALTER ROLE {ROLE} SET {setting}"));
    }
    workspace.run(&["db-verify"]).code(0);
    workspace.run(&["db-setup"]).code(0);
}

#[test]
fn line_endings_of_the_file_are_no_difference() {
    let (_server, workspace) = set_up();
    let schema = workspace.read("schema/library.sql");
    workspace.write("schema/library.sql", schema.replace('\n', "\r\n"));
    workspace.run(&["db-verify"]).code(0);
}

#[test]
fn an_edited_or_truncated_file_never_passes() {
    let (_server, workspace) = set_up();
    let schema = workspace.read("schema/library.sql");
    let objects: Vec<&str> = schema.split("\n\n").collect();
    let mut swapped = objects.clone();
    swapped.swap(2, 3);
    let edits = [
        String::new(),
        objects[..objects.len() - 1].join("\n\n"),
        objects[2..].join("\n\n"),
        swapped.join("\n\n"),
        format!("{schema}\n"),
        schema.replace("id integer", "id  integer"),
        schema.replace("do not edit", "edit"),
        schema[..schema.len() / 2].to_owned(),
        format!("{schema}\n{}", objects[3]),
    ];
    for edit in edits {
        assert_ne!(edit, schema);
        workspace.write("schema/library.sql", &edit);
        workspace.run(&["db-verify"]).code(4).says(["library"]);
    }
    workspace.remove("schema/library.sql");
    workspace.run(&["db-verify"]).code(4).says(["schema/library.sql"]);
    workspace.accept_schema();
    assert_eq!(workspace.read("schema/library.sql"), schema);
}

#[test]
fn the_schema_files_of_this_repository_are_right() {
    let server = Server::start();
    let workspace = Workspace::repository().build();
    workspace.point_at(&server);
    // It makes the role that writes the audit trail. Without that role, its privileges can't be proven.
    server.execute("postgres", &format!("ALTER ROLE {ROLE} CREATEROLE"));
    let committed = ["schema/main.sql", "schema/audit.sql"].map(|file| workspace.read(file));
    workspace.run(&["db-setup"]).code(0).says(["(7 rows)", "(3 rows)"]);
    workspace.accept_schema();
    assert_eq!(["schema/main.sql", "schema/audit.sql"].map(|file| workspace.read(file)), committed);
    workspace.run(&["db-diagram"]).code(0).says(["docs/schema.md shows the result of the migrations"]);
    // The predecessor of this project had this fault: an extra table.
    server.execute("quickcart_audit", "CREATE TABLE users (id bigint PRIMARY KEY)");
    workspace.run(&["db-verify"]).code(4).says(["extra table public.users"]);
    assert_eq!(sql::tables(&server.admin("quickcart_audit")).len(), 4);
}
