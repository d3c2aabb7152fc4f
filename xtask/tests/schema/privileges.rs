//! Owners and privileges, where a database asks for their proof.

use super::support::fixture::{PASSWORD, ROLE};
use super::support::sql::Session;
use super::support::{Server, Workspace, set_up};
use super::{loading, named};

/// The role that the migrations of these tests grant something to.
pub(super) const READER: &str = "library_reader";

const MANIFEST: &str = "[package]\nname = \"library\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";

/// Asks for the proof of owners and privileges, with a migration that grants something where the role exists. `more` is a
/// further statement of the migration.
pub(super) fn ask_for_privileges(workspace: &Workspace, more: &str) {
    workspace.write(
        "crates/library/Cargo.toml",
        format!("{MANIFEST}\n[package.metadata.xtask.privileges]\nroles = [\"{READER}\"]\n"),
    );
    let granted = format!(
        "{more}
         CREATE FUNCTION count_books() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM books';
         CREATE VIEW titles AS SELECT title FROM books;
         CREATE TYPE genre AS ENUM ('novel');
         CREATE TYPE state AS (lent boolean);
         CREATE FUNCTION one() RETURNS integer LANGUAGE sql AS 'SELECT 1';
         CREATE TABLE shelves (place text);
         REVOKE EXECUTE ON FUNCTION count_books() FROM PUBLIC;
         DO $$ BEGIN
             IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{READER}') THEN
                 GRANT SELECT, INSERT ON books TO {READER};
                 GRANT SELECT (name) ON authors TO {READER};
                 ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {READER};
             END IF;
         END $$;"
    );
    workspace.add_migration("library", "003_reader", &granted);
}

/// A server whose URL's role may make roles, and a checkout that is set up there with privileges in its proof.
fn with_privileges() -> (Server, Workspace) {
    let (server, workspace) = set_up();
    server.execute("postgres", &format!("ALTER ROLE {ROLE} CREATEROLE; CREATE ROLE \"an other\"; CREATE ROLE granter"));
    // Whoever has installed an extension owns what is in it.
    let has_extension = "SELECT name::text FROM pg_available_extensions WHERE name = 'pgcrypto'";
    let extension = if server.query("postgres", has_extension).is_empty() {
        ""
    } else {
        let by_another = "CREATE ROLE installer SUPERUSER; SET ROLE installer; CREATE EXTENSION pgcrypto";
        server.execute("library", by_another);
        "CREATE EXTENSION IF NOT EXISTS pgcrypto;"
    };
    ask_for_privileges(&workspace, extension);
    workspace.run(&["db-setup"]).code(4).says(["head of the schema file"]);
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    (server, workspace)
}

/// A change, what the fast proof says about it, and what the deep proof says.
type Change = (&'static str, &'static str, &'static str);

const CHANGES: &[Change] = &[
    ("GRANT UPDATE ON books TO library_reader", "library_reader may UPDATE", "pg_class: public.books: relacl"),
    (
        "GRANT SELECT ON books TO library_reader WITH GRANT OPTION",
        "library_reader may SELECT, and may grant it; ",
        "may SELECT and grant it",
    ),
    ("REVOKE INSERT ON books FROM library_reader", "library_reader may not INSERT", "pg_class: public.books: relacl"),
    ("REVOKE DELETE ON books FROM keeper", "the URL's role may not DELETE", "pg_class: public.books: relacl"),
    ("GRANT UPDATE (title) ON books TO PUBLIC", "PUBLIC may UPDATE (title)", "PUBLIC may UPDATE"),
    (
        "REVOKE SELECT (name) ON authors FROM library_reader",
        "library_reader may not SELECT (name)",
        "expected \"library_reader may SELECT\"",
    ),
    (
        "GRANT DELETE ON authors TO granter WITH GRANT OPTION; SET ROLE granter; \
         GRANT DELETE ON authors TO \"an other\"; RESET ROLE",
        "\"an other\" may DELETE (granted by granter)",
        "an other may DELETE by granter",
    ),
    (
        "ALTER TABLE shelves OWNER TO \"an other\"",
        "table public.shelves: the owner is \"an other\", expected the URL's role",
        "relowner is \"an other\"",
    ),
    (
        "ALTER VIEW titles OWNER TO library_reader",
        "view public.titles: the owner is library_reader",
        "relowner is \"library_reader\"",
    ),
    (
        "ALTER TYPE genre OWNER TO library_reader",
        "type public.genre: the owner is library_reader",
        "typowner is \"library_reader\"",
    ),
    ("REVOKE USAGE ON TYPE state FROM PUBLIC", "type public.state: PUBLIC may not USAGE", "public.state: typacl"),
    (
        "GRANT EXECUTE ON FUNCTION count_books() TO PUBLIC",
        "function public.count_books(): PUBLIC may EXECUTE",
        "proacl is \"PUBLIC may EXECUTE",
    ),
    ("ALTER FUNCTION one() OWNER TO granter", "function public.one(): the owner is granter", "proowner is \"granter\""),
    (
        "GRANT USAGE ON SEQUENCE books_id_seq TO library_reader",
        "sequence public.books_id_seq: library_reader may USAGE",
        "public.books_id_seq: relacl",
    ),
    ("GRANT CREATE ON SCHEMA public TO library_reader", "library_reader may CREATE", "library_reader may CREATE"),
    (
        "ALTER SCHEMA public OWNER TO keeper",
        "schema public: the owner is the URL's role, expected the usual one",
        "nspowner is \"keeper\"",
    ),
    (
        "GRANT CREATE ON DATABASE library TO \"an other\"",
        "the database: \"an other\" may CREATE",
        "datacl is \"an other may CREATE",
    ),
    (
        "GRANT USAGE ON SCHEMA _sqlx TO library_reader",
        "schema _sqlx: library_reader may USAGE",
        "pg_namespace: _sqlx: nspacl",
    ),
    (
        "GRANT INSERT ON _sqlx.migrations TO library_reader",
        "table _sqlx.migrations: library_reader may INSERT",
        "_sqlx.migrations: relacl",
    ),
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE keeper IN SCHEMA public GRANT UPDATE ON TABLES TO library_reader",
        "new tables in schema public: library_reader may UPDATE",
        "pg_default_acl: public.keeper, r",
    ),
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE granter REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
        "new functions of granter: PUBLIC may not EXECUTE",
        "extra row of pg_default_acl: ",
    ),
    (
        "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO library_reader",
        "function pg_catalog.pg_read_file(pg_catalog.text): library_reader may EXECUTE",
        "pg_catalog.pg_read_file",
    ),
    (
        "GRANT USAGE ON LANGUAGE plpgsql TO library_reader",
        "language plpgsql: library_reader may USAGE",
        "pg_language: plpgsql: lanacl",
    ),
];

