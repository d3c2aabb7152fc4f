//! PostgreSQL in a container, through docker's plugin and through the standalone `docker-compose`. These tests need a
//! real engine. What the program makes of docker's other answers is tested in `compose_failures`.

use std::path::PathBuf;

use crate::support::docker::{Docker, containers, docker, make_quick};
use crate::support::fixture::{JOURNAL_HISTORY, LIBRARY_HISTORY, ROLE};
use crate::support::run::Outcome;
use crate::support::{DEADLINE, Workspace, eventually, skip, sql};

/// Skips the test if this compose program isn't available.
macro_rules! needs {
    ($docker:expr) => {
        if let Some(missing) = $docker.missing() {
            skip!("{missing}");
        }
    };
}
pub(crate) use needs;

/// Fails unless the checkout has exactly one container, in this state. Returns the container's id.
#[track_caller]
fn assert_container(workspace: &Workspace, state: &str) -> String {
    let found = containers(workspace);
    assert!(found.len() == 1 && found[0].ends_with(state), "expected one container that is {state}: {found:?}");
    found[0].split(' ').next().unwrap().to_owned()
}

/// Fails unless the container's port is open on the loopback interface only.
#[track_caller]
fn assert_on_loopback(workspace: &Workspace, id: &str) {
    let format = "{{range .HostConfig.PortBindings}}{{range .}}{{.HostIp}}:{{.HostPort}} {{end}}{{end}}";
    let bound = docker(&["docker", "inspect", "-f", format, id]).unwrap();
    assert_eq!(bound.trim(), format!("127.0.0.1:{}", workspace.port()));
}

/// Fails if anything of a checkout that is deleted is left.
#[track_caller]
fn assert_nothing_left(suffix: &str) {
    for arguments in [
        &["docker", "ps", "-a", "--format", "{{.Names}} {{.Labels}}"][..],
        &["docker", "volume", "ls", "--format", "{{.Name}} {{.Labels}}"],
        &["docker", "network", "ls", "--format", "{{.Name}} {{.Labels}}"],
    ] {
        let listed = docker(arguments).unwrap();
        assert!(!listed.contains(suffix), "{arguments:?}: {listed}");
    }
}

/// Makes a `docker` that calls the real one. The script `before` runs before each call, and `after` follows it.
fn wrapper(workspace: &Workspace, before: &str, after: &str) -> PathBuf {
    let real = docker(&["which", "docker"]).unwrap();
    let script = format!("#!/bin/sh\n{before}\n{} \"$@\"\ncode=$?\n{after}\nexit $code\n", real.trim());
    workspace.add_program("wrapper", "docker", &script)
}

/// Sets up a checkout that has no container, sets it up again, stops it and starts it again. `run` runs the program.
fn from_nothing_and_again(workspace: &Workspace, tables: [&str; 2], run: &dyn Fn(&[&str]) -> Outcome) {
    run(&["db-setup"]).code(0).says(tables).mentions(["container"]);
    let id = assert_container(workspace, "running");
    assert_on_loopback(workspace, &id);
    assert_eq!(workspace.read(".env"), workspace.read(".env.ci"));
    let server = || sql::query(&workspace.login("postgres"), "SELECT system_identifier::text FROM pg_control_system()");
    let (before, files) = (server(), workspace.files());
    for arguments in [&["db-setup"][..], &["db-setup", "--server", "compose"]] {
        run(arguments).code(0).says(tables);
        assert_eq!(assert_container(workspace, "running"), id);
        assert_eq!(workspace.files(), files);
    }

    run(&["db-stop"]).code(0).says(["the container is stopped"]);
    assert_container(workspace, "exited");
    // The stopped container has kept its data, and is started again.
    run(&["db-setup"]).code(0).says(tables);
    assert_eq!(assert_container(workspace, "running"), id);
    assert_eq!(server(), before);
}

