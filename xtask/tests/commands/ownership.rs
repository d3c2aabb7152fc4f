//! Whose server it is, and whose data. A checkout finds its own server and no other one, and its data never changes its
//! provider silently.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;

use crate::ladder::moved;
use crate::local::pid_files;
use crate::support::docker::{Docker, containers, make_quick};
use crate::support::fixture::{LIBRARY_HISTORY, PASSWORD, ROLE};
use crate::support::listener::Listener;
use crate::support::stand_in_docker::StandInDocker;
use crate::support::{Server, Workspace, set_up, skip, sql};

/// Adds a row that only this checkout has.
pub(crate) fn leave_a_mark(workspace: &Workspace, mark: &str) {
    sql::execute(&workspace.login("library"), &format!("INSERT INTO authors (name) VALUES ('{mark}')"));
}

pub(crate) fn marks(workspace: &Workspace) -> Vec<String> {
    sql::query(&workspace.login("library"), "SELECT name FROM authors ORDER BY 1")
}

/// Returns the folder that the server at the checkout's URLs serves.
pub(crate) fn folder_of_server(workspace: &Workspace) -> PathBuf {
    pid_files(workspace)[0].parent().unwrap().to_owned()
}

/// The port of the URLs in `.env`.
fn chosen_port(workspace: &Workspace) -> u16 {
    let text = workspace.read(".env");
    let url = text.lines().find_map(|line| line.strip_prefix("LIBRARY_URL=")).unwrap().trim_matches('\'');
    url::Url::parse(url).unwrap().port().unwrap()
}

/// Two checkouts begin with nothing, at the same time, with one port. Each gets a server of its own.
#[test]
fn two_checkouts_from_nothing_with_one_port() {
    let (first, second) = (Workspace::generic().build(), Workspace::generic().build());
    second.write(".env.ci", first.read(".env.ci"));
    let both = [&first, &second];
    let runs = both.map(|workspace| workspace.xtask(&["db-setup", "--server", "local"]).start());
    for run in runs {
        run.wait().code(0);
    }
    assert_ne!(chosen_port(&first), chosen_port(&second));
    for workspace in both {
        let login = sql::options("127.0.0.1", chosen_port(workspace), ROLE, PASSWORD, "library");
        assert_eq!(sql::applied(&login, LIBRARY_HISTORY), [1, 2]);
        let text = std::fs::read_to_string(folder_of_server(workspace).join("postmaster.pid")).unwrap();
        assert_eq!(text.lines().nth(3).unwrap(), chosen_port(workspace).to_string());
    }
    for workspace in both {
        workspace.run(&["db-stop"]).code(0);
    }
}

/// The container has the data, and Docker is away for a moment.
#[test]
fn docker_is_away_for_a_moment() {
    let workspace = Workspace::generic().build();
    let docker = StandInDocker::new(&workspace, "nothing");
    docker.run(&["db-setup"]).code(0).says(["in a container"]);
    docker.run(&["db-stop"]).code(0);
    docker.is_now("engine-off");
    let volume = format!("{}_data", project(&workspace));
    docker.run(&["db-setup"]).code(6).says([volume.as_str(), "isn't running", "--server local", "nothing was changed"]);
    docker.run(&["db-setup", "--dry-run"]).code(6).says([volume.as_str(), "--server local"]);
    assert!(pid_files(&workspace).is_empty());
    // A choice that fails isn't recorded.
    let empty = workspace.empty();
    let failing = workspace.xtask(&["db-setup", "--server", "local"]).env("XTASK_PG_BINDIR", &empty);
    docker.show(failing).run().code(6);
    docker.is_now("nothing");
    docker.run(&["db-setup"]).code(0).says(["in a container"]);
    docker.run(&["db-stop"]).code(0);

    // The user begins anew elsewhere, on purpose, and comes back.
    docker.run(&["db-setup", "--server", "local"]).code(0).says([volume.as_str(), "--server compose"]);
    leave_a_mark(&workspace, "local");
    docker.run(&["db-stop"]).code(0);
    docker.run(&["db-setup"]).code(0).says(["private cluster"]);
    assert_eq!(marks(&workspace), ["local"]);
    docker.run(&["db-stop"]).code(0);
    docker.is_now("nothing");
    docker.run(&["db-setup", "--server", "compose"]).code(0).says([".xtask/postgres", "--server local"]);
    docker.run(&["db-stop"]).code(0);
}

