//! A checkout for the benchmarks. It is a clone of the user's checkout, or a workspace that the benchmarks made.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use url::Url;
use xshell::{Cmd, cmd};

use crate::bench::{Bench, free_port};
use crate::problem::Problem;
use crate::workspace::{Database, Workspace};

/// The file with the contract of the settings. [`SETTINGS`] is the file with the settings.
const CONTRACT: &str = ".env.ci";
const SETTINGS: &str = ".env";

/// How often git is asked for the uncommitted changes, at most.
const TRIES: u32 = 5;

/// A checkout in the benchmarks' folder.
pub(crate) struct Checkout<'a> {
    bench: &'a Bench,
    pub(crate) root: PathBuf,
    xtask: PathBuf,
    pub(crate) databases: &'a [Database],
}

/// A revision of the repository.
#[derive(Clone, Debug)]
pub(crate) struct Revision {
    commit: String,
    /// The files that git neither tracks nor ignores, relative to the root. A clone lacks them.
    untracked: Vec<PathBuf>,
    /// The revision's name in the results.
    pub(crate) shown: String,
}

/// The part of the output of `cargo xtask --format json` that the benchmarks need.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Event {
    Problem {
        what: String,
        #[serde(default)]
        details: Vec<String>,
        #[serde(default)]
        remedies: Vec<String>,
    },
    #[serde(other)]
    Other,
}

impl Revision {
    /// The current content of the user's checkout, with all changes that aren't committed yet.
    pub(crate) fn current(workspace: &Workspace, bench: &Bench) -> Result<Self> {
        let head = Self::named("HEAD", workspace, bench)?;
        let (shell, root) = (&bench.shell, &workspace.root);
        // Git writes its index meanwhile, and another git may do so too. So a copy of the index is used.
        let index = bench.read(cmd!(shell, "git -C {root} rev-parse --path-format=absolute --git-path index"))?;
        let copy = bench.folder.join("index");
        if fs::exists(&index)? {
            fs::copy(&index, &copy).with_context(|| format!("{index} can't be copied"))?;
        }
        // The commit would fail if only the files' times differed, so git compares the contents first.
        let refresh = || bench.end(cmd!(shell, "git -C {root} update-index -q --refresh").env("GIT_INDEX_FILE", &copy));
        // This command makes a commit of the changes, and doesn't change the checkout.
        let create = || cmd!(shell, "git -C {root} stash create").env("GIT_INDEX_FILE", &copy);
        // A program that compiles queries gives a file another time, and may do so between the two commands.
        let mut tries = TRIES;
        let changes = loop {
            refresh()?;
            tries -= 1;
            match bench.read(create()) {
                Err(_) if tries > 0 => {}
                created => break created?,
            }
        };
        let untracked = bench.read(cmd!(shell, "git -C {root} ls-files -z --others --exclude-standard"))?;
        let untracked: Vec<_> = untracked.split_terminator('\0').map(PathBuf::from).collect();
        if changes.is_empty() && untracked.is_empty() {
            return Ok(head);
        }
        let commit = if changes.is_empty() { head.commit } else { changes };
        Ok(Self { commit, untracked, shown: format!("{} with uncommitted changes", head.shown) })
    }

    /// The revision that git knows as `name`.
    pub(crate) fn named(name: &str, workspace: &Workspace, bench: &Bench) -> Result<Self> {
        let (shell, root) = (&bench.shell, &workspace.root);
        let commit = format!("{name}^{{commit}}");
        let ended = bench.end(cmd!(shell, "git -C {root} rev-parse --verify --quiet --end-of-options {commit}"))?;
        let commit = ended.stdout.trim().to_owned();
        if !ended.status.success() || commit.is_empty() {
            let said = ended.stderr.lines().map(str::to_owned);
            return Err(Problem::usage(format!("{} has no revision `{name}`.", root.display())).details(said).into());
        }
        let short: String = commit.chars().take(8).collect();
        let shown = if short.starts_with(name) || name == "HEAD" { short } else { format!("{name} ({short})") };
        Ok(Self { commit, untracked: Vec::new(), shown })
    }
}

