//! Compares the databases that `xtask::test_databases` gives to a test with those of `#[sqlx::test]`, which has one for each
//! test: so a test with all databases stands beside as many tests with one each, which run at the same time.
//!
//! A package of its own in a clone has the tests, which do nothing with their databases. Both run as processes, as nextest
//! runs tests.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{Setting, cargo, data_folder};
use crate::bench::Bench;
use crate::checkout::Checkout;
use crate::comparison::{Candidate, Comparison};
use crate::problem::Problem;

const SUBJECT: &str = "test-databases";

/// The package with the tests.
const PACKAGE: &str = "measured-tests";

const MANIFEST: &str = r#"[package]
name = "measured-tests"
edition.workspace = true

[dev-dependencies]
sqlx.workspace = true
xtask = { path = "../xtask" }
"#;

const OURS: &str = "#[test]
fn databases() {
    drop(xtask::test_databases::TestDatabases::new_blocking().unwrap());
}
";

/// Settings of a server that doesn't wait for its disk.
const NOT_DURABLE: &str = "fsync = off\nfull_page_writes = off\nsynchronous_commit = off";

/// The exit code of db-setup if the databases have more than what the migrations made.
const SCHEMA_DIFFERS: i32 = 4;

/// A line of cargo's messages. <https://doc.rust-lang.org/cargo/reference/external-tools.html#json-messages>
#[derive(Deserialize)]
struct Message {
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

pub(super) fn run(setting: &Setting<'_>) -> Result<()> {
    setting.where_possible((SUBJECT, "all"), || {
        let checkout = setting.checkout("tests")?;
        checkout.set_up("local")?;
        setting.reporter.note("Compiling the tests, which takes a minute or two.");
        let programs = compile(setting.bench, &checkout)?;
        measure(setting, &checkout, &programs, ("durable", "that is durable"))?;
        let path = data_folder(&checkout).join("postgresql.conf");
        let failed = || format!("{} can't be written", path.display());
        let mut file = OpenOptions::new().append(true).open(&path).with_context(failed)?;
        writeln!(file, "{NOT_DURABLE}").with_context(failed)?;
        checkout.stop()?;
        // sqlx has left its own tables in the first database.
        checkout.ask(&["db-setup", "--server", "local"], &[0, SCHEMA_DIFFERS])?;
        measure(setting, &checkout, &programs, ("not-durable", "without fsync"))?;
        checkout.stop()
    })
}

fn measure(
    setting: &Setting<'_>,
    checkout: &Checkout<'_>,
    programs: &BTreeMap<String, PathBuf>,
    (case, server): (&str, &str),
) -> Result<()> {
    let program = |name: &str| {
        programs.get(name).ok_or_else(|| Problem::failed(format!("Cargo hasn't made the test program {name}.")))
    };
    let urls = checkout.urls()?;
    let mut theirs = checkout.program(program("theirs")?);
    theirs.arg("--quiet").env("RUST_TEST_THREADS", urls.len().to_string());
    // It makes its databases beside the one of this URL.
    theirs.envs(urls.first().map(|(_, url)| ("DATABASE_URL", url.as_str())));
    let mut ours = checkout.program(program("ours")?);
    ours.arg("--quiet");
    let number = urls.len();
    let migrations: usize = urls.iter().map(|(database, _)| database.migrations.len()).sum();
    let candidates = vec![
        Candidate::commands(format!("TestDatabases, a test with {number} databases"), vec![ours], setting.bench),
        Candidate::commands(format!("#[sqlx::test], {number} tests at once"), vec![theirs], setting.bench).peer(),
    ];
    let title = format!("databases with {migrations} migrations, on a server {server}");
    let comparison = setting.comparison((SUBJECT, case), title, candidates);
    // The first run makes the templates.
    Comparison { runs: setting.runs.unwrap_or(15), warmups: 2, ..comparison }.make(setting.reporter)
}

/// Adds the package to the clone, and compiles its tests. Returns their programs by name.
fn compile(bench: &Bench, checkout: &Checkout<'_>) -> Result<BTreeMap<String, PathBuf>> {
    let (shell, root) = (&bench.shell, &checkout.root);
    let manifest = root.join("Cargo.toml");
    let text = shell.read_file(&manifest)?;
    let members = "members = [";
    anyhow::ensure!(text.contains(members), "{} has no list of members", manifest.display());
    shell.write_file(&manifest, text.replacen(members, &format!("{members}\"{PACKAGE}\", "), 1))?;
    let folder = root.join(PACKAGE);
    shell.write_file(folder.join("Cargo.toml"), MANIFEST)?;
    shell.write_file(folder.join("src/lib.rs"), "")?;
    shell.write_file(folder.join("tests/ours.rs"), OURS)?;
    let theirs = checkout.databases.iter().enumerate().map(|(number, database)| {
        let migrations = database.migrations_dir.display();
        format!("#[sqlx::test(migrations = \"../{migrations}\")]\nasync fn database_{number}(_: sqlx::PgPool) {{}}\n")
    });
    shell.write_file(folder.join("tests/theirs.rs"), theirs.collect::<String>())?;

    let mut build = cargo(bench, &["test", "--quiet", "--no-run", "--tests", "--package", PACKAGE]);
    build.args(["--message-format", "json"]).current_dir(root);
    build.env("RUSTC_WRAPPER", "").env("CARGO_TARGET_DIR", bench.folder.join("target-tests"));
    let messages = bench.read(build)?;
    let programs = messages.lines().filter_map(|line| {
        let Message { target, executable } = serde_json::from_str(line).ok()?;
        Some((target?.name, executable?))
    });
    Ok(programs.collect())
}
