//! The findings in migrations, and their places.

use crate::{Folder, QUIET, command, findings, help, program, short};

const BOOKS: &str = "CREATE TABLE books (\n    id bigint PRIMARY KEY,\n    title text NOT NULL\n);\n";

#[test]
fn an_index_that_locks_a_table_in_use() {
    let folder = Folder::quiet();
    folder.write("library/002_title.up.sql", "-- Titles.\n\n  CREATE INDEX books_title_idx ON books (title);\n");
    let found = folder
        .finds(&["library/002_title.up.sql"], &["library/002_title.up.sql:3:3 require-concurrent-index-creation"]);
    assert!(found[0]["message"].as_str().unwrap().contains("updates are blocked"));
    assert!(help(&found[0]).contains("concurrently"));
    assert!(help(&found[0]).contains("accepted.toml"));
}

#[test]
fn an_index_on_a_table_of_the_same_migration_is_no_finding() {
    let folder = Folder::quiet();
    folder.write("001_books.up.sql", format!("{BOOKS}CREATE INDEX books_title_idx ON books (title);\n"));
    folder.finds(&["001_books.up.sql"], &[]);
}

#[test]
fn each_file_of_a_run_is_linted_separately() {
    let folder = Folder::quiet();
    // The table is made in the first file. When the second file runs, the table may be full.
    folder.write("001_books.up.sql", BOOKS);
    folder.write("002_title.up.sql", "CREATE INDEX a ON books (title);\nALTER TABLE books RENAME title TO name;\n");
    folder.write("003_id.up.sql", "ALTER TABLE books DROP COLUMN id;\n");
    folder.finds(
        &["001_books.up.sql", "002_title.up.sql", "003_id.up.sql"],
        &[
            "002_title.up.sql:1:1 require-concurrent-index-creation",
            "002_title.up.sql:2:19 renaming-column",
            "003_id.up.sql:1:19 ban-drop-column",
        ],
    );
}

#[test]
fn a_file_given_twice_is_one_file() {
    let folder = Folder::quiet();
    folder.write("001.up.sql", "DROP TABLE books;\n");
    folder.finds(&["001.up.sql", "./001.up.sql"], &["001.up.sql:1:1 ban-drop-table"]);
}

#[test]
fn lines_that_end_in_crlf() {
    let folder = Folder::quiet();
    folder.write("001.up.sql", "-- One.\r\n\r\nSELECT 1;\r\nDROP TABLE books;\r\n");
    folder.finds(&["001.up.sql"], &["001.up.sql:4:1 ban-drop-table"]);
}

#[test]
fn columns_count_characters() {
    let folder = Folder::quiet();
    folder.write("001.up.sql", "SELECT 'Ž😀é';\n/* 日本語 */ DROP TABLE books;\n");
    folder.finds(&["001.up.sql"], &["001.up.sql:2:11 ban-drop-table"]);
}

#[test]
fn a_down_migration_may_drop_but_not_lock() {
    let down = format!("{QUIET}[[off]]\ndirection = \"down\"\nrules = [\"ban-drop-table\"]\nreason = \"Its task.\"\n");
    let folder = Folder::with_list(&down);
    let drop = "DROP TABLE books;\nDROP INDEX authors_name_idx;\n";
    for file in ["001.down.sql", "002.up.sql", "003.sql"] {
        folder.write(file, drop);
    }
    folder.finds(
        &["001.down.sql", "002.up.sql", "003.sql"],
        &[
            "001.down.sql:2:1 require-concurrent-index-deletion",
            "002.up.sql:1:1 ban-drop-table",
            "002.up.sql:2:1 require-concurrent-index-deletion",
            "003.sql:1:1 ban-drop-table",
            "003.sql:2:1 require-concurrent-index-deletion",
        ],
    );
}

#[test]
fn concurrently_without_a_transaction() {
    let folder = Folder::quiet();
    folder.write("001.up.sql", "-- no-transaction\nCREATE INDEX CONCURRENTLY books_title_idx ON books (title);\n;\n");
    folder.write("001.down.sql", "-- no-transaction\r\nDROP INDEX CONCURRENTLY books_title_idx;\r\n");
    folder.finds(&["001.up.sql", "001.down.sql"], &[]);
}

#[test]
fn concurrently_in_a_transaction() {
    let folder = Folder::quiet();
    // squawk itself takes a file with a single statement for one without a transaction.
    folder.write("001.up.sql", "CREATE INDEX CONCURRENTLY a ON books (title);\n");
    // For sqlx, only the very first characters count.
    folder.write("002.up.sql", "\n-- no-transaction\nCREATE INDEX CONCURRENTLY a ON books (title);\n");
    folder.write("003.up.sql", "CREATE INDEX CONCURRENTLY b ON books (id);\n-- Why.\nDROP INDEX CONCURRENTLY a;\n");
    folder.write("004.up.sql", "REINDEX TABLE CONCURRENTLY books;\nVACUUM books;\nCLUSTER;\n");
    folder.write("005.up.sql", "ALTER TABLE events DETACH PARTITION events_2020 CONCURRENTLY;\n");
    folder.write("006.up.sql", "REINDEX TABLE books; CLUSTER books USING books_pkey;");
    let found = folder.finds(
        &["001.up.sql", "002.up.sql", "003.up.sql", "004.up.sql", "005.up.sql"],
        &[
            "001.up.sql:1:1 needs-no-transaction",
            "002.up.sql:3:1 needs-no-transaction",
            "003.up.sql:1:1 needs-no-transaction",
            "003.up.sql:3:1 needs-no-transaction",
            "004.up.sql:1:1 needs-no-transaction",
            "004.up.sql:2:1 needs-no-transaction",
            "004.up.sql:3:1 needs-no-transaction",
            "004.up.sql:3:1 locks-table",
            "005.up.sql:1:1 needs-no-transaction",
        ],
    );
    assert!(found[0]["message"].as_str().unwrap().contains("CREATE INDEX CONCURRENTLY"));
    assert_eq!(help(&found[0]), "Begin the file with the line `-- no-transaction`.");
    assert!(help(&found[2]).contains("a file of its own"));
    let found = findings(folder.command(&["006.up.sql"]));
    assert!(found.iter().all(|finding| finding["rule"] != "needs-no-transaction"), "{found:#?}");
}

