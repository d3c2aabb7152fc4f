//! `cargo xtask db-verify`, beside `pg_dump -s` of the same database, on schemas of several sizes.

use std::fmt::Write;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use url::Url;

use super::{Setting, data_folder, postgres_of};
use crate::bench::{Bench, free_port};
use crate::checkout::Checkout;
use crate::comparison::{Candidate, Comparison};
use crate::problem::{Context, Result};
use crate::programs::{self, with_database};
use crate::workspace::Database;

const SUBJECT: &str = "scale";

/// What `--large` adds.
const LARGE: u32 = 10_000;

/// Exit code of db-setup: the database is right, and there is no schema file yet that says so.
const NO_SCHEMA_FILE: i32 = 4;

/// The name of a workspace's only database.
const NAME: &str = "main";

/// The variable of its URL.
const VARIABLE: &str = "DATABASE_URL";

/// Up to so many tables, PostgreSQL's default setting has room for the locks of a transaction that makes or reads all.
const DEFAULT_LOCKS: u32 = 1000;

pub(super) fn run(setting: &Setting<'_>, tables: &[u32], large: bool) -> Result<()> {
    let database = [Database {
        name: NAME.to_owned(),
        url_variable: VARIABLE.to_owned(),
        migrations_dir: "migrations".into(),
        migrations: Vec::new(),
    }];
    let mut sizes: Vec<u32> = tables.iter().copied().chain(large.then_some(LARGE)).collect();
    sizes.sort_unstable();
    sizes.dedup();
    setting.where_possible((SUBJECT, "all"), || {
        let generated = Generated::make(setting, &database, sizes.last().copied().unwrap_or_default())?;
        for size in &sizes {
            generated.measure(*size, setting)?;
        }
        generated.checkout.stop()
    })
}

/// A workspace with one database, whose schema is generated.
struct Generated<'a> {
    bench: &'a Bench,
    checkout: Checkout<'a>,
    /// Of the server's maintenance database.
    url: Url,
}

impl<'a> Generated<'a> {
    fn make(setting: &Setting<'a>, database: &'a [Database], largest: u32) -> Result<Self> {
        let bench = setting.bench;
        let root = bench.shell.create_dir(bench.folder.join("scale"))?;
        let checkout = Checkout::of(root, database, setting.workspace, bench);
        bench.shell.write_file(checkout.root.join("Cargo.toml"), "[workspace]\nresolver = \"3\"\nmembers = []\n")?;
        let url = format!("postgres://scale:only-for-the-benchmarks@localhost:{}/postgres", free_port()?);
        let url = Url::parse(&url).context("The URL of a generated workspace isn't valid")?;
        let generated = Self { bench, checkout, url };
        // A server, with a database that nobody needs.
        let url = generated.write(1)?;
        generated.ask_for_databases()?;
        generated.make_room(largest)?;
        let port = generated.checkout.urls()?.first().and_then(|(_, url)| url.port()).or(url.port());
        let mut url = generated.url.clone();
        let _ = url.set_port(port);
        Ok(Self { url, ..generated })
    }

    fn measure(&self, tables: u32, setting: &Setting<'_>) -> Result<()> {
        let bench = self.bench;
        let url = self.write(tables)?;
        self.ask_for_databases()?;
        self.checkout.ask(&["db-verify", "--write"], &[0])?;

        let mut candidates = vec![Candidate::commands(
            "cargo xtask db-verify",
            vec![self.checkout.xtask(&["db-verify", "--quiet"])],
            bench,
        )];
        let mut missing = Vec::new();
        match postgres_of(&self.checkout)?.program("pg_dump") {
            Ok(pg_dump) => {
                let mut dump = programs::client(&bench.shell, &pg_dump, &url);
                dump.arg("--schema-only");
                candidates.push(Candidate::commands("pg_dump --schema-only", vec![dump], bench).peer());
            }
            Err(pg_dump) => missing.push(pg_dump),
        }
        let title = match tables {
            1 => "the proof of 1 table".to_owned(),
            tables => format!("the proof of {tables} tables"),
        };
        let comparison = setting.comparison((SUBJECT, &tables.to_string()), title, candidates);
        let runs = setting.runs.unwrap_or(if tables > DEFAULT_LOCKS { 3 } else { 7 });
        Comparison { runs, warmups: 1, missing, ..comparison }.make(setting.reporter)
    }

    /// Makes databases and applies the migration.
    fn ask_for_databases(&self) -> Result<()> {
        self.checkout.ask(&["db-setup", "--server", "local"], &[0, NO_SCHEMA_FILE])
    }

    /// Writes the migration, and settings that lead to a database of its own.
    fn write(&self, tables: u32) -> Result<Url> {
        let (shell, root) = (&self.bench.shell, &self.checkout.root);
        let url = with_database(&self.url, &format!("scale_{tables}"));
        let settings = format!("{VARIABLE}={url}\n");
        let [up, down] = migration(tables);
        let files: [(&str, &str); 4] = [
            ("migrations/001_tables.up.sql", &up),
            ("migrations/001_tables.down.sql", &down),
            (".env.ci", &settings),
            (".env", &settings),
        ];
        for (file, text) in files {
            shell.write_file(root.join(file), text)?;
        }
        Ok(url)
    }

    /// A transaction that makes or reads many thousand tables holds more locks than PostgreSQL has room for by default.
    fn make_room(&self, tables: u32) -> Result<()> {
        if tables <= DEFAULT_LOCKS {
            return Ok(());
        }
        let path: PathBuf = data_folder(&self.checkout).join("postgresql.conf");
        let failed = || format!("{} can't be written", path.display());
        let mut file = OpenOptions::new().append(true).open(&path).context(failed())?;
        // Six for each table: itself, its parts and its indexes; the server has room for a hundred times the setting.
        writeln!(file, "max_locks_per_transaction = {}", tables / 10).context(failed())?;
        self.checkout.stop()?;
        self.ask_for_databases()
    }
}

/// A migration, up and down. The tables are like those of a shop: keys, checks, defaults, an index, a comment.
fn migration(tables: u32) -> [String; 2] {
    let (mut up, mut down) = (String::new(), String::new());
    for number in 1..=tables {
        // To a string, this can't fail.
        let _ = write!(
            up,
            "CREATE TABLE item_{number} (\n    \
               id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n    \
               parent_id bigint REFERENCES item_{parent} (id),\n    \
               name text NOT NULL,\n    \
               amount numeric(12, 2) NOT NULL DEFAULT 0 CHECK (amount >= 0),\n    \
               created_at timestamptz NOT NULL DEFAULT now(),\n    \
               UNIQUE (name)\n\
             );\n\
             CREATE INDEX item_{number}_created_at_idx ON item_{number} (created_at);\n\
             COMMENT ON TABLE item_{number} IS 'One of many.';\n",
            parent = number.saturating_sub(1).max(1),
        );
        let _ = writeln!(down, "DROP TABLE item_{};", tables + 1 - number);
    }
    [up, down]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::migration;

    #[test]
    fn tables_refer_to_those_before_them() {
        let [up, down] = migration(3);
        assert_eq!(up.matches("CREATE TABLE").count(), 3);
        assert!(up.contains("REFERENCES item_2 (id)") && !up.contains("REFERENCES item_3"), "{up}");
        // Down, the last one goes first: others refer to those before it.
        assert_eq!(down, "DROP TABLE item_3;\nDROP TABLE item_2;\nDROP TABLE item_1;\n");
    }
}
