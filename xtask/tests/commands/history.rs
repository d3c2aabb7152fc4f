//! The applied migrations, compared with the repository's files: modified, missing and out-of-order migrations.

use crate::support::fixture::{JOURNAL_HISTORY, LIBRARY_HISTORY};
use crate::support::run::{Invocation, whole_path};
use crate::support::{Server, Workspace, server_and_workspace, set_up, sql};

/// Fails if anything was applied beyond what [`set_up`] applied.
#[track_caller]
fn assert_nothing_applied(server: &Server) {
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2]);
    assert_eq!(sql::applied(&server.admin("journal"), JOURNAL_HISTORY), [1]);
    server.assert_only(&["journal", "library"]);
}

#[test]
fn a_modified_migration() {
    let (server, workspace) = set_up();
    let path = "migrations/library/002_books.up.sql";
    workspace.write(path, workspace.read(path) + "CREATE TABLE more (id integer);\n");
    // Both databases have a pending migration as well. It isn't applied.
    workspace.add_migration("library", "003_pending", "CREATE TABLE pending (id integer);\n");
    workspace.add_migration("journal", "002_pending", "CREATE TABLE pending (id integer);\n");
    let outcome = workspace.run(&["db-setup"]).code(5).says(["002_books"]).mentions(["modified"]);
    outcome.lacks(["line endings"]);
    assert_nothing_applied(&server);
    workspace.run(&["db-verify"]).code(5).says(["002_books"]);
}

#[test]
fn a_migration_whose_line_endings_differ() {
    let (server, workspace) = set_up();
    let path = "migrations/library/002_books.up.sql";
    workspace.write(path, workspace.read(path).replace('\n', "\r\n"));
    workspace.run(&["db-setup"]).code(5).says(["002_books"]).mentions(["line endings"]);
    assert_nothing_applied(&server);
    // The other way round.
    let (server, workspace) = server_and_workspace();
    let lf = workspace.read(path);
    workspace.write(path, lf.replace('\n', "\r\n"));
    workspace.run(&["db-setup"]).code(0);
    workspace.write(path, lf);
    workspace.run(&["db-setup"]).code(5).says(["002_books"]).mentions(["line endings"]);
    assert_nothing_applied(&server);
}

/// sqlx.toml can say that line endings don't matter.
#[test]
fn line_endings_that_are_ignored() {
    let (server, workspace) = server_and_workspace();
    let manifest = workspace.read("crates/library/sqlx.toml");
    workspace.write("crates/library/sqlx.toml", format!("{manifest}ignored-chars = [\"\\r\"]\n"));
    workspace.run(&["db-setup"]).code(0);
    let path = "migrations/library/002_books.up.sql";
    workspace.write(path, workspace.read(path).replace('\n', "\r\n"));
    workspace.run(&["db-setup"]).code(0);
    assert_nothing_applied(&server);
}

/// Every file of the checkout has CRLF line endings, and the server has no databases yet.
#[test]
fn a_crlf_checkout_from_nothing() {
    let (server, workspace) = server_and_workspace();
    for (path, content, _) in workspace.files() {
        let text = String::from_utf8(content).unwrap().replace('\n', "\r\n");
        std::fs::write(path, text).unwrap();
    }
    workspace.run(&["db-setup"]).code(0);
    workspace.run(&["db-setup"]).code(0);
    assert_nothing_applied(&server);
}

#[test]
fn a_missing_migration() {
    let (server, workspace) = set_up();
    workspace.remove("migrations/library/002_books.up.sql");
    workspace.remove("migrations/library/002_books.down.sql");
    workspace.add_migration("library", "003_pending", "CREATE TABLE pending (id integer);\n");
    // The history holds the version and the description, but not the name of the file.
    workspace.run(&["db-setup"]).code(5).says(["2", "books"]).mentions(["missing"]);
    assert_nothing_applied(&server);
}

#[test]
fn a_migration_that_is_out_of_order() {
    let (server, workspace) = server_and_workspace();
    for side in ["up", "down"] {
        let from = workspace.root().join(format!("migrations/library/002_books.{side}.sql"));
        std::fs::rename(&from, workspace.root().join(format!("migrations/library/005_books.{side}.sql"))).unwrap();
    }
    workspace.run(&["db-setup"]).code(0);
    workspace.add_migration("library", "003_late", "CREATE TABLE late (id integer);\n");
    workspace.add_migration("journal", "002_pending", "CREATE TABLE pending (id integer);\n");
    workspace.run(&["db-setup"]).code(5).says(["003_late"]).mentions(["order"]);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 5]);
    assert_eq!(sql::applied(&server.admin("journal"), JOURNAL_HISTORY), [1]);
}

#[test]
fn all_differences_are_listed_at_once() {
    let (server, workspace) = server_and_workspace();
    workspace.add_migration("library", "007_seventh", "SELECT 7;\n");
    workspace.run(&["db-setup"]).code(0);
    workspace.write("migrations/library/001_authors.up.sql", "CREATE TABLE writers (id integer);\n");
    workspace.remove("migrations/library/002_books.up.sql");
    workspace.remove("migrations/library/002_books.down.sql");
    workspace.add_migration("library", "004_late", "SELECT 4;\n");
    workspace.add_migration("library", "005_later", "SELECT 5;\n");
    workspace.write("migrations/journal/001_entries.up.sql", "CREATE TABLE lines (id integer);\n");
    let outcome = workspace.run(&["db-setup"]).code(5);
    outcome
        .says(["001_authors", "books", "004_late", "005_later", "001_entries"])
        .mentions(["modified", "missing", "order"]);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2, 7]);
}

