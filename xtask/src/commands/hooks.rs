//! `cargo xtask hooks install HOOKS…`: makes git call this program.
//!
//! A hook that exists already belongs to the user. It is never changed, and so is no folder of hooks that other
//! repositories share.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::cli::{Hook, HooksInstall};
use crate::context::Context;
use crate::problem::{Code, Problem, Problems};
use crate::process::{Child, quoted};
use crate::report::Outcome;

/// The time that git may take. It only reads its settings.
const GIT: Duration = Duration::from_secs(60);

/// Runs the command. Returns lines that say what to type next.
pub(crate) fn install(options: &HooksInstall, context: Context<'_>) -> Result<Vec<String>> {
    let git = Repository::find(context)?;
    let (folder, workspace) = (git.hooks()?, git.workspace()?);
    let (mut problems, mut next) = (Problems::default(), Vec::new());
    for hook in &options.hooks {
        let file = folder.join(hook.name());
        match install_one(*hook, &file, &workspace, context) {
            Ok(()) => {
                let remove = format!("To remove it: rm {}", quoted(&file.display().to_string()));
                next.extend([hook.says().to_owned(), remove]);
            }
            Err(problem) => problems.0.push(problem),
        }
    }
    problems.into_result()?;
    Ok(next)
}

/// Makes a hook, unless it is there.
fn install_one(hook: Hook, file: &Path, workspace: &Path, context: Context<'_>) -> Result<(), Problem> {
    let step = context.reporter.step("hooks");
    let script = script(hook, workspace);
    match make(file, &script) {
        Ok(()) => step.end(Outcome::Done, &format!("{} made", file.display())),
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(Problem::unwritable(file, &error)),
        Err(_) if std::fs::read_to_string(file).is_ok_and(|there| there == script) => {
            step.end(Outcome::Unchanged, &format!("{} is there", file.display()));
        }
        Err(_) => {
            let what = format!("{} exists already, and wasn't changed.", file.display());
            let problem = Problem::failed(Code::HookExists, what);
            return Err(problem.remedy(format!("Add these lines to it:\n{}", body(hook, workspace))));
        }
    }
    Ok(())
}

impl Hook {
    fn name(self) -> &'static str {
        match self {
            Self::PrePush => "pre-push",
            Self::PostCheckout => "post-checkout",
            Self::PostMerge => "post-merge",
        }
    }

    /// Returns what the user has to know about the hook.
    fn says(self) -> &'static str {
        match self {
            Self::PrePush => {
                "Before each push, git now runs `cargo xtask ci` on the files of this checkout. To push without it: \
                 git push --no-verify"
            }
            Self::PostCheckout => {
                "After each switch to another branch, git now shows one line if the databases have other migrations than the \
                 branch. It compiles nothing, and says nothing while no server runs."
            }
            Self::PostMerge => {
                "After each merge and pull, git now shows one line if the databases and the files have different migrations. \
                 It compiles nothing, and says nothing while no server runs."
            }
        }
    }
}

/// Returns the text of a hook's file.
fn script(hook: Hook, from_top: &Path) -> String {
    let name = hook.name();
    format!(
        "#!/bin/sh\n# Made by `cargo xtask hooks install {name}`. To remove it, delete this file.\n{}",
        body(hook, from_top)
    )
}

/// Returns the lines that a hook needs. `from_top` is the workspace's folder, as seen from the top of the checkout.
fn body(hook: Hook, from_top: &Path) -> String {
    let enter = if from_top.as_os_str().is_empty() {
        String::new()
    } else {
        format!("cd {} || exit\n", quoted(&from_top.display().to_string()))
    };
    match hook {
        Hook::PrePush => format!(
            "# A push that only deletes branches has no commit to check. Git lists what is pushed: ref, commit, ref, commit.\n\
             new=\n\
             while read -r _ commit _; do case $commit in *[!0]*) new=yes ;; esac; done\n\
             [ -n \"$new\" ] || exit 0\n\
             # Git names this repository to its hooks. Programs that work on other repositories must not see that.\n\
             unset $(git rev-parse --local-env-vars)\n\
             PATH=$PATH:$HOME/.cargo/bin\n\
             {enter}cargo xtask ci --quiet </dev/null || {{\n    \
                 echo \"Nothing was pushed, because cargo xtask ci failed. To push all the same: git push --no-verify\" >&2\n    \
                 exit 1\n\
             }}\n"
        ),
        Hook::PostCheckout => {
            let condition =
                "# The third argument is 1 if a branch was checked out, and not single files.\n[ \"$3\" = 1 ]";
            format!("{condition} && {}\n", in_parentheses(&enter))
        }
        Hook::PostMerge => format!("{}\n", in_parentheses(&enter)),
    }
}

