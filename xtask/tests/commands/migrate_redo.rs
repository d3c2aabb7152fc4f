//! `migrate redo`: a migration that was edited is taken back as it was applied, and applied as it is now.

use crate::history::{git, publish};
use crate::migrate_down::{add, applied, is_there, remove, with_third};
use crate::support::run::{Invocation, whole_path};
use crate::support::{Workspace, set_up};
use crate::texts::{LIBRARY_TEXTS, recorded};

const REDO: [&str; 3] = ["migrate", "redo", "library"];

/// Prepares a run that finds git.
fn with_git<'a>(workspace: &'a Workspace, words: &[&str]) -> Invocation<'a> {
    workspace.xtask(words).env("PATH", whole_path())
}

/// The loop of writing a migration.
#[test]
fn a_migration_that_was_edited() {
    let (server, workspace) = with_third();
    for column in ["a", "b", "c"] {
        let up = format!("CREATE TABLE more (id integer, {column} text);\n");
        add(&workspace, "003_more", &up, "DROP TABLE more;\n");
        let outcome = workspace.run(&["db-setup"]).code(5).says(["modified", "003_more.up.sql"]);
        outcome.says(["Take 003_more back as recorded", "cargo xtask migrate redo library\n"]);
        let outcome = workspace.run(&REDO).code(4).problem("schema-file-stale");
        outcome.says(["003_more taken back, 003_more applied", "cargo xtask db-verify --write"]);
        assert_eq!(applied(&server), [1, 2, 3]);
        let columns = "SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'more'::regclass \
                       AND attnum > 0";
        assert_eq!(server.query("library", columns), [format!("id {column}")]);
        assert_eq!(server.query("library", &format!("SELECT up FROM {LIBRARY_TEXTS} WHERE version = 3")), [up]);
        workspace.accept_schema();
        workspace.run(&["db-setup"]).code(0).says(["nothing was changed"]);
    }
    // An edited way down is recorded as well.
    workspace.write("migrations/library/003_more.down.sql", "DROP TABLE IF EXISTS more;\n");
    workspace.run(&REDO).code(0).says(["003_more taken back, 003_more applied, schema proven"]);
    let down = format!("SELECT down FROM {LIBRARY_TEXTS} WHERE version = 3");
    assert_eq!(server.query("library", &down), ["DROP TABLE IF EXISTS more;\n"]);
    server.assert_only(&["journal", "library"]);
}

#[test]
fn a_new_file_that_fails_leaves_the_old_state() {
    let (server, workspace) = with_third();
    server.execute("library", "INSERT INTO more VALUES (1)");
    add(&workspace, "003_more", "CREATE TABLE other (id integer);\nCREATE TABLE authors ();\n", "DROP TABLE other;\n");
    let outcome = workspace.run(&[&REDO[..], &["--yes"]].concat()).code(1).problem("migration-failed");
    outcome
        .says(["migrations/library/003_more.up.sql:2:1", "relation \"authors\" already exists"])
        .says(["the database is as it was", "Correct the migration, then run: cargo xtask migrate redo library"]);
    assert_eq!((applied(&server), is_there(&server)), (vec![1, 2, 3], true));
    assert_eq!(recorded(&server), ["1", "2", "3"]);
    assert_eq!(server.query("library", "SELECT id::text FROM more"), ["1"]);
    assert_eq!(server.query("library", "SELECT to_regclass('other')::text"), [""]);
}

/// Rows are lost only if somebody agrees.
#[test]
fn rows_are_named_first() {
    let (server, workspace) = with_third();
    server.execute("library", "INSERT INTO more VALUES (1)");
    let outcome = workspace.run(&REDO).code(1).problem("not-confirmed").says(["table public.more with 1 row"]);
    outcome.says(["cargo xtask migrate redo library --yes"]);
    let dry = workspace.run(&[&REDO[..], &["--dry-run"]].concat()).code(0);
    dry.says(["It would lose table public.more with 1 row"]);
    assert_eq!(server.query("library", "SELECT id::text FROM more"), ["1"]);
    let done = workspace.run(&[&REDO[..], &["--yes"]].concat()).code(0);
    done.says(["lost: table public.more with 1 row"]);
    assert_eq!(server.query("library", "SELECT id::text FROM more"), [""; 0]);
}

