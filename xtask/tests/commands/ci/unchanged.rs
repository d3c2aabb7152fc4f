//! Steps that aren't run again, because what they read hasn't changed since they passed.

use super::{checkout, ci, git, json, json_of, make_whole};
use crate::support::run::Invocation;
use crate::support::{Pipeline, Server, Workspace};

/// A checkout with a cargo that writes down what it is asked, and is content with everything.
struct Recorded {
    workspace: Workspace,
    _server: Option<Server>,
}

impl Recorded {
    fn new() -> Self {
        let workspace = Workspace::generic().build();
        make_whole(&workspace);
        Self { workspace, _server: None }.with_cargo("")
    }

    /// Sets a line for the shell, which the stand-in runs before it ends. The stand-in's own file stays as it is, because it
    /// is an input itself.
    fn with_cargo(self, line: &str) -> Self {
        let file = self.workspace.base().join("tmp/line");
        std::fs::write(&file, format!("{line}\n")).unwrap();
        if !self.cargo().exists() {
            let script = format!(
                "#!/bin/sh\n[ $1 != metadata ] || exec '{cargo}' \"$@\"\necho \"$@\" >> '{log}'\n(. '{file}')\ncode=$?\n\
                 case \"$*\" in\n\
                 fmt*) find \"$PWD\" -name '*.rs' | sed 's/^/Formatting /' ;;\n\
                 'nextest run'*) echo '{{\"type\":\"test\",\"event\":\"ok\",\"name\":\"one$passes\"}}' ;;\n\
                 esac\nexit $code\n",
                cargo = env!("CARGO"),
                log = self.log().display(),
                file = file.display(),
            );
            self.workspace.add_program("recording", "cargo", &script);
        }
        self
    }

    fn cargo(&self) -> std::path::PathBuf {
        self.workspace.base().join("recording/cargo")
    }

    fn log(&self) -> std::path::PathBuf {
        self.workspace.base().join("tmp/asked")
    }

    fn ci(&self, arguments: &[&str]) -> Invocation<'_> {
        let arguments = [&["--format", "json"], arguments].concat();
        ci(&self.workspace, &arguments).env("CARGO", self.cargo())
    }

    /// Runs these steps. Returns what cargo was asked meanwhile, and the run.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> (Vec<String>, Pipeline) {
        self.asked(self.ci(arguments))
    }

    #[track_caller]
    fn asked(&self, run: Invocation<'_>) -> (Vec<String>, Pipeline) {
        drop(std::fs::remove_file(self.log()));
        let pipeline = json_of(run);
        let asked = std::fs::read_to_string(self.log()).unwrap_or_default();
        (asked.lines().map(str::to_owned).collect(), pipeline)
    }

    /// Fails unless the steps run.
    #[track_caller]
    fn runs(&self, arguments: &[&str]) {
        let (asked, pipeline) = self.run(arguments);
        pipeline.passes_but(&[]);
        assert!(!asked.is_empty(), "nothing was run");
    }

    /// Fails unless the steps pass without being run.
    #[track_caller]
    fn is_unchanged(&self, arguments: &[&str]) {
        let (asked, pipeline) = self.run(arguments);
        assert!(pipeline.with("failed").is_empty() && pipeline.with("done").is_empty(), "{}", pipeline.outcome());
        assert!(asked.is_empty(), "cargo was asked: {asked:?}");
    }
}

const FORMAT: [&str; 2] = ["--only", "format"];

