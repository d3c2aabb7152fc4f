//! `cargo xtask db-snapshot`: databases that are kept, and brought back with every row.

use crate::support::run::Invocation;
use crate::support::sql::{Session, identifier, literal};
use crate::support::{Outcome, Server, Workspace, server_and_workspace, set_up, skip, sql};

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

/// A role that may not make databases, or isn't their owner, is told which statement helps.
#[test]
fn roles_that_may_not() {
    let (server, workspace) = set_up();
    server.execute("postgres", "ALTER ROLE keeper NOCREATEDB");
    let commands: [&[&str]; 3] =
        [&["db-snapshot", "save", "x"], &["db-reset", "--yes"], &["db-snapshot", "restore", "x"]];
    for command in commands {
        workspace.run(command).code(1).problem("may-not-make").says(["ALTER ROLE \"keeper\" CREATEDB;"]);
    }
    server.execute("postgres", "ALTER ROLE keeper CREATEDB; CREATE ROLE boss; ALTER DATABASE library OWNER TO boss");
    server.execute("postgres", "GRANT CREATE ON DATABASE library TO keeper");
    for command in &commands[..2] {
        let refused = workspace.run(command).code(1).problem("may-not-rename");
        refused.says(["library belongs to boss", "ALTER DATABASE \"library\" OWNER TO \"keeper\";"]);
    }
    server.assert_only(&["journal", "library"]);
    // A member of the owner may, and the new database belongs to the owner as well.
    server.execute("postgres", "GRANT boss TO keeper");
    workspace.run(commands[0]).code(0);
    workspace.run(commands[1]).code(0);
    workspace.run(commands[2]).code(0);
    let owner = "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = 'library'";
    assert_eq!(server.query("postgres", owner), ["boss"]);
}

#[test]
fn databases_that_are_not_there() {
    let (server, workspace) = server_and_workspace();
    workspace.run(&["db-snapshot", "save", "x"]).code(6).problem("database-unreachable").says(["library", "journal"]);
    workspace.run(&["db-snapshot", "list"]).code(0).says(["(0 rows)"]);
    let missing = workspace.run(&["db-snapshot", "restore", "x"]).code(1).problem("no-snapshot");
    missing.says(["cargo xtask db-snapshot list"]);
    workspace.run(&["db-setup"]).code(0);
    write_rows(&server, "kept");
    let before = rows(&server);
    workspace.run(&["db-snapshot", "save", "x"]).code(0);
    workspace.run(&["db-snapshot", "save", "x"]).code(1).problem("snapshot-exists");
    workspace.run(&["db-snapshot", "save", " "]).code(2);
    server.execute("postgres", "DROP DATABASE library");
    workspace.run(&["db-snapshot", "restore", "x"]).code(0);
    assert_eq!(rows(&server), before);
    workspace.run(&["db-setup"]).code(0).says(["There was nothing to do, and nothing was changed."]);
}

/// Each checkout sees its own, and the other's as the other's.
#[test]
fn two_checkouts_on_one_server() {
    let (server, first) = set_up();
    let second = Workspace::generic().build();
    second.write(".env.ci", first.read(".env.ci"));
    second.write_own_env();
    first.run(&["db-snapshot", "save", "x"]).code(0);
    // The databases are the first one's.
    second.run(&["db-snapshot", "save", "y"]).code(6).problem("other-checkout");
    second.run(&["db-snapshot", "restore", "x"]).fails();
    second
        .run(&["db-snapshot", "drop", "x", "--yes"])
        .code(1)
        .problem("no-snapshot")
        .says(["Another checkout has one"]);
    let listed = second.run(&["db-snapshot", "list"]).code(0);
    listed.says([&first.root().display().to_string()]).lacks(["this checkout"]);

    // Both have databases of the same names by now, one after the other.
    for database in ["library", "journal"] {
        server.execute("postgres", &format!("DROP DATABASE {database}"));
    }
    second.run(&["db-setup"]).code(0);
    write_rows(&server, "second");
    let rows_of_second = rows(&server);
    second.run(&["db-snapshot", "save", "x"]).code(0);
    second.run(&["db-reset", "--yes"]).code(0);
    second.run(&["db-snapshot", "restore", "x"]).code(0);
    assert_eq!(rows(&server), rows_of_second);
    let listed = first.run(&["db-snapshot", "list"]).code(0);
    listed.says(["this checkout", &second.root().display().to_string(), "(4 rows)"]);
    first.run(&["db-snapshot", "restore", "x"]).code(6).problem("other-checkout");
    first.run(&["db-snapshot", "drop", "x", "--yes"]).code(0);
    second.run(&["db-snapshot", "restore", "x"]).code(0);
    assert_eq!(rows(&server), rows_of_second);
}

