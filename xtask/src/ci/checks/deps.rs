//! The check of the dependencies: `Cargo.lock` matches the manifests, and cargo-deny finds nothing.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::{Passed, Setting};
use crate::ci::command::CommandLine;
use crate::ci::machine;
use crate::problem::{Code, Problem, Problems};

/// The settings of cargo-deny.
const DENY: &str = "deny.toml";

/// The time that cargo-deny may take. It downloads the list of advisories.
const DEADLINE: Duration = Duration::from_secs(10 * 60);

/// The file with the versions of all dependencies.
const LOCK: &str = "Cargo.lock";

/// Reads `Cargo.lock`; `None` if there is no such file.
pub(in crate::ci) fn lock_file(root: &Path) -> Option<String> {
    std::fs::read_to_string(root.join(LOCK)).ok()
}

/// `before` is the text of `Cargo.lock` before the first step. A step that compiles brings the file up to date, and may do
/// so before this check looks at it.
pub(super) fn check(before: Option<&str>, setting: &Setting<'_>) -> Result<Passed> {
    let root = &setting.context.workspace.root;
    let run = |line: &str| CommandLine::cargo(line).deadline(DEADLINE).run(setting);
    let printed = run("metadata --locked --format-version 1")?;
    if printed.text.contains("because --locked was passed") || lock_file(root).as_deref() != before {
        return Err(Problem::failed(Code::LockFileStale, format!("{LOCK} doesn't match the manifests."))
            .at(LOCK, 1, None)
            .remedy("Bring it up to date, look at the change, and commit it: cargo update --workspace")
            .into());
    }
    if !printed.problems.0.is_empty() {
        setting.context.reporter.note(printed.text.trim_end());
    }
    printed.problems.into_result()?;
    if !root.join(DENY).is_file() {
        return Ok(Passed::InPart(format!("Cargo.lock is current; nothing else was looked at: there is no {DENY}")));
    }
    if !machine::has_cargo("deny") {
        return Ok(Passed::InPart(
            "Cargo.lock is current; nothing else was looked at: cargo install --locked cargo-deny".to_owned(),
        ));
    }
    let mut problems = Problems::default();
    for what in ["licenses bans sources", "advisories"] {
        let printed = run(&format!("deny --workspace check {what}"))?;
        if printed.problems.0.is_empty() {
            continue;
        }
        // Without a network, everything else can still be checked.
        if printed.text.contains("failed to fetch advisory database") && problems.0.is_empty() {
            return Ok(Passed::InPart(
                "cargo-deny finds nothing, but the list of advisories can't be fetched from here".to_owned(),
            ));
        }
        setting.context.reporter.note(printed.text.trim_end());
        problems.0.extend(printed.problems.0);
    }
    problems.into_result()?;
    Ok(Passed::With("Cargo.lock is current, and cargo-deny finds nothing".to_owned()))
}
