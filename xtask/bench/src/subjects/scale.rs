//! Compares `cargo xtask db-verify` with `pg_dump -s` of the same database, on schemas of several sizes.

use std::fmt::Write;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result};
use url::Url;

use super::{Setting, data_folder, postgres_of};
use crate::bench::{Bench, free_port};
use crate::checkout::Checkout;
use crate::comparison::{Candidate, Comparison};
use crate::programs::{self, with_database};
use crate::workspace::Database;

const SUBJECT: &str = "scale";

/// The part of the time of `pg_dump -s` that the proof of a large schema may take.
const BUDGET: f64 = 0.3;

/// The number of tables that `--large` adds.
const LARGE: u32 = 10_000;

/// The exit code of db-setup if the database is right, but no schema file exists yet.
const NO_SCHEMA_FILE: i32 = 4;

/// The name of a workspace's only database.
const NAME: &str = "main";

/// The variable that holds the database's URL.
const VARIABLE: &str = "DATABASE_URL";

/// The highest number of tables in one migration. In a larger transaction, each table takes longer than the one before,
/// and PostgreSQL's default setting has no room for the locks.
const EACH: u32 = 1000;

/// The bytes for a table's files and its part of the logs. The table is in two databases, the real one and the one that
/// the schema file comes from.
const ROOM_EACH: u64 = 400 << 10;

/// The bytes that a server without these tables takes.
const ROOM: u64 = 512 << 20;

/// The bytes that all files take.
pub(crate) fn room(tables: &[u32], large: bool) -> u64 {
    let all = tables.iter().chain(large.then_some(&LARGE));
    ROOM + all.map(|tables| u64::from(*tables) * ROOM_EACH).sum::<u64>()
}

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
    /// The URL of the server's maintenance database.
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
        // This makes the server, and a first database that isn't measured.
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
        // The schema file is written before db-setup runs again, so that db-setup need not search for differences.
        self.checkout.ask(&["db-verify", "--write"], &[0])?;
        self.ask_for_databases()?;

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
        let runs = setting.runs.unwrap_or(if tables > EACH { 3 } else { 7 });
        let budget = (tables >= EACH).then_some(BUDGET);
        Comparison { runs, warmups: 1, budget, missing, ..comparison }.make(setting.reporter)
    }

    /// Makes databases and applies the migration.
    fn ask_for_databases(&self) -> Result<()> {
        self.checkout.ask(&["db-setup", "--server", "local"], &[0, NO_SCHEMA_FILE])
    }

    /// Writes the migrations, and settings that lead to a separate database.
    fn write(&self, tables: u32) -> Result<Url> {
        let (shell, root) = (&self.bench.shell, &self.checkout.root);
        let url = with_database(&self.url, &format!("scale_{tables}"));
        let settings = format!("{VARIABLE}={url}\n");
        shell.write_file(root.join(".env.ci"), &settings)?;
        // The first time, db-setup makes `.env`, and chooses another port if that is necessary.
        if shell.path_exists(root.join(".env")) {
            shell.write_file(root.join(".env"), &settings)?;
        }
        shell.remove_path(root.join("migrations"))?;
        for (at, first) in (1..=tables).step_by(EACH as usize).enumerate() {
            let [up, down] = migration(first, tables.min(first + EACH - 1));
            let file = |way| root.join(format!("migrations/{:03}_tables.{way}.sql", at + 1));
            shell.write_file(file("up"), up)?;
            shell.write_file(file("down"), down)?;
        }
        Ok(url)
    }

    /// Raises a limit of the server. pg_dump locks all tables at once, and the default has no room for so many locks.
    fn make_room(&self, tables: u32) -> Result<()> {
        if tables <= EACH {
            return Ok(());
        }
        let path: PathBuf = data_folder(&self.checkout).join("postgresql.conf");
        let failed = || format!("{} can't be written", path.display());
        let mut file = OpenOptions::new().append(true).open(&path).context(failed())?;
        // The setting counts for each connection. The server has room for a hundred times as many locks.
        writeln!(file, "max_locks_per_transaction = {}", tables / 10).context(failed())?;
        self.checkout.stop()?;
        self.ask_for_databases()
    }
}

