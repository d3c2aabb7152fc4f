//! Measures `cargo xtask db-setup` from each state in which it may begin.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use url::Url;

use super::{Setting, compose, local, postgres_of};
use crate::bench::Bench;
use crate::checkout::Checkout;
use crate::cli::Start;
use crate::comparison::{Candidate, Comparison};
use crate::programs::{self, Missing, Postgres, with_database};

pub(super) const SUBJECT: &str = "db-setup";

/// The database that every server has.
const MAINTENANCE: &str = "postgres";

pub(super) fn run(setting: &Setting<'_>, starts: &[Start]) -> Result<()> {
    let all = [Start::Nothing, Start::Cold, Start::Local, Start::Compose];
    for start in if starts.is_empty() { &all } else { starts } {
        let (name, measure): (_, fn(&Setting<'_>) -> Result<()>) = match start {
            Start::Nothing => ("nothing", nothing),
            Start::Cold => ("cold", cold),
            Start::Local => ("local", local::measure),
            Start::Compose => ("compose", compose::measure),
        };
        setting.where_possible((SUBJECT, name), || measure(setting))?;
    }
    Ok(())
}

/// The databases are set up already. sqlx-cli gets its own databases, because it keeps its history in another table.
fn nothing(setting: &Setting<'_>) -> Result<()> {
    let checkout = setting.checkout("nothing")?;
    checkout.set_up("local")?;
    let postgres = postgres_of(&checkout)?;
    let mut candidates = vec![Candidate::commands(
        "cargo xtask db-setup",
        vec![checkout.xtask(&["db-setup", "--quiet"])],
        setting.bench,
    )];
    let mut missing = Vec::new();
    match programs::sqlx() {
        Ok(sqlx) => {
            let psql = postgres.program("psql").ok();
            let listed = if psql.is_some() { "; psql \\dt" } else { "" };
            let name = format!("sqlx database create, migrate run{listed}");
            let commands = sqlx_commands(&checkout, &sqlx, psql.as_deref(), setting.bench)?;
            candidates.push(Candidate::commands(name, commands, setting.bench).peer());
        }
        Err(sqlx) => missing.push(sqlx),
    }
    let comparison = setting.comparison((SUBJECT, "nothing"), "nothing to do", candidates);
    let comparison = Comparison { runs: setting.runs.unwrap_or(15), warmups: 2, missing, ..comparison };
    comparison.make(setting.reporter)?;
    checkout.stop()
}

fn sqlx_commands(checkout: &Checkout<'_>, sqlx: &Path, psql: Option<&Path>, bench: &Bench) -> Result<Vec<Command>> {
    let mut commands = Vec::new();
    for (database, url) in checkout.urls()? {
        let url = with_database(&url, &format!("cli_{}", database.name));
        let sqlx = || {
            let mut command = checkout.program(sqlx);
            command.env("DATABASE_URL", url.as_str());
            command
        };
        let mut create = sqlx();
        create.args(["database", "create"]);
        let mut migrate = sqlx();
        migrate.args(["migrate", "run", "--source"]).arg(&database.migrations_dir);
        commands.extend([create, migrate]);
        if let Some(psql) = psql {
            commands.push(psql_command(psql, &url, bench, &["--command", "\\dt"]));
        }
    }
    Ok(commands)
}

/// A server runs without the databases.
fn cold(setting: &Setting<'_>) -> Result<()> {
    let (bench, checkout) = (setting.bench, setting.checkout("cold")?);
    checkout.set_up("local")?;
    let psql = match postgres_of(&checkout)?.program("psql") {
        Ok(psql) => psql,
        Err(Missing { why, remedies, .. }) => {
            // Without psql, nothing can drop the databases before the next run.
            let command = "db-setup on a server without the databases".to_owned();
            setting.reporter.missing(SUBJECT, "cold", &Missing { command, why, remedies });
            return checkout.stop();
        }
    };
    let urls = checkout.urls()?;
    let drop_all = || {
        for (_, url) in &urls {
            let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", identifier(&programs::database(url)));
            bench.measure(&mut psql_command(&psql, &with_database(url, MAINTENANCE), bench, &["--command", &drop]))?;
        }
        Ok(())
    };
    let ours = vec![checkout.xtask(&["db-setup", "--quiet"])];
    let theirs = migrate_with_psql(&checkout, &psql, bench, Clone::clone)?;
    let candidates = vec![
        Candidate::commands("cargo xtask db-setup, proof included", ours, bench).prepared(drop_all),
        Candidate::commands("psql: CREATE DATABASE, migrations' SQL", theirs, bench).prepared(drop_all).peer(),
    ];
    let comparison = setting.comparison((SUBJECT, "cold"), "cold, on a running server", candidates);
    Comparison { runs: setting.runs.unwrap_or(15), warmups: 1, ..comparison }.make(setting.reporter)?;
    checkout.stop()
}

/// Makes each database, and runs its migrations' SQL. `place` turns a database's URL into the URL to use.
pub(super) fn migrate_with_psql(
    checkout: &Checkout<'_>,
    psql: &Path,
    bench: &Bench,
    place: impl Fn(&Url) -> Url,
) -> Result<Vec<Command>> {
    let mut commands = Vec::new();
    for (database, url) in checkout.urls()? {
        let url = place(&url);
        let create = format!("CREATE DATABASE {}", identifier(&programs::database(&url)));
        commands.push(psql_command(psql, &with_database(&url, MAINTENANCE), bench, &["--command", &create]));
        let mut migrate = psql_command(psql, &url, bench, &[]);
        migrate.current_dir(&checkout.root);
        for file in &database.migrations {
            migrate.arg("--file").arg(file);
        }
        commands.push(migrate);
    }
    Ok(commands)
}

/// A call of psql that ends at the first error and reads no `.psqlrc`.
fn psql_command(psql: &Path, url: &Url, bench: &Bench, words: &[&str]) -> Command {
    let mut command = programs::client(&bench.shell, psql, url);
    command.args(["--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1"]).args(words);
    command
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The programs of PostgreSQL that make a private cluster by hand, or the first one that isn't installed.
pub(super) fn server_programs(postgres: &Postgres) -> Result<[PathBuf; 3], Missing> {
    Ok([postgres.program("initdb")?, postgres.program("pg_ctl")?, postgres.program("psql")?])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn an_identifier_is_quoted() {
        assert_eq!(super::identifier("my \"shop\""), "\"my \"\"shop\"\"\"");
    }
}
