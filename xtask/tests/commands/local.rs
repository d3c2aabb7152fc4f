//! The private cluster of a checkout. It is used with `--server local`, or if no other provider is available.

use std::path::PathBuf;
use std::process::Command;

use crate::support::fixture::{JOURNAL_HISTORY, LIBRARY_HISTORY, PASSWORD, ROLE};
use crate::support::server::binaries;
use crate::support::{DEADLINE, Server, Workspace, eventually, process, sql};

/// Returns the pid files of the clusters that runs in this checkout have started.
pub(crate) fn pid_files(workspace: &Workspace) -> Vec<PathBuf> {
    let listed = Command::new("find").arg(workspace.base()).args(["-name", "postmaster.pid"]).output().unwrap();
    String::from_utf8(listed.stdout).unwrap().lines().map(PathBuf::from).collect()
}

/// Returns the process of the checkout's cluster.
pub(crate) fn postmaster(workspace: &Workspace) -> nix::unistd::Pid {
    let files = pid_files(workspace);
    assert_eq!(files.len(), 1, "{files:?}");
    let text = std::fs::read_to_string(&files[0]).unwrap();
    nix::unistd::Pid::from_raw(text.lines().next().unwrap().parse().unwrap())
}

/// Returns whether a server answers at the checkout's URLs.
fn answers(workspace: &Workspace) -> bool {
    sql::try_query(&workspace.login("postgres"), "SELECT ''").is_ok()
}

#[test]
fn from_nothing_and_again() {
    let workspace = Workspace::generic().build();
    workspace.run(&["db-setup"]).code(0).says(["(2 rows)", "(1 row)"]);
    let first = postmaster(&workspace);
    assert_eq!(sql::databases(&workspace.login("postgres")), ["journal", "library"]);
    assert_eq!(sql::applied(&workspace.login("library"), LIBRARY_HISTORY), [1, 2]);
    let files = workspace.files();
    let started = "SELECT pg_postmaster_start_time()::text";
    let since = sql::query(&workspace.login("postgres"), started);

    for arguments in [&["db-setup"][..], &["db-setup", "--server", "local"], &["db-setup", "--server", "running"]] {
        workspace.run(arguments).code(0);
        assert_eq!(postmaster(&workspace), first);
        assert_eq!(sql::query(&workspace.login("postgres"), started), since);
        assert_eq!(workspace.files(), files);
    }
    workspace.run(&["db-stop"]).code(0);
}

/// A half-made data folder of a killed run is deleted, but not while its initdb still works there.
#[test]
fn a_half_made_data_folder_is_deleted_after_its_process_has_ended() {
    let workspace = Workspace::generic().build();
    workspace.run(&["db-setup"]).code(0);
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    let postgres = PathBuf::from(pid_files(&workspace)[0].parent().and_then(|data| data.parent()).unwrap());
    let left = postgres.join(format!("data.new-{}", gone.id()));
    std::fs::create_dir(&left).unwrap();
    for (pid, is_left) in [(std::process::id(), true), (gone.id(), false)] {
        // The servers that initdb runs write a minus before their pid.
        std::fs::write(left.join("postmaster.pid"), format!("-{pid}\n")).unwrap();
        workspace.run(&["db-stop"]).code(0);
        workspace.run(&["db-setup", "--server", "local"]).code(0);
        assert_eq!(left.exists(), is_left);
    }
    workspace.run(&["db-stop"]).code(0);
}

#[test]
fn stop_keeps_the_data_and_the_next_setup_finds_them() {
    let workspace = Workspace::generic().build();
    workspace.run(&["db-setup", "--server", "local"]).code(0);
    sql::execute(&workspace.login("library"), "INSERT INTO authors (name) VALUES ('kept')");
    let pid = postmaster(&workspace);
    workspace.run(&["db-stop"]).code(0);
    assert!(!answers(&workspace));
    eventually("the server's process is gone", DEADLINE, || (!process::runs(pid)).then_some(()));
    // It is no error if there is nothing to stop.
    workspace.run(&["db-stop"]).code(0);

    workspace.run(&["db-setup"]).code(0);
    assert_eq!(sql::query(&workspace.login("library"), "SELECT name FROM authors"), ["kept"]);
    assert_eq!(sql::applied(&workspace.login("journal"), JOURNAL_HISTORY), [1]);
    workspace.run(&["db-stop"]).code(0);
    assert!(!answers(&workspace));
}

