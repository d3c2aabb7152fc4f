//! `migrate add`: the files of a database's next migration.

use crate::support::fixture::LIBRARY_HISTORY;
use crate::support::{Workspace, set_up, sql};

/// Returns the names of a database's migration files.
fn names(workspace: &Workspace, database: &str) -> Vec<String> {
    let folder = std::fs::read_dir(workspace.root().join("migrations").join(database)).unwrap();
    let mut names: Vec<_> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Sets `[migrate.defaults]` of both databases to `text`.
fn set_defaults(workspace: &Workspace, text: &str) {
    for database in ["library", "journal"] {
        let file = format!("crates/{database}/sqlx.toml");
        workspace.write(&file, format!("{}\n[migrate.defaults]\n{text}\n", workspace.read(&file)));
    }
}

#[test]
fn a_pair_with_the_next_number() {
    let (server, workspace) = set_up();
    let outcome = workspace.xtask(&["migrate", "add", "library", "shelves"]).directory("crates/tools/src").run();
    // The output names the new files and everything to do next.
    outcome.code(0).says([
        "migrations/library/003_shelves.up.sql",
        "migrations/library/003_shelves.down.sql",
        "both files",
        "cargo xtask db-setup",
        "cargo xtask db-verify --write",
        "schema/library.sql",
        "cargo xtask ci --only migrations,migration-lint,schema",
    ]);
    let (up, down) = ("migrations/library/003_shelves.up.sql", "migrations/library/003_shelves.down.sql");
    for (file, part) in [(up, "-- no-transaction"), (down, "003_shelves.up.sql")] {
        let text = workspace.read(file);
        assert!(text.starts_with("-- ") && text.lines().count() == 1 && text.ends_with('\n'), "{file}: {text:?}");
        assert!(text.contains(part), "{file}: {text:?}");
    }
    assert_eq!(names(&workspace, "journal"), ["001_entries.down.sql", "001_entries.up.sql"]);

    // A migration that isn't written yet is not applied. Once its checksum is recorded, it can't be written any more.
    workspace.run(&["db-setup"]).code(1).says([format!("{up}:1"), "no statement yet".to_owned()]);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2]);

    // With statements below the comment, it is a migration like any other, in a transaction.
    workspace.write(up, format!("{}CREATE TABLE shelves (id integer);\nSELECT missing;\n", workspace.read(up)));
    workspace.run(&["db-setup"]).code(1).says([format!("{up}:3:8")]);
    assert_eq!(server.query("library", "SELECT to_regclass('shelves')::text"), [""]);
    workspace.write(up, workspace.read(up).replace("SELECT missing;\n", ""));
    workspace.write(down, format!("{}DROP TABLE shelves;\n", workspace.read(down)));
    workspace.run(&["db-setup"]).code(4);
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2, 3]);
}

#[test]
fn spaces_and_hyphens_become_underscores() {
    let workspace = Workspace::generic().build();
    workspace.run(&["migrate", "add", "library", " add-shelf numbers_2 "]).code(0);
    let added = names(&workspace, "library").split_off(4);
    assert_eq!(added, ["003_add_shelf_numbers_2.down.sql", "003_add_shelf_numbers_2.up.sql"]);
}

#[test]
fn names_that_cannot_be_used() {
    let workspace = Workspace::generic().build();
    let files = workspace.files();
    for (name, part) in [
        ("", "no letter"),
        (" - ", "no letter"),
        ("../../escape", "'/'"),
        ("shelves.sql", "'.'"),
        ("Regale_ü", "'ü'"),
        ("new\nline", "'\\n'"),
        ("003_shelves", "number"),
    ] {
        workspace.run(&["migrate", "add", "library", name]).code(2).says([part, "add_users_email"]);
    }
    // The database is unknown as well. The error reports both.
    let outcome = workspace.run(&["migrate", "add", "libary", "shelves.sql"]).code(2);
    outcome.says(["'.'", "\"libary\"", "library", "journal"]);
    assert_eq!(workspace.files(), files);
}

