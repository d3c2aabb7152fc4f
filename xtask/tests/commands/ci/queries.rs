//! `db-prepare` and the step `queries`: sqlx's offline data, on a checkout whose crates use sqlx's checked macros.
//!
//! sqlx is compiled once for all tests, in this repository's target folder and with this repository's features.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::interruption::{endless_build, no_process_is_left};
use super::{WITH_BUILD, json_of, make_whole, real_ci};
use crate::support::run::Invocation;
use crate::support::{Pipeline, Server, Workspace, eventually, server_and_workspace};

const LIBRARY: &str = "\
//! Books.

/// The name of an author.
pub async fn name(pool: &sqlx::PgPool, id: i32) -> sqlx::Result<String> {
    sqlx::query_scalar!(\"SELECT name FROM authors WHERE id = $1\", id).fetch_one(pool).await
}

/// How many books there are.
pub async fn books(pool: &sqlx::PgPool) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar!(
        \"SELECT count(*)
         FROM books\"
    )
    .fetch_one(pool)
    .await
}

#[cfg(test)]
mod tests {
    /// The queries of tests have data as well.
    #[allow(dead_code)]
    async fn titles(pool: &sqlx::PgPool) -> sqlx::Result<Vec<String>> {
        sqlx::query_scalar!(\"SELECT title FROM books\").fetch_all(pool).await
    }
}
";

const JOURNAL: &str = "\
//! Entries.

/// Writes an entry.
pub async fn write(pool: &sqlx::PgPool, entry: &str) -> sqlx::Result<i64> {
    sqlx::query_scalar!(\"INSERT INTO entries (entry) VALUES ($1) RETURNING id\", entry).fetch_one(pool).await
}
";

/// A checkout with queries. When this value is dropped, its packages are deleted from the target folder as well.
struct Queries {
    server: Server,
    workspace: Workspace,
}

impl Queries {
    fn new() -> Self {
        let (server, workspace) = server_and_workspace();
        make_whole(&workspace);
        workspace.write("Cargo.toml", manifest());
        workspace.write("Cargo.lock", std::fs::read(repository().join("Cargo.lock")).unwrap());
        workspace.write(".cargo/config.toml", "[env]\nSQLX_OFFLINE = \"true\"\n");
        for (name, text) in [("library", LIBRARY), ("journal", JOURNAL)] {
            let file = format!("crates/{name}/Cargo.toml");
            // Cargo tells workspaces apart by the names of their packages, not by their folders.
            let own_name =
                |text: &str| text.replace(&format!("\"{name}\""), &format!("\"{}\"", unique(&workspace, name)));
            let manifest = own_name(&workspace.read(&file));
            workspace.write(&file, manifest + "\n[dependencies]\nsqlx.workspace = true\n");
            workspace.write(&format!("crates/{name}/src/lib.rs"), text);
        }
        Self { server, workspace }
    }

    /// Makes the data, as a developer does after writing a query.
    #[track_caller]
    fn prepare(&self) {
        here(self.workspace.xtask(&["db-prepare"]).with_cargo()).run().code(0);
    }

    /// Prepares a run of the step.
    fn checking(&self) -> Invocation<'_> {
        here(real_ci(&self.workspace, &["--format", "json", "--only", "queries"]))
    }

    #[track_caller]
    fn check(&self) -> Pipeline {
        json_of(self.checking())
    }

    /// Returns the data files of a crate. The key is the query that a file belongs to.
    fn data(&self, name: &str) -> BTreeMap<String, String> {
        let folder = format!("crates/{name}/.sqlx");
        let files = std::fs::read_dir(self.workspace.root().join(&folder)).unwrap();
        let files = files.map(|file| format!("{folder}/{}", file.unwrap().file_name().to_string_lossy()));
        let query = |file: &String| {
            let json: serde_json::Value = serde_json::from_str(&self.workspace.read(file)).unwrap();
            json["query"].as_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
        };
        files.map(|file| (query(&file), file)).collect()
    }

    /// Returns the source files with their modification times.
    fn sources(&self) -> Vec<(PathBuf, SystemTime)> {
        let files = self.workspace.files().into_iter();
        files
            .filter(|(path, ..)| path.extension().is_some_and(|end| end == "rs"))
            .map(|(path, _, at)| (path, at))
            .collect()
    }

    #[track_caller]
    fn nothing_is_left(&self) {
        self.server.assert_only(&[]);
        let left = std::fs::read_dir(self.workspace.root().join("target/xtask/queries")).into_iter().flatten();
        assert_eq!(left.count(), 0);
    }
}

impl Drop for Queries {
    fn drop(&mut self) {
        let [library, journal] = ["library", "journal"].map(|name| unique(&self.workspace, name));
        let packages = ["clean", "--quiet", "--offline", "--package", &library, "--package", &journal];
        drop(here(Invocation::of(&self.workspace, env!("CARGO"), &packages).with_cargo()).start().wait());
    }
}

/// Returns the name of a package that no other checkout has.
fn unique(workspace: &Workspace, name: &str) -> String {
    format!("{name}-{}", workspace.suffix())
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Makes a run use the target folder in which sqlx is already compiled. The run downloads nothing.
fn here(run: Invocation<'_>) -> Invocation<'_> {
    run.with_built_target().env("CARGO_NET_OFFLINE", "true").deadline(WITH_BUILD)
}

/// Returns the fixture's manifest with this repository's dependency on sqlx and this repository's profiles.
fn manifest() -> String {
    let text = std::fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let theirs: toml::Table = text.parse().unwrap();
    let text = "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n";
    let mut manifest: toml::Table = text.parse().unwrap();
    let sqlx = theirs["workspace"]["dependencies"]["sqlx"].clone();
    let dependencies = toml::Table::from_iter([("sqlx".to_owned(), sqlx)]);
    manifest["workspace"].as_table_mut().unwrap().insert("dependencies".into(), dependencies.into());
    manifest.insert("profile".into(), theirs["profile"].clone());
    toml::to_string(&manifest).unwrap()
}

/// The data is missing at first, then it is made and checked, and then it allows a build without any database.
#[test]
fn made_checked_and_used() {
    let queries = Queries::new();
    let Queries { server, workspace } = &queries;
    let missing = queries.check().code(1).fails(&["queries"], &[]);
    let places = [
        "crates/journal/src/lib.rs:5",
        "crates/library/src/lib.rs:5",
        "crates/library/src/lib.rs:11",
        "crates/library/src/lib.rs:23",
    ];
    let texts = missing.at("queries", &places).concat();
    assert!(texts.contains("cargo xtask db-prepare"), "{texts}");
    queries.nothing_is_left();

    let before = queries.sources();
    queries.prepare();
    queries.nothing_is_left();
    assert_eq!(queries.sources(), before);
    let (library, journal) = (queries.data("library"), queries.data("journal"));
    let names = |data: &BTreeMap<String, String>| data.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&library),
        ["SELECT count(*) FROM books", "SELECT name FROM authors WHERE id = $1", "SELECT title FROM books"]
    );
    assert_eq!(names(&journal), ["INSERT INTO entries (entry) VALUES ($1) RETURNING id"]);

    // The modification times of the sources are restored. A source that is edited during the run keeps its new time,
    // because cargo would overlook the edit otherwise.
    let edited = workspace.root().join("crates/library/src/lib.rs");
    let others = || queries.sources().into_iter().filter(|(path, _)| *path != edited).collect::<Vec<_>>();
    let modified = || std::fs::metadata(&edited).unwrap().modified().unwrap();
    let (others_before, modified_before, started) = (others(), modified(), SystemTime::now());
    let pipeline = json_of(queries.checking().env("CARGO", editing(workspace, &edited))).passes_but(&[]);
    assert_eq!(pipeline.step("queries").what, "the data of 4 queries in 2 packages is current");
    assert!(modified() > modified_before && modified() >= started, "the modification time of the edit is lost");
    assert_eq!(others(), others_before);
    queries.nothing_is_left();
    // Neither the databases nor the settings were needed or made.
    assert!(!workspace.root().join(".env").exists());

    // Further runs change nothing. Runs in one checkout take turns, and each run compiles all queries. Otherwise it would
    // take the data of the queries that it didn't compile for left over.
    let files = workspace.files();
    let runs: Vec<_> = (0..2).map(|_| here(workspace.xtask(&["db-prepare"]).with_cargo()).start()).collect();
    for run in runs {
        run.wait().code(0).says(["the data of every query is current"]).lacks(["Next:"]);
    }
    assert_eq!(workspace.files(), files);
    queries.nothing_is_left();

    // The crates compile without any server, from the data alone.
    workspace.write("crates/library/src/lib.rs", LIBRARY.replace("//! Books.", "//! Many books."));
    server.execute("postgres", "ALTER ROLE keeper NOLOGIN");
    let [of_library, of_journal] = ["library", "journal"].map(|name| unique(workspace, name));
    let check = ["check", "--quiet", "--package", &of_library, "--package", &of_journal, "--all-targets"];
    here(Invocation::of(workspace, env!("CARGO"), &check).with_cargo()).run().code(0);
    std::fs::remove_dir_all(workspace.root().join("crates/library/.sqlx")).unwrap();
    workspace.write("crates/library/src/lib.rs", LIBRARY.replace("//! Books.", "//! No books."));
    here(Invocation::of(workspace, env!("CARGO"), &check).with_cargo()).run().code(101).says(["SQLX_OFFLINE"]);
}

/// Returns a cargo that adds a line to a source after it has compiled.
fn editing(workspace: &Workspace, source: &Path) -> PathBuf {
    let script = format!(
        "#!/bin/sh\n'{cargo}' \"$@\" || exit\ncase $1 in check) echo '// Edited.' >> '{source}' ;; esac\n",
        cargo = env!("CARGO"),
        source = source.display()
    );
    workspace.add_program("editing", "cargo", &script).join("cargo")
}

/// The step reports each stale file at its place, with the difference. A new migration can make the data of a query
/// stale, or make the query impossible.
#[test]
fn data_that_is_stale() {
    let queries = Queries::new();
    queries.prepare();
    let workspace = &queries.workspace;
    let (library, journal) = (queries.data("library"), queries.data("journal"));
    let committed =
        || [&library, &journal].map(|data| data.values().map(|file| workspace.read(file)).collect::<Vec<_>>());
    let current = committed();
    let edit = |file: &str, from: &str, to: &str| {
        let text = workspace.read(file);
        assert!(text.contains(from), "{text}");
        workspace.write(file, text.replace(from, to));
        1 + text.lines().position(|line| line.contains(from.trim_end())).unwrap()
    };
    let stale = &library["SELECT name FROM authors WHERE id = $1"];
    let line = edit(stale, "      false\n", "      true\n");
    let entry = &journal["INSERT INTO entries (entry) VALUES ($1) RETURNING id"];
    workspace.remove(entry);
    let left_over = "crates/library/.sqlx/query-0123.json";
    workspace.write(left_over, workspace.read(stale).replace("FROM authors", "FROM others"));
    let pipeline = queries.check().code(1).fails(&["queries"], &[]);
    let places = [format!("{stale}:{line}"), "crates/journal/src/lib.rs:5".to_owned(), format!("{left_over}:1")];
    let texts = pipeline.at("queries", &places.each_ref().map(String::as_str));
    assert!(texts[0].contains("-      true") && texts[0].contains("+      false"), "{}", texts[0]);
    assert!(texts[1].contains("error[queries-stale]") && texts[1].contains("INSERT INTO entries"), "{}", texts[1]);
    assert!(texts[2].contains("FROM others"), "{}", texts[2]);
    queries.nothing_is_left();

    // `db-prepare` says which files it changed. After that, the files are the same as before.
    let run = here(workspace.xtask(&["db-prepare"]).with_cargo()).run().code(0);
    run.says([format!("written: {stale}"), format!("written: {entry}"), format!("deleted: {left_over}")]);
    assert_eq!((queries.data("library"), queries.data("journal")), (library.clone(), journal.clone()));
    assert_eq!(committed(), current);

    workspace.add_migration("library", "003_anonymous", "ALTER TABLE authors ALTER COLUMN name DROP NOT NULL;\n");
    // The value that the query returns may be NULL now.
    let pipeline = queries.check().code(1).fails(&["queries"], &[]);
    let text = pipeline.at("queries", &["crates/library/src/lib.rs:5:5"]).concat();
    assert!(text.contains("E0308"), "{text}");
    workspace.write("crates/library/src/lib.rs", LIBRARY.replacen("Result<String>", "Result<Option<String>>", 1));
    let pipeline = queries.check().code(1).fails(&["queries"], &[]);
    pipeline.at("queries", &[&format!("{stale}:{line}")]);

    workspace.add_migration("library", "003_anonymous", "ALTER TABLE authors RENAME COLUMN name TO called;\n");
    let before = queries.sources();
    let pipeline = queries.check().code(1).fails(&["queries"], &[]);
    let text = pipeline.at("queries", &["crates/library/src/lib.rs:5:5"]).concat();
    assert!(text.contains("column \"name\" does not exist"), "{text}");
    assert_eq!(queries.sources(), before, "a failing run changed the modification time of a source file");
    queries.nothing_is_left();
}

/// The scratch databases are dropped, and the modification times are restored.
#[test]
fn ended_while_the_queries_are_compiled() {
    let queries = Queries::new();
    let Queries { server, workspace } = &queries;
    let file = workspace.base().join("tmp/begun");
    workspace.write("crates/library/build.rs", endless_build(&file));
    let before = queries.sources();
    let run = queries.checking().start();
    eventually("the queries are compiled", WITH_BUILD, || file.exists().then_some(()));
    assert_eq!(server.databases().len(), 2);
    run.interrupt();
    Pipeline::of(run.wait()).code(130).fails(&[], &["queries"]);
    assert_eq!(queries.sources(), before);
    queries.nothing_is_left();
    no_process_is_left(workspace);
}
