//! `sqlx DATABASE ARGS…` runs sqlx-cli for one of the databases. The output and the exit code are sqlx-cli's own.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::fixture::{JOURNAL_HISTORY, LIBRARY_HISTORY, PASSWORD, ROLE};
use crate::support::run::Invocation;
use crate::support::{DEADLINE, Workspace, eventually, process, server_and_workspace, set_up, skip, sql};

/// The deadline of a run that may compile sqlx-cli. The first run of all does.
const WITH_BUILD: Duration = Duration::from_secs(20 * 60);

/// Prepares a run that may compile sqlx-cli, once for all tests. In each test, cargo looks only once whether sqlx-cli is
/// up to date. After that, it is given the same answer again.
pub(crate) fn sqlx<'a>(workspace: &'a Workspace, words: &[&str]) -> Invocation<'a> {
    let words = [&["sqlx"], words].concat();
    let folder = workspace.base().join("cargo-once");
    let cargo = folder.join("cargo");
    if !cargo.exists() {
        let script = format!(
            "#!/bin/sh\n[ \"$1\" = build ] || exec '{cargo}' \"$@\"\n\
             [ -e '{answer}' ] || {{ '{cargo}' \"$@\" >'{answer}.new' || exit; mv '{answer}.new' '{answer}'; }}\n\
             cat '{answer}'\n",
            cargo = env!("CARGO"),
            answer = folder.join("answer").display(),
        );
        workspace.add_program("cargo-once", "cargo", &script);
    }
    workspace.xtask(&words).with_cargo().with_built_target().env("CARGO", cargo).deadline(WITH_BUILD)
}

/// Compiles sqlx-cli, so that a later interruption doesn't hit the compilation.
fn compile(workspace: &Workspace) {
    sqlx(workspace, &["library", "--version"]).run().code(0).says(["sqlx-cli 0.9.0"]);
}

#[test]
fn each_database_from_any_folder() {
    let (server, workspace) = set_up();
    workspace.add_migration("library", "003_more", "SELECT 1;\n");
    let outcome = sqlx(&workspace, &["library", "migrate", "info"]).directory("crates/tools/src").run().code(0);
    // The output is sqlx-cli's own, and nothing of xtask's.
    assert_eq!(outcome.stdout, "1/installed authors\n2/installed books\n3/pending more\n", "{outcome}");
    outcome.lacks(["Done:"]);
    let outcome = sqlx(&workspace, &["journal", "migrate", "info"]).directory("migrations/library").run().code(0);
    assert_eq!(outcome.stdout, "1/installed entries\n", "{outcome}");
    server.assert_only(&["journal", "library"]);
}

/// sqlx-cli would take what its URL doesn't say from libpq's variables.
#[test]
fn the_environment_leads_nowhere_else() {
    let (_server, workspace) = set_up();
    let variables =
        [("PGSSLMODE", "verify-full"), ("PGPORT", "1"), ("PGHOST", "x"), ("PGUSER", "x"), ("PGDATABASE", "x")];
    let run = sqlx(&workspace, &["library", "migrate", "info"]);
    let outcome = variables.iter().fold(run, |run, (name, value)| run.env(name, value)).run().code(0);
    assert_eq!(outcome.stdout, "1/installed authors\n2/installed books\n", "{outcome}");
    let without = workspace.authority().replace(&format!(":{PASSWORD}"), "");
    let run = sqlx(&workspace, &["library", "migrate", "info", "--connect-timeout", "1"]).env("PGPASSWORD", PASSWORD);
    let run = run.env("LIBRARY_URL", format!("postgres://{without}/library"));
    run.run().code(1).says(["password authentication failed"]);
}

#[test]
fn db_setup_sees_what_sqlx_cli_did() {
    let (server, workspace) = set_up();
    sqlx(&workspace, &["library", "migrate", "revert"]).run().code(0);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1]);
    sqlx(&workspace, &["library", "migrate", "run"]).run().code(0);
    workspace.run(&["db-setup"]).code(0).says(["nothing was changed"]);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2]);
    assert_eq!(sql::applied(&server.admin("journal"), JOURNAL_HISTORY), [1]);
}

