//! The settings. `.env` has to keep the contract in `.env.ci`. The process's environment overrides both.
//!
//! Only `<root>/.env` counts, not the `.env` of a parent folder. A `.env` that exists already is never changed.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::Result;
pub(crate) use xtask_env::Value;
use xtask_env::{EnvFile, Fault};

use crate::database_url::{self, Address, DatabaseUrl};
use crate::problem::{Problem, Problems};
use crate::target::Target;
use crate::workspace::Workspace;

/// The settings file, at the root of the workspace. [`CONTRACT`] is the contract that it has to keep.
pub(crate) const FILE: &str = ".env";
pub(crate) const CONTRACT: &str = ".env.ci";

/// The text of the new `.env`.
pub(crate) struct NewFile {
    text: String,
}

/// The databases with their URLs, and the new `.env` if the workspace has none yet.
pub(crate) struct Settings<'w> {
    /// The databases in the workspace's order. A database whose URL is missing or can't be used is left out, and the
    /// problems name it.
    pub(crate) targets: Vec<Target<'w>>,
    /// The file that this run will write, if there is no `.env` yet.
    pub(crate) new_file: Option<NewFile>,
    /// The number of variables that the contract requires.
    pub(crate) required: usize,
    /// Whether every URL comes from the new file and none from the process's environment.
    pub(crate) urls_from_file: bool,
    /// The text that this run wrote into the `.env` that it made.
    written: Option<String>,
}

/// The content of the contract.
pub(crate) struct Contract {
    pub(crate) values: Vec<Value>,
    /// The problems in its lines.
    pub(crate) problems: Vec<Problem>,
}

/// Reads the contract, which must not depend on the process's environment. Returns `None` if the file doesn't exist.
///
/// # Errors
/// The file can't be read.
pub(crate) fn contract(root: &Path) -> Result<Option<Contract>, Problem> {
    let Some(content) = read(root, CONTRACT)? else { return Ok(None) };
    let EnvFile { values, faults } = EnvFile::parse_by_itself(&content);
    Ok(Some(Contract { values, problems: problems_in(CONTRACT, &faults).collect() }))
}

/// The problems in a file's lines.
fn problems_in(file: &str, faults: &[Fault]) -> impl Iterator<Item = Problem> {
    let problem = move |fault: &Fault| {
        Problem::failed(format!("This line {}.", fault.what)).at(file, fault.line, None).remedy(fault.remedy)
    };
    faults.iter().map(problem)
}

impl<'w> Settings<'w> {
    /// Reads the settings of a workspace whose files are in order.
    ///
    /// # Errors
    /// Something is wrong with the files of the databases or with the settings. The error holds all problems.
    pub(crate) fn of(workspace: &'w Workspace) -> Result<Self, Problems> {
        let mut problems = workspace.wrong_files.clone();
        let settings = Self::load(workspace, &mut problems);
        problems.into_result()?;
        Ok(settings)
    }

    /// Reads the settings, and adds all their problems to `problems`.
    pub(crate) fn load(workspace: &'w Workspace, problems: &mut Problems) -> Self {
        let root = workspace.root.as_path();
        let url_variables = workspace.url_variables();
        let contract = read(root, CONTRACT).unwrap_or_else(|problem| {
            problems.0.push(problem);
            None
        });
        let file = read(root, FILE).unwrap_or_else(|problem| {
            problems.0.push(problem);
            None
        });
        let new_file = match (&file, &contract) {
            (None, Some(content)) if !file_exists(root) => {
                Some(NewFile { text: String::from_utf8_lossy(content).into_owned() })
            }
            _ => None,
        };
        let (used, content) = if file.is_some() { (FILE, &file) } else { (CONTRACT, &contract) };
        let EnvFile { values, faults } = content.as_deref().map(EnvFile::parse).unwrap_or_default();
        problems.0.extend(problems_in(used, &faults));

        let contract = contract.as_deref().map(EnvFile::parse);
        let in_contract = |variable: &&str| contract.as_ref().is_some_and(|contract| contract.get(variable).is_some());
        let required: Vec<&str> = contract
            .iter()
            .flat_map(|contract| contract.values.iter().map(|value| value.name.as_str()))
            .chain(url_variables.iter().copied().filter(|variable| !in_contract(variable)))
            .collect();
        let values = under_environment(&required, values.into_iter().map(|value| (value.name, value.text)).collect());
        missing_or_empty(&required, &values, file.is_some(), contract.is_some(), problems);

        let mut targets = Vec::new();
        for database in &workspace.databases {
            let variable = &database.url_variable;
            // A missing or empty value is among the problems already.
            let value = values.get(variable).filter(|value| !value.trim().is_empty());
            match value.map(|value| database_url::parse(variable, value)) {
                Some(Ok(url)) => targets.push(Target { root, database, url }),
                Some(Err(problem)) => problems.0.push(problem),
                None => {}
            }
        }
        same_database(&targets, problems);
        let urls_from_file = url_variables.iter().all(|variable| std::env::var_os(variable).is_none());
        Self { targets, new_file, required: required.len(), urls_from_file, written: None }
    }

