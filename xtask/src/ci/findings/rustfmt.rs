//! Reads the output of rustfmt.

use std::path::{Path, PathBuf};

use super::Found;
use crate::problem::{Code, Problem};
use crate::workspace::without_parents;

/// Reads the differences, each of which stands below a line `Diff in FILE:LINE:`, the errors of files that rustfmt can't
/// parse, and the names of the files that it has read.
pub(super) fn read(root: &Path, stdout: &str, stderr: &str) -> Found {
    let mut found = Found { text: stderr.to_owned(), ..Found::default() };
    for line in stdout.lines() {
        if let Some(file) = line.strip_prefix("Formatting ") {
            found.sources.push(below(root, file));
            continue;
        }
        // The other lines that rustfmt adds when it names the files.
        if line.starts_with("Spent ") || line.starts_with("Using rustfmt config file") {
            continue;
        }
        let place = line.strip_prefix("Diff in ").and_then(|place| place.trim_end_matches(':').rsplit_once(':'));
        if let Some((file, number)) = place.and_then(|(file, line)| Some((file, line.parse().ok()?))) {
            let file = below(root, file);
            found
                .problems
                .0
                .push(Problem::failed(Code::NotFormatted, "This isn't rustfmt's format.").at(file, number, None));
        } else if let Some(problem) = found.problems.0.last_mut() {
            // The number belongs to the first line shown, and the lines at the beginning only give the context.
            let is_context = |line: &String| line.starts_with(' ');
            if let (true, Some(place)) = (line.starts_with(' '), &mut problem.location)
                && problem.details.iter().all(is_context)
            {
                place.line += 1;
            }
            problem.details.push(line.to_owned());
        } else {
            found.text.push_str(&format!("{line}\n"));
        }
    }
    if let Some(last) = found.problems.0.last_mut() {
        last.remedies.push("To format all files: cargo fmt --all".to_owned());
    }
    let lines: Vec<&str> = stderr.lines().collect();
    found.problems.0.extend(lines.windows(2).filter_map(|pair| unreadable(root, pair[0], pair[1])));
    found
}

/// Reads the error of a file that rustfmt can't parse: a line `error: …`, and below it `--> FILE:LINE:COLUMN`.
fn unreadable(root: &Path, what: &str, place: &str) -> Option<Problem> {
    let what = what.strip_prefix("error: ")?;
    let mut parts = place.trim_start().strip_prefix("--> ")?.rsplitn(3, ':');
    let (column, line) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(Problem::failed(Code::CompileError, what).at(below(root, parts.next()?), line, Some(column)))
}

fn below(root: &Path, file: &str) -> PathBuf {
    // `#[path = "../….rs"]` makes such a name.
    let file = &without_parents(Path::new(file));
    // Cargo resolves links in the path of the checkout.
    let resolved = || root.canonicalize().ok().and_then(|root| Some(file.strip_prefix(root).ok()?.to_owned()));
    file.strip_prefix(root).ok().map(Path::to_owned).or_else(resolved).unwrap_or_else(|| file.clone())
}
