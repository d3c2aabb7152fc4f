//! Runs `quickcart check` as a user would.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[cfg(unix)]
mod databases;

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, starts_with};
use quickcart::settings::VARIABLES;
use tempfile::TempDir;
#[cfg(unix)]
use xtask::test_databases::TestServer;

/// Every secret of these tests contains this word, so that one search of the output finds any of them.
const DISTINCTIVE: &str = "distinctive";

/// Makes a workspace with this `.env`.
fn workspace(env: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Cargo.toml"), "[workspace]\n").unwrap();
    fs::write(folder.path().join(".env"), env).unwrap();
    folder
}

fn env_file(main: &str, audit: &str) -> String {
    format!(
        "TELEGRAM_BOT_TOKEN=1:distinctive-token\n\
         ADMIN_USER_IDS=123456789\n\
         PAKASIR_API_KEY=distinctive-api-key\n\
         PAKASIR_PROJECT_SLUG=test-project\n\
         DATABASE_URL={main}\n\
         AUDIT_DATABASE_URL={audit}\n\
         SECRET_KEY=distinctive-secret-key-distinctive-secret-key\n\
         ENCRYPTION_KEY=distinctive-encryption-key-distinctive-key\n\
         ENVIRONMENT=testing\n\
         DEBUG=true\n"
    )
}

/// Prepares `quickcart check` in `folder`, without the settings of this process's environment.
fn check(folder: &Path) -> Command {
    let mut command = Command::cargo_bin("quickcart").unwrap();
    command.arg("check").current_dir(folder);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("PG") || VARIABLES.contains(&name)) {
            command.env_remove(name);
        }
    }
    command
}

/// Accepts an output without secrets.
fn no_secret() -> impl predicates::Predicate<str> {
    contains(DISTINCTIVE).not()
}

/// A port on which nothing listens. The system never gives this port to a program. A port that was free a moment ago
/// could belong to another test's server by now.
const CLOSED_PORT: u16 = 1;

#[test]
fn all_mistakes_in_the_settings_are_reported_at_once() {
    let folder = workspace(
        "this line has distinctive words\n\
         TELEGRAM_BOT_TOKEN=\n\
         ADMIN_USER_IDS=1,distinctive\n\
         PAKASIR_PROJECT_SLUG=test-project\n\
         DATABASE_URL=postgresql+asyncpg://quickcart:distinctive@localhost/quickcart\n\
         AUDIT_DATABASE_URL=postgres://quickcart:distinc/tive@localhost/quickcart_audit\n\
         SECRET_KEY=distinctive\n\
         ENCRYPTION_KEY=distinctive words\n\
         ENVIRONMENT=production\n\
         DEBUG=true\n",
    );
    let mut assert = check(folder.path()).assert().code(1).stdout("").stderr(no_secret());
    for expected in [
        ".env: line 1 isn't NAME=value. Write NAME=value",
        ".env: line 8 has a value that can't be read. Put a value with spaces",
        "TELEGRAM_BOT_TOKEN is empty.",
        "ADMIN_USER_IDS has no integer in place 2",
        "PAKASIR_API_KEY is missing.",
        "DATABASE_URL is in SQLAlchemy's form: write `postgres://` where it says `postgresql+asyncpg://`",
        "AUDIT_DATABASE_URL has a special character that is not percent-encoded",
        "SECRET_KEY has 11 characters",
        "ENCRYPTION_KEY is missing.",
        "DEBUG is true although ENVIRONMENT is production",
    ] {
        assert = assert.stderr(contains(expected));
    }
}

