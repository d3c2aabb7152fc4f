//! The state of the servers and of the databases, for `db-status`.

use std::path::PathBuf;
use std::time::Duration;

use console::Style;
use serde::Serialize;

use super::checks::below;
use super::event::ListedSnapshot;
use super::foreign::{in_one_line, visible};
use super::snapshots::size;
use super::{count, human};
use crate::problem::Problem;

/// How many applied migrations people see. Programs get all of them.
const SHOWN: usize = 5;

/// How many migrations the one line names for each database.
const NAMED: usize = 3;

/// The state of everything that the URLs lead to. Its form is in `docs/events.schema.json`.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    /// The file that the URLs come from.
    pub(crate) settings: &'static str,
    /// Whether the URLs come from the contract, because the checkout isn't set up yet.
    #[serde(skip)]
    pub(crate) is_new: bool,
    /// The branch that is checked out.
    #[serde(skip)]
    pub(crate) branch: Option<String>,
    pub(crate) servers: Vec<Server>,
    pub(crate) databases: Vec<Database>,
    /// The newest first.
    pub(crate) snapshots: Vec<ListedSnapshot>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Server {
    pub(crate) address: String,
    /// Whether a role of the URLs may log in.
    pub(crate) answers: bool,
    /// The name of the provider, if one is known.
    pub(crate) provider: Option<&'static str>,
    /// Where the data lies, if that is known.
    pub(crate) data: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) started_at: Option<String>,
    pub(crate) scratch: Vec<Scratch>,
    pub(crate) problems: Vec<Problem>,
}

/// A scratch database that is there now.
#[derive(Debug, Serialize)]
pub(crate) struct Scratch {
    pub(crate) database: String,
    /// Whether a run is using it. Any other was left behind.
    pub(crate) in_use: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct Database {
    /// The name in the repository.
    pub(crate) name: String,
    /// The name on the server.
    pub(crate) database: String,
    pub(crate) address: String,
    /// `None` if nobody knows, because the server or the database lets nobody in.
    pub(crate) exists: Option<bool>,
    pub(crate) owner: Option<String>,
    pub(crate) encoding: Option<String>,
    pub(crate) bytes: Option<i64>,
    pub(crate) belongs_to: BelongsTo,
    /// In the order of their versions.
    pub(crate) migrations: Vec<Migration>,
    pub(crate) schema: Schema,
    pub(crate) problems: Vec<Problem>,
}

/// Whose a database is.
#[derive(Debug, Default, Serialize)]
pub(crate) struct BelongsTo {
    pub(crate) whose: Whose,
    pub(crate) checkout: Option<PathBuf>,
    pub(crate) branch: Option<String>,
    pub(crate) machine: Option<String>,
    /// When the checkout made the database or migrated it.
    pub(crate) at: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Whose {
    /// The database can't be read.
    #[default]
    Unknown,
    /// This checkout's.
    Ours,
    /// Another checkout's, which this one shares it with on purpose.
    Shared,
    /// Another checkout's of this machine.
    Others,
    /// A checkout's that is on another machine, or may be.
    Elsewhere,
    /// Nobody's: the database has no stamp, or that of a checkout that is gone.
    Nobodys,
}

/// A migration of the files, of the history or of both.
#[derive(Debug, Serialize)]
pub(crate) struct Migration {
    pub(crate) version: i64,
    /// The name of its file, without the extension.
    pub(crate) name: String,
    pub(crate) state: State,
    pub(crate) applied_at: Option<String>,
    /// How long it took to apply.
    pub(crate) seconds: Option<f64>,
    /// The branch and the commit that it came from, if that was recorded.
    pub(crate) branch: Option<String>,
    pub(crate) commit: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    Applied,
    Pending,
    /// It was applied, and its file has another content now.
    Modified,
    /// It was applied, and has no file here.
    Missing,
    /// It isn't applied, and a later one is.
    OutOfOrder,
    /// It was begun and not finished.
    Unfinished,
}

#[derive(Debug, Serialize)]
pub(crate) struct Schema {
    pub(crate) state: Proof,
    pub(crate) tables: Option<usize>,
    pub(crate) differences: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Proof {
    Proven,
    /// Proven, except for owners and privileges, because a declared role is missing on the server.
    ProvenWithoutPrivileges,
    Differs,
    /// Nobody has compared it, because something else is wrong before.
    NotCompared,
}

impl Schema {
    pub(crate) const NOT_COMPARED: Self = Self { state: Proof::NotCompared, tables: None, differences: Vec::new() };
}

impl Status {
    /// All problems.
    pub(crate) fn problems(&self) -> impl Iterator<Item = &Problem> {
        let of_servers = self.servers.iter().flat_map(|server| &server.problems);
        of_servers.chain(self.databases.iter().flat_map(|database| &database.problems))
    }

