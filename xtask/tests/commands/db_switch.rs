//! `cargo xtask db-switch`: each branch has databases with rows of its own.

use crate::exchange_interrupted::{End, run_over_wire, snapshots, while_it_waits};
use crate::support::sql::Session;
use crate::support::{Server, Workspace, server_and_workspace};

/// A workspace with databases of the branch `main`, which have a row in each table.
fn on_main() -> (Server, Workspace) {
    let (server, workspace) = server_and_workspace();
    check_out(&workspace, "main");
    workspace.run(&["db-setup"]).code(0);
    add_rows(&server, "main");
    (server, workspace)
}

/// Does what git does with its own file. The tests write the files of the branch themselves.
fn check_out(workspace: &Workspace, branch: &str) {
    workspace.write(".git/HEAD", format!("ref: refs/heads/{branch}\n"));
}

fn add_rows(server: &Server, name: &str) {
    let library = format!(
        "INSERT INTO authors (name) VALUES ('{name}'); \
         INSERT INTO books (author_id, title) SELECT max(id), '{name}' FROM authors"
    );
    server.execute("library", &library);
    server.execute("journal", &format!("INSERT INTO entries (entry) VALUES ('{name}')"));
}

/// The rows of all tables, each as one text.
fn rows(server: &Server) -> Vec<String> {
    let of = |table: &str| format!("SELECT '{table} ' || t::text FROM {table} AS t");
    let library = format!("{} UNION ALL {} ORDER BY 1", of("authors"), of("books"));
    let mut rows = server.query("library", &library);
    rows.extend(server.query("journal", &format!("{} ORDER BY 1", of("entries"))));
    rows
}

/// Checks out a branch with a migration of its own, which adds a column.
fn with_column(workspace: &Workspace, branch: &str, column: &str) {
    without_column(workspace, branch);
    let migration = format!("migrations/library/003_{column}");
    workspace.write(&format!("{migration}.up.sql"), format!("ALTER TABLE authors ADD {column} text;\n"));
    workspace.write(&format!("{migration}.down.sql"), format!("ALTER TABLE authors DROP {column};\n"));
    workspace.accept_schema();
}

/// Checks out a branch without a migration of its own.
fn without_column(workspace: &Workspace, branch: &str) {
    check_out(workspace, branch);
    for column in ["phone", "mail"] {
        for way in ["up", "down"] {
            drop(std::fs::remove_file(workspace.root().join(format!("migrations/library/003_{column}.{way}.sql"))));
        }
    }
    workspace.write("schema/library.sql", include_str!("../fixtures/library.sql"));
}

#[test]
fn ten_switches_bring_the_rows_of_each_branch_back() {
    let (server, workspace) = on_main();
    let mut of_main = rows(&server);

    with_column(&workspace, "feature/phone", "phone");
    workspace.run(&["db-switch"]).code(0).says([
        "library is that of feature/phone now, a copy that fits; the one before is kept as \"branch:main\"",
        "cargo xtask db-switch",
    ]);
    server.execute("library", "UPDATE authors SET phone = '1'");
    let mut of_feature = rows(&server);
    assert_ne!(of_feature, of_main);

    for round in 0..5 {
        without_column(&workspace, "main");
        workspace.run(&["db-setup"]).code(5).says(["cargo xtask db-switch"]);
        assert_eq!(rows(&server), of_feature);
        workspace.run(&["db-switch"]).code(0).says([
            "library is that of main now, as it was at",
            "journal is that of main now, as it was at",
            "the one before is kept as \"branch:feature/phone\"",
            "git switch feature/phone && cargo xtask db-switch",
        ]);
        assert_eq!(rows(&server), of_main);
        add_rows(&server, &format!("main {round}"));
        of_main = rows(&server);

        with_column(&workspace, "feature/phone", "phone");
        workspace.run(&["db-switch"]).code(0);
        assert_eq!(rows(&server), of_feature);
        add_rows(&server, &format!("feature {round}"));
        server.execute("library", "UPDATE authors SET phone = phone || '1'");
        of_feature = rows(&server);
    }
    // There is one snapshot of each database, that of the other branch.
    assert_eq!(server.databases().len(), 4, "{:?}", server.databases());
    workspace.run(&["db-switch"]).code(0);
    assert_eq!(server.databases().len(), 4, "{:?}", server.databases());
    assert_eq!(rows(&server), of_feature);
}

