//! The check of the settings' contract: the program accepts it, it holds no real credential, and git doesn't know `.env`.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::credential::looks_real;
use super::{Passed, Setting};
use crate::ci::command::CommandLine;
use crate::env_file::{self, CONTRACT, Contract, FILE};
use crate::problem::{Problem, Problems};
use crate::process::Child;

/// The time that git may take. It only reads its index.
const GIT: Duration = Duration::from_secs(60);

/// The permissions with which others than the owner read or write a file.
#[cfg(unix)]
const OTHERS: u32 = 0o077;

pub(super) fn check(settings_check: Option<&CommandLine>, setting: &Setting<'_>) -> Result<Passed> {
    let root = &setting.context.workspace.root;
    let mut problems = Problems::default();
    let Some(Contract { values, problems: wrong }) = env_file::contract(root)? else {
        return Ok(Passed::InPart(format!("there is no {CONTRACT}")));
    };
    problems.0.extend(wrong);
    for url in
        setting.context.workspace.url_variables().iter().filter(|url| !values.iter().any(|value| value.name == **url))
    {
        problems
            .0
            .push(Problem::failed(format!("{CONTRACT} has no {url}, which a sqlx.toml names.")).at(CONTRACT, 1, None));
    }
    for value in &values {
        problems.0.extend(real_credential(value));
    }
    let git = in_git(setting, &mut problems)?;
    problems.0.extend(open_to_others(root));
    if let Some(settings_check) = settings_check {
        let printed = settings_check.run(setting)?;
        if !printed.problems.0.is_empty() {
            problems.0.push(
                Problem::failed(format!("{CONTRACT} doesn't satisfy the settings."))
                    .at(CONTRACT, 1, None)
                    .details(printed.text.trim().lines().map(str::to_owned))
                    .remedy(format!("`{settings_check}` says the same.")),
            );
        }
    }
    problems.into_result()?;
    let mut what = format!("{CONTRACT} has {} harmless values", values.len());
    match settings_check {
        Some(_) => what.push_str(" that satisfy the settings"),
        None => what.push_str("; no settings to satisfy: Cargo.toml has no [workspace.metadata.xtask] env-check"),
    }
    if !git {
        return Ok(Passed::InPart(format!("{what}; this is no git checkout, so nothing was asked about {FILE}")));
    }
    Ok(Passed::With(what))
}

/// Reports a `.env` that git tracks or doesn't ignore. Returns whether this is a git checkout at all.
fn in_git(setting: &Setting<'_>, problems: &mut Problems) -> Result<bool> {
    let root: &Path = &setting.context.workspace.root;
    if which::which("git").is_err() {
        return Ok(false);
    }
    let git = |args: &[&str]| {
        let child = Child::new("git", GIT).dir(root).args(args.iter().copied());
        Ok::<_, anyhow::Error>(child.run(setting.context.interrupt)?.status.success())
    };
    // In a checkout of another user, git tells root about "dubious ownership" and answers nothing else.
    if !git(&["rev-parse", "--is-inside-work-tree"])? {
        return Ok(false);
    }
    if git(&["ls-files", "--error-unmatch", FILE])? {
        problems.0.push(
            Problem::failed(format!("{FILE} is tracked by git: whoever clones the repository has its secrets."))
                .at(FILE, 1, None)
                .remedy(format!("git rm --cached {FILE}"))
                .remedy("Then change every secret in it: the history keeps them."),
        );
    } else if !git(&["check-ignore", "--quiet", FILE])? {
        problems.0.push(
            Problem::failed(format!("Git doesn't ignore {FILE}: the next `git add` may take it along."))
                .at(".gitignore", 1, None)
                .remedy(format!("echo {FILE} >> .gitignore")),
        );
    }
    Ok(true)
}

/// Reports a `.env` that other users of this machine can read or write.
#[cfg(unix)]
fn open_to_others(root: &Path) -> Option<Problem> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(root.join(FILE)).ok()?.permissions().mode() & 0o777;
    (mode & OTHERS != 0).then(|| {
        Problem::failed(format!(
            "Other users of this machine can reach the secrets in {FILE}: its permissions are {mode:03o}."
        ))
        .at(FILE, 1, None)
        .remedy(format!("chmod 600 {FILE}"))
    })
}

/// Windows gives a file the permissions of its folder.
#[cfg(not(unix))]
fn open_to_others(_root: &Path) -> Option<Problem> {
    None
}

/// Reports a value that looks like a real credential. The value isn't shown, because it may be one.
fn real_credential(value: &env_file::Value) -> Option<Problem> {
    let env_file::Value { name, text, line } = value;
    let why = looks_real(text)?;
    Some(
        Problem::failed(format!("{name} looks like a real credential: {why}."))
            .at(CONTRACT, *line, None)
            .detail(format!("{CONTRACT} is public; the value isn't shown here."))
            .remedy(
                "Revoke it if it's real, and put a made-up one in its place: test_…, or words with _ between them.",
            ),
    )
}
