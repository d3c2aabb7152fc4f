//! PostgreSQL in a container, through docker's plugin and through the standalone `docker-compose`.

use crate::support::docker::{Docker, containers, docker};
use crate::support::fixture::{JOURNAL_HISTORY, LIBRARY_HISTORY, PASSWORD, ROLE};
use crate::support::run::{Outcome, whole_path};
use crate::support::{Workspace, skip, sql};

/// Skips the test if this compose program isn't available.
macro_rules! needs {
    ($docker:expr) => {
        if let Some(missing) = $docker.missing() {
            skip!("{missing}");
        }
    };
}
pub(crate) use needs;

/// Runs the program with this compose program visible.
#[track_caller]
pub(crate) fn run(docker: Docker, workspace: &Workspace, arguments: &[&str]) -> Outcome {
    docker.show(workspace, workspace.xtask(arguments)).run()
}

/// Fails unless the checkout has exactly one container, in this state. Returns the container's id.
#[track_caller]
pub(crate) fn assert_container(workspace: &Workspace, state: &str) -> String {
    let found = containers(workspace);
    assert!(found.len() == 1 && found[0].ends_with(state), "expected one container that is {state}: {found:?}");
    found[0].split(' ').next().unwrap().to_owned()
}

fn from_nothing_and_again(docker: Docker) {
    let workspace = Workspace::generic().build();
    run(docker, &workspace, &["db-setup"]).code(0).says(["(2 rows)", "(1 row)"]).mentions(["container"]);
    let id = assert_container(&workspace, "running");
    assert_eq!(sql::applied(&workspace.login("library"), LIBRARY_HISTORY), [1, 2]);
    assert_eq!(workspace.read(".env"), workspace.read(".env.ci"));
    let state = || sql::fingerprint(&workspace.login("library"), LIBRARY_HISTORY);
    sql::execute(&workspace.login("library"), "INSERT INTO authors (name) VALUES ('kept')");
    let (before, files) = (state(), workspace.files());

    for arguments in [&["db-setup"][..], &["db-setup", "--server", "compose"]] {
        run(docker, &workspace, arguments).code(0);
        assert_eq!(assert_container(&workspace, "running"), id);
        assert_eq!(state(), before);
        assert_eq!(workspace.files(), files);
    }

    run(docker, &workspace, &["db-stop"]).code(0);
    assert!(containers(&workspace).iter().all(|container| !container.ends_with("running")));
    run(docker, &workspace, &["db-stop"]).code(0);
    // The stopped container has kept its data, and is started again.
    run(docker, &workspace, &["db-setup"]).code(0);
    assert_container(&workspace, "running");
    assert_eq!(sql::query(&workspace.login("library"), "SELECT name FROM authors"), ["kept"]);
    assert_eq!(sql::applied(&workspace.login("journal"), JOURNAL_HISTORY), [1]);
}

#[test]
fn the_plugin_from_nothing_and_again() {
    needs!(Docker::Plugin);
    from_nothing_and_again(Docker::Plugin);
}

#[test]
fn the_standalone_program_from_nothing_and_again() {
    needs!(Docker::Standalone);
    from_nothing_and_again(Docker::Standalone);
}

/// With this repository's own compose file, there are exactly 7 and 3 tables, and the port is open on the loopback
/// interface only.
fn this_repository(docker_compose: Docker) {
    let workspace = Workspace::repository().folder("my check out").build();
    for _ in 0..2 {
        run(docker_compose, &workspace, &["db-setup", "--server", "compose"]).code(0).says(["(7 rows)", "(3 rows)"]);
    }
    let id = assert_container(&workspace, "running");
    let format = "{{range .HostConfig.PortBindings}}{{range .}}{{.HostIp}}:{{.HostPort}} {{end}}{{end}}";
    let bound = docker(&["docker", "inspect", "-f", format, &id]).unwrap();
    assert_eq!(bound.trim(), format!("127.0.0.1:{}", workspace.port()));
    run(docker_compose, &workspace, &["db-stop"]).code(0);
}

