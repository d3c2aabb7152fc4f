//! `db-setup` on a server that already runs: the first run, and further runs.

use crate::support::fixture::{JOURNAL_HISTORY, JOURNAL_TABLES, LIBRARY_HISTORY, LIBRARY_TABLES, PASSWORD, ROLE};
use crate::support::{Server, Workspace, mode, server_and_workspace, set_up, sql};

/// The words with which a run may say that it had nothing to do.
const UNCHANGED: &[&str] =
    &["nothing to do", "nothing changed", "changed nothing", "no change", "nothing was changed", "up to date"];

/// Fails unless the output lists a database's tables as psql's `\dt` does, with its columns, its rows and its count.
#[track_caller]
fn assert_listed(stdout: &str, tables: &[&str], owner: &str) {
    let rows: Vec<Vec<&str>> = stdout.lines().map(|line| line.split('|').map(str::trim).collect()).collect();
    assert!(rows.contains(&vec!["Schema", "Name", "Type", "Owner"]), "{stdout}");
    for table in tables {
        assert!(rows.contains(&vec!["public", table, "table", owner]), "expected the table {table}: {stdout}");
    }
    let count = if tables.len() == 1 { "(1 row)".to_owned() } else { format!("({} rows)", tables.len()) };
    assert!(stdout.lines().any(|line| line.trim() == count), "expected {count}: {stdout}");
}

#[test]
fn from_nothing_and_again() {
    let (server, workspace) = server_and_workspace();
    let first = workspace.run(&["db-setup"]).code(0);
    assert_listed(&first.stdout, &LIBRARY_TABLES, ROLE);
    assert_listed(&first.stdout, &JOURNAL_TABLES, ROLE);
    server.assert_only(&["journal", "library"]);
    assert_eq!(sql::tables(&server.admin("library")), LIBRARY_TABLES);
    assert_eq!(sql::tables(&server.admin("journal")), JOURNAL_TABLES);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2]);
    assert_eq!(sql::applied(&server.admin("journal"), JOURNAL_HISTORY), [1]);
    assert_eq!(workspace.read(".env"), workspace.read(".env.ci"));
    assert_eq!(mode(&workspace.root().join(".env")), 0o600);

    let state = || {
        let library = sql::fingerprint(&server.admin("library"), LIBRARY_HISTORY);
        let journal = sql::fingerprint(&server.admin("journal"), JOURNAL_HISTORY);
        (library, journal, workspace.files())
    };
    let before = state();
    let second = workspace.run(&["db-setup"]).code(0).mentions_one_of(UNCHANGED);
    assert_listed(&second.stdout, &LIBRARY_TABLES, ROLE);
    assert_listed(&second.stdout, &JOURNAL_TABLES, ROLE);
    assert_eq!(state(), before);
    workspace.run(&["db-verify"]).code(0);
    assert_eq!(state(), before);
}

#[test]
fn this_repository_has_exactly_seven_and_three_tables() {
    let server = Server::start();
    let workspace = Workspace::repository().build();
    server.create_role("quickcart", "quickcart123", "CREATEDB");
    workspace.set_authority("localhost", server.port, "quickcart", "quickcart123");
    let shop = ["order_items", "orders", "product_stocks", "products", "users", "voucher_usage_cooldown", "vouchers"];
    let audit = ["admin_action_audit", "audit_logs", "payment_audit_logs"];
    for _ in 0..2 {
        let outcome = workspace.run(&["db-setup"]).code(0).says(["(7 rows)", "(3 rows)"]);
        assert_listed(&outcome.stdout, &shop, "quickcart");
        assert_listed(&outcome.stdout, &audit, "quickcart");
        assert_eq!(sql::tables(&server.admin("quickcart")), shop);
        assert_eq!(sql::tables(&server.admin("quickcart_audit")), audit);
    }
    server.assert_only(&["quickcart", "quickcart_audit"]);
}

#[test]
fn an_additional_table_is_an_error_and_is_named() {
    let (server, workspace) = set_up();
    server.execute("library", "CREATE TABLE stray (id integer)");
    // A table that belongs to the other database is additional here as well.
    server.execute("journal", "CREATE TABLE books (id integer)");
    workspace.run(&["db-setup"]).code(4).says(["stray", "books"]);
    workspace.run(&["db-verify"]).code(4).says(["stray", "books"]);
    server.execute("library", "DROP TABLE stray");
    server.execute("journal", "DROP TABLE books");
    workspace.run(&["db-verify"]).code(0);
    server.assert_only(&["journal", "library"]);
}

#[test]
fn a_missing_table_is_an_error_and_is_named() {
    let (server, workspace) = set_up();
    server.execute("library", "DROP TABLE books");
    workspace.run(&["db-setup"]).code(4).says(["books"]);
    assert_eq!(sql::tables(&server.admin("library")), ["authors"]);
}

#[test]
fn databases_have_the_right_owner_and_encoding() {
    let (server, workspace) = server_and_workspace();
    // The server's default is another encoding.
    server.execute(
        "postgres",
        "UPDATE pg_database SET encoding = pg_char_to_encoding('LATIN1') WHERE datname = 'template1'",
    );
    workspace.run(&["db-setup"]).code(0);
    let found = server.query(
        "postgres",
        "SELECT datname || ' ' || pg_get_userbyid(datdba) || ' ' || pg_encoding_to_char(encoding) \
         FROM pg_database WHERE datname IN ('library', 'journal') ORDER BY 1",
    );
    assert_eq!(found, [format!("journal {ROLE} UTF8"), format!("library {ROLE} UTF8")]);
}