    /// The lines for people.
    pub(super) fn lines(&self, styled: bool) -> String {
        let mut text = String::new();
        if self.is_new {
            text.push_str(&format!("There is no .env yet. The URLs are those of {}.\n\n", self.settings));
        }
        for server in &self.servers {
            text.push_str(&server.lines());
        }
        for database in &self.databases {
            text.push_str(&database.lines(styled));
        }
        for ListedSnapshot { name, branch, at, bytes, databases, other_checkout, .. } in &self.snapshots {
            let branch = branch.as_ref().map(|branch| format!("branch {branch}"));
            let other = other_checkout.as_ref().map(|other| format!("of another checkout, {other}"));
            let facts = [Some(databases.join(" and ")), Some(size(*bytes)), Some(readable(at)), branch, other];
            let facts: Vec<_> = facts.into_iter().flatten().collect();
            text.push_str(&row("snapshot", &Style::new().dim(), &format!("{name}: {}", facts.join(", ")), styled));
        }
        text.trim_end().to_owned()
    }

    /// One line, if the history of a database of this checkout and the files differ.
    pub(super) fn line(&self) -> Option<String> {
        if self.is_new {
            return None;
        }
        let is_own = |one: &&Database| one.exists == Some(true) && one.belongs_to.whose != Whose::Others;
        let own: Vec<_> = self.databases.iter().filter(is_own).collect();
        let parts: Vec<_> = own.iter().flat_map(|database| database.differs()).collect();
        if parts.is_empty() {
            return None;
        }
        let has = |state: State| own.iter().flat_map(|one| &one.migrations).any(|one| one.state == state);
        let command = if has(State::Missing) {
            "To make them fit: cargo xtask db-switch"
        } else if [State::Modified, State::OutOfOrder, State::Unfinished].into_iter().any(has) {
            "To see the ways out: cargo xtask db-setup"
        } else if own.iter().any(|one| one.belongs_to.branch.is_some() && one.belongs_to.branch != self.branch) {
            "To apply what is pending: cargo xtask db-setup. To have databases of this branch: cargo xtask db-switch"
        } else {
            "To apply what is pending: cargo xtask db-setup"
        };
        Some(in_one_line(&format!("The databases differ from this checkout: {}. {command}", parts.join("; "))))
    }
}

impl Server {
    fn lines(&self) -> String {
        let Self { address, answers, provider, data, version, started_at, scratch, problems } = self;
        let mut head = match version {
            Some(version) => format!("PostgreSQL {version} at {address}"),
            None if *answers => format!("PostgreSQL at {address}"),
            None => format!("No usable server at {address}"),
        };
        head.push_str(match provider {
            Some("compose") => ", in a container",
            Some("local") => ", a private cluster of this checkout",
            _ => "",
        });
        let since = started_at.as_ref().map(|at| format!("runs since {}", readable(at)));
        let place = data.as_ref().map(|data| format!("data in {data}"));
        let facts: Vec<_> = since.into_iter().chain(place).collect();
        let mut text = format!("{}\n", visible(&head));
        if !facts.is_empty() {
            text.push_str(&format!("  {}\n", visible(&facts.join(", "))));
        }
        for Scratch { database, in_use } in scratch {
            let what =
                if *in_use { "used by a run" } else { "left behind, and dropped by the next run that makes one" };
            text.push_str(&format!("  scratch database {}: {what}\n", visible(database)));
        }
        problems.iter().for_each(|problem| text.push_str(&below(problem, true)));
        text + "\n"
    }
}

impl Database {
    fn lines(&self, styled: bool) -> String {
        let mut text = format!("{}: {}\n", self.name, in_one_line(&self.facts().join(", ")));
        let width = self.migrations.iter().map(|one| one.name.chars().count()).max().unwrap_or(0);
        let applied: Vec<_> = self.migrations.iter().filter(|one| one.state == State::Applied).collect();
        let hidden = applied.len().saturating_sub(SHOWN + 1);
        let hidden = if hidden > 0 { &applied[..=hidden] } else { &[] };
        if let [first, .., last] = hidden {
            let what = format!("{} to {} ({})", first.name, last.name, hidden.len());
            text.push_str(&State::Applied.line(&what, styled));
        }
        for one in &self.migrations {
            if !hidden.iter().any(|hidden| hidden.version == one.version && one.state == State::Applied) {
                text.push_str(&one.state.line(&one.what(width), styled));
            }
        }
        if self.exists == Some(true) {
            text.push_str(&self.schema.line(styled));
        }
        for problem in &self.problems {
            text.push_str(&below(&shortened(problem), true));
        }
        text + "\n"
    }

