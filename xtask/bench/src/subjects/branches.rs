//! Measures what it takes to give a branch databases of its own: `cargo xtask db-switch` and `db-snapshot`, beside
//! `pg_dump | psql`.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use url::Url;
use xshell::cmd;

use super::{Setting, postgres_of};
use crate::bench::{Bench, free_port};
use crate::checkout::Checkout;
use crate::comparison::{Candidate, Comparison};
use crate::programs::{self, with_database};
use crate::workspace::Database;

const SUBJECT: &str = "branches";

/// The databases of the workspace.
const NAMES: [&str; 2] = ["first", "second"];

/// The branches. The second one has a migration more.
const BRANCHES: [&str; 2] = ["main", "feature"];

/// The name of the snapshot that is measured.
const SNAPSHOT: &str = "measured";

/// The exit code of db-setup if the database is right, but no schema file exists yet.
const NO_SCHEMA_FILE: i32 = 4;

/// The rows of a database. They take a kilobyte each.
const ROWS_OF_A_MEGABYTE: u32 = 1000;

pub(super) fn run(setting: &Setting<'_>, megabytes: u32) -> Result<()> {
    let databases = NAMES.map(|name| Database {
        name: name.to_owned(),
        url_variable: format!("{}_URL", name.to_uppercase()),
        migrations_dir: format!("migrations/{name}").into(),
        migrations: Vec::new(),
    });
    setting.where_possible((SUBJECT, "all"), || {
        let workspace = Generated::make(setting, &databases)?;
        workspace.fill(megabytes)?;
        workspace.measure(setting, megabytes)?;
        workspace.checkout.stop()
    })
}

/// A workspace with two databases and two branches.
struct Generated<'a> {
    bench: &'a Bench,
    checkout: Checkout<'a>,
    /// The schema file of the first database on each branch.
    schemas: [String; 2],
    /// The branch that is checked out, as its place in [`BRANCHES`].
    branch: Cell<usize>,
}

impl<'a> Generated<'a> {
    fn make(setting: &Setting<'a>, databases: &'a [Database]) -> Result<Self> {
        let bench = setting.bench;
        let (shell, root) = (&bench.shell, bench.shell.create_dir(bench.folder.join("branches"))?);
        bench.read(cmd!(shell, "git init --quiet {root}"))?;
        let write = |path: &str, text: &str| shell.write_file(root.join(path), text);
        write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"first\", \"second\"]\n")?;
        let port = free_port()?;
        let mut settings = String::new();
        for Database { name, url_variable, .. } in databases {
            write(&format!("{name}/Cargo.toml"), &format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n"))?;
            write(&format!("{name}/src/lib.rs"), "")?;
            let manifest = format!(
                "[common]\ndatabase-url-var = \"{url_variable}\"\n\n[migrate]\nmigrations-dir = \"../migrations/{name}\"\n"
            );
            write(&format!("{name}/sqlx.toml"), &manifest)?;
            let up = "CREATE TABLE filler (id bigint PRIMARY KEY, body text NOT NULL);\n";
            write(&format!("migrations/{name}/001_filler.up.sql"), up)?;
            write(&format!("migrations/{name}/001_filler.down.sql"), "DROP TABLE filler;\n")?;
            settings.push_str(&format!(
                "{url_variable}=postgres://branches:only-for-the-benchmarks@localhost:{port}/branches_{name}\n"
            ));
        }
        write(".env.ci", &settings)?;
        let checkout = Checkout::of(root.clone(), databases, setting.workspace, bench);
        let mut generated = Self { bench, checkout, schemas: [String::new(), String::new()], branch: Cell::new(0) };
        generated.check_out(0)?;
        generated.checkout.ask(&["db-setup", "--server", "local"], &[0, NO_SCHEMA_FILE])?;
        for branch in [1, 0] {
            generated.check_out(branch)?;
            generated.checkout.ask(&["db-verify", "--write"], &[0])?;
            generated.schemas[branch] = shell.read_file(root.join("schema/first.sql"))?;
        }
        generated.checkout.ask(&["db-setup"], &[0])?;
        Ok(generated)
    }

