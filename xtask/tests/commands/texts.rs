//! The texts of the applied migrations, which are recorded beside the history.

use crate::sqlx::sqlx;
use crate::support::fixture::{LIBRARY_HISTORY, ROLE};
use crate::support::{Server, Workspace, server_and_workspace, set_up, sql};

/// The table of the texts of the database `library`.
pub(crate) const LIBRARY_TEXTS: &str = "_sqlx.migrations_texts";

/// The versions with a recorded text.
pub(crate) fn recorded(server: &Server) -> Vec<String> {
    server.query("library", &format!("SELECT version::text FROM {LIBRARY_TEXTS} ORDER BY version"))
}

/// Both proofs hold, with the table and without it.
#[track_caller]
fn is_proven(workspace: &Workspace) {
    workspace.run(&["db-setup"]).code(0).says(["nothing was changed"]);
    workspace.run(&["db-verify", "--deep"]).code(0);
    workspace.run(&["ci", "--only", "schema"]).code(0);
}

#[test]
fn each_migration_is_recorded_with_its_way_down() {
    let (server, workspace) = set_up();
    for (version, name) in [(1, "001_authors"), (2, "002_books")] {
        let of = |column: &str| {
            let query = format!("SELECT coalesce({column}, '-') FROM {LIBRARY_TEXTS} WHERE version = {version}");
            server.query("library", &query).concat()
        };
        assert_eq!(of("up"), workspace.read(&format!("migrations/library/{name}.up.sql")));
        assert_eq!(of("down"), workspace.read(&format!("migrations/library/{name}.down.sql")));
        assert_eq!([of("branch"), of("commit")], ["-", "-"]);
    }
    let same = format!("SELECT count(*)::text FROM {LIBRARY_TEXTS} JOIN {LIBRARY_HISTORY} USING (version, checksum)");
    assert_eq!(server.query("library", &same), ["2"]);
    assert_eq!(server.query("journal", "SELECT version::text FROM history.applied_texts"), ["1"]);
    is_proven(&workspace);
    server.assert_only(&["journal", "library"]);
}

/// Git's own files tell it, in a checkout, in a worktree, and without a branch.
#[test]
fn the_branch_and_the_commit_are_recorded() {
    let (server, workspace) = set_up();
    let branches = |names: &[&str]| {
        workspace.run(&["db-setup"]).code(0);
        let query = format!("SELECT coalesce(branch, '-') FROM {LIBRARY_TEXTS} WHERE version > 2 ORDER BY version");
        assert_eq!(server.query("library", &query), names);
        let query = format!("SELECT commit FROM {LIBRARY_TEXTS} ORDER BY version DESC LIMIT 1");
        server.query("library", &query).concat()
    };
    let first = "1f0b3de74c95a4d05d1cb8b1ae41c6e3f5f0a9d1";
    let second = "2e1c4ef85da6b5e16e2dc9c2bf52d7f406a1bae2";
    workspace.write(".git/HEAD", "ref: refs/heads/feature/one\n");
    workspace.write(".git/refs/heads/feature/one", format!("{first}\n"));
    workspace.add_migration("library", "003_loose", "SELECT 3;\n");
    assert_eq!(branches(&["feature/one"]), first);
    workspace.remove(".git/refs/heads/feature/one");
    workspace
        .write(".git/packed-refs", format!("# pack-refs with: peeled\n{second} refs/heads/feature/one\n^{first}\n"));
    workspace.add_migration("library", "004_packed", "SELECT 4;\n");
    assert_eq!(branches(&["feature/one", "feature/one"]), second);
    workspace.write(".git/HEAD", format!("{first}\n"));
    workspace.add_migration("library", "005_detached", "SELECT 5;\n");
    assert_eq!(branches(&["feature/one", "feature/one", "-"]), first);
    // A worktree: `.git` is a file, and the branches are in the repository's folder.
    let repository = workspace.base().join("repository");
    std::fs::create_dir_all(repository.join("worktrees/two")).unwrap();
    std::fs::rename(workspace.root().join(".git/packed-refs"), repository.join("packed-refs")).unwrap();
    std::fs::write(repository.join("worktrees/two/HEAD"), "ref: refs/heads/feature/one\n").unwrap();
    std::fs::write(repository.join("worktrees/two/commondir"), "../..\n").unwrap();
    std::fs::remove_dir_all(workspace.root().join(".git")).unwrap();
    workspace.write(".git", format!("gitdir: {}\n", repository.join("worktrees/two").display()));
    workspace.add_migration("library", "006_worktree", "SELECT 6;\n");
    assert_eq!(branches(&["feature/one", "feature/one", "-", "feature/one"]), second);
}

