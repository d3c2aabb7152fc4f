//! Each word of `docs/troubleshooting.md` is provoked by a test, which asserts it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The words that no test can provoke, each with the reason.
const NOT_PROVOKED: [(&str, &str); 0] = [];

/// Each assertion of a word runs whenever the tests run. So a word in the sources is a word that was provoked.
#[test]
fn every_word_is_provoked() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(package.join("../docs/troubleshooting.md")).unwrap();
    let words: BTreeSet<_> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert!(!words.is_empty());
    let sources: String = files(&package.join("tests")).iter().map(|file| asserted(file)).collect();
    let asserted = |word: &str| {
        [format!(".problem(\"{word}\")"), format!("error[{word}]"), format!("\"code\":\"{word}\"")]
            .iter()
            .any(|assertion| sources.contains(assertion))
    };
    let excused: BTreeSet<_> = NOT_PROVOKED.iter().map(|(word, _)| *word).collect();
    let missing: Vec<_> = words.iter().filter(|word| !asserted(word) && !excused.contains(*word)).collect();
    assert!(missing.is_empty(), "no test asserts these words with .problem(\"WORD\"): {missing:#?}");
    let needless: Vec<_> = excused.iter().filter(|word| asserted(word) || !words.contains(*word)).collect();
    assert!(needless.is_empty(), "these words are provoked, or don't exist: {needless:#?}");
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The part of a file that may hold assertions: the code of a test, or a snapshot.
fn asserted(file: &Path) -> String {
    let is_snapshot = file.parent().is_some_and(|folder| folder.ends_with("snapshots"));
    if !is_snapshot && file.extension().is_none_or(|extension| extension != "rs") {
        return String::new();
    }
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().filter(|line| is_snapshot || !line.trim_start().starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}