#[test]
fn a_migration_of_the_branch_before_is_taken_back_in_a_copy() {
    let (server, workspace) = server_and_workspace();
    with_column(&workspace, "phones", "phone");
    workspace.run(&["db-setup"]).code(0);
    add_rows(&server, "phones");
    server.execute("library", "UPDATE authors SET phone = '1'");
    let of_phones = rows(&server);

    // The other branch has another file of the same number, and nothing was kept for it.
    with_column(&workspace, "mails", "mail");
    workspace.run(&["db-switch"]).code(0).says([
        "library: the copy for mails hasn't column public.authors.phone with 1 value. \"branch:phones\" keeps that.",
    ]);
    assert_eq!(server.query("library", "SELECT name || coalesce(mail, '-') FROM authors"), ["phones-"]);

    with_column(&workspace, "phones", "phone");
    workspace.run(&["db-switch"]).code(0);
    assert_eq!(rows(&server), of_phones);
}

#[test]
fn what_was_kept_gets_the_migrations_that_its_branch_has_got_since() {
    let (server, workspace) = on_main();
    check_out(&workspace, "other");
    workspace.run(&["db-switch"]).code(0);
    with_column(&workspace, "main", "phone");
    workspace.run(&["db-switch"]).code(0).says(["003_phone"]);
    assert_eq!(server.query("library", "SELECT name || coalesce(phone, '-') FROM authors"), ["main-"]);
}

#[test]
fn a_branch_that_was_rebased_keeps_its_rows() {
    let (server, workspace) = server_and_workspace();
    with_column(&workspace, "feature", "phone");
    workspace.run(&["db-setup"]).code(0);
    add_rows(&server, "feature");
    let before = rows(&server);
    with_column(&workspace, "feature", "mail");
    workspace.run(&["db-switch"]).code(0).says(["the one before is kept as \"before-switch-"]);
    assert_eq!(server.query("library", "SELECT name || coalesce(mail, '-') FROM authors"), ["feature-"]);

    let list = workspace.run(&["db-snapshot", "list"]).code(0);
    let name = list.text().split_whitespace().find(|word| word.starts_with("before-switch-")).unwrap().to_owned();
    workspace.run(&["db-snapshot", "restore", &name]).code(0);
    assert_eq!(rows(&server), before);
}

#[test]
fn all_databases_or_none() {
    let (server, workspace) = on_main();
    let (before, databases) = (rows(&server), server.databases());
    with_column(&workspace, "feature", "phone");
    workspace.add_migration("journal", "002_wrong", "SELECT 1 / 0;\n");
    let failed = workspace.run(&["db-switch"]).code(1).problem("migration-failed");
    failed.says(["002_wrong", "That was tried in a copy. Your databases are as they were."]);
    assert_eq!((rows(&server), server.databases()), (before, databases));
}

#[test]
fn a_migration_without_a_recorded_text_stays() {
    let (server, workspace) = server_and_workspace();
    with_column(&workspace, "feature", "phone");
    workspace.run(&["db-setup"]).code(0);
    server.execute("library", "DELETE FROM _sqlx.migrations_texts");
    let (before, databases) = (rows(&server), server.databases());
    without_column(&workspace, "main");
    let refused = workspace.run(&["db-switch"]).code(5);
    refused.says(["version 3 \"phone\" isn't in this checkout, and can't be taken back", "cargo xtask db-reset"]);
    assert_eq!((rows(&server), server.databases()), (before, databases));

    // The way out is one command, and loses nothing.
    workspace.run(&["db-reset", "--yes"]).code(0);
    assert!(rows(&server).is_empty());
}