    fn facts(&self) -> Vec<String> {
        let Self { database, exists, owner, encoding, bytes, belongs_to, .. } = self;
        let missing = (*exists == Some(false)).then(|| "doesn't exist".to_owned());
        let unknown = exists.is_none().then(|| "can't be reached".to_owned());
        let place = || belongs_to.checkout.as_ref().map(|checkout| checkout.display().to_string()).unwrap_or_default();
        let whose = match belongs_to.whose {
            Whose::Ours => Some("this checkout's".to_owned()),
            Whose::Shared => Some(format!("shared with {}", place())),
            Whose::Others => Some(format!("of another checkout, {}", place())),
            Whose::Elsewhere => Some(format!("of a checkout elsewhere, {}", place())),
            Whose::Nobodys | Whose::Unknown => None,
        };
        let branch = belongs_to.branch.as_ref().map_or_else(String::new, |branch| format!(" (branch {branch})"));
        let whose = whose.map(|whose| whose + &branch);
        let bytes = bytes.map(size);
        let owner = owner.as_ref().map(|owner| format!("owner {owner}"));
        let known = [missing, unknown, bytes, encoding.clone(), owner, whose];
        std::iter::once(database.clone()).chain(known.into_iter().flatten()).collect()
    }

    /// How the history differs from the files, in parts of a sentence.
    fn differs(&self) -> Vec<String> {
        let of = |states: &[State]| -> Vec<String> {
            let found = self.migrations.iter().filter(|one| states.contains(&one.state));
            found.map(Migration::with_branch).collect()
        };
        let name = &self.name;
        let (missing, modified) = (of(&[State::Missing]), of(&[State::Modified]));
        let pending = of(&[State::Pending, State::OutOfOrder, State::Unfinished]);
        let is_one = |names: &[String]| names.len() == 1;
        let verb = |names: &[String]| if is_one(names) { "isn't" } else { "aren't" };
        let parts = [
            (!missing.is_empty()).then(|| format!("{name} has {}, which {} here", list(&missing), verb(&missing))),
            (!modified.is_empty()).then(|| format!("{} {} what {name} has", list(&modified), verb(&modified))),
            (!pending.is_empty()).then(|| format!("{} {} applied to {name}", list(&pending), verb(&pending))),
        ];
        parts.into_iter().flatten().collect()
    }
}

impl Migration {
    /// Its name, with the branch that it came from if it has no file here.
    fn with_branch(&self) -> String {
        match &self.branch {
            Some(branch) if self.state == State::Missing => format!("{} (of {branch})", self.name),
            _ => self.name.clone(),
        }
    }

    fn what(&self, width: usize) -> String {
        let took = self.seconds.map(|seconds| format!("in {}", human(Duration::from_secs_f64(seconds))));
        let when = self.applied_at.as_deref().map(readable);
        let from = match (&self.branch, &self.commit) {
            (Some(branch), Some(commit)) => Some(format!("from {branch} ({})", commit.get(..9).unwrap_or(commit))),
            (Some(from), None) | (None, Some(from)) => Some(format!("from {from}")),
            (None, None) => None,
        };
        // What is as it should be needs no origin.
        let from = from.filter(|_| self.state != State::Applied);
        let facts: Vec<_> = when.into_iter().chain(took).chain(from).collect();
        format!("{:<width$}  {}", self.name, facts.join(" "))
    }
}

impl State {
    fn line(self, what: &str, styled: bool) -> String {
        let (word, style) = match self {
            Self::Applied => ("applied", Style::new().green()),
            Self::Pending => ("pending", Style::new().yellow()),
            Self::Modified => ("modified", Style::new().red()),
            Self::Missing => ("missing here", Style::new().red()),
            Self::OutOfOrder => ("out of order", Style::new().red()),
            Self::Unfinished => ("unfinished", Style::new().red()),
        };
        row(word, &style, what, styled)
    }
}

impl Schema {
    fn line(&self, styled: bool) -> String {
        let tables = self.tables.map_or_else(String::new, |tables| format!(" ({})", count(tables, "table")));
        let (style, what) = match self.state {
            Proof::Proven => (Style::new().green(), "proven".to_owned()),
            Proof::ProvenWithoutPrivileges => {
                (Style::new().yellow(), "proven but for its owners and privileges".to_owned())
            }
            Proof::Differs => (Style::new().red(), "differs".to_owned()),
            Proof::NotCompared => (Style::new().dim(), "not compared".to_owned()),
        };
        row("schema", &style, &(what + &tables), styled)
    }
}

/// A line with a word in colour.
fn row(word: &str, style: &Style, what: &str, styled: bool) -> String {
    let word = style.clone().force_styling(styled).apply_to(format!("{word:<12}"));
    format!("  {word} {}\n", in_one_line(what).trim_end())
}

/// The problem with as many details as people read. Programs get all of them.
fn shortened(problem: &Problem) -> Problem {
    let mut problem = problem.clone();
    let more = problem.details.len().saturating_sub(SHOWN);
    if more > 1 {
        problem.details.truncate(SHOWN);
        problem.details.push(format!("… and {more} more"));
    }
    problem
}

/// Names, as a part of a sentence.
fn list(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let named = names[..names.len() - more].join(", ");
    if more > 0 { format!("{named} and {more} more") } else { named }
}

/// A time as people read it.
fn readable(at: &str) -> String {
    let minute = at.get(..16).unwrap_or(at);
    format!("{} UTC", minute.replace('T', " "))
}
