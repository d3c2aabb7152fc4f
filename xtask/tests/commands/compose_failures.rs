//! Docker that is missing, broken, hanging or in the way. `--server auto` says so and tries the next provider.
//! `--server compose` fails. Docker's answers are recorded, and `docker_recordings` shows that they are true.

use crate::ladder::moved;
use crate::local::pid_files;
use crate::support::fixture::{LIBRARY_HISTORY, PASSWORD, ROLE};
use crate::support::listener::Listener;
use crate::support::stand_in_docker::StandInDocker;
use crate::support::{DEADLINE, Server, Workspace, eventually, process, sql};

/// Docker can't be used. `--server compose` fails, and `auto` says why and starts a private cluster.
fn falls_through(situation: &str, parts: &[&str]) {
    let workspace = Workspace::generic().build();
    let docker = StandInDocker::new(&workspace, situation);
    let chosen = docker.run(&["db-setup", "--server", "compose"]).code(6).problem("docker-unusable");
    chosen.mentions(parts).says(["Nothing else was tried"]);
    docker.run(&["db-setup"]).code(0).mentions(parts).says(["private cluster"]);
    assert_eq!(pid_files(&workspace).len(), 1);
    docker.run(&["db-stop"]).code(0);
    assert!(pid_files(&workspace).is_empty());
    assert!(docker.asked(" up ").is_empty(), "compose was called");
}

#[test]
fn neither_the_plugin_nor_the_standalone_program() {
    falls_through("no-plugin", &["compose plugin"]);
}

#[test]
fn an_engine_that_does_not_run() {
    falls_through("engine-off", &["isn't running", "Cannot connect to the Docker daemon"]);
}

#[test]
fn an_engine_that_may_not_be_used() {
    falls_through("no-permission", &["no permission"]);
}

#[test]
fn an_image_that_cannot_be_pulled() {
    let workspace = Workspace::generic().build();
    let docker = StandInDocker::new(&workspace, "image-missing");
    let image = "nowhere.invalid/none:1";
    let run = |arguments: &[&str]| docker.show(workspace.xtask(arguments)).env("POSTGRES_IMAGE", image).run();
    let parts = [image, "can't be pulled", "no such host"];
    run(&["db-setup", "--server", "compose"]).code(6).says(parts);
    // `auto` says so and tries the next provider.
    run(&["db-setup"]).code(0).says(parts).says(["private cluster"]);
    assert_eq!(pid_files(&workspace).len(), 1);
    run(&["db-stop"]).code(0);
    assert!(pid_files(&workspace).is_empty());
}

/// An engine that hangs never answers. The run waits no longer than the user wants.
#[test]
fn an_engine_that_does_not_answer() {
    let (first, second) = (Workspace::generic().build(), Workspace::generic().build());
    let start = |workspace: &Workspace| {
        let folder = workspace.add_program("hangs", "docker", "#!/bin/sh\nsleep 623456\n");
        workspace.add_program("hangs", "docker-compose", "#!/bin/sh\nsleep 623456\n");
        [folder, workspace.base().join("bin"), "/usr/bin".into(), "/bin".into()]
    };
    let chosen = first.xtask(&["db-setup", "--server", "compose", "--timeout", "1"]).path(start(&first)).start();
    // The private cluster may take as long to get ready.
    let auto = second.xtask(&["db-setup", "--timeout", "3"]).path(start(&second)).run();
    chosen.wait().code(6).says(["Docker doesn't answer", "within 1 s"]);
    auto.code(0).says(["Docker doesn't answer", "within 3 s", "private cluster"]);
    second.run(&["db-stop"]).code(0);
    eventually("the stand-in has ended", DEADLINE, || process::in_folder("623456").is_empty().then_some(()));
}