    /// The URL of the first database. A server that xtask starts for a checkout listens at this URL's address.
    pub(crate) fn first_url(&self) -> &DatabaseUrl {
        &self.targets[0].url
    }

    /// The URLs of the databases.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &DatabaseUrl> {
        self.targets.iter().map(|target| &target.url)
    }

    /// Moves every URL of the server at `from` to another port, in the new file as well.
    pub(crate) fn set_port(&mut self, from: &Address, port: u16) {
        let Some(new_file) = &mut self.new_file else { return };
        for url in self.targets.iter_mut().map(|target| &mut target.url).filter(|url| url.address.same_server(from)) {
            let contract = EnvFile::parse(new_file.text.as_bytes());
            url.set_port(port);
            new_file.replace(&url.variable, contract.get(&url.variable).unwrap_or_default(), url.with_password());
        }
    }

    /// Makes `.env` if there is none. Returns `false` if it exists, or if another run has made it meanwhile.
    ///
    /// # Errors
    /// The file can't be written.
    pub(crate) fn create_file(&mut self, root: &Path, scratch_dir: &Path) -> Result<bool> {
        let Some(new_file) = &self.new_file else {
            return Ok(false);
        };
        let made = new_file.create(root, scratch_dir)?;
        self.written = made.then(|| new_file.text.clone());
        Ok(made)
    }

    /// Whether this run made `.env`, and may choose the port in its URLs.
    pub(crate) fn made_file(&self) -> bool {
        self.written.is_some() && self.urls_from_file
    }

    /// Writes the `.env` that this run made once more, if the file is unchanged since.
    ///
    /// # Errors
    /// The file was changed meanwhile, or it can't be written.
    pub(crate) fn rewrite(&mut self, root: &Path) -> Result<()> {
        let (Some(new_file), Some(written)) = (&self.new_file, &self.written) else {
            return Ok(());
        };
        let failed = |why: String| Problem::failed(format!("The port in {FILE} can't be changed: {why}."));
        let target = root.join(FILE);
        let now = std::fs::read_to_string(&target).map_err(|error| failed(error.to_string()))?;
        if now != *written {
            return Err(failed("the file was changed after this run made it".into()).into());
        }
        let aside = root.join(format!("{FILE}.{}", std::process::id()));
        drop(std::fs::remove_file(&aside));
        write_private(&aside, &new_file.text)
            .and_then(|()| std::fs::rename(&aside, &target))
            .map_err(|error| failed(error.to_string()))?;
        self.written = Some(new_file.text.clone());
        Ok(())
    }
}

impl NewFile {
    /// Replaces a variable's old value by its new one.
    fn replace(&mut self, variable: &str, old: &str, new: &str) {
        let mut text = String::with_capacity(self.text.len() + new.len());
        for line in self.text.split_inclusive('\n') {
            let key = line.trim_start().strip_prefix("export ").unwrap_or(line).trim_start();
            let ours = key.strip_prefix(variable).is_some_and(|rest| rest.trim_start().starts_with('='));
            if ours && line.contains(old) {
                text.push_str(&line.replacen(old, new, 1));
            } else if ours {
                let ending = if line.ends_with("\r\n") { "\r\n" } else { "\n" };
                text.push_str(&format!("{variable}='{new}'{ending}"));
            } else {
                text.push_str(line);
            }
        }
        self.text = text;
    }

