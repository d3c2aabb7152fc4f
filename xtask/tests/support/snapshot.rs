//! Snapshots of whole outputs. Each output that a person or a program reads is kept in a file, so that a review shows
//! every change to it.
//!
//! `UPDATE_EXPECT=1 cargo nextest run -p xtask -E 'test(snapshots)'` writes the files again.

use std::path::Path;

use expect_test::expect_file;

use super::{Outcome, Workspace};

/// Compares a run with `tests/snapshots/NAME.txt`. The parts that differ from run to run are first replaced by
/// placeholders.
#[track_caller]
pub(crate) fn assert(name: &str, workspace: &Workspace, outcome: &Outcome) {
    let code = outcome.status.code().unwrap_or(-1);
    let (stdout, stderr) = (plain(workspace, &outcome.stdout), plain(workspace, &outcome.stderr));
    let text = format!("exit code {code}\n--- stdout\n{stdout}--- stderr\n{stderr}");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(format!("{name}.txt"));
    expect_file![file].assert_eq(&text);
}

/// Returns the text with one address and one folder, wherever the run was.
pub(crate) fn at_home(workspace: &Workspace, text: &str) -> String {
    let server = workspace.port().to_string();
    text.replace(&workspace.root().display().to_string(), "<checkout>")
        .replace(&workspace.base().display().to_string(), "<base>")
        .replace(&format!(":{server}"), ":5432")
        .replace(&format!(" {server}"), " 5432")
        .replace(&(workspace.port() + 1).to_string(), "5433")
}

/// Returns the text without the parts that differ from run to run or from machine to machine.
fn plain(workspace: &Workspace, text: &str) -> String {
    without_chance(&at_home(workspace, text))
}

/// Returns the text without times and versions. The lines of databases are in one order.
pub(crate) fn without_chance(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| without_system(&without_versions(&without_times(&without_moments(line)))).trim_end().to_owned());
    in_order(lines)
}

/// Replaces times such as `1.32 s`, `8 ms` and `2 min 5 s` by `<time>`, and the seconds of events by 0. The spaces that
/// align a time are removed with it.
fn without_times(line: &str) -> String {
    // The head of the pipeline's table is as wide as its longest time.
    if line.starts_with("step ") {
        return line.split_whitespace().collect::<Vec<_>>().join("  ");
    }
    let mut kept = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number_on) = rest.split_at(at);
        let length = number_on.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(number_on.len());
        let (number, after) = number_on.split_at(length);
        let unit = [" ms", " s", " min"].into_iter().find(|unit| {
            after.strip_prefix(unit).is_some_and(|end| !end.starts_with(|c: char| c.is_ascii_alphanumeric()))
        });
        if let Some(unit) = unit {
            let before = if before.ends_with("  ") { before.trim_end().to_owned() + " " } else { before.to_owned() };
            kept.push_str(&before);
            kept.push_str("<time>");
            rest = &after[unit.len()..];
        } else if before.ends_with("\"seconds\":") {
            kept.push_str(before);
            kept.push('0');
            rest = after;
        } else {
            kept.push_str(before);
            kept.push_str(number);
            rest = after;
        }
    }
    kept + rest
}

/// Replaces moments such as `2026-01-02 03:04 UTC` and `2026-01-02T03:04:05Z`, sizes, and the name of the machine.
fn without_moments(line: &str) -> String {
    let mut kept = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number_on) = rest.split_at(at);
        let is_digit = |c: char| c.is_ascii_digit() || "-:.TZ ".contains(c);
        let length = number_on.find(|c| !is_digit(c)).unwrap_or(number_on.len());
        let found = &number_on[..length];
        let is_moment = found.len() >= 16 && found.starts_with("20") && found.as_bytes()[4] == b'-';
        let words = [(is_moment, "<moment> "), (number_on[length..].starts_with("MB"), "<size> ")];
        kept.push_str(before);
        match words.into_iter().find(|(is_one, _)| *is_one) {
            Some((_, word)) => kept.push_str(if found.ends_with(' ') { word } else { word.trim_end() }),
            None if before.ends_with("\"bytes\":") => kept.push('0'),
            None => kept.push_str(found),
        }
        rest = &number_on[length..];
    }
    let machine = nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned();
    (kept + rest).replace(&format!("\"machine\":\"{machine}\""), "\"machine\":\"<machine>\"")
}

/// Replaces `PostgreSQL 15.18` by `PostgreSQL <version>`.
fn without_versions(line: &str) -> String {
    let Some((before, after)) = line.split_once("PostgreSQL ") else { return line.to_owned() };
    let version = after.split(' ').next().unwrap_or_default().trim_end_matches(['"', ',', '.']);
    let is_version = version.contains('.') && version.chars().all(|c| c.is_ascii_digit() || c == '.');
    if !is_version {
        return line.to_owned();
    }
    format!("{before}PostgreSQL <version>{}", &after[version.len()..])
}

/// Replaces the command that installs Docker, which each system has another one for.
fn without_system(line: &str) -> String {
    let Some((before, after)) = line.split_once("Install Docker: ") else { return line.to_owned() };
    let end = ["%0A", "\""].iter().filter_map(|end| after.find(end)).min().unwrap_or(after.len());
    format!("{before}Install Docker: <command>{}", &after[end..])
}

/// Sorts neighbouring lines of databases. Databases are processed in parallel, so chance decides the order of their
/// lines. The indented lines below a line move with it.
fn in_order(lines: impl Iterator<Item = String>) -> String {
    let mut blocks: Vec<(bool, String)> = Vec::new();
    for line in lines {
        match blocks.last_mut() {
            Some((true, block)) if is_below(&line) => *block += &format!("{line}\n"),
            _ => blocks.push((is_of_database(&line), format!("{line}\n"))),
        }
    }
    let mut sorted = String::new();
    for run in blocks.chunk_by(|(left, _), (right, _)| left == right) {
        let mut texts: Vec<&str> = run.iter().map(|(_, block)| block.as_str()).collect();
        if run[0].0 {
            texts.sort_unstable();
        }
        sorted.extend(texts);
    }
    sorted
}

/// Returns whether a line belongs to the line of the step above it: the line of a migration, or its event.
fn is_below(line: &str) -> bool {
    line.starts_with("    ") || line.contains("\"text\":\"         ")
}

/// Returns whether the line, or the event, reports the end of a database's step.
fn is_of_database(line: &str) -> bool {
    let names = ["journal", "library", "audit", "main"];
    if line.starts_with('{') {
        return names.iter().any(|name| line.contains(&format!("\"step\":\"{name}\"")));
    }
    // With colours, the mark at the start stands directly between two escape codes.
    let mut words = line.split_whitespace();
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let marks = ["done", "ok", "FAILED", "✓", "✗"];
    !line.starts_with(' ') && marks.iter().any(|mark| first.contains(mark)) && names.contains(&second)
}
