//! The dependencies: `Cargo.lock` is what the manifests ask for, and cargo-deny finds nothing.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::{Passed, Setting};
use crate::ci::command::CommandLine;
use crate::ci::machine;
use crate::problem::{Problem, Problems};

/// cargo-deny's settings: what is allowed, with the reasons.
const DENY: &str = "deny.toml";

/// cargo-deny fetches the list of advisories.
const DEADLINE: Duration = Duration::from_secs(10 * 60);

/// The versions that were chosen.
const LOCK: &str = "Cargo.lock";

/// `Cargo.lock` as it is now; `None` if there is none.
pub(in crate::ci) fn lock_file(root: &Path) -> Option<String> {
    std::fs::read_to_string(root.join(LOCK)).ok()
}

/// `before` is `Cargo.lock` as it was before any step: those that compile bring it up to date, and are quicker at times.
pub(super) fn check(before: Option<&str>, setting: &Setting<'_>) -> Result<Passed> {
    let root = &setting.context.workspace.root;
    let run =
        |line: &str| CommandLine::cargo(line).deadline(DEADLINE).run(root, setting.built, setting.context.interrupt);
    let printed = run("metadata --locked --format-version 1")?;
    if printed.text.contains("because --locked was passed") || lock_file(root).as_deref() != before {
        return Err(Problem::failed(format!("{LOCK} isn't what the manifests ask for."))
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
        // Without a network everything else can be looked at all the same.
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
