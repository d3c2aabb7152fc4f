//! The step `workflow`: the check of our own, and the findings of zizmor and actionlint.
//!
//! Where a problem is expected, `«` stands right before its place: line and column are compared, and nothing else may be
//! found.

use std::path::Path;

use super::{ci, make_whole};
use crate::support::pipeline::Pipeline;
use crate::support::run::Invocation;
use crate::support::{Workspace, skip};

const CI: &str = ".github/workflows/ci.yml";

/// A workflow in which nothing is wrong. Further steps of the job `other` can be added at its end.
const SOUND: &str = "\
name: ci
on:
  pull_request:
permissions:
  contents: read
jobs:
  all:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    steps:
      - run: cargo xtask ci
  success:
    if: always()
    needs: [all, other]
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    steps:
      - run: jq --exit-status 'all(.result == \"success\")' <<< \"$NEEDS\"
        env:
          NEEDS: ${{ toJSON(needs) }}
  other:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    steps:
";

fn plain() -> Workspace {
    let workspace = Workspace::generic().build();
    make_whole(&workspace);
    workspace
}

/// A run of the step, without the linters of other people.
fn own<'a>(workspace: &'a Workspace) -> Invocation<'a> {
    ci(workspace, &["--format", "json", "--only", "workflow"]).without("zizmor").without("actionlint")
}

/// Checks workflows in which the places of all problems are marked. Returns what is said.
#[track_caller]
fn finds(files: &[(&str, &str)]) -> String {
    let workspace = plain();
    let mut places = Vec::new();
    for (file, text) in files {
        for (number, line) in text.lines().enumerate() {
            let parts: Vec<_> = line.split('«').collect();
            let mut column = 1;
            for part in &parts[..parts.len() - 1] {
                column += part.chars().count();
                places.push(format!("{file}:{}:{column}", number + 1));
            }
        }
        workspace.write(file, text.replace('«', ""));
    }
    let pipeline = Pipeline::of(own(&workspace).run());
    if places.is_empty() {
        return pipeline.passes_but(&["workflow"]).step("workflow").what.clone();
    }
    let places: Vec<_> = places.iter().map(String::as_str).collect();
    pipeline.code(1).fails(&["workflow"], &[]).at("workflow", &places).join("\n")
}

/// The same of a workflow.
#[track_caller]
fn finds_in(text: &str) -> String {
    finds(&[(CI, text)])
}

/// The same of further steps.
#[track_caller]
fn finds_in_steps(steps: &str) -> String {
    finds_in(&format!("{SOUND}{steps}"))
}

#[test]
fn nothing_is_wrong() {
    let what = finds_in_steps("      - run: cargo xtask db-setup --server local\n");
    assert!(what.starts_with("2 calls of cargo xtask are right; "), "{what}");
    assert!(finds_in(SOUND).starts_with("1 call of cargo xtask is right; "));
}

#[test]
fn a_command_line_that_clap_refuses() {
    let text = finds_in_steps("      - run: cargo xtask ci «--onyl test\n");
    assert!(text.contains("unexpected argument '--onyl' found") && text.contains("'--only'"), "{text}");
    let text = finds_in_steps("      - run: cargo xtask db-setup --server «runing\n");
    assert!(text.contains("runing") && text.contains("running, compose, local"), "{text}");
    let text = finds_in_steps("      - run: cargo xtask db-setup «--server=runing --quiet\n");
    assert!(text.contains("runing"), "{text}");
    let text = finds_in_steps("      - run: cargo +stable --locked xtask -q «db_setup\n");
    assert!(text.contains("db_setup") && text.contains("db-setup"), "{text}");
    finds_in_steps("      - run: «cargo xtask\n");
    finds_in_steps("      - run: cargo xtask --help\n      - run: cargo xtask ci --help\n");
    finds_in_steps("      - run: cargo build xtask x\n      - run: my-cargo xtask no\n");
}

#[test]
fn a_step_that_does_not_exist() {
    let text = finds_in_steps("      - run: cargo xtask ci --only «fromat\n");
    assert!(text.contains("There is no step \"fromat\"") && text.contains("migration-lint"), "{text}");
    finds_in_steps("      - run: cargo xtask ci «--only=format,lnt,test\n");
    finds_in_steps("      - run: cargo xtask ci --fail-fast --skip «'test,dosc' --only lint\n");
    finds_in_steps("      - run: cargo xtask ci --only format,lint,db-setup --skip lint\n");
}