#[test]
fn what_a_step_reads_decides() {
    let recorded = Recorded::new();
    let workspace = &recorded.workspace;
    recorded.runs(&FORMAT);
    let (_, pipeline) = recorded.run(&FORMAT);
    let step = pipeline.step("format");
    assert_eq!(step.outcome, "unchanged");
    let time = step.what.strip_prefix("unchanged since ").unwrap();
    assert!(time.len() == 5 && time.as_bytes()[2] == b':', "{time}");
    // People see the step among those that passed.
    let plain = ci(workspace, &FORMAT).env("CARGO", recorded.cargo()).run().code(0);
    plain.says([format!("passed  format         unchanged since {time}")]);

    // An edit, a new file that git doesn't know yet, a file that is gone, and a setting.
    let source = workspace.read("crates/library/src/lib.rs");
    workspace.write("crates/library/src/lib.rs", source.clone() + "//! More.\n");
    recorded.runs(&FORMAT);
    workspace.write("crates/library/src/new.rs", "//! New.\n");
    recorded.runs(&FORMAT);
    workspace.remove("crates/library/src/new.rs");
    recorded.runs(&FORMAT);
    workspace.write("rustfmt.toml", "max_width = 100\n");
    recorded.runs(&FORMAT);
    recorded.is_unchanged(&FORMAT);

    // What it doesn't read: another kind of file, and a file that git ignores. A new time isn't an edit.
    workspace.write("README.md", "Hello.\n");
    workspace.write("target/generated.rs", "fn main() {}\n");
    workspace.write("rustfmt.toml", "max_width = 100\n");
    recorded.is_unchanged(&FORMAT);
    // Git's index isn't read, so a commit changes nothing.
    git(workspace, &["add", "--all"]);
    recorded.is_unchanged(&FORMAT);

    // The user can ask for a run. It counts as well.
    recorded.runs(&["--only", "format", "--all"]);
    recorded.is_unchanged(&FORMAT);
}

#[test]
fn the_environment_and_settings_above_the_checkout_count() {
    let recorded = Recorded::new();
    recorded.runs(&FORMAT);
    let with_flags = || recorded.asked(recorded.ci(&FORMAT).env("RUSTFLAGS", "-Dwarnings")).0;
    assert!(!with_flags().is_empty());
    assert!(with_flags().is_empty());
    recorded.runs(&FORMAT);
    let above = recorded.workspace.root().parent().unwrap().join("rustfmt.toml");
    std::fs::write(above, "max_width = 90\n").unwrap();
    recorded.runs(&FORMAT);
    recorded.is_unchanged(&FORMAT);
}

/// A failure is never kept. If the same files passed before, they are not trusted any more.
#[test]
fn a_step_that_failed_runs_again() {
    let recorded = Recorded::new();
    recorded.runs(&FORMAT);
    let recorded = recorded.with_cargo("exit 1");
    recorded.run(&["--only", "format", "--all"]).1.code(1).fails(&["format"], &[]);
    for _ in 0..2 {
        recorded.run(&FORMAT).1.code(1).fails(&["format"], &[]);
    }
    let recorded = recorded.with_cargo("exit 0");
    recorded.runs(&FORMAT);
    recorded.is_unchanged(&FORMAT);
    // An edit that fails takes nothing away from the files before it.
    let source = recorded.workspace.read("crates/library/src/lib.rs");
    recorded.workspace.write("crates/library/src/lib.rs", "//! Wrong.\n");
    let recorded = recorded.with_cargo("exit 1");
    recorded.run(&FORMAT).1.code(1).fails(&["format"], &[]);
    recorded.workspace.write("crates/library/src/lib.rs", source);
    recorded.is_unchanged(&FORMAT);
}

/// The result of a step says nothing about files that were edited while it ran.
#[test]
fn an_edit_during_the_run_is_noticed() {
    let recorded = Recorded::new();
    let file = recorded.workspace.root().join("crates/library/src/lib.rs");
    let recorded = recorded.with_cargo(&format!("echo '//! More.' >> '{}'", file.display()));
    recorded.runs(&FORMAT);
    recorded.runs(&FORMAT);
    let added = recorded.workspace.root().join("crates/library/src/added.rs");
    let recorded = recorded.with_cargo(&format!("echo '//! New.' > '{}'", added.display()));
    recorded.runs(&FORMAT);
    let recorded = recorded.with_cargo("");
    recorded.runs(&FORMAT);
    recorded.is_unchanged(&FORMAT);
}

