//! Results that are kept between runs. Work that passed passes again if its inputs are equal, so it isn't done again.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::Result;
use chrono::{DateTime, Local};
use sqlx::Row;

use super::inputs::Inputs;
use super::packages::Packages;
use super::step::{Step, Unit};
use crate::checkout;
use crate::connection::{declared, session};
use crate::context::Context;
use crate::database::scratch;
use crate::interrupt::Interrupt;
use crate::report::Reporter;
use crate::runtime::wait_for;
use crate::workspace::Workspace;

/// The folder of the results, in the folder of the checkout's state.
const FOLDER: &str = "passed";

/// The results that the runs before have left, and the inputs of this run.
pub(crate) struct Kept<'a> {
    workspace: &'a Workspace,
    interrupt: &'a Interrupt,
    /// `None` if nothing can be said about the inputs.
    inputs: Option<Inputs<'a>>,
    /// Whether an earlier result may take the place of work.
    reuse: bool,
    allow_remote: bool,
    /// The version of the databases' server, and the roles there that the databases declare. It is asked for when a step
    /// needs it, because a step may start the server.
    server: OnceLock<String>,
}

impl<'a> Kept<'a> {
    /// Takes the inputs of the steps. `all` means that every step is to run. A server on another machine is asked only
    /// with `allow_remote`.
    ///
    /// # Errors
    /// The user pressed Ctrl-C.
    pub(crate) fn of(
        context: Context<'a>,
        packages: &'a Packages,
        steps: &[Step],
        all: bool,
        allow_remote: bool,
    ) -> Result<Self> {
        let reads: Vec<_> = steps.iter().flat_map(Step::units).map(|unit| unit.reads).collect();
        let inputs =
            if packages.are_known() && !counts_for_others() { Inputs::take(context, packages, &reads)? } else { None };
        Ok(Self {
            workspace: context.workspace,
            interrupt: context.interrupt,
            inputs,
            reuse: !all,
            allow_remote,
            server: OnceLock::new(),
        })
    }

    /// Returns the time since when a step has passed with the inputs that it has now. Of several pieces of work, the last
    /// one that was done counts.
    pub(crate) fn step_passed(&self, step: &Step) -> Option<DateTime<Local>> {
        let units = step.units();
        if units.is_empty() || units.len() < step.pieces() {
            return None;
        }
        units.iter().map(|unit| self.passed(unit)).collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// Returns the time when a piece of work passed with the inputs that it has now.
    pub(crate) fn passed(&self, unit: &Unit<'_>) -> Option<DateTime<Local>> {
        let (digest, seconds) = self.read(unit).filter(|_| self.reuse)?;
        if digest != self.digest(unit)? {
            return None;
        }
        DateTime::from_timestamp(seconds, 0).map(Into::into)
    }

    /// Takes note of the result of a piece of work. It is kept if the work passed, unless the inputs have changed since the
    /// run began. If work fails that has passed with the same inputs, that result is forgotten.
    pub(crate) fn tell(&self, unit: &Unit<'_>, passed: bool) {
        let (Some(inputs), Some(digest)) = (&self.inputs, self.digest(unit)) else { return };
        let file = self.file(unit);
        if !passed {
            if self.read(unit).is_some_and(|(kept, _)| kept == digest) {
                drop(std::fs::remove_file(file));
            }
        } else if inputs.still_hold(unit.reads, self.interrupt) {
            let text = format!("{digest} {}\n", Local::now().timestamp());
            // A result that can't be kept costs time, and nothing else.
            drop(checkout::make_state_dir(&self.workspace.root).and_then(|_| write(&file, &text)));
        }
    }

    /// Reads the result that was kept last: the digest of the inputs, and the time in seconds since 1970.
    fn read(&self, unit: &Unit<'_>) -> Option<(String, i64)> {
        let text = std::fs::read_to_string(self.file(unit)).ok()?;
        let (digest, seconds) = text.trim().split_once(' ')?;
        Some((digest.to_owned(), seconds.parse().ok()?))
    }

    /// Returns the files that a step reads, if that is known.
    pub(crate) fn files_of(&self, step: &Step) -> Option<Vec<PathBuf>> {
        let inputs = self.inputs.as_ref()?;
        let units = step.units();
        let mut files: Vec<_> = units.iter().flat_map(|unit| inputs.files_of(unit.reads)).map(Path::to_owned).collect();
        files.sort();
        files.dedup();
        (units.len() == step.pieces()).then_some(files)
    }

    fn digest(&self, unit: &Unit<'_>) -> Option<String> {
        let server = if unit.reads.server { self.server()? } else { "" };
        Some(self.inputs.as_ref()?.digest(&unit.what, unit.reads, server))
    }

    /// Returns the version of the databases' server and its declared roles, if it answers.
    fn server(&self) -> Option<&str> {
        let ask = async {
            let reporter = Reporter::keeping();
            let context = Context { workspace: self.workspace, reporter: &reporter, interrupt: self.interrupt };
            let targets = scratch::targets(&context, self.allow_remote, "cargo xtask ci")?;
            let mut versions = Vec::new();
            for target in &targets {
                let mut session = session::maintenance(&target.url, session::READER).await?;
                let row = sqlx::query("SELECT version()").fetch_one(&mut session).await?;
                versions.push(row.try_get::<String, _>(0)?);
                // Without them, less is proven.
                let declared = declared::look(&mut session, target.database.declared_roles()).await?;
                versions.extend(declared.into_iter().filter(|role| role.found.is_some()).map(|role| role.name));
                session::close(session).await;
            }
            Ok(versions.join("\n"))
        };
        if let Some(found) = self.server.get() {
            return Some(found);
        }
        // A server that doesn't answer yet may answer a later step.
        let found = wait_for(self.interrupt.guard(ask)).ok()?;
        Some(self.server.get_or_init(|| found))
    }

    fn file(&self, unit: &Unit<'_>) -> PathBuf {
        // Windows has no colon in the names of files.
        let name = unit.name.replace(':', "-");
        checkout::state_dir(&self.workspace.root).join(FOLDER).join(name)
    }
}

/// Returns whether others rely on this run. On GitHub, that is each run that isn't for a pull request.
fn counts_for_others() -> bool {
    let is = |name: &str, value: &str| std::env::var_os(name).is_some_and(|found| found == value);
    is("GITHUB_ACTIONS", "true") && !is("GITHUB_EVENT_NAME", "pull_request")
}

/// Writes a file in one go, so that a run beside this one never reads half of it.
fn write(file: &Path, text: &str) -> Result<()> {
    let folder = file.parent().unwrap_or(file);
    std::fs::create_dir_all(folder)?;
    let mut beside = file.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    std::fs::write(&beside, text)?;
    Ok(std::fs::rename(&beside, file)?)
}

/// The time as people say it: `14:02`, or with its date if that isn't today.
pub(crate) fn since(time: DateTime<Local>) -> String {
    let today = time.date_naive() == Local::now().date_naive();
    let format = if today { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    time.format(format).to_string()
}