#[test]
fn exit_code_and_arguments_are_passed_on() {
    let (_server, workspace) = set_up();
    sqlx(&workspace, &["library", "migrate", "inof"]).run().code(2).says(["inof", "info"]);
    sqlx(&workspace, &["library"]).run().code(2).says(["Usage: cargo xtask sqlx library"]);
    sqlx(&workspace, &["library", "--help"]).run().code(0).says(["cargo xtask sqlx library", "prepare", "migrate"]);
    sqlx(&workspace, &["library", "migrate", "run", "--help"]).run().code(0).says(["--target-version"]);
    // An option before DATABASE is xtask's.
    workspace.run(&["sqlx", "--help"]).code(0).says(["DATABASE", "--allow-remote"]);
    workspace.add_migration("library", "003_breaks", "SELECT missing;\n");
    let outcome = sqlx(&workspace, &["library", "migrate", "run"]).run().code(1);
    let (what, why) = ("while executing migration 3", "column \"missing\" does not exist");
    assert_eq!(outcome.stderr.matches(why).count(), 1, "{outcome}");
    outcome.says([what]).lacks(["Failed:", "at line"]);
}

#[test]
fn files_are_made_without_a_server() {
    let workspace = Workspace::generic().build();
    let add = ["library", "migrate", "add", "--reversible", "--sequential", "more shelves"];
    sqlx(&workspace, &add).directory("migrations").run().code(0).says(["0003_more_shelves.up.sql"]);
    for side in ["up", "down"] {
        workspace.read(&format!("migrations/library/0003_more_shelves.{side}.sql"));
    }
    assert!(!workspace.root().join(".env").exists());
}

#[test]
fn a_database_that_is_unknown() {
    let workspace = Workspace::generic().build();
    // Nothing is compiled for this error: there is no cargo on the run's search path.
    let outcome = workspace.run(&["sqlx", "libary", "migrate", "info"]).code(2);
    outcome.says(["\"libary\"", "journal, library"]);
    workspace.write("crates/journal/sqlx.toml", "[migrate\n");
    workspace.run(&["sqlx", "journal", "migrate", "info"]).fails().says(["crates/journal/sqlx.toml", "\"journal\""]);
    workspace.run(&["sqlx"]).code(2).says(["DATABASE"]);
}

#[test]
fn a_checkout_that_is_not_set_up() {
    let (server, workspace) = server_and_workspace();
    workspace.run(&["sqlx", "library", "migrate", "info"]).code(6).says(["no .env", "cargo xtask db-setup"]);
    server.assert_only(&[]);
    // A URL in the environment is enough.
    let url = format!("postgres://{}/elsewhere", workspace.authority());
    sqlx(&workspace, &["library", "database", "create"]).env("LIBRARY_URL", &url).run().code(0);
    server.assert_only(&["elsewhere"]);
    // The error reports all mistakes in the settings at once.
    workspace.write(".env", "LIBRARY_URL=\nno sign here\n");
    workspace.run(&["sqlx", "library", "migrate", "info"]).code(1).says(["LIBRARY_URL", "JOURNAL_URL", ".env:2"]);
}

#[test]
fn a_database_is_dropped_only_with_an_explicit_yes() {
    let (server, workspace) = set_up();
    for words in [
        &["database", "drop"][..],
        &["db", "drop", "--force"],
        &["database", "drop", "-f", "--connect-timeout", "3"],
        &["database", "reset", "--no-dotenv", "-f"],
    ] {
        let words = [&["library"], words].concat();
        let outcome = sqlx(&workspace, &words).run().code(1);
        outcome.says(["library at 127.0.0.1", &format!("cargo xtask sqlx library database {} -y", words[2])]);
        server.assert_only(&["journal", "library"]);
        assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2]);
    }
    sqlx(&workspace, &["library", "database", "drop", "-fy"]).run().code(0);
    server.assert_only(&["journal"]);
}

