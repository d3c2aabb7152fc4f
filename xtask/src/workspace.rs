//! The workspace root, and the databases that its `sqlx.toml` files describe.
//!
//! A database is a workspace member with a `sqlx.toml`. sqlx's macros, sqlx-cli and this program all read that file. A
//! workspace without a `sqlx.toml`, but with a folder `migrations/`, has one database, on `DATABASE_URL`.

mod manifest;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Deserialize;
use sqlx::config::{Config, migrate::MigrationDefaults};

use crate::migrations::{self, MigrationFile, SampleFile};
use crate::problem::{Code, Problem, Problems};

/// A cargo workspace and its databases.
pub(crate) struct Workspace {
    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// In the order of the workspace's members. There is at least one, unless the files have problems.
    pub(crate) databases: Vec<Database>,
    /// The manifest's table `[workspace.metadata.xtask]`.
    pub(crate) metadata: Metadata,
    /// All problems with the files of the databases. A database whose `sqlx.toml` can't be used isn't in `databases`.
    pub(crate) wrong_files: Problems,
}

/// The settings of this program in a workspace's manifest.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Metadata {
    /// A program of the workspace, with its arguments. It checks the settings in a file, whose path is added as an
    /// argument.
    pub(crate) env_check: Option<String>,
    /// The line of `.env` that says that its secrets have to be real ones, such as `ENVIRONMENT=production`.
    pub(crate) production: Option<String>,
}

impl Metadata {
    /// The variable that says which environment the settings are of, and its value in production.
    pub(crate) fn production(&self) -> (&str, &str) {
        self.production.as_deref().and_then(|marker| marker.split_once('=')).unwrap_or(("ENVIRONMENT", "production"))
    }
}

/// The table `[package.metadata.xtask.privileges]` in the manifest of a database's package. If it is there, owners and
/// privileges are a part of the database's proof.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Privileges {
    /// The roles that the migrations grant something to. db-setup makes those that are missing, where it may.
    #[serde(default)]
    pub(crate) roles: Vec<String>,
}

/// A database as the repository describes it.
pub(crate) struct Database {
    /// The name of its migrations folder.
    pub(crate) name: String,
    /// The variable that holds its URL.
    pub(crate) url_variable: String,
    pub(crate) history: HistoryTable,
    /// The folder of the package with its `sqlx.toml`, relative to the root. It is empty for the root itself.
    pub(crate) package_dir: PathBuf,
    /// The folder of its migrations, relative to the root if the folder lies below it.
    pub(crate) migrations_dir: PathBuf,
    /// In the order of their versions.
    pub(crate) migrations: Vec<MigrationFile>,
    /// The rows that the round trip of the migrations loads, if there are any.
    pub(crate) sample: Option<SampleFile>,
    /// The kind and the numbering of new migrations: `[migrate.defaults]`.
    pub(crate) migration_defaults: MigrationDefaults,
    /// The file with its committed schema: `schema/<name>.sql`, relative to the root.
    pub(crate) schema_file: PathBuf,
    /// What its package says about owners and privileges, if they are a part of its proof.
    pub(crate) privileges: Option<Privileges>,
}

/// The table in which a database records the migrations that were applied to it.
pub(crate) struct HistoryTable {
    /// As `sqlx.toml` writes it: `_sqlx.migrations`.
    pub(crate) name: String,
    /// Schemas to create before the table.
    pub(crate) create_schemas: Vec<String>,
}

impl HistoryTable {
    /// The schema and the table, without quotes.
    pub(crate) fn parts(&self) -> (Option<&str>, &str) {
        let bare = |part| str::trim_matches(part, '"');
        match self.name.split_once('.') {
            Some((schema, table)) => (Some(bare(schema)), bare(table)),
            None => (None, bare(&self.name)),
        }
    }

    /// The table that has the texts of the migrations, written as the name of the history is.
    pub(crate) fn texts(&self) -> String {
        let quote = if self.name.ends_with('"') { "\"" } else { "" };
        let (_, table) = self.parts();
        let before = &self.name[..self.name.len() - table.len() - quote.len()];
        format!("{before}{}{quote}", xtask_schema::texts_table(table))
    }
}

impl Workspace {
    /// Finds the workspace that the current folder belongs to. Problems with the files of its databases are no error
    /// here, because some commands don't need those files.
    ///
    /// # Errors
    /// There is no workspace, its manifest can't be read, or it describes no database.
    pub(crate) fn find() -> Result<Self> {
        let start = std::env::current_dir().map_err(|error| {
            Problem::failed(Code::FileUnreadable, format!("The current folder can't be read: {error}."))
                .remedy("It may have been deleted. Change to the folder of the checkout: cd /path/to/the/checkout")
        })?;
        let (root, manifest) = manifest::find_root(&start)?;
        let mut problems = Problems::default();
        let mut databases = Vec::new();
        for member in manifest::members(&root, &manifest)? {
            let file = member.join("sqlx.toml");
            if file.is_file() {
                match Database::read(&root, &member, &file, &mut problems) {
                    Ok(database) => databases.push(database),
                    Err(problem) => problems.0.push(problem),
                }
            }
        }
        if databases.is_empty() && problems.0.is_empty() {
            databases.push(Database::plain(&root, &mut problems)?);
        }
        same_names(&databases, &mut problems);
        let metadata = manifest.workspace.map(|workspace| workspace.metadata.xtask).unwrap_or_default();
        Ok(Self { root, databases, metadata, wrong_files: problems })
    }