/// What others may have isn't changed any more, unless the change is theirs.
#[test]
fn a_published_migration() {
    let (server, workspace) = with_third();
    publish(&workspace);
    git(&workspace, &["switch", "-q", "-c", "mine"]);
    add(&workspace, "003_more", "CREATE TABLE other (id integer);\n", "DROP TABLE other;\n");
    with_git(&workspace, &["db-setup"]).run().code(5).says(["modified"]).lacks(["migrate redo"]);
    let outcome = with_git(&workspace, &REDO).run().code(5).problem("migration-published");
    outcome.says(["003_more.up.sql is on the main branch with another content", "cargo xtask migrate add library"]);
    assert_eq!((applied(&server), is_there(&server)), (vec![1, 2, 3], true));
    // Applied again as it is, it differs from nobody's.
    git(&workspace, &["checkout", "-q", "--", "."]);
    with_git(&workspace, &REDO).run().code(0);
    // The main branch has the edited file.
    add(&workspace, "003_more", "CREATE TABLE other (id integer);\n", "DROP TABLE other;\n");
    workspace.accept_schema();
    git(&workspace, &["commit", "-q", "-a", "-m", "edited"]);
    git(&workspace, &["branch", "-q", "-f", "main"]);
    with_git(&workspace, &["db-setup"]).run().code(5).says(["cargo xtask migrate redo library"]);
    with_git(&workspace, &REDO).run().code(0);
    assert!(!is_there(&server));
}

/// A colleague's migration was merged after mine was applied, and comes before it.
#[test]
fn a_migration_that_comes_too_late() {
    let (server, workspace) = set_up();
    publish(&workspace);
    add(&workspace, "006_mine", "CREATE TABLE more (id integer);\n", "DROP TABLE more;\n");
    add(&workspace, "007_mine_too", "ALTER TABLE more ADD name text;\n", "ALTER TABLE more DROP name;\n");
    workspace.accept_schema();
    with_git(&workspace, &["db-setup"]).run().code(0);
    server.execute("library", "INSERT INTO more VALUES (1, 'a')");
    git(&workspace, &["switch", "-q", "-c", "mine"]);
    git(&workspace, &["switch", "-q", "main"]);
    add(&workspace, "005_theirs", "CREATE TABLE theirs (id integer);\n", "DROP TABLE theirs;\n");
    git(&workspace, &["add", "migrations/library/005_theirs.up.sql", "migrations/library/005_theirs.down.sql"]);
    git(&workspace, &["commit", "-q", "-m", "theirs"]);
    git(&workspace, &["switch", "-q", "mine"]);
    git(&workspace, &["merge", "-q", "main"]);

    let way = "Take 007_mine_too, 006_mine back as recorded, and apply all in order: \
               cargo xtask migrate redo library --from 6";
    with_git(&workspace, &["db-setup"]).run().code(5).says(["out of order", "The main branch has 005_theirs", way]);
    let redo = [&REDO[..], &["--from", "6"]].concat();
    with_git(&workspace, &redo).run().code(1).says(["table public.more with 1 row"]);
    assert_eq!(applied(&server), [1, 2, 6, 7]);
    workspace.accept_schema();
    let outcome = with_git(&workspace, &[&redo[..], &["--yes"]].concat()).run().code(0);
    outcome.says(["007_mine_too, 006_mine taken back, 005_theirs, 006_mine, 007_mine_too applied, schema proven"]);
    assert_eq!(applied(&server), [1, 2, 5, 6, 7]);
    assert_eq!(recorded(&server), ["1", "2", "5", "6", "7"]);
    with_git(&workspace, &["db-setup"]).run().code(0).says(["nothing was changed"]);
}

/// All reasons are reported at once, and nothing is changed.
#[test]
fn what_can_not_be_done_again() {
    let (server, workspace) = with_third();
    add(&workspace, "004_gone", "CREATE TABLE gone (id integer);\n", "DROP TABLE gone;\n");
    workspace.write("migrations/library/005_simple.sql", "CREATE TABLE simple (id integer);\n");
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    remove(&workspace, "004_gone");
    add(&workspace, "006_empty", "-- nothing\n", "");
    workspace.write("migrations/library/002_books.up.sql", "CREATE TABLE films (id integer);\n");
    let outcome = workspace.run(&[&REDO[..], &["--from", "3"]].concat()).code(5);
    outcome
        .problem("no-way-back")
        .problem("history-differs")
        .problem("migration-empty")
        .says([
            "005_simple can't be taken back",
            "004_gone has no file here",
            "cargo xtask migrate down library --to 3",
        ])
        .says(["modified: migrations/library/002_books.up.sql"]);
    assert_eq!(applied(&server), [1, 2, 3, 4, 5]);
}

