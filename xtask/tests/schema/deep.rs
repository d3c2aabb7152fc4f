//! The deep proof: it passes where nothing was changed, and sees every change that can be made.

use xtask_schema::History;

use super::random::{self, Fate};
use super::support::sql::Session;
use super::support::{Server, set_up, skip};
use super::{changes, every_kind};

/// The statements that make a copy of the database, which is changed.
const COPY: &str = "CREATE DATABASE copy TEMPLATE library STRATEGY file_copy";

/// Changes that leave the names of all objects as they are, and most of what the server's functions write about them.
const BEHIND_THE_NAMES: &[&str] = &[
    // Duplicates and orphans get in, because the triggers of the constraints do nothing.
    "UPDATE pg_trigger SET tgenabled = 'D' WHERE tgconstraint = \
     (SELECT oid FROM pg_constraint WHERE conname = 'orders_a_b_key')",
    "ALTER TABLE orders DISABLE TRIGGER ALL",
    "ALTER TABLE events_2024 DISABLE TRIGGER ALL",
    "UPDATE pg_inherits SET inhdetachpending = true WHERE inhrelid = 'events_2024'::regclass",
    // PostgreSQL 18 and later refuse it.
    "DO $$ BEGIN IF current_setting('server_version_num')::int < 180000 THEN ALTER TABLE child ALTER id DROP NOT NULL; \
     ELSE ALTER TABLE child ALTER extra SET NOT NULL; END IF; END $$",
    "ALTER TABLE a_child ALTER v SET COMPRESSION pglz",
    "ALTER TABLE a_child ALTER v SET STORAGE EXTERNAL",
    // The table has lost its replica identity with the index.
    "CREATE UNIQUE INDEX t ON users (name); ALTER TABLE users REPLICA IDENTITY USING INDEX t; DROP INDEX t",
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
];

/// Changes that only a superuser can make, in the catalogs themselves. The fast proof doesn't look for them.
const BY_HAND: &[&str] = &[
    "UPDATE pg_index SET indisready = false WHERE indexrelid = 'orders_sum_idx'::regclass",
    "UPDATE pg_proc SET prosrc = 'int4mi' WHERE oid = 'int4pl'::regproc",
];

const HISTORY: History<'static> = History { schema: Some("_sqlx"), table: "migrations" };

/// A copy of the database, which is changed step by step. Each reading is compared with the one before.
struct Copy<'s> {
    server: &'s Server,
    session: Session,
}

impl<'s> Copy<'s> {
    fn new(server: &'s Server) -> Self {
        server.execute("postgres", COPY);
        Self { server, session: Session::open(&server.admin("copy")).unwrap() }
    }

    fn change(&mut self, statements: &str) {
        self.session.execute(statements).unwrap_or_else(|error| panic!("{statements}: {error}"));
        if statements.contains("copy") {
            // A session knows its database as it was when it began.
            let session = Session::open(&self.server.admin("copy")).unwrap();
            std::mem::replace(&mut self.session, session).close();
        }
    }

