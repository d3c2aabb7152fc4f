//! Files that can't be understood, and those that can.

use crate::support::{CI, Checkout, SOUND, finds, finds_in_workflow};

#[test]
fn no_yaml() {
    finds_in_workflow("on: push\njobs:\n  a: b«yaml-syntax»: c\n");
    finds_in_workflow("jobs:\n  ü: «yaml-syntax»*nothing\n");
}

#[test]
fn a_key_twice() {
    finds_in_workflow(&SOUND.replace("jobs:", "«duplicate-key»on: push\njobs:"));
    finds_in_workflow(&format!(
        "{SOUND}        env: {{A: 1, B: 2, «duplicate-key»A: 3}}\n        «duplicate-key»run: again\n"
    ));
    finds_in_workflow(&format!("{SOUND}  «duplicate-key»ci:\n    runs-on: x\n"));
}

#[test]
fn neither_a_workflow_nor_an_action() {
    finds_in_workflow("«not-a-workflow»");
    finds_in_workflow("«not-a-workflow»# only a comment\n");
    finds_in_workflow("«not-a-workflow»- a\n- b\n");
    finds_in_workflow("\n«not-a-workflow»on: push\n");
    finds_in_workflow("on: push\njobs: «not-a-workflow»{}\n");
    finds_in_workflow(&format!("{SOUND}«not-a-workflow»---\na: b\n"));
}

#[test]
fn odd_shapes_are_no_reason_to_give_up() {
    finds_in_workflow(
        "on: push
permissions:
  contents: read
jobs:
  «missing-timeout»a:
  «missing-timeout»b: text
  «missing-timeout»c: {steps: text}
  ? [d, e]
  : timeout-minutes: 5
    steps: [text, [], {}, {run: [], uses: {}}, {run: cargo xtask ci}, ~]
    strategy: {matrix: [a]}
",
    );
}

#[test]
fn not_utf_8() {
    let checkout = Checkout::new();
    checkout.write(CI, b"on: push\njobs: \xff\n").write(".github/workflows/ok.yml", SOUND);
    assert_eq!(checkout.findings(), [(CI.to_owned(), 2, 7, "yaml-syntax".to_owned())]);
}

#[test]
fn a_byte_order_mark() {
    let checkout = Checkout::new();
    checkout.write(CI, format!("\u{feff}{}", SOUND.replace("name: ci\non:\n  pull_request:\n", "")));
    assert_eq!(checkout.findings(), []);
}

#[test]
fn a_folder_that_is_called_like_a_file() {
    finds(&[(CI, SOUND), (".github/workflows/folder.yml/file.yml", "neither")]);
}