#[test]
fn a_login_that_is_refused() {
    let (server, workspace) = set_up();
    workspace.add_secret("wr0ngS3cret-4c1e");
    workspace.write(".env", workspace.read(".env").replace(PASSWORD, "wr0ngS3cret-4c1e"));
    for words in [&["library", "migrate", "info"][..], &["library", "database", "setup"], &["library", "prepare"]] {
        sqlx(&workspace, words).run().code(1).says(["password authentication failed", ROLE]);
    }
    drop(server);
    let outcome = sqlx(&workspace, &["library", "migrate", "info", "--connect-timeout", "1"]).run();
    outcome.code(1).mentions(["connection refused"]);
}

/// Every user of the machine can read a command line.
#[test]
fn a_url_in_the_command_line() {
    let (server, workspace) = set_up();
    let url = format!("postgres://{}/other", workspace.authority());
    for flag in ["-D", "--database-url"] {
        sqlx(&workspace, &["library", "database", "create", flag, &url]).run().code(1).says([".env"]);
    }
    server.assert_only(&["journal", "library"]);
}

/// Another configuration may name another variable. sqlx-cli still works on the database that was named.
#[test]
fn another_configuration_leads_to_no_other_database() {
    let (server, workspace) = set_up();
    let words =
        ["library", "migrate", "info", "--config", "../journal/sqlx.toml", "--source", "../../migrations/library"];
    let url = format!("postgres://{}/journal", workspace.authority());
    // The configuration names the history table, which is made in the database that was named.
    sqlx(&workspace, &words).env("JOURNAL_URL", &url).run().code(0).says(["2/pending books"]);
    assert_eq!(server.query("library", &format!("SELECT to_regclass('{JOURNAL_HISTORY}')::text")), [JOURNAL_HISTORY]);
}

#[test]
fn a_host_that_is_not_this_machine() {
    let (server, workspace) = set_up();
    // xtask can't know whose address 0.0.0.0 is. The system takes it for its own, so that the server answers.
    workspace.write(".env", workspace.read(".env").replace("@127.0.0.1:", "@0.0.0.0:"));
    for words in [&["library", "migrate", "info"][..], &["library", "migrate", "info", "--allow-remote"]] {
        let outcome = workspace.run(&[&["sqlx"], words].concat()).code(6);
        outcome.says(["library", "0.0.0.0", "cargo xtask sqlx --allow-remote library"]);
    }
    sqlx(&workspace, &["--allow-remote", "library", "migrate", "info"]).run().code(0).says(["2/installed books"]);
    // The command makes files on this machine only, so it needs no `--allow-remote`.
    sqlx(&workspace, &["library", "migrate", "add", "-rs", "more"]).run().code(0);
    server.assert_only(&["journal", "library"]);
}

/// `prepare` compiles one crate, including its tests, with the variables of one database.
#[test]
fn prepare_sees_one_database_and_all_targets() {
    let (_server, workspace) = set_up();
    let log = workspace.base().join("tmp/log");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = check ] || exec '{cargo}' \"$@\"\n\
         {{ pwd; echo \"$@\"; echo \"$LIBRARY_URL\"; echo \"$DATABASE_URL\"; echo \"<$JOURNAL_URL>\"; \
         env | grep -c ^CARGO_PKG_; }} >'{log}'\nexit 0\n",
        cargo = env!("CARGO"),
        log = log.display(),
    );
    let cargo = workspace.add_program("cargo", "cargo", &script).join("cargo");
    let journal = format!("postgres://{}/journal", workspace.authority());
    let checked = |words: &[&str]| {
        let run = sqlx(&workspace, words).env("CARGO", &cargo).env("CARGO_PKG_NAME", "xtask");
        let run = run.env("JOURNAL_URL", &journal);
        run.directory("crates/journal").run().code(0);
        std::fs::read_to_string(&log).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let lines = checked(&["library", "prepare"]);
    assert!(lines[0].ends_with("/crates/library"), "{lines:?}");
    assert_eq!(lines[1], "check --all-targets");
    assert!(lines[2].contains(&format!("{}/library", workspace.authority())), "{lines:?}");
    assert_eq!(lines[2], lines[3]);
    assert_eq!(lines[4..], ["<>", "0"]);
    assert_eq!(checked(&["library", "prepare", "--check", "--", "--lib"])[1], "check --lib");
}

