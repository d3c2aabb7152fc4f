//! The settings. `.env` has to keep the contract in `.env.ci`. The process's environment overrides both.
//!
//! Only `<root>/.env` counts, not the `.env` of a parent folder. A `.env` that a user has written or edited is never
//! changed. One that is still a copy of the contract, whatever its ports are, may get another port.

mod new_file;
pub(crate) mod secrecy;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context as _, Result};
pub(crate) use xtask_env::Value;
use xtask_env::{EnvFile, Fault};

use self::new_file::{NewFile, copy_of};
use crate::checkout;
use crate::database_url::{self, Address, DatabaseUrl};
use crate::problem::{Code, Problem, Problems};
use crate::target::{LONGEST_ANSWER, Target};
use crate::workspace::{Database, Workspace};

/// The settings file, at the root of the workspace. [`CONTRACT`] is the contract that it has to keep.
pub(crate) const FILE: &str = ".env";
pub(crate) const CONTRACT: &str = ".env.ci";

/// What was done with `.env`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// Nothing.
    Nothing,
    /// It was made.
    Made,
    /// It was a copy of the contract, and has other ports now.
    Changed,
}

/// The databases with their URLs, and the new `.env` if the workspace has none yet.
pub(crate) struct Settings<'w> {
    /// The databases in the workspace's order. A database whose URL is missing or can't be used is left out, and the
    /// problems name it.
    pub(crate) targets: Vec<Target<'w>>,
    /// The file that this run will write, if there is no `.env` yet or it gets another port.
    pub(crate) new_file: Option<NewFile>,
    /// The text of an `.env` that is still a copy of the contract, except for ports that were chosen for it.
    copy: Option<String>,
    /// The number of variables that the contract requires.
    pub(crate) required: usize,
    /// Whether every URL comes from the new file and none from the process's environment.
    pub(crate) urls_from_file: bool,
    /// The environment that these are the settings of, such as `development`, if they say so.
    pub(crate) environment: Option<String>,
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
        Problem::failed(Code::EnvLine, format!("This line {}.", fault.what))
            .at(file, fault.line, None)
            .remedy(fault.remedy)
    };
    faults.iter().map(problem)
}

