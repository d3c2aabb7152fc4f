//! Who can read the secrets in `.env`: other users of this machine, and everybody who clones the repository.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::{CONTRACT, FILE, contract, read};
use crate::interrupt::Interrupt;
use crate::problem::{Code, Problem, Problems};
use crate::process::Child;

/// The time that git may take. It only reads its index.
const GIT: Duration = Duration::from_secs(60);

/// The permissions with which others than the owner read or write a file.
#[cfg(unix)]
const OTHERS: u32 = 0o077;

/// Returns whether git keeps `.env` out of the repository. `None` if this is no git checkout.
///
/// # Errors
/// Git tracks the file, or doesn't ignore it.
pub(crate) fn in_git(root: &Path, interrupt: &Interrupt) -> Result<Option<()>> {
    if which::which("git").is_err() {
        return Ok(None);
    }
    let git = |args: &[&str]| {
        let child = Child::new("git", GIT).dir(root).args(args.iter().copied());
        Ok::<_, anyhow::Error>(child.run(interrupt)?.status.success())
    };
    // In a checkout of another user, git tells root about "dubious ownership" and answers nothing else.
    if !git(&["rev-parse", "--is-inside-work-tree"])? {
        return Ok(None);
    }
    if git(&["ls-files", "--error-unmatch", FILE])? {
        let what = format!("{FILE} is tracked by git: whoever clones the repository has its secrets.");
        return Err(Problem::failed(Code::EnvInGit, what)
            .at(FILE, 1, None)
            .remedy(format!("git rm --cached {FILE}"))
            .remedy("Then change every secret in it: the history keeps them.")
            .into());
    }
    if !git(&["check-ignore", "--quiet", FILE])? {
        return Err(Problem::failed(
            Code::EnvInGit,
            format!("Git doesn't ignore {FILE}: the next `git add` may take it along."),
        )
        .at(".gitignore", 1, None)
        .remedy(format!("echo {FILE} >> .gitignore"))
        .into());
    }
    Ok(Some(()))
}

/// Reports a `.env` that other users of this machine can read or write.
#[cfg(unix)]
pub(crate) fn open_to_others(root: &Path) -> Option<Problem> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(root.join(FILE)).ok()?.permissions().mode() & 0o777;
    (mode & OTHERS != 0).then(|| {
        Problem::failed(
            Code::EnvOpen,
            format!("Other users of this machine can reach the secrets in {FILE}: its permissions are {mode:03o}."),
        )
        .at(FILE, 1, None)
        .remedy(format!("chmod 600 {FILE}"))
    })
}

/// Windows gives a file the permissions of its folder.
#[cfg(not(unix))]
pub(crate) fn open_to_others(_root: &Path) -> Option<Problem> {
    None
}

/// Lets only the owner read `.env`. Returns whether it was done: a link leads to a file that may be anybody's.
///
/// # Errors
/// The permissions can't be changed.
pub(crate) fn close_to_others(root: &Path) -> Result<bool, Problem> {
    let path = root.join(FILE);
    let failed = |error: std::io::Error| {
        Problem::failed(Code::FileUnwritable, format!("{FILE} can't be made private: {error}.")).see_who_may(&path)
    };
    if !path.symlink_metadata().map_err(failed)?.is_file() {
        return Ok(false);
    }
    #[cfg(unix)]
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).map_err(failed)?;
    Ok(true)
}

/// Reports values that are still the public ones of the contract, if `marker` says that `.env` is the one of production.
/// `marker` is a line of the file, such as `ENVIRONMENT=production`.
///
/// # Errors
/// A file can't be read, or values are still the contract's.
pub(crate) fn still_public(root: &Path, marker: &str) -> Result<(), Problems> {
    let one = |problem: Problem| Problems(vec![problem]);
    let (Some(contract), Some(file)) = (contract(root).map_err(one)?, read(root, FILE).map_err(one)?) else {
        return Ok(());
    };
    let (marker, production) = marker.split_once('=').unwrap_or((marker, ""));
    let file = xtask_env::EnvFile::parse(&file);
    if file.get(marker) != Some(production) {
        return Ok(());
    }
    let same = contract.values.iter().filter(|value| file.get(&value.name) == Some(value.text.as_str()));
    let names: Vec<_> = same.map(|value| value.name.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(one(Problem::failed(
        Code::EnvPublic,
        format!(
            "{marker} is {production}, but these variables in {FILE} still have the values of {CONTRACT}: {}.",
            names.join(", ")
        ),
    )
    .detail(format!("{CONTRACT} is public, so everybody knows these values."))
    .remedy(format!("Put values of your own into {FILE}"))))
}
