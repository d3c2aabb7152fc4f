//! Statements that squawk lets pass.

use crate::{Folder, help};

/// Fails unless each statement alone has this finding of the rule, at its beginning.
#[track_caller]
fn each(rule: &str, statements: &[&str]) {
    let folder = Folder::quiet();
    for statement in statements {
        folder.write("001.up.sql", format!("SELECT 1;\n  {statement};\n"));
        let output = folder.command(&["001.up.sql"]).args(["--format", "json"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let is_it =
            |line: &str| line.contains(&format!("\"rule\":\"{rule}\"")) && line.contains("\"line\":2,\"column\":3,");
        assert_eq!(text.lines().filter(|line| is_it(line)).count(), 1, "{statement}: {text}");
    }
}

/// Fails if one of the statements has any finding of our own.
#[track_caller]
fn none(statements: &[&str]) {
    let folder = Folder::quiet();
    let own = ["changes-every-row", "hidden-statements", "checks-off", "locks-table", "beyond-database"];
    for statement in statements {
        folder.write("001.up.sql", format!("{statement};\n"));
        let output = folder.command(&["001.up.sql"]).args(["--format", "json"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(own.iter().all(|rule| !text.contains(rule)), "{statement}: {text}");
    }
}

#[test]
fn every_row() {
    each(
        "changes-every-row",
        &[
            "DELETE FROM books",
            "DELETE FROM books USING authors",
            "UPDATE books SET title = ''",
            "UPDATE books SET title = a.name FROM authors AS a",
            "TRUNCATE books",
            "TRUNCATE TABLE books, authors RESTART IDENTITY",
        ],
    );
    let folder = Folder::quiet();
    folder.write("001.up.sql", "WITH gone AS (\n    DELETE FROM books RETURNING id\n)\nSELECT count(*) FROM gone;\n");
    let found = folder.finds(&["001.up.sql"], &["001.up.sql:2:5 changes-every-row"]);
    assert!(help(&found[0]).contains("WHERE"));
    none(&[
        "DELETE FROM books WHERE id = 1",
        "UPDATE books SET title = '' WHERE id = 1",
        "INSERT INTO books (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET title = ''",
        // These run later, if ever.
        "CREATE RULE r AS ON INSERT TO books DO ALSO DELETE FROM authors",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql BEGIN ATOMIC DELETE FROM books; END",
        "COMMENT ON TABLE books IS 'TRUNCATE books'",
    ]);
}

#[test]
fn hidden_statements() {
    each(
        "hidden-statements",
        &[
            "DO $$ BEGIN NULL; END $$",
            "DO LANGUAGE plpgsql 'BEGIN NULL; END'",
            "EXECUTE prepared",
            "CALL clean_up()",
            "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DROP TABLE ' || 'books'; END $$",
            "CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN execute ''SELECT 1''; END'",
        ],
    );
    none(&[
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
        "CREATE TRIGGER t BEFORE UPDATE ON books FOR EACH ROW EXECUTE FUNCTION f()",
        "SELECT 'EXECUTE'",
    ]);
}

#[test]
fn checks_that_are_switched_off() {
    each(
        "checks-off",
        &[
            "ALTER TABLE books DISABLE TRIGGER ALL",
            "ALTER TABLE books DISABLE TRIGGER USER",
            "ALTER TABLE books DISABLE TRIGGER keep",
            "ALTER TABLE books ENABLE REPLICA TRIGGER keep",
            "ALTER TABLE books DISABLE RULE keep",
            "SET session_replication_role = replica",
            "SET LOCAL session_replication_role TO 'replica'",
            "SELECT set_config('session_replication_role', 'replica', true)",
        ],
    );
    none(&["ALTER TABLE books ENABLE TRIGGER keep", "SET LOCAL lock_timeout = '1s'", "SET CONSTRAINTS ALL DEFERRED"]);
}

#[test]
fn locks() {
    each(
        "locks-table",
        &[
            "LOCK TABLE books",
            "LOCK books IN SHARE MODE",
            "CLUSTER books USING books_pkey",
            "ALTER TABLE books SET UNLOGGED",
            "ALTER TABLE books SET LOGGED",
        ],
    );
    none(&["ALTER TABLE books SET WITHOUT CLUSTER", "SELECT * FROM books FOR UPDATE"]);
}

#[test]
fn beyond_the_database() {
    each(
        "beyond-database",
        &[
            "ALTER ROLE keeper SET search_path = ''",
            "ALTER USER keeper PASSWORD 'x'",
            "ALTER ROLE ALL IN DATABASE library SET work_mem = '1MB'",
            "CREATE ROLE reader",
            "CREATE USER reader",
            "CREATE GROUP readers",
            "DROP ROLE IF EXISTS reader",
            "ALTER DATABASE library SET timezone = 'UTC'",
            "ALTER DATABASE library OWNER TO keeper",
            "CREATE DATABASE other",
            "DROP DATABASE other",
            "ALTER SYSTEM SET work_mem = '1MB'",
            "CREATE TABLESPACE fast LOCATION '/fast'",
            "DROP TABLESPACE fast",
            "GRANT readers TO keeper",
            "REVOKE readers FROM keeper",
            "GRANT CONNECT ON DATABASE library TO reader",
            "REVOKE CREATE ON TABLESPACE fast FROM reader",
            "COMMENT ON DATABASE library IS 'mine'",
            "COMMENT ON ROLE keeper IS 'mine'",
            "DROP OWNED BY keeper",
            "REASSIGN OWNED BY keeper TO reader",
            "CREATE SUBSCRIPTION s CONNECTION 'host=elsewhere' PUBLICATION p",
            "COPY books FROM PROGRAM 'cat /etc/passwd'",
            "COPY books TO '/tmp/books'",
            "SELECT pg_reload_conf()",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity",
            "CHECKPOINT",
        ],
    );
    none(&[
        "CREATE USER MAPPING FOR keeper SERVER other",
        "GRANT SELECT ON books TO reader",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader",
        "COMMENT ON TABLE books IS 'role'",
        "ALTER TABLE role RENAME COLUMN system TO database",
        "COPY books FROM STDIN",
    ]);
}
