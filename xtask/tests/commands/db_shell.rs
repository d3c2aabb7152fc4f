//! `db-shell` and `db-url`: the way into a database for people and for other programs.

use std::path::PathBuf;

use crate::compose::needs;
use crate::support::docker::{Docker, make_quick};
use crate::support::fixture::{PASSWORD, ROLE};
use crate::support::run::Invocation;
use crate::support::server::binaries;
use crate::support::stand_in_docker::StandInDocker;
use crate::support::{DEADLINE, Server, Workspace, eventually, set_mode, set_up, skip, sql};

/// A role with a password that is special in URLs, in shells and in SQL.
const NAME: &str = "ann o'hara";
const SPECIAL: &str = "p@ss:w/rd ?#%41'\"$x";
const ENCODED: &str = "ann%20o%27hara:p%40ss%3Aw%2Frd%20%3F%23%2541%27%22%24x";

/// Lets library's URL name that role, with these options.
fn special(server: &Server, workspace: &Workspace, options: &str) {
    server.create_role(NAME, SPECIAL, "");
    let url = format!("LIBRARY_URL='postgres://{ENCODED}@127.0.0.1:{}/library{options}'\n", server.port);
    let others =
        workspace.read(".env").lines().filter(|line| !line.starts_with("LIBRARY_URL=")).collect::<Vec<_>>().join("\n");
    workspace.write(".env", format!("{url}{others}\n"));
}

/// A folder with the programs of a server, and without psql.
fn without_psql(workspace: &Workspace) -> PathBuf {
    workspace.base().join("bin")
}

#[test]
fn psql_gets_what_the_url_says_and_nothing_else() {
    let (server, workspace) = set_up();
    workspace.add_secret(SPECIAL);
    special(&server, &workspace, "?sslmode=disable&options=-c%20statement_timeout%3D54321");
    let select = "SELECT current_user, current_database(), current_setting('statement_timeout')";
    let mut run = workspace.xtask(&["db-shell", "library", "--", "-AtXc", select]);
    // The URL has the last word.
    for (name, value) in [
        ("PGHOST", "10.0.0.1"),
        ("PGHOSTADDR", "10.0.0.1"),
        ("PGPORT", "1"),
        ("PGUSER", "nobody"),
        ("PGDATABASE", "nothing"),
        ("PGPASSWORD", "wrong"),
        ("PGSERVICE", "none"),
        ("PGSSLMODE", "prefer"),
        ("PGTARGETSESSIONATTRS", "standby"),
    ] {
        run = run.env(name, value);
    }
    let outcome = run.run().code(0);
    assert_eq!(outcome.stdout, "ann o'hara|library|54321ms\n");
    assert_eq!(outcome.stderr, "");

    // Without a name, it is the first database.
    let first = workspace.run(&["db-shell", "--", "-AtXc", "SELECT current_database()"]).code(0);
    assert_eq!(first.stdout, "journal\n");
    // The exit code is psql's own.
    workspace.run(&["db-shell", "--", "-Xc", "SELECT missing"]).code(1);
    workspace.run(&["db-shell", "--", "-X", "-v", "ON_ERROR_STOP=1", "-f", "/dev/null"]).code(0);
    workspace.run(&["db-shell", "--", "--no-such-option"]).code(1);
}

/// A URL without a password logs in without one, whatever `~/.pgpass` has.
#[test]
fn a_password_that_the_url_does_not_have() {
    let (server, workspace) = set_up();
    let pgpass = workspace.home().join(".pgpass");
    std::fs::write(&pgpass, format!("*:*:*:*:{PASSWORD}\n")).unwrap();
    set_mode(&pgpass, 0o600);
    let url = format!("postgres://{ROLE}@127.0.0.1:{}/library", server.port);
    let run = workspace.xtask(&["db-shell", "library", "--", "-wXc", "SELECT 1"]).env("LIBRARY_URL", url);
    run.run().code(2).says(["no password supplied"]);
}

/// Names that SQL, a shell and a URL have to quote, as long as PostgreSQL keeps them.
#[test]
fn a_database_with_a_special_name() {
    let (server, workspace) = set_up();
    let name = format!("a \"b' c/d--{}", "é".repeat(26));
    assert_eq!(name.len(), 63);
    server.execute("postgres", &format!("ALTER DATABASE library RENAME TO {}", sql::identifier(&name)));
    let encoded: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    let encoded = encoded.replace('+', "%20");
    workspace.write(".env", workspace.read(".env").replace("/library", &format!("/{encoded}")));
    let shell = workspace.run(&["db-shell", "library", "--", "-AtXc", "SELECT current_database()"]).code(0);
    assert_eq!(shell.stdout.trim(), name);
    workspace.run(&["db-status"]).code(0).says([format!("library: {name}, ").as_str(), "proven (2 tables)"]);
    workspace.run(&["db-url", "library"]).code(0).says([encoded]);
}

/// A password on a command line would be everybody's to read.
#[test]
fn the_password_is_in_the_environment_of_psql_alone() {
    let (_server, workspace) = set_up();
    let script = "#!/bin/sh\necho \"$# $1\"; cat /proc/$$/cmdline | tr '\\0' ' '; echo; [ -n \"$PGPASSWORD\" ] && echo has one\n";
    let folder = workspace.add_program("psql", "psql", script);
    let path = [folder, PathBuf::from("/usr/bin"), PathBuf::from("/bin")];
    let outcome = workspace.xtask(&["db-shell", "library", "--", "two words"]).path(path).run().code(0);
    outcome.says(["1 two words", "has one"]).lacks([PASSWORD]);
}

