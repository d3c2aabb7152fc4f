//! What rustfmt says.

use std::path::Path;

use super::Found;
use crate::problem::Problem;

/// rustfmt's differences, each below a line `Diff in FILE:LINE:`.
pub(super) fn read(root: &Path, stdout: &str, stderr: &str) -> Found {
    let mut found = Found { text: stderr.to_owned(), ..Found::default() };
    for line in stdout.lines() {
        let place = line.strip_prefix("Diff in ").and_then(|place| place.trim_end_matches(':').rsplit_once(':'));
        if let Some((file, number)) = place.and_then(|(file, line)| Some((file, line.parse().ok()?))) {
            let file = Path::new(file);
            let file = file.strip_prefix(root).unwrap_or(file);
            found.problems.0.push(Problem::failed("This isn't rustfmt's format.").at(file, number, None));
        } else if let Some(problem) = found.problems.0.last_mut() {
            problem.details.push(line.to_owned());
        } else {
            found.text.push_str(&format!("{line}\n"));
        }
    }
    if let Some(last) = found.problems.0.last_mut() {
        last.remedies.push("To have them all formatted: cargo fmt --all".to_owned());
    }
    found
}
