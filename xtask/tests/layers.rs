//! The layers of xtask's modules. A module imports modules of lower layers only, and none of its own layer.
//!
//! So a reader of a module has to know only the layers below it, and there are no cycles.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// From the top to the bottom. `docs/architecture.md` says what each module is for.
const LAYERS: [&[&str]; 13] = [
    &["main"],
    &["commands"],
    &["cli"],
    &["ci", "doctor"],
    &["queries", "setup"],
    &["database", "server"],
    &["stamp"],
    &["connection"],
    &["env_file", "tool"],
    &["context", "main_branch", "question", "target"],
    &["checkout", "process", "workspace"],
    &["account", "compiler", "database_url", "interrupt", "migrations", "report", "system"],
    &["problem", "runtime"],
];

#[test]
fn modules_import_lower_layers_only() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    let imports = imports(&source);
    for (module, imported) in &imports {
        let Some(layer) = layer_of(module) else {
            wrong.push(format!("{module} is in no layer: put it into LAYERS in xtask/tests/layers.rs."));
            continue;
        };
        for other in imported.iter().filter(|other| *other != module) {
            match layer_of(other) {
                Some(below) if below > layer => {}
                Some(_) => wrong.push(format!("{module} imports {other}, which isn't in a lower layer.")),
                None => wrong.push(format!("{module} imports {other}, which is in no layer.")),
            }
        }
    }
    let gone = LAYERS.concat().into_iter().filter(|module| !imports.contains_key(*module));
    wrong.extend(gone.map(|module| format!("{module} is in LAYERS, but there is no module of that name.")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // This shows that the imports were really read.
    assert!(imports["commands"].contains("setup") && imports["main"].contains("cli"), "{imports:?}");
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// Returns the top-level modules of the crate, each with the modules that its files name as `crate::MODULE`.
fn imports(source: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files(source) {
        let relative = file.strip_prefix(source).unwrap();
        let first = relative.components().next().unwrap().as_os_str().to_string_lossy();
        let module = imports.entry(first.trim_end_matches(".rs").to_owned()).or_default();
        let text = fs::read_to_string(&file).unwrap();
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for (at, _) in line.match_indices("crate::") {
                let name: String = line[at + "crate::".len()..].chars().take_while(|c| is_in_name(*c)).collect();
                // A list of modules in braces would hide their names.
                assert!(!name.is_empty(), "{}: import each module on its own line: {line}", relative.display());
                module.insert(name);
            }
        }
    }
    imports
}

fn is_in_name(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else if entry.path().extension().is_some_and(|extension| extension == "rs") {
            found.push(entry.path());
        }
    }
    found
}
