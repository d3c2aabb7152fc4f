//! The crates that a new user has to compile before the first command runs.

#![allow(clippy::expect_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// The number of crates that `xtask/Cargo.toml` promises not to exceed, those of this workspace included.
const CRATES: usize = 142;

/// What cargo builds for `cargo xtask`.
const XTASK: [&str; 4] = ["--package", "xtask", "--edges", "normal,build"];

/// What cargo builds for the whole pipeline. The tools are left out there too, because they need other features.
const WHOLE: [&str; 11] = [
    "--workspace",
    "--exclude",
    "xtask-bench",
    "--exclude",
    "xtask-fetch",
    "--exclude",
    "xtask-migration-lint",
    "--exclude",
    "xtask-sqlx",
    "--edges",
    "normal,build,dev",
];

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
    tree(&[&XTASK[..], &["--invert", name, "--depth", "4"]].concat())
}

/// The shop uses sqlx's macros, which run in the compiler, so cargo builds sqlx for them as well. One build of sqlx serves
/// the macros, the shop, the tests and xtask itself only if each crate has the same features for all of them.
#[test]
fn no_crate_is_built_twice_for_its_features() {
    let whole = |format: &str| list(&[&WHOLE[..], &["--format", format]].concat());
    let mut with_features = whole("{p} {f}");
    with_features.extend(crates("{p} {f}"));
    let crates = whole("{p}");
    assert!(crates.iter().any(|name| name.starts_with("sqlx-core v")), "this isn't a list of crates: {crates:?}");
    // A crate without features has nothing behind its name.
    let of =
        |name: &str, line: &str| line.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    let twice: Vec<_> = crates
        .iter()
        .map(|name| with_features.iter().filter(|line| of(name, line)).collect::<Vec<_>>())
        .filter(|lines| lines.len() > 1)
        .collect();
    assert!(twice.is_empty(), "these crates are built twice, with different features: {twice:#?}");
}

/// Returns the crates that xtask is built from, in cargo tree's `format`.
fn crates(format: &str) -> BTreeSet<String> {
    list(&[&XTASK[..], &["--format", format]].concat())
}

fn list(arguments: &[&str]) -> BTreeSet<String> {
    // A crate that comes up again is marked with an asterisk.
    tree(&[arguments, &["--prefix", "none"]].concat())
        .lines()
        .map(|line| line.trim_end_matches("(*)").trim_end().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

fn tree(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["tree", "--locked"]).args(arguments);
    let output = command.output().expect("cargo tree starts");
    // A name that stands for two versions is refused, with both.
    let text = if output.status.success() { output.stdout } else { output.stderr };
    String::from_utf8_lossy(&text).into_owned()
}