/// The compose project in the checkout's record.
fn project(workspace: &Workspace) -> String {
    let record = workspace.read(".xtask/server");
    record.lines().find_map(|line| line.strip_prefix("compose=")).unwrap().to_owned()
}

/// The private cluster has the data, and the binaries are away.
#[test]
fn the_binaries_are_away_for_a_moment() {
    let workspace = Workspace::generic().build();
    let docker = StandInDocker::new(&workspace, "engine-off");
    docker.run(&["db-setup"]).code(0).says(["private cluster"]);
    leave_a_mark(&workspace, "kept");
    docker.run(&["db-stop"]).code(0);
    docker.is_now("nothing");
    let empty = workspace.empty();
    let away = docker.show(workspace.xtask(&["db-setup"])).env("XTASK_PG_BINDIR", &empty).run().code(6);
    away.says([".xtask/postgres", "XTASK_PG_BINDIR", "--server compose"]);
    assert!(docker.asked(" up ").is_empty());
    docker.run(&["db-setup"]).code(0);
    assert_eq!(marks(&workspace), ["kept"]);
    docker.run(&["db-stop"]).code(0);
}

/// The databases are on a server that somebody else started, and that is stopped.
#[test]
fn a_server_of_the_users_is_stopped() {
    let mut server = Server::start();
    let workspace = Workspace::generic().build();
    workspace.point_at(&server);
    workspace.run(&["db-setup"]).code(0);
    server.stop();
    let address = format!("127.0.0.1:{}", workspace.port());
    let stopped = workspace.run(&["db-setup"]).code(6).problem("data-server-stopped");
    stopped.says([address.as_str(), "--server local", "--server compose"]);
    assert!(pid_files(&workspace).is_empty());
    workspace.run(&["db-setup", "--server", "local"]).code(0);
    workspace.run(&["db-stop"]).code(0);
}

/// The databases were there already, so the first run had nothing to do. Then their server is stopped.
#[test]
fn a_server_whose_databases_were_ready_is_stopped() {
    let (mut server, workspace) = set_up();
    workspace.remove(".xtask/server");
    workspace.run(&["db-setup"]).code(0).says(["nothing to do"]);
    server.stop();
    workspace.run(&["db-setup"]).code(6).problem("data-server-stopped");
    assert!(pid_files(&workspace).is_empty());
}

/// Another server answers at the URLs' address while the one with the data is stopped.
#[test]
fn a_stranger_at_the_address() {
    let workspace = Workspace::generic().build();
    workspace.run(&["db-setup"]).code(0);
    leave_a_mark(&workspace, "kept");
    workspace.run(&["db-stop"]).code(0);
    let stranger = Server::start_at(workspace.port()).unwrap();
    stranger.create_role(ROLE, PASSWORD, "CREATEDB");
    workspace.run(&["db-setup"]).code(6).says([".xtask/postgres", "library", "--server running"]);
    stranger.assert_only(&[]);
    workspace.run(&["db-setup", "--server", "running"]).code(0);
    stranger.assert_only(&["journal", "library"]);
}

