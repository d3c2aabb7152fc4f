//! The command lines of the steps that call cargo or one of the tools, each with what it reads.

use super::{MINUTE, Pipeline};
use crate::ci::checks::Check;
use crate::ci::command::{CommandLine, Reading};
use crate::ci::machine;
use crate::ci::packages::Package;
use crate::ci::reads::Reads;
use crate::ci::step::Work;
use crate::migrations::ACCEPTED;
use crate::problem::{Code, Problem};
use crate::server::OLDEST;
use crate::tool::{MIGRATION_LINT, TOOLS, Tool};
use crate::workspace::Database;

/// Returns the file with the list of the test programs. With it, a step `test` doesn't need cargo, which may be compiling.
fn tests_file(name: &str) -> String {
    format!("target/xtask/tests-{name}.json")
}

/// Packages that cargo builds in one go.
pub(super) struct Group {
    /// A name for the file with the list of its test programs.
    name: String,
    /// The arguments with which cargo selects them.
    args: String,
    packages: Vec<String>,
}

impl Group {
    /// What cargo and the compiler read of them.
    pub(super) fn reads(&self) -> Reads {
        Reads::packages(self.packages.iter().cloned())
    }
}

impl Pipeline<'_> {
    pub(super) fn format(&self) -> Work {
        let files = ["**/*.rs", "rustfmt.toml", ".rustfmt.toml", "**/rustfmt.toml", "**/.rustfmt.toml"];
        let reads = Reads::packages([]).and_files(files).and_programs(["rustfmt"]);
        let command = CommandLine::cargo("fmt --all --check").reading(Reading::Format).deadline(10 * MINUTE);
        Work::Check(Check::Format(Box::new(command)), Some(reads))
    }

    /// Returns all packages except the tools. The tools' dependencies would change the features of the other packages'
    /// dependencies.
    pub(super) fn all(&self) -> Group {
        let members = TOOLS.iter().filter(|tool| tool.is_member(self.root()));
        let args = members.fold("--workspace".to_owned(), |all, tool| format!("{all} --exclude {}", tool.package));
        let packages = self.packages.iter().filter(|package| self.tool(package).is_none());
        Group { name: "all".to_owned(), args, packages: packages.map(|package| package.name.clone()).collect() }
    }

    fn group_of(&self, tool: &Tool) -> Group {
        let name = tool.package.to_owned();
        Group { args: format!("--package {name}"), packages: vec![name.clone()], name }
    }

    /// Returns the packages as cargo has to build them: all of them, but each tool by itself.
    fn groups(&self) -> impl Iterator<Item = Group> {
        let tools = TOOLS.iter().filter(|tool| tool.is_member(self.root()));
        std::iter::once(self.all()).chain(tools.map(|tool| self.group_of(tool)))
    }

    /// Returns the tool that a package is.
    pub(super) fn tool(&self, package: &Package) -> Option<&'static Tool> {
        TOOLS.into_iter().find(|tool| tool.package == package.name && tool.is_member(self.root()))
    }

    /// Returns whether the package's tests are run. A tool without a folder of tests has none, and isn't compiled for them.
    pub(super) fn can_test(&self, package: &Package) -> bool {
        self.tool(package).is_none_or(Tool::has_tests)
    }

    /// Cargo knows by itself what it has to compile, and it makes what other steps run. So it is always asked.
    pub(super) fn build(&self) -> Vec<CommandLine> {
        build_tests(&self.all(), None)
    }

    pub(super) fn tools(&self) -> Work {
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
        let group = self.group_of(tool);
        match tool.foreign_manifest(self.root()) {
            // The tool's own workspace tests it.
            Some(manifest) => {
                let build = CommandLine::cargo("build --quiet --manifest-path").args([manifest.display().to_string()]);
                vec![build.reading(Reading::Compiler)]
            }
            None if tool.has_tests() => build_tests(&group, Some(&group.reads())),
            None => {
                let build = CommandLine::cargo(&format!("build --quiet {}", group.args));
                vec![build.reading(Reading::Compiler).reads_only(group.reads())]
            }
        }
    }

    /// Returns whether the steps before the tests have listed the test programs.
    pub(super) fn tests_are_listed(&self) -> bool {
        self.selection.has("build") && self.selection.has("tools") && machine::has_cargo("nextest")
    }

    pub(super) fn run_tests(&self, package: &Package) -> CommandLine {
        let group = self.tool(package).map_or_else(|| self.all(), |tool| self.group_of(tool));
        let reads = Reads::packages([package.name.clone()])
            .and_files([".config/nextest.toml".to_owned()])
            .and_files(package.tests.read.iter().cloned())
            .and_programs(["cargo-nextest".to_owned()])
            .and_programs(package.tests.run.iter().cloned());
        let reads = if package.tests.databases { reads.and(Reads::databases(self.workspace)) } else { reads };
        let manifest = package.folder.join("Cargo.toml");
        let otherwise = Problem::failed(Code::NoTests, format!("No test of {} was run.", package.name))
            .at(&manifest, 1, None)
            .detail("It has none, or each of them is ignored. So nothing is known about this package.")
            .remedy(format!(
                "Write one. If the package shall have none, say so in {}, for each of its targets: test = false",
                manifest.display()
            ));
        self.run_tests_of(&group, Some(&package.name)).reads_only(reads).has_to_test(otherwise)
    }

    pub(super) fn run_all_tests(&self) -> CommandLine {
        self.run_tests_of(&self.all(), None)
    }

    fn run_tests_of(&self, Group { name, args, .. }: &Group, package: Option<&str>) -> CommandLine {
        if !machine::has_cargo("nextest") {
            let args = package.map_or_else(|| args.clone(), |package| format!("--package {package}"));
            let line = CommandLine::cargo(&format!("test {args} --no-fail-fast"));
            return line.reading(Reading::Tests).deadline(75 * MINUTE);
        }
        let programs =
            if self.tests_are_listed() { format!("--binaries-metadata {}", tests_file(name)) } else { args.clone() };
        let how = "--no-fail-fast --no-tests pass --status-level pass --success-output immediate";
        let threads =
            machine::test_threads(self.root()).map_or_else(String::new, |threads| format!(" --test-threads {threads}"));
        let line = CommandLine::cargo(&format!("nextest run {programs} {how}{threads}"));
        let only = package.map(|package| ["-E".to_owned(), format!("package(={package})")]);
        // Where .config/nextest.toml asks for it, nextest writes the results as JUnit, each time into one file.
        let target = &self.packages.target;
        let reports = target.join("xtask/junit").join(format!("{}.xml", package.unwrap_or(name)));
        let line = line.args(only.into_iter().flatten()).report(target.join("nextest/default/junit.xml"), reports);
        line.reading(Reading::Nextest).deadline(75 * MINUTE)
    }

    pub(super) fn lint(&self) -> Vec<CommandLine> {
        let linted = |reads: Reads| reads.and_files(["clippy.toml", ".clippy.toml"]).and_programs(["cargo-clippy"]);
        let lint = |group: Group| {
            let line = format!("clippy --quiet --keep-going {} --all-targets -- --deny warnings", group.args);
            CommandLine::cargo(&line).reading(Reading::Compiler).reads_only(linted(group.reads()))
        };
        let with_features = |package: &Package, features: &Vec<String>| {
            let line = format!("clippy --quiet --keep-going --package {} --all-targets", package.name);
            let line = CommandLine::cargo(&line).args(features.iter().cloned());
            let line = line.args(["--", "--deny", "warnings"].map(str::to_owned)).reading(Reading::Compiler);
            line.reads_only(linted(Reads::packages([package.name.clone()])))
        };
        let selections =
            self.packages.iter().flat_map(|package| package.features.iter().map(move |one| (package, one)));
        self.groups().map(lint).chain(selections.map(|(package, one)| with_features(package, one))).collect()
    }

    pub(super) fn docs(&self) -> Vec<CommandLine> {
        // The documentation of private items has links as well.
        let docs = |args: &str, reads: Reads| {
            let line = format!("doc --quiet --keep-going {args} --no-deps --document-private-items");
            let line = CommandLine::cargo(&line).env("RUSTDOCFLAGS", "--deny warnings").reading(Reading::Compiler);
            line.reads_only(reads)
        };
        let hidden = |package: &Package| {
            let reads = Reads::packages([package.name.clone()]);
            let line = |program: &String| docs(&format!("--package {} --bin {program}", package.name), reads.clone());
            package.hidden_programs.iter().map(line).collect::<Vec<_>>()
        };
        let mut commands: Vec<_> = self.packages.iter().flat_map(hidden).collect();
        // The pages of these programs have the place of their libraries' pages, which are for people.
        let page =
            |program: &String| self.packages.target.join("doc").join(program.replace('-', "_")).join("index.html");
        let pages = |group: &Group| {
            let is_of = |package: &&Package| group.packages.contains(&package.name);
            self.packages
                .iter()
                .filter(is_of)
                .flat_map(|package| package.hidden_programs.iter().map(page))
                .collect::<Vec<_>>()
        };
        commands.extend(self.groups().map(|group| docs(&group.args, group.reads()).anew(pages(&group))));
        // nextest runs no examples. Without nextest, the steps `test` run them.
        if machine::has_cargo("nextest") {
            let all = self.all();
            let files = self.packages.iter().flat_map(|package| package.tests.read.iter().cloned());
            let examples = CommandLine::cargo(&format!("test --quiet {} --doc", all.args));
            let examples = examples.reading(Reading::Examples).pardon("no library targets found");
            commands.push(examples.reads_only(all.reads().and_files(files)));
        }
        commands
    }

    pub(super) fn migration_lint(&self) -> Work {
        let tool = &MIGRATION_LINT;
        if tool.manifest().is_none() {
            return Work::Nothing(format!("the package {} isn't here", tool.package));
        }
        let files: Vec<_> = self.workspace.databases.iter().flat_map(Database::all_files).collect();
        let files: Vec<_> = files.into_iter().map(|file| file.display().to_string()).collect();
        let accepted = self.root().join(ACCEPTED).is_file();
        let accepted = accepted.then(|| ["--accepted".to_owned(), ACCEPTED.to_owned()]).into_iter().flatten();
        let line = CommandLine::tool(tool, self.root(), "--root .")
            .args(["--postgres".to_owned(), OLDEST.to_string()])
            .args(accepted)
            .args(files.iter().cloned())
            .reading(Reading::Findings)
            .deadline(20 * MINUTE);
        // Nothing is known about the files of a tool of another workspace.
        let is_known = tool.is_member(self.root());
        let reads = self.group_of(tool).reads().and_files(files).and_files([ACCEPTED.to_owned()]);
        Work::Commands(vec![if is_known { line.reads_only(reads) } else { line }])
    }
}

/// Compiles tests, and lists their programs if nextest can run them without cargo.
fn build_tests(Group { name, args, .. }: &Group, reads: Option<&Reads>) -> Vec<CommandLine> {
    let compile = CommandLine::cargo(&format!("test {args} --no-run")).reading(Reading::Compiler);
    let list = format!("nextest list {args} --list-type binaries-only --message-format json");
    let list = machine::has_cargo("nextest").then(|| CommandLine::cargo(&list).output(tests_file(name)));
    let with = |line: CommandLine| if let Some(reads) = reads { line.reads_only(reads.clone()) } else { line };
    std::iter::once(compile).chain(list).map(with).collect()
}
