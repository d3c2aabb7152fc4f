//! The main branch of the repository, which tells whose files others have already.

use std::path::Path;
use std::time::Duration;

use crate::interrupt::Interrupt;
use crate::process::{Child, Ended};

/// How long git may take for a question about one branch.
const GIT: Duration = Duration::from_secs(10);

/// The names of main branches, the one on the server first.
const NAMES: [&str; 5] = ["refs/remotes/origin/HEAD", "origin/main", "origin/master", "main", "master"];

/// Returns whether the main branch has a file. Returns `None` if there is no git, no repository or no main branch.
pub(crate) fn has(root: &Path, file: &Path, interrupt: &Interrupt) -> Option<bool> {
    let git = Git { root, interrupt };
    // The path is relative to the folder, which may be below the repository's root.
    git.succeeds(&["cat-file", "-e", &format!("{}:./{}", git.main_branch()?, file.display())])
}

/// Returns whether the main branch has a file with another content than it has here. `None` is as for [`has`].
pub(crate) fn has_another(root: &Path, file: &Path, interrupt: &Interrupt) -> Option<bool> {
    let git = Git { root, interrupt };
    let is_same = || git.succeeds(&["diff", "--quiet", git.main_branch()?, "--", &format!("./{}", file.display())]);
    Some(has(root, file, interrupt)? && !is_same()?)
}

/// Returns the names of the files that the main branch has in a folder. `None` is as for [`has`].
pub(crate) fn files(root: &Path, folder: &Path, interrupt: &Interrupt) -> Option<Vec<String>> {
    let git = Git { root, interrupt };
    let folder = format!("./{}/", folder.display());
    let listed = git.run(&["ls-tree", "--name-only", "-z", git.main_branch()?, "--", &folder])?;
    let name = |path: &str| path.rsplit('/').next().map(str::to_owned);
    listed.status.success().then(|| listed.stdout.split_terminator('\0').filter_map(name).collect())
}

struct Git<'a> {
    root: &'a Path,
    interrupt: &'a Interrupt,
}

impl Git<'_> {
    fn main_branch(&self) -> Option<&'static str> {
        NAMES.into_iter().find(|name| self.succeeds(&["rev-parse", "--verify", "--quiet", name]) == Some(true))
    }

    fn succeeds(&self, arguments: &[&str]) -> Option<bool> {
        Some(self.run(arguments)?.status.success())
    }

    fn run(&self, arguments: &[&str]) -> Option<Ended> {
        Child::new("git", GIT).args(arguments.iter().copied()).dir(self.root).run(self.interrupt).ok()
    }
}
