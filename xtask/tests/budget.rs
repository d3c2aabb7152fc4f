//! The number of crates that a new user has to compile before the first command runs.

#![allow(clippy::expect_used)]

use std::collections::BTreeSet;
use std::process::Command;

/// The limit that `xtask/Cargo.toml` promises.
const CRATES: usize = 145;

#[test]
fn xtask_needs_few_crates() {
    let crates = crates("{p}");
    assert!(crates.iter().any(|name| name.starts_with("sqlx v")), "this isn't a list of crates: {crates:?}");
    assert!(crates.len() <= CRATES, "xtask needs {} crates, and {CRATES} are allowed:\n{crates:#?}", crates.len());
}

/// sqlx's macros run in the compiler, so cargo builds sqlx for them as well. One build serves both sides only if each
/// crate has the same features on both.
#[test]
fn no_crate_is_built_twice_for_its_features() {
    let (crates, with_features) = (crates("{p}"), crates("{p} {f}"));
    let twice: Vec<_> = crates
        .iter()
        .map(|name| with_features.iter().filter(|line| line.starts_with(name.as_str())).collect::<Vec<_>>())
        .filter(|lines| lines.len() > 1)
        .collect();
    assert!(twice.is_empty(), "these crates are built twice, with different features: {twice:#?}");
}

/// Returns the crates that xtask is built from, in cargo tree's `format`.
fn crates(format: &str) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["tree", "--locked", "--package", "xtask", "--edges", "normal,build", "--prefix", "none"]);
    command.args(["--format", format]);
    let output = command.output().expect("cargo tree starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // cargo tree marks a crate that it has already shown with an asterisk.
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| line.trim_end_matches("(*)").trim_end().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}