/// What is left of a password behind an unencoded character would pass for a database's name or a port.
#[test]
fn no_part_of_a_password_is_shown_however_it_is_written() {
    let audit = format!("postgres://quickcart:x@127.0.0.1:{CLOSED_PORT}/audit");
    for (main, expected) in [
        (
            "postgres://quickcart:2024/distinctive@localhost:5432/shop",
            "has a special character that is not percent-encoded",
        ),
        (
            "postgres://quickcart:2024#distinctive@localhost:5432/shop",
            "has a special character that is not percent-encoded",
        ),
        (
            "postgres://quickcart:2024?distinctive@localhost:5432/shop",
            "has a special character that is not percent-encoded",
        ),
        (
            "postgres://quickcart:20@24/distinctive@localhost:5432/shop",
            "has a special character that is not percent-encoded",
        ),
        ("postgres://quickcart:x@localhost:distinctive/shop", "is not a valid URL (invalid port number)"),
        ("postgres://quickcart:2024/distinctive", "names no user"),
        ("postgres://quickcart:distinctive@localhost/template1", "names one of PostgreSQL's own databases"),
        ("postgres://quickcart:distinctive@localhost/shop?sslmode=require", "asks for TLS with `sslmode`"),
    ] {
        let folder = workspace(&env_file(main, &audit));
        let expected = contains(format!("DATABASE_URL {expected}"));
        check(folder.path()).assert().code(1).stdout("").stderr(no_secret()).stderr(expected);
    }
}

/// The driver would take what a URL doesn't say from libpq's variables.
#[test]
fn what_a_url_does_not_say_is_not_taken_from_the_environment() {
    let audit = format!("postgres://quickcart:x@127.0.0.1:{CLOSED_PORT}/audit");
    for (main, name, expected) in [
        ("postgres://quickcart:x@localhost", "PGDATABASE", "names no database"),
        ("postgres://localhost/shop", "PGUSER", "names no user"),
        ("postgres:///shop?user=quickcart", "PGHOST", "names no host"),
    ] {
        let folder = workspace(&env_file(main, &audit));
        let expected = contains(format!("DATABASE_URL {expected}"));
        check(folder.path()).env(name, DISTINCTIVE).assert().code(1).stderr(no_secret()).stderr(expected);
    }

    // These would change how each session is. A file by itself has no sessions.
    let url = |name: &str| format!("postgres://quickcart:x@127.0.0.1:{CLOSED_PORT}/{name}");
    let folder = workspace(&env_file(&url("shop"), &url("audit")));
    let refused = contains("DATABASE_URL can't be used while PGOPTIONS is set in the environment");
    check(folder.path()).env("PGOPTIONS", "-c search_path=distinctive").assert().code(1).stderr(refused);
    check(folder.path()).args(["--settings", ".env"]).env("PGOPTIONS", "-c x=y").assert().success();

    let remote = "postgres://quickcart:x@db.example/shop";
    let folder = workspace(&env_file(remote, &url("audit")));
    let refused = contains("DATABASE_URL says nothing about TLS while PGSSLMODE in the environment asks for it");
    check(folder.path()).env("PGSSLMODE", "require").assert().code(1).stderr(refused);
}

#[test]
fn an_unreachable_database_is_exit_code_6_and_both_are_reported() {
    let port = CLOSED_PORT;
    let url = |name: &str| format!("postgres://quickcart:distinctive@127.0.0.1:{port}/{name}");
    let folder = workspace(&env_file(&url("quickcart"), &url("quickcart_audit")));
    check(folder.path())
        .assert()
        .code(6)
        .stdout(no_secret())
        .stdout(contains(format!("DATABASE_URL: 127.0.0.1:{port}/quickcart can't be reached")))
        .stdout(contains(format!("AUDIT_DATABASE_URL: 127.0.0.1:{port}/quickcart_audit can't be reached")))
        .stdout(contains("cargo xtask db-setup"));
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    // The listener takes connections, or lets them wait in its queue, and sends nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = |name: &str| format!("postgres://quickcart:distinctive@127.0.0.1:{port}/{name}");
    let folder = workspace(&env_file(&url("quickcart"), &url("quickcart_audit")));
    check(folder.path()).args(["--timeout", "1"]).assert().code(6).stdout(contains("no answer within 1 s"));
}

#[test]
fn usage_is_exit_code_2() {
    let folder = workspace("");
    check(folder.path()).arg("--nonsense").assert().code(2);
    check(folder.path()).args(["--timeout", "0"]).assert().code(2);
}