/// Names as long as they can be, with quotes and spaces, that begin in the same way.
#[test]
fn long_and_strange_names() {
    let (server, workspace) = server_and_workspace();
    let names = ["1", "2"].map(|last| format!("{}'{} \"é\"{last}", "a".repeat(20), "b".repeat(36)));
    let encoded = names.each_ref().map(|name| name.replace('\'', "%27").replace(' ', "%20").replace('"', "%22"));
    let env = workspace.read(".env.ci").replace("/library", &format!("/{}", encoded[0]));
    workspace.write(".env.ci", env.replace("/journal", &format!("/{}", encoded[1])));
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(names[0].len(), 63);
    sql::execute(&server.admin(&names[0]), "INSERT INTO authors (name) VALUES ('kept')");
    workspace.run(&["db-snapshot", "save", "feature/a 'b' \"é\""]).code(0);
    workspace.run(&["db-reset", "--yes", "--no-snapshot"]).code(0);
    workspace.run(&["db-snapshot", "restore", "feature/a 'b' \"é\""]).code(0);
    assert_eq!(sql::query(&server.admin(&names[0]), "SELECT name FROM authors"), ["kept"]);
    let entries = "SELECT count(*)::text FROM entries";
    assert_eq!(sql::query(&server.admin(&names[1]), entries), ["0"]);
    workspace.run(&["db-setup"]).code(0).says(["There was nothing to do, and nothing was changed."]);
    assert_eq!(server.databases().len(), 6);
    server.execute("postgres", &format!("DROP DATABASE {}", identifier(&names[0])));
}

/// A database of the user's that is named like a snapshot isn't one.
#[test]
fn a_database_that_is_named_like_a_snapshot() {
    let (server, workspace) = set_up();
    server.execute("postgres", "CREATE DATABASE library_snapshot_0123456789ab OWNER keeper");
    server
        .execute("postgres", "CREATE DATABASE library_snapshot_ba9876543210 OWNER keeper CONNECTION LIMIT 1936745570");
    workspace.run(&["db-snapshot", "list"]).code(0).says(["(0 rows)"]);
    workspace.run(&["db-snapshot", "save", "x"]).code(0);
    // With the stamp of one, it still lacks the mark.
    let stamps = "SELECT shobj_description(oid, 'pg_database') FROM pg_database \
                  WHERE NOT datallowconn AND datname ~ '^library_snapshot'";
    let stamp = literal(&server.query("postgres", stamps).concat());
    server.execute("postgres", &format!("COMMENT ON DATABASE library_snapshot_0123456789ab IS {stamp}"));
    workspace.run(&["db-snapshot", "drop", "x", "--yes"]).code(0);
    workspace.run(&["db-snapshot", "list"]).code(0).says(["(0 rows)"]);
    let left = ["journal", "library", "library_snapshot_0123456789ab", "library_snapshot_ba9876543210"];
    server.assert_only(&left);
}

/// What the server has dropped in part is of no use to anybody.
#[test]
fn a_snapshot_that_was_dropped_in_part() {
    let (server, workspace) = set_up();
    workspace.run(&["db-snapshot", "save", "x"]).code(0);
    server.execute("postgres", "UPDATE pg_database SET datconnlimit = -2 WHERE datname ~ '^journal_snap'");
    workspace.run(&["db-snapshot", "list"]).code(0).says(["library, but not journal"]);
    workspace
        .run(&["db-snapshot", "save", "y"])
        .code(0)
        .says(["Dropped what was left of the snapshot journal_snapshot_"]);
    assert_eq!(databases(&server), ["journal", "journal", "library", "library", "library"]);
}

/// The databases of an older time have an older schema.
#[test]
fn migrations_that_differ() {
    let (server, workspace) = set_up();
    write_rows(&server, "old");
    workspace.run(&["db-snapshot", "save", "x"]).code(0);
    workspace.add_migration("library", "003_more", "CREATE TABLE more (id integer);\n");
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    workspace.run(&["db-snapshot", "save", "y"]).code(0);
    workspace.run(&["db-snapshot", "restore", "x"]).code(0).says(["library lacks 003_more", "cargo xtask db-setup"]);
    workspace.run(&["db-setup"]).code(0);
    workspace.remove("migrations/library/003_more.up.sql");
    workspace.remove("migrations/library/003_more.down.sql");
    let differs = workspace.run(&["db-snapshot", "restore", "y"]).code(0);
    differs.says([
        "library has other migrations than this checkout now",
        "cargo xtask db-status",
        "cargo xtask db-switch",
    ]);
}

/// Runs a command on a terminal where this is typed.
fn on_terminal(workspace: &Workspace, arguments: &str, typed: &str) -> Option<Outcome> {
    if !std::path::Path::new("/usr/bin/script").exists() {
        return None;
    }
    let line = "printf '%s\\n' \"$1\" | /usr/bin/script -qec \"'$2' $3\" /dev/null";
    let arguments = ["-c", line, "sh", typed, env!("CARGO_BIN_EXE_xtask"), arguments];
    Some(Invocation::of(workspace, "/bin/sh", &arguments).env("NO_COLOR", "1").run())
}

#[test]
fn the_name_has_to_be_typed() {
    let (server, workspace) = set_up();
    write_rows(&server, "kept");
    let before = rows(&server);
    let Some(wrong) = on_terminal(&workspace, "db-reset", "libary") else {
        skip!("there is no /usr/bin/script here");
    };
    wrong.code(1).problem("not-confirmed").says(["Type journal library to go on:", "\"libary\" isn't journal library"]);
    assert_eq!(rows(&server), before);
    workspace.run(&["db-snapshot", "save", "x"]).code(0);
    drop(
        on_terminal(&workspace, "db-snapshot drop x --quiet", "y")
            .map(|wrong| wrong.code(1).says(["Type x to go on:"])),
    );
    drop(on_terminal(&workspace, "db-snapshot drop x", "x").map(|outcome| outcome.code(0)));
    server.assert_only(&["journal", "library"]);
    drop(on_terminal(&workspace, "db-reset library", "library").map(|outcome| outcome.code(0)));
    assert_eq!(rows(&server), ["entry kept"]);
    workspace.run(&["db-snapshot", "drop", "x"]).code(1).problem("no-snapshot");
}
