//! Whose server it is, and whose data. A checkout finds its own server and no other one, its data never changes its
//! provider silently, and nothing of another user is trusted.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ladder::moved;
use crate::local::{pid_files, postmaster};
use crate::support::docker::{Docker, containers, docker, make_quick};
use crate::support::fixture::{LIBRARY_HISTORY, PASSWORD, ROLE};
use crate::support::listener::Listener;
use crate::support::stand_in_docker::StandInDocker;
use crate::support::{DEADLINE, Server, Workspace, eventually, is_root, process, set_mode, skip, sql};

/// Adds a row that only this checkout has.
fn leave_a_mark(workspace: &Workspace, mark: &str) {
    sql::execute(&workspace.login("library"), &format!("INSERT INTO authors (name) VALUES ('{mark}')"));
}

fn marks(workspace: &Workspace) -> Vec<String> {
    sql::query(&workspace.login("library"), "SELECT name FROM authors ORDER BY 1")
}

/// Returns the folder that the server at the checkout's URLs serves.
fn folder_of_server(workspace: &Workspace) -> PathBuf {
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

/// The superusers of two clusters from one cache have two passwords, and neither is the cache's.
#[test]
fn each_cluster_has_its_own_superuser() {
    let first = Workspace::generic().filled_cache().build();
    let second = Workspace::generic().build();
    let cache = first.base().join("cache");
    let passwords = [&first, &second].map(|workspace| {
        workspace.xtask(&["db-setup"]).env("XTASK_CACHE_DIR", &cache).run().code(0);
        let folder = folder_of_server(workspace).parent().unwrap().to_owned();
        assert!(!folder.join("first-password").exists());
        std::fs::read_to_string(folder.join("superuser-password")).unwrap()
    });
    let cached = Command::new("find").arg(&cache).args(["-name", "superuser-password"]).output().unwrap();
    let cached = std::fs::read_to_string(String::from_utf8(cached.stdout).unwrap().trim()).unwrap();
    assert!(passwords[0] != passwords[1] && !passwords.contains(&cached));
    let log_in = |password: &str| {
        sql::try_query(&sql::options("127.0.0.1", second.port(), "xtask_superuser", password, "postgres"), "SELECT ''")
    };
    assert!(log_in(&passwords[1]).is_ok());
    assert!(log_in(&passwords[0]).is_err() && log_in(&cached).is_err());
    for workspace in [&first, &second] {
        workspace.run(&["db-stop"]).code(0);
    }
}

/// A run was killed after the first login had set the cluster's password, or before.
#[test]
fn a_first_login_that_was_cut() {
    let workspace = Workspace::generic().build();
    workspace.run(&["db-setup"]).code(0);
    workspace.run(&["db-stop"]).code(0);
    let first = pid_files_folder(&workspace).join("first-password");
    std::fs::write(&first, "the password that the cluster had before").unwrap();
    workspace.run(&["db-setup"]).code(0);
    assert!(!first.exists());
    workspace.run(&["db-stop"]).code(0);
}

/// The folder of a cluster that has no pid file, because its server is stopped.
fn pid_files_folder(workspace: &Workspace) -> PathBuf {
    workspace.root().join(".xtask/postgres")
}

/// `postgres` is the commonest user in a URL, and the common name of a superuser.
#[test]
fn a_url_with_the_user_postgres() {
    let workspace = Workspace::generic().build();
    workspace.set_authority("127.0.0.1", workspace.port(), "postgres", PASSWORD);
    for _ in 0..3 {
        workspace.run(&["db-setup", "--server", "local"]).code(0);
        workspace.run(&["db-stop"]).code(0);
    }
}

/// A cluster of an older version of this program, whose superuser is `postgres`, goes on working.
#[test]
fn a_cluster_whose_superuser_is_postgres() {
    let workspace = Workspace::generic().build();
    workspace.run(&["db-setup"]).code(0);
    leave_a_mark(&workspace, "kept");
    let folder = pid_files_folder(&workspace);
    let superuser = |statements: &str| {
        let password = std::fs::read_to_string(folder.join("superuser-password")).unwrap();
        sql::execute(
            &sql::options("127.0.0.1", workspace.port(), "xtask_superuser", &password, "postgres"),
            statements,
        );
        password
    };
    let password = superuser("SELECT 1");
    superuser(&format!("CREATE ROLE postgres SUPERUSER LOGIN PASSWORD '{password}'"));
    workspace.run(&["db-stop"]).code(0);
    std::fs::remove_file(folder.join("superuser")).unwrap();
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(marks(&workspace), ["kept"]);
    workspace.run(&["db-stop"]).code(0);

    workspace.set_authority("127.0.0.1", workspace.port(), "postgres", "an0ther-Passw0rd");
    workspace.write(".env", workspace.read(".env.ci"));
    workspace.run(&["db-setup"]).code(1).says(["_URL", "the role postgres"]);
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
    workspace.run(&["db-setup"]).code(6).says([address.as_str(), "--server local", "--server compose"]);
    assert!(pid_files(&workspace).is_empty());
    workspace.run(&["db-setup", "--server", "local"]).code(0);
    workspace.run(&["db-stop"]).code(0);
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
    let _ = docker(&["docker", "version"]);
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

/// Where initdb's result would be kept if `HOME` decided.
fn entries(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains("xtask"))
        .collect()
}

/// Without a home there is no folder for a cache. The folder for temporary files belongs to everybody.
#[test]
fn without_a_home_nothing_is_cached() {
    let workspace = Workspace::ordinary().build();
    let run = workspace.xtask(&["db-setup", "--server", "local"]).unset("HOME").unset("XTASK_CACHE_DIR");
    run.run().code(0);
    assert_eq!(entries(&workspace.base().join("tmp")), Vec::<String>::new());
    workspace.run(&["db-stop"]).code(0);
}

/// Somebody else can write to the cache, or owns it. Its settings must not run.
#[test]
fn a_cache_that_is_open_to_others() {
    for spoil in ["chmod 777 \"$1\"", "chmod -R 777 \"$1\"/initdb*", "chown -R nobody \"$1\""] {
        if spoil.contains("chown") && !is_root() {
            continue;
        }
        let workspace = Workspace::generic().filled_cache().build();
        let cache = workspace.base().join("cache");
        let poison =
            "for conf in \"$1\"/*/data/postgresql.conf; do echo \"cluster_name = 'poisoned'\" >> \"$conf\"; done";
        let script = format!("{poison}; {spoil}");
        assert!(Command::new("sh").args(["-ec", &script, "sh"]).arg(&cache).status().unwrap().success());
        workspace.xtask(&["db-setup"]).env("XTASK_CACHE_DIR", &cache).run().code(0);
        let name = sql::query(&workspace.login("postgres"), "SELECT current_setting('cluster_name')");
        assert_eq!(name, [""], "{spoil}");
        workspace.run(&["db-stop"]).code(0);
    }
}

/// A damaged cache is replaced, whether the copy notices the damage or only the server.
#[test]
fn a_damaged_cache_is_thrown_away() {
    let truncated = "file=$(ls \"$1\"/*/data/base/1/* | head -n 1); : > \"$file\"";
    let missing = "rm \"$1\"/*/data/global/pg_control";
    let overwritten =
        "dd if=/dev/zero of=\"$(echo \"$1\"/*/data/global/pg_control)\" bs=8192 count=1 conv=notrunc 2>/dev/null";
    for damage in [truncated, missing, overwritten] {
        let (first, second) = (Workspace::generic().filled_cache().build(), Workspace::generic().build());
        let cache = first.base().join("cache");
        assert!(Command::new("sh").args(["-ec", damage, "sh"]).arg(&cache).status().unwrap().success(), "{damage}");
        first.xtask(&["db-setup"]).env("XTASK_CACHE_DIR", &cache).run().code(0);
        first.run(&["db-stop"]).code(0);
        // The second checkout finds a cache that works, so no initdb runs.
        let folder = second.add_program("noinitdb", "initdb", "#!/bin/sh\nexit 1\n");
        std::os::unix::fs::symlink(crate::support::server::binaries().join("postgres"), folder.join("postgres"))
            .unwrap();
        let before = entries(&cache);
        second.xtask(&["db-setup"]).env("XTASK_CACHE_DIR", &cache).run().code(0);
        assert_eq!(entries(&cache), before);
        second.run(&["db-stop"]).code(0);
    }
}

/// What a pid file may hold after a crash or a restart of the machine, though no server runs.
#[test]
fn a_pid_file_that_names_no_server() {
    let workspace = Workspace::ordinary().build();
    workspace.run(&["db-setup"]).code(0);
    leave_a_mark(&workspace, "kept");
    let file = pid_files(&workspace).remove(0);
    let text = std::fs::read_to_string(&file).unwrap();
    let rest = text.split_once('\n').unwrap().1.to_owned();
    workspace.run(&["db-stop"]).code(0);
    // Process 1 belongs to another user.
    for left in [format!("1\n{rest}"), String::new(), "not a number\n".to_owned(), format!("-1\n{rest}")] {
        std::fs::write(&file, &left).unwrap();
        if let Some(owner) = workspace.owner().filter(|_| is_root()) {
            assert!(Command::new("chown").arg(owner).arg(&file).status().unwrap().success());
        }
        workspace.run(&["db-setup"]).code(0);
        assert_eq!(marks(&workspace), ["kept"]);
        workspace.run(&["db-stop"]).code(0);
    }
}

/// What is left of a cluster is neither used nor deleted.
#[test]
fn a_data_folder_without_its_version() {
    let workspace = Workspace::generic().build();
    workspace.run(&["db-setup"]).code(0);
    workspace.run(&["db-stop"]).code(0);
    let data = pid_files_folder(&workspace).join("data");
    let version = std::fs::read(data.join("PG_VERSION")).unwrap();
    std::fs::remove_file(data.join("PG_VERSION")).unwrap();
    let outcome = workspace.run(&["db-setup", "--server", "local"]).code(6);
    outcome.says(["PG_VERSION", "nothing was changed", &format!("mv '{0}' '{0}.broken'", data.display())]);
    assert!(data.join("global/pg_control").exists());
    std::fs::write(data.join("PG_VERSION"), version).unwrap();
    workspace.run(&["db-setup"]).code(0);
    workspace.run(&["db-stop"]).code(0);
}

/// The server outlives the command, so it must not hold what the caller has open.
#[test]
fn the_server_holds_no_file_of_the_callers() {
    let workspace = Workspace::generic().build();
    let lock = workspace.base().join("tmp/lock of the caller");
    let script =
        format!("exec 9> '{}'; flock 9; exec {} db-setup --server local", lock.display(), env!("CARGO_BIN_EXE_xtask"));
    let run = crate::support::run::Invocation::of(&workspace, "/bin/sh", &["-c", &script]);
    run.path([workspace.base().join("bin"), "/usr/bin".into(), "/bin".into()]).run().code(0);
    let taken = Command::new("flock").arg("--nonblock").arg(&lock).arg("true").status().unwrap();
    let environment = std::fs::read(format!("/proc/{}/environ", postmaster(&workspace))).unwrap();
    workspace.run(&["db-stop"]).code(0);
    assert!(taken.success(), "the server holds the caller's lock");
    let environment = String::from_utf8_lossy(&environment).replace('\0', "\n");
    assert!(environment.lines().any(|line| line == "LC_ALL=C"), "{environment}");
}

/// URLs that no server of ours could serve are refused before anything is made.
#[test]
fn one_role_with_two_passwords() {
    let workspace = Workspace::generic().build();
    let contract = workspace.read(".env.ci");
    workspace.add_secret("0therS3cret");
    let changed = contract.replacen(PASSWORD, "0therS3cret", 1);
    assert_ne!(changed, contract);
    workspace.write(".env.ci", changed);
    workspace.run(&["db-setup"]).code(1).says(["two passwords", "LIBRARY_URL", "JOURNAL_URL"]);
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
    assert!(process::with_argument(&workspace.base().display().to_string()).iter().all(|line| line.contains("reaper")));
    set_mode(workspace.root(), 0o755);
}
