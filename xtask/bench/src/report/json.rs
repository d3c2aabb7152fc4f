//! Shows results as JSON, one object a line. `--help` describes the objects.

use serde::Serialize;

use crate::comparison::{Cpu, Results, Row};
use crate::problem::Problem;
use crate::programs::Missing;
use crate::statistics::Summary;

/// A line of the output.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Line<'a> {
    /// A command of a comparison.
    Result {
        subject: &'a str,
        case: &'a str,
        command: &'a str,
        peer: bool,
        revision: &'a str,
        runs: u32,
        seconds: Summary,
        cpu_seconds: Summary,
        #[serde(skip_serializing_if = "Option::is_none")]
        ratio: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cpu_ratio: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        compared_to: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        budget: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        busy: Option<f64>,
    },
    /// A test that ran several times.
    Test { name: &'a str, runs: u32, failed: u32 },
    /// A command that can't be measured.
    Missing { subject: &'a str, case: &'a str, command: &'a str, what: &'a str, remedies: &'a [String] },
    /// The problem that ended the benchmarks.
    Problem { what: &'a str, details: &'a [String], remedies: &'a [String], exit_code: u8 },
}

pub(super) fn result(results: &Results, row: &Row) -> String {
    let other = results.compared_to();
    shown(&Line::Result {
        subject: results.subject,
        case: &results.case,
        command: &row.name,
        peer: row.peer,
        revision: &results.revision,
        runs: results.runs,
        seconds: row.wall,
        cpu_seconds: row.cpu,
        ratio: other.and_then(|other| row.wall.ratio(&other.wall)),
        cpu_ratio: other.and_then(|other| row.cpu.ratio(&other.cpu)),
        compared_to: other.map(|other| other.name.as_str()),
        budget: results.budget.filter(|_| results.rows.first().is_some_and(|first| first.name == row.name)),
        busy: if results.cpu == Cpu::Share { row.share() } else { None },
    })
}

pub(super) fn test(name: &str, runs: u32, failed: u32) -> String {
    shown(&Line::Test { name, runs, failed })
}

pub(super) fn missing(subject: &str, case: &str, missing: &Missing) -> String {
    let Missing { command, why, remedies } = missing;
    shown(&Line::Missing { subject, case, command, what: why, remedies })
}

pub(super) fn problem(problem: &Problem) -> String {
    let Problem { exit, what, details, remedies } = problem;
    shown(&Line::Problem { what, details, remedies, exit_code: *exit })
}

/// The conversion can't fail, because the objects hold only plain numbers and texts.
fn shown(line: &Line<'_>) -> String {
    serde_json::to_string(line).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::{missing, result};
    use crate::bench::Took;
    use crate::comparison::{Cpu, Results, Row};
    use crate::programs::Missing;

    fn results(rows: Vec<Row>) -> Results {
        let (case, title, revision) = ("nothing".to_owned(), String::new(), "8ce1ad90".to_owned());
        Results {
            subject: "db-setup",
            case,
            title,
            revision,
            runs: 1,
            cpu: Cpu::Hidden,
            compared: true,
            rows,
            budget: None,
            missing: Vec::new(),
        }
    }

    fn row(name: &str, wall: f64) -> Row {
        Row::of(name, name == "sqlx", &[Took { wall, cpu: wall / 2.0 }]).unwrap()
    }

    #[test]
    fn a_result_is_one_documented_object() {
        let results = results(vec![row("ours", 0.5), row("sqlx", 2.0)]);
        let line = result(&results, &results.rows[0]);
        assert!(!line.contains('\n'));
        assert_eq!(
            serde_json::from_str::<Value>(&line).unwrap(),
            json!({
                "event": "result", "subject": "db-setup", "case": "nothing", "command": "ours", "peer": false,
                "revision": "8ce1ad90", "runs": 1,
                "seconds": { "min": 0.5, "median": 0.5, "max": 0.5 },
                "cpu_seconds": { "min": 0.25, "median": 0.25, "max": 0.25 },
                "ratio": 0.25, "cpu_ratio": 0.25, "compared_to": "sqlx",
            })
        );
    }

    #[test]
    fn one_alone_has_no_ratio() {
        let results = results(vec![row("ours", 0.5)]);
        let value: Value = serde_json::from_str(&result(&results, &results.rows[0])).unwrap();
        assert_eq!((value.get("ratio"), value.get("compared_to")), (None, None));
    }

    #[test]
    fn what_is_missing_says_how_to_get_it() {
        let line = missing("db-setup", "nothing", &Missing::new("sqlx-cli", "It isn't installed", "cargo install it"));
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["remedies"], json!(["cargo install it"]));
    }

    /// `--help` names every key of the objects.
    #[test]
    fn every_key_is_documented() {
        use clap::CommandFactory;
        let help = crate::cli::Cli::command().render_long_help().to_string();
        let results = Results { cpu: Cpu::Share, ..results(vec![row("ours", 0.5), row("sqlx", 2.0)]) };
        let value: Value = serde_json::from_str(&result(&results, &results.rows[0])).unwrap();
        for key in value.as_object().unwrap().keys() {
            assert!(help.contains(key.as_str()), "{key}");
        }
    }
}