/// Returns a database with its URL, for a command that works on this one alone, whatever is wrong with its migrations.
///
/// # Errors
/// There is no `.env` yet, or something is wrong with the settings.
pub(crate) fn target<'w>(workspace: &'w Workspace, database: &Database) -> Result<Target<'w>> {
    let mut problems = Problems::default();
    let settings = Settings::load(workspace, &mut problems);
    let (name, variable) = (&database.name, &database.url_variable);
    if settings.new_file.is_some() && std::env::var_os(variable).is_none() {
        return Err(Problem::unavailable(Code::NoEnv, format!("There is no {FILE} yet, so {name} has no URL."))
            .remedy("cargo xtask db-setup")
            .into());
    }
    problems.into_result()?;
    let target = settings.targets.into_iter().find(|target| target.database.name == *name);
    target.with_context(|| format!("{variable} isn't set"))
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
                Some(NewFile { text: String::from_utf8_lossy(content).into_owned(), replaces: None })
            }
            _ => None,
        };
        let (used, content) = if file.is_some() { (FILE, &file) } else { (CONTRACT, &contract) };
        let EnvFile { values, faults } = content.as_deref().map(EnvFile::parse).unwrap_or_default();
        problems.0.extend(problems_in(used, &faults));

        let copy = match (&file, &contract) {
            (Some(file), Some(contract)) => copy_of(contract, file, &url_variables),
            _ => None,
        };
        let contract = contract.as_deref().map(EnvFile::parse);
        let in_contract = |variable: &&str| contract.as_ref().is_some_and(|contract| contract.get(variable).is_some());
        let required: Vec<&str> = contract
            .iter()
            .flat_map(|contract| contract.values.iter().map(|value| value.name.as_str()))
            .chain(url_variables.iter().copied().filter(|variable| !in_contract(variable)))
            .collect();
        let environment = workspace.metadata.production().0;
        let asked: Vec<_> = required.iter().copied().chain([environment]).collect();
        let values = under_environment(&asked, values.into_iter().map(|value| (value.name, value.text)).collect());
        missing_or_empty(&required, &values, file.is_some(), contract.is_some(), problems);

        let mut targets = Vec::new();
        for database in &workspace.databases {
            let variable = &database.url_variable;
            // A missing or empty value is among the problems already.
            let value = values.get(variable).filter(|value| !value.trim().is_empty());
            match value.map(|value| database_url::parse(variable, value)) {
                Some(Ok(url)) => targets.push(Target { root, database, url, limit: LONGEST_ANSWER }),
                Some(Err(problem)) => problems.0.push(problem),
                None => {}
            }
        }
        same_database(&targets, problems);
        two_passwords(&targets, problems);
        let urls_from_file = url_variables.iter().all(|variable| std::env::var_os(variable).is_none());
        let environment =
            values.get(environment).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        Self { targets, new_file, copy, required: required.len(), urls_from_file, environment }
    }

    /// The URL of the first database. A server that xtask starts for a checkout listens at this URL's address.
    pub(crate) fn first_url(&self) -> &DatabaseUrl {
        &self.targets[0].url
    }

    /// The URLs of the databases.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &DatabaseUrl> {
        self.targets.iter().map(|target| &target.url)
    }

    /// Whether this program may choose the ports in the URLs: they come from `.env`, which isn't made yet or is still a
    /// copy of the contract.
    pub(crate) fn may_choose_port(&self) -> bool {
        self.urls_from_file && (self.new_file.is_some() || self.copy.is_some())
    }

    /// Names the file that gets the chosen port, for a sentence.
    pub(crate) fn names(&self) -> String {
        if self.copy.is_some() {
            format!("{FILE}, which was still a copy of {CONTRACT}")
        } else {
            format!("the new {FILE}")
        }
    }

    /// Moves every URL of the server at `from` to another port, in the file that this run will write as well.
    pub(crate) fn set_port(&mut self, from: &Address, port: u16) {
        let copy = &self.copy;
        let unchanged = || copy.clone().map(|text| NewFile { replaces: Some(text.clone()), text });
        let Some(mut new_file) = self.new_file.take().or_else(unchanged) else { return };
        for url in self.targets.iter_mut().map(|target| &mut target.url).filter(|url| url.address.same_server(from)) {
            let file = EnvFile::parse(new_file.text.as_bytes());
            let old = file.get(&url.variable).unwrap_or_default().to_owned();
            url.set_port(port);
            new_file.replace(&url.variable, &old, url.with_password());
        }
        self.new_file = Some(new_file);
    }

    /// The command with which a user changes the port in the URLs of a server, in an `.env` that this program never
    /// changes. There is none if the file writes a URL in an unusual way.
    pub(crate) fn command_for_port(&self, from: &Address, port: u16) -> Option<String> {
        let text = std::fs::read_to_string(self.targets.first()?.root.join(FILE)).ok()?;
        let old = format!(":{}/", from.port);
        let mut command = "sed -i.old".to_owned();
        for url in self.urls().filter(|url| url.address.same_server(from)) {
            let start = format!("{}=", url.variable);
            let lines: Vec<_> = text.lines().filter(|line| line.contains(&start)).collect();
            let is_plain = |line: &&str| line.starts_with(&start) && line.matches(&old).count() == 1;
            if !cfg!(unix) || lines.is_empty() || !lines.iter().all(is_plain) {
                return None;
            }
            command.push_str(&format!(" -e '/^{start}/s|{old}|:{port}/|'"));
        }
        // The old file has a password in it, and git may not ignore it.
        Some(format!("{command} {FILE} && rm {FILE}.old"))
    }

    /// Refuses a folder in which this user can't make the `.env` that this run would write.
    ///
    /// # Errors
    /// The error of [`Settings::write_file`].
    pub(crate) fn refuse_closed_folder(&self, root: &Path) -> Result<(), Problem> {
        if self.new_file.is_none() {
            return Ok(());
        }
        checkout::may_write(root).map_err(|error| new_file::cannot_be_made(root, &error))
    }

    /// Writes `.env`, if there is none or it gets another port.
    ///
    /// # Errors
    /// The file can't be written, or another program has made or changed it meanwhile.
    pub(crate) fn write_file(&self, root: &Path, scratch_dir: &Path) -> Result<Written> {
        let Some(new_file) = &self.new_file else {
            return Ok(Written::Nothing);
        };
        let written = match &new_file.replaces {
            None if new_file.create(root, scratch_dir)? => Written::Made,
            Some(old) if new_file.change(root, old)? => Written::Changed,
            _ => {
                return Err(Problem::failed(
                    Code::EnvChanged,
                    format!("{FILE} was made or changed by another program meanwhile."),
                )
                .detail("It was left as it is. The server that this run found or started goes on running.")
                .remedy(format!("See what is in {FILE}, then run this again: cargo xtask db-setup"))
                .into());
            }
        };
        Ok(written)
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

/// Replaces a file by one that only its owner can read. A run that is killed leaves the old file or the new one.
pub(crate) fn replace_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{}", std::process::id()));
    drop(std::fs::remove_file(&aside));
    let replaced = write_private(Path::new(&aside), text).and_then(|()| std::fs::rename(&aside, path));
    if replaced.is_err() {
        drop(std::fs::remove_file(&aside));
    }
    replaced
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
    found.map(Some).map_err(|error| Problem::unreadable(&path, &error))
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
                Problem::failed(Code::EnvMissing, format!("{variable} is empty in {}.", place(variable)))
                    .remedy(example(variable, has_contract)),
            ),
            None if has_file => problems.0.push(
                Problem::failed(Code::EnvMissing, format!("{variable} is missing in {FILE}."))
                    .remedy(example(variable, has_contract)),
            ),
            None => problems.0.push(
                Problem::failed(
                    Code::EnvMissing,
                    format!("{variable} isn't set, and there is neither {FILE} nor {CONTRACT} to take it from."),
                )
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
            let problem = Problem::failed(Code::SameDatabase, what).details(cut);
            problems.0.push(problem.remedy(format!("Name another database in {}.", url.variable)));
        }
    }
}

/// Reports two passwords for one role of one server, which accepts only one of them.
fn two_passwords(targets: &[Target<'_>], problems: &mut Problems) {
    for (index, Target { url, .. }) in targets.iter().enumerate() {
        let same_role = |other: &&DatabaseUrl| other.address.same_server(&url.address) && other.user == url.user;
        let before = targets[..index].iter().map(|other| &other.url).find(same_role);
        if let Some(other) = before.filter(|other| {
            // A server may let a role in without a password.
            other.password != url.password && !other.password.is_empty() && !url.password.is_empty()
        }) {
            problems.0.push(
                Problem::failed(
                    Code::TwoPasswords,
                    format!(
                        "{} and {} have two passwords for the role {} at {}.",
                        other.variable, url.variable, url.user, url.address
                    ),
                )
                .detail("A role has only one password.")
                .remedy(format!("Write the same password into {} and {}.", other.variable, url.variable)),
            );
        }
    }
}
