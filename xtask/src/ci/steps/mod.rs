//! The steps of the pipeline.

mod lines;

use std::path::Path;
use std::time::Duration;

use super::checks::{self, Check, Judge, WORKFLOWS};
use super::command::CommandLine;
use super::packages::{Package, Packages};
use super::reads::Reads;
use super::selection::Selection;
use super::step::{Step, Takes, Work};
use crate::database::page::FILE as PAGE;
use crate::env_file::CONTRACT;
use crate::migrations::ACCEPTED;
use crate::workspace::Workspace;

/// The names of the steps. Of the steps that can begin, the first one does. The tests take longest, so the steps that they
/// need come first, and the others run beside them. `test` stands for a step for each package, such as `test:shop`.
pub(crate) const NAMES: [&str; 14] = [
    "format",
    "db-setup",
    "build",
    "tools",
    "env",
    "migrations",
    "schema",
    TEST,
    "lint",
    "queries",
    "docs",
    "migration-lint",
    "workflow",
    "deps",
];

const TEST: &str = "test";

const MINUTE: Duration = Duration::from_secs(60);

/// The workspace and the selection that the steps are made for.
pub(crate) struct Pipeline<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) packages: &'a Packages,
    pub(crate) selection: &'a Selection,
    /// The function that judges a command line of this program.
    pub(crate) judge: Judge,
}

/// Returns the name of the step with the tests of a package.
pub(crate) fn test_of(package: &Package) -> String {
    format!("{TEST}:{}", package.name)
}

