//! The choice of the provider: a running server is used, or a server is started. The output says why a provider was
//! skipped.

use crate::support::docker::Docker;
use crate::support::fixture::{LIBRARY_HISTORY, PASSWORD, ROLE};
use crate::support::listener::Listener;
use crate::support::{Server, Workspace, sql};

#[test]
fn no_provider_at_all() {
    let workspace = Workspace::generic().build();
    let empty = workspace.empty();
    let outcome = workspace.xtask(&["db-setup"]).path([&empty]).env("XTASK_PG_BINDIR", &empty).run().code(6);
    // The error lists each provider with the reason and a remedy.
    let port = workspace.port().to_string();
    outcome.mentions([port.as_str(), "docker", "XTASK_PG_BINDIR", "install"]);
}

#[test]
fn a_chosen_provider_never_falls_through() {
    let workspace = Workspace::generic().build();
    workspace.run(&["db-setup", "--server", "running", "--timeout", "2"]).code(6).says([workspace.port().to_string()]);
    workspace.run(&["db-setup", "--server", "compose", "--timeout", "2"]).code(6).mentions(["docker"]);
    let empty = workspace.empty();
    let local = workspace.xtask(&["db-setup", "--server", "local"]).env("XTASK_PG_BINDIR", &empty).path([&empty]);
    local.run().code(6).says(["XTASK_PG_BINDIR"]);
    assert!(sql::try_query(&workspace.login("postgres"), "SELECT ''").is_err(), "a server was started");
}

#[test]
fn a_running_server_is_preferred_to_starting_one() {
    let server = Server::start();
    let workspace = Workspace::generic().build();
    workspace.point_at(&server);
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2]);
    assert!(
        crate::support::process::in_folder(&workspace.base().display().to_string())
            .iter()
            .all(|line| { !line.contains("postgres -D") })
    );
}

#[test]
fn a_server_that_still_starts_up_is_waited_for() {
    let server = Server::start();
    let workspace = Workspace::generic().build();
    workspace.point_at(&server);
    let listener = Listener::starts_up(7, server.port);
    workspace.set_authority("127.0.0.1", listener.port, ROLE, PASSWORD);
    for arguments in [&["db-setup"][..], &["db-setup", "--server", "running"]] {
        workspace.run(arguments).code(0);
        server.assert_only(&["journal", "library"]);
        server.execute("postgres", "DROP DATABASE journal");
    }
    assert!(listener.connections() > 7);
}

#[test]
fn a_server_that_never_gets_ready_is_given_up_in_time() {
    let server = Server::start();
    let workspace = Workspace::generic().build();
    let listener = Listener::starts_up(usize::MAX, server.port);
    workspace.set_authority("127.0.0.1", listener.port, ROLE, PASSWORD);
    workspace.write_own_env();
    let outcome = workspace.run(&["db-setup", "--timeout", "1"]).code(6);
    outcome.says([listener.port.to_string().as_str(), "starting up"]);
}

/// Makes a checkout whose URLs point to a listener. Returns the text of its `.env.ci` too.
fn at(listener: &Listener) -> (Workspace, String) {
    let workspace = Workspace::generic().build();
    workspace.set_authority("127.0.0.1", listener.port, ROLE, PASSWORD);
    let contract = workspace.read(".env.ci");
    (workspace, contract)
}

/// An `.env` that the user has edited belongs to the user, so the run fails and shows the ways out.
fn taken_port_of_the_users_own_file(listener: &Listener) {
    let (workspace, _) = at(listener);
    let own = workspace.write_own_env();
    let outcome = workspace.run(&["db-setup", "--timeout", "1"]).code(6);
    outcome.problem("address-taken").says([listener.port.to_string()]);
    assert_eq!(workspace.read(".env"), own);
}

/// A new `.env` may get another port.
fn taken_port_of_a_new_file(listener: &Listener) {
    let (workspace, contract) = at(listener);
    // The private cluster may take as long to get ready as the listener may take to answer.
    workspace.run(&["db-setup", "--timeout", "3"]).code(0).says([listener.port.to_string()]);
    assert_eq!(workspace.read(".env.ci"), contract);
    assert_eq!(moved(&workspace, listener.port), contract);
    workspace.run(&["db-setup", "--timeout", "20"]).code(0);
    workspace.run(&["db-stop"]).code(0);
}

/// Returns the text of `.env` with its port replaced by `from`. Fails if its port is still `from`.
#[track_caller]
pub(crate) fn moved(workspace: &Workspace, from: u16) -> String {
    let text = workspace.read(".env");
    let url = text.lines().find_map(|line| line.strip_prefix("LIBRARY_URL=")).unwrap();
    let port: u16 = url::Url::parse(url.trim_matches('\'')).unwrap().port().unwrap();
    assert_ne!(port, from);
    text.replace(&format!(":{port}/"), &format!(":{from}/"))
}

/// A program that isn't PostgreSQL listens at the address. One is silent and the other one hangs up. The runs mostly wait,
/// so all of them are started at the same time.
#[test]
fn a_port_taken_by_another_program() {
    let listeners = [Listener::silent(), Listener::closes()];
    std::thread::scope(|scope| {
        for listener in &listeners {
            scope.spawn(|| taken_port_of_the_users_own_file(listener));
            scope.spawn(|| taken_port_of_a_new_file(listener));
        }
    });
}

#[test]
fn the_reason_for_skipping_compose_is_shown() {
    // There is neither docker nor docker-compose, so the next provider is used.
    let workspace = Workspace::generic().build();
    workspace.run(&["db-setup"]).code(0).mentions(["docker"]);
    workspace.run(&["db-stop"]).code(0);
}

#[test]
fn a_workspace_without_a_compose_file_needs_no_docker() {
    let workspace = Workspace::generic().build();
    workspace.remove("compose.yaml");
    workspace.run(&["db-setup", "--server", "compose"]).code(6).says(["git checkout -- compose.yaml"]);
    let run = workspace.xtask(&["db-setup"]);
    let run = if Docker::Plugin.missing().is_none() { Docker::Plugin.show(&workspace, run) } else { run };
    run.run().code(0);
    workspace.run(&["db-stop"]).code(0);
}

/// The providers local and compose start a server on this machine. They must not use a server on another machine, even
/// with `--allow-remote`.
#[test]
fn local_and_compose_refuse_a_remote_host() {
    let workspace = Workspace::generic().build();
    workspace.set_authority("192.0.2.1", 5432, ROLE, "unused");
    for provider in ["local", "compose"] {
        let outcome = workspace.run(&["db-setup", "--server", provider, "--allow-remote"]).code(6);
        outcome.problem("two-servers").says(["LIBRARY_URL", "192.0.2.1", "--server"]);
    }
}