#[test]
fn the_environment_wins_over_the_file() {
    let port = CLOSED_PORT;
    let url = |name: &str| format!("postgres://quickcart:distinctive@127.0.0.1:{port}/{name}");
    let folder = workspace(&env_file(&url("from_file"), &url("audit")));
    check(folder.path()).env("DATABASE_URL", url("from_env")).assert().code(6).stdout(contains("/from_env can't"));
    check(folder.path()).assert().code(6).stdout(contains("/from_file can't"));
    let empty = "DATABASE_URL is empty in the environment, which wins over .env";
    check(folder.path()).env("DATABASE_URL", "").assert().code(1).stderr(contains(empty));
    // Without a file, the environment is enough.
    fs::remove_file(folder.path().join(".env")).unwrap();
    let text = env_file(&url("quickcart"), &url("audit"));
    check(folder.path()).envs(text.lines().map(|line| line.split_once('=').unwrap())).assert().code(6);
}

#[test]
fn the_file_of_the_workspace_is_read_and_no_other() {
    let port = CLOSED_PORT;
    let url = |name: &str| format!("postgres://quickcart:distinctive@127.0.0.1:{port}/{name}");
    let outer = workspace(&env_file(&url("quickcart"), &url("audit")));

    // A run in a member's folder, whose manifest has no [workspace], reads the root's file. The member's file isn't
    // read.
    let member = outer.path().join("member/src");
    fs::create_dir_all(&member).unwrap();
    fs::write(outer.path().join("member/Cargo.toml"), "[package]\nname = \"member\"\n").unwrap();
    fs::write(outer.path().join("member/.env"), "DATABASE_URL=nonsense\n").unwrap();
    check(&member).assert().code(6);

    // A workspace without a .env lies inside a workspace that has one. All its settings are missing.
    let inner = outer.path().join("inner");
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("Cargo.toml"), "[workspace]\n").unwrap();
    let mut assert = check(&inner).assert().code(1).stderr(starts_with("The settings are wrong:\n"));
    for name in VARIABLES {
        assert = assert.stderr(contains(format!("{name} is missing.")));
    }
}

/// db-setup makes `.env` from `.env.ci`, the contract of required variables. The contract alone must satisfy the app.
#[test]
fn the_contract_satisfies_the_settings() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.env.ci");
    let contract: BTreeMap<String, String> = dotenvy::from_path_iter(&path).unwrap().map(Result::unwrap).collect();
    let mut required = VARIABLES.map(str::to_owned);
    required.sort();
    assert_eq!(contract.into_keys().collect::<Vec<_>>(), required);

    let folder = workspace("nonsense in a file that isn't checked\n");
    let expected = format!("The settings in {} are fine (testing).\n", path.display());
    // Neither the environment nor .env counts. The check connects to no database, although a server may run at the
    // contract's address.
    check(folder.path()).arg("--settings").arg(&path).env("DEBUG", "x").assert().success().stdout(expected).stderr("");
}

#[test]
fn a_file_of_settings_is_checked_by_itself() {
    let url = |name: &str| format!("postgres://quickcart:distinctive@127.0.0.1:{CLOSED_PORT}/{name}");
    let folder = workspace(&env_file(&url("quickcart"), &url("audit")));
    let text = env_file("postgresql+asyncpg://quickcart:distinctive@localhost/quickcart", &url("audit"))
        .replace("PAKASIR_API_KEY=", "distinctive words\nPAKASIR_API_KEY=$DISTINCTIVE")
        .replace("SECRET_KEY=distinctive-secret-key-", "SECRET_KEY=")
        .replace("ENVIRONMENT=testing", "ENVIRONMENT=production");
    let text: String = text.lines().filter(|line| !line.starts_with("ADMIN")).map(|line| format!("{line}\n")).collect();
    fs::write(folder.path().join("settings"), text).unwrap();

    // A missing variable isn't taken from the environment or from .env.
    let mut assert = check(folder.path())
        .args(["--settings", "settings"])
        .env("ADMIN_USER_IDS", "1")
        .env("DISTINCTIVE", "distinctive")
        .assert()
        .code(1)
        .stdout("")
        .stderr(no_secret())
        .stderr(starts_with("The settings in settings are wrong:\n"));
    for expected in [
        "settings: line 2 isn't NAME=value",
        "settings: line 3 refers to a variable",
        "ADMIN_USER_IDS is missing.",
        "DATABASE_URL is in SQLAlchemy's form",
        "SECRET_KEY has 22 characters",
        "DEBUG is true although ENVIRONMENT is production",
    ] {
        assert = assert.stderr(contains(expected));
    }
    check(folder.path()).args(["--settings", "nowhere"]).assert().code(1).stderr(contains("There is no file nowhere."));
    check(folder.path()).args(["--settings", "."]).assert().code(1).stderr(contains(". can't be read: "));
    check(folder.path()).args(["--settings", "settings", "--timeout", "1"]).assert().code(2);
}

