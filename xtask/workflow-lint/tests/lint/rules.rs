//! What is wrong with a workflow, whatever it calls: an instance of each rule, and what isn't one.

use crate::support::{CI, COMMIT, SOUND, finds, finds_in_steps, finds_in_workflow};

#[test]
fn nothing_is_wrong() {
    finds_in_workflow(SOUND);
    finds_in_steps(&format!(
        "      - uses: actions/checkout@{COMMIT} # v7.0.1
        with:
          persist-credentials: false
      - uses: \"owner/name/folder@{COMMIT}\" # 1.2
      - uses: ./.github/actions/own
      - uses: docker://alpine:3@sha256:{digest}
      - run: echo \"${{{{ github.event_name }}}} ${{{{ matrix.inputs }}}} ${{{{ github.sha }}}}\"
        env:
          TITLE: ${{{{ github.event.pull_request.title }}}}
",
        digest = "0".repeat(64)
    ));
}

#[test]
fn an_action_that_is_not_pinned() {
    for reference in ["v7", "main", "3d3c42e", &format!("{COMMIT}0"), "v7 # v7.0.1"] {
        finds_in_steps(&format!("      - uses: «unpinned-action»owner/name@{reference}\n"));
    }
    finds_in_steps("      - uses: «unpinned-action»owner/name\n");
    finds_in_steps("      - name: image\n        uses: '«unpinned-action»docker://alpine:3'\n");
    finds_in_steps("      - uses: «unpinned-action»docker://alpine@sha256:0123\n");
    finds_in_workflow(&format!("{SOUND}  other:\n    uses: «unpinned-action»owner/name/.github/workflows/x.yml@v1\n"));
}

#[test]
fn a_commit_whose_version_nobody_can_tell() {
    finds_in_steps(&format!("      - uses: «unnamed-version»owner/name@{COMMIT}\n"));
    finds_in_steps(&format!("      - uses: «unnamed-version»owner/name@{COMMIT} # pinned, very\n"));
    finds_in_steps(&format!("      # v1\n      - uses: «unnamed-version»owner/name@{COMMIT}\n      # v1\n"));
    finds_in_steps(&format!("      - {{uses: owner/name@{COMMIT}}} # v1\n"));
}

#[test]
fn permissions() {
    let with = |permissions: &str| SOUND.replace("permissions:\n  contents: read\n", permissions);
    finds_in_workflow(&format!("«missing-permissions»{}", with("")));
    finds_in_workflow(&with("permissions: {}\n"));
    finds_in_workflow(&with("permissions:\n  contents: none\n"));
    finds_in_workflow(&with("permissions: «excessive-permissions»write-all\n"));
    finds_in_workflow(&with("permissions: «excessive-permissions»read-all\n"));
    finds_in_workflow(&with("«missing-permissions»permissions:\n"));
    finds_in_workflow(&with("permissions:\n  contents: read\n  «excessive-permissions»packages: write\n"));
    finds_in_workflow(&with("permissions: {«excessive-permissions»contents: write}\n"));
    finds_in_workflow(&with("permissions:\n  «excessive-permissions»actions: read\n"));
}

#[test]
fn permissions_of_a_job() {
    let with =
        |permissions: &str| SOUND.replace("    steps:\n", &format!("    permissions: {permissions}\n    steps:\n"));
    finds_in_workflow(&with("\n      contents: write\n      packages: write"));
    finds_in_workflow(&with("{}"));
    finds_in_workflow(&with("«excessive-permissions»write-all"));
}

#[test]
fn a_stranger_starts_it() {
    let with = |on: &str| SOUND.replace("on:\n  pull_request:\n", on);
    finds_in_workflow(&with("on: «pull-request-target»pull_request_target\n"));
    finds_in_workflow(&with("on: [push, «pull-request-target»pull_request_target]\n"));
    finds_in_workflow(&with("\"on\":\n  push:\n  «pull-request-target»pull_request_target:\n    types: [opened]\n"));
    finds_in_workflow(&with("on: [push, pull_request]\n"));
}

#[test]
fn a_stranger_writes_the_script() {
    finds_in_steps("      - run: echo ${{ «script-injection»github.event.issue.title }}\n");
    finds_in_steps(
        "      - name: several
        run: |
          echo one

          echo 'ü' \"${{ «script-injection»github.head_ref || format('{0}', «script-injection»inputs.name) }}\"
          echo ${{«script-injection»GitHub['event'].comment.body}} ${{ toJSON(«script-injection»github) }}
",
    );
    finds_in_steps("      - run: >-\n          echo\n          ${{ «script-injection»inputs.name }}\n");
    finds_in_steps("      - run: \"echo \\\"${{ «script-injection»inputs.name }}\\\"\"\n");
    finds_in_steps("      - run: echo ${{ '}}' || «script-injection»inputs.name }}\n");
    // None of these is what it looks like.
    finds_in_steps("      - run: echo ${{ 'github.event.x }} inputs.y' }} github.event.title\n");
    finds_in_steps("      - run: echo ${{ steps.inputs.outputs.x }} ${{ matrix.github.event }} ${{ env.inputs }}\n");
}

#[test]
fn a_job_without_an_end() {
    finds_in_workflow(&format!("{SOUND}  «missing-timeout»other:\n    runs-on: x\n    steps:\n      - run: 'true'\n"));
    // It isn't allowed there.
    finds_in_workflow(&format!("{SOUND}  other:\n    uses: ./.github/workflows/other.yml\n"));
}

#[test]
fn a_token_in_the_checkout() {
    let checkout = format!("actions/checkout@{COMMIT} # v7.0.1");
    finds_in_steps(&format!("      - uses: «persisted-credentials»{checkout}\n"));
    finds_in_steps(&format!(
        "      - uses: «persisted-credentials»{checkout}\n        with:\n          fetch-depth: 0\n"
    ));
    finds_in_steps(&format!(
        "      - uses: {checkout}\n        with:\n          persist-credentials: «persisted-credentials»true\n"
    ));
}

#[test]
fn a_composite_action() {
    let action = format!(
        "name: own
runs:
  using: composite
  steps:
    - uses: «unpinned-action»owner/name@v1
    - uses: «persisted-credentials»actions/checkout@{COMMIT} # v7.0.1
    - run: echo ${{{{ «script-injection»inputs.name }}}}
      shell: bash
    - run: cargo xtask «unknown-command»db-setpu
      shell: bash
"
    );
    // What else is in that folder is none.
    let other = "runs:\n  steps:\n    - uses: owner/name@v1\n";
    finds(&[
        (CI, SOUND),
        (".github/actions/own/action.yml", &action),
        (".github/actions/two/action.yaml", "«not-a-workflow»name: two\n"),
        (".github/actions/own/other.yml", other),
        (".github/workflows/README.md", other),
    ]);
}

#[test]
fn several_in_several_files() {
    finds(&[
        (".github/workflows/a.yaml", "«missing-permissions»on: push\njobs:\n  «missing-timeout»a:\n    steps: []\n"),
        (".github/workflows/b.yml", "jobs: [\n«yaml-syntax»"),
        (
            CI,
            &format!(
                "{SOUND}      - uses: «unpinned-action»a/b@v1\n      - run: cargo xtask «unknown-command»nothing\n"
            ),
        ),
    ]);
}

#[test]
fn what_an_alias_repeats_is_found_where_it_stands() {
    finds_in_steps(
        "      - &own
        uses: «unpinned-action»owner/name@v1
      - *own
      - *own
",
    );
}