/// The user moves the checkout. Its container and its volume stay its own, and compose finds them there.
#[test]
fn a_checkout_that_is_moved_keeps_its_container() {
    if let Some(missing) = Docker::Plugin.missing() {
        skip!("{missing}");
    }
    let workspace = Workspace::generic().build();
    make_quick(&workspace);
    let run = |arguments: &[&str]| Docker::Plugin.show(&workspace, workspace.xtask(arguments)).run();
    run(&["db-setup", "--server", "compose"]).code(0);
    leave_a_mark(&workspace, "kept");
    let before = containers(&workspace);
    let (home, away) =
        (workspace.root().to_owned(), workspace.root().with_file_name(format!("moved-{}", workspace.suffix())));
    std::fs::rename(&home, &away).unwrap();
    let there = |arguments: &[&str]| Docker::Plugin.show(&workspace, workspace.xtask(arguments).directory(&away)).run();
    there(&["db-stop"]).code(0).says(["container is stopped"]);
    there(&["db-setup"]).code(0);
    assert_eq!(marks(&workspace), ["kept"]);

    // The user's own commands find the same container, and change nothing about it.
    let by_hand = |arguments: &[&str]| {
        let output = Command::new("docker").arg("compose").args(arguments).current_dir(&away).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let id = before[0].split(' ').next().unwrap();
    assert!(by_hand(&["ps", "-q", "--no-trunc"]).trim().starts_with(id.trim()), "{before:?}");
    assert!(by_hand(&["logs"]).contains("database system is ready"));
    let select = "SELECT name FROM authors";
    assert!(
        by_hand(&["exec", "-T", "db", "psql", "-h", "127.0.0.1", "-d", "library", "-Atc", select]).contains("kept")
    );
    by_hand(&["up", "-d"]);
    assert!(by_hand(&["ps", "-q", "--no-trunc"]).trim().starts_with(id.trim()), "`up` made another container");
    // A paused container accepts connections and sends nothing.
    assert!(Command::new("docker").args(["pause", id]).output().unwrap().status.success());
    there(&["db-setup", "--timeout", "10"]).code(0).lacks(["isn't this checkout's"]);
    assert!(by_hand(&["ps", "-q", "--no-trunc"]).trim().starts_with(id.trim()), "the paused container was replaced");
    assert_eq!(std::fs::metadata(away.join("compose.override.yaml")).unwrap().mode() & 0o777, 0o600);
    by_hand(&["down"]);
    there(&["db-setup"]).code(0);
    assert_eq!(marks(&workspace), ["kept"]);
    there(&["db-stop"]).code(0);
    std::fs::rename(&away, &home).unwrap();
}

/// A compose.override.yaml of the user's is left alone.
#[test]
fn an_override_file_of_the_users() {
    if let Some(missing) = Docker::Plugin.missing() {
        skip!("{missing}");
    }
    let workspace = Workspace::generic().build();
    make_quick(&workspace);
    workspace.write("compose.override.yaml", "services: {}\n");
    let run = |arguments: &[&str]| Docker::Plugin.show(&workspace, workspace.xtask(arguments)).run();
    run(&["db-setup", "--server", "compose"]).code(0);
    assert_eq!(workspace.read("compose.override.yaml"), "services: {}\n");
    run(&["db-stop"]).code(0);
}

/// A copy of a checkout is another checkout. It doesn't take the first one's container for its own.
#[test]
fn a_copy_of_a_checkout_has_a_name_of_its_own() {
    let workspace = Workspace::generic().build();
    let docker = StandInDocker::new(&workspace, "nothing");
    docker.run(&["db-setup", "--server", "compose"]).code(0);
    docker.run(&["db-stop"]).code(0);
    let copy = workspace.root().with_file_name(format!("copy-{}", workspace.suffix()));
    assert!(Command::new("cp").arg("-a").args([workspace.root(), &copy]).status().unwrap().success());
    docker.show(workspace.xtask(&["db-stop"]).directory(&copy)).run().code(0).says(["has started no server"]);
}

/// The newcomer has nothing installed, follows the advice, and runs it again.
#[test]
fn no_settings_file_is_left_when_there_is_no_server() {
    let workspace = Workspace::generic().build();
    let empty = workspace.empty();
    workspace.xtask(&["db-setup"]).path([&empty]).env("XTASK_PG_BINDIR", &empty).run().code(6);
    assert!(!workspace.root().join(".env").exists());
    // The package that the newcomer has installed started a server on the contract's port.
    let listener = Listener::web_server();
    workspace.set_authority("127.0.0.1", listener.port, ROLE, PASSWORD);
    workspace.run(&["db-setup"]).code(0);
    moved(&workspace, listener.port);
    workspace.run(&["db-stop"]).code(0);
}

/// A file that is still a copy of the contract isn't the user's work yet. It gets another port, and the message says so.
#[test]
fn a_settings_file_that_is_still_a_copy() {
    let listener = Listener::web_server();
    let workspace = Workspace::generic().build();
    workspace.set_authority("127.0.0.1", listener.port, ROLE, PASSWORD);
    workspace.write(".env", workspace.read(".env.ci"));
    workspace.run(&["db-setup"]).code(0).says(["still a copy of .env.ci"]);
    moved(&workspace, listener.port);
    assert_eq!(std::fs::metadata(workspace.root().join(".env")).unwrap().mode() & 0o777, 0o600);
    workspace.run(&["db-stop"]).code(0);

    // One edit makes it the user's.
    let edited = workspace.write_own_env();
    workspace.run(&["db-setup"]).code(6);
    assert_eq!(workspace.read(".env"), edited);
}