impl<'a> Checkout<'a> {
    /// Clones the user's checkout into the folder `name`.
    pub(crate) fn clone(name: &str, revision: &Revision, workspace: &'a Workspace, bench: &'a Bench) -> Result<Self> {
        let (shell, from, root) = (&bench.shell, &workspace.root, bench.folder.join(name));
        let commit = &revision.commit;
        // The clone shares the objects of git, so that it also has commits that are on no branch.
        bench.read(cmd!(shell, "git clone --quiet --shared --no-checkout {from} {root}"))?;
        bench.read(cmd!(shell, "git -C {root} checkout --quiet --detach {commit}"))?;
        // A path that isn't a file is another repository, or a link that leads nowhere.
        for file in revision.untracked.iter().filter(|file| from.join(file).is_file()) {
            let copy = root.join(file);
            shell.create_dir(copy.parent().unwrap_or(&root))?;
            shell.copy_file(from.join(file), copy)?;
        }
        Ok(Self { bench, root, xtask: workspace.xtask.clone(), databases: &workspace.databases })
    }

    /// A workspace with other databases, in a folder that exists.
    pub(crate) fn of(root: PathBuf, databases: &'a [Database], workspace: &Workspace, bench: &'a Bench) -> Self {
        Self { bench, root, xtask: workspace.xtask.clone(), databases }
    }

    /// Measures this program in place of the one that started the benchmarks.
    pub(crate) fn with_xtask(self, xtask: PathBuf) -> Self {
        Self { xtask, ..self }
    }

    /// A call of a program in the checkout.
    pub(crate) fn program(&self, program: impl AsRef<Path>) -> std::process::Command {
        self.at_root(self.bench.shell.cmd(program))
    }

    /// A command that runs in the checkout.
    pub(crate) fn at_root(&self, command: Cmd<'_>) -> std::process::Command {
        let mut command = std::process::Command::from(command);
        command.current_dir(&self.root);
        command
    }

    /// A call of xtask's program itself, so that the time in which cargo checks the build isn't measured.
    pub(crate) fn xtask(&self, words: &[&str]) -> std::process::Command {
        let mut command = self.program(&self.xtask);
        command.args(words);
        command
    }

    /// Changes the contract, so that the URLs of a new `.env` lead to a free port of this machine.
    pub(crate) fn choose_port(&self) -> Result<()> {
        let path = self.root.join(CONTRACT);
        let mut text = self.bench.shell.read_file(&path)?;
        let port = free_port()?;
        for database in self.databases {
            let value = value(&path, &database.url_variable)?;
            text = text.replace(&value, moved(&value, port, &database.url_variable)?.as_str());
        }
        Ok(self.bench.shell.write_file(&path, text)?)
    }

    /// Sets the databases up on a server from the provider `server`.
    ///
    /// # Errors
    /// `db-setup` fails. [`Problem::is_unavailable`] tells whether this machine lacks the provider.
    pub(crate) fn set_up(&self, server: &str) -> Result<()> {
        self.ask(&["db-setup", "--server", server], &[0])
    }

    /// Runs a command of xtask, which must end with one of these exit codes.
    pub(crate) fn ask(&self, words: &[&str], codes: &[i32]) -> Result<()> {
        let ended = self.bench.end(self.xtask(&[words, &["--format", "json"]].concat()))?;
        if ended.status.code().is_some_and(|code| codes.contains(&code)) {
            return Ok(());
        }
        let line = words.join(" ");
        let failed = format!("`cargo xtask {line}` failed in a clone of this checkout ({})", ended.status);
        let exit = ended.status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
        let events = ended.stdout.lines().rev().filter_map(|line| serde_json::from_str(line).ok());
        let mut problems = events.filter_map(|event| match event {
            Event::Problem { what, details, remedies } => Some((what, details, remedies)),
            Event::Other => None,
        });
        let problem = match problems.next() {
            Some((what, details, remedies)) => Problem { exit, what: format!("{failed}: {what}"), details, remedies },
            None => Problem::failed(format!("{failed}.")).details(ended.stderr.lines().map(str::to_owned)),
        };
        Err(problem.into())
    }