#[test]
fn databases_of_no_branch_and_a_folder_without_git() {
    let (server, workspace) = server_and_workspace();
    workspace.run(&["db-setup"]).code(0);
    add_rows(&server, "x");
    workspace.run(&["db-switch"]).fails().problem("no-git");
    let before = rows(&server);
    check_out(&workspace, "main");
    workspace.run(&["db-switch"]).code(0).says(["the one before is kept as \"before-switch-"]);
    assert_eq!(rows(&server), before);
}

/// After a switch that is cut, all databases are those of one branch, and the same command goes on.
#[test]
fn a_switch_that_is_cut() {
    let (server, workspace) = on_main();
    let of_main = rows(&server);
    with_column(&workspace, "feature", "phone");
    let switch = ["db-switch"];
    let whole = run_over_wire(&server, &workspace, &switch, usize::MAX);
    let of_feature = rows(&server);
    let all = std::env::var_os("XTASK_TEST_POINTS").is_some_and(|points| points == "all");
    let points = if all { whole } else { 5 };
    for point in 1..points {
        without_column(&workspace, "main");
        workspace.run(&switch).code(0);
        assert_eq!(rows(&server), of_main);
        // The branch gets a copy again.
        workspace.run(&["db-snapshot", "drop", "branch:feature", "--yes"]).code(0);

        with_column(&workspace, "feature", "phone");
        let last = point * whole / points;
        run_over_wire(&server, &workspace, &switch, last);
        let kept = snapshots(&workspace);
        let expected = if kept.is_empty() { &of_main } else { &of_feature };
        assert_eq!(&rows(&server), expected, "after message {last} of {whole}: {kept:?}");
        workspace.run(&switch).code(0);
        assert_eq!(rows(&server), of_feature, "after message {last} of {whole}");
        assert_eq!(server.databases().len(), 4, "{:?}", server.databases());
    }
}

/// Once while the present databases are copied, and once while the names are exchanged.
#[test]
fn interrupted_and_killed() {
    let (server, workspace) = on_main();
    let of_main = rows(&server);
    with_column(&workspace, "feature", "phone");
    assert_eq!(while_it_waits(&server, &workspace, &["db-switch"], End::CtrlC), Some(130));
    assert_eq!(rows(&server), of_main);
    server.assert_only(&["journal", "library"]);
    workspace.run(&["db-switch"]).code(0);
    let of_feature = rows(&server);

    without_column(&workspace, "main");
    while_it_waits(&server, &workspace, &["db-switch"], End::Kill);
    workspace.run(&["db-switch"]).code(0);
    assert_eq!(rows(&server), of_main);
    with_column(&workspace, "feature", "phone");
    workspace.run(&["db-switch"]).code(0);
    assert_eq!(rows(&server), of_feature);
}

#[test]
fn sessions_are_ended_and_named() {
    let (server, workspace) = on_main();
    let before = rows(&server);
    let session = Session::open(&workspace.login("library")).unwrap();
    check_out(&workspace, "feature");
    workspace.run(&["db-switch"]).code(0).says(["Ended \"test\" in library (role keeper"]);
    drop(session);
    assert_eq!(rows(&server), before);
}

/// The other checkout would suddenly have the databases of another branch.
#[test]
fn databases_that_are_shared() {
    let (server, workspace) = on_main();
    let second = Workspace::generic().build();
    second.set_server(&server);
    second.run(&["db-setup", "--share"]).code(0);
    check_out(&second, "feature");
    let databases = server.databases();
    second.run(&["db-switch"]).code(6).problem("other-checkout").says(["is shared with another checkout"]);
    assert_eq!(server.databases(), databases);
    drop(workspace);
}
