//! What a database's URL says is all that counts, and nothing of its password is shown.

use crate::support::fixture::{LIBRARY_HISTORY, PASSWORD, ROLE};
use crate::support::{Workspace, server_and_workspace, set_mode, set_up, sql};

/// An unencoded character ends the host early, and what is left of the password would pass for a database's name.
#[test]
fn no_part_of_a_password_is_shown() {
    let (server, workspace) = set_up();
    workspace.add_secret("half-of-it");
    for (url, expected) in [
        (
            format!("postgres://{ROLE}:2024/half-of-it@localhost:5432/library"),
            "has a special character that is not percent-encoded",
        ),
        (
            format!("postgres://{ROLE}:2024#half-of-it@localhost:5432/library"),
            "has a special character that is not percent-encoded",
        ),
        (
            format!("postgres://{ROLE}:2024?half-of-it@localhost:5432/library"),
            "has a special character that is not percent-encoded",
        ),
        (format!("postgres://{ROLE}:half-of-it@127.0.0.1:half-of-it/library"), "(invalid port number)"),
        (format!("postgres://{ROLE}:half-of-it@localhost/library?sslmode=require"), "asks for TLS"),
    ] {
        for command in ["db-verify", "db-setup"] {
            for format in ["plain", "json"] {
                let run = workspace.xtask(&[command, "--format", format]).env("LIBRARY_URL", &url).run();
                run.code(1).says(["LIBRARY_URL ", expected]);
            }
        }
    }
    server.assert_only(&["journal", "library"]);
}

/// The driver would take what a URL doesn't say from libpq's variables and from `~/.pgpass`.
#[test]
fn what_a_url_does_not_say_comes_from_nowhere_else() {
    let (server, workspace) = set_up();
    let authority = workspace.authority();
    for (url, variable, value, expected) in [
        (format!("postgres://{authority}"), "PGDATABASE", "library", "names no database"),
        (format!("postgres://127.0.0.1:{}/library", server.port), "PGUSER", ROLE, "names no user"),
        (format!("postgres:///library?user={ROLE}&password={PASSWORD}"), "PGHOST", "127.0.0.1", "names no host"),
    ] {
        for command in ["db-verify", "db-setup"] {
            let run = workspace.xtask(&[command]).env("LIBRARY_URL", &url).env(variable, value).run();
            run.code(1).says([format!("LIBRARY_URL {expected}")]);
        }
    }

    // A password that stands elsewhere is not this URL's.
    let pgpass = workspace.home().join(".pgpass");
    std::fs::write(&pgpass, format!("*:*:*:*:{PASSWORD}\n")).unwrap();
    set_mode(&pgpass, 0o600);
    let without = format!("postgres://{ROLE}@127.0.0.1:{}/library", server.port);
    let run = workspace.xtask(&["db-verify"]).env("LIBRARY_URL", without).env("PGPASSWORD", PASSWORD).run();
    run.code(6).says(["password authentication failed"]);
    server.assert_only(&["journal", "library"]);
}

/// Settings that every session would have, `search_path` among them.
#[test]
fn settings_of_the_environment_for_every_session_are_refused() {
    let (server, workspace) = server_and_workspace();
    let run = workspace.xtask(&["db-setup"]).env("PGOPTIONS", "-c search_path=elsewhere").run();
    run.code(1).says(["LIBRARY_URL can't be used while PGOPTIONS is set", "unset PGOPTIONS"]);
    server.assert_only(&[]);
}

/// The checkout's own cluster is started and asked in the same way.
#[test]
fn the_environment_leads_nowhere_else() {
    let workspace = Workspace::generic().build();
    let variables = [
        ("PGHOST", "db.example.com"),
        ("PGHOSTADDR", "192.0.2.1"),
        ("PGPORT", "1"),
        ("PGUSER", "stranger"),
        ("PGPASSWORD", "another"),
        ("PGDATABASE", "elsewhere"),
        ("PGSSLMODE", "verify-full"),
    ];
    for command in ["db-setup", "db-verify", "db-setup"] {
        let run = workspace.xtask(&[command]);
        variables.iter().fold(run, |run, (name, value)| run.env(name, value)).run().code(0);
    }
    assert_eq!(sql::databases(&workspace.login("postgres")), ["journal", "library"]);
    assert_eq!(sql::applied(&workspace.login("library"), LIBRARY_HISTORY), [1, 2]);
    workspace.run(&["db-stop"]).code(0);
}