/// The password has characters that mean something to compose and to shells. It is on no command line, because every
/// user of the machine can read those.
#[test]
fn the_plugin_from_nothing_and_again() {
    needs!(Docker::Plugin);
    let password = r#"p'w"%$x${y}@:/\#?"#;
    let workspace = Workspace::generic().build();
    make_quick(&workspace);
    workspace.set_authority("127.0.0.1", workspace.port(), ROLE, password);
    let log = workspace.base().join("tmp/command lines");
    let folder = wrapper(&workspace, &format!("printf '%s ' \"$@\" >> '{}'", log.display()), "");
    let run = |arguments: &[&str]| {
        Docker::Plugin.show(&workspace, workspace.xtask(arguments)).path_first(folder.clone()).run()
    };
    from_nothing_and_again(&workspace, ["(2 rows)", "(1 row)"], &run);
    let library = workspace.login("library");
    assert_eq!(sql::applied(&library, LIBRARY_HISTORY), [1, 2]);
    assert_eq!(sql::applied(&workspace.login("journal"), JOURNAL_HISTORY), [1]);
    sql::execute(&library, "INSERT INTO authors (name) VALUES ('kept')");
    let before = sql::fingerprint(&library, LIBRARY_HISTORY);
    run(&["db-setup", "--server", "compose"]).code(0);
    assert_eq!(sql::fingerprint(&library, LIBRARY_HISTORY), before);

    a_volume_with_another_password(&workspace, &run);
    assert_eq!(sql::query(&library, "SELECT name FROM authors"), ["kept"]);
    let lines = std::fs::read_to_string(log).unwrap();
    let encoded = workspace.authority();
    assert!(lines.contains("compose") && !lines.contains(password) && !lines.contains(&encoded), "{lines}");
    let suffix = workspace.suffix().to_owned();
    drop(workspace);
    assert_nothing_left(&suffix);
}

/// The volume was made with an older password and keeps it. This is a common problem on a fresh clone.
fn a_volume_with_another_password(workspace: &Workspace, run: &dyn Fn(&[&str]) -> Outcome) {
    workspace.set_authority("127.0.0.1", workspace.port(), ROLE, "an0ther-Passw0rd");
    workspace.write(".env", workspace.read(".env.ci"));
    // The server runs and refuses the login.
    run(&["db-setup"]).code(6).mentions(["volume", "password", ROLE]);
    for _ in 0..2 {
        run(&["db-stop"]).code(0);
    }
    // The container starts and refuses the login. The answer is the same.
    run(&["db-setup"]).code(6).mentions(["volume", "password", ROLE]);
    run(&["db-setup", "--server", "compose"]).code(6).mentions(["volume", "password"]);
}

/// With this repository's own compose file, there are exactly 7 and 3 tables.
#[test]
fn the_standalone_program_from_nothing_and_again() {
    needs!(Docker::Standalone);
    let workspace = Workspace::repository().folder("my check out").build();
    make_quick(&workspace);
    let run = |arguments: &[&str]| Docker::Standalone.show(&workspace, workspace.xtask(arguments)).run();
    from_nothing_and_again(&workspace, ["(7 rows)", "(3 rows)"], &run);
}

/// A run is killed while compose starts the container, and the next one while PostgreSQL starts in it. The plain run
/// afterwards sets up this repository's databases.
#[test]
fn killed_while_the_container_starts() {
    needs!(Docker::Plugin);
    let workspace = Workspace::repository().folder("my check out").build();
    make_quick(&workspace);
    let note = |file: &str| {
        format!("case \" $* \" in *' up '*) printf x >> '{}/tmp/{file}' ;; esac", workspace.base().display())
    };
    let folder = wrapper(&workspace, &note("begun"), &note("ended"));
    let noted = |file: &str| std::fs::read(workspace.base().join("tmp").join(file)).unwrap_or_default().len();
    for (file, times) in [("begun", 1), ("ended", 2)] {
        let run = Docker::Plugin.show(&workspace, workspace.xtask(&["db-setup"])).path_first(folder.clone()).start();
        eventually(file, DEADLINE, || (noted(file) >= times).then_some(()));
        run.kill();
        drop(run.wait());
    }
    let run = Docker::Plugin.show(&workspace, workspace.xtask(&["db-setup"])).run();
    run.code(0).says(["(7 rows)", "(3 rows)"]);
    let id = assert_container(&workspace, "running");
    assert_on_loopback(&workspace, &id);
    assert_eq!(workspace.read(".env"), workspace.read(".env.ci"));
}