#[test]
fn stop_does_not_touch_a_server_that_xtask_did_not_start() {
    let server = Server::start();
    let workspace = Workspace::generic().build();
    workspace.point_at(&server);
    workspace.run(&["db-stop"]).code(0);
    workspace.run(&["db-setup"]).code(0);
    workspace.run(&["db-stop"]).code(0);
    server.assert_only(&["journal", "library"]);
}

#[test]
fn the_cluster_is_durable_and_closed_to_others() {
    let workspace = Workspace::generic().build();
    workspace.run(&["db-setup"]).code(0);
    let setting =
        |name: &str| sql::query(&workspace.login("postgres"), &format!("SELECT current_setting('{name}')")).remove(0);
    assert_eq!(setting("fsync"), "on");
    assert_eq!(setting("synchronous_commit"), "on");
    assert!(["127.0.0.1", "localhost"].contains(&setting("listen_addresses").as_str()));
    let sockets = std::fs::read_to_string("/proc/net/unix").unwrap_or_default();
    assert!(!sockets.contains(&format!(".s.PGSQL.{}", workspace.port())), "the server also listens on a socket");
    // The server asks for the password, and keeps it in the form of SCRAM.
    for password in ["wrong", ""] {
        let login = sql::options("127.0.0.1", workspace.port(), ROLE, password, "library");
        assert!(sql::try_query(&login, "SELECT ''").is_err(), "the server accepted the password {password:?}");
    }
    assert_eq!(setting("password_encryption"), "scram-sha-256");
    let attributes = "SELECT concat_ws(' ', rolcanlogin, rolcreatedb) FROM pg_roles WHERE rolname = current_user";
    assert_eq!(sql::query(&workspace.login("postgres"), attributes), ["t t"]);
    workspace.run(&["db-stop"]).code(0);
}

#[test]
fn neither_the_log_nor_the_files_contain_the_password() {
    let workspace = Workspace::generic().build();
    workspace.run(&["db-setup"]).code(0);
    workspace.run(&["db-stop"]).code(0);
    let mut search = Command::new("grep");
    search.args(["-rl", "--exclude=.env", "--exclude=.env.ci", PASSWORD]).arg(workspace.base());
    assert_eq!(String::from_utf8(search.output().unwrap().stdout).unwrap(), "");
}

#[test]
fn the_state_is_in_the_chosen_folder() {
    let workspace = Workspace::generic().build();
    let state = workspace.base().join("chosen state");
    workspace.xtask(&["db-setup"]).env("XTASK_STATE_DIR", &state).run().code(0);
    assert!(pid_files(&workspace).iter().all(|file| file.starts_with(&state)));
    assert!(!workspace.root().join(".xtask").exists());
    workspace.xtask(&["db-stop"]).env("XTASK_STATE_DIR", &state).run().code(0);
    assert!(!answers(&workspace));
}