/// Docker can't be used after db-setup has started the container. `db-stop` doesn't say that it is done.
#[test]
fn an_engine_that_cannot_be_asked_to_stop_the_container() {
    let workspaces: [Workspace; 4] = std::array::from_fn(|_| Workspace::generic().build());
    let [all, look, elsewhere, refuses] = &workspaces;
    let start = |workspace| {
        let docker = StandInDocker::new(workspace, "nothing");
        docker.run(&["db-setup"]).code(0).says(["in a container"]);
        docker
    };
    let [all, look, refuses] = [all, look, refuses].map(start);
    // Compose has started nothing here. The databases are in a private cluster.
    let other = StandInDocker::new(elsewhere, "ends");
    other.run(&["db-setup", "--server", "compose"]).code(6).problem("container-failed");
    other.run(&["db-setup", "--server", "local"]).code(0);

    all.is_silent_at("*");
    look.is_silent_at("ps*");
    other.is_silent_at("*");
    refuses.is_now("no-permission");
    let stops = [&all, &look, &refuses].map(|docker| docker.start(&["db-stop"]));
    let stop_other = other.start(&["db-stop"]);
    for (run, why) in std::iter::zip(stops, ["Docker doesn't answer", "Docker doesn't answer", "no permission"]) {
        let outcome = run.wait().code(6).problem("container-not-stopped");
        outcome.says([why, "may still run", "docker ps --filter", "cargo xtask db-stop"]).lacks(["Done"]);
    }
    stop_other.wait().code(0).says(["Docker could not be asked", "the private cluster is stopped"]);

    all.answers();
    all.run(&["db-stop"]).code(0).says(["the container is stopped"]);
    // Where no engine runs, no container does.
    look.answers();
    look.is_now("engine-off");
    look.run(&["db-stop"]).code(0).says(["Docker could not be asked"]);
}

