//! The migration files of a database: `NNN_name.up.sql` with `NNN_name.down.sql`, or plain `NNN_name.sql`.
//!
//! sqlx silently ignores a file whose name it does not understand, so this module checks all names. sqlx itself reads
//! the contents of the files, so that the checksums are those of its own tools.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sqlx::migrate::{Migration, MigrationType, ResolveConfig, resolve_blocking_with_config};
use sqlx::{AssertSqlSafe, SqlSafeStr};

use crate::problem::{Code, Problem, Problems};

/// A migration: the file that applies it, and the file that undoes it.
#[derive(Clone)]
pub(crate) struct MigrationFile {
    /// Relative to the workspace root.
    pub(crate) file: PathBuf,
    pub(crate) migration: Migration,
    /// The file that undoes it, if there is one.
    pub(crate) down: Option<DownFile>,
    /// The characters that the checksum leaves out.
    ignored: Vec<char>,
}

/// The file that undoes a migration.
#[derive(Clone)]
pub(crate) struct DownFile {
    /// Relative to the workspace root.
    pub(crate) file: PathBuf,
    pub(crate) migration: Migration,
}

/// The file with the accepted findings in migrations.
pub(crate) const ACCEPTED: &str = "migrations/accepted.toml";

/// The name of the file with sample rows, beside the migrations. sqlx ignores it, because no number is in its name.
const SAMPLE: &str = "sample.sql";

/// The sample rows of a database.
pub(crate) struct SampleFile {
    /// Relative to the workspace root.
    pub(crate) file: PathBuf,
    pub(crate) text: String,
}

/// Reads the sample rows beside the migrations in `dir`, if there are any.
pub(crate) fn sample(root: &Path, dir: &Path, problems: &mut Problems) -> Option<SampleFile> {
    let file = dir.strip_prefix(root).unwrap_or(dir).join(SAMPLE);
    match std::fs::read_to_string(dir.join(SAMPLE)) {
        Ok(text) => Some(SampleFile { file, text }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            problems.0.push(Problem::unreadable(&file, &error));
            None
        }
    }
}

impl MigrationFile {
    /// A migration as it was applied, whatever its file says now. `path` is that of the file, without `.up.sql`.
    pub(crate) fn as_applied(
        path: &Path,
        version: i64,
        description: &str,
        checksum: &[u8],
        up: &str,
        down: Option<&str>,
    ) -> Self {
        let file = |side: &str| PathBuf::from(format!("{}.{side}.sql", path.display()));
        let migration = |migration_type: MigrationType, text: &str| Migration {
            version,
            description: description.to_owned().into(),
            migration_type,
            // This is how sqlx finds it out.
            no_tx: text.starts_with("-- no-transaction"),
            sql: AssertSqlSafe(text.to_owned()).into_sql_str(),
            checksum: checksum.to_owned().into(),
        };
        let down_file =
            |text| DownFile { file: file("down"), migration: migration(MigrationType::ReversibleDown, text) };
        Self {
            file: file("up"),
            migration: migration(MigrationType::ReversibleUp, up),
            down: down.map(down_file),
            ignored: Vec::new(),
        }
    }

    /// The file's name without its extension: `003_orders`.
    pub(crate) fn stem(&self) -> String {
        stem(&self.file)
    }

    /// Returns whether the file would have this checksum if all of its line endings were CRLF, or all of them LF.
    pub(crate) fn differs_in_endings_only(&self, checksum: &[u8]) -> bool {
        let lf = self.migration.sql.as_str().replace("\r\n", "\n");
        let crlf = lf.replace('\n', "\r\n");
        [lf, crlf].into_iter().any(|text| self.checksum_of(&text) == checksum)
    }

    /// The checksum that sqlx computes for a text.
    fn checksum_of(&self, text: &str) -> Vec<u8> {
        let text: String = text.chars().filter(|c| !self.ignored.contains(c)).collect();
        let sql = AssertSqlSafe(text).into_sql_str();
        Migration::new(0, "".into(), MigrationType::Simple, sql, false).checksum.into_owned()
    }
}

/// The name of a migration file without its extension. The way down of `003_orders` has the name `003_orders.down`.
pub(crate) fn stem(file: &Path) -> String {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.trim_end_matches(".sql").trim_end_matches(".up").to_owned()
}

/// The version in the name of a migration's file.
pub(crate) fn version_of(name: &str) -> Option<i64> {
    parse_name(name).map(|name| name.version)
}

/// Reads the migrations in `dir`, in the order of their versions. Problems with the folder or with a file are added to
/// `problems`.
pub(crate) fn read(root: &Path, dir: &Path, config: &ResolveConfig, problems: &mut Problems) -> Vec<MigrationFile> {
    let before = problems.0.len();
    check_names(root, dir, problems);
    if problems.0.len() > before {
        return Vec::new();
    }
    let resolved = match resolve_blocking_with_config(dir, config) {
        Ok(resolved) => resolved,
        Err(error) => {
            let what = format!("The migrations can't be read: {error}.");
            problems.0.push(Problem::failed(Code::FileUnreadable, what).see_who_may(dir));
            return Vec::new();
        }
    };
    let goes_up =
        |migration: &Migration| matches!(migration.migration_type, MigrationType::Simple | MigrationType::ReversibleUp);
    let relative = |path: &Path| dir.strip_prefix(root).unwrap_or(dir).join(path.file_name().unwrap_or_default());
    let (ups, downs): (Vec<_>, Vec<_>) = resolved.into_iter().partition(|(migration, _)| goes_up(migration));
    let mut downs: BTreeMap<i64, DownFile> = downs
        .into_iter()
        .map(|(migration, path)| (migration.version, DownFile { file: relative(&path), migration }))
        .collect();
    ups.into_iter()
        .map(|(migration, path)| MigrationFile {
            file: relative(&path),
            down: downs.remove(&migration.version),
            migration,
            ignored: config.ignored_chars().collect(),
        })
        .collect()
}

