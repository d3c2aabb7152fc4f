//! The crates that a new user has to compile before the first command runs.

#![allow(clippy::expect_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// The number of crates that `xtask/Cargo.toml` promises not to exceed, those of this workspace included.
const CRATES: usize = 142;

/// The list in `crates.txt` names every crate. A new one has to be worth its seconds for everybody, so it is a change that a
/// review sees. `UPDATE_EXPECT=1 cargo nextest run -p xtask -E 'binary(budget)'` writes the list anew.
#[test]
fn xtask_needs_few_crates() {
    let crates = crates("{p}");
    let names: BTreeSet<&str> = crates.iter().filter_map(|name| name.split(' ').next()).collect();
    assert!(names.contains("sqlx-core"), "this isn't a list of crates: {names:?}");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crates.txt");
    let listed = std::fs::read_to_string(&file).unwrap_or_default();
    let listed: BTreeSet<&str> = listed.lines().collect();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let text: String = names.iter().map(|name| format!("{name}\n")).collect();
        std::fs::write(&file, text).expect("the list of crates can be written");
    } else {
        let came_in: Vec<_> =
            names.difference(&listed).map(|name| format!("{name} came in:\n{}", needed_by(name))).collect();
        assert!(came_in.is_empty(), "{}\nIs each worth its seconds for everybody?", came_in.join("\n"));
    }
    // One name may stand for two versions.
    assert!(crates.len() <= CRATES, "xtask needs {} crates, and {CRATES} are allowed: {crates:#?}", crates.len());
}

/// Returns the crates that need a crate, up to the front door, as cargo tells it.
fn needed_by(name: &str) -> String {
    tree(&["--invert", name, "--depth", "4"])
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
    // A crate that comes up again is marked with an asterisk.
    tree(&["--prefix", "none", "--format", format])
        .lines()
        .map(|line| line.trim_end_matches("(*)").trim_end().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

fn tree(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["tree", "--locked", "--package", "xtask", "--edges", "normal,build"]).args(arguments);
    let output = command.output().expect("cargo tree starts");
    // A name that stands for two versions is refused, with both.
    let text = if output.status.success() { output.stdout } else { output.stderr };
    String::from_utf8_lossy(&text).into_owned()
}
