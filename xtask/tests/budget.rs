//! How much everybody who clones has to compile before the first command runs.

#![allow(clippy::expect_used)]

use std::collections::BTreeSet;
use std::process::Command;

/// The limit that `xtask/Cargo.toml` promises.
const CRATES: usize = 145;

#[test]
fn xtask_needs_few_crates() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["tree", "--locked", "--package", "xtask", "--edges", "normal,build", "--prefix", "none"]);
    command.args(["--format", "{p}"]);
    let output = command.output().expect("cargo tree starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    // A crate that comes up again is marked with an asterisk.
    let crates: BTreeSet<&str> =
        text.lines().map(|line| line.trim_end_matches(" (*)")).filter(|line| !line.is_empty()).collect();
    assert!(crates.iter().any(|name| name.starts_with("sqlx v")), "that is no list of crates: {text}");
    let names = crates.iter().copied().collect::<Vec<_>>().join("\n");
    assert!(crates.len() <= CRATES, "{} crates, {CRATES} allowed:\n{names}", crates.len());
}
