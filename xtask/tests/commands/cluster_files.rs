//! The files of a private cluster: its superuser's password, the cache of initdb's result, the pid file, and what the
//! server gets from its caller.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::local::{pid_files, postmaster};
use crate::ownership::{folder_of_server, leave_a_mark, marks};
use crate::support::fixture::PASSWORD;
use crate::support::run::Invocation;
use crate::support::{Workspace, is_root, sql};

/// The folder of the checkout's cluster, also while its server is stopped.
fn cluster_folder(workspace: &Workspace) -> PathBuf {
    workspace.root().join(".xtask/postgres")
}

/// Where initdb's result would be kept if `HOME` decided.
fn entries(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains("xtask"))
        .collect()
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
    let first = cluster_folder(&workspace).join("first-password");
    std::fs::write(&first, "the password that the cluster had before").unwrap();
    workspace.run(&["db-setup"]).code(0);
    assert!(!first.exists());
    workspace.run(&["db-stop"]).code(0);
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
    let folder = cluster_folder(&workspace);
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
    workspace.run(&["db-setup"]).code(1).problem("superuser-url").says(["_URL", "the role postgres"]);
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
    let data = cluster_folder(&workspace).join("data");
    let version = std::fs::read(data.join("PG_VERSION")).unwrap();
    std::fs::remove_file(data.join("PG_VERSION")).unwrap();
    let outcome = workspace.run(&["db-setup", "--server", "local"]).code(6).problem("cluster-damaged");
    outcome.says(["PG_VERSION", "nothing was changed", &format!("mv '{0}' '{0}.broken'", data.display())]);
    assert!(data.join("global/pg_control").exists());
    std::fs::write(data.join("PG_VERSION"), version).unwrap();
    // Process 1 is another user's. Some systems hide its folder even from root.
    std::fs::write(data.join("postmaster.pid"), "1\n").unwrap();
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
    let run = Invocation::of(&workspace, "/bin/sh", &["-c", &script]);
    run.path([workspace.base().join("bin"), "/usr/bin".into(), "/bin".into()]).run().code(0);
    let taken = Command::new("flock").arg("--nonblock").arg(&lock).arg("true").status().unwrap();
    let environment = std::fs::read(format!("/proc/{}/environ", postmaster(&workspace))).unwrap();
    workspace.run(&["db-stop"]).code(0);
    assert!(taken.success(), "the server holds the caller's lock");
    let environment = String::from_utf8_lossy(&environment).replace('\0', "\n");
    assert!(environment.lines().any(|line| line == "LC_ALL=C"), "{environment}");
}