#[test]
fn this_repository_with_the_plugin() {
    needs!(Docker::Plugin);
    this_repository(Docker::Plugin);
}

#[test]
fn this_repository_with_the_standalone_program() {
    needs!(Docker::Standalone);
    this_repository(Docker::Standalone);
}

/// Every user of the machine can read command lines.
#[test]
fn no_secret_is_on_a_command_line() {
    needs!(Docker::Plugin);
    let workspace = Workspace::generic().build();
    let log = workspace.base().join("tmp/command lines");
    let real = docker(&["which", "docker"]).unwrap();
    let script = format!("#!/bin/sh\nprintf '%s ' \"$@\" >> '{}'\nexec {} \"$@\"\n", log.display(), real.trim());
    let folder = workspace.add_program("logging", "docker", &script);
    let mut path = folder.into_os_string();
    path.push(":");
    path.push(whole_path());
    for arguments in [&["db-setup", "--server", "compose"][..], &["db-stop"]] {
        Docker::Plugin.show(&workspace, workspace.xtask(arguments)).env("PATH", &path).run().code(0);
    }
    let lines = std::fs::read_to_string(log).unwrap();
    assert!(lines.contains("compose") && !lines.contains(PASSWORD), "{lines}");
}

#[test]
fn four_runs_at_once() {
    needs!(Docker::Plugin);
    let workspace = Workspace::generic().build();
    let started: Vec<_> =
        (0..4).map(|_| Docker::Plugin.show(&workspace, workspace.xtask(&["db-setup"])).start()).collect();
    for run in started {
        run.wait().code(0);
    }
    assert_container(&workspace, "running");
    assert_eq!(sql::applied(&workspace.login("library"), LIBRARY_HISTORY), [1, 2]);
}

#[test]
fn killed_at_points_spread_over_a_run() {
    needs!(Docker::Plugin);
    let whole = {
        let workspace = Workspace::generic().build();
        run(Docker::Plugin, &workspace, &["db-setup"]).code(0).duration
    };
    for quarter in 1..=3 {
        let workspace = Workspace::generic().build();
        let running = Docker::Plugin.show(&workspace, workspace.xtask(&["db-setup"])).start();
        std::thread::sleep(whole * quarter / 4);
        running.kill();
        drop(running.wait());
        run(Docker::Plugin, &workspace, &["db-setup"]).code(0);
        assert_container(&workspace, "running");
        assert_eq!(sql::applied(&workspace.login("library"), LIBRARY_HISTORY), [1, 2]);
    }
}

/// The password has characters that mean something to compose and to shells.
#[test]
fn a_password_with_awkward_characters() {
    needs!(Docker::Plugin);
    let workspace = Workspace::generic().build();
    workspace.set_authority("127.0.0.1", workspace.port(), ROLE, r#"p'w"%$x${y}@:/\#?"#);
    for _ in 0..2 {
        run(Docker::Plugin, &workspace, &["db-setup", "--server", "compose"]).code(0);
    }
    assert_eq!(sql::applied(&workspace.login("library"), LIBRARY_HISTORY), [1, 2]);
}

#[test]
fn the_tests_leave_no_container_volume_or_network() {
    needs!(Docker::Plugin);
    let suffix = {
        let workspace = Workspace::generic().build();
        run(Docker::Plugin, &workspace, &["db-setup", "--server", "compose"]).code(0);
        assert_container(&workspace, "running");
        workspace.suffix().to_owned()
    };
    let listed = |arguments: &[&str]| docker(arguments).unwrap();
    for arguments in [
        &["docker", "ps", "-a", "--format", "{{.Names}} {{.Labels}}"][..],
        &["docker", "volume", "ls", "--format", "{{.Name}} {{.Labels}}"],
        &["docker", "network", "ls", "--format", "{{.Name}} {{.Labels}}"],
    ] {
        assert!(!listed(arguments).contains(&suffix), "{arguments:?}: {}", listed(arguments));
    }
}