    fn drop(self) {
        self.session.close();
        self.server.execute("postgres", "DROP DATABASE copy WITH (FORCE)");
    }
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
fn both_proofs_see_what_no_name_shows() {
    let Some((server, _workspace)) = every_kind() else {
        skip!("PostgreSQL's contributed extensions are not installed")
    };
    let mut original = Session::open(&server.admin("library")).unwrap();
    let (mut deep, mut catalog) = (original.deep(), original.catalog(&HISTORY));
    original.close();
    let mut copy = Copy::new(&server);
    let mut unseen = Vec::new();
    // The copy itself is no change.
    for statements in ["SELECT 1"].iter().chain(BEHIND_THE_NAMES).chain(BY_HAND) {
        copy.change(statements);
        let (deep_after, catalog_after) = (copy.session.deep(), copy.session.catalog(&HISTORY));
        let differences = deep_after.compare(&deep).unwrap().differences;
        if *statements == "SELECT 1" {
            assert_eq!(differences, Vec::<String>::new());
            assert_eq!(catalog_after, catalog);
        } else if differences.is_empty() {
            unseen.push(format!("deep: {statements}"));
        } else if catalog_after == catalog && !BY_HAND.contains(statements) {
            unseen.push(format!("fast: {statements}"));
        }
        (deep, catalog) = (deep_after, catalog_after);
    }
    copy.drop();
    assert!(unseen.is_empty(), "{unseen:#?}");
}

/// Changes to objects of kinds that are rare, or in states that are rare. Their names stay as they are.
const RARE: &[&str] = &[
    "ALTER TABLE child VALIDATE CONSTRAINT later",
    "ALTER TABLE events_2025 RENAME CONSTRAINT events_user_fkey TO more",
    "ALTER TABLE child ALTER id ADD GENERATED BY DEFAULT AS IDENTITY",
    "ALTER SEQUENCE orders_renamed_seq NO MAXVALUE AS smallint",
    "ALTER TRIGGER events_touch ON a_default DEPENDS ON EXTENSION pgcrypto",
    "COMMENT ON TYPE ext.citext IS 'one'",
    "ALTER FUNCTION crypt(text, text) RENAME TO more",
    "ALTER TABLE events_2024 VALIDATE CONSTRAINT events_later",
    "DROP CAST (app.pair AS text); CREATE CAST (app.pair AS text) WITH INOUT AS IMPLICIT",
    "DROP COLLATION ours.sorted; CREATE COLLATION ours.sorted (provider = libc, locale = 'POSIX')",
    "ALTER PUBLICATION published SET (publish = 'insert')",
    "ALTER PUBLICATION published SET TABLE users (id), orders (id, user_id) WHERE (user_id > 0)",
    "ALTER PUBLICATION published SET TABLE users, orders (id, user_id) WHERE (user_id > 1)",
    "ALTER FOREIGN DATA WRAPPER wrapper OPTIONS (SET a 'two')",
    "ALTER SERVER server VERSION '2'",
    "ALTER SERVER server OPTIONS (SET a 'two')",
    "ALTER USER MAPPING FOR PUBLIC SERVER server OPTIONS (SET a 'two')",
    "ALTER FOREIGN TABLE ours.far OPTIONS (SET a 'two')",
    "ALTER FOREIGN TABLE ours.far ALTER x OPTIONS (SET a 'two')",
    "ALTER FOREIGN TABLE ours.far ALTER x TYPE bigint",
    "ALTER FOREIGN TABLE ours.far ALTER y DROP DEFAULT",
    "ALTER FOREIGN TABLE ours.far DROP CONSTRAINT far_check",
    "ALTER TEXT SEARCH CONFIGURATION ours.search DROP MAPPING FOR word",
    "ALTER TEXT SEARCH DICTIONARY ours.words (stopwords = german)",
    "ALTER OPERATOR ours.=== (integer, integer) SET (RESTRICT = neqsel)",
    "ALTER OPERATOR FAMILY ours.ordered USING btree ADD OPERATOR 1 < (integer, bigint)",
    "DROP CONVERSION ours.conversion; CREATE DEFAULT CONVERSION ours.conversion FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1",
    "CREATE TYPE ours.base (INPUT = ours.base_in, OUTPUT = ours.base_out, STORAGE = extended)",
];

#[test]
fn the_fast_proof_sees_changes_behind_the_names_of_rare_kinds() {
    let Some((server, _workspace)) = every_kind() else {
        skip!("PostgreSQL's contributed extensions are not installed")
    };
    server.execute("library", include_str!("more_kinds.sql"));
    let mut original = Session::open(&server.admin("library")).unwrap();
    let before = original.catalog(&HISTORY);
    original.close();
    let (mut spare, mut unseen) = (None, Vec::new());
    for statements in RARE.iter().chain(BEHIND_THE_NAMES) {
        let mut copy: Copy<'_> = spare.take().unwrap_or_else(|| Copy::new(&server));
        copy.change(statements);
        match random::repaired(&mut copy.session, &before, None) {
            // A copy that was repaired is as good as a new one, except for the settings of its session.
            Some(Fate::Repaired) if !statements.contains("copy") => {
                spare = Some(copy);
                continue;
            }
            None => unseen.push((*statements).to_owned()),
            Some(Fate::NotRepaired(left)) => unseen.push(format!("after the repairs of {statements}: {left:?}")),
            Some(_) => {}
        }
        copy.drop();
    }
    if let Some(copy) = spare {
        copy.drop();
    }
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
