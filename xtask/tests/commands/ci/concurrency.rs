//! Several runs at once on one server.

use super::{WITHOUT_TOOLS, checkout, ci, make_whole};
use crate::support::fixture::{JOURNAL_HISTORY, LIBRARY_HISTORY};
use crate::support::{DEADLINE, Pipeline, Workspace, eventually, sql};

const DATABASES: [&str; 2] = ["--only", "db-setup,migrations,schema,env,format"];

/// Runs these steps in all checkouts at once. Fails unless all of them pass, except for the skipped ones.
#[track_caller]
fn all_pass(workspaces: &[&Workspace], steps: [&str; 2], skipped: &[&str]) {
    let arguments = [&["--format", "json"], &steps[..]].concat();
    let runs: Vec<_> = workspaces.iter().map(|workspace| ci(workspace, &arguments).start()).collect();
    for run in runs {
        Pipeline::of(run.wait()).passes_but(skipped);
    }
}

/// One of the two runs makes the databases.
#[test]
fn two_checkouts() {
    let (server, first) = checkout();
    let second = Workspace::generic().build();
    second.write(".env.ci", first.read(".env.ci"));
    make_whole(&second);
    first.run(&["db-setup"]).code(0);
    second.run(&["db-setup", "--share"]).code(0);
    all_pass(&[&first, &second], WITHOUT_TOOLS, &["deps"]);
    server.assert_only(&["journal", "library"]);
    all_pass(&[&first, &second], DATABASES, &[]);
    server.assert_only(&["journal", "library"]);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2]);
    assert_eq!(sql::applied(&server.admin("journal"), JOURNAL_HISTORY), [1]);
}

#[test]
fn one_checkout() {
    let (server, workspace) = checkout();
    all_pass(&[&workspace; 3], DATABASES, &[]);
    server.assert_only(&["journal", "library"]);
}

/// A migration that waits until the role `gate` exists, in any database.
const GATE: &str = "\
DO $$ BEGIN
    WHILE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'gate') LOOP
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;
";

/// A run must not take another run's scratch database for one that was left behind. Here all of them exist at the same
/// time.
#[test]
fn scratch_databases_of_others() {
    let (server, first) = checkout();
    let second = Workspace::generic().build();
    second.write(".env.ci", first.read(".env.ci"));
    let waiting = || server.xtask_statements().iter().filter(|statement| statement.contains("gate")).count();
    let mut runs = Vec::new();
    for (count, workspace) in [(2, &first), (4, &second)] {
        workspace.add_migration("journal", "002_waits", GATE);
        runs.push(ci(workspace, &["--format", "json", "--only", "migrations,schema"]).start());
        eventually("both steps have a database", DEADLINE, || (waiting() == count).then_some(()));
    }
    server.create_role("gate", "unused", "");
    for run in runs {
        Pipeline::of(run.wait()).passes_but(&[]);
    }
    server.assert_only(&[]);
}
