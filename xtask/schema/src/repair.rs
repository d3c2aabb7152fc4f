//! Finds the subjects of statements, and the statements that repair a difference.
//!
//! A repair is exact: the database is as expected after it, and no row has changed. One that loses data, or that can fail
//! on the rows that there are, says so first. Where there is no such statement, the reason is said. An extra table, column,
//! sequence or schema is only named, because it may hold data.

use super::compare::Aspect;
use super::kind::{Kind, Replaced, drop_statement};
use super::parse::{items, statements, words};
use super::{NAME_ONLY, VERSION};

/// What takes a difference back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Statements that make the object what was expected. No row changes, except where a comment before them says so.
    Statements(String),
    /// There is no such statement, for this reason.
    Not(&'static str),
}

impl Repair {
    /// Statements that need no warning.
    pub(super) fn exact(statements: impl Into<String>) -> Self {
        Self::Statements(statements.into())
    }

    /// Statements below a line that says what they lose, or when they fail.
    pub(super) fn warned(warning: &str, statements: impl Into<String>) -> Self {
        let statements: String = statements.into();
        Self::Statements(if warning.is_empty() { statements } else { format!("-- {warning}\n{statements}") })
    }
}

pub(super) const USED: &str = "fails if another object uses it";
const HELD: Repair = Repair::Not("it may hold data, or other objects may use it");
const REMARK: Repair = Repair::Not("no single statement makes it");
const NO_NAME: Repair = Repair::Not("it is compared by name only");

/// Returns when a statement that adds a key, an index or a constraint fails.
pub(super) fn failure(definition: &str) -> &'static str {
    if definition.ends_with(" NOT VALID") || definition.ends_with(" NOT VALID;") {
        ""
    } else if definition.contains("FOREIGN KEY (") {
        "fails if a row refers to a row that isn't there"
    } else if definition.contains("CREATE UNIQUE ") || definition.contains(" UNIQUE ") {
        "fails if two rows have the same values"
    } else if definition.contains(" PRIMARY KEY (") {
        "fails if two rows have the same values, or a row has NULL"
    } else if definition.contains(" EXCLUDE ") {
        "fails if two rows exclude each other"
    } else if definition.contains(" CHECK (") {
        "fails if a row violates it"
    } else {
        ""
    }
}

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

/// Returns whether other objects may need the object below a header: a type, a routine, a table.
pub(super) fn is_needed(header: &str) -> bool {
    let users = ["view ", "materialized view ", "index ", "foreign key ", "event ", "statistics "];
    let others = ["partition trigger ", "trigger ", "rule ", "policy "];
    !users.iter().chain(&others).any(|word| header.starts_with(word))
}

/// Repairs an object that only one side has. `expected` or `actual` contains all of its statements.
pub(super) fn object(header: &str, expected: Option<&str>, actual: Option<&str>) -> Repair {
    if header.ends_with(NAME_ONLY) {
        return NO_NAME;
    }
    match (expected, actual) {
        (Some(expected), None) => {
            let statements = statements(expected).into_iter().filter(|statement| !statement.starts_with(VERSION));
            let statements: Vec<&str> = statements.collect();
            let warning = match header.split_once(' ') {
                Some(("foreign", _) | ("index", _)) => statements.iter().find(|text| !text.starts_with("COMMENT ")),
                _ => None,
            };
            match statements.iter().any(|statement| statement.starts_with("--")) || statements.is_empty() {
                true => REMARK,
                false => Repair::warned(warning.map_or("", |text| failure(text)), statements.join("\n")),
            }
        }
        // The partition has its parent's trigger, in another state.
        (None, Some(actual)) if header.starts_with("partition trigger ") => undo("state", actual),
        (None, Some(actual)) => {
            let attached = header.strip_prefix("index ").is_some_and(|name| {
                let end = format!(" ATTACH PARTITION {name};");
                statements(actual).iter().any(|statement| statement.ends_with(&end))
            });
            match (attached, drop_statement(header)) {
                (true, _) => Repair::Not("it is dropped with the index of the partitioned table"),
                (false, None) => HELD,
                (false, Some(drop)) => match header.split(' ').next() {
                    Some("materialized") => Repair::warned(
                        &format!("loses data: its rows, which REFRESH would compute anew\n-- {USED}"),
                        drop,
                    ),
                    Some("function" | "procedure" | "view" | "domain") => Repair::warned(USED, drop),
                    _ if actual.starts_with("CREATE UNIQUE ") => {
                        Repair::warned("fails if a foreign key needs it", drop)
                    }
                    _ => Repair::exact(drop),
                },
            }
        }
        _ => REMARK,
    }
}