/// What takes back the changes whose repair isn't printed: only the role that granted something can take it back, and who
/// had the schema public isn't known.
const WITHOUT_REPAIR: &str = "REVOKE ALL ON authors FROM granter CASCADE; \
                              GRANT SELECT (name) ON authors TO library_reader; \
                              ALTER SCHEMA public OWNER TO pg_database_owner; \
                              REVOKE CREATE ON SCHEMA public FROM library_reader";

/// Both readers see each change. After the printed repairs, which a superuser runs, both pass.
#[test]
fn both_proofs_see_owners_and_privileges_where_they_are_asked_for() {
    let (server, workspace) = with_privileges();
    let before = deep(&server);
    let mut session = Session::open(&server.admin("library")).unwrap();
    for (change, ..) in CHANGES {
        session.execute(change).unwrap_or_else(|error| panic!("{change}: {error}"));
    }
    let outcome = workspace.run(&["db-verify", "--format", "json"]).code(4);
    let said = outcome.stdout.replace("\\\"", "\"");
    let seen = deep(&server).compare(&before).unwrap().differences.join("\n");
    let unseen = CHANGES.iter().filter(|(_, fast, deep)| !said.contains(fast) || !seen.contains(deep));
    let unseen: Vec<_> = unseen.map(|(change, ..)| change).collect();
    assert!(unseen.is_empty(), "{unseen:#?}\n{said}\n{seen}");
    let repairs: Vec<_> = named(&outcome).into_iter().filter_map(|named| named.repair.ok()).collect();
    for repair in repairs.iter().map(String::as_str).chain([WITHOUT_REPAIR]) {
        session.execute(repair).unwrap_or_else(|error| panic!("{repair}: {error}"));
    }
    workspace.run(&["db-verify"]).code(0);
    assert_eq!(deep(&server).compare(&before).unwrap().differences, Vec::<String>::new());

    // What says the same in another way is no difference, and who may connect is decided for the server.
    let same = "GRANT UPDATE ON authors TO library_reader; REVOKE UPDATE ON authors FROM library_reader; \
                GRANT EXECUTE ON FUNCTION pg_read_file(text) TO granter; REVOKE EXECUTE ON FUNCTION pg_read_file(text) FROM granter; \
                GRANT SELECT ON titles TO keeper; ALTER DATABASE library OWNER TO test_admin; REVOKE CONNECT ON DATABASE library FROM PUBLIC; \
                GRANT CONNECT, CREATE ON DATABASE library TO keeper";
    session.execute(same).unwrap();
    workspace.run(&["db-verify", "--deep"]).code(0);
    // The other database hasn't asked.
    server.execute("journal", "GRANT ALL ON entries TO library_reader; ALTER TABLE entries OWNER TO granter");
    workspace.run(&["db-verify", "--deep"]).code(0);
    session.close();

    // The file loads as another role, and makes the same again.
    let schema = workspace.read("schema/library.sql");
    assert!(schema.contains("GRANT INSERT, SELECT ON TABLE public.books TO library_reader;"), "{schema}");
    assert!(!schema.contains(ROLE), "{schema}");
    let again = loading(&server, &schema, "again");
    again.write("crates/library/Cargo.toml", workspace.read("crates/library/Cargo.toml"));
    server.create_role("somebody", PASSWORD, "CREATEDB");
    server.execute("postgres", "GRANT library_reader TO somebody");
    let contract = again.read(".env.ci");
    again.write(".env.ci", contract.replace(&format!("//{ROLE}:"), "//somebody:"));
    again.run(&["db-setup"]).code(0);
    again.run(&["db-verify", "--write"]).code(0);
    assert_eq!(again.read("schema/library.sql"), schema);
}

/// Reads every catalog of the database, as the deep proof of owners and privileges does.
fn deep(server: &Server) -> xtask_schema::Deep {
    let mut session = Session::open(&server.login(ROLE, PASSWORD, "library")).unwrap();
    let deep = session.deep_with_privileges();
    session.close();
    deep
}