/// The parts of a migration file's name.
struct Name<'a> {
    version: i64,
    description: &'a str,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Up,
    Down,
    Simple,
}

fn parse_name(name: &str) -> Option<Name<'_>> {
    let (version, rest) = name.split_once('_')?;
    let rest = rest.strip_suffix(".sql")?;
    let (description, kind) = if let Some(description) = rest.strip_suffix(".up") {
        (description, Kind::Up)
    } else if let Some(description) = rest.strip_suffix(".down") {
        (description, Kind::Down)
    } else {
        (rest, Kind::Simple)
    };
    let digits = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    let version = if digits { version.parse().ok()? } else { return None };
    (version > 0 && !description.is_empty()).then_some(Name { version, description, kind })
}

fn check_names(root: &Path, dir: &Path, problems: &mut Problems) {
    let shown = dir.strip_prefix(root).unwrap_or(dir);
    let entries = std::fs::read_dir(dir).and_then(|entries| {
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<std::io::Result<Vec<_>>>()
    });
    let mut names = match entries {
        Ok(names) => names,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            problems.0.push(
                Problem::failed(
                    Code::MigrationsMissing,
                    format!("The migrations folder {} is missing.", shown.display()),
                )
                .remedy(format!("git checkout -- {}", shown.display()))
                .remedy("or name the right folder in sqlx.toml: [migrate] migrations-dir."),
            );
            return;
        }
        Err(error) => {
            problems.0.push(Problem::unreadable(shown, &error));
            return;
        }
    };
    // A README or a hidden file is no migration. A file that looks like a migration must be one.
    names.retain(|name| {
        let sql = Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql"));
        !name.starts_with('.') && name != SAMPLE && (sql || name.starts_with(|c: char| c.is_ascii_digit()))
    });
    names.sort();
    if names.is_empty() {
        problems.0.push(
            Problem::failed(
                Code::MigrationsMissing,
                format!("The migrations folder {} holds no migration.", shown.display()),
            )
            .remedy(format!("git checkout -- {}", shown.display())),
        );
    }
    let mut versions: BTreeMap<i64, Vec<(&str, Name<'_>)>> = BTreeMap::new();
    for name in &names {
        match parse_name(name) {
            Some(parsed) => versions.entry(parsed.version).or_default().push((name, parsed)),
            None => problems.0.push(
                Problem::failed(
                    Code::MigrationName,
                    format!("{} isn't named like a migration.", shown.join(name).display()),
                )
                .detail("A migration is NNN_name.up.sql with NNN_name.down.sql, where NNN is its version.")
                .remedy("Rename it, or move it out of the folder."),
            ),
        }
    }
    for files in versions.values() {
        check_version(shown, files, problems);
    }
}

/// Checks that one version is one migration: an up file with its down file, or a simple file.
fn check_version(shown: &Path, files: &[(&str, Name<'_>)], problems: &mut Problems) {
    let of = |kind| files.iter().filter(move |(_, name)| name.kind == kind);
    let path = |name: &str| shown.join(name).display().to_string();
    let going_up: Vec<_> = of(Kind::Up).chain(of(Kind::Simple)).collect();
    let one_name = files.iter().all(|(_, name)| name.description == files[0].1.description);
    if going_up.len() > 1 || of(Kind::Down).count() > 1 || !one_name {
        let all: Vec<_> = files.iter().map(|(file, _)| path(file)).collect();
        problems.0.push(
            Problem::failed(
                Code::MigrationName,
                format!("Version {} is used more than once: {}.", files[0].1.version, all.join(", ")),
            )
            .remedy("Give the newer migration the next free number."),
        );
    } else if let (Some((up, _)), None) = (of(Kind::Up).next(), of(Kind::Down).next()) {
        let down = path(&up.replace(".up.sql", ".down.sql"));
        problems.0.push(
            Problem::failed(Code::MigrationHalf, format!("{} has no {down} beside it.", path(up)))
                .remedy(format!("Write {down}, with the statements that undo the migration.")),
        );
    } else if let (Some((down, _)), None) = (of(Kind::Down).next(), of(Kind::Up).next()) {
        let up = path(&down.replace(".down.sql", ".up.sql"));
        problems.0.push(
            Problem::failed(Code::MigrationHalf, format!("{} has no {up} beside it.", path(down)))
                .remedy(format!("Bring it back: git checkout -- {up}"))
                .remedy(format!("or delete the down file: rm {}", path(down))),
        );
    }
}
