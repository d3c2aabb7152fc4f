//! Calls of `cargo xtask`, however a script makes them.

use crate::support::{CI, SOUND, finds, finds_in_steps, finds_in_workflow};

#[test]
fn a_step_that_does_not_exist() {
    finds_in_steps("      - run: cargo xtask ci --only «unknown-step»fromat\n");
    finds_in_steps("      - run: cargo xtask ci --only=format,«unknown-step»lnt,test\n");
    finds_in_steps("      - run: cargo xtask ci --fail-fast --skip 'test, «unknown-step»docs' --only lint\n");
    finds_in_steps("      - run: cargo xtask ci --only \"«unknown-step»a,«unknown-step»b\" --skip «unknown-step»c\n");
    finds_in_steps("      - run: cargo xtask ci --only format,lint,db-setup --skip test\n");
    // Another command's option of the same name.
    finds_in_steps("      - run: cargo xtask db-setup --only something\n");
}

#[test]
fn a_command_that_does_not_exist() {
    finds_in_steps("      - run: cargo xtask «unknown-command»db-setpu --server local\n");
    finds_in_steps("      - run: cargo xtask --quiet --format json «unknown-command»db_setup\n");
    finds_in_steps("      - run: cargo +stable --locked --color never xtask -q «unknown-command»cii\n");
    finds_in_steps("      - run: cargo xtask help\n      - run: cargo xtask --help\n      - run: cargo xtask\n");
    finds_in_steps("      - run: cargo build xtask x\n      - run: my-cargo xtask no\n");
}