/// The tests of a package run again if the package has changed, or a package that it depends on, or another file that its
/// manifest names.
#[test]
fn each_package_has_its_own_tests() {
    let recorded = Recorded::new();
    let workspace = &recorded.workspace;
    let manifest = workspace.read("crates/library/Cargo.toml");
    let reads = "\n[dependencies]\njournal = { path = \"../journal\" }\n\
                 \n[package.metadata.xtask.tests]\nread = [\"data/**\"]\nrun = [\"reader\"]\n";
    workspace.write("crates/library/Cargo.toml", manifest + reads);
    workspace.write("data/deep/one.txt", "1\n");
    let tested = |arguments: &[&str]| {
        let (asked, pipeline) = recorded.run(arguments);
        pipeline.passes_but(&[]);
        let package = |line: &String| Some(line.split_once("package(=")?.1.split_once(')')?.0.to_owned());
        let mut packages: Vec<_> = asked.iter().filter_map(package).collect();
        packages.sort();
        packages
    };
    let only = ["--only", "test"];
    assert_eq!(tested(&only), ["journal", "library", "tools"]);
    assert!(tested(&only).is_empty());
    workspace.write("crates/tools/src/lib.rs", "//! Edited.\n");
    assert_eq!(tested(&only), ["tools"]);
    workspace.write("crates/journal/src/lib.rs", "//! Edited.\n");
    assert_eq!(tested(&only), ["journal", "library"]);
    workspace.write("data/deep/one.txt", "2\n");
    assert_eq!(tested(&only), ["library"]);
    let reader = workspace.add_program("programs", "reader", "#!/bin/sh\necho reader 2\n");
    let (asked, _) = recorded.asked(recorded.ci(&only).path_first(reader));
    assert!(asked.len() == 1 && asked[0].contains("package(=library)"), "{asked:?}");
    // One package can be selected.
    assert_eq!(tested(&["--only", "test:tools", "--all"]), ["tools"]);
    assert_eq!(tested(&["--only", "test", "--skip", "test:tools", "--all"]), ["journal", "library"]);
    let outcome = ci(workspace, &["--only", "test:shop"]).run().code(2);
    outcome.says(["There is no step \"test:shop\"", "test:journal"]);
}

/// On GitHub, only a run for a pull request trusts earlier results. Nothing is kept where git can't tell the files.
#[test]
fn where_nothing_is_kept() {
    let recorded = Recorded::new();
    recorded.runs(&FORMAT);
    let on_github = |event: &str| {
        let run = recorded.ci(&FORMAT).env("GITHUB_ACTIONS", "true").env("GITHUB_EVENT_NAME", event);
        recorded.asked(run).0
    };
    for event in ["push", "push", "schedule"] {
        assert!(!on_github(event).is_empty(), "{event}");
    }
    assert!(on_github("pull_request").is_empty());
    std::fs::remove_dir_all(recorded.workspace.root().join(".git")).unwrap();
    // Without git, the step `format` can't look for all files.
    recorded.runs(&["--only", "lint"]);
    recorded.runs(&["--only", "lint"]);
}

/// The databases' server is an input. The steps that make databases never ask for what isn't there.
#[test]
fn the_steps_that_work_on_databases() {
    let (server, workspace) = checkout();
    let steps = ["--only", "migrations,schema,queries"];
    json(&workspace, &steps).passes_but(&[]);
    let pipeline = json(&workspace, &steps);
    assert_eq!(pipeline.with("unchanged"), ["migrations", "queries", "schema"], "{}", pipeline.outcome());
    workspace.write("schema/library.sql", workspace.read("schema/library.sql") + "\n");
    let pipeline = json(&workspace, &steps).code(4).fails(&["schema"], &[]);
    assert_eq!(pipeline.with("unchanged"), ["migrations", "queries"]);
    workspace.accept_schema();
    // A role that a database declares is a part of its server. Without the role, privileges aren't proven.
    let manifest = workspace.read("crates/library/Cargo.toml");
    let declared = "[package.metadata.xtask.privileges]\nroles = [\"guest\"]\n";
    workspace.write("crates/library/Cargo.toml", format!("{manifest}\n{declared}"));
    for outcome in ["done", "unchanged"] {
        assert_eq!(json(&workspace, &["--only", "schema"]).with(outcome), ["schema"]);
    }
    server.execute("postgres", "CREATE ROLE guest");
    json(&workspace, &["--only", "schema"]).code(4).fails(&["schema"], &[]);
    workspace.write("crates/library/Cargo.toml", manifest);
    // `db-setup` and `env` look at what isn't in the checkout.
    for _ in 0..2 {
        let pipeline = json(&workspace, &["--only", "db-setup,env"]);
        assert_eq!(pipeline.with("done"), ["db-setup", "env"], "{}", pipeline.outcome());
    }
    // Without the server, nothing is known about it.
    drop(server);
    json(&workspace, &["--only", "migrations"]).code(6).fails(&["migrations"], &[]);
}
