//! Finds the subjects of statements, and the statements that repair a difference.
//!
//! No repair drops data. An extra table, column, sequence or schema is only named.

use super::NAME_ONLY;
use super::compare::Aspect;
use super::kind::{Kind, Replaced, drop_statement};
use super::parse::{statements, words};

/// Returns the subject of a statement below a header. Words in capitals without quotes are always keywords.
pub(super) fn aspect(header: &str, statement: &str) -> Aspect {
    let name = header.trim_end_matches(NAME_ONLY);
    let aspect = |object: String, of| Aspect { object, of };
    let this = |of| Aspect { object: name.to_owned(), of };
    if let Some(remark) = statement.strip_prefix("-- ") {
        return match remark {
            _ if remark.starts_with("invalid: the index of constraint ") => this("validity of a constraint's index"),
            _ if remark.starts_with("invalid") => this("validity"),
            _ if remark.starts_with("not enforced") || remark.starts_with("enforced in ") => this("enforcement"),
            _ if remark.starts_with("constraint ") => {
                let constraint = remark.split_once(" is ").map_or(remark, |(constraint, _)| constraint);
                aspect(format!("{constraint} on {}", name.trim_start_matches("table ")), "enforcement")
            }
            _ if remark.starts_with("half detached") => this("partition state"),
            _ if remark.starts_with("no replica identity") => this("replica identity"),
            _ if remark.starts_with("not valid: ") => this("validity of an inherited constraint"),
            _ if remark.starts_with("version ") => this("objects"),
            _ if remark.starts_with("its comment: ") => aspect(format!("comment on {name}"), ""),
            _ => this(""),
        };
    }
    let words: Vec<&str> = words(statement.trim_end_matches(';')).into_iter().filter(|word| *word != "ONLY").collect();
    match words.as_slice() {
        ["ALTER", .., "DEPENDS", "ON", "EXTENSION", _] => this("dependence on an extension"),
        ["COMMENT", "ON", rest @ ..] => {
            let target = rest.iter().take_while(|word| **word != "IS");
            let lower = |word: &&str| {
                if word.contains(['"', '(', '.']) { (*word).to_owned() } else { word.to_lowercase() }
            };
            aspect(format!("comment on {}", target.map(lower).collect::<Vec<_>>().join(" ")), "")
        }
        ["ALTER", "TABLE", table, rest @ ..] => match rest {
            ["ADD", "CONSTRAINT", constraint, ..] if !header.starts_with("foreign key ") => {
                aspect(format!("constraint {constraint} on {table}"), "")
            }
            ["ALTER", "COLUMN", column, "SET", "STORAGE", ..] => aspect(format!("column {table}.{column}"), "storage"),
            ["ALTER", "COLUMN", column, _, "DEFAULT", ..] => aspect(format!("column {table}.{column}"), "default"),
            ["RENAME", "CONSTRAINT", ..] => aspect(format!("foreign key on {table}"), "name"),
            ["ALTER", "COLUMN", column, "ADD", "GENERATED", ..] => {
                aspect(format!("column {table}.{column}"), "generation")
            }
            ["ALTER", "COLUMN", column, "SET", "COMPRESSION", ..] => {
                aspect(format!("column {table}.{column}"), "compression")
            }
            ["VALIDATE", "CONSTRAINT", constraint] => aspect(format!("constraint {constraint} on {table}"), "validity"),
            ["ALTER", "COLUMN", column, "SET" | "DROP", "NOT", ..] => {
                aspect(format!("column {table}.{column}"), "nullability")
            }
            ["ALTER", "COLUMN", column, ..] => aspect(format!("column {table}.{column}"), "options"),
            ["REPLICA", "IDENTITY", ..] => aspect(format!("table {table}"), "replica identity"),
            ["ENABLE", "ROW", ..] => aspect(format!("table {table}"), "row level security"),
            ["FORCE", "ROW", ..] => aspect(format!("table {table}"), "forced row level security"),
            ["CLUSTER", ..] => aspect(format!("table {table}"), "clustering"),
            ["INHERIT", ..] => this("inheritance"),
            ["ATTACH", ..] => this("partition"),
            ["OF", ..] => this("row type"),
            ["ENABLE" | "DISABLE", ..] => this("state"),
            _ => this(""),
        },
        ["ALTER", "SEQUENCE", sequence, "AS", ..] => aspect(format!("sequence {sequence}"), "type"),
        ["ALTER", "SEQUENCE", sequence, "OWNED", ..] => aspect(format!("sequence {sequence}"), "owner"),
        ["ALTER", "INDEX", index, "ATTACH", ..] => aspect(format!("index {index}"), "partitions"),
        ["ALTER", "INDEX", index, ..] => aspect(format!("index {index}"), "options"),
        ["ALTER", "EVENT", ..] => this("state"),
        ["ALTER", "DOMAIN", domain, "ADD", ..] => aspect(format!("domain {domain}"), "constraint that is not valid"),
        ["ALTER", "VIEW", view, "ALTER", "COLUMN", column, ..] => aspect(format!("column {view}.{column}"), "default"),
        _ => this(""),
    }
}

/// Repairs an object that only one side has. `expected` or `actual` contains all of its statements.
pub(super) fn object(header: &str, expected: Option<&str>, actual: Option<&str>) -> Option<String> {
    if header.is_empty() || header.ends_with(NAME_ONLY) {
        return None;
    }
    match (expected, actual) {
        // Of some objects, there are only remarks.
        (Some(expected), None) => {
            statements(expected).iter().any(|statement| !statement.starts_with("--")).then(|| expected.to_owned())
        }
        // The partition has its parent's trigger, in another state.
        (None, Some(actual)) if header.starts_with("partition trigger ") => undo("state", actual),
        (None, Some(_)) => drop_statement(header),
        _ => None,
    }
}