/// PostgreSQL makes one transaction of all statements that it receives together.
#[test]
fn concurrently_beside_another_statement() {
    let folder = Folder::quiet();
    folder.write("001.up.sql", "-- no-transaction\nSELECT 1;\nCREATE INDEX CONCURRENTLY a ON books (title);\n");
    let found = folder.finds(&["001.up.sql"], &["001.up.sql:3:1 needs-no-transaction"]);
    assert!(help(&found[0]).contains("a file of its own"));
}

#[test]
fn a_transaction_within_the_transaction_of_the_migration() {
    let folder = Folder::quiet();
    let nested = "BEGIN;\nSELECT 1;\nCOMMIT;\n";
    folder.write("001.up.sql", nested);
    folder.write("002.up.sql", format!("-- no-transaction\n{nested}"));
    folder.finds(
        &["001.up.sql", "002.up.sql"],
        &["001.up.sql:1:1 transaction-nesting", "001.up.sql:3:1 transaction-nesting"],
    );
}

/// For squawk, each of these comments would silence the next line, the whole file, or the rules about transactions.
#[test]
fn comments_do_not_silence() {
    let folder = Folder::quiet();
    folder.write("001.up.sql", "/* squawk-ignore é,\n ban-drop-table */ DROP TABLE books;\n");
    folder.write("002.up.sql", "-- squawk-ignore-file\nDROP TABLE books;\n");
    folder.write("003.up.sql", "--squawk-disable-assume-in-transaction\nBEGIN;\nCOMMIT;\n");
    folder.write("004.up.sql", "-- squawk said: don't\nSELECT '-- squawk-ignore-file';\n");
    let found = folder.finds(
        &["001.up.sql", "002.up.sql", "003.up.sql", "004.up.sql"],
        &[
            "001.up.sql:1:1 squawk-comment",
            "001.up.sql:2:20 ban-drop-table",
            "002.up.sql:1:1 squawk-comment",
            "002.up.sql:2:1 ban-drop-table",
            "003.up.sql:1:1 squawk-comment",
            "003.up.sql:2:1 transaction-nesting",
            "003.up.sql:3:1 transaction-nesting",
        ],
    );
    assert!(help(&found[0]).contains("Leave it out"));
}

#[test]
fn a_syntax_error_is_found_once_in_each_statement() {
    let folder = Folder::quiet();
    folder.write("001.up.sql", "SELECT 1;\nCREATE TABEL books (id bigint, , 1 2);\nSELEC (\n;\nDROP TABLE books;\n");
    folder.finds(
        &["001.up.sql"],
        &["001.up.sql:2:1 syntax-error", "001.up.sql:3:1 syntax-error", "001.up.sql:5:1 ban-drop-table"],
    );
}

#[test]
fn a_statement_that_postgresql_understands_and_squawk_does_not() {
    let folder = Folder::quiet();
    let exclude = "CREATE TABLE loans (\n    during tsrange,\n    EXCLUDE USING gist (during range_ops WITH &&)\n);\n";
    folder.write("001.up.sql", exclude);
    let found = folder.finds(&["001.up.sql"], &["001.up.sql:3:31 syntax-error"]);
    assert!(help(&found[0]).contains("look through the statement yourself"));
}

#[test]
fn the_findings_depend_on_the_version() {
    let folder = Folder::quiet();
    folder.write("001.up.sql", "ALTER TABLE books ADD COLUMN lent boolean DEFAULT false;\n");
    folder.finds(&["001.up.sql"], &[]);
    let mut command = program();
    command.arg("--root").arg(folder.path()).args(["--accepted", "accepted.toml", "--postgres", "10", "001.up.sql"]);
    let found: Vec<_> = findings(command).iter().map(short).collect();
    assert_eq!(found, ["001.up.sql:1:51 adding-field-with-default"]);
}

#[test]
fn without_a_list_all_of_squawks_default_rules_run() {
    let folder = Folder::quiet();
    folder.write("001.up.sql", "ALTER TABLE books ADD COLUMN lent boolean;\n");
    let mut command = command(folder.path());
    command.arg("001.up.sql");
    let found = findings(command);
    let short: Vec<_> = found.iter().map(short).collect();
    assert_eq!(short, ["001.up.sql:1:1 require-lock-timeout", "001.up.sql:1:1 require-statement-timeout"]);
    assert!(!help(&found[0]).contains("accept"), "there is no list in which the finding could be accepted");
}