    /// Stops the server, and keeps its data.
    pub(crate) fn stop(&self) -> Result<()> {
        self.ask(&["db-stop"], &[0])
    }

    /// The databases with their URLs from `.env`.
    pub(crate) fn urls(&self) -> Result<Vec<(&'a Database, Url)>> {
        let path = self.root.join(SETTINGS);
        self.databases
            .iter()
            .map(|database| {
                let variable = &database.url_variable;
                Ok((database, parsed(&value(&path, variable)?, variable)?))
            })
            .collect()
    }

    /// Removes `.env`, and moves the state of the checkout with its cluster to `aside`, which must not exist.
    ///
    /// The data isn't deleted, because the deletion would keep the disk busy during the next measurement.
    pub(crate) fn forget(&self, aside: &Path) -> Result<()> {
        self.bench.shell.remove_path(self.root.join(SETTINGS))?;
        let state = self.root.join(".xtask");
        if state.exists() {
            fs::rename(&state, aside).with_context(|| format!("{} can't be moved", state.display()))?;
        }
        Ok(())
    }
}

/// The value of a variable in a file of settings.
fn value(path: &Path, variable: &str) -> Result<String> {
    // The library's error shows the line, which may hold a password.
    let failed = |_| Problem::failed(format!("{} can't be read: each line must be NAME=value.", path.display()));
    for line in dotenvy::from_path_iter(path).map_err(failed)? {
        let (name, value) = line.map_err(failed)?;
        if name == variable {
            return Ok(value);
        }
    }
    Err(Problem::failed(format!("{} has no {variable}.", path.display()))
        .remedy(format!("Add {variable} to {CONTRACT}, because the benchmarks use the URLs in that file."))
        .into())
}

fn parsed(value: &str, variable: &str) -> Result<Url> {
    // The library's error doesn't show the value, which holds a password.
    Url::parse(value).with_context(|| format!("The value of {variable} isn't a URL"))
}

/// Returns the URL with this port on this machine.
fn moved(value: &str, port: u16, variable: &str) -> Result<Url> {
    let mut url = parsed(value, variable)?;
    let local = url.host_str().is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]"));
    let moved = (local || url.set_host(Some("localhost")).is_ok()) && url.set_port(Some(port)).is_ok();
    anyhow::ensure!(moved, "the URL in {variable} can't be moved to another port: it has no host");
    Ok(url)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Event, moved};

    #[test]
    fn a_url_is_moved_to_this_machine() {
        let moved = |value| moved(value, 6543, "DATABASE_URL").map(String::from);
        assert_eq!(
            moved("postgres://me:pa%24s@localhost:5432/shop").unwrap(),
            "postgres://me:pa%24s@localhost:6543/shop"
        );
        assert_eq!(moved("postgres://me@127.0.0.1/shop?a=b").unwrap(), "postgres://me@127.0.0.1:6543/shop?a=b");
        assert_eq!(moved("postgres://me@db.example.com/shop").unwrap(), "postgres://me@localhost:6543/shop");
    }

    #[test]
    fn an_error_shows_no_password() {
        let problem = moved("postgres//me:hunter2@localhost", 1, "DATABASE_URL").unwrap_err();
        let text = format!("{problem:?}");
        assert!(text.contains("DATABASE_URL") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn problems_are_found_among_the_events() {
        let read = |line: &str| serde_json::from_str::<Event>(line).unwrap();
        assert!(matches!(read(r#"{"event":"note","text":"x"}"#), Event::Other));
        let line = r#"{"event":"problem","what":"No server.","details":[],"remedies":["Install it"],"exit_code":6}"#;
        let Event::Problem { what, remedies, .. } = read(line) else { panic!("no problem") };
        assert_eq!((what.as_str(), remedies.concat().as_str()), ("No server.", "Install it"));
    }
}
