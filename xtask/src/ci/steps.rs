//! The steps of the pipeline.

use std::path::Path;
use std::time::Duration;

use super::checks::{self, Check, Judge, WORKFLOWS};
use super::command::{CommandLine, Reading};
use super::machine;
use super::selection::Selection;
use super::step::{Step, Work};
use crate::env_file::CONTRACT;
use crate::server::OLDEST;
use crate::tool::{MIGRATION_LINT, TOOLS, Tool};
use crate::workspace::{Database, Workspace};

/// The names of the steps. Of the steps that can begin, the first one does. The tests take longest, so the steps that they
/// need come first, and the others run beside them.
pub(crate) const NAMES: [&str; 14] = [
    "format",
    "db-setup",
    "build",
    "tools",
    "env",
    "migrations",
    "schema",
    "test",
    "lint",
    "queries",
    "docs",
    "migration-lint",
    "workflow",
    "deps",
];

/// Returns the file with the list of the test programs. With it, the step `test` doesn't need cargo, which may be compiling.
fn tests_file(name: &str) -> String {
    format!("target/xtask/tests-{name}.json")
}

/// The file with the accepted findings.
const ACCEPTED: &str = "migrations/accepted.toml";

const MINUTE: Duration = Duration::from_secs(60);

/// The workspace and the selection that the steps are made for.
pub(crate) struct Pipeline<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) selection: &'a Selection,
    /// The function that judges a command line of this program.
    pub(crate) judge: Judge,
}

