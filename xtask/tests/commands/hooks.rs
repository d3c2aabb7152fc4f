//! `hooks install`, with pushes by the real git.

use std::path::PathBuf;

use crate::support::run::{Invocation, whole_path};
use crate::support::{Outcome, Workspace, mode};

/// A checkout with a commit, a repository to push to, and a cargo that writes down what it is asked.
struct Pushing(Workspace);

impl Pushing {
    fn new() -> Self {
        let workspace = Workspace::generic().build();
        let this = Self(workspace);
        this.answer(0);
        this.git(&["init", "--quiet", "--initial-branch", "main"]).code(0);
        this.git(&["init", "--quiet", "--bare", "../elsewhere.git"]).code(0);
        this.git(&["remote", "add", "origin", "../elsewhere.git"]).code(0);
        this.commit();
        this
    }

    /// Sets the exit code of cargo.
    fn answer(&self, code: u8) {
        let asked = self.asked_file().display().to_string();
        let script = format!("#!/bin/sh\necho \"$(pwd): $@ ${{GIT_DIR-none}}\" >> '{asked}'\nexit {code}\n");
        self.0.add_program("programs", "cargo", &script);
    }

    fn commit(&self) {
        let name = ["-c", "user.name=A", "-c", "user.email=a@example.com"];
        self.git(&[&name[..], &["commit", "--quiet", "--allow-empty", "--message", "One"]].concat()).code(0);
    }

    fn run<'a>(&'a self, program: &str, arguments: &[&str]) -> Invocation<'a> {
        let run = match program {
            "xtask" => self.0.xtask(arguments),
            program => Invocation::of(&self.0, program, arguments),
        };
        run.env("PATH", whole_path()).path_first(self.0.base().join("programs"))
    }

    #[track_caller]
    fn git(&self, arguments: &[&str]) -> Outcome {
        self.run("git", arguments).run()
    }

    #[track_caller]
    fn install(&self) -> Outcome {
        self.run("xtask", &["hooks", "install", "pre-push"]).run()
    }

    fn asked_file(&self) -> PathBuf {
        self.0.base().join("tmp/asked")
    }

    /// Returns what cargo was asked since the last call.
    fn asked(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.asked_file()).unwrap_or_default();
        drop(std::fs::remove_file(self.asked_file()));
        text.lines().map(str::to_owned).collect()
    }

    fn hook(&self) -> PathBuf {
        self.0.root().join(".git/hooks/pre-push")
    }
}

#[test]
fn a_push_runs_the_pipeline() {
    let pushing = Pushing::new();
    let root = pushing.0.root().canonicalize().unwrap();
    pushing.install().code(0).says(["git push --no-verify", "rm "]);
    assert_eq!(mode(&pushing.hook()), 0o755);
    // Git's own variables would lead the programs of the pipeline to this repository.
    let expected = [format!("{}: xtask ci --quiet none", root.display())];
    pushing.git(&["push", "--quiet", "origin", "main"]).code(0);
    assert_eq!(pushing.asked(), expected);

    // A failure stops the push.
    pushing.answer(1);
    pushing.commit();
    let outcome = pushing.git(&["push", "--quiet", "origin", "main"]).fails();
    outcome.says(["Nothing was pushed", "--no-verify"]);
    assert_eq!(pushing.asked(), expected);
    let ahead = pushing.git(&["rev-list", "--count", "origin/main..main"]).code(0);
    assert_eq!(ahead.stdout.trim(), "1");
    pushing.git(&["push", "--quiet", "--no-verify", "origin", "main:other"]).code(0);
    // A push that only deletes has nothing to check.
    pushing.git(&["push", "--quiet", "origin", "--delete", "other"]).code(0);
    assert!(pushing.asked().is_empty());

    // Each working tree is checked itself.
    pushing.answer(0);
    pushing.git(&["worktree", "add", "--quiet", "../second", "-b", "second"]).code(0);
    let second = pushing.0.root().parent().unwrap().join("second");
    pushing.run("git", &["push", "--quiet", "origin", "second"]).directory(&second).run().code(0);
    assert_eq!(pushing.asked(), [format!("{}: xtask ci --quiet none", second.canonicalize().unwrap().display())]);

    // A second installation finds the hook.
    let before = std::fs::read(pushing.hook()).unwrap();
    pushing.install().code(0);
    assert_eq!(std::fs::read(pushing.hook()).unwrap(), before);
}

#[test]
fn a_hook_that_exists_is_the_users() {
    let pushing = Pushing::new();
    let own = "#!/bin/sh\necho mine\n";
    std::fs::create_dir_all(pushing.hook().parent().unwrap()).unwrap();
    std::fs::write(pushing.hook(), own).unwrap();
    let outcome = pushing.install().code(1);
    // The message has the lines to add.
    outcome.problem("hook-exists").says([
        "exists already",
        "cargo xtask ci --quiet",
        "unset $(git rev-parse --local-env-vars)",
    ]);
    assert_eq!(std::fs::read_to_string(pushing.hook()).unwrap(), own);
    // A link that leads nowhere is the user's as well.
    std::fs::remove_file(pushing.hook()).unwrap();
    std::os::unix::fs::symlink("nowhere", pushing.hook()).unwrap();
    pushing.install().code(1);
    assert!(!pushing.hook().with_file_name("nowhere").exists());
}

#[test]
fn folders_of_hooks() {
    let pushing = Pushing::new();
    // A folder outside the repository may serve other repositories.
    let shared = pushing.0.base().join("shared hooks");
    std::fs::create_dir(&shared).unwrap();
    pushing.git(&["config", "core.hooksPath", &shared.display().to_string()]).code(0);
    pushing.install().code(1).says(["shared hooks", "core.hooksPath"]);
    assert_eq!(std::fs::read_dir(&shared).unwrap().count(), 0);
    // A folder in the checkout is used.
    pushing.git(&["config", "core.hooksPath", "own hooks"]).code(0);
    pushing.install().code(0);
    assert!(pushing.0.root().join("own hooks/pre-push").exists());
    pushing.git(&["push", "--quiet", "origin", "main"]).code(0);
    assert_eq!(pushing.asked().len(), 1);
}

/// The workspace is a folder of the repository, with a space in its name.
#[test]
fn a_workspace_below_the_top() {
    let pushing = Pushing::new();
    let top = pushing.0.root().parent().unwrap();
    std::fs::rename(pushing.0.root().join(".git"), top.join(".git")).unwrap();
    pushing.git(&["remote", "set-url", "origin", "elsewhere.git"]).code(0);
    pushing.install().code(0);
    pushing.git(&["push", "--quiet", "origin", "main"]).code(0);
    assert_eq!(
        pushing.asked(),
        [format!("{}: xtask ci --quiet none", pushing.0.root().canonicalize().unwrap().display())]
    );
}

#[test]
fn no_repository() {
    let workspace = Workspace::generic().build();
    let install = |run: Invocation<'_>| run.run().code(1);
    install(workspace.xtask(&["hooks", "install", "pre-push"]).env("PATH", whole_path()))
        .problem("no-git")
        .says(["isn't a git checkout"]);
    install(workspace.xtask(&["hooks", "install", "pre-push"]).path([workspace.empty()])).says(["git"]);
}