/// sqlx's own tools work beside the table. What they apply isn't recorded until a run writes anyway.
#[test]
fn a_database_that_sqlx_cli_made() {
    let (server, workspace) = server_and_workspace();
    server.execute("postgres", &format!("CREATE DATABASE library OWNER {ROLE}"));
    workspace.write(".env", workspace.read(".env.ci"));
    sqlx(&workspace, &["library", "migrate", "run"]).run().code(0);
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(server.query("library", "SELECT to_regclass('_sqlx.migrations_texts')::text"), [""]);
    is_proven(&workspace);

    workspace.add_migration("library", "003_more", "CREATE TABLE more (id integer);\n");
    workspace.write("migrations/library/003_more.down.sql", "DROP TABLE more;\n");
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(recorded(&server), ["1", "2", "3"]);
    is_proven(&workspace);

    sqlx(&workspace, &["library", "migrate", "revert"]).run().code(0);
    workspace.write("migrations/library/003_more.up.sql", "CREATE TABLE more (id integer, name text);\n");
    sqlx(&workspace, &["library", "migrate", "run"]).run().code(0);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2, 3]);
    workspace.accept_schema();
    is_proven(&workspace);
}

/// A file that isn't the applied one is never recorded in its place.
#[test]
fn an_applied_migration_is_recorded_later_only_if_its_file_is_the_same() {
    let (server, workspace) = set_up();
    server.execute("library", &format!("DROP TABLE {LIBRARY_TEXTS}"));
    workspace.run(&["db-setup"]).code(0).says(["nothing was changed"]);
    workspace.add_migration("library", "003_more", "SELECT 3;\n");
    workspace.write("migrations/library/003_more.down.sql", "SELECT 4;\n");
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(recorded(&server), ["1", "2", "3"]);
    // What is there already stays as it was recorded.
    workspace.write("migrations/library/003_more.down.sql", "SELECT 5;\n");
    workspace.add_migration("library", "004_more", "SELECT 4;\n");
    workspace.run(&["db-setup"]).code(0);
    let down = format!("SELECT down FROM {LIBRARY_TEXTS} WHERE version = 3");
    assert_eq!(server.query("library", &down), ["SELECT 4;\n"]);
    // An edited file isn't what was applied.
    server.execute("library", &format!("DROP TABLE {LIBRARY_TEXTS}"));
    workspace.write("migrations/library/002_books.up.sql", "CREATE TABLE films (id integer);\n");
    workspace.run(&["migrate", "down", "library"]).code(0);
    assert_eq!(recorded(&server), ["1", "3"]);
}

/// A migration outside a transaction is recorded before it begins, and forgotten if nothing of it is there.
#[test]
fn a_migration_outside_a_transaction() {
    let (server, workspace) = set_up();
    workspace.add_migration("library", "003_fails", "-- no-transaction\nSELECT missing;\n");
    workspace.run(&["db-setup"]).code(1);
    assert_eq!(recorded(&server), ["1", "2"]);
    let up = "-- no-transaction\nCREATE INDEX CONCURRENTLY by_title ON books (title);\n";
    workspace.add_migration("library", "003_fails", up);
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    let query = format!("SELECT up FROM {LIBRARY_TEXTS} WHERE version = 3");
    assert_eq!(server.query("library", &query), [up]);
    workspace.add_migration("library", "004_fails", "SELECT missing;\n");
    workspace.run(&["db-setup"]).code(1);
    assert_eq!(recorded(&server), ["1", "2", "3"]);
}

