//! The main branch of the repository, which tells whose files others have already.

use std::path::Path;
use std::time::Duration;

use crate::interrupt::Interrupt;
use crate::process::Child;

/// How long git may take for a question about one branch.
const GIT: Duration = Duration::from_secs(10);

/// The names of main branches, the one on the server first.
const NAMES: [&str; 5] = ["refs/remotes/origin/HEAD", "origin/main", "origin/master", "main", "master"];

/// Returns whether the main branch has a file. Returns `None` if there is no git, no repository or no main branch.
pub(crate) fn has(root: &Path, file: &Path, interrupt: &Interrupt) -> Option<bool> {
    let git = |arguments: &[&str]| {
        let ended = Child::new("git", GIT).args(arguments.iter().copied()).dir(root).run(interrupt).ok()?;
        Some(ended.status.success())
    };
    let branch = NAMES.into_iter().find(|name| git(&["rev-parse", "--verify", "--quiet", name]) == Some(true))?;
    // The path is relative to the folder, which may be below the repository's root.
    git(&["cat-file", "-e", &format!("{branch}:./{}", file.display())])
}