impl Pipeline<'_> {
    /// Makes the selected steps, in their order.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let steps = NAMES.iter().flat_map(|name| match *name {
            TEST => self.tests(),
            name => vec![self.step(name)],
        });
        steps.filter(|step| self.selection.has(&step.name)).collect()
    }

    fn root(&self) -> &Path {
        &self.workspace.root
    }

    /// Makes a step for the tests of each package. If cargo can't tell the packages, one step stands for all of them, and
    /// fails with cargo's message.
    fn tests(&self) -> Vec<Step> {
        let test = |name: String, proves: String, needs, command| Step {
            name,
            proves,
            doing: "running the tests",
            needs,
            takes: if self.tests_are_listed() { Takes::Cores } else { Takes::TargetFolder },
            serves: false,
            reads_migrations: false,
            work: Work::Commands(vec![command]),
        };
        if !self.packages.are_known() {
            let proves = "the tests pass, on servers of their own".to_owned();
            return vec![test(TEST.to_owned(), proves, &["build"], self.run_all_tests())];
        }
        let tested =
            self.packages.iter().filter(|package| package.has_tests && self.can_test(package)).map(|package| {
                let needs: &[&str] = if self.tool(package).is_some() { &["tools"] } else { &["build"] };
                let on = if package.tests.databases { "databases" } else { "servers" };
                let proves = format!("the tests of {} pass, on {on} of their own", package.name);
                test(test_of(package), proves, needs, self.run_tests(package))
            });
        let tested: Vec<_> = tested.collect();
        if tested.is_empty() {
            let none =
                test(TEST.to_owned(), "the tests pass, on servers of their own".to_owned(), &[], self.run_all_tests());
            return vec![Step { takes: Takes::Nothing, work: Work::Check(Check::NoTests, None), ..none }];
        }
        tested
    }

    fn step(&self, name: &str) -> Step {
        let (proves, doing, work) = self.meaning(name);
        let needs: &[&str] = match name {
            "env" => &["build"],
            "migrations" | "schema" | "queries" => &["db-setup"],
            "migration-lint" => &["tools"],
            _ => &[],
        };
        let takes = match name {
            "build" | "tools" | "lint" | "queries" | "docs" => Takes::TargetFolder,
            // Alone, these compile the program that they run.
            "env" if self.workspace.metadata.env_check.is_some() && !self.selection.has("build") => Takes::TargetFolder,
            "migration-lint" if !self.selection.has("tools") => Takes::TargetFolder,
            _ => Takes::Nothing,
        };
        let reads_migrations = ["migrations", "schema", "queries", "migration-lint"].contains(&name);
        let serves = ["build", "tools"].contains(&name);
        Step { name: name.to_owned(), proves: proves.to_owned(), doing, needs, takes, serves, reads_migrations, work }
    }

    /// Returns what a step proves, what it does meanwhile, and its work.
    fn meaning(&self, name: &str) -> (&'static str, &'static str, Work) {
        match name {
            "format" => (
                "every source is in rustfmt's format, and a target includes it",
                "comparing with rustfmt's format",
                self.format(),
            ),
            "db-setup" => (
                "the databases exist, and their schemas are the result of the migrations",
                "making, migrating and proving the databases",
                Work::Check(Check::DbSetup, None),
            ),
            "build" => (
                "everything compiles, tests included",
                "compiling the programs and their tests",
                Work::Commands(self.build()),
            ),
            "tools" => (
                "the tools behind the front door compile",
                "compiling sqlx-cli, the linter of migrations and the benchmarks",
                self.tools(),
            ),
            "env" => (
                ".env.ci satisfies the settings and holds no real credential, and git ignores .env",
                "checking the settings' contract",
                Work::Check(
                    Check::Env(self.workspace.metadata.env_check.as_deref().map(settings_check).map(Box::new)),
                    None,
                ),
            ),
            "migrations" => (
                "each migration can be applied, reverted without a trace, and applied again, on scratch databases, and keeps \
                 the sample rows; new ones come after those of the main branch",
                "applying and reverting each migration on scratch databases",
                Work::Check(
                    Check::Migrations,
                    Some(Reads { main_branch: true, ..Reads::databases(self.workspace).and_files([ACCEPTED]) }),
                ),
            ),
            "schema" => (
                "the committed schema files, and docs/schema.md if it is there, are the result of the migrations; each file belongs \
                 to a database",
                "migrating scratch databases",
                Work::Check(
                    Check::Schema { live: self.selection.has("db-setup") },
                    Some(Reads::databases(self.workspace).and_files(self.schema_files()).and_files([PAGE])),
                ),
            ),
            "lint" => (
                "clippy finds nothing, in any target and with any feature",
                "compiling and linting with clippy",
                Work::Commands(self.lint()),
            ),
            "queries" => (
                "sqlx's offline data matches the queries on freshly migrated databases",
                "compiling the queries against scratch databases",
                Work::Check(Check::Queries, Some(Reads::databases(self.workspace).and(self.all().reads()))),
            ),
            "docs" => (
                "the documentation builds, without a broken link, and its examples pass",
                "building the documentation",
                Work::Commands(self.docs()),
            ),
            "migration-lint" => (
                "no migration would lock or break a live database, except for accepted findings",
                "linting the migrations",
                self.migration_lint(),
            ),
            "workflow" => (
                "GitHub's workflows run all of this, and zizmor and actionlint find nothing in them",
                "checking GitHub's workflows",
                self.workflow(),
            ),
            _ => (
                "Cargo.lock is current; licences, sources and advisories are in order",
                "checking the dependencies",
                // The advisories come from elsewhere.
                Work::Check(Check::Deps(checks::lock_file(self.root())), None),
            ),
        }
    }

    fn schema_files(&self) -> impl Iterator<Item = String> {
        let databases = &self.workspace.databases;
        let beside =
            |file: &Path, pattern: &str| file.parent().map(|folder| folder.join(pattern).display().to_string());
        let files = databases.iter().map(|database| database.schema_file.display().to_string());
        let schemas = databases.iter().filter_map(move |database| beside(&database.schema_file, "*.sql"));
        files
            .chain(schemas)
            .chain(databases.iter().filter_map(move |database| beside(&database.migrations_dir, "*/*.sql")))
    }

    fn workflow(&self) -> Work {
        if !self.root().join(WORKFLOWS).is_dir() {
            return Work::Nothing(format!("there is no {WORKFLOWS}"));
        }
        // zizmor looks for actions everywhere.
        let files = [".github/**", "zizmor.yml", "**/action.yml", "**/action.yaml"];
        Work::Check(Check::Workflow(self.judge), Some(Reads::files(files).and_programs(["zizmor", "actionlint"])))
    }
}

/// Returns the command that checks the contract: a program of the workspace with its arguments, followed by the file.
fn settings_check(line: &str) -> CommandLine {
    let (program, args) = line.split_once(' ').unwrap_or((line, ""));
    CommandLine::program(program, args).args([CONTRACT.to_owned()]).deadline(20 * MINUTE)
}