/// Repairs one statement of an object that both sides have. `body` contains all expected statements of the object.
pub(super) fn statement(
    header: &str,
    body: &str,
    about: &Aspect,
    expected: Option<&str>,
    actual: Option<&str>,
) -> Repair {
    if about.object.starts_with("comment on ") {
        return match (expected, actual) {
            (Some(expected), _) if expected.starts_with("COMMENT ON ") => Repair::exact(expected),
            (None, Some(actual)) if actual.starts_with("COMMENT ON ") => {
                let target = actual.split(" IS ").next().unwrap_or_default();
                Repair::exact(format!("{target} IS NULL;"))
            }
            _ => REMARK,
        };
    }
    let remark = |side: Option<&str>| side.is_some_and(|text| text.starts_with("--"));
    match (about.of, expected, actual) {
        ("validity", None, _) if header.starts_with("index ") => {
            let index = header.trim_start_matches("index ");
            Repair::warned(failure(body), format!("REINDEX INDEX {index};"))
        }
        _ if remark(expected) || remark(actual) => REMARK,
        ("", Some(expected), Some(actual)) => replace(header, body, expected, actual),
        ("", None, Some(_)) => drop_statement(&about.object).map_or(HELD, Repair::exact),
        ("", ..) => REMARK,
        ("options", expected, actual) => options(expected, actual),
        // CREATE TABLE and the parent say what these are.
        ("nullability" | "compression" | "storage" | "default" | "generation" | "validity", ..)
            if !header.contains("view ") =>
        {
            match (about.of, expected, actual) {
                ("nullability", Some(expected), _) if expected.contains(" SET NOT ") => {
                    Repair::warned("fails if a row has NULL", expected)
                }
                ("nullability" | "compression" | "storage" | "default", Some(expected), _) => Repair::exact(expected),
                _ => Repair::Not("a parent's column or constraint decides what it was"),
            }
        }
        ("inheritance" | "partition" | "partitions", ..) => {
            Repair::Not("its rows would come to another table, or leave one")
        }
        ("row type" | "name" | "type" | "constraint that is not valid", ..) => REMARK,
        (_, Some(expected), _) => Repair::exact(expected),
        (of, None, Some(actual)) => undo(of, actual),
        (_, None, None) => REMARK,
    }
}

/// Returns the statements that set the expected options, and reset the others.
fn options(expected: Option<&str>, actual: Option<&str>) -> Repair {
    let Some((target, _)) = expected.or(actual).and_then(|text| text.split_once(" SET (")) else { return REMARK };
    let list = |side: Option<&str>| -> Vec<String> {
        let list = side.and_then(|text| text.split_once(" SET (")?.1.strip_suffix(");")).map(items);
        list.unwrap_or_default().into_iter().map(str::to_owned).collect()
    };
    let reset = set_options(target, &list(expected), &list(actual));
    Repair::exact(reset)
}

/// Returns the statements that give something these options, each as `name=value`, and no others.
pub(super) fn set_options(target: &str, expected: &[String], actual: &[String]) -> String {
    let name = |option: &String| option.split('=').next().unwrap_or_default().to_owned();
    let kept: Vec<String> = expected.iter().map(name).collect();
    let reset: Vec<String> = actual.iter().map(name).filter(|name| !kept.contains(name)).collect();
    let mut statements = Vec::new();
    if !reset.is_empty() {
        statements.push(format!("{target} RESET ({});", reset.join(", ")));
    }
    if expected.iter().any(|option| !actual.contains(option)) {
        statements.push(format!("{target} SET ({});", expected.join(", ")));
    }
    statements.join("\n")
}

