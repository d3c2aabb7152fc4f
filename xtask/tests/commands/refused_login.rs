//! A running server that refuses the login. What happens then depends on whether `.env` exists.

use crate::ladder::moved;
use crate::support::fixture::{PASSWORD, ROLE};
use crate::support::{Server, Workspace, set_up, sql};

/// Starts a server that has the role with another password, or that doesn't have the role.
fn refusing(role_exists: bool) -> (Server, Workspace) {
    let server = Server::start();
    let workspace = Workspace::generic().build();
    if role_exists {
        server.create_role(ROLE, "an0ther-Passw0rd", "CREATEDB");
    }
    workspace.set_authority("127.0.0.1", server.port, ROLE, PASSWORD);
    (server, workspace)
}

/// The user's own `.env` names the login. The run fails at once, whatever the timeout is, and shows both ways out.
fn is_an_error_for_the_users_own_file(role_exists: bool) {
    let (server, workspace) = refusing(role_exists);
    let own = workspace.write_own_env();
    let outcome = workspace.run(&["db-setup", "--timeout", "600"]).code(6);
    let statement = if role_exists { "ALTER ROLE" } else { "CREATE ROLE" };
    // The ways out are an SQL statement for that server, and another port.
    outcome
        .says([ROLE, &server.port.to_string()])
        .mentions_one_of(&[statement, "CREATE ROLE", "ALTER ROLE"])
        .mentions(["port"]);
    assert_eq!(workspace.read(".env"), own);
    server.assert_only(&[]);
}

/// The checkout has no `.env` yet. The server belongs to another project, so the new `.env` gets another port.
fn moves_a_new_file_to_a_port_of_its_own(role_exists: bool) {
    let (server, workspace) = refusing(role_exists);
    let contract = workspace.read(".env.ci");
    workspace.run(&["db-setup", "--timeout", "60"]).code(0).says([server.port.to_string()]);
    assert_eq!(moved(&workspace, server.port), contract);
    assert_eq!(workspace.read(".env.ci"), contract);
    server.assert_only(&[]);
    // The next run finds the cluster at the port in the file.
    let env = workspace.read(".env");
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(workspace.read(".env"), env);
    workspace.run(&["db-stop"]).code(0);
    server.assert_only(&[]);
}

#[test]
fn a_wrong_password_is_an_error_for_the_users_own_file() {
    is_an_error_for_the_users_own_file(true);
}

#[test]
fn a_missing_role_is_an_error_for_the_users_own_file() {
    is_an_error_for_the_users_own_file(false);
}

#[test]
fn a_wrong_password_moves_a_new_file() {
    moves_a_new_file_to_a_port_of_its_own(true);
}

#[test]
fn a_missing_role_moves_a_new_file() {
    moves_a_new_file_to_a_port_of_its_own(false);
}

#[test]
fn only_a_running_server_was_asked_for() {
    for role_exists in [true, false] {
        let (server, workspace) = refusing(role_exists);
        workspace.run(&["db-setup", "--server", "running", "--timeout", "600"]).code(6).says([ROLE]);
        server.assert_only(&[]);
    }
}

/// The statement in the message is a remedy, once the password is filled in.
#[test]
fn the_way_out_works() {
    let (server, workspace) = refusing(false);
    workspace.write_own_env();
    workspace.run(&["db-setup"]).code(6).mentions(["CREATE ROLE"]);
    server.create_role(ROLE, PASSWORD, "CREATEDB");
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(sql::databases(&workspace.login("postgres")), ["journal", "library"]);
}

/// A database that nobody may connect to, and one that this role may not. The statements in the messages are the way out.
#[test]
fn the_way_into_a_closed_database_works() {
    let (server, workspace) = set_up();
    let grant = format!("GRANT CONNECT ON DATABASE \"library\" TO \"{ROLE}\";");
    let allow = "ALTER DATABASE \"library\" ALLOW_CONNECTIONS true;";
    let closed = [
        ("ALTER DATABASE library ALLOW_CONNECTIONS false".to_owned(), allow),
        (format!("REVOKE CONNECT ON DATABASE library FROM PUBLIC, {ROLE}"), grant.as_str()),
    ];
    for (close, way_in) in closed {
        server.execute("postgres", &close);
        workspace.run(&["db-verify"]).code(6).says(["library (127.0.0.1:", "psql -h 127.0.0.1", way_in]);
        server.execute("postgres", way_in);
        workspace.run(&["db-verify"]).code(0);
    }
}

/// The URLs name two roles. The server wasn't started by xtask, and doesn't have the second role.
#[test]
fn the_second_role_is_missing() {
    let server = Server::start();
    let workspace = Workspace::generic().build();
    workspace.point_at(&server);
    let contract = workspace.read(".env.ci");
    let journal = format!("JOURNAL_URL=postgres://{ROLE}:");
    workspace.write(".env", contract.replace(&journal, "JOURNAL_URL=postgres://stranger:"));
    workspace.run(&["db-setup", "--timeout", "600"]).code(6).says(["stranger"]).mentions(["CREATE ROLE"]);
}
