//! `hooks install post-checkout` and `post-merge`, with the real git: one line when the databases and the branch differ.

use std::path::{Path, PathBuf};

use crate::support::run::{Invocation, whole_path};
use crate::support::{Outcome, Server, Workspace, mode, set_up};

/// A checkout that is set up and has a commit. The program is where cargo compiles it.
struct Checkout {
    server: Server,
    workspace: Workspace,
}

impl Checkout {
    fn new() -> Self {
        let (server, workspace) = set_up();
        let this = Self { server, workspace };
        this.workspace.write(".gitignore", ".env\n.xtask\ntarget\n");
        this.git(&["init", "--quiet", "--initial-branch", "main"]);
        this.commit("One");
        this.compile(this.workspace.root());
        this
    }

    /// Puts the program where cargo compiles it.
    fn compile(&self, root: &Path) {
        std::fs::create_dir_all(root.join("target/debug")).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_xtask"), root.join("target/debug/xtask")).unwrap();
    }

    #[track_caller]
    fn try_git(&self, arguments: &[&str]) -> Outcome {
        let name = ["-c", "user.name=A", "-c", "user.email=a@example.com"];
        // Cargo isn't on the path, so nothing can compile.
        let run = Invocation::of(&self.workspace, "git", &[&name[..], arguments].concat());
        run.path(std::env::split_paths(&whole_path())).without("cargo").run()
    }

    /// Returns what git and its hooks have said.
    #[track_caller]
    fn git(&self, arguments: &[&str]) -> String {
        self.try_git(arguments).code(0).text().trim().to_owned()
    }

    fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
    }

    fn install(&self, hooks: &str) -> Outcome {
        let words: Vec<_> = ["hooks", "install"].into_iter().chain(hooks.split(' ')).collect();
        self.workspace.xtask(&words).env("PATH", whole_path()).run()
    }

    fn hook(&self, name: &str) -> PathBuf {
        self.workspace.root().join(".git/hooks").join(name)
    }

    /// Makes a branch with a migration, applies it, and goes back to the main branch.
    fn branch_that_is_applied(&self) {
        self.git(&["switch", "--quiet", "--create", "shelves"]);
        self.workspace.add_migration("library", "003_shelves", "CREATE TABLE shelves (id integer);\n");
        self.workspace.accept_schema();
        self.workspace.run(&["db-setup"]).code(0);
        self.commit("Shelves");
        self.git(&["switch", "--quiet", "main"]);
    }
}

const MISSING: &str = "The databases differ from this checkout: library has 003_shelves (of shelves), which isn't here. To make them \
                       fit: cargo xtask db-switch";
const PENDING: &str = "The databases differ from this checkout: 003_shelves isn't applied to library. To apply what is \
                       pending: cargo xtask db-setup";

#[test]
fn a_switch_says_that_the_databases_differ() {
    let checkout = Checkout::new();
    checkout.branch_that_is_applied();
    checkout.install("post-checkout").code(0).says(["one line", "To remove it: rm "]);
    assert_eq!(mode(&checkout.hook("post-checkout")), 0o755);
    assert_eq!(checkout.git(&["switch", "--quiet", "shelves"]), "");
    assert_eq!(checkout.git(&["switch", "--quiet", "main"]), MISSING);
    // Files that are checked out by themselves are no branch.
    assert_eq!(checkout.git(&["checkout", "--quiet", "shelves", "--", "schema"]), "");
    assert_eq!(checkout.git(&["checkout", "--quiet", "main", "--", "schema"]), "");
    // A second installation finds the hook.
    checkout.install("post-checkout").code(0).says(["is there"]);

    // A rebase checks out a commit on its way.
    checkout.commit("Two");
    checkout.git(&["switch", "--quiet", "shelves"]);
    assert!(!checkout.git(&["rebase", "main"]).contains("databases differ"));
    assert!(checkout.workspace.root().join("migrations/library/003_shelves.up.sql").exists());
    assert_eq!(checkout.git(&["switch", "--quiet", "main"]), MISSING);

    // In a folder of the repository with a space in its name, and in another working tree, which isn't set up.
    checkout.git(&["worktree", "add", "--quiet", "../an other", "shelves"]);
    let other = checkout.workspace.root().with_file_name("an other");
    checkout.compile(&other);
    std::fs::copy(checkout.workspace.root().join(".env"), other.join(".env")).unwrap();
    let there =
        |branch: &str| checkout.git(&["-C", &other.display().to_string(), "switch", "--quiet", "--detach", branch]);
    assert_eq!(there("main"), "", "these are the databases of another checkout");
    std::fs::remove_file(other.join(".env")).unwrap();
    assert_eq!(there("shelves"), "");

    // No server, no program: nothing to say, and nothing that fails.
    let mut checkout = checkout;
    std::fs::rename(checkout.workspace.root().join("target"), checkout.workspace.root().join("away")).unwrap();
    assert_eq!(checkout.git(&["switch", "--quiet", "--detach", "shelves"]), "");
    std::fs::rename(checkout.workspace.root().join("away"), checkout.workspace.root().join("target")).unwrap();
    assert_eq!(checkout.git(&["switch", "--quiet", "main"]), MISSING);
    checkout.server.stop();
    assert_eq!(checkout.git(&["switch", "--quiet", "--detach", "shelves"]), "");
}