    /// Finds a database by its name.
    ///
    /// # Errors
    /// The workspace has no database with this name. The error first lists the problems with the files, because a file
    /// with a problem may describe the database. Then it lists the databases that the workspace has.
    pub(crate) fn database(&self, name: &str) -> Result<&Database, Problems> {
        self.databases.iter().find(|database| database.name == name).ok_or_else(|| {
            let known: Vec<_> = self.databases.iter().map(|database| database.name.as_str()).collect();
            let mut problems = self.wrong_files.clone();
            problems.0.push(
                Problem::usage(Code::UnknownDatabase, format!("There is no database \"{name}\" in this workspace."))
                    .detail(format!("Its sqlx.toml files describe these: {}.", known.join(", "))),
            );
            problems
        })
    }

    /// The variables of the databases' URLs, in the order of the databases.
    pub(crate) fn url_variables(&self) -> Vec<&str> {
        self.databases.iter().map(|database| database.url_variable.as_str()).collect()
    }
}

impl Database {
    /// The roles that its migrations grant something to.
    pub(crate) fn declared_roles(&self) -> &[String] {
        self.privileges.as_ref().map_or(&[], |privileges| &privileges.roles)
    }

    /// Every migration file, up and down, relative to the root.
    pub(crate) fn all_files(&self) -> impl Iterator<Item = &Path> {
        self.migrations.iter().flat_map(|file| {
            let down = file.down.as_ref().map(|down| down.file.as_path());
            std::iter::once(file.file.as_path()).chain(down)
        })
    }

    /// Reads the database that a `sqlx.toml` describes.
    fn read(root: &Path, member: &Path, file: &Path, problems: &mut Problems) -> Result<Self, Problem> {
        let shown = file.strip_prefix(root).unwrap_or(file);
        let config = Config::try_from_path(file.to_owned()).map_err(|error| {
            let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            Problem::failed(Code::SqlxToml, format!("{} can't be used: {}", shown.display(), cause.trim_end()))
                .remedy("See the format: https://docs.rs/sqlx/0.9/sqlx/_config/_reference/index.html")
        })?;
        let migrations_dir = member.join(config.migrate.migrations_dir());
        // `..` is removed from the text of the path, because the folder may be missing. Links aren't resolved.
        let migrations_dir = without_parents(&migrations_dir);
        let name = database_name(root, &migrations_dir);
        let history = HistoryTable {
            name: config.migrate.table_name().to_owned(),
            create_schemas: config.migrate.create_schemas.iter().map(ToString::to_string).collect(),
        };
        let ignored = &config.migrate.to_resolve_config();
        Ok(Self {
            schema_file: PathBuf::from(format!("schema/{name}.sql")),
            url_variable: config.common.database_url_var().to_owned(),
            migrations: migrations::read(root, &migrations_dir, ignored, problems),
            sample: migrations::sample(root, &migrations_dir, problems),
            package_dir: below(root, member),
            migrations_dir: below(root, &migrations_dir),
            migration_defaults: config.migrate.defaults,
            privileges: manifest::privileges(root, member)?,
            history,
            name,
        })
    }

    /// Reads the one database of a workspace without a `sqlx.toml`.
    fn plain(root: &Path, problems: &mut Problems) -> Result<Self, Problem> {
        let config = Config::default();
        let migrations_dir = root.join(config.migrate.migrations_dir());
        if !migrations_dir.is_dir() {
            return Err(Problem::failed(
                Code::NoDatabase,
                format!(
                    "{} describes no database: no workspace member has a sqlx.toml, and there is no folder migrations.",
                    root.join("Cargo.toml").display()
                ),
            )
            .remedy(
                "Put a sqlx.toml beside the Cargo.toml of each package that has a database, with its \
                     [common] database-url-var and [migrate] migrations-dir.",
            ));
        }
        let name = database_name(root, &migrations_dir);
        Ok(Self {
            schema_file: PathBuf::from(format!("schema/{name}.sql")),
            url_variable: config.common.database_url_var().to_owned(),
            migrations: migrations::read(root, &migrations_dir, &config.migrate.to_resolve_config(), problems),
            sample: migrations::sample(root, &migrations_dir, problems),
            history: HistoryTable { name: config.migrate.table_name().to_owned(), create_schemas: Vec::new() },
            package_dir: PathBuf::new(),
            privileges: manifest::privileges(root, root)?,
            migration_defaults: config.migrate.defaults,
            migrations_dir: below(root, &migrations_dir),
            name,
        })
    }
}

/// The name of a database, which is the name of its migrations folder. A folder `migrations` tells nothing, so the
/// folder above it gives the name. At the root the name is then `main`.
fn database_name(root: &Path, migrations_dir: &Path) -> String {
    let last = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    match last(migrations_dir) {
        Some(name) if name != "migrations" => name,
        _ => migrations_dir.parent().filter(|parent| *parent != root).and_then(last).unwrap_or_else(|| "main".into()),
    }
}

fn same_names(databases: &[Database], problems: &mut Problems) {
    let mut variables: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for database in databases {
        variables.entry(&database.name).or_default().push(&database.url_variable);
    }
    for (name, variables) in variables.into_iter().filter(|(_, variables)| variables.len() > 1) {
        problems.0.push(
            Problem::failed(Code::SameNames, format!(
                "{} databases are called \"{name}\" (on {}), because a database has the name of its migrations folder.",
                variables.len(),
                variables.join(" and ")
            ))
            .remedy("Give each database its own folder: [migrate] migrations-dir in its sqlx.toml."),
        );
    }
}

fn below(root: &Path, path: &Path) -> PathBuf {
    path.strip_prefix(root).unwrap_or(path).to_owned()
}

/// Returns a path without `..` in it. Links aren't resolved.
pub(crate) fn without_parents(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => drop(plain.pop()),
            std::path::Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}
