//! Addresses and listeners that are not what they seem. Each is recognised at once, with the way out.

use crate::local::pid_files;
use crate::support::fixture::{PASSWORD, ROLE};
use crate::support::listener::Listener;
use crate::support::stand_in_docker::StandInDocker;
use crate::support::{DEADLINE, Server, Workspace, eventually, sql};

/// URLs that no server of ours could serve are refused before anything is made.
#[test]
fn one_role_with_two_passwords() {
    let workspace = Workspace::generic().build();
    let contract = workspace.read(".env.ci");
    workspace.add_secret("0therS3cret");
    let changed = contract.replacen(PASSWORD, "0therS3cret", 1);
    assert_ne!(changed, contract);
    workspace.write(".env.ci", changed);
    let outcome = workspace.run(&["db-setup"]).code(1).problem("two-passwords");
    outcome.says(["two passwords", "LIBRARY_URL", "JOURNAL_URL"]);
    assert!(!workspace.root().join(".env").exists() && pid_files(&workspace).is_empty());
}

/// A container's port is open at 127.0.0.1 only. A private cluster listens where the URL says.
#[test]
fn other_addresses_of_this_machine() {
    for host in ["127.0.0.2", "::1"] {
        if host == "::1" && std::net::TcpListener::bind("[::1]:0").is_err() {
            continue;
        }
        let workspace = Workspace::generic().build();
        let contract = workspace.read(".env.ci");
        let at = format!("@127.0.0.1:{}/", workspace.port());
        let lines = contract.lines().map(|line| match line.split_once(&at) {
            Some((user, database)) => format!("{user}{at}{database}?host={host}\n"),
            None => format!("{line}\n"),
        });
        workspace.write(".env.ci", lines.collect::<String>());
        let docker = StandInDocker::new(&workspace, "nothing");
        docker.run(&["db-setup", "--server", "compose"]).code(6).says(["127.0.0.1", "_URL"]);
        assert!(docker.asked(" up ").is_empty());
        docker.run(&["db-setup"]).code(0).says(["private cluster"]);
        docker.run(&["db-setup"]).code(0);
        docker.run(&["db-stop"]).code(0);
    }
}

/// The driver never reaches an address in brackets. So it is refused before a server is started for it.
#[test]
fn an_address_in_brackets() {
    let workspace = Workspace::generic().build();
    workspace.set_authority("[::1]", workspace.port(), ROLE, PASSWORD);
    workspace.run(&["db-setup"]).code(1).says(["in brackets", "localhost", "?host=::1"]);
    assert!(!workspace.root().join(".env").exists() && pid_files(&workspace).is_empty());
}

/// A web server waits for more words than PostgreSQL's protocol has, so it would be waited for as well.
#[test]
fn a_web_server_at_the_address() {
    let listener = Listener::web_server();
    let workspace = Workspace::generic().build();
    workspace.set_authority("127.0.0.1", listener.port, ROLE, PASSWORD);
    workspace.write_own_env();
    let outcome = workspace.run(&["db-setup", "--timeout", "600"]).code(6);
    outcome.says(["web server", &listener.port.to_string()]);
}

/// The server takes this login only over TLS, which isn't a wrong password.
#[test]
fn a_server_that_asks_for_tls() {
    let server = Server::start();
    let workspace = Workspace::generic().build();
    workspace.point_at(&server);
    let rules = server.folder().join("pg_hba.conf");
    let admin = std::fs::read_to_string(&rules).unwrap().lines().next().unwrap().to_owned();
    std::fs::write(&rules, format!("{admin}\nhostssl all all 127.0.0.1/32 scram-sha-256\n")).unwrap();
    server.execute("postgres", "SELECT pg_reload_conf()");
    eventually("the rules are read", DEADLINE, || {
        sql::try_query(&workspace.login("postgres"), "SELECT ''").is_err().then_some(())
    });
    workspace.write_own_env();
    let outcome = workspace.run(&["db-setup"]).code(6);
    outcome.says(["pg_hba.conf", "hostssl"]).lacks(["has another password"]);
}

/// podman's `docker` isn't an engine that doesn't run.
#[test]
fn podman_in_the_place_of_docker() {
    let workspace = Workspace::generic().build();
    let script = "#!/bin/sh\n\
        echo 'Emulate Docker CLI using podman. Create /etc/containers/nodocker to quiet msg.' >&2\n\
        case $1 in\n\
        --version) echo 'podman version 4.3.1' ;;\n\
        compose) echo 'Error: unrecognized command `podman compose`' >&2; exit 125 ;;\n\
        image) echo 'Error: inspecting object: no such image' >&2; exit 125 ;;\n\
        *) exit 125 ;;\nesac\n";
    let folder = workspace.add_program("podman", "docker", script);
    let run = workspace.xtask(&["db-setup", "--server", "compose"]).path([folder, workspace.base().join("bin")]);
    run.run().code(6).says(["podman", "DOCKER_HOST"]);
}