#[cfg(unix)]
#[test]
fn migrated_databases_are_fine_and_missing_or_additional_tables_are_named() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let Some(server) = databases::or_skip(TestServer::start().await) else { return };
        let role = format!("CREATE ROLE shop LOGIN PASSWORD '{DISTINCTIVE}'; DROP ROLE {}", quickcart_audit::WRITER);
        databases::as_superuser(&server, "postgres", &role).await;
        let made = server.databases().await.unwrap();
        for name in ["main", "audit"] {
            // The check logs in as a role with a password that a search finds.
            databases::run_at(made.url(name), "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO shop").await;
        }
        let url = |name: &str| {
            let (start, end) = made.url(name).split_once('@').unwrap();
            assert!(start.starts_with("postgres://"));
            format!("postgres://shop:{DISTINCTIVE}@{end}")
        };
        let folder = workspace(&env_file(&url("main"), &url("audit")));
        let nowhere = url("main").replace("_test_", "_nowhere_");
        check(folder.path())
            .env("DATABASE_URL", nowhere)
            .assert()
            .code(6)
            .stdout(no_secret())
            .stdout(contains("\" does not exist"));

        check(folder.path())
            .assert()
            .success()
            .stdout(no_secret())
            .stderr("")
            .stdout(contains(" is reachable (PostgreSQL ").and(contains("), 7 tables, none missing, every object as in its schema file.\n")))
            .stdout(contains(" is reachable (PostgreSQL ").and(contains(
                "), 3 tables, none missing, every object as in its schema file. The audit trail is written as the URL's role, because \
                     quickcart_audit_writer is missing on this server. `cargo xtask db-setup` says more.\n",
            )));

        // The URL has the last word: what it says isn't replaced, and what it doesn't isn't added.
        let elsewhere =
            [("PGHOST", "x"), ("PGPORT", "1"), ("PGUSER", "nobody"), ("PGPASSWORD", "x"), ("PGDATABASE", "x")];
        check(folder.path()).envs(elsewhere).env("PGSSLMODE", "verify-full").assert().success();

        // The names of the tables say nothing about what is in them.
        databases::run_at(made.url("main"), "ALTER TABLE orders DISABLE TRIGGER USER").await;
        databases::run_at(made.url("audit"), "CREATE SCHEMA aside; CREATE TABLE aside.history ()").await;
        check(folder.path())
            .assert()
            .code(1)
            .stdout(contains("7 tables, none missing, but "))
            .stdout(contains("3 tables, none missing, but 2 objects aren't as in its schema file, such as: "))
            .stdout(contains("`cargo xtask db-verify` says more of what differs."));
        databases::run_at(made.url("main"), "ALTER TABLE orders ENABLE TRIGGER USER").await;
        databases::run_at(made.url("audit"), "DROP SCHEMA aside CASCADE").await;
        check(folder.path()).assert().success();

        databases::run_at(made.url("main"), "DROP TABLE voucher_usage_cooldown").await;
        databases::run_at(made.url("audit"), "CREATE TABLE users ()").await;
        check(folder.path())
            .assert()
            .code(1)
            .stdout(contains("6 tables, missing: voucher_usage_cooldown. `cargo xtask db-setup`"))
            .stdout(contains("4 tables, none missing, not expected: users."));

        // A database that can't be reached decides the exit code, even if another database has wrong tables.
        let nobody = url("main").replace("shop", "nobody");
        check(folder.path())
            .env("DATABASE_URL", nobody)
            .assert()
            .code(6)
            .stdout(contains("Correct the user and password"));
    });
}
