//! The checks of `cargo xtask doctor`, as data: what each one finds out, what it needs, and how it looks.
//!
//! Doctor knows nothing by itself about what db-setup needs. It asks the functions that db-setup uses, so a check of those
//! fails exactly if db-setup would. Nothing is changed, except by [`fix`].

mod fix;
mod ground;
#[cfg(unix)]
mod listener;
mod turns;

use std::time::Duration;

use anyhow::Result;

pub(crate) use self::fix::Fix;
use self::ground::Ground;
use crate::context::Context;
use crate::interrupt;
use crate::problem::{Exit, Problem, Problems};
use crate::report::{Checked, Status};
use crate::runtime::wait_for;
use crate::workspace::Workspace;

/// What is known about the machine, in the order in which it is shown.
const MACHINE: &str = "Machine";
const SETTINGS: &str = "Settings";
const SERVER: &str = "Server";
const DATABASES: &str = "Databases";

/// A check.
struct Check {
    /// Its name, which programs know and which never changes.
    code: &'static str,
    group: &'static str,
    /// What it finds out.
    about: &'static str,
    /// The checks that must not have failed before.
    needs: &'static [&'static str],
    /// What becomes of its problems.
    weight: Weight,
    look: Look,
}

/// What becomes of the problems that a check finds.
enum Weight {
    /// db-setup would fail with them.
    Decides,
    /// They are warnings.
    Warns,
    /// They are warnings, if the check of this name has failed. Otherwise nothing is to be done about them.
    WarnsWithout(&'static str),
}

/// How a check looks.
enum Look {
    /// By itself, on a thread of its own.
    Aside(fn(&Ground<'_>) -> Result<Finding>),
    /// As a part of the way that db-setup takes ([`turns`]).
    InTurn,
}

/// The checks, in the order in which they are shown.
const CHECKS: [Check; 15] = [
    Check {
        code: "toolchain",
        group: MACHINE,
        about: "Cargo has rustfmt and clippy, which ci needs.",
        needs: &[],
        weight: Weight::Warns,
        look: Look::Aside(ground::toolchain),
    },
    Check {
        code: "line-endings",
        group: MACHINE,
        about: "Git checks out SQL files as they are in the repository. The checksum of a migration covers its bytes.",
        needs: &[],
        weight: Weight::Warns,
        look: Look::Aside(ground::line_endings),
    },
    Check {
        code: "disk",
        group: MACHINE,
        about: "There is room for a server and for what cargo compiles.",
        needs: &[],
        weight: Weight::Warns,
        look: Look::Aside(ground::disk),
    },
    Check {
        code: "files",
        group: SETTINGS,
        about: "The files that describe the databases can be used: sqlx.toml, and the migrations.",
        needs: &[],
        weight: Weight::Decides,
        look: Look::InTurn,
    },
    Check {
        code: "env",
        group: SETTINGS,
        about: ".env has every variable of .env.ci, and URLs that can be used.",
        needs: &[],
        weight: Weight::Decides,
        look: Look::InTurn,
    },
    Check {
        code: "env-private",
        group: SETTINGS,
        about: "No other user of this machine can read .env.",
        needs: &[],
        weight: Weight::Warns,
        look: Look::Aside(ground::env_private),
    },
    Check {
        code: "env-in-git",
        group: SETTINGS,
        about: "Git ignores .env, and doesn't track it.",
        needs: &[],
        weight: Weight::Warns,
        look: Look::Aside(ground::env_in_git),
    },
    Check {
        code: "env-production",
        group: SETTINGS,
        about: "In production, no secret is a public one of .env.ci.",
        needs: &[],
        weight: Weight::Warns,
        look: Look::Aside(ground::env_production),
    },
    Check {
        code: "docker",
        group: SERVER,
        about: "Docker Compose can start PostgreSQL.",
        needs: &[],
        weight: Weight::WarnsWithout("server"),
        look: Look::Aside(ground::docker),
    },
    Check {
        code: "binaries",
        group: SERVER,
        about: "PostgreSQL's programs are on this machine, for a private cluster.",
        needs: &[],
        weight: Weight::WarnsWithout("server"),
        look: Look::Aside(ground::binaries),
    },
    Check {
        code: "port",
        group: SERVER,
        about: "Who listens on the port of the URLs.",
        needs: &["files", "env"],
        weight: Weight::Warns,
        look: Look::InTurn,
    },
    Check {
        code: "server",
        group: SERVER,
        about: "A server answers and accepts the logins of the URLs, or one can be started.",
        needs: &["files", "env"],
        weight: Weight::Decides,
        look: Look::InTurn,
    },
    Check {
        code: "role",
        group: SERVER,
        about: "The role of the URLs can make and migrate databases on that server.",
        needs: &["server"],
        weight: Weight::Decides,
        look: Look::InTurn,
    },
    Check {
        code: "left-behind",
        group: SERVER,
        about: "No other run is at work, and killed runs have left nothing on the server.",
        needs: &["server", "role"],
        weight: Weight::Warns,
        look: Look::InTurn,
    },
    Check {
        code: "database",
        group: DATABASES,
        about: "The database has the migrations and the schema of this repository, or db-setup can give them to it.",
        needs: &["server", "role"],
        weight: Weight::Decides,
        look: Look::InTurn,
    },
];

/// What a check found.
pub(crate) enum Finding {
    /// All is well. The text says what was found.
    Well(String),
    /// The problems, and what `--fix` can do about them.
    Wrong(Problems, Option<Fix>),
    /// There is nothing to check, for this reason.
    NotApplicable(String),
}

/// The finding of a check, for one database if it is done for each of them.
struct Found {
    code: &'static str,
    database: Option<String>,
    finding: Finding,
}

impl Finding {
    fn wrong(problem: Problem) -> Self {
        Self::Wrong(Problems(vec![problem]), None)
    }

    /// The problems of an error are findings. Only Ctrl-C stays an error.
    fn of(result: Result<Self>) -> Result<Self> {
        match result {
            Err(error) if interrupt::is_interruption(&error) => Err(error),
            Err(error) => Ok(Self::Wrong(Problems::of(error), None)),
            found => found,
        }
    }

    /// Makes warnings of the problems.
    fn into_warning(self) -> Self {
        match self {
            Self::Wrong(problems, fix) => {
                Self::Wrong(Problems(problems.0.into_iter().map(Problem::into_warning).collect()), fix)
            }
            other => other,
        }
    }

    fn status(&self) -> Status {
        match self {
            Self::Well(_) => Status::Ok,
            Self::NotApplicable(_) => Status::NotApplicable,
            Self::Wrong(problems, _) if problems.exit() == Exit::Done => Status::Warning,
            Self::Wrong(..) => Status::Failed,
        }
    }
}

/// The result of all checks.
pub(crate) struct Examined {
    pub(crate) checks: Vec<Checked>,
    /// What `--fix` would do.
    pub(crate) fixes: Vec<Fix>,
}

impl Examined {
    /// The exit code with which db-setup would end.
    pub(crate) fn exit(&self) -> Exit {
        let problems = self.checks.iter().flat_map(|checked| &checked.problems);
        problems.map(|problem| problem.exit).max().unwrap_or(Exit::Done)
    }
}

/// Does all checks, side by side. Something silent at the address of the URLs is waited for at most as long as `patience`.
///
/// # Errors
/// The user presses Ctrl-C.
pub(crate) fn examine(context: Context<'_>, patience: Duration) -> Result<Examined> {
    let Context { workspace, interrupt, .. } = context;
    let found = std::thread::scope(|scope| {
        let aside = CHECKS.iter().filter_map(|check| match check.look {
            Look::Aside(look) => Some((check.code, look)),
            Look::InTurn => None,
        });
        let aside: Vec<_> = aside
            .map(|(code, look)| {
                (code, scope.spawn(move || Finding::of(look(&Ground { workspace, interrupt, patience }))))
            })
            .collect();
        let mut found = wait_for(interrupt.guard(turns::take(context, patience)))?;
        for (code, thread) in aside {
            let finding = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            found.push(Found { code, database: None, finding: finding? });
        }
        anyhow::Ok(found)
    })?;
    Ok(judge(found, workspace))
}

/// Weighs the findings, and says of each check that wasn't done why it wasn't.
fn judge(mut found: Vec<Found>, workspace: &Workspace) -> Examined {
    let mut examined = Examined { checks: Vec::new(), fixes: Vec::new() };
    let failed: Vec<_> =
        found.iter().filter(|found| found.finding.status() == Status::Failed).map(|found| found.code).collect();
    for check in &CHECKS {
        let (mine, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| found.code == check.code);
        found = others;
        let mine = if mine.is_empty() { not_done(check, &failed, workspace) } else { mine };
        for Found { database, finding, .. } in mine {
            let finding = match (&check.weight, finding) {
                (Weight::WarnsWithout(other), Finding::Wrong(problems, _)) if !failed.contains(other) => {
                    Finding::NotApplicable(not_needed(&problems))
                }
                (Weight::Decides, finding) => finding,
                (_, finding) => finding.into_warning(),
            };
            let status = finding.status();
            let (what, problems) = match finding {
                Finding::Well(what) | Finding::NotApplicable(what) => (Some(what), Vec::new()),
                Finding::Wrong(problems, fix) => {
                    examined.fixes.extend(fix);
                    (None, problems.0)
                }
            };
            let Check { code, group, about, .. } = *check;
            examined.checks.push(Checked { check: code, group, about, database, status, what, problems });
        }
    }
    examined
}

/// The findings of a check that wasn't done, because one of its needs failed.
fn not_done(check: &Check, failed: &[&str], workspace: &Workspace) -> Vec<Found> {
    let need = check.needs.iter().find(|need| failed.contains(need)).or(check.needs.last());
    let why = need.map_or_else(String::new, |need| format!("not looked at, because this needs {need}"));
    let databases = workspace.databases.iter().map(|database| Some(database.name.clone()));
    let databases: Vec<_> = if check.group == DATABASES { databases.collect() } else { vec![None] };
    let found = |database| Found { code: check.code, database, finding: Finding::NotApplicable(why.clone()) };
    databases.into_iter().map(found).collect()
}

fn not_needed(problems: &Problems) -> String {
    let what: Vec<_> = problems.0.iter().map(|problem| problem.what.trim_end_matches('.')).collect();
    format!("not needed ({})", what.join("; "))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{CHECKS, Look, Weight};
    use crate::problem::Code;

    /// The names in the data name each other, and the words of problems name checks.
    #[test]
    fn every_name_is_a_check() {
        let codes: BTreeSet<_> = CHECKS.iter().map(|check| check.code).collect();
        assert_eq!(codes.len(), CHECKS.len());
        for (index, check) in CHECKS.iter().enumerate() {
            let before: Vec<_> = CHECKS[..index].iter().map(|check| check.code).collect();
            assert!(check.needs.iter().all(|need| before.contains(need)), "{}", check.code);
            assert!(check.needs.is_empty() || matches!(check.look, Look::InTurn), "{}", check.code);
            if let Weight::WarnsWithout(other) = check.weight {
                assert!(codes.contains(other), "{}", check.code);
            }
        }
        let named = Code::ALL.iter().filter_map(|code| code.entry().check);
        assert_eq!(named.filter(|check| !codes.contains(check)).collect::<Vec<_>>(), Vec::<&str>::new());
    }
}