/// Returns the statement that resets a property to its default.
fn undo(of: &str, actual: &str) -> Repair {
    let (before, after) = match of {
        "replica identity" => (" REPLICA IDENTITY ", " REPLICA IDENTITY DEFAULT"),
        "row level security" => (" ENABLE ROW ", " DISABLE ROW LEVEL SECURITY"),
        "forced row level security" => (" FORCE ROW ", " NO FORCE ROW LEVEL SECURITY"),
        "clustering" => (" CLUSTER ON ", " SET WITHOUT CLUSTER"),
        "dependence on an extension" if actual.lines().count() == 1 => {
            return Repair::exact(actual.replacen(" DEPENDS ON ", " NO DEPENDS ON ", 1));
        }
        "default" => (" SET DEFAULT ", " DROP DEFAULT"),
        "owner" => (" OWNED BY ", " OWNED BY NONE"),
        "state" => {
            let states = [" DISABLE", " ENABLE REPLICA", " ENABLE ALWAYS"];
            let state = states.into_iter().find(|state| actual.contains(state));
            return state.map_or(REMARK, |state| Repair::exact(actual.replacen(state, " ENABLE", 1)));
        }
        _ => return REMARK,
    };
    actual.find(before).map_or(REMARK, |at| Repair::exact(format!("{}{after};", &actual[..at])))
}

/// Returns the statements that replace the definition in the database with the expected one.
fn replace(header: &str, body: &str, expected: &str, actual: &str) -> Repair {
    let anew = || drop_statement(header).map_or_else(String::new, |drop| format!("{drop}\n{body}"));
    if statements(body).iter().any(|statement| statement.starts_with("--")) {
        return REMARK;
    }
    match Kind::of(header).map(|(kind, _)| kind.replaced) {
        Some(Replaced::ByItself) => {
            // CREATE OR REPLACE can't change the arguments or the result.
            let head = |text: &str| text.split("\n LANGUAGE ").next().unwrap_or_default().to_owned();
            if head(expected) == head(actual) { Repair::exact(expected) } else { Repair::warned(USED, anew()) }
        }
        Some(Replaced::OrReplace) => {
            // CREATE OR REPLACE can't change the columns.
            let columns = |text: &str| {
                let query = text.split_once(" AS\n").map_or(text, |(_, query)| query);
                query.split("\n   FROM ").next().unwrap_or_default().trim_end_matches(';').to_owned()
            };
            if columns(expected) == columns(actual) {
                Repair::exact(expected.replacen("CREATE VIEW", "CREATE OR REPLACE VIEW", 1))
            } else {
                Repair::Not("it may have other columns, and then all that uses it has to be made again as well")
            }
        }
        Some(Replaced::Labels) => labels(header, expected, actual).map_or(HELD, Repair::exact),
        Some(Replaced::Anew) if body.contains(" ATTACH PARTITION ") => {
            Repair::Not("it belongs to the index of a partitioned table")
        }
        Some(Replaced::Anew) if header.starts_with("index ") && expected.contains(" ON ONLY ") => {
            Repair::Not("the indexes of the partitions would be dropped with it")
        }
        // The key is right, but nobody has looked at the rows.
        Some(Replaced::Anew) if actual.strip_suffix(" NOT VALID;") == expected.strip_suffix(';') => {
            let statement = expected.replacen(" ADD CONSTRAINT ", " VALIDATE CONSTRAINT ", 1);
            let end = statement.find(" FOREIGN KEY ").unwrap_or(statement.len());
            Repair::warned(failure(expected), format!("{};", &statement[..end]))
        }
        Some(Replaced::Anew) => Repair::warned(failure(expected), anew()),
        Some(Replaced::No) | None => Repair::Not("it would have to be made again, with all that uses it"),
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