/// Repairs one statement of an object that both sides have. `body` contains all expected statements of the object.
pub(super) fn statement(
    header: &str,
    body: &str,
    about: &Aspect,
    expected: Option<&str>,
    actual: Option<&str>,
) -> Option<String> {
    if about.object.starts_with("comment on ") {
        return match (expected, actual) {
            (Some(expected), _) if expected.starts_with("COMMENT ON ") => Some(expected.to_owned()),
            (None, Some(actual)) => {
                let target = &actual[..actual.find(" IS ")?];
                Some(format!("{target} IS NULL;"))
            }
            _ => None,
        };
    }
    match (about.of, expected, actual) {
        ("", Some(expected), Some(actual)) => replace(header, body, expected, actual),
        ("", Some(expected), None) => Some(expected.to_owned()),
        ("", None, Some(_)) => drop_statement(&about.object),
        ("validity", None, _) => Some(format!("REINDEX INDEX {};", header.strip_prefix("index ")?)),
        (
            "inheritance"
            | "partition"
            | "row type"
            | "partitions"
            | "nullability"
            | "validity"
            | "enforcement"
            | "partition state"
            | "objects"
            | "name"
            | "type"
            | "validity of an inherited constraint"
            | "constraint that is not valid",
            ..,
        ) => None,
        (_, Some(expected), _) => Some(expected.to_owned()),
        (of, None, Some(actual)) => undo(of, actual),
        (_, None, None) => None,
    }
}

/// Returns the statement that resets a property to its default.
fn undo(of: &str, actual: &str) -> Option<String> {
    let (before, after) = match of {
        "replica identity" => (" REPLICA IDENTITY ", " REPLICA IDENTITY DEFAULT"),
        "row level security" => (" ENABLE ROW ", " DISABLE ROW LEVEL SECURITY"),
        "forced row level security" => (" FORCE ROW ", " NO FORCE ROW LEVEL SECURITY"),
        "clustering" => (" CLUSTER ON ", " SET WITHOUT CLUSTER"),
        "dependence on an extension" if actual.lines().count() == 1 => {
            return Some(actual.replacen(" DEPENDS ON ", " NO DEPENDS ON ", 1));
        }
        "owner" => (" OWNED BY ", " OWNED BY NONE"),
        "state" => {
            let state =
                [" DISABLE", " ENABLE REPLICA", " ENABLE ALWAYS"].into_iter().find(|state| actual.contains(state))?;
            return Some(actual.replacen(state, " ENABLE", 1));
        }
        _ => return None,
    };
    Some(format!("{}{after};", &actual[..actual.find(before)?]))
}

/// Returns the statements that replace the definition in the database with the expected one.
fn replace(header: &str, body: &str, expected: &str, actual: &str) -> Option<String> {
    match Kind::of(header)?.0.replaced {
        Replaced::ByItself => Some(expected.to_owned()),
        Replaced::OrReplace => Some(expected.replacen("CREATE VIEW", "CREATE OR REPLACE VIEW", 1)),
        Replaced::Labels => labels(header, expected, actual),
        Replaced::Anew => Some(format!("{}\n{body}", drop_statement(header)?)),
        Replaced::No => None,
    }
}

/// Describes a property in a few words: the statement that sets it, without the name of the object.
pub(super) fn value(of: &str, statement: Option<&str>) -> String {
    let Some(statement) = statement else {
        let default = match of {
            "validity" | "validity of a constraint's index" => "valid",
            "enforcement" => "enforced",
            "partition state" => "attached",
            "state" => "enabled",
            "inheritance" | "partition" | "partitions" | "owner" | "row type" | "dependence on an extension" => "none",
            _ => "the default",
        };
        return default.to_owned();
    };
    let of_one = |statement: &str| {
        if let Some(remark) = statement.strip_prefix("-- ") {
            return remark.to_owned();
        }
        let words = words(statement.trim_end_matches(';'));
        // The skipped words are `ALTER TABLE name` or `ALTER EVENT TRIGGER name`.
        let mut skipped = if words.get(1) == Some(&"EVENT") { 4 } else { 3 };
        skipped += usize::from(words.get(2) == Some(&"ONLY"));
        words.get(skipped..).unwrap_or_default().join(" ")
    };
    // If there are several statements, each one is on its own line.
    statement.lines().map(of_one).collect::<Vec<_>>().join(", ")
}

/// Returns `ADD VALUE` for each label that an enum lacks. A label can't be removed or moved.
fn labels(header: &str, expected: &str, actual: &str) -> Option<String> {
    let list = |statement: &str| -> Vec<String> {
        let lines = statement.lines().filter_map(|line| line.strip_prefix("    "));
        lines.map(|line| line.trim_end_matches(',').to_owned()).collect()
    };
    let (expected, actual) = (list(expected), list(actual));
    let common: Vec<_> = expected.iter().filter(|label| actual.contains(label)).collect();
    if !common.into_iter().eq(actual.iter()) {
        return None;
    }
    let name = header.strip_prefix("enum ")?;
    let mut statements = Vec::new();
    for (index, label) in expected.iter().enumerate().filter(|(_, label)| !actual.contains(label)) {
        let place = match index.checked_sub(1).and_then(|before| expected.get(before)) {
            Some(before) => format!("AFTER {before}"),
            None => actual.first().map_or_else(String::new, |first| format!("BEFORE {first}")),
        };
        statements.push(format!("ALTER TYPE {name} ADD VALUE {label} {place};").replace(" ;", ";"));
    }
    Some(statements.join("\n"))
}