/// The lines of the hooks that look at the databases. They end nothing but themselves, so that other lines may follow. A rebase
/// checks out commits on its way, and says nothing meanwhile. The program that cargo has compiled last is asked, and nothing is
/// compiled.
fn in_parentheses(enter: &str) -> String {
    let enter = enter.replace('\n', "\n    ");
    format!(
        "(\n    \
             # In the midst of a rebase, a branch is checked out for a moment only.\n    \
             for rebase in rebase-merge rebase-apply; do [ ! -e \"${{GIT_DIR:-.git}}/$rebase\" ] || exit 0; done\n    \
             {enter}program=${{CARGO_TARGET_DIR:-target}}/debug/xtask\n    \
             [ ! -x \"$program\" ] || \"$program\" db-status --brief </dev/null 2>/dev/null\n\
         ) || :"
    )
}

/// Makes an executable file that doesn't exist yet.
fn make(file: &Path, text: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(file.parent().unwrap_or(file))?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o755);
    options.open(file)?.write_all(text.as_bytes())
}

/// The git repository that the workspace lies in.
struct Repository<'a> {
    context: Context<'a>,
    /// The folder of this working tree.
    top: PathBuf,
    /// The folder that all working trees of the repository share.
    common: PathBuf,
}

impl<'a> Repository<'a> {
    /// Finds it.
    ///
    /// # Errors
    /// The workspace isn't a git checkout of this user, or git isn't installed.
    fn find(context: Context<'a>) -> Result<Self> {
        let top = ask(context, &["--show-toplevel"])?;
        let common = ask(context, &["--git-common-dir"])?;
        Ok(Self { context, top, common })
    }

    /// Returns the folder of its hooks.
    ///
    /// # Errors
    /// The setting `core.hooksPath` leads out of the repository, where other repositories may share the folder.
    fn hooks(&self) -> Result<PathBuf> {
        let folder = ask(self.context, &["--git-path", "hooks"])?;
        if folder.starts_with(&self.common) || folder.starts_with(&self.top) {
            return Ok(folder);
        }
        let what = format!("Git takes its hooks from {}, which isn't in this repository.", folder.display());
        Err(Problem::failed(Code::HookExists, what)
            .detail(
                "The setting core.hooksPath says so. Other repositories may use that folder, so nothing was put there.",
            )
            .remedy("To use hooks of this repository alone: git config --local core.hooksPath .git/hooks")
            .into())
    }

    /// Returns the folder of the workspace as seen from the top of the working tree.
    fn workspace(&self) -> Result<PathBuf> {
        let root = self.context.workspace.root.canonicalize()?;
        Ok(root.strip_prefix(&self.top).map(Path::to_owned).unwrap_or_default())
    }
}

/// Asks git for a path.
fn ask(context: Context<'_>, question: &[&str]) -> Result<PathBuf> {
    let root = &context.workspace.root;
    let arguments = [&["rev-parse", "--path-format=absolute"], question].concat();
    let ended = Child::new("git", GIT).dir(root).args(arguments).run(context.interrupt)?;
    if !ended.status.success() {
        let what = format!("{} isn't a git checkout that this user can use.", root.display());
        return Err(Problem::failed(Code::NoGit, what).details(ended.stderr.lines().map(str::to_owned)).into());
    }
    let path = PathBuf::from(ended.stdout.trim_end_matches(['\n', '\r']));
    // The folder of the hooks may not exist yet.
    Ok(path.canonicalize().unwrap_or(path))
}
