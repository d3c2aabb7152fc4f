//! `docs/troubleshooting.md`, which is made from the entries of all words, and the tests of the words themselves.
//!
//! To write the page anew: `UPDATE_EXPECT=1 cargo nextest run -p xtask --lib -E "test(troubleshooting)"`.

use std::collections::BTreeSet;
use std::path::Path;

use expect_test::expect_file;

use super::code::Code;
use super::entry::Entry;

/// The page, from the entries.
fn page() -> String {
    let mut page = "# Troubleshooting\n\n\
        Each problem that `cargo xtask` reports has a word: `error[word]`, and `code` with `--format json`. `cargo xtask doctor` \
        looks for most of them, shows the word behind each that it finds, and the command for your system. This page is made from \
        `xtask/src/problem/code.rs`.\n"
        .to_owned();
    for Entry { word, check, see, why, then } in Code::ALL.iter().map(|code| code.entry()) {
        let check = check.map_or_else(String::new, |check| format!(" Doctor's check is `{check}`."));
        page.push_str(&format!("\n## {word}\n\n**{see}**\n\n{why}{check}\n\n→ {then}\n"));
    }
    page
}

/// A problem can't be made without a word, and a word without an entry isn't compiled. So the page has all of them.
#[test]
fn troubleshooting_is_current() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/troubleshooting.md");
    expect_file![file].assert_eq(&page());
}

#[test]
fn every_word_is_used_once_and_is_plain() {
    let words: BTreeSet<_> = Code::ALL.iter().map(|code| code.entry().word).collect();
    assert_eq!(words.len(), Code::ALL.len());
    assert!(words.iter().all(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')), "{words:?}");
}