impl Pipeline<'_> {
    /// Makes the selected steps, in their order.
    pub(crate) fn steps(&self) -> Vec<Step> {
        NAMES.iter().filter(|name| self.selection.has(name)).filter_map(|name| self.step(name)).collect()
    }

    fn root(&self) -> &Path {
        &self.workspace.root
    }

    fn step(&self, name: &str) -> Option<Step> {
        let step = match name {
            "format" => Step {
                name: "format",
                proves: "every file is in rustfmt's format",
                doing: "comparing with rustfmt's format",
                needs: &[],
                compiles: false,
                reads_migrations: false,
                work: Work::Commands(vec![
                    CommandLine::cargo("fmt --all --check").reading(Reading::Format).deadline(10 * MINUTE),
                ]),
            },
            "db-setup" => Step {
                name: "db-setup",
                proves: "the databases exist, and their schemas are the result of the migrations",
                doing: "making, migrating and proving the databases",
                needs: &[],
                compiles: false,
                reads_migrations: false,
                work: Work::Check(Check::DbSetup),
            },
            "build" => Step {
                name: "build",
                proves: "everything compiles, tests included",
                doing: "compiling the programs and their tests",
                needs: &[],
                compiles: true,
                reads_migrations: false,
                work: Work::Commands(self.build()),
            },
            "tools" => Step {
                name: "tools",
                proves: "the tools behind the front door compile",
                doing: "compiling sqlx-cli, the linter of migrations and the benchmarks",
                needs: &[],
                compiles: true,
                reads_migrations: false,
                work: self.tools(),
            },
            "env" => Step {
                name: "env",
                proves: ".env.ci satisfies the settings and holds no real credential, and git ignores .env",
                doing: "checking the settings' contract",
                needs: &["build"],
                compiles: self.workspace.metadata.env_check.is_some() && !self.selection.has("build"),
                reads_migrations: false,
                work: Work::Check(Check::Env(self.workspace.metadata.env_check.as_deref().map(settings_check))),
            },
            "migrations" => Step {
                name: "migrations",
                proves: "each migration can be applied, reverted without a trace, and applied again, on scratch databases",
                doing: "applying and reverting each migration on scratch databases",
                needs: &["db-setup"],
                compiles: false,
                reads_migrations: true,
                work: Work::Check(Check::Migrations),
            },
            "schema" => Step {
                name: "schema",
                proves: "the committed schema files are the result of the migrations",
                doing: "migrating scratch databases",
                needs: &["db-setup"],
                compiles: false,
                reads_migrations: true,
                work: Work::Check(Check::Schema),
            },
            "test" => Step {
                name: "test",
                proves: "the tests pass, on servers of their own",
                doing: "running the tests",
                needs: &["build", "tools"],
                compiles: !self.tests_are_listed(),
                reads_migrations: false,
                work: Work::Commands(self.test()),
            },
            "lint" => Step {
                name: "lint",
                proves: "clippy finds nothing, in any target",
                doing: "compiling and linting with clippy",
                needs: &[],
                compiles: true,
                reads_migrations: false,
                work: Work::Commands(self.lint()),
            },
            "queries" => Step {
                name: "queries",
                proves: "sqlx's offline data matches the queries on freshly migrated databases",
                doing: "compiling the queries against scratch databases",
                needs: &["db-setup"],
                compiles: true,
                reads_migrations: true,
                work: Work::Check(Check::Queries),
            },
            "docs" => Step {
                name: "docs",
                proves: "the documentation builds, without a broken link, and its examples pass",
                doing: "building the documentation",
                needs: &[],
                compiles: true,
                reads_migrations: false,
                work: Work::Commands(self.docs()),
            },
            "migration-lint" => Step {
                name: "migration-lint",
                proves: "no migration would lock or break a live database, except for accepted findings",
                doing: "linting the migrations",
                needs: &["tools"],
                compiles: !self.selection.has("tools"),
                reads_migrations: true,
                work: self.migration_lint(),
            },
            "workflow" => Step {
                name: "workflow",
                proves: "GitHub's workflows run all of this, and zizmor and actionlint find nothing in them",
                doing: "checking GitHub's workflows",
                needs: &[],
                compiles: false,
                reads_migrations: false,
                work: self.workflow(),
            },
            "deps" => Step {
                name: "deps",
                proves: "Cargo.lock is current; licences, sources and advisories are in order",
                doing: "checking the dependencies",
                needs: &[],
                compiles: false,
                reads_migrations: false,
                work: Work::Check(Check::Deps(checks::lock_file(self.root()))),
            },
            _ => return None,
        };
        Some(step)
    }

    /// Returns cargo's arguments for all packages except the tools. Their dependencies would change the features of the other
    /// packages' dependencies.
    fn packages(&self) -> String {
        let members = TOOLS.iter().filter(|tool| tool.is_member(self.root()));
        members.map(|tool| format!(" --exclude {}", tool.package)).fold("--workspace".to_owned(), |all, one| all + &one)
    }

    fn build(&self) -> Vec<CommandLine> {
        self.build_tests(&self.packages(), "all")
    }

    /// Compiles tests, and lists their programs if nextest can run them without cargo.
    fn build_tests(&self, packages: &str, name: &str) -> Vec<CommandLine> {
        let compile = CommandLine::cargo(&format!("test {packages} --no-run")).reading(Reading::Compiler);
        if !machine::has_cargo("nextest") {
            return vec![compile];
        }
        let list = format!("nextest list {packages} --list-type binaries-only --message-format json");
        vec![compile, CommandLine::cargo(&list).output(tests_file(name))]
    }

    /// Returns the tools of this workspace that have tests.
    fn tools_with_tests(&self) -> impl Iterator<Item = &'static Tool> {
        TOOLS.into_iter().filter(|tool| tool.is_member(self.root()) && tool.has_tests())
    }

    fn tests_are_listed(&self) -> bool {
        self.selection.has("build") && self.selection.has("tools") && machine::has_cargo("nextest")
    }

    fn test(&self) -> Vec<CommandLine> {
        let tools = self.tools_with_tests().map(|tool| (format!("--package {}", tool.package), tool.package));
        let all = std::iter::once((self.packages(), "all")).chain(tools);
        all.map(|(packages, name)| self.run_tests(&packages, name)).collect()
    }

    fn run_tests(&self, packages: &str, name: &str) -> CommandLine {
        let how = "--no-fail-fast --no-tests pass --status-level pass --success-output immediate";
        let line = if self.tests_are_listed() {
            format!("nextest run --binaries-metadata {} {how}", tests_file(name))
        } else if machine::has_cargo("nextest") {
            format!("nextest run {packages} {how}")
        } else {
            format!("test {packages} --no-fail-fast")
        };
        let reading = if machine::has_cargo("nextest") { Reading::Nextest } else { Reading::Tests };
        CommandLine::cargo(&line).reading(reading).deadline(75 * MINUTE)
    }

    fn lint(&self) -> Vec<CommandLine> {
        let line = |packages: &str| format!("clippy --quiet --keep-going {packages} --all-targets -- --deny warnings");
        self.each_package(|packages| CommandLine::cargo(&line(packages)).reading(Reading::Compiler))
    }

    fn docs(&self) -> Vec<CommandLine> {
        // The documentation of private items has links as well.
        let line = |packages: &str| format!("doc --quiet --keep-going {packages} --no-deps --document-private-items");
        let mut commands = self.each_package(|packages| {
            CommandLine::cargo(&line(packages)).env("RUSTDOCFLAGS", "--deny warnings").reading(Reading::Compiler)
        });
        // nextest runs no examples. Without nextest, the step `test` runs them.
        if machine::has_cargo("nextest") {
            let examples = CommandLine::cargo(&format!("test --quiet {} --doc", self.packages()));
            commands.push(examples.reading(Reading::Examples).pardon("no library targets found"));
        }
        commands
    }

    /// Makes a command for all packages, and one for each tool of this workspace.
    fn each_package(&self, command: impl Fn(&str) -> CommandLine) -> Vec<CommandLine> {
        let tools = TOOLS.iter().filter(|tool| tool.is_member(self.root()));
        let tools = tools.map(|tool| format!("--package {}", tool.package));
        std::iter::once(self.packages()).chain(tools).map(|packages| command(&packages)).collect()
    }

    fn tools(&self) -> Work {
        let builds: Vec<_> = TOOLS.iter().flat_map(|tool| self.build_tool(tool)).collect();
        if builds.is_empty() {
            Work::Nothing("none of their packages is here".to_owned())
        } else {
            Work::Commands(builds)
        }
    }

    fn build_tool(&self, tool: &Tool) -> Vec<CommandLine> {
        if tool.manifest().is_none() {
            return Vec::new();
        }
        let package = format!("--package {}", tool.package);
        match tool.foreign_manifest(self.root()) {
            // The tool's own workspace tests it.
            Some(manifest) => {
                let build = CommandLine::cargo("build --quiet --manifest-path").args([manifest.display().to_string()]);
                vec![build.reading(Reading::Compiler)]
            }
            None if tool.has_tests() => self.build_tests(&package, tool.package),
            None => vec![CommandLine::cargo(&format!("build --quiet {package}")).reading(Reading::Compiler)],
        }
    }

    fn migration_lint(&self) -> Work {
        self.run_tool(&MIGRATION_LINT, |run| {
            let files = self.workspace.databases.iter().flat_map(Database::all_files);
            let accepted = ["--accepted".to_owned(), ACCEPTED.to_owned()];
            let accepted = self.root().join(ACCEPTED).is_file().then_some(accepted).into_iter().flatten();
            run.args(["--postgres".to_owned(), OLDEST.to_string()])
                .args(accepted)
                .args(files.map(|file| file.display().to_string()))
        })
    }

    fn workflow(&self) -> Work {
        if self.root().join(WORKFLOWS).is_dir() {
            Work::Check(Check::Workflow(self.judge))
        } else {
            Work::Nothing(format!("there is no {WORKFLOWS}"))
        }
    }

    fn run_tool(&self, tool: &Tool, with: impl FnOnce(CommandLine) -> CommandLine) -> Work {
        if tool.manifest().is_none() {
            return Work::Nothing(format!("the package {} isn't here", tool.package));
        }
        let run = CommandLine::tool(tool, self.root(), "--root .");
        Work::Commands(vec![with(run).reading(Reading::Findings).deadline(20 * MINUTE)])
    }
}

/// Returns the command that checks the contract: a program of the workspace with its arguments, followed by the file.
fn settings_check(line: &str) -> CommandLine {
    let (program, args) = line.split_once(' ').unwrap_or((line, ""));
    CommandLine::program(program, args).args([CONTRACT.to_owned()]).deadline(20 * MINUTE)
}