#[test]
fn a_merge_says_what_is_pending() {
    let checkout = Checkout::new();
    checkout.git(&["switch", "--quiet", "--create", "shelves"]);
    checkout.workspace.add_migration("library", "003_shelves", "CREATE TABLE shelves (id integer);\n");
    checkout.commit("Shelves");
    checkout.git(&["switch", "--quiet", "main"]);
    checkout.install("post-merge").code(0);
    assert!(checkout.git(&["merge", "--quiet", "shelves"]).ends_with(PENDING));
    checkout.workspace.accept_schema();
    checkout.workspace.run(&["db-setup"]).code(0);
    checkout.commit("Schema");
    checkout.git(&["switch", "--quiet", "shelves"]);
    assert!(!checkout.git(&["merge", "--quiet", "main"]).contains("differ"));
    // A clone has no hook and no program.
    checkout.git(&["clone", "--quiet", ".", "../clone"]);
}

#[test]
fn a_hook_that_exists_is_shown_the_lines_to_add() {
    let checkout = Checkout::new();
    checkout.branch_that_is_applied();
    let own = "#!/bin/sh\necho mine \"$@\" > ../mine\n";
    std::fs::create_dir_all(checkout.hook("post-checkout").parent().unwrap()).unwrap();
    std::fs::write(checkout.hook("post-checkout"), own).unwrap();
    crate::support::set_mode(&checkout.hook("post-checkout"), 0o755);
    // The other one is made all the same.
    let refused = checkout.install("post-checkout post-merge").code(1).problem("hook-exists");
    assert!(checkout.hook("post-merge").exists());
    assert_eq!(std::fs::read_to_string(checkout.hook("post-checkout")).unwrap(), own);
    // The lines of the message work, before and after others.
    let (_, lines) = refused.stderr.split_once("Add these lines to it:\n").unwrap();
    let lines: Vec<_> = lines.lines().map_while(|line| line.strip_prefix("    ")).collect();
    std::fs::write(checkout.hook("post-checkout"), format!("#!/bin/sh\n{}\necho after\n", lines.join("\n"))).unwrap();
    assert_eq!(checkout.git(&["switch", "--quiet", "shelves"]), "after");
    assert_eq!(checkout.git(&["switch", "--quiet", "main"]), format!("{MISSING}\nafter"));
    assert_eq!(checkout.git(&["checkout", "--quiet", "--", "schema"]), "after");
}

/// The workspace is a folder of the repository, with a space in its name.
#[test]
fn a_workspace_below_the_top() {
    let checkout = Checkout::new();
    checkout.branch_that_is_applied();
    let below = checkout.workspace.root().join("the shop");
    std::fs::create_dir(&below).unwrap();
    for entry in std::fs::read_dir(checkout.workspace.root()).unwrap().map(Result::unwrap) {
        if ![".git", "the shop"].map(std::ffi::OsString::from).contains(&entry.file_name()) {
            std::fs::rename(entry.path(), below.join(entry.file_name())).unwrap();
        }
    }
    checkout.commit("Moved");
    let install = checkout.workspace.xtask(&["hooks", "install", "post-checkout"]).env("PATH", whole_path());
    install.directory("the shop").run().code(0);
    let env = below.join(".env");
    checkout.workspace.xtask(&["db-status", "--brief"]).directory("the shop").run().code(5);
    assert!(env.exists());
    assert_eq!(checkout.git(&["switch", "--quiet", "--detach", "main"]), MISSING);
}