/// Two migrations that were edited are taken back together.
#[test]
fn several_migrations_that_were_edited() {
    let (server, workspace) = with_third();
    let more = workspace.read("migrations/library/003_more.up.sql");
    workspace.write("migrations/library/003_more.up.sql", format!("{more}CREATE TABLE extra ();\n"));
    let down = workspace.read("migrations/library/003_more.down.sql");
    workspace.write("migrations/library/003_more.down.sql", format!("{down}DROP TABLE extra;\n"));
    let books = workspace.read("migrations/library/002_books.up.sql");
    workspace.write("migrations/library/002_books.up.sql", books.replace("title text NOT NULL", "title text"));
    let way = "Take 003_more, 002_books back as recorded, and apply what the files say now: \
               cargo xtask migrate redo library --from 2";
    workspace.run(&["db-setup"]).code(5).says([way]);
    // Only the newest isn't enough.
    workspace.run(&REDO).code(5).says(["modified: migrations/library/002_books.up.sql"]);
    workspace.accept_schema();
    workspace.run(&[&REDO[..], &["--from", "2"]].concat()).code(0);
    assert_eq!(applied(&server), [1, 2, 3]);
    assert_eq!(server.query("library", "SELECT to_regclass('extra')::text"), ["extra"]);
}

/// A file outside a transaction is applied after the others were taken back. If it fails, the state is said.
#[test]
fn files_outside_a_transaction() {
    let (server, workspace) = with_third();
    let index = "-- no-transaction\nCREATE INDEX CONCURRENTLY by_title ON books (title, id);\n";
    add(&workspace, "003_more", index, "-- no-transaction\nDROP INDEX CONCURRENTLY by_title;\n");
    workspace.accept_schema();
    workspace.run(&REDO).code(0).says(["003_more taken back, 003_more applied"]);
    assert_eq!((applied(&server), is_there(&server)), (vec![1, 2, 3], false));

    add(
        &workspace,
        "003_more",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY by_title ON missing (id);\n",
        "SELECT 1;\n",
    );
    let outcome = workspace.run(&[&REDO[..], &["--yes"]].concat()).code(1).problem("migration-failed");
    outcome.says(["003_more.up.sql:2:1", "Before that, 003_more was taken back", "then run: cargo xtask db-setup"]);
    assert_eq!(applied(&server), [1, 2]);
    add(&workspace, "003_more", index, "-- no-transaction\nDROP INDEX CONCURRENTLY by_title;\n");
    workspace.run(&["db-setup"]).code(0);
}

/// Each file of the one transaction starts from the same state of the session, as in transactions of their own.
#[test]
fn each_file_starts_from_the_same_state() {
    let (server, workspace) = set_up();
    let sets = "SET search_path = '';\nSET lock_timeout = '1s';\nCREATE TEMP TABLE books (trap integer);\n\
                PREPARE trap AS SELECT 1;\nSELECT pg_catalog.pg_advisory_lock(4712);\nSET LOCAL work_mem = '1MB';\n";
    let uses = "CREATE TABLE later (id integer);\nPREPARE trap AS SELECT 2;\nSELECT title FROM books;\n\
                DO $$ BEGIN IF current_setting('lock_timeout') <> '0' OR current_setting('work_mem') = '1MB' OR \
                (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) > 0 \
                THEN RAISE 'a setting is left'; END IF; END $$;\n";
    add(&workspace, "003_sets", sets, sets);
    add(&workspace, "004_uses", uses, "DROP TABLE later;\n");
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    workspace.run(&[&REDO[..], &["--from", "3"]].concat()).code(0);
    assert_eq!(server.query("library", "SELECT to_regclass('public.later')::text"), ["later"]);
}

#[test]
fn other_databases_are_left_alone() {
    let (server, workspace) = with_third();
    workspace.write("migrations/journal/001_entries.up.sql", "CREATE TABLE other (id integer);\n");
    workspace.run(&REDO).code(0);
    assert_eq!(server.query("journal", "SELECT to_regclass('entries')::text"), ["entries"]);
    workspace.set_authority("192.0.2.1", 5432, "keeper", "unused");
    workspace.write(".env", workspace.read(".env.ci"));
    let outcome = workspace.run(&REDO).code(6).problem("remote-host");
    outcome.says(["cargo xtask migrate redo library --allow-remote"]);
}

/// Neither the database is made nor anything else is done where it is missing.
#[test]
fn a_database_that_is_not_there() {
    let (server, workspace) = set_up();
    server.execute("postgres", "DROP DATABASE library");
    workspace.run(&REDO).code(6).problem("database-unreachable").says(["cargo xtask db-setup"]);
    server.assert_only(&["journal"]);
}