/// git ignores the state, whatever the checkout's .gitignore says.
#[test]
fn git_ignores_the_state() {
    let workspace = Workspace::generic().build();
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(workspace.root()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    git(&["init", "-q"]);
    workspace.write(".gitignore", ".env\n");
    git(&["add", "."]);
    workspace.run(&["db-setup"]).code(0);
    workspace.run(&["db-stop"]).code(0);
    let untracked: Vec<String> =
        git(&["status", "--porcelain"]).lines().filter(|line| line.starts_with("??")).map(str::to_owned).collect();
    assert_eq!(untracked, Vec::<String>::new());
}

#[test]
fn a_server_that_was_killed_is_started_again() {
    let workspace = Workspace::generic().build();
    workspace.run(&["db-setup"]).code(0);
    sql::execute(&workspace.login("library"), "INSERT INTO authors (name) VALUES ('kept')");
    let pid = postmaster(&workspace);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    eventually("the server is gone", DEADLINE, || (!answers(&workspace)).then_some(()));
    // The pid file still exists, but the process that it names does not.
    assert_eq!(pid_files(&workspace).len(), 1);
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(sql::query(&workspace.login("library"), "SELECT name FROM authors"), ["kept"]);
    assert_ne!(postmaster(&workspace), pid);
    workspace.run(&["db-stop"]).code(0);
}

/// A killed run had just started the server, which had no pid file when the next run looked. So the next run starts
/// another server, which gives way to the first one.
#[test]
fn a_server_that_a_killed_run_had_just_started_is_used() {
    let workspace = Workspace::generic().build();
    let tmp = workspace.base().join("tmp");
    // The first server waits for the second one. The second one ends as soon as the first one has a pid file.
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *' -V '*|*--version*|*--boot*|*--check*|*--single*) exec {real} \"$@\" ;; esac\n\
         if mkdir {tmp}/first; then until [ -e {tmp}/second ]; do sleep 0.01; done\n\
         else : > {tmp}/second; until [ -s \"$2/postmaster.pid\" ]; do :; done; exit 1; fi\n\
         exec {real} \"$@\"\n",
        real = binaries().join("postgres").display(),
        tmp = tmp.display(),
    );
    let folder = workspace.add_program("slow", "postgres", &script);
    std::os::unix::fs::symlink(binaries().join("initdb"), folder.join("initdb")).unwrap();
    let setup = || {
        let run = workspace.xtask(&["db-setup", "--server", "local"]).own_cache().env("XTASK_PG_BINDIR", &folder);
        run.path([folder.as_path(), "/usr/bin".as_ref(), "/bin".as_ref()])
    };
    let killed = setup().start();
    eventually("the first server is started", DEADLINE, || tmp.join("first").exists().then_some(()));
    killed.kill();
    setup().run().code(0);
    assert!(tmp.join("second").exists());
    assert_eq!(sql::applied(&workspace.login("library"), LIBRARY_HISTORY), [1, 2]);
    workspace.run(&["db-stop"]).code(0);
    drop(killed.wait());
}

/// The system can give the same pid to another process, so a pid file alone is no reason to signal a process.
#[test]
fn another_process_with_the_servers_pid_is_not_signalled() {
    let workspace = Workspace::generic().build();
    workspace.run(&["db-setup"]).code(0);
    let pid_file = pid_files(&workspace).remove(0);
    let text = std::fs::read_to_string(&pid_file).unwrap();
    workspace.run(&["db-stop"]).code(0);
    let mut stranger = Command::new("sleep").arg("600").spawn().unwrap();
    let rest = text.split_once('\n').unwrap().1;
    std::fs::write(&pid_file, format!("{}\n{rest}", stranger.id())).unwrap();
    let stopped = workspace.run(&["db-stop"]);
    let alive = stranger.try_wait().unwrap().is_none();
    let again = workspace.run(&["db-setup"]);
    let still_alive = stranger.try_wait().unwrap().is_none();
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    assert!(alive && still_alive, "another process was killed");
    stopped.code(0);
    again.code(0);
    workspace.run(&["db-stop"]).code(0);
}

/// initdb runs once for all checkouts of a user.
#[test]
fn initdb_runs_once() {
    let first = Workspace::generic().build();
    // This initdb writes down each of its runs. Both checkouts share it and the cache.
    let noted = first.base().join("tmp/initdb ran");
    let script = format!(
        "#!/bin/sh\ncase $1 in -V|--version) ;; *) printf x >> '{}' ;; esac\nexec {} \"$@\"\n",
        noted.display(),
        binaries().join("initdb").display(),
    );
    let folder = first.add_program("noting", "initdb", &script);
    for program in ["postgres", "pg_ctl"] {
        std::os::unix::fs::symlink(binaries().join(program), folder.join(program)).unwrap();
    }
    let second = Workspace::generic().build();
    let caches = first.base().join("cache");
    let setup = |workspace: &Workspace| {
        let run = workspace.xtask(&["db-setup"]).env("XTASK_PG_BINDIR", &folder).env("XTASK_CACHE_DIR", &caches);
        run.run().code(0);
        std::fs::read_to_string(&noted).unwrap()
    };
    let after_first = setup(&first);
    assert_eq!(setup(&second), after_first, "initdb ran for the second checkout");
    // Each checkout still has its own server.
    assert_ne!(postmaster(&first), postmaster(&second));
    first.run(&["db-stop"]).code(0);
    assert!(answers(&second));
    second.run(&["db-stop"]).code(0);
}

