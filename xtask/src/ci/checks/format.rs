//! The check of the sources: each is in rustfmt's format, and each is part of a target.
//!
//! cargo and rustfmt find a source by the `mod` that names it. No step sees a file that no `mod` names: it isn't
//! formatted, compiled, linted or tested. So the files that rustfmt has read are held against those that git lists.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::{Passed, Setting};
use crate::ci::command::{CommandLine, Reading};
use crate::ci::packages::Package;
use crate::problem::{Code, Problem};
use crate::process::Child;

/// The time that git may take. It only reads its index and the folders.
const GIT: Duration = Duration::from_secs(60);

/// The time that rustfmt may take.
const RUSTFMT: Duration = Duration::from_secs(10 * 60);

/// The folders in which cargo looks for the sources of a package.
const SOURCES: [&str; 4] = ["src", "tests", "examples", "benches"];

/// The edition of a file that belongs to no package.
const EDITION: &str = "2024";

/// `command` formats what the targets reach.
pub(super) fn check(command: &CommandLine, setting: &Setting<'_>) -> Result<Passed> {
    let root = setting.context.workspace.root.as_path();
    let printed = command.run(setting)?;
    let mut problems = printed.problems;
    if !problems.0.is_empty() {
        setting.context.reporter.note(&format!("$ {command}\n{}", printed.text.trim_end()));
    }
    // What a file names isn't known if rustfmt can't read the file.
    if printed.text.lines().any(|line| line.starts_with("error")) {
        problems.into_result()?;
        return Ok(Passed::With(String::new()));
    }
    let Some(listed) = listed(setting)? else {
        problems.into_result()?;
        return Ok(Passed::InPart("this is no git checkout, so no file was looked for that no `mod` names".to_owned()));
    };
    let others: Vec<_> = listed.into_iter().filter(|file| !printed.sources.contains(file)).collect();
    if !others.is_empty() {
        let texts: Vec<_> =
            printed.sources.iter().filter_map(|file| std::fs::read_to_string(root.join(file)).ok()).collect();
        problems.0.extend(others.iter().filter_map(|file| in_no_target(file, setting, &texts)));
        problems.0.extend(format_of(&others, setting)?);
    }
    problems.into_result()?;
    Ok(Passed::With(String::new()))
}

/// Returns the sources that git tracks, and those that it would. Returns `None` if this is no git checkout of this user.
fn listed(setting: &Setting<'_>) -> Result<Option<Vec<PathBuf>>> {
    let root = setting.context.workspace.root.as_path();
    if which::which("git").is_err() {
        return Ok(None);
    }
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.rs"];
    let ended = Child::new("git", GIT).args(arguments).dir(root).run(setting.context.interrupt)?;
    let files = ended.stdout.split_terminator('\0').map(PathBuf::from).filter(|file| root.join(file).is_file());
    Ok(ended.status.success().then(|| files.collect()))
}

/// Reports a file in one of the folders for the sources of a package. `texts` are the sources that the targets reach.
fn in_no_target(file: &Path, setting: &Setting<'_>, texts: &[String]) -> Option<Problem> {
    let package = setting.packages.package_of(file)?;
    let inside = file.strip_prefix(&package.folder).ok()?;
    let folder = SOURCES.iter().find(|folder| inside.starts_with(folder))?;
    if is_declared(file, package) || is_named(file, texts) {
        return None;
    }
    let manifest = package.folder.join("Cargo.toml");
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let problem = Problem::failed(Code::Unreached, format!("No target of {} includes this file.", package.name))
        .at(file, 1, None)
        .detail("So it is neither compiled nor linted nor tested.");
    let problem = match *folder {
        "tests" => problem.remedy(format!(
            "Cargo makes a test program of a file in {} itself, and of NAME/main.rs there. Move it, or name it in one of \
             these: mod {stem};",
            package.folder.join("tests").display()
        )),
        _ => problem.remedy(format!("Name it where it belongs (mod {stem};), or delete it.")),
    };
    Some(problem.remedy(format!(
        "If a test reads it, say so in {}: [package.metadata.xtask.tests] read = [\"{}\"]",
        manifest.display(),
        file.display()
    )))
}

/// Returns whether the manifest says that the tests of the package read the file.
fn is_declared(file: &Path, package: &Package) -> bool {
    let patterns = package.tests.read.iter().filter_map(|pattern| glob::Pattern::new(pattern).ok());
    patterns.into_iter().any(|pattern| pattern.matches_path(file))
}

/// Returns whether a source has the name of the file in quotation marks, as `include!` has it.
fn is_named(file: &Path, texts: &[String]) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    texts.iter().any(|text| ['"', '/'].iter().any(|before| text.contains(&format!("{before}{name}\""))))
}

/// Compares files that no target reaches with rustfmt's format.
fn format_of(files: &[PathBuf], setting: &Setting<'_>) -> Result<Vec<Problem>> {
    let mut by_edition: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for file in files {
        let edition = setting.packages.package_of(file).map_or(EDITION, |package| package.edition.as_str());
        by_edition.entry(edition).or_default().push(file.display().to_string());
    }
    let mut problems: Vec<Problem> = Vec::new();
    for (edition, files) in by_edition {
        let command = CommandLine::installed("rustfmt", &format!("--check --edition {edition}")).args(files);
        let printed = command.reading(Reading::Format).deadline(RUSTFMT).run(setting)?;
        for mut problem in printed.problems.0 {
            // cargo doesn't find the file.
            problem.remedies.clear();
            if let Some(place) = &problem.location {
                problem.remedies.push(format!("rustfmt --edition {edition} {}", place.file.display()));
            }
            // A file that another one names is read twice.
            if problems.iter().all(|other| other.to_string() != problem.to_string()) {
                problems.push(problem);
            }
        }
    }
    Ok(problems)
}
