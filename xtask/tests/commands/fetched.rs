//! PostgreSQL that is fetched: another source of the private cluster's binaries. The package `xtask-fetch` has the tests of
//! what goes wrong in a download.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::run::{Invocation, built_target};
use crate::support::{Workspace, is_root, set_mode, skip, sql};

/// The deadline of a run that may compile the program that fetches. The first run of all does.
const WITH_BUILD: Duration = Duration::from_secs(20 * 60);

/// The row of the table that the tests use.
const BUILDS: &str = include_str!("../../src/server/local/builds.toml");

fn value<'a>(row: &'a str, key: &str) -> &'a str {
    row.lines().find_map(|line| line.strip_prefix(&format!("{key} = "))).unwrap().trim_matches('"')
}

/// The real archive. pip fetches it once for all runs of the tests. The program checks it, so no test does.
fn archive() -> Result<PathBuf, String> {
    let system = format!("system = \"{}-{}\"", std::env::consts::OS, std::env::consts::ARCH);
    let row = BUILDS.split("[[build]]").find(|row| row.contains(&system)).ok_or("no build is for this system")?;
    let folder = built_target().join("xtask-test-archive");
    let file = folder.join(Path::new(value(row, "url")).file_name().unwrap());
    if file.exists() {
        return Ok(file);
    }
    let new = folder.join(format!("new-{}", std::process::id()));
    let wanted = format!("{}=={}", value(row, "package"), value(row, "version"));
    let mut pip = Command::new("pip3");
    pip.args(["download", "--quiet", "--no-deps", "--only-binary=:all:", "--python-version", "3.12", "--dest"]);
    let ended = pip.arg(&new).arg(wanted).output().map_err(|error| format!("pip3 can't be started: {error}"))?;
    let moved = std::fs::rename(new.join(file.file_name().unwrap()), &file);
    drop(std::fs::remove_dir_all(&new));
    moved.map_err(|_| format!("pip3 has no PostgreSQL: {}", String::from_utf8_lossy(&ended.stderr).trim()))?;
    Ok(file)
}

fn setup<'a>(workspace: &'a Workspace, arguments: &[&str]) -> Invocation<'a> {
    let arguments = [&["db-setup"], arguments].concat();
    workspace.xtask(&arguments).own_cache()
}

#[test]
fn from_nothing_then_again_and_when_it_is_gone() {
    let archive = match archive() {
        Ok(archive) => archive,
        Err(why) => skip!("{why}"),
    };
    let workspace = Workspace::generic().build();
    let fetching = setup(&workspace, &["--server", "fetched"]).with_cargo().with_built_target();
    let outcome = fetching.env("XTASK_PG_ARCHIVE", &archive).deadline(WITH_BUILD).run().code(0);
    outcome.says(["Fetching PostgreSQL 18.", "what XTASK_PG_ARCHIVE names", "once for all checkouts", "(2 rows)"]);
    assert_eq!(
        sql::query(&workspace.login("postgres"), "SELECT current_setting('server_version_num')::int / 10000 || ''"),
        ["18"]
    );
    workspace.run(&["db-stop"]).code(0);

    // The checkout's data stays with these binaries, although this machine has others. Nothing is fetched again.
    setup(&workspace, &["--offline"]).run().code(0).lacks(["Fetching"]);
    workspace.run(&["db-stop"]).code(0);

    // Without them, nothing else takes their place.
    let fetched = workspace.base().join("cache/postgresql");
    std::fs::rename(&fetched, workspace.base().join("aside")).unwrap();
    let outcome = setup(&workspace, &["--offline"]).run().code(6);
    outcome
        .says(["This checkout's databases are in", "nothing may be fetched offline", "again without --offline"])
        .says(["XTASK_PG_ARCHIVE="]);
    std::fs::rename(workspace.base().join("aside"), &fetched).unwrap();
    setup(&workspace, &[]).env("CARGO_NET_OFFLINE", "true").run().code(0);
    workspace.run(&["db-stop"]).code(0);
}

/// Without Docker and without PostgreSQL, which only root can hide. Root's cache is closed to the account that runs the server.
#[test]
fn a_bare_machine_comes_to_fetched_binaries_by_itself() {
    const HIDE: &str =
        "mount -t tmpfs -o mode=755 none /usr/lib/postgresql && mount -t tmpfs -o mode=755 none /var/lib";
    let archive = match archive() {
        Ok(archive) => archive,
        Err(why) => skip!("{why}"),
    };
    let can_hide = Command::new("unshare").args(["--mount", "sh", "-c", HIDE]).status();
    if !is_root() || !can_hide.is_ok_and(|status| status.success()) {
        skip!("this user can't hide the machine's PostgreSQL");
    }
    let workspace = Workspace::generic().build();
    let cache = workspace.base().join("cache");
    set_mode(&cache, 0o700);
    let script = format!("{HIDE} && \"$0\" db-setup && \"$0\" doctor && \"$0\" db-stop");
    let words = ["--mount", "sh", "-c", &script, env!("CARGO_BIN_EXE_xtask")];
    let run = Invocation::of(&workspace, "unshare", &words).own_cache().with_cargo().with_built_target();
    let run = run.without("docker").without("docker-compose").without("postgres");
    let outcome = run.env("XTASK_PG_ARCHIVE", &archive).deadline(WITH_BUILD).run().code(0);
    outcome.says([
        "local was skipped: PostgreSQL 15 or newer isn't installed here.\n",
        "into /var/lib/xtask/postgresql/18.",
        ", a private cluster of this checkout",
        ", fetched into /var/lib/xtask/postgresql/18.",
        "the private cluster is stopped",
    ]);
    assert!(!cache.join("postgresql").exists());
}

#[test]
fn a_dry_run_says_what_would_be_fetched() {
    let workspace = Workspace::generic().build();
    let outcome = setup(&workspace, &["--server", "fetched", "--dry-run"]).run().code(0);
    outcome.says(["fetched: PostgreSQL 18.", " MB from github.com"]);
    setup(&workspace, &["--server", "fetched", "--dry-run", "--offline"])
        .run()
        .code(6)
        .problem("fetch-offline")
        .says(["PostgreSQL 18.", "XTASK_PG_ARCHIVE=/some/"]);
    assert!(!workspace.base().join("cache/postgresql").exists());
}

/// What is wrong with the one provider that was chosen is told by its own word.
#[test]
fn what_cannot_be_fetched() {
    let ordinary = Workspace::ordinary().build();
    let homeless = ordinary.xtask(&["db-setup", "--server", "fetched"]).unset("HOME").unset("XTASK_CACHE_DIR");
    homeless.run().code(6).problem("fetch-unusable").says(["XTASK_CACHE_DIR="]);
    let workspace = Workspace::generic().build();
    let fetching = setup(&workspace, &["--server", "fetched"]).with_cargo().with_built_target();
    let outcome =
        fetching.env("XTASK_PG_ARCHIVE", workspace.empty().join("nowhere")).deadline(WITH_BUILD).run().code(6);
    outcome.problem("fetch-failed").says(["XTASK_PG_ARCHIVE"]);
}