#[test]
fn a_history_with_a_migration_of_another_branch() {
    let (server, workspace) = set_up();
    server.execute(
        "library",
        "INSERT INTO _sqlx.migrations (version, description, success, checksum, execution_time) \
         VALUES (90, 'from a branch', true, '\\x00', 1)",
    );
    workspace.run(&["db-setup"]).code(5).says(["90", "from a branch"]);
}

/// sqlx leaves this row behind if a migration without a transaction is interrupted. The message must show a way out.
#[test]
fn a_migration_that_is_recorded_as_not_successful() {
    let (server, workspace) = set_up();
    server.execute("library", "UPDATE _sqlx.migrations SET success = false WHERE version = 2");
    workspace.run(&["db-setup"]).code(5).says(["2", "books", "DELETE FROM _sqlx.migrations"]);
    // The way out works.
    server.execute("library", "DROP TABLE books; DELETE FROM _sqlx.migrations WHERE version = 2 AND NOT success");
    workspace.run(&["db-setup"]).code(0);
    assert_nothing_applied(&server);
}

/// Runs git in the checkout.
pub(crate) fn git(workspace: &Workspace, arguments: &[&str]) {
    let who = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"];
    Invocation::of(workspace, "git", &[&who, arguments].concat()).env("PATH", whole_path()).run().code(0);
}

/// Commits everything to the main branch.
pub(crate) fn publish(workspace: &Workspace) {
    git(workspace, &["init", "-q", "-b", "main"]);
    git(workspace, &["add", "."]);
    git(workspace, &["commit", "-q", "-m", "published"]);
}

/// Prepares a run that finds git.
fn db_setup(workspace: &Workspace) -> Invocation<'_> {
    workspace.xtask(&["db-setup"]).env("PATH", whole_path())
}

/// Another branch's migration of the same number was applied. Nobody has modified a file.
#[test]
fn another_migration_of_the_same_number() {
    let (server, workspace) = set_up();
    publish(&workspace);
    for side in ["up", "down"] {
        workspace.remove(&format!("migrations/library/002_books.{side}.sql"));
        workspace.write(&format!("migrations/library/002_films.{side}.sql"), "SELECT 2;\n");
    }
    let outcome = db_setup(&workspace).run().code(5);
    let outcome = outcome.says(["another file", "002_films", "\"books\"", "give yours the next number"]);
    outcome.lacks(["modified", "git log -p"]).says(["git log --all --oneline -- 'migrations/library/002_*'"]);
    assert_nothing_applied(&server);
    // The command in the message finds the commit.
    let log = ["log", "--all", "--oneline", "--", "migrations/library/002_*"];
    Invocation::of(&workspace, "git", &log).env("PATH", whole_path()).run().code(0).says(["published"]);
    // Without git, nobody is told to change what others may have.
    workspace.run(&["db-setup"]).code(5).says(["others don't have yet"]);
}

/// A colleague's migration is on the main branch, below one of mine that is applied and that nobody else has.
#[test]
fn a_late_migration_that_others_have_already() {
    let (server, workspace) = set_up();
    workspace.add_migration("library", "003_theirs", "CREATE TABLE theirs (id integer);\n");
    publish(&workspace);
    let theirs = ["up", "down"].map(|side| format!("migrations/library/003_theirs.{side}.sql"));
    let texts = theirs.each_ref().map(|path| workspace.read(path));
    theirs.iter().for_each(|path| workspace.remove(path));
    workspace.add_migration("library", "004_mine", "CREATE TABLE mine (id integer);\n");
    workspace.write("migrations/library/004_mine.down.sql", "DROP TABLE mine;\n");
    workspace.accept_schema();
    db_setup(&workspace).run().code(0);
    theirs.iter().zip(texts).for_each(|(path, text)| workspace.write(path, text));

    let outcome = db_setup(&workspace).run().code(5).says(["003_theirs", "order", "Take 004_mine back"]);
    outcome.lacks(["next number"]).says(["apply all in order: cargo xtask migrate redo library\n"]);
    // The command in the message is the way out.
    workspace.accept_schema();
    workspace.run(&["migrate", "redo", "library"]).code(0);
    db_setup(&workspace).run().code(0);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2, 3, 4]);
}

/// My migration isn't published, and the database has a later one of the main branch.
#[test]
fn a_late_migration_of_my_own() {
    let (server, workspace) = set_up();
    workspace.add_migration("library", "004_theirs", "CREATE TABLE theirs (id integer);\n");
    workspace.accept_schema();
    db_setup(&workspace).run().code(0);
    publish(&workspace);
    workspace.add_migration("library", "003_mine", "CREATE TABLE mine (id integer);\n");
    db_setup(&workspace).run().code(5).says(["Give 003_mine the next number, 005"]).lacks(["revert"]);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2, 4]);
}

/// The last way out begins anew. It needs no login but the one in `.env`.
#[test]
fn an_empty_database_in_the_place_of_one_that_differs() {
    let (server, workspace) = set_up();
    let path = "migrations/library/002_books.up.sql";
    workspace.write(path, workspace.read(path) + "-- another end\n");
    workspace.run(&["db-setup"]).code(5).says(["cargo xtask db-reset library"]);
    workspace.run(&["db-reset", "library", "--yes", "--no-snapshot"]).code(0);
    workspace.run(&["db-setup"]).code(0);
    assert_nothing_applied(&server);
}