#[test]
fn an_initdb_that_fails_is_reported_and_leaves_nothing_behind() {
    let workspace = Workspace::generic().build();
    let real = binaries().join("initdb");
    let script = format!(
        "#!/bin/sh\ncase $1 in -V|--version) exec {} --version ;; esac\n\
         echo 'initdb: error: no more moons' >&2\nexit 1\n",
        real.display()
    );
    let folder = workspace.add_program("broken", "initdb", &script);
    for program in ["postgres", "pg_ctl"] {
        std::os::unix::fs::symlink(binaries().join(program), folder.join(program)).unwrap();
    }
    let run = workspace.xtask(&["db-setup"]).env("XTASK_PG_BINDIR", &folder).path([&folder]);
    run.run().fails().says(["no more moons"]);
    assert_eq!(pid_files(&workspace), Vec::<PathBuf>::new());
    workspace.run(&["db-setup"]).code(0);
    workspace.run(&["db-stop"]).code(0);
}

#[test]
fn a_server_that_ends_at_once_is_reported_with_its_log() {
    let workspace = Workspace::generic().build();
    let real = binaries().join("postgres");
    // initdb asks `postgres` for its version and runs it in other modes. Only the server itself fails.
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *' -V '*|*--version*|*--boot*|*--check*|*--single*) exec {} \"$@\" ;; esac\n\
         echo 'FATAL: the moon is too near' >&2\nexit 1\n",
        real.display()
    );
    let folder = workspace.add_program("failing", "postgres", &script);
    std::os::unix::fs::symlink(binaries().join("initdb"), folder.join("initdb")).unwrap();
    let run = workspace.xtask(&["db-setup", "--timeout", "600"]).own_cache();
    let outcome = run.env("XTASK_PG_BINDIR", &folder).path([&folder]).run().code(6);
    outcome.problem("cluster-not-started").says(["the moon is too near"]);
    assert_eq!(pid_files(&workspace), Vec::<PathBuf>::new());
}

#[test]
fn a_role_and_databases_with_awkward_names() {
    let workspace = Workspace::generic().build();
    let (role, password) = ("o'brien \"x\"", r#"p'w"%$@:/\#?"#);
    let port = workspace.port();
    workspace.set_authority("127.0.0.1", port, "o%27brien%20%22x%22", password);
    let text = workspace.read(".env.ci").replace("/library\n", "/li-brary%20one\n");
    workspace.write(".env.ci", text);
    workspace.run(&["db-setup"]).code(0);
    let login = sql::options("127.0.0.1", port, role, password, "li-brary one");
    assert_eq!(sql::applied(&login, LIBRARY_HISTORY), [1, 2]);
    workspace.run(&["db-setup"]).code(0);
    workspace.run(&["db-stop"]).code(0);
}

/// In a private cluster, every role that a URL names is created.
#[test]
fn two_roles() {
    let workspace = Workspace::generic().build();
    let contract = workspace.read(".env.ci");
    workspace.write(
        ".env.ci",
        contract.replace(&format!("JOURNAL_URL=postgres://{ROLE}:"), "JOURNAL_URL=postgres://scribe:"),
    );
    workspace.run(&["db-setup"]).code(0);
    let owner = "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname IN ('journal', 'library') ORDER BY datname";
    assert_eq!(sql::query(&workspace.login("postgres"), owner), ["scribe", ROLE]);
    workspace.run(&["db-setup"]).code(0);
    workspace.run(&["db-stop"]).code(0);
}

/// The user has changed the password in `.env`.
#[test]
fn a_password_that_was_changed() {
    let workspace = Workspace::generic().build();
    workspace.run(&["db-setup"]).code(0);
    workspace.add_secret("changedS3cret");
    workspace.write(".env", workspace.read(".env").replace(PASSWORD, "changedS3cret"));
    let outcome = workspace.run(&["db-setup"]);
    // Either the cluster gets the new password, or the run says what to do. It never waits and never hides the reason.
    if outcome.status.code() != Some(0) {
        outcome.code(6).says([ROLE]).mentions(["password"]);
    }
    workspace.run(&["db-stop"]).code(0);
}

#[test]
fn a_stopped_cluster_leaves_no_process() {
    let workspace = Workspace::generic().build();
    workspace.run(&["db-setup"]).code(0);
    let base = workspace.base().display().to_string();
    assert!(!process::in_folder(&base).iter().all(|line| line.contains("reaper")));
    workspace.run(&["db-stop"]).code(0);
    // The shell that will delete the checkout belongs to the tests.
    eventually("no process of the checkout runs", DEADLINE, || {
        process::in_folder(&base).iter().all(|line| line.contains("reaper")).then_some(())
    });
}
