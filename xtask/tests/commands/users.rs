//! xtask works for every user, and in a checkout in any folder.

use crate::local::{pid_files, postmaster};
use crate::support::fixture::LIBRARY_HISTORY;
use crate::support::server::Server;
use crate::support::workspace::Builder;
use crate::support::{DEADLINE, Workspace, eventually, is_root, process, set_mode, skip, sql};

/// Sets up a checkout with a private cluster, sets it up again, stops the cluster, and sets it up once more.
#[track_caller]
fn works(builder: Builder) -> Workspace {
    let workspace = builder.build();
    workspace.run(&["db-setup"]).code(0).says(["(2 rows)", "(1 row)"]);
    workspace.run(&["db-setup"]).code(0);
    workspace.run(&["db-stop"]).code(0);
    workspace.run(&["db-setup", "--server", "local"]).code(0);
    assert_eq!(sql::applied(&workspace.login("library"), LIBRARY_HISTORY), [1, 2]);
    workspace.run(&["db-stop"]).code(0);
    eventually("the server is gone", DEADLINE, || {
        sql::try_query(&workspace.login("postgres"), "SELECT ''").is_err().then_some(())
    });
    workspace
}

#[test]
fn root() {
    if !is_root() {
        skip!("the tests don't run as root");
    }
    let workspace = works(Workspace::generic());
    // PostgreSQL refuses to run as root. The server runs as another user, but the checkout's files are still root's.
    workspace.run(&["db-setup"]).code(0);
    let pid = postmaster(&workspace);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap().split_whitespace().next().unwrap();
    assert_ne!(uid, "0");
    use std::os::unix::fs::MetadataExt;
    for file in [".env", "schema/library.sql"] {
        assert_eq!(std::fs::metadata(workspace.root().join(file)).unwrap().uid(), 0, "{file}");
    }
    workspace.run(&["db-stop"]).code(0);
}

#[test]
fn an_ordinary_user() {
    works(Workspace::ordinary());
}

#[test]
fn root_with_a_checkout_below_a_closed_home() {
    if !is_root() {
        skip!("the tests don't run as root");
    }
    // PostgreSQL's user can't reach the checkout. The cluster is put into another folder, and no option is needed.
    let workspace = works(Workspace::generic().below_closed_home());
    assert_eq!(pid_files(&workspace), Vec::<std::path::PathBuf>::new());
    workspace.run(&["db-setup"]).code(0).lacks(["Permission denied"]);
    assert_eq!(pid_files(&workspace), Vec::<std::path::PathBuf>::new());
    workspace.run(&["db-stop"]).code(0);
}

#[test]
fn an_ordinary_user_with_a_checkout_below_a_closed_home() {
    works(Workspace::ordinary().below_closed_home());
}

#[test]
fn a_checkout_with_spaces_in_its_path() {
    works(Workspace::generic().folder("a check  out's $HOME [x] \"y\""));
}

#[test]
fn a_checkout_with_spaces_below_a_closed_home() {
    if !is_root() {
        skip!("the tests don't run as root");
    }
    works(Workspace::generic().folder("my check out").below_closed_home().filled_cache());
}

#[test]
fn a_checkout_with_a_very_long_path() {
    // The path is longer than a socket's path may be.
    works(Workspace::generic().folder(
        "a-folder-with-a-name-that-is-much-longer-than-what-fits-into-the-address-of-a-socket-of-the-unix-domain-0123456789",
    ));
}

#[test]
fn a_running_server_from_a_checkout_with_spaces_below_a_closed_home() {
    let server = Server::start();
    let workspace = Workspace::generic().folder("my check out").below_closed_home().build();
    workspace.point_at(&server);
    workspace.run(&["db-setup"]).code(0);
    workspace.run(&["db-setup"]).code(0);
    workspace.run(&["db-verify", "--write"]).code(0);
    server.assert_only(&["journal", "library"]);
}

/// Two users have a checkout each. Neither finds, uses or stops the other's server.
#[test]
fn two_users() {
    if !is_root() {
        skip!("the tests don't run as root");
    }
    let first = Workspace::generic().owner("nobody").filled_cache().build();
    let second = Workspace::generic().filled_cache().build();
    first.run(&["db-setup"]).code(0);
    second.run(&["db-setup"]).code(0);
    second.run(&["db-stop"]).code(0);
    assert_eq!(sql::databases(&first.login("postgres")), ["journal", "library"]);
    first.run(&["db-stop"]).code(0);
}

#[test]
fn a_checkout_that_may_not_be_written_to() {
    let workspace = Workspace::ordinary().build();
    set_mode(workspace.root(), 0o555);
    let outcome = workspace.run(&["db-setup"]);
    set_mode(workspace.root(), 0o755);
    outcome.fails().problem("state-folder").mentions(["permission denied"]);
    assert!(pid_files(&workspace).is_empty());
    assert!(process::in_folder(&workspace.base().display().to_string()).iter().all(|line| line.contains("reaper")));
}
