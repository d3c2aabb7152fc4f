//! Files like `.env`: the workspace's is found, and read with all that is wrong in it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What such a file says, and what is wrong with it.
#[derive(Default)]
pub struct EnvFile {
    /// The variables. Where one is set twice the first line counts, as everywhere that dotenvy reads the file.
    pub variables: BTreeMap<String, String>,
    /// A sentence for each thing that is wrong. None of them quotes the file: its lines hold secrets.
    pub problems: Vec<String>,
}

impl EnvFile {
    /// Reads the file at `path`. One that doesn't exist is empty.
    pub fn read(path: &Path) -> Self {
        match fs::read(path) {
            Ok(content) => Self::of(xtask_env::EnvFile::parse(&content), path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::default(),
            Err(error) => {
                Self { problems: vec![format!("{} can't be read: {error}.", path.display())], ..Self::default() }
            }
        }
    }

    /// Reads the file at `path`, which has to be there and to say the same whatever the process's environment is.
    ///
    /// # Errors
    /// It isn't there, or can't be read.
    pub fn read_by_itself(path: &Path) -> Result<Self, String> {
        let content = fs::read(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => format!("There is no file {}.", path.display()),
            _ => format!("{} can't be read: {error}.", path.display()),
        })?;
        Ok(Self::of(xtask_env::EnvFile::parse_by_itself(&content), path))
    }

    fn of(file: xtask_env::EnvFile, path: &Path) -> Self {
        let sentence = |fault: &xtask_env::Fault| {
            format!("{}: line {} {}. {}", path.display(), fault.line, fault.what, fault.remedy)
        };
        Self {
            problems: file.faults.iter().map(sentence).collect(),
            variables: file.values.into_iter().map(|value| (value.name, value.text)).collect(),
        }
    }
}

/// Finds the workspace's root: the nearest folder, from `start` upwards, whose `Cargo.toml` has a `[workspace]`.
///
/// # Errors
/// A `Cargo.toml` on the way can't be read. Going on would take a folder further up for the root, and its `.env`.
pub fn find_workspace_root(start: &Path) -> Result<Option<PathBuf>, String> {
    for folder in start.ancestors() {
        let manifest = folder.join("Cargo.toml");
        let content = match fs::read_to_string(&manifest) {
            Ok(content) => content,
            // NotADirectory: `start` itself may be a file.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => continue,
            Err(error) => return Err(format!("{} can't be read: {error}.", manifest.display())),
        };
        let table: toml::Table = toml::from_str(&content)
            .map_err(|error| format!("{} can't be read: {}.", manifest.display(), error.message()))?;
        if table.contains_key("workspace") {
            return Ok(Some(folder.to_owned()));
        }
    }
    Ok(None)
}
