//! The findings of zizmor: <https://docs.zizmor.sh/usage/#json>

use std::path::Path;

use serde_json::Value;

use super::Found;
use crate::problem::{Code, Problem};

pub(super) fn read(root: &Path, stdout: &str, stderr: &str) -> Found {
    let findings: Option<Vec<Value>> = serde_json::from_str(stdout).ok();
    let problems = findings.and_then(|findings| findings.iter().map(|finding| problem(root, finding)).collect());
    let mut found = Found { text: stderr.to_owned(), ..Found::default() };
    match problems {
        Some(problems) => found.problems.0 = problems,
        None => found.text = format!("{stdout}{stderr}"),
    }
    found
}

/// Reads a finding. Returns `None` if its format isn't known.
fn problem(root: &Path, finding: &Value) -> Option<Problem> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let is_primary = |location: &&Value| location["symbolic"]["kind"] == "Primary";
    let location = finding["locations"].as_array()?.iter().find(is_primary)?;
    let symbolic = &location["symbolic"];
    let path = text(&symbolic["key"]["Local"]["verbatim_path"])?;
    let path = path.strip_prefix("./").unwrap_or(&path);
    // Both numbers count from zero. The column counts bytes.
    let start = &location["concrete"]["location"]["start_point"];
    let number = |value: &Value| value.as_u64().and_then(|number| usize::try_from(number).ok());
    let (row, column) = (number(&start["row"])?, number(&start["column"])?);
    let source = std::fs::read_to_string(root.join(path)).unwrap_or_default();
    let before = source.lines().nth(row).and_then(|line| line.get(..column));
    let column = before.map_or(column, |before| before.chars().count());
    let (what, rule) = (text(&finding["desc"])?, text(&finding["ident"])?);
    let problem = Problem::failed(Code::Workflow, format!("{what}: {} [{rule}]", text(&symbolic["annotation"])?));
    Some(problem.at(path, row + 1, Some(column + 1)).remedy(text(&finding["url"])?))
}