#[test]
fn a_script_of_several_commands() {
    finds_in_steps(
        "      - run: |
          # cargo xtask comment
          set -eu; cd app && cargo xtask «unknown-command»one || cargo xtask «unknown-command»two
          if ! (FOO='a b' cargo xtask «unknown-command»three); then
            value=$(cargo xtask «unknown-command»four --quiet)
          fi
          cargo xtask ci \\
            --fail-fast \\
            --only format,«unknown-step»five >log 2>&1
          echo cargo xtask six # cargo xtask seven
          echo \"run cargo xtask eight\" | tee 'cargo xtask nine'
          sudo env \"PATH=$PATH\" cargo xtask ci --only format>log
          cargo xtask ci `
            --only «unknown-step»ten
",
    );
}

#[test]
fn a_script_that_yaml_folds() {
    finds_in_steps("      - run: >-\n          cargo xtask ci\n          --only\n          format,«unknown-step»lnt\n");
    finds_in_steps("      - run: cargo xtask\n          ci --only «unknown-step»lnt\n");
    finds_in_steps("      - run: \"cargo xtask ci --only \\\"format,«unknown-step»lnt\\\"\"\n");
    finds_in_steps("      - run: 'cargo xtask ci --only ''«unknown-step»lnt'''\n");
    finds_in_steps("      - {name: ü, run: cargo xtask «unknown-command»x}\n");
}

#[test]
fn what_is_only_known_when_it_runs_is_left() {
    finds_in_steps(
        "      - run: cargo xtask ci --only \"$STEPS\" --skip ${{ needs.a.outputs.steps }},«unknown-step»x
      - run: cargo xtask ${{ env.COMMAND }} --only y
      - run: cargo xtask ci --only ${{ matrix.steps }}
      - run: cargo xtask ci --only lint-${{ github.job }},$A-b
",
    );
}

/// A job with a matrix and a script.
fn matrix(matrix: &str, run: &str) -> String {
    format!(
        "{SOUND}  other:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    strategy:
      matrix:
{matrix}
    steps:
      - run: {run}
"
    )
}

#[test]
fn a_list_of_a_matrix() {
    let only = "cargo xtask ci --only ${{ matrix.steps }}";
    finds_in_workflow(&matrix("        steps: ['format,«unknown-step»lnt', test]", only));
    finds_in_workflow(&matrix("        steps:\n          - format\n          - «unknown-step»lnt", only));
    finds_in_workflow(&matrix("        steps: [«unknown-step»lnt, «unknown-step»lnt]\n        os: [a, b]", only));
    finds_in_workflow(&matrix("        steps: [format, test]", only));
    // A part of a name, and a name of its own.
    finds_in_workflow(&matrix("        kind: [test, «unknown-step»drop]", "cargo xtask ci --only=${{matrix.kind}}"));
    finds_in_workflow(&matrix(
        "        kind: [setup, drop]",
        "cargo xtask ci --skip test,«unknown-step»db-${{ Matrix['KIND'] }}",
    ));
    finds_in_workflow(&matrix(
        "        kind: [setup, drop]",
        "cargo xtask ci --only ${{ matrix.kind == 'drop' && 'test' || 'lint' }},«unknown-step»x",
    ));
    finds_in_workflow(&matrix(
        "        steps: ${{ fromJSON(needs.a.outputs.steps) }}\n        server: [running, local]",
        "cargo xtask ci --only ${{ matrix.steps }},«unknown-step»x",
    ));
}

#[test]
fn a_matrix_of_commands_and_options() {
    finds_in_workflow(&matrix(
        "        call:
          - {command: db-setup, arguments: --only x}
          - {command: ci, arguments: '--skip test --only «unknown-step»x'}
          - {command: «unknown-command»cii, arguments: --only x}",
        "cargo xtask ${{ matrix.call.command }} ${{ matrix.call.arguments }}",
    ));
}

#[test]
fn what_a_matrix_includes_and_excludes() {
    let run = "cargo xtask ci ${{ matrix.option }} ${{ matrix.steps }}";
    finds_in_workflow(&matrix(
        "        option: [--only, --bench]
        os: [a, b]
        include:
          # Added to the combinations with --only; then one of its own; then to all.
          - {option: --only, steps: «unknown-step»one}
          - {option: --skip, steps: «unknown-step»two}
          - {os: c, steps: three}",
        run,
    ));
    finds_in_workflow(&matrix("        include:\n          - steps: test\n            option: --only", run));
    finds_in_workflow(&matrix("        include:\n          - steps: «unknown-step»x\n            option: --only", run));
    finds_in_workflow(&matrix(
        "        option: [--only, --bench]\n        steps: [test, x]\n        exclude:\n          - {option: --only, steps: x}",
        run,
    ));
}

#[test]
fn no_call_at_all() {
    for run in [
        "cargo test",
        "cargo xtask db-setup",
        "echo cargo xtask ci",
        "'# cargo xtask ci'",
        "cargo xtask ci --list",
        "cargo xtask ci --only test --explain",
    ] {
        finds_in_workflow(&SOUND.replace("cargo xtask ci", run).replace("jobs:", "«pipeline-not-called»jobs:"));
    }
    finds_in_workflow(&SOUND.replace("cargo xtask ci", "cargo xtask ci --only test"));
}

#[test]
fn one_call_is_enough() {
    let none = SOUND.replace("cargo xtask ci", "cargo test");
    finds(&[(".github/workflows/a.yml", &none), (CI, SOUND)]);
    // The one to say so of is the one that is called so.
    let marked = none.replace("jobs:", "«pipeline-not-called»jobs:");
    finds(&[(".github/workflows/a.yml", &none), (CI, &marked)]);
    finds(&[(".github/workflows/a.yml", &marked), (".github/workflows/b.yml", &none)]);
    // An action's steps run in the job that uses it.
    let action = "runs:\n  using: composite\n  steps:\n    - run: cargo xtask ci\n      shell: bash\n";
    finds(&[(CI, &none), (".github/actions/own/action.yml", action)]);
}

#[test]
fn a_file_that_nobody_understands_may_have_the_call() {
    let none = SOUND.replace("cargo xtask ci", "cargo test");
    finds(&[(CI, &none), (".github/workflows/b.yml", "a: b«yaml-syntax»: c\n")]);
}
