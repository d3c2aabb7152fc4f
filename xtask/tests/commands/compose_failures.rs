//! Docker that is missing, broken, hanging or in the way. `--server auto` says so and tries the next provider.
//! `--server compose` fails.

use std::path::PathBuf;

use crate::compose::{assert_container, needs, run};
use crate::ladder::moved;
use crate::support::docker::{Docker, containers};
use crate::support::fixture::{PASSWORD, ROLE};
use crate::support::listener::Listener;
use crate::support::{DEADLINE, Workspace, eventually, process, skip};

/// Makes a folder with scripts that stand in for both programs.
fn stand_ins(workspace: &Workspace, script: &str) -> PathBuf {
    workspace.add_program("stand-ins", "docker", script);
    workspace.add_program("stand-ins", "docker-compose", script)
}

#[test]
fn neither_the_plugin_nor_the_standalone_program() {
    // Docker prints this if it has no compose plugin.
    let workspace = Workspace::generic().build();
    let script = "#!/bin/sh\necho \"docker: 'compose' is not a docker command.\" >&2\nexit 1\n";
    let folder = workspace.add_program("no compose", "docker", script);
    let path = [folder, workspace.base().join("bin")];
    workspace.xtask(&["db-setup", "--server", "compose"]).path(&path).run().code(6).mentions(["compose"]);
    workspace.xtask(&["db-setup"]).path(&path).run().code(0).mentions(["compose", "private cluster"]);
    workspace.xtask(&["db-stop"]).path(&path).run().code(0);
}

#[test]
fn an_image_that_cannot_be_pulled() {
    needs!(Docker::Plugin);
    let workspace = Workspace::generic().build();
    let image = "nowhere.invalid/none:1";
    let chosen = workspace.xtask(&["db-setup", "--server", "compose"]).env("POSTGRES_IMAGE", image);
    Docker::Plugin.show(&workspace, chosen).run().code(6).says([image]);
    // `auto` says so and tries the next provider.
    let auto = workspace.xtask(&["db-setup"]).env("POSTGRES_IMAGE", image);
    Docker::Plugin.show(&workspace, auto).run().code(0).says([image]).says(["private cluster"]);
    assert_eq!(crate::local::pid_files(&workspace).len(), 1);
    let stop = workspace.xtask(&["db-stop"]).env("POSTGRES_IMAGE", image);
    Docker::Plugin.show(&workspace, stop).run().code(0);
    assert!(crate::local::pid_files(&workspace).is_empty());
}

/// An engine that hangs never answers.
#[test]
fn an_engine_that_does_not_answer() {
    let workspace = Workspace::generic().build();
    let folder = stand_ins(&workspace, "#!/bin/sh\nsleep 623456\n");
    let path = [folder, workspace.base().join("bin"), "/usr/bin".into(), "/bin".into()];
    workspace.xtask(&["db-setup", "--server", "compose"]).path(&path).run().code(6).mentions(["docker"]);
    workspace.xtask(&["db-setup"]).path(&path).run().code(0).mentions(["docker", "private cluster"]);
    workspace.xtask(&["db-stop"]).path(&path).run().code(0);
    eventually("the stand-in has ended", DEADLINE, || process::with_argument("623456").is_empty().then_some(()));
}

#[test]
fn an_engine_that_does_not_run() {
    needs!(Docker::Plugin);
    let workspace = Workspace::generic().build();
    let nowhere = format!("unix://{}", workspace.base().join("no.sock").display());
    let chosen = workspace.xtask(&["db-setup", "--server", "compose"]).env("DOCKER_HOST", &nowhere);
    Docker::Plugin.show(&workspace, chosen).run().code(6).mentions(["docker"]);
    let auto = workspace.xtask(&["db-setup"]).env("DOCKER_HOST", &nowhere);
    Docker::Plugin.show(&workspace, auto).run().code(0).mentions(["docker", "private cluster"]);
    let stop = workspace.xtask(&["db-stop"]).env("DOCKER_HOST", &nowhere);
    Docker::Plugin.show(&workspace, stop).run().code(0);
    assert!(crate::local::pid_files(&workspace).is_empty());
}