/// Nothing is started on another machine just because a variable names it.
#[test]
fn an_engine_on_another_machine() {
    let workspace = Workspace::generic().build();
    let docker = StandInDocker::new(&workspace, "remote-context");
    let config = workspace.base().join("docker-config");
    std::fs::create_dir(&config).unwrap();
    std::fs::write(config.join("config.json"), r#"{"currentContext": "far"}"#).unwrap();
    let host = "docker.example.invalid";
    let variables = [
        ("DOCKER_HOST", format!("tcp://{host}:2375")),
        // Docker takes it for TCP.
        ("DOCKER_HOST", format!("{host}:2375")),
        ("DOCKER_HOST", format!("ssh://somebody@{host}")),
        ("DOCKER_CONTEXT", "far".to_owned()),
        ("DOCKER_CONFIG", config.display().to_string()),
    ];
    for (name, value) in variables {
        let chosen = docker.show(workspace.xtask(&["db-setup", "--server", "compose"])).env(name, &value);
        chosen.run().code(6).says([host, "on another machine"]);
    }
    let auto = docker.show(workspace.xtask(&["db-setup"])).env("DOCKER_HOST", format!("{host}:2375"));
    auto.run().code(0).says([host, "on another machine", "private cluster"]);
    docker.run(&["db-stop"]).code(0);
    assert_eq!(docker.asked(""), docker.asked("context inspect"));

    // These are on this machine.
    docker.is_now("nothing");
    for local in ["unix:///nowhere.sock", "tcp://localhost:2375", "127.0.0.1:2375", ":2375"] {
        let plan = docker.show(workspace.xtask(&["db-setup", "--server", "compose", "--dry-run"]));
        plan.env("DOCKER_HOST", local).run().code(0).says(["docker compose up -d db"]);
    }
}

/// The run finds another port for the `.env` that it has just made. It doesn't change an `.env` that a user has edited.
#[test]
fn a_port_that_is_taken() {
    let listener = Listener::closes();
    let workspace = Workspace::generic().build();
    workspace.set_authority("127.0.0.1", listener.port, ROLE, PASSWORD);
    let contract = workspace.read(".env.ci");
    let docker = StandInDocker::new(&workspace, "port-taken");
    let own = workspace.write_own_env();
    let outcome = docker.run(&["db-setup", "--server", "compose"]).code(6).problem("port-taken");
    outcome.says([&format!("Port {} is taken", listener.port)]);
    assert_eq!(workspace.read(".env"), own);

    workspace.remove(".env");
    docker.is_now("port-taken");
    docker.run(&["db-setup", "--server", "compose"]).code(0).says([&format!("{} is taken", listener.port)]);
    assert_eq!(moved(&workspace, listener.port), contract);
    docker.run(&["db-setup"]).code(0);
    assert_eq!(docker.asked(" up -d db").len(), 3);
}

/// The error shows the last lines of the container's log.
#[test]
fn a_container_that_ends_at_once() {
    let workspace = Workspace::generic().build();
    let docker = StandInDocker::new(&workspace, "ends");
    docker.run(&["db-setup", "--server", "compose", "--timeout", "600"]).code(6).says(["ended", "no_such_setting"]);
    docker.is_now("nothing");
    docker.run(&["db-setup", "--server", "compose"]).code(0);
}

#[test]
fn a_compose_file_that_cannot_be_read() {
    let workspace = Workspace::generic().build();
    let docker = StandInDocker::new(&workspace, "broken-file");
    let outcome = docker.run(&["db-setup", "--server", "compose"]).code(6).problem("compose-failed");
    outcome.says(["compose.yaml", "did not find expected node content"]);
}

/// A server that refuses the role of the checkout's URLs, which lead to it.
pub(crate) fn with_another_password() -> (Server, Workspace) {
    let server = Server::start();
    server.create_role(ROLE, "an0ther-Passw0rd", "CREATEDB");
    let workspace = Workspace::generic().build();
    workspace.set_authority("127.0.0.1", server.port, ROLE, PASSWORD);
    workspace.write_own_env();
    (server, workspace)
}

/// The container refuses the login. Only the server at the container's port is this checkout's, and docker is asked
/// once in a run.
#[test]
fn a_container_that_refuses_the_login() {
    let (server, workspace) = with_another_password();
    let docker = StandInDocker::new(&workspace, "running");
    let refused = docker.run(&["db-setup", "--server", "compose"]).code(6).problem("container-password");
    refused.mentions(["volume", "password", ROLE]);
    let asked = docker.asked("compose version").len();
    docker.run(&["db-setup"]).code(6).mentions(["volume", "password", ROLE]);
    assert_eq!(docker.asked("compose version").len(), asked + 1);
    docker.publishes(format!("1{}", server.port));
    docker.run(&["db-setup"]).code(6).lacks(["volume"]).says(["CREATE ROLE"]);
}

/// One of the runs starts the container. The others wait for it.
#[test]
fn four_runs_at_once() {
    let workspace = Workspace::generic().build();
    let docker = StandInDocker::new(&workspace, "nothing");
    let started: Vec<_> = (0..4).map(|_| docker.show(workspace.xtask(&["db-setup"])).start()).collect();
    for run in started {
        run.wait().code(0);
    }
    assert_eq!(docker.asked(" up -d db").len(), 1);
    assert_eq!(sql::applied(&workspace.login("library"), LIBRARY_HISTORY), [1, 2]);

    docker.run(&["db-stop"]).code(0).says(["the container is stopped"]);
    docker.run(&["db-stop"]).code(0).says(["no server of this checkout was running"]);
    assert_eq!(docker.asked(" stop db").len(), 1);
}

#[test]
fn ctrl_c_while_the_engine_is_asked() {
    let workspace = Workspace::generic().build();
    let asked = workspace.base().join("tmp/asked");
    let script = format!("#!/bin/sh\n: > '{}'\nsleep 634567\n", asked.display());
    let folder = workspace.add_program("hangs", "docker", &script);
    let path = [folder, "/usr/bin".into(), "/bin".into()];
    let running = workspace.xtask(&["db-setup", "--server", "compose"]).path(path).start();
    eventually("the engine is asked", DEADLINE, || asked.exists().then_some(()));
    running.interrupt();
    running.wait().code(130).problem("interrupted");
    eventually("the stand-in has ended", DEADLINE, || process::in_folder("634567").is_empty().then_some(()));
}
