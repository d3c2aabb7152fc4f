//! How much everybody who clones has to compile before the first command runs.

#![allow(clippy::expect_used)]

use std::collections::BTreeSet;
use std::process::Command;

/// The limit that `xtask/Cargo.toml` promises.
const CRATES: usize = 145;

#[test]
fn xtask_needs_few_crates() {
    let crates = crates("{p}");
    assert!(crates.iter().any(|name| name.starts_with("sqlx v")), "that is no list of crates: {crates:?}");
    assert!(crates.len() <= CRATES, "{} crates, {CRATES} allowed:\n{crates:#?}", crates.len());
}

/// sqlx's macros run in the compiler, so sqlx is built for them as well: the same build serves both only if each crate
/// has the same features on both sides.
#[test]
fn no_crate_is_built_twice_for_its_features() {
    let (crates, with_features) = (crates("{p}"), crates("{p} {f}"));
    let twice: Vec<_> = crates
        .iter()
        .map(|name| with_features.iter().filter(|line| line.starts_with(name.as_str())).collect::<Vec<_>>())
        .filter(|lines| lines.len() > 1)
        .collect();
    assert!(twice.is_empty(), "{twice:#?}");
}

/// The crates that xtask is built from, in cargo tree's `format`.
fn crates(format: &str) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["tree", "--locked", "--package", "xtask", "--edges", "normal,build", "--prefix", "none"]);
    command.args(["--format", format]);
    let output = command.output().expect("cargo tree starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // A crate that comes up again is marked with an asterisk.
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| line.trim_end_matches("(*)").trim_end().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}
