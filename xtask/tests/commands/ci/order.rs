//! The step `migrations` holds the numbers of a branch's migrations against those of the main branch.

use super::{checkout, ci, git, json};
use crate::support::Workspace;

const ONLY: [&str; 2] = ["--only", "migrations"];

fn add(workspace: &Workspace, name: &str) {
    let table = name.split_once('_').unwrap().1;
    workspace.add_migration("library", name, &format!("CREATE TABLE {table} (id integer);\n"));
    workspace.write(&format!("migrations/library/{name}.down.sql"), format!("DROP TABLE {table};\n"));
}

fn commit(workspace: &Workspace) {
    git(workspace, &["add", "."]);
    let who = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"];
    git(workspace, &[&who[..], &["commit", "--quiet", "--allow-empty", "-m", "a commit"]].concat());
}

#[test]
fn a_branch_whose_migrations_come_before_those_of_the_main_branch() {
    let (_server, workspace) = checkout();
    git(&workspace, &["symbolic-ref", "HEAD", "refs/heads/main"]);
    // Without a commit, there is no main branch yet.
    add(&workspace, "003_own");
    let with_git = || ci(&workspace, &ONLY).with_cargo().run();
    with_git().code(0);
    workspace.remove("migrations/library/003_own.up.sql");
    workspace.remove("migrations/library/003_own.down.sql");
    commit(&workspace);
    git(&workspace, &["switch", "--quiet", "-c", "branch"]);
    for name in ["003_early", "005_same", "007_late"] {
        add(&workspace, name);
    }
    commit(&workspace);
    with_git().code(0);
    with_git().code(0).says(["unchanged since"]);

    // The main branch moves, and nothing in the checkout changes.
    git(&workspace, &["switch", "--quiet", "main"]);
    add(&workspace, "005_theirs");
    commit(&workspace);
    git(&workspace, &["switch", "--quiet", "branch"]);
    let pipeline = json(&workspace, &ONLY).code(5).fails(&["migrations"], &[]);
    let places = ["migrations/library/003_early.up.sql:1", "migrations/library/005_same.up.sql:1"];
    let texts = pipeline.at("migrations", &places);
    assert!(texts[0].contains("003_early would come before 005_theirs.up.sql"), "{texts:?}");
    let outcome = with_git().code(5).problem("migration-late").lacks(["007_late would"]);
    outcome.says([
        "mv migrations/library/003_early.up.sql migrations/library/008_early.up.sql",
        "mv migrations/library/005_same.up.sql migrations/library/009_same.up.sql",
        "cargo xtask migrate down library --to 2",
    ]);

    // The way in the message.
    for (old, new) in [("003_early", "008_early"), ("005_same", "009_same")] {
        for side in ["up", "down"] {
            let path = |name: &str| workspace.root().join(format!("migrations/library/{name}.{side}.sql"));
            std::fs::rename(path(old), path(new)).unwrap();
        }
    }
    with_git().code(0);
}