#[test]
fn numbers_have_as_many_digits_as_the_last() {
    let workspace = Workspace::generic().build();
    workspace.add_migration("library", "0009_wide", "SELECT 1;\n");
    workspace.run(&["migrate", "add", "library", "wider"]).code(0).says(["migrations/library/0010_wider.up.sql"]);
    workspace.add_migration("journal", "999_last", "SELECT 1;\n");
    workspace.run(&["migrate", "add", "journal", "grown"]).code(0).says(["migrations/journal/1000_grown.up.sql"]);
    // An incomplete migration counts as well.
    workspace.write("migrations/library/0011_half.down.sql", "");
    workspace.run(&["migrate", "add", "library", "next"]).code(0).says(["migrations/library/0012_next.up.sql"]);
    workspace.add_migration("journal", &format!("{}_end", i64::MAX), "SELECT 1;\n");
    set_defaults(&workspace, "migration-versioning = \"sequential\"");
    workspace
        .run(&["migrate", "add", "journal", "beyond"])
        .code(1)
        .problem("migration-numbers")
        .says(["migrations/journal", "highest possible number"]);
}

#[test]
fn the_first_migration_of_a_database() {
    let workspace = Workspace::generic().build();
    std::fs::remove_dir_all(workspace.root().join("migrations/journal")).unwrap();
    workspace.run(&["migrate", "add", "journal", "begin"]).code(0);
    assert_eq!(names(&workspace, "journal"), ["001_begin.down.sql", "001_begin.up.sql"]);
}

#[test]
fn simple_migrations_get_one_file() {
    let workspace = Workspace::generic().build();
    set_defaults(&workspace, "migration-type = \"simple\"");
    let outcome = workspace.run(&["migrate", "add", "library", "shelves"]).code(0);
    outcome.says(["migrations/library/003_shelves.sql made", "the file"]).lacks(["both files"]);
    assert_eq!(names(&workspace, "library")[4..], ["003_shelves.sql"]);

    // Without a setting in sqlx.toml, a new migration has the type of the last one.
    let workspace = Workspace::generic().build();
    workspace.write("migrations/library/003_single.sql", "SELECT 1;\n");
    workspace.run(&["migrate", "add", "library", "shelves"]).code(0);
    assert_eq!(names(&workspace, "library")[4..], ["003_single.sql", "004_shelves.sql"]);
    set_defaults(&workspace, "migration-type = \"reversible\"");
    workspace.run(&["migrate", "add", "library", "pair"]).code(0);
    assert_eq!(names(&workspace, "library")[6..], ["005_pair.down.sql", "005_pair.up.sql"]);
}

#[test]
fn timestamps_are_left_to_sqlx_cli() {
    let refused = |workspace: &Workspace| {
        let files = workspace.files();
        let outcome = workspace.run(&["migrate", "add", "library", "two words"]).code(1);
        outcome.says(["migrations/library", "cargo xtask sqlx library migrate add two_words"]);
        assert_eq!(workspace.files(), files);
    };
    let workspace = Workspace::generic().build();
    workspace.add_migration("library", "20260729120000_timed", "SELECT 1;\n");
    refused(&workspace);
    set_defaults(&workspace, "migration-versioning = \"sequential\"");
    workspace.run(&["migrate", "add", "library", "all_the_same"]).code(0).says(["20260729120001_all_the_same"]);

    let workspace = Workspace::generic().build();
    set_defaults(&workspace, "migration-versioning = \"timestamp\"");
    refused(&workspace);
}

#[test]
fn runs_at_once_never_share_a_number() {
    let workspace = Workspace::generic().build();
    // Many files make the listing slow, so that the runs overlap between the listing and the creation.
    for number in 0..20_000 {
        std::fs::write(workspace.root().join(format!("migrations/library/.{number}")), "").unwrap();
    }
    let letters = ["a", "b", "c", "d", "e", "f", "a", "a"];
    let runs = letters.map(|name| workspace.xtask(&["migrate", "add", "library", name]).start());
    for run in runs {
        run.wait().code(0);
    }
    let names = names(&workspace, "library");
    let names = names.iter().filter(|name| !name.starts_with('.'));
    let mut numbers: Vec<_> = names.map(|name| name.split('_').next().unwrap().to_owned()).collect();
    assert_eq!(numbers.len(), 2 * (2 + letters.len()));
    numbers.dedup();
    assert_eq!(numbers, ["001", "002", "003", "004", "005", "006", "007", "008", "009", "010"]);
}

#[test]
fn a_folder_that_cannot_be_written_to() {
    let workspace = Workspace::ordinary().build();
    let folder = workspace.root().join("migrations/library");
    crate::support::set_mode(&folder, 0o555);
    workspace
        .run(&["migrate", "add", "library", "shelves"])
        .code(1)
        .problem("file-unwritable")
        .says(["ls -ld 'migrations/library'"]);
    crate::support::set_mode(&folder, 0o755);
    assert_eq!(names(&workspace, "library").len(), 4);
}
