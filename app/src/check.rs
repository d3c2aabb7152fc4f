//! `quickcart check`: are the settings complete, and are both databases there and as they should be?
//!
//! `quickcart check --settings FILE` asks the first half of it, of one file by itself.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use quickcart_audit::{ActsAs, InspectError, Inspection};
use xtask_env::DatabaseUrl;

use crate::EXPECTED;
use crate::cli::CheckArguments;
use crate::settings::{Problems, Settings};

/// How the check ended; the numbers are `cargo xtask`'s as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Fine = 0,
    Wrong = 1,
    Unreachable = 6,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome as u8)
    }
}

/// Under this name PostgreSQL shows the sessions of the check.
const SESSION: &str = "quickcart check";

/// Where settings are put right that come from the environment and the workspace.
const REMEDY: &str = "Put this right in the environment or in the workspace's .env; .env.ci shows every variable, and \
                      `cargo xtask db-setup` makes a .env of it.";

/// Checks, prints what is found, and gives the process's exit code.
pub fn run(arguments: &CheckArguments) -> ExitCode {
    let outcome = match arguments.settings() {
        Some(file) => check_file(file),
        None => check_all(arguments.deadline()),
    };
    outcome.into()
}

fn check_all(deadline: Duration) -> Outcome {
    // The current folder can be gone. Then there is no workspace, and the environment has to have everything.
    let start = std::env::current_dir().unwrap_or_else(|_| PathBuf::new());
    match Settings::load(&start) {
        Ok(settings) => check_databases(&settings, deadline),
        Err(problems) => report_problems("The settings are wrong:", &problems, REMEDY),
    }
}

fn check_file(file: &Path) -> Outcome {
    match Settings::from_file(file) {
        Ok(settings) => {
            let _ = writeln!(io::stdout(), "The settings in {} are fine ({}).", file.display(), settings.environment);
            Outcome::Fine
        }
        Err(problems) => {
            let title = format!("The settings in {} are wrong:", file.display());
            report_problems(&title, &problems, "Put this right in that file. Nothing else was read.")
        }
    }
}

fn report_problems(title: &str, problems: &Problems, remedy: &str) -> Outcome {
    let mut text = format!("{title}\n");
    for sentence in problems.sentences() {
        text.push_str(&format!("  {sentence}\n"));
    }
    text.push_str(&format!("{remedy}\n"));
    // Nobody is left to be told that the output is closed.
    let _ = io::stderr().write_all(text.as_bytes());
    Outcome::Wrong
}

fn check_databases(settings: &Settings, deadline: Duration) -> Outcome {
    let (main, audit) = match inspect_both(settings, deadline) {
        Ok(both) => both,
        Err(error) => {
            let _ = writeln!(io::stderr(), "The databases couldn't be inspected: {error}.");
            return Outcome::Wrong;
        }
    };
    let (audit, acts_as) = match audit {
        Ok((inspection, acts_as)) => (Ok(inspection), Some(acts_as)),
        Err(error) => (Err(error), None),
    };
    let findings = [
        Finding { url: &settings.database_url, result: main, acts_as: None },
        Finding { url: &settings.audit_database_url, result: audit, acts_as },
    ];
    let mut outcome = Outcome::Fine;
    let mut text = format!("The settings are fine ({}).\n", settings.environment);
    for finding in &findings {
        text.push_str(&format!("{finding}\n"));
        outcome = outcome.max(finding.outcome());
    }
    let _ = io::stdout().write_all(text.as_bytes());
    outcome
}

type InspectResult = Result<Inspection, InspectError>;
type AuditResult = Result<(Inspection, ActsAs), InspectError>;

/// Asks both databases at once, so that two which don't answer cost one deadline.
fn inspect_both(settings: &Settings, deadline: Duration) -> io::Result<(InspectResult, AuditResult)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let main = settings.database_url.options(SESSION);
    let audit = settings.audit_database_url.options(SESSION);
    let both = runtime.block_on(async {
        let main = tokio::spawn(async move { quickcart_audit::inspect_database(main, EXPECTED, deadline).await });
        let audit = tokio::spawn(quickcart_audit::inspect(audit, deadline));
        Ok((main.await?, audit.await?))
    });
    // A name that is still being looked up sits in a thread; dropping the runtime would wait for it.
    runtime.shutdown_background();
    both
}

/// What was found at one URL.
struct Finding<'a> {
    url: &'a DatabaseUrl,
    result: InspectResult,
    /// The role that writes the audit trail.
    acts_as: Option<ActsAs>,
}

impl Finding<'_> {
    fn outcome(&self) -> Outcome {
        match &self.result {
            Ok(inspection) if inspection.is_as_expected() => Outcome::Fine,
            Ok(_) | Err(InspectError::Catalog(_)) => Outcome::Wrong,
            Err(_) => Outcome::Unreachable,
        }
    }
}

impl fmt::Display for Finding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, result, acts_as } = self;
        let variable = &url.variable;
        write!(f, "{variable}: {url} ")?;
        let inspection = match result {
            Ok(inspection) => inspection,
            Err(error) => {
                let hint = match error {
                    InspectError::LoginRefused(_) => format!("Correct the user and password in {variable}."),
                    InspectError::NoSuchDatabase(_) => "`cargo xtask db-setup` makes it.".to_owned(),
                    InspectError::Catalog(_) => "Run it again when nobody changes the database.".to_owned(),
                    InspectError::Deadline(_) | InspectError::Other(_) => {
                        "Is PostgreSQL running there? `cargo xtask db-setup` starts one on this machine.".to_owned()
                    }
                };
                return write!(f, "can't be reached: {error}. {hint}");
            }
        };
        let Inspection { server_version, tables, missing, unexpected, differences } = inspection;
        let plural = if tables.len() == 1 { "" } else { "s" };
        write!(f, "is reachable (PostgreSQL {server_version}), {} table{plural}", tables.len())?;
        if missing.is_empty() {
            f.write_str(", none missing")?;
        } else {
            write!(f, ", missing: {}", missing.join(", "))?;
        }
        if !unexpected.is_empty() {
            write!(f, ", not expected: {}", unexpected.join(", "))?;
        }
        if missing.is_empty() && unexpected.is_empty() {
            match differences.len() {
                0 => f.write_str(", every object as in its schema file")?,
                1 => write!(f, ", but one object isn't as in its schema file: {}", differences[0])?,
                more => write!(f, ", but {more} objects aren't as in its schema file, such as: {}", differences[0])?,
            }
        }
        f.write_str(".")?;
        if !missing.is_empty() {
            f.write_str(" `cargo xtask db-setup` applies the migrations that make them.")?;
        }
        if missing.is_empty() && !inspection.is_as_expected() {
            f.write_str(" `cargo xtask db-verify` says more of what differs.")?;
        }
        if let Some(acts_as) = acts_as.filter(|_| inspection.is_as_expected()) {
            write!(f, " {acts_as}")?;
        }
        Ok(())
    }
}
