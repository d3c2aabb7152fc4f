//! `db-status`, against each state of a server.

use serde_json::Value;

use crate::db_status::{database, state, writes_nothing};
use crate::support::fixture::{PASSWORD, ROLE};
use crate::support::listener::Listener;
use crate::support::stand_in_docker::StandInDocker;
use crate::support::{Server, Workspace, set_up, template};

#[test]
fn a_server_that_is_stopped() {
    let (mut server, workspace) = set_up();
    workspace.run(&["db-setup"]).code(0);
    server.stop();
    let outcome = workspace.run(&["db-status"]).code(6).problem("data-server-stopped");
    outcome.says([format!("Start the server at 127.0.0.1:{}", workspace.port())]);
    let brief = workspace.run(&["db-status", "--brief"]).code(6);
    assert_eq!(brief.text().trim(), "");
    // Nobody knows of any.
    workspace.remove(".xtask/server");
    workspace.run(&["db-status"]).code(6).problem("database-unreachable").says(["nothing listens", "db-setup"]);

    // One that db-setup has started tells where the data is.
    let workspace = Workspace::generic().filled_cache().build();
    workspace.run(&["db-setup"]).code(0);
    let running = state(&workspace, 0);
    assert_eq!(running["servers"][0]["provider"], "local");
    let data = running["servers"][0]["data"].as_str().unwrap().to_owned();
    assert!(std::path::Path::new(&data).join("data/PG_VERSION").exists(), "{data}");
    workspace.run(&["db-stop"]).code(0);
    let files = workspace.files_with_state();
    let stopped = state(&workspace, 6);
    assert_eq!(
        (&stopped["servers"][0]["data"], &stopped["servers"][0]["answers"]),
        (&data.clone().into(), &false.into())
    );
    workspace
        .run(&["db-status"])
        .code(6)
        .problem("data-server-stopped")
        .says([data.as_str(), "Start it: cargo xtask db-setup"]);
    assert_eq!(workspace.files_with_state(), files);
}

#[test]
fn a_login_that_is_refused() {
    let (_server, workspace) = set_up();
    let text = workspace.read(".env").replace(PASSWORD, "an0ther-one");
    workspace.write(".env", text);
    workspace.add_secret("an0ther-one");
    let outcome = workspace.run(&["db-status"]).code(6).problem("database-unreachable");
    outcome.says(["password authentication failed", "LIBRARY_URL", "JOURNAL_URL"]);
    assert_eq!(database(&state(&workspace, 6), "library")["exists"], Value::Null);
    assert_eq!(workspace.run(&["db-status", "--brief"]).code(6).text().trim(), "");
    // A command that can't even begin says why.
    workspace.write(".env", "LIBRARY_URL=mysql://me@localhost/library\n");
    workspace.run(&["db-status"]).code(1).problem("env-missing").problem("url-unusable");
}

/// Something that accepts connections and says nothing. A hook of git waits for it no longer than a moment.
#[test]
fn a_server_that_is_silent() {
    let (_server, workspace) = set_up();
    let listener = Listener::silent();
    let text = workspace.read(".env").replace(&workspace.port().to_string(), &listener.port.to_string());
    workspace.write(".env", text);
    assert_eq!(workspace.run(&["db-status", "--brief"]).code(6).text().trim(), "");
}

/// Docker takes longer to answer than all the rest, so it isn't asked.
#[test]
fn a_container() {
    let workspace = Workspace::generic().build();
    let docker = StandInDocker::new(&workspace, "nothing");
    docker.run(&["db-setup", "--server", "compose"]).code(0);
    let before = docker.asked("");
    let running = state(&workspace, 0);
    assert_eq!(running["servers"][0]["provider"], "compose");
    let volume = running["servers"][0]["data"].as_str().unwrap().to_owned();
    assert!(volume.starts_with("the volume ") && volume.ends_with("_data"), "{volume}");
    docker.run(&["db-status"]).code(0).says(["in a container"]);
    assert_eq!(docker.asked(""), before);
    docker.run(&["db-stop"]).code(0);
    docker.run(&["db-status"]).code(6).problem("data-server-stopped").says([volume.as_str(), "cargo xtask db-setup"]);
}

#[test]
fn two_servers() {
    let (server, workspace) = set_up();
    let other = Server::start();
    other.create_role(ROLE, PASSWORD, "CREATEDB");
    let text = workspace.read(".env");
    let journal = text.lines().find(|line| line.starts_with("JOURNAL_URL=")).unwrap();
    let moved = journal.replace(&server.port.to_string(), &other.port.to_string());
    workspace.write(".env", text.replace(journal, &moved));
    workspace.run(&["db-setup"]).code(0);
    writes_nothing(&other, &workspace);
    let state = state(&workspace, 0);
    let addresses: Vec<_> = state["servers"].as_array().unwrap().iter().map(|one| one["address"].clone()).collect();
    let expected = [other.port, server.port].map(|port| Value::from(format!("127.0.0.1:{port}")));
    assert_eq!(addresses, expected);
}

/// A host that isn't this machine is only read. This one doesn't exist.
#[test]
fn a_remote_host() {
    let (_server, workspace) = set_up();
    let text = workspace.read(".env").replace("127.0.0.1", "db.example.invalid");
    workspace.write(".env", text);
    workspace.run(&["db-status"]).code(6).problem("database-unreachable").says(["db.example.invalid"]);
}

/// A standby, a role that may only read, and a pooler are read like any other server.
#[test]
fn servers_that_can_only_be_read() {
    let (server, workspace) = template::SET_UP.start_as(Server::start_standby);
    writes_nothing(&server, &workspace);
    state(&workspace, 0);

    let (server, workspace) = set_up();
    server.execute("postgres", &format!("ALTER ROLE {ROLE} SET default_transaction_read_only = on"));
    state(&workspace, 0);
    server.execute("postgres", &format!("ALTER ROLE {ROLE} RESET default_transaction_read_only"));
    server.execute(
        "library",
        "REVOKE ALL ON _sqlx.migrations FROM PUBLIC; ALTER TABLE _sqlx.migrations OWNER TO test_admin",
    );
    workspace.run(&["db-status"]).code(1).problem("history-unreadable").says(["permission denied"]);
}