/// A migration, up and down. The tables have keys, checks, defaults, an index, a trigger and a comment, like those of a shop.
/// Some of a hundred have an object of a rarer kind.
fn migration(first: u32, last: u32) -> [String; 2] {
    let (mut up, mut down) = (String::new(), String::new());
    if first == 1 {
        up.push_str(
            "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN new.created_at := now(); RETURN new; END';\n",
        );
    }
    for number in first..=last {
        // Writing to a string can't fail.
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
             COMMENT ON TABLE item_{number} IS 'One of many.';\n\
             CREATE TRIGGER touch BEFORE UPDATE ON item_{number} FOR EACH ROW EXECUTE FUNCTION touch();\n",
            parent = number.saturating_sub(1).max(1),
        );
        up.push_str(&rarer(number));
        let number = last - (number - first);
        let _ = writeln!(down, "DROP TABLE item_{number} CASCADE;\n{}", drop_rarer(number));
    }
    if first == 1 {
        down.push_str("DROP FUNCTION touch();\n");
    }
    [up, down]
}

/// The object of a rarer kind that belongs to a table.
fn rarer(number: u32) -> String {
    let item = format!("item_{number}");
    match number % 100 {
        1 => format!("CREATE VIEW {item}_view AS SELECT id, name, amount FROM {item} WHERE amount > 0;\n"),
        2 => format!("CREATE TYPE {item}_kind AS ENUM ('new', 'old');\nALTER TABLE {item} ADD kind {item}_kind;\n"),
        3 => format!(
            "CREATE TABLE {item}_events (id bigint, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);\n\
             CREATE INDEX ON {item}_events (at);\n\
             CREATE TABLE {item}_old PARTITION OF {item}_events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');\n\
             CREATE TABLE {item}_new PARTITION OF {item}_events DEFAULT;\n"
        ),
        4 => format!("CREATE DOMAIN {item}_tag AS text CHECK (VALUE <> '');\nALTER TABLE {item} ADD tag {item}_tag;\n"),
        5 => format!("ALTER TABLE {item} ENABLE ROW LEVEL SECURITY;\nCREATE POLICY own ON {item} USING (id > 0);\n"),
        6 => format!("CREATE MATERIALIZED VIEW {item}_totals AS SELECT name, sum(amount) FROM {item} GROUP BY name;\n"),
        7 => format!("CREATE FUNCTION {item}_id() RETURNS bigint LANGUAGE sql AS 'SELECT max(id) FROM {item}';\n"),
        _ => String::new(),
    }
}

/// Drops what isn't dropped with the table.
fn drop_rarer(number: u32) -> String {
    match number % 100 {
        2 => format!("DROP TYPE item_{number}_kind;\n"),
        3 => format!("DROP TABLE item_{number}_events;\n"),
        4 => format!("DROP DOMAIN item_{number}_tag;\n"),
        7 => format!("DROP FUNCTION item_{number}_id();\n"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::migration;

    #[test]
    fn tables_refer_to_those_before_them() {
        let [up, down] = migration(2, 4);
        assert_eq!(up.matches(" AS IDENTITY PRIMARY KEY").count(), 3);
        assert!(["item_1 (id)", "item_2 (id)", "item_3 (id)"].iter().all(|parent| up.contains(parent)), "{up}");
        assert!(!up.contains("REFERENCES item_4"), "{up}");
        // The down migration drops the last table first, because each table refers to earlier ones.
        let dropped: Vec<&str> = down.lines().filter(|line| line.starts_with("DROP TABLE item_")).collect();
        let expected = ["item_4 CASCADE", "item_3 CASCADE", "item_3_events", "item_2 CASCADE"];
        assert_eq!(dropped, expected.map(|table| format!("DROP TABLE {table};")));
    }

    #[test]
    fn the_first_table_refers_to_itself() {
        assert!(
            migration(1, 1)[0].contains("CREATE TABLE item_1 (\n")
                && migration(1, 1)[0].contains("REFERENCES item_1 (id)")
        );
    }
}