    /// Does what `git switch` does.
    fn check_out(&self, branch: usize) -> Result<()> {
        let (shell, root) = (&self.bench.shell, &self.checkout.root);
        let reference = format!("refs/heads/{}", BRANCHES[branch]);
        self.bench.read(cmd!(shell, "git -C {root} symbolic-ref HEAD {reference}"))?;
        let file = |way| root.join(format!("migrations/first/002_note.{way}.sql"));
        if branch == 1 {
            shell.write_file(file("up"), "ALTER TABLE filler ADD note text;\n")?;
            shell.write_file(file("down"), "ALTER TABLE filler DROP note;\n")?;
        } else {
            shell.remove_path(file("up"))?;
            shell.remove_path(file("down"))?;
        }
        if !self.schemas[branch].is_empty() {
            shell.write_file(root.join("schema/first.sql"), &self.schemas[branch])?;
        }
        self.branch.set(branch);
        Ok(())
    }

    fn fill(&self, megabytes: u32) -> Result<()> {
        let psql =
            postgres_of(&self.checkout)?.program("psql").map_err(|missing| anyhow::anyhow!("{}", missing.why))?;
        let rows = u64::from(megabytes) * u64::from(ROWS_OF_A_MEGABYTE);
        let insert =
            format!("INSERT INTO filler SELECT n, repeat(md5(n::text), 29) FROM generate_series(1, {rows}) AS n");
        for (_, url) in self.checkout.urls()? {
            self.bench.measure(self.psql(&psql, &url).args(["--command", &insert]))?;
        }
        Ok(())
    }

    fn psql(&self, psql: &Path, url: &Url) -> Command {
        let mut command = programs::client(&self.bench.shell, psql, url);
        command.args(["--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1"]);
        command
    }

    fn measure(&self, setting: &Setting<'_>, megabytes: u32) -> Result<()> {
        let bench = self.bench;
        // The first time, the branch gets a copy.
        self.check_out(1)?;
        self.checkout.ask(&["db-switch"], &[0])?;
        let switch = vec![self.checkout.xtask(&["db-switch", "--quiet"])];
        let save = vec![self.checkout.xtask(&["db-snapshot", "save", SNAPSHOT, "--quiet"])];
        let drop = || self.checkout.ask(&["db-snapshot", "drop", SNAPSHOT, "--yes"], &[0, 1, 2]);
        let mut candidates = vec![
            Candidate::commands("cargo xtask db-switch, to a branch that was there before", switch, bench)
                .prepared(|| self.check_out(1 - self.branch.get())),
            Candidate::commands("cargo xtask db-snapshot save", save, bench).prepared(drop),
        ];
        let mut missing = Vec::new();
        let postgres = postgres_of(&self.checkout)?;
        match postgres.program("pg_dump").and_then(|dump| Ok((dump, postgres.program("psql")?))) {
            Ok((pg_dump, psql)) => {
                let copies = self.copies(&pg_dump, &psql)?;
                let urls = self.checkout.urls()?;
                let drop = move || {
                    for (_, url) in &urls {
                        let drop = format!("DROP DATABASE IF EXISTS {}", copy_of(url));
                        let maintenance = with_database(url, "postgres");
                        bench.measure(self.psql(&psql, &maintenance).args(["--command", &drop]))?;
                    }
                    Ok(())
                };
                let name = "psql: CREATE DATABASE; pg_dump | psql";
                candidates.push(Candidate::commands(name, copies, bench).prepared(drop).peer());
            }
            Err(program) => missing.push(program),
        }
        let title = format!("two databases of {megabytes} MB for a branch");
        let comparison = setting.comparison((SUBJECT, &megabytes.to_string()), title, candidates);
        let runs = setting.runs.unwrap_or(5);
        Comparison { runs, warmups: 1, missing, ..comparison }.make(setting.reporter)
    }

    /// The commands that copy both databases by hand.
    fn copies(&self, pg_dump: &Path, psql: &Path) -> Result<Vec<Command>> {
        let mut commands = Vec::new();
        for (_, url) in self.checkout.urls()? {
            let create = format!("CREATE DATABASE {}", copy_of(&url));
            let mut command = self.psql(psql, &with_database(&url, "postgres"));
            command.args(["--command", &create]);
            commands.push(command);
            let quoted = |program: &Path| Some(format!("'{}'", program.to_str()?));
            let programs = quoted(pg_dump).zip(quoted(psql)).context("A program's path isn't UTF-8")?;
            let line = format!(
                "set -e; {} | PGDATABASE={} {} --quiet --no-psqlrc --set ON_ERROR_STOP=1 >/dev/null",
                programs.0,
                copy_of(&url),
                programs.1
            );
            let mut pipe = programs::client(&self.bench.shell, &PathBuf::from("sh"), &url);
            pipe.args(["-c", &line]);
            commands.push(pipe);
        }
        Ok(commands)
    }
}

/// The name of a database's copy that is made by hand.
fn copy_of(url: &Url) -> String {
    format!("{}_copy", programs::database(url))
}
