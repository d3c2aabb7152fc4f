//! The roles that a database declares, for the proof of its privileges: db-setup makes them where that can be done, and goes
//! on without them elsewhere.

use crate::support::fixture::{PASSWORD, ROLE};
use crate::support::{DEADLINE, Server, Workspace, eventually, server_and_workspace, sql};

/// The role that the migrations grant something to.
const READER: &str = "library_reader";

/// Whether the role may read the table and do nothing else with it, and whether the URL's role may act as it.
const MAY_READ: &str = "SELECT concat_ws(' ', has_table_privilege(r.oid, 'books', 'SELECT'), has_table_privilege(r.oid, 'books', \
                        'INSERT, UPDATE, DELETE, TRUNCATE'), rolcanlogin, pg_has_role('keeper', r.oid, 'MEMBER')) \
                        FROM pg_roles AS r WHERE rolname = 'library_reader'";

/// Declares the role, and adds a migration that grants something to it where it exists. The schema file is the one of a
/// server that has the role.
fn declare(workspace: &Workspace) {
    workspace.write(
        "crates/library/Cargo.toml",
        format!(
            "[package]\nname = \"library\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
             [package.metadata.xtask.privileges]\nroles = [\"{READER}\"]\n"
        ),
    );
    workspace.add_migration(
        "library",
        "003_reader",
        &format!(
            "DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{READER}') THEN \
             GRANT SELECT ON authors, books TO {READER}; END IF; END $$;"
        ),
    );
    workspace.write(
        "migrations/library/003_reader.down.sql",
        format!(
            "DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{READER}') THEN \
             REVOKE SELECT ON authors, books FROM {READER}; END IF; END $$;"
        ),
    );
    let schema = workspace.read("schema/library.sql");
    let (_, body) = schema.split_once("\n\n").unwrap();
    workspace.write(
        "schema/library.sql",
        format!(
            "{}\n\n{body}\n-- privileges of table public.authors\nGRANT SELECT ON TABLE public.authors TO {READER};\n\n-- privileges of table public.books\nGRANT SELECT ON TABLE public.books TO {READER};\n",
            include_str!("../../../schema/audit.sql").split_once("\n\n").unwrap().0
        ),
    );
}

fn declared() -> (Server, Workspace) {
    let (server, workspace) = server_and_workspace();
    declare(&workspace);
    (server, workspace)
}

#[test]
fn a_role_that_nobody_can_make_is_no_failure_and_its_sql_is_printed() {
    let (server, workspace) = declared();
    let not_proven =
        ["owners and privileges are not proven", "role library_reader is missing", "keeper may not make it"];
    let create = "CREATE ROLE \"library_reader\" NOLOGIN;";
    let grant = "GRANT \"library_reader\" TO \"keeper\";";
    workspace.run(&["db-setup"]).code(0).says(not_proven).says([create, grant]);
    workspace.run(&["db-setup"]).code(0).says(not_proven).says(["nothing was changed", create, grant]);
    workspace.run(&["db-verify", "--deep"]).code(0).says(not_proven).says(["but for its owners and privileges"]);
    let schema = || workspace.run(&["ci", "--only", "migrations,schema"]).code(0);
    schema().says(["schema/library.sql (without owners and privileges)"]);
    workspace
        .run(&["db-verify", "--write"])
        .code(1)
        .problem("role-missing")
        .says(["schema/library.sql can't be written"]);
    // The rest of the schema is proven all the same.
    server.execute("library", "CREATE TABLE stray ()");
    workspace.run(&["db-verify"]).code(4).says(["extra table public.stray"]);
    server.execute("library", "DROP TABLE stray");

    // The printed statements, and another run, change it.
    server.execute("postgres", create);
    workspace.run(&["db-setup"]).code(0).says(["keeper may not act as the role library_reader", grant]).lacks([create]);
    assert_eq!(server.query("library", MAY_READ), ["t f f f"]);
    server.execute("postgres", grant);
    workspace.run(&["db-setup"]).code(0).says(["nothing was changed"]).lacks(["warning"]);
    workspace.run(&["db-verify"]).code(0).lacks(["but for"]);
    assert_eq!(server.query("library", MAY_READ), ["t f f t"]);
    // No result is kept from before the role was there.
    schema().says(["schema/journal.sql and schema/library.sql are the result of the migrations"]);

    // A role that has lost one privilege isn't new. Somebody took it away, or gave it more.
    server.execute("library", "REVOKE SELECT ON books FROM library_reader");
    workspace.run(&["db-setup"]).code(4).says(["library_reader may not SELECT", "GRANT SELECT ON TABLE public.books"]);
    server.execute("library", "GRANT INSERT ON books TO library_reader");
    workspace.run(&["db-setup"]).code(4).says(["library_reader may INSERT; library_reader may not SELECT"]);
    server.execute("library", "REVOKE INSERT ON books FROM library_reader; GRANT SELECT ON books TO library_reader");
    // Nor is it right if it has more by itself.
    server.execute("postgres", "ALTER ROLE library_reader CREATEDB; GRANT pg_write_all_data TO library_reader");
    let undo = ["ALTER ROLE \"library_reader\" NOCREATEDB;", "REVOKE \"pg_write_all_data\" FROM \"library_reader\";"];
    for command in ["db-verify", "db-setup"] {
        let has = "library_reader has CREATEDB, a membership in pg_write_all_data";
        workspace.run(&[command]).code(4).problem("role-mighty").says([has]).says(undo);
    }
    server.execute("postgres", &undo.join(" "));
    workspace.run(&["db-setup"]).code(0).says(["nothing was changed"]);
    server.assert_only(&["journal", "library"]);
}

#[test]
fn a_urls_role_that_may_make_roles_makes_them() {
    let (server, workspace) = declared();
    server.execute("postgres", &format!("ALTER ROLE {ROLE} CREATEROLE"));
    // Somebody else makes the role at the same time.
    let mut other = sql::Session::open(&server.admin("postgres")).unwrap();
    other.execute("BEGIN; CREATE ROLE library_reader NOLOGIN").unwrap();
    let run = workspace.xtask(&["db-setup"]).start();
    let waits = "SELECT 1::text FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'CREATE ROLE%'";
    eventually("db-setup waits for the other role", DEADLINE, || {
        (!server.query("postgres", waits).is_empty()).then_some(())
    });
    other.execute("COMMIT").unwrap();
    let ended = run.wait().code(0);
    other.close();
    if server.query("postgres", "SHOW server_version_num")[0].as_str() < "160000" {
        ended.lacks(["warning"]);
    } else {
        // From PostgreSQL 16 on, a role that may make roles may give away only those that it has made.
        let grant = "GRANT \"library_reader\" TO \"keeper\";";
        ended.says(["keeper may not act as the role library_reader", grant]);
        server.execute("postgres", grant);
    }
    assert_eq!(server.query("library", MAY_READ), ["t f f t"]);
    let before = server.query("postgres", "SELECT xmin::text FROM pg_authid ORDER BY oid");
    workspace.run(&["db-setup"]).code(0).says(["nothing was changed"]).lacks(["warning"]);
    workspace.run(&["ci", "--only", "migrations,schema"]).code(0);
    assert_eq!(server.query("postgres", "SELECT xmin::text FROM pg_authid ORDER BY oid"), before);
    // A role that exists is used as it is, and its grants come back.
    server.execute("library", "DROP OWNED BY library_reader; ALTER ROLE library_reader LOGIN");
    workspace
        .run(&["db-verify"])
        .code(4)
        .says(["missing privileges of table public.books", "library_reader may not SELECT"]);
    workspace.run(&["db-setup"]).code(0).says(["have the privileges"]);
    assert_eq!(server.query("library", MAY_READ), ["t f t t"]);
    server.assert_only(&["journal", "library"]);

    // A mistake in the manifest is an error.
    let manifest = workspace.read("crates/library/Cargo.toml");
    for (wrong, why) in
        [("rolls = []", "unknown field `rolls`"), ("roles = [\"pg_x\"]", "\"pg_x\" can't be the name of a role")]
    {
        let (before, _) = manifest.split_once("roles").unwrap();
        workspace.write("crates/library/Cargo.toml", format!("{before}{wrong}\n"));
        workspace.run(&["db-setup"]).code(1).says(["[package.metadata.xtask.privileges]", why]);
    }
}

/// The URLs' roles may not make roles on the servers that xtask starts, but its superuser does it.
#[test]
fn a_private_cluster_has_the_roles() {
    let workspace = Workspace::generic().filled_cache().build();
    declare(&workspace);
    let login = || workspace_login(&workspace);
    workspace.run(&["db-setup", "--server", "local"]).code(0).lacks(["warning"]);
    assert_eq!(sql::query(&login(), MAY_READ), ["t f f t"]);
    workspace.run(&["db-setup"]).code(0).says(["nothing was changed"]);
    // The role is declared only now, and the server runs already.
    let manifest = workspace.read("crates/library/Cargo.toml");
    workspace.write("crates/library/Cargo.toml", manifest.replace(READER, &format!("{READER}\", \"another")));
    workspace.run(&["db-setup"]).code(0).lacks(["warning"]);
    assert_eq!(sql::query(&login(), "SELECT rolname::text FROM pg_roles WHERE rolname = 'another'"), ["another"]);
    workspace.run(&["db-setup"]).code(0).says(["nothing was changed"]);
    workspace.run(&["db-stop"]).code(0);
}

fn workspace_login(workspace: &Workspace) -> sqlx::postgres::PgConnectOptions {
    let text = workspace.read(".env");
    let url = text.lines().find_map(|line| line.strip_prefix("LIBRARY_URL=")).unwrap().trim_matches('\'');
    sql::options("127.0.0.1", url::Url::parse(url).unwrap().port().unwrap(), ROLE, PASSWORD, "library")
}