#[test]
fn a_database_that_exists_is_used() {
    let (server, workspace) = server_and_workspace();
    server.execute("postgres", &format!("CREATE DATABASE library OWNER {ROLE}"));
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2]);
}

#[test]
fn databases_that_exist_need_no_role_that_may_create_them() {
    let (server, workspace) = server_and_workspace();
    server.execute("postgres", &format!("ALTER ROLE {ROLE} NOCREATEDB"));
    server.execute("postgres", &format!("CREATE DATABASE library OWNER {ROLE}"));
    server.execute("postgres", &format!("CREATE DATABASE journal OWNER {ROLE}"));
    workspace.run(&["db-setup"]).code(0);
}

#[test]
fn a_role_that_may_not_create_databases_is_an_error_with_a_way_out() {
    let (server, workspace) = server_and_workspace();
    server.execute("postgres", &format!("ALTER ROLE {ROLE} NOCREATEDB"));
    workspace.run(&["db-setup"]).fails().mentions([ROLE, "CREATEDB"]);
    server.assert_only(&[]);
}

#[test]
fn only_pending_migrations_are_applied() {
    let (server, workspace) = set_up();
    server.execute("library", "INSERT INTO authors (name) VALUES ('kept')");
    workspace.add_migration("library", "003_shelves", "CREATE TABLE shelves (id integer NOT NULL);\n");
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0).says(["003_shelves"]);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2, 3]);
    assert_eq!(server.query("library", "SELECT name FROM authors"), ["kept"]);
    server.assert_only(&["journal", "library"]);
}

#[test]
fn it_works_from_any_folder_of_the_checkout() {
    let (server, workspace) = server_and_workspace();
    workspace.xtask(&["db-setup"]).directory("crates/library/src").run().code(0);
    assert!(workspace.root().join(".env").exists());
    assert!(!workspace.root().join("crates/library/src/.env").exists());
    server.assert_only(&["journal", "library"]);
}

#[test]
fn a_workspace_without_sqlx_toml_is_one_database() {
    let server = Server::start();
    let workspace = Workspace::generic().build();
    server.create_role(ROLE, PASSWORD, "CREATEDB");
    for file in ["crates/library/sqlx.toml", "crates/journal/sqlx.toml", "schema/library.sql", "schema/journal.sql"] {
        workspace.remove(file);
    }
    std::fs::remove_dir_all(workspace.root().join("migrations")).unwrap();
    workspace.write("migrations/001_notes.up.sql", "CREATE TABLE notes (id integer NOT NULL);\n");
    workspace.write("migrations/001_notes.down.sql", "DROP TABLE notes;\n");
    let authority = server.authority(ROLE, PASSWORD);
    workspace.write(".env.ci", format!("DATABASE_URL=postgres://{authority}/plain\n"));
    workspace.accept_schema();
    for _ in 0..2 {
        let outcome = workspace.run(&["db-setup"]).code(0);
        assert!(outcome.stdout.contains("notes"), "{outcome}");
    }
    // The history table is sqlx's default, because no other one was named.
    assert_eq!(sql::applied(&server.admin("plain"), "_sqlx_migrations"), [1]);
    server.assert_only(&["plain"]);
}

#[test]
fn databases_on_two_servers() {
    let (library, workspace) = server_and_workspace();
    let journal = Server::start();
    journal.create_role("other", "0therS3cret-9", "CREATEDB");
    workspace.add_secret("0therS3cret-9");
    let (first, second) = (workspace.authority(), journal.authority("other", "0therS3cret-9"));
    let text = workspace
        .read(".env.ci")
        .replace(&format!("JOURNAL_URL=postgres://{first}"), &format!("JOURNAL_URL=postgres://{second}"));
    workspace.write(".env.ci", text);
    for _ in 0..2 {
        workspace.run(&["db-setup"]).code(0);
        library.assert_only(&["library"]);
        journal.assert_only(&["journal"]);
    }
}

#[test]
fn a_password_with_every_awkward_character() {
    let server = Server::start();
    let workspace = Workspace::generic().build();
    let (role, password) = ("o-keeper", r#"p@ss:w/r?d#1%'"\$x`&"#);
    server.create_role(role, password, "CREATEDB");
    workspace.set_authority("127.0.0.1", server.port, role, password);
    workspace.run(&["db-setup"]).code(0);
    server.assert_only(&["journal", "library"]);
}

#[test]
fn verify_before_setup_fails_and_makes_nothing() {
    let (server, workspace) = server_and_workspace();
    workspace.write(".env", workspace.read(".env.ci"));
    workspace.run(&["db-verify"]).code(6).says(["library", "journal"]);
    server.assert_only(&[]);
}

#[test]
fn verify_with_migrations_pending_says_so() {
    let (server, workspace) = set_up();
    workspace.add_migration("journal", "002_marks", "CREATE TABLE marks (id integer NOT NULL);\n");
    workspace.run(&["db-verify"]).code(3).says(["002_marks"]);
    assert_eq!(sql::applied(&server.admin("journal"), JOURNAL_HISTORY), [1]);
    server.assert_only(&["journal", "library"]);
}

/// A remote machine is never set up by accident. The run doesn't even connect to it.
#[test]
fn a_remote_host_is_left_alone() {
    let workspace = Workspace::generic().build();
    for host in ["db.example.invalid", "192.0.2.1"] {
        workspace.set_authority(host, 5433, ROLE, PASSWORD);
        workspace.xtask(&["db-setup", "--timeout", "600"]).run().fails().says([host, "--allow-remote"]);
        assert!(!workspace.root().join(".xtask").join("data").exists());
    }
}