#[test]
fn control_c_belongs_to_psql() {
    let (server, workspace) = set_up();
    let run = workspace.xtask(&["db-shell", "library", "--", "-Xc", "SELECT pg_sleep(600)"]).start();
    let sleeping = || {
        let query =
            "SELECT pid::text FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(600)%' AND state = 'active'";
        !server.query("postgres", query).is_empty()
    };
    eventually("psql runs the statement", DEADLINE, || sleeping().then_some(()));
    run.interrupt();
    // psql cancels its statement on the server.
    run.wait().code(1).says(["canceling statement due to user request"]);
    assert!(!sleeping());
}

#[test]
fn without_psql_anywhere() {
    let (_server, workspace) = set_up();
    let folder = without_psql(&workspace);
    let outcome = workspace.xtask(&["db-shell"]).env("XTASK_PG_BINDIR", &folder).run().code(1).problem("no-psql");
    outcome.says(["Install it: "]);
    // It is found where the cluster's own programs are.
    workspace.xtask(&["db-shell", "--", "--version"]).env("XTASK_PG_BINDIR", binaries()).run().code(0);
}

#[test]
fn databases_that_cannot_be_opened() {
    let (_server, workspace) = set_up();
    workspace.run(&["db-shell", "libary"]).code(2).problem("unknown-database").says(["journal, library"]);
    workspace.run(&["db-url", "libary"]).code(2).problem("unknown-database");
    let text = workspace.read(".env");
    workspace.write(".env", text.replace("127.0.0.1", "db.example.invalid"));
    let remote = workspace.run(&["db-shell", "library"]).code(6).problem("remote-host");
    remote.says(["cargo xtask db-shell --allow-remote library"]);
    workspace.run(&["db-shell", "--allow-remote", "library"]).code(2).says(["psql: error", "db.example.invalid"]);
    workspace.remove(".env");
    for command in [&["db-shell"][..], &["db-url", "library"]] {
        workspace.run(command).code(6).problem("no-env").says(["cargo xtask db-setup"]);
    }
}

/// The container has a psql, and this machine has none.
#[test]
fn psql_of_the_container() {
    let workspace = Workspace::generic().build();
    let docker = StandInDocker::new(&workspace, "nothing");
    docker.run(&["db-setup", "--server", "compose"]).code(0);
    let shell = workspace.xtask(&["db-shell", "--", "--version"]).env("XTASK_PG_BINDIR", without_psql(&workspace));
    docker.show(shell).run().code(0).says(["psql (PostgreSQL)"]);
    docker.run(&["db-stop"]).code(0);
    let shell = || docker.show(workspace.xtask(&["db-shell"]).env("XTASK_PG_BINDIR", without_psql(&workspace)));
    shell().run().code(1).problem("no-psql").says(["start the container, which has one: cargo xtask db-setup"]);
    // The URL leads to another machine, whose databases aren't in the container.
    let elsewhere = workspace.read(".env").replace("127.0.0.1", "db.example.invalid");
    workspace.write(".env", elsewhere);
    let remote = workspace.xtask(&["db-shell", "--allow-remote"]).env("XTASK_PG_BINDIR", without_psql(&workspace));
    docker.show(remote).run().code(1).problem("no-psql").lacks(["container"]);
}

#[test]
fn psql_of_a_real_container() {
    needs!(Docker::Plugin);
    let workspace = Workspace::generic().build();
    make_quick(&workspace);
    fn show<'w>(workspace: &Workspace, run: Invocation<'w>) -> Invocation<'w> {
        Docker::Plugin.show(workspace, run).without("psql").env("XTASK_PG_BINDIR", without_psql(workspace))
    }
    show(&workspace, workspace.xtask(&["db-setup", "--server", "compose"])).run().code(0);
    let select = "SELECT current_user || ' ' || current_database() || ' ' || count(*) FROM books";
    let shell = workspace.xtask(&["db-shell", "library", "--", "-AtXc", select]);
    let outcome = show(&workspace, shell).run().code(0);
    assert_eq!(outcome.stdout, format!("{ROLE} library 0\n"));
    let wrong = workspace.xtask(&["db-shell", "--", "-Xc", "SELECT missing"]);
    show(&workspace, wrong).run().code(1);
    show(&workspace, workspace.xtask(&["db-stop"])).run().code(0);
}

#[test]
fn the_url_of_a_database() {
    let (server, workspace) = set_up();
    special(&server, &workspace, "?sslmode=disable");
    let url = workspace.run(&["db-url", "library"]).code(0);
    assert_eq!(url.stdout, format!("postgres://ann%20o%27hara@127.0.0.1:{}/library?sslmode=disable\n", server.port));
    assert_eq!(url.stderr, "");
    // The password is shown only to those who ask for it.
    let whole = workspace.run(&["db-url", "library", "--with-password"]).code(0);
    assert_eq!(whole.stderr, "");
    let options = whole.stdout.trim().parse().unwrap();
    assert_eq!(sql::query(&options, "SELECT current_user::text"), [NAME]);
    let events = workspace.run(&["db-url", "library", "--format", "json"]).code(0).events();
    assert_eq!((&events[0]["event"], &events[0]["url"]), (&"url".into(), &url.stdout.trim().into()));
    assert_eq!(events[1]["event"], "finished");
}
