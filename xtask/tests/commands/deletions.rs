//! The list of what can drop or delete, in docs/architecture.md. A new place, or one more line in a place that is there, fails
//! this test until somebody has written down what guards it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What drops, deletes, renames or overwrites.
const PATTERNS: [&str; 14] = [
    "DROP ",
    "DELETE FROM",
    "TRUNCATE",
    "RENAME TO",
    "remove_file(",
    "remove_dir",
    "fs::rename(",
    ".truncate(true",
    ".truncate(too_long",
    ".set_len(",
    "\"down\"",
    "\"rm\"",
    "fs::write(",
    "File::create(",
];

/// The lines of a source that can drop or delete. Comments, imports and tests can't.
fn lines(text: &str) -> Vec<&str> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default().lines().map(str::trim);
    let code = code.filter(|line| !line.starts_with("//") && !line.starts_with("use "));
    code.filter(|line| PATTERNS.iter().any(|pattern| line.contains(pattern))).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_name().unwrap().to_str().unwrap();
        if entry.is_dir() && name != "tests" && name != "target" {
            sources(&entry, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push(entry);
        }
    }
}

/// The rows of the list: the files or folders of each, and the number of lines.
fn listed(page: &str) -> Vec<(Vec<String>, usize)> {
    let section = page.split("## What can drop or delete").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let row = |line: &str| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").collect();
        let places: Vec<String> = cells[0].split('`').skip(1).step_by(2).map(str::to_owned).collect();
        (places, cells[1].trim().parse().unwrap())
    };
    rows.map(row).collect()
}

#[test]
fn everything_that_can_drop_or_delete_is_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = std::fs::read_to_string(root.join("docs/architecture.md")).unwrap();
    let mut files = Vec::new();
    sources(&root.join("xtask"), &mut files);
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<_> = lines(&text).into_iter().map(str::to_owned).collect();
        if !lines.is_empty() {
            found.insert(file.strip_prefix(root).unwrap().display().to_string(), lines);
        }
    }
    assert!(found.len() > 40, "{found:#?}");
    let mut wrong = Vec::new();
    for (places, number) in listed(&page) {
        let is_here = |file: &str| places.iter().any(|place| file == place || file.starts_with(&format!("{place}/")));
        let here: Vec<_> = found.extract_if(.., |file, _| is_here(file)).collect();
        let lines: usize = here.iter().map(|(_, lines)| lines.len()).sum();
        if lines != number {
            wrong.push(format!("{places:?} has {lines} such lines, and the list says {number}: {here:#?}"));
        }
    }
    wrong.extend(found.iter().map(|(file, lines)| format!("{file} isn't in the list: {lines:#?}")));
    assert!(wrong.is_empty(), "See \"What can drop or delete\" in docs/architecture.md.\n{}", wrong.join("\n"));
}
