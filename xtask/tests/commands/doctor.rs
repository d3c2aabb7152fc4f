//! `cargo xtask doctor`: it agrees with db-setup on every machine, and changes nothing.

use serde_json::Value;

use crate::compose_failures::with_another_password;
use crate::local::pid_files;
use crate::support::fixture::{JOURNAL_HISTORY, LIBRARY_HISTORY, PASSWORD, ROLE};
use crate::support::listener::Listener;
use crate::support::run::Invocation;
use crate::support::stand_in_docker::StandInDocker;
use crate::support::{Outcome, Server, Workspace, free_port, mode, set_mode, set_up, sql};

/// The checks in the output of a run.
#[track_caller]
fn checks(outcome: &Outcome) -> Vec<Value> {
    let events = outcome.events();
    let found = events.iter().find(|event| event["event"] == "checks").unwrap_or_else(|| panic!("{outcome}"));
    found["checks"].as_array().unwrap().clone()
}

/// The names of the checks that ended in this way.
fn ended(outcome: &Outcome, status: &str) -> Vec<String> {
    let checks = checks(outcome);
    let names = checks.iter().filter(|check| check["status"] == status).map(|check| check["check"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

/// Runs doctor, and then db-setup in the same way. Doctor has to change nothing, and to fail exactly if db-setup does. If
/// it fails, these checks have to have failed. Returns what doctor printed.
#[track_caller]
fn agree<'w>(
    what: &str,
    workspace: &'w Workspace,
    run: &dyn Fn(&[&str]) -> Invocation<'w>,
    failed: &[&str],
) -> Outcome {
    let state = || (workspace.files(), pid_files(workspace), workspace.root().join(".xtask").exists());
    let before = state();
    let outcome = run(&["doctor", "--format", "json"]).run();
    assert_eq!(state(), before, "{what}: {outcome}");
    assert_eq!(ended(&outcome, "failed"), failed, "{what}: {outcome}");
    let setup = run(&["db-setup"]).run();
    assert_eq!(outcome.status.code(), setup.status.code(), "{what}: {outcome}\n{setup}");
    assert_eq!(outcome.status.success(), failed.is_empty(), "{what}: {outcome}");
    outcome
}

/// What a run could write on a server, and in the databases that are there.
fn written(server: &Server) -> Vec<Vec<String>> {
    let databases = server.databases();
    let mut state =
        vec![databases.clone(), sql::query(&server.admin("postgres"), "SELECT xmin::text FROM pg_database")];
    for (database, history) in [("library", LIBRARY_HISTORY), ("journal", JOURNAL_HISTORY)] {
        if databases.iter().any(|name| name == database) {
            let login = server.admin(database);
            state.extend(sql::try_query(&login, "SELECT ''").is_ok().then(|| sql::fingerprint(&login, history)));
        }
    }
    state
}

/// A machine whose server answers: what was done to it, what is done to put it right, and the checks that fail.
struct Machine {
    what: &'static str,
    make: &'static str,
    mend: &'static str,
    failed: &'static [&'static str],
}

/// The statements run in the database `library`, or in `postgres` if it has to be another one.
const SERVERS: [Machine; 9] = [
    Machine { what: "everything is ready", make: "", mend: "", failed: &[] },
    Machine {
        what: "the schema differs",
        make: "library: ALTER TABLE books ADD COLUMN stray text",
        mend: "library: ALTER TABLE books DROP COLUMN stray",
        failed: &["database"],
    },
    Machine {
        what: "the history differs",
        make: "library: UPDATE _sqlx.migrations SET checksum = checksum || '\\x00'",
        mend: "library: UPDATE _sqlx.migrations SET checksum = substr(checksum, 1, length(checksum) - 1)",
        failed: &["database"],
    },
    Machine { what: "a database is missing", make: "DROP DATABASE journal", mend: "", failed: &[] },
    Machine {
        what: "the role may not make the database that is missing",
        make: "DROP DATABASE journal; ALTER ROLE keeper NOCREATEDB",
        mend: "ALTER ROLE keeper CREATEDB",
        failed: &["database"],
    },
    Machine {
        what: "the role may have too few sessions",
        make: "DROP DATABASE IF EXISTS journal; ALTER ROLE keeper CONNECTION LIMIT 2",
        mend: "ALTER ROLE keeper CONNECTION LIMIT -1",
        failed: &["role"],
    },
    Machine {
        what: "the role may only read",
        make: "ALTER ROLE keeper SET default_transaction_read_only = on",
        mend: "ALTER ROLE keeper RESET default_transaction_read_only",
        failed: &["role"],
    },
    Machine {
        what: "nobody may connect to a database",
        make: "ALTER DATABASE library ALLOW_CONNECTIONS false",
        mend: "ALTER DATABASE library ALLOW_CONNECTIONS true",
        failed: &["server"],
    },
    Machine {
        what: "the login is refused",
        make: "ALTER ROLE keeper PASSWORD 'another'",
        mend: "ALTER ROLE keeper PASSWORD 'k33perS3cret-77aa'",
        failed: &["server"],
    },
];

fn execute(server: &Server, statements: &str) {
    let (database, statements) = statements.split_once(": ").unwrap_or(("postgres", statements));
    for statement in statements.split("; ").filter(|statement| !statement.is_empty()) {
        server.execute(database, statement);
    }
}

#[test]
fn it_agrees_with_db_setup_about_every_server() {
    let (server, workspace) = set_up();
    workspace.write_own_env();
    workspace.run(&["db-setup"]).code(0);
    assert!(SERVERS[8].mend.contains(PASSWORD) && SERVERS[8].mend.contains(ROLE));
    for Machine { what, make, mend, failed } in SERVERS {
        execute(&server, make);
        let before = written(&server);
        let run = |arguments: &[&str]| {
            assert_eq!(written(&server), before, "{what}");
            workspace.xtask(arguments)
        };
        agree(what, &workspace, &run, failed);
        execute(&server, mend);
    }
}

/// With Docker alone, in each of its moods, and without PostgreSQL's programs.
#[test]
fn it_agrees_with_db_setup_about_docker() {
    let image = "nowhere.invalid/none:1";
    for (situation, failed) in [
        ("nothing", &[][..]),
        ("image-missing", &["server"]),
        ("broken-file", &["server"]),
        ("engine-off", &["server"]),
        ("no-permission", &["server"]),
        ("no-plugin", &["server"]),
    ] {
        let workspace = Workspace::generic().build();
        let docker = StandInDocker::new(&workspace, situation);
        let empty = workspace.empty();
        let run = |arguments: &[&str]| {
            let run = docker.show(workspace.xtask(arguments)).env("XTASK_PG_BINDIR", &empty);
            if situation == "image-missing" { run.env("POSTGRES_IMAGE", image) } else { run }
        };
        let outcome = agree(situation, &workspace, &run, failed);
        if failed.is_empty() {
            assert_eq!(ended(&outcome, "warning"), Vec::<String>::new(), "{outcome}");
            // The container has the data, and Docker is away.
            docker.run(&["db-stop"]).code(0);
            docker.is_now("engine-off");
            let away = agree("away", &workspace, &run, &["server"]);
            away.problem("data-elsewhere").problem("docker-unusable").says(["are in the volume", "_data"]);
        } else if situation == "image-missing" {
            // With PostgreSQL's programs, the next provider is left.
            let run = |arguments: &[&str]| docker.show(workspace.xtask(arguments)).env("POSTGRES_IMAGE", image);
            agree("the next provider", &workspace, &run, &[]).says(["local: PostgreSQL"]);
            workspace.run(&["db-stop"]).code(0);
        } else {
            assert!(ended(&outcome, "warning").contains(&"binaries".to_owned()), "{outcome}");
        }
    }
}

/// The container runs, and its data was made with another password.
#[test]
fn it_agrees_with_db_setup_about_a_volume_with_another_password() {
    let (_server, workspace) = with_another_password();
    let docker = StandInDocker::new(&workspace, "running");
    docker.run(&["db-setup", "--server", "compose"]).code(6);
    let run = |arguments: &[&str]| docker.show(workspace.xtask(arguments));
    agree("another password", &workspace, &run, &["server"]).says(["volume", "docker volume rm"]);
}

/// Without a server and without Docker.
#[test]
fn it_agrees_with_db_setup_about_addresses_and_files() {
    let workspace = Workspace::ordinary().build();
    let (contract, empty) = (workspace.read(".env.ci"), workspace.empty());
    // What hangs up is waited for, because a container's server does that while it starts.
    let plain = |arguments: &[&str]| workspace.xtask(&[arguments, &["--timeout", "2"]].concat());
    let bare = |arguments: &[&str]| workspace.xtask(arguments).path([&empty]).env("XTASK_PG_BINDIR", &empty);
    set_mode(workspace.root(), 0o555);
    agree("the folder can't be written to", &workspace, &plain, &["server"]);
    set_mode(workspace.root(), 0o755);
    let bare = agree("nothing is installed", &workspace, &bare, &["server"]);
    bare.problem("no-binaries").says(["Install Docker: ", "XTASK_PG_BINDIR"]);

    let listener = Listener::closes();
    workspace.set_authority("127.0.0.1", listener.port, ROLE, PASSWORD);
    let own = workspace.write_own_env();
    let outcome = agree("another program has the port", &workspace, &plain, &["server"]);
    outcome.says([format!("{} is open", listener.port)]);
    for (what, text, failed) in [
        ("a URL without a password", own.replace(&format!(":{PASSWORD}"), ""), "server"),
        ("the superuser of the cluster", own.replace(ROLE, "xtask_superuser"), "server"),
        // This address is answered here, but it may be that of another machine.
        ("another machine", own.replace("127.0.0.1", "0.0.0.0"), "server"),
        ("a variable is missing", own.replace("GREETING=hello\n", ""), "env"),
        ("a line that can't be read", format!("{own}A='open\n"), "env"),
    ] {
        workspace.write(".env", text.replace(&format!(":{}/", listener.port), &format!(":{}/", free_port())));
        agree(what, &workspace, &plain, &[failed]);
    }
    workspace.write("migrations/library/4-strange.sql", "SELECT 1;\n");
    workspace.write(".env", "");
    let outcome = agree("files and settings", &workspace, &plain, &["files", "env"]);
    assert!(ended(&outcome, "not-applicable").contains(&"server".to_owned()), "{outcome}");
    workspace.remove("migrations/library/4-strange.sql");

    // A new file may get another port.
    workspace.remove(".env");
    workspace.write(".env.ci", &contract);
    workspace.set_authority("127.0.0.1", listener.port, ROLE, PASSWORD);
    agree("a new file", &workspace, &plain, &[]).says(["is used instead"]);
    agree("a cluster that runs", &workspace, &plain, &[]);
    workspace.run(&["db-stop"]).code(0);
    agree("a cluster that is stopped", &workspace, &plain, &[]);
    workspace.run(&["db-stop"]).code(0);
}

/// Migrations, and the databases of another checkout.
#[test]
fn it_agrees_with_db_setup_about_migrations_and_other_checkouts() {
    let (server, workspace) = set_up();
    let run = |arguments: &[&str]| workspace.xtask(arguments);
    workspace.add_migration("library", "005_more", "CREATE TABLE more (id integer);\n");
    workspace.accept_schema();
    let before = written(&server);
    workspace.run(&["doctor"]).code(0).says(["would apply 005_more"]);
    assert_eq!(written(&server), before);
    agree("a migration is pending", &workspace, &run, &[]);
    workspace.add_migration("library", "006_empty", "-- Nothing yet.\n");
    agree("an empty migration", &workspace, &run, &["database"]);
    workspace.remove("migrations/library/006_empty.up.sql");
    workspace.remove("migrations/library/006_empty.down.sql");
    workspace.add_migration("library", "004_late", "SELECT 1;\n");
    agree("a late migration", &workspace, &run, &["database"]);

    let other = Workspace::generic().build();
    other.write(".env.ci", workspace.read(".env.ci"));
    other.write_own_env();
    let run = |arguments: &[&str]| other.xtask(arguments);
    agree("another checkout's", &other, &run, &["server"]).problem("other-checkout").says(["--share"]);
}

/// It puts right what loses nothing, says what it did, and leaves the rest alone.
#[test]
fn what_it_puts_right() {
    let (server, workspace) = set_up();
    let folder = workspace.add_git();
    let git = |arguments: &[&str]| {
        Invocation::of(&workspace, "git", arguments).path(["/usr/bin", "/bin"]).path_first(folder.clone()).run().code(0)
    };
    let doctor = |arguments: &[&str]| {
        workspace.xtask(&[&["doctor"], arguments].concat()).path_first(folder.clone()).run().code(0)
    };
    workspace.write(".gitignore", ".env\n.xtask\n");
    git(&["init", "--quiet"]);
    git(&["add", "--all"]);
    git(&["config", "core.autocrlf", "true"]);
    let env = workspace.root().join(".env");
    set_mode(&env, 0o644);
    let scratch = "library_scratch_0123456789ab";
    let left = format!("CREATE DATABASE {scratch} OWNER {ROLE} CONNECTION LIMIT {}", 0x7378_6462);
    server.execute("postgres", &left);
    server.execute("postgres", &format!("CREATE DATABASE library_scratch_fedcba987654 OWNER {ROLE}"));

    let outcome = doctor(&["--format", "json"]);
    assert_eq!(ended(&outcome, "warning"), ["line-endings", "env-private", "left-behind"], "{outcome}");
    outcome.problem("line-endings").problem("env-open").problem("left-behind");
    assert_eq!(mode(&env), 0o644);
    doctor(&[]).problem("env-open").problem("left-behind").says([scratch, "doctor --fix"]);
    let files = workspace.files();
    let outcome = doctor(&["--fix"]);
    outcome.says(["only you can read .env now", "core.autocrlf is false", &format!("dropped {scratch}")]);
    assert_eq!(mode(&env), 0o600);
    server.assert_only(&["journal", "library", "library_scratch_fedcba987654"]);
    let changed: Vec<_> =
        workspace.files().into_iter().filter(|file| !files.contains(file)).map(|file| file.0).collect();
    assert_eq!(changed, [workspace.root().join(".git/config")]);
    assert_eq!(ended(&doctor(&["--fix", "--format", "json"]), "warning"), Vec::<String>::new());
    // A link leads to a file that isn't this checkout's.
    let elsewhere = workspace.base().join("elsewhere.env");
    std::fs::rename(&env, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &env).unwrap();
    set_mode(&elsewhere, 0o644);
    doctor(&["--fix"]).says(["is a link"]);
    assert_eq!(mode(&elsewhere), 0o644);
}

/// Secrets that everybody knows, in production.
#[test]
fn public_secrets_in_production() {
    let workspace = Workspace::generic().build();
    let manifest =
        format!("{}\n[workspace.metadata.xtask]\nproduction = \"GREETING=live\"\n", workspace.read("Cargo.toml"));
    workspace.write("Cargo.toml", manifest);
    let own = workspace.write_own_env();
    let doctor = || workspace.run(&["doctor", "--format", "json"]);
    let warnings = || ended(&doctor(), "warning");
    assert!(!warnings().contains(&"env-production".to_owned()));
    workspace.write(".env", own.replace("GREETING=hello", "GREETING=live"));
    assert!(warnings().contains(&"env-production".to_owned()));
    doctor().problem("env-public");
    workspace.run(&["doctor"]).says(["LIBRARY_URL, JOURNAL_URL", "values of .env.ci"]);
}