    /// Makes `.env`, either whole or not at all. Only its owner can read it.
    ///
    /// Returns `false` if another run has made the file meanwhile. That file is left as it is.
    ///
    /// # Errors
    /// The file can't be written.
    fn create(&self, root: &Path, scratch_dir: &Path) -> Result<bool> {
        let target = root.join(FILE);
        let failed =
            |error: std::io::Error| Problem::failed(format!("{FILE} can't be made in {}: {error}.", root.display()));
        // The text is written to another file, which is then linked into place. A link never replaces a file, and a run
        // that is killed leaves no half file.
        let aside = scratch_dir.join(format!("env-{}", std::process::id()));
        drop(std::fs::remove_file(&aside));
        write_private(&aside, &self.text).map_err(failed)?;
        let linked = std::fs::hard_link(&aside, &target);
        drop(std::fs::remove_file(&aside));
        match linked {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            // The file system has no hard links. This way never replaces a file either, but a run that is killed may
            // leave half a file.
            Err(_) => match write_private(&target, &self.text) {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
                Err(error) => Err(failed(error).into()),
            },
        }
    }
}

/// Makes a new file that only its owner can read.
pub(crate) fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Whether `.env` exists. A file that can't be read and a link that leads nowhere count too.
fn file_exists(root: &Path) -> bool {
    root.join(FILE).symlink_metadata().is_ok()
}

/// Reads a file. Returns `None` if it doesn't exist.
fn read(root: &Path, name: &str) -> Result<Option<Vec<u8>>, Problem> {
    let path = root.join(name);
    let mut found = std::fs::read(&path);
    if found.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        match path.symlink_metadata() {
            Err(_) => return Ok(None),
            // Another run has made the file since.
            Ok(entry) if entry.is_file() => found = std::fs::read(&path),
            Ok(_) => {}
        }
    }
    found.map(Some).map_err(|error| Problem::failed(format!("{} can't be read: {error}.", path.display())))
}

/// The values that count. A value in the process's environment wins over the file's.
fn under_environment(required: &[&str], mut values: BTreeMap<String, String>) -> BTreeMap<String, String> {
    for variable in required {
        if let Some(value) = std::env::var_os(variable) {
            values.insert((*variable).to_owned(), value.to_string_lossy().into_owned());
        }
    }
    values
}

fn missing_or_empty(
    required: &[&str],
    values: &BTreeMap<String, String>,
    has_file: bool,
    has_contract: bool,
    problems: &mut Problems,
) {
    let place = |variable: &&str| {
        if std::env::var_os(variable).is_some() { "the environment" } else { FILE }
    };
    for variable in required {
        match values.get(*variable) {
            Some(value) if !value.trim().is_empty() => {}
            Some(_) => problems.0.push(
                Problem::failed(format!("{variable} is empty in {}.", place(variable)))
                    .remedy(example(variable, has_contract)),
            ),
            None if has_file => problems.0.push(
                Problem::failed(format!("{variable} is missing in {FILE}.")).remedy(example(variable, has_contract)),
            ),
            None => problems.0.push(
                Problem::failed(format!(
                    "{variable} isn't set, and there is neither {FILE} nor {CONTRACT} to take it from."
                ))
                .remedy(example(variable, has_contract)),
            ),
        }
    }
}

fn example(variable: &str, has_contract: bool) -> String {
    if has_contract {
        format!("Copy its line from {CONTRACT}: grep '^{variable}=' {CONTRACT}")
    } else {
        format!("Write it into {FILE}: {variable}=…")
    }
}

/// Reports two variables that name the same database, because it would get both sets of migrations.
fn same_database(targets: &[Target<'_>], problems: &mut Problems) {
    for (index, Target { url, .. }) in targets.iter().enumerate() {
        if let Some(other) = targets[..index].iter().map(|other| &other.url).find(|other| other.is_same_database(url)) {
            let what = format!(
                "{} and {} name the same database, \"{}\" at {}.",
                other.variable,
                url.variable,
                url.kept_name(),
                url.address
            );
            let is_cut = url.database.len().max(other.database.len()) > url.kept_name().len();
            let cut = is_cut.then(|| "PostgreSQL keeps the first 63 bytes of a name, which are the same.".to_owned());
            let problem = Problem::failed(what).details(cut);
            problems.0.push(problem.remedy(format!("Name another database in {}.", url.variable)));
        }
    }
}