/// Nothing is written into a table of somebody else's, and nothing is applied anywhere.
#[test]
fn a_table_of_that_name_that_is_not_ours() {
    let (server, workspace) = set_up();
    server.execute("library", &format!("DROP TABLE {LIBRARY_TEXTS}; CREATE TABLE {LIBRARY_TEXTS} (version bigint)"));
    workspace.add_migration("library", "003_more", "SELECT 3;\n");
    workspace.add_migration("journal", "002_more", "SELECT 3;\n");
    let dry = workspace.run(&["db-setup", "--dry-run"]).code(1).problem("history-unreadable");
    dry.says([LIBRARY_TEXTS]);
    let outcome = workspace.run(&["db-setup"]).code(1).problem("history-unreadable");
    outcome.says([LIBRARY_TEXTS, "version bigint", "ALTER TABLE _sqlx.migrations_texts RENAME TO"]);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2]);
    assert_eq!(server.query("journal", "SELECT count(*)::text FROM history.applied"), ["1"]);
    assert_eq!(recorded(&server), [""; 0]);
    // With nothing to apply, it is a table that no migration made.
    workspace.remove("migrations/library/003_more.up.sql");
    workspace.remove("migrations/library/003_more.down.sql");
    workspace.run(&["db-verify"]).code(4).says(["extra table", LIBRARY_TEXTS]);
}

/// What decides what a migration leaves behind is no part of the table that is left out.
#[test]
fn a_trigger_on_the_table_is_seen() {
    let (server, workspace) = set_up();
    let trigger = format!(
        "CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
         CREATE TRIGGER trap BEFORE INSERT ON {LIBRARY_TEXTS} FOR EACH ROW EXECUTE FUNCTION trap()"
    );
    server.execute("library", &trigger);
    workspace.run(&["db-verify"]).code(4).says(["trap"]);
    server.execute("library", "DROP FUNCTION trap CASCADE");
    server.execute("library", &format!("ALTER TABLE {LIBRARY_TEXTS} SET (fillfactor = 50)"));
    workspace.run(&["db-verify"]).code(4).says([LIBRARY_TEXTS]);
}

/// A database that was migrated by other means gets the table later, when default privileges are in force.
#[test]
fn default_privileges_do_not_reach_the_table() {
    let (server, workspace) = server_and_workspace();
    server.execute("postgres", &format!("CREATE ROLE readers; GRANT readers TO {ROLE}"));
    let manifest = workspace.read("crates/library/Cargo.toml");
    let asks = "[package.metadata.xtask.privileges]\nroles = [\"readers\"]\n";
    workspace.write("crates/library/Cargo.toml", format!("{manifest}\n{asks}"));
    let grants = "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO readers;\n\
                  ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;\n";
    workspace.add_migration("library", "003_grants", grants);
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    server.execute("library", &format!("DROP TABLE {LIBRARY_TEXTS}"));
    workspace.add_migration("library", "004_more", "SELECT 4;\n");
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(recorded(&server), ["1", "2", "3", "4"]);
    workspace.run(&["db-verify", "--deep"]).code(0);
}

/// The name of the history may be as long as PostgreSQL allows, it may be on the search path, and it may need quotes.
#[test]
fn a_history_with_an_unusual_name() {
    let long = ("h".repeat(63), format!("{}_texts", "h".repeat(57)));
    let quoted = (r#"\"_sqlx\".\"Applied Ones\""#.to_owned(), r#""_sqlx"."Applied Ones_texts""#.to_owned());
    for (name, texts) in [long, quoted] {
        let (server, workspace) = server_and_workspace();
        let mut manifest = workspace.read("crates/library/sqlx.toml").replace("_sqlx.migrations", &name);
        if !name.contains('.') {
            manifest = manifest.replace("create-schemas = [\"_sqlx\"]\n", "");
        }
        workspace.write("crates/library/sqlx.toml", manifest);
        workspace.run(&["db-setup"]).code(0);
        assert_eq!(server.query("library", &format!("SELECT version::text FROM {texts} ORDER BY 1")), ["1", "2"]);
        is_proven(&workspace);
        workspace.run(&["migrate", "redo", "library"]).code(0);
        is_proven(&workspace);
    }
}