/// How a run is asked to end.
#[derive(Clone, Copy)]
enum End {
    CtrlC,
    Terminate,
    /// SIGINT to sqlx-cli alone.
    InnerCtrlC,
}

/// Returns the process of sqlx-cli, which works in the package's folder.
fn inner(workspace: &Workspace) -> Option<Pid> {
    let folder = workspace.root().join("crates/library");
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.filter_map(|process| process.file_name().to_str()?.parse().ok().map(Pid::from_raw)).find(|pid| {
        let link = |name: &str| std::fs::read_link(format!("/proc/{pid}/{name}")).unwrap_or_default();
        link("cwd") == folder && link("exe").ends_with("xtask-sqlx")
    })
}

/// Ends a run in the middle of a migration. sqlx-cli alone would call that a success, and its statement would go on.
fn ends_in_order(end: End) {
    let (server, workspace) = set_up();
    workspace.add_migration("library", "003_waits", "-- no-transaction\nDO $$ BEGIN PERFORM pg_sleep(600); END $$;\n");
    compile(&workspace);
    let run = sqlx(&workspace, &["library", "migrate", "run"]).deadline(DEADLINE).start();
    let sleeping = || server.xtask_statements().iter().any(|statement| statement.contains("pg_sleep"));
    eventually("the migration runs", DEADLINE, || sleeping().then_some(()));
    match end {
        End::CtrlC => run.interrupt(),
        End::Terminate => run.terminate(),
        End::InnerCtrlC => kill(inner(&workspace).unwrap(), Signal::SIGINT).unwrap(),
    }
    run.wait().code(130).says(["Interrupted", "cancelled on the server"]);
    // The statement ended at once, and not after 600 seconds.
    assert!(!sleeping());
    server.assert_only(&["journal", "library"]);
    let finished = format!("SELECT version::text FROM {LIBRARY_HISTORY} WHERE success ORDER BY version");
    assert_eq!(server.query("library", &finished), ["1", "2"]);
}

#[test]
fn ctrl_c_ends_the_statement_too() {
    ends_in_order(End::CtrlC);
}

#[test]
fn a_request_to_terminate_ends_the_statement_too() {
    ends_in_order(End::Terminate);
}

#[test]
fn an_interrupted_sqlx_cli_is_no_success() {
    if !Path::new("/proc/self/exe").exists() {
        skip!("/proc doesn't show the processes here");
    }
    ends_in_order(End::InnerCtrlC);
}

/// The processes that sqlx-cli has started (cargo and the compiler) end with it.
#[test]
fn a_request_to_terminate_in_the_middle_of_prepare() {
    let (_server, workspace) = set_up();
    let started = workspace.base().join("tmp/started");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = check ] || exec '{}' \"$@\"\n: >'{}'\nsleep 623451\n",
        env!("CARGO"),
        started.display(),
    );
    let cargo = workspace.add_program("cargo", "cargo", &script).join("cargo");
    compile(&workspace);
    let run = sqlx(&workspace, &["library", "prepare"]).env("CARGO", cargo).deadline(DEADLINE).start();
    eventually("cargo check runs", DEADLINE, || started.exists().then_some(()));
    run.terminate();
    run.wait().code(130);
    eventually("cargo check is gone", DEADLINE, || process::in_folder("623451").is_empty().then_some(()));
}