#[test]
fn a_script_of_several_commands() {
    finds_in_steps(
        "      - run: |
          # cargo xtask comment
          set -eu; cd app && cargo xtask «one || cargo xtask «two # cargo xtask don't

          if ! (FOO='a b' cargo xtask «three); then
            value=$(cargo xtask «four --quiet)
          fi
          cargo xtask ci \\
            --fail-fast \\
            --only «five >log 2>&1
          echo cargo xtask six
          echo \"run \\\" cargo xtask eight\" | tee 'cargo xtask nine'; cargo xtask «twelve
          cargo xtask db-stop 2>log
          sudo env \"PATH=$PATH\" cargo xtask ci --only format>log
          cargo xtask ci `
            --only «ten
        shell: bash
      - name: after
        run: cargo xtask «eleven
",
    );
}

#[test]
fn a_script_that_yaml_folds() {
    finds_in_steps("      - run: >-\n          cargo xtask ci\n          --only\n          «lnt\n");
    finds_in_steps("      - run: cargo xtask\n          ci --only «lnt\n");
    finds_in_steps("      - run: \"cargo xtask ci --only «lnt\"\n");
    finds_in_steps("      -\n        name: 'ü: x'\n        run:   cargo xtask «x\n");
    // A list in the column of its key.
    finds_in(&SOUND.replace(
        "    steps:\n      - run: cargo xtask ci\n",
        "    steps:\n    - run: cargo xtask ci\n    - run: cargo xtask «x\n",
    ));
}

#[test]
fn what_is_only_known_when_it_runs() {
    let what = finds_in_steps(
        "      - run: cargo xtask ci --only \"$STEPS\" --onyl
      - run: cargo xtask ${{ matrix.command || 'ci' }} --only y
      - run: cargo xtask «nothing
",
    );
    assert!(what.contains("nothing"), "{what}");
    let what = finds_in_steps("      - run: cargo xtask db-setup --server ${{ matrix.server }}\n");
    assert!(what.contains("1 with a variable can't be checked here"), "{what}");
}

#[test]
fn nothing_runs_the_whole_pipeline() {
    for run in [
        "cargo test",
        "cargo xtask db-setup",
        "echo cargo xtask ci",
        "cargo xtask ci --list",
        "cargo xtask ci --explain",
        "cargo xtask ci --help",
        "cargo xtask ci --only test",
        "cargo xtask ci --skip docs",
    ] {
        let workspace = plain();
        workspace.write(CI, SOUND.replace("cargo xtask ci", run));
        let pipeline = Pipeline::of(own(&workspace).run()).code(1).fails(&["workflow"], &[]);
        let text = pipeline.at("workflow", &[&format!("{CI}:1")]).concat();
        assert!(text.contains("error[workflow]: No workflow runs the whole pipeline"), "{run}: {text}");
    }
    // One is enough, wherever it is.
    finds(&[(".github/workflows/a.yaml", &SOUND.replace("cargo xtask ci", "cargo test")), (CI, SOUND)]);
}

#[test]
fn the_pipeline_may_fail_or_be_left_out() {
    let job = |entry: &str| SOUND.replacen("    runs-on", &format!("    {entry}\n    runs-on"), 1);
    let step =
        |entry: &str| SOUND.replace("- run: cargo xtask ci\n", &format!("- run: cargo xtask ci\n        {entry}\n"));
    let run = |run: &str| SOUND.replace("- run: cargo xtask ci\n", &format!("- run: {run}\n"));
    let condition = |text: String| assert!(text.contains("only under this condition"), "{text}");
    condition(finds_in(&job("«if: github.ref == 'refs/heads/main'")));
    condition(finds_in(&step("«if: ${{ false }}")));
    let may_fail = |text: String| assert!(text.contains("the run passes even if the whole pipeline fails"), "{text}");
    may_fail(finds_in(&job("«continue-on-error: true")));
    may_fail(finds_in(&step("«continue-on-error: ${{ matrix.may-fail }}")));
    finds_in(&job("continue-on-error: false # never"));
    let goes_on = |text: String| assert!(text.contains("The script may go on"), "{text}");
    goes_on(finds_in(&run("«cargo xtask ci || true")));
    goes_on(finds_in(&run("sudo «cargo xtask ci --fail-fast | tee log")));
    goes_on(finds_in(&run("(«cargo xtask ci) || true")));
    goes_on(finds_in(&run("\"! «cargo xtask ci\"")));
    goes_on(finds_in(&run("|\n          if «cargo xtask ci; then exit 0; fi")));
    goes_on(finds_in(&run("«cargo xtask ci && echo done")));
    finds_in(&run("|\n          cd app; cargo xtask ci >log; echo done\n          true"));
    // One is enough.
    finds_in(&format!("{}      - run: cargo xtask ci\n", run("cargo xtask ci || true")));
}

#[test]
fn the_last_job_forgets_one() {
    let needs = |needs: &str| SOUND.replace("    needs: [all, other]\n", needs);
    let text = finds_in(&needs("    «needs: [all] # other\n"));
    assert!(text.contains("`success` doesn't wait for the job `other`"), "{text}");
    finds_in(&needs("    «needs: all\n"));
    finds_in(&needs("    «needs:\n      - other\n"));
    finds_in(&needs("    needs:\n    - 'other'\n    - all\n"));
    // One that may fail isn't waited for, and where no job waits for another, none is the last.
    let may_fail = needs("    needs: all\n").replace("  other:\n", "  other:\n    continue-on-error: true\n");
    finds_in(&may_fail);
    finds_in(&needs(""));
    // A workflow that doesn't run the pipeline may be as it likes.
    finds(&[(CI, SOUND), (".github/workflows/b.yml", &needs("    needs: all\n").replace("cargo xtask ci", "true"))]);
}

#[test]
fn a_workflow_that_is_not_understood() {
    let text = finds_in_steps("      «- &own\n        run: cargo xtask x\n      - *own\n");
    assert!(text.contains("without anchors"), "{text}");
    finds_in_steps("      «- {name: x, run: cargo xtask x}\n");
    finds_in_steps("      - «run: \"cargo xtask ci --only \\\"lnt\\\"\"\n".replace("- «", "«- ").as_str());
    finds_in("on: push\njobs: {}\n".replace("jobs", "«jobs").as_str());
    finds_in("on: push\n«]\n");
    // What doesn't matter here may be written in any way.
    finds_in_steps("      - name: &name \"a \\\"b\\\"\"\n        with: {a: b}\n        run: echo \"\\\"\"\n");
}

#[test]
fn no_workflow_at_all() {
    let workspace = plain();
    let what = || Pipeline::of(own(&workspace).run()).passes_but(&["workflow"]).step("workflow").what.clone();
    assert_eq!(what(), "there is no .github/workflows");
    workspace.write(".github/workflows/README.md", "Nothing.\n");
    assert_eq!(what(), "there is no workflow in .github/workflows");
    workspace.write(CI, b"on: push\xff\n");
    let pipeline = Pipeline::of(own(&workspace).run()).code(1).fails(&["workflow"], &[]);
    assert!(pipeline.at("workflow", &[""]).concat().contains("ci.yml can't be read"));
}

/// The version of a linter that the step asks for.
fn wanted(linter: &str, before: &str) -> String {
    let what = finds_in(SOUND);
    let (_, rest) = what.split_once(&format!("{linter} isn't installed: ")).unwrap();
    let (_, rest) = rest.split_once(before).unwrap();
    rest.split(';').next().unwrap().to_owned()
}

#[test]
fn the_versions_are_the_same_everywhere() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let has = |file: &str, words: &str| {
        let text = std::fs::read_to_string(repository.join(file)).unwrap();
        assert!(text.contains(&format!("{words}\n")) || text.contains(&format!("{words} ")), "{file} needs {words}");
    };
    let zizmor = format!("zizmor=={}", wanted("zizmor", "zizmor=="));
    has(CI, &zizmor);
    has(".ci/run", &zizmor);
    has(CI, &format!("/cmd/actionlint@v{}", wanted("actionlint", "/cmd/actionlint@v")));
}

/// A program that says which version it is, and else this, with this exit code.
fn linter(workspace: &Workspace, name: &str, version: &str, output: &str, code: u8) {
    let output = output.replace('\'', "'\\''");
    let script = format!(
        "#!/bin/sh\ncase $1 in --version) echo '{version}'; exit ;; esac\necho \"$@\" >>'{seen}'\n\
         printf '%s' '{output}'\nexit {code}\n",
        seen = workspace.base().join("tmp").join(name).display()
    );
    workspace.add_program("linters", name, &script);
}

/// A run of the step with the linters that were added.
fn with_linters(workspace: &Workspace) -> Pipeline {
    Pipeline::of(own(workspace).path_first(workspace.base().join("linters")).run())
}

const ZIZMOR: &str = r#"[{"ident": "template-injection", "desc": "code injection via template expansion",
"url": "https://docs.zizmor.sh/audits/#template-injection",
"determinations": {"confidence": "High", "severity": "High", "persona": "Regular"},
"locations": [
{"symbolic": {"key": {"Local": {"verbatim_path": "./.github/workflows/ci.yml"}}, "annotation": "this step", "kind": "Hidden"},
"concrete": {"location": {"start_point": {"row": 24, "column": 8}, "end_point": {"row": 25, "column": 51}}}},
{"symbolic": {"key": {"Local": {"verbatim_path": "./.github/workflows/ci.yml"}},
"annotation": "may expand into attacker-controllable code", "kind": "Primary"},
"concrete": {"location": {"start_point": {"row": 25, "column": 25}, "end_point": {"row": 25, "column": 49}}}}],
"ignored": false}]"#;

/// A step in which a stranger writes a part of the script.
const INJECTION: &str = "      - run: |\n          echo 'ü' \"${{ github.event.issue.title }}\"\n";

const ACTIONLINT: &str = r#"[{"message":"unexpected key \"stepss\" for \"job\" section","filepath":".github/workflows/ci.yml",
"line":22,"column":5,"kind":"syntax-check","snippet":"    stepss: 1\n    ^~~~~~~","end_column":11}]"#;

#[test]
fn what_the_linters_find() {
    let workspace = plain();
    workspace.write(CI, format!("{SOUND}{INJECTION}"));
    let (zizmor, actionlint) = (wanted("zizmor", "zizmor=="), wanted("actionlint", "/cmd/actionlint@v"));
    let (zizmor, actionlint) = (format!("zizmor {zizmor}"), format!("v{actionlint}\ninstalled by hand"));
    linter(&workspace, "zizmor", &zizmor, "[]", 0);
    linter(&workspace, "actionlint", &actionlint, "[]", 0);
    let pipeline = with_linters(&workspace).passes_but(&[]);
    let what = "1 call of cargo xtask is right, and zizmor and actionlint find nothing";
    assert_eq!(pipeline.step("workflow").what, what);
    let arguments = |name: &str| std::fs::read_to_string(workspace.base().join("tmp").join(name)).unwrap();
    assert!(arguments("zizmor").contains("--offline"), "{}", arguments("zizmor"));
    assert!(arguments("actionlint").ends_with("-- .github/workflows/ci.yml\n"), "{}", arguments("actionlint"));

    linter(&workspace, "zizmor", &zizmor, ZIZMOR, 14);
    linter(&workspace, "actionlint", &actionlint, ACTIONLINT, 1);
    let pipeline = with_linters(&workspace).code(1).fails(&["workflow"], &[]);
    // Columns count characters, and zizmor counts bytes.
    let places = [format!("{CI}:26:25"), format!("{CI}:22:5")];
    let [zizmor_says, actionlint_says] = &pipeline.at("workflow", &[&places[0], &places[1]])[..] else { panic!() };
    assert!(zizmor_says.contains("attacker-controllable code [template-injection]"), "{zizmor_says}");
    assert!(zizmor_says.contains("https://docs.zizmor.sh/audits/#template-injection"), "{zizmor_says}");
    assert_eq!(actionlint_says, "error[workflow]: unexpected key \"stepss\" for \"job\" section [syntax-check]");

    // What fails in another way is shown as it is.
    linter(&workspace, "zizmor", &zizmor, "fatal: no audit was performed", 1);
    linter(&workspace, "actionlint", &actionlint, "[]", 0);
    let pipeline = with_linters(&workspace).code(1).fails(&["workflow"], &[]);
    assert!(pipeline.at("workflow", &[""]).concat().contains("`zizmor --offline"));
    assert!(pipeline.step("workflow").output.contains("fatal: no audit was performed"));
}

/// A linter that isn't the wanted one has no say.
#[test]
fn a_linter_that_is_missing_or_of_another_version() {
    let workspace = plain();
    workspace.write(CI, SOUND);
    linter(&workspace, "zizmor", "zizmor 0.1.0", ZIZMOR, 14);
    let pipeline = with_linters(&workspace).passes_but(&["workflow"]);
    let what = &pipeline.step("workflow").what;
    let version = wanted("zizmor", "zizmor==");
    assert!(what.contains(&format!("zizmor is 0.1.0 and not {version}: pipx install --force zizmor==")), "{what}");
    assert!(what.contains("actionlint isn't installed: go install github.com/rhysd/actionlint/cmd"), "{what}");
    workspace.add_program("linters", "zizmor", "#!/bin/sh\nexit 127\n");
    let pipeline = with_linters(&workspace).passes_but(&["workflow"]);
    assert!(pipeline.step("workflow").what.contains("zizmor is broken and not"), "{}", pipeline.step("workflow").what);
    // Our own check is made all the same.
    workspace.write(CI, SOUND.replace("xtask ci", "xtask ci --onyl test"));
    let pipeline = with_linters(&workspace).code(1).fails(&["workflow"], &[]);
    pipeline.at("workflow", &[&format!("{CI}:1"), &format!("{CI}:11:29")]);
}

/// zizmor itself, where it is installed.
#[test]
fn zizmor_itself() {
    let workspace = plain();
    workspace.write(CI, format!("{SOUND}{INJECTION}"));
    let run = ci(&workspace, &["--format", "json", "--only", "workflow"]).without("actionlint").run();
    let pipeline = Pipeline::of(run);
    if pipeline.with("failed").is_empty() {
        skip!("{}", pipeline.step("workflow").what);
    }
    let text = pipeline.code(1).at("workflow", &[&format!("{CI}:26:25")]).concat();
    assert!(text.contains("[template-injection]"), "{text}");
}