/// Nothing is started on another machine just because a variable names it.
#[test]
fn an_engine_on_another_machine() {
    needs!(Docker::Plugin);
    let workspace = Workspace::generic().build();
    let remote = "tcp://docker.example.invalid:2375";
    let chosen = workspace.xtask(&["db-setup", "--server", "compose"]).env("DOCKER_HOST", remote);
    Docker::Plugin.show(&workspace, chosen).run().code(6).says(["docker.example.invalid"]);
}

/// The volume was made with an older password and keeps it. This is a common problem on a fresh clone.
#[test]
fn a_volume_with_another_password() {
    needs!(Docker::Plugin);
    let workspace = Workspace::generic().build();
    run(Docker::Plugin, &workspace, &["db-setup", "--server", "compose"]).code(0);
    containers(&workspace);
    workspace.set_authority("127.0.0.1", workspace.port(), ROLE, "an0ther-Passw0rd");
    workspace.write(".env", workspace.read(".env.ci"));
    for arguments in [&["db-stop"][..], &["db-setup"]] {
        let outcome = run(Docker::Plugin, &workspace, arguments);
        if arguments == ["db-stop"] {
            outcome.code(0);
        } else {
            outcome.code(6).mentions(["volume", "password", ROLE]);
        }
    }
    // The server runs now and refuses the login. The answer is the same.
    run(Docker::Plugin, &workspace, &["db-setup"]).code(6).mentions(["password", ROLE]);
    run(Docker::Plugin, &workspace, &["db-setup", "--server", "compose"]).code(6).mentions(["volume", "password"]);
}

#[test]
fn a_port_that_is_taken() {
    needs!(Docker::Plugin);
    let listener = Listener::closes();
    let workspace = Workspace::generic().build();
    workspace.set_authority("127.0.0.1", listener.port, ROLE, PASSWORD);
    let contract = workspace.read(".env.ci");
    run(Docker::Plugin, &workspace, &["db-setup", "--server", "compose", "--timeout", "60"]).code(0);
    assert_container(&workspace, "running");
    assert_eq!(moved(&workspace, listener.port), contract);
    run(Docker::Plugin, &workspace, &["db-setup"]).code(0);
}

/// The error shows the last lines of the container's log.
#[test]
fn a_container_that_ends_at_once() {
    needs!(Docker::Plugin);
    let workspace = Workspace::generic().build();
    let compose = workspace.read("compose.yaml");
    let broken = compose.replace("    ports:\n", "    command: [\"-c\", \"no_such_setting=1\"]\n    ports:\n");
    workspace.write("compose.yaml", &broken);
    let outcome = run(Docker::Plugin, &workspace, &["db-setup", "--server", "compose", "--timeout", "600"]).code(6);
    outcome.says(["no_such_setting"]);
    containers(&workspace);
    workspace.write("compose.yaml", compose);
    run(Docker::Plugin, &workspace, &["db-setup", "--server", "compose"]).code(0);
}

#[test]
fn a_compose_file_that_cannot_be_read() {
    needs!(Docker::Plugin);
    let workspace = Workspace::generic().build();
    workspace.write("compose.yaml", "services: [\n");
    run(Docker::Plugin, &workspace, &["db-setup", "--server", "compose"]).code(6).says(["compose.yaml"]);
}

#[test]
fn ctrl_c_while_the_engine_is_asked() {
    let workspace = Workspace::generic().build();
    let asked = workspace.base().join("tmp/asked");
    let folder = stand_ins(&workspace, &format!("#!/bin/sh\n: > '{}'\nsleep 634567\n", asked.display()));
    let path = [folder, "/usr/bin".into(), "/bin".into()];
    let running = workspace.xtask(&["db-setup", "--server", "compose"]).path(path).start();
    eventually("the engine is asked", DEADLINE, || asked.exists().then_some(()));
    running.interrupt();
    running.wait().code(130);
    eventually("the stand-in has ended", DEADLINE, || process::with_argument("634567").is_empty().then_some(()));
}
