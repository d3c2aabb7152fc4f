//! Names the differences between two tables, column by column and constraint by constraint.

use super::compare::{Aspect, Difference};
use super::parse::{items, words};
use super::sql::tokens;

/// The parts of CREATE TABLE.
struct Parts<'t> {
    /// The words before the name, for example `CREATE UNLOGGED TABLE`.
    create: &'t str,
    columns: Vec<(&'t str, &'t str)>,
    constraints: Vec<(&'t str, &'t str)>,
    /// INHERITS, PARTITION BY, USING and WITH, each on its own line.
    options: &'t str,
}

/// Names the differences between two tables with one name, and removes CREATE TABLE and ADD CONSTRAINT from the lists.
pub(super) fn table(
    header: &str,
    expected: &mut Vec<(Aspect, String)>,
    actual: &mut Vec<(Aspect, String)>,
) -> Vec<Difference> {
    let name = header.trim_start_matches("table ");
    let comments = expected.iter().filter(|(aspect, _)| aspect.object.starts_with("comment on constraint "));
    let comments: Vec<_> = comments.cloned().collect();
    let (expected_create, expected_added) = take(expected);
    let (actual_create, actual_added) = take(actual);
    let (Some(mut expected), Some(mut actual)) = (parts(&expected_create), parts(&actual_create)) else {
        // The file was edited, because this isn't the generated form.
        let whole = Difference::new(header, Some(&expected_create), Some(&actual_create));
        return if expected_create == actual_create && expected_added == actual_added {
            Vec::new()
        } else {
            vec![whole]
        };
    };
    expected.constraints.extend(expected_added.iter().filter_map(|statement| added(statement)));
    actual.constraints.extend(actual_added.iter().filter_map(|statement| added(statement)));

    let mut differences = Vec::new();
    if (expected.create, expected.options) != (actual.create, actual.options) {
        let line = |parts: &Parts<'_>| {
            format!("{} {name} {}", parts.create, parts.options.replace('\n', " ")).trim().to_owned()
        };
        let difference = Difference::new(header, Some(&line(&expected)), Some(&line(&actual)));
        differences.push(difference.repair(logged(name, expected.create, actual.create)));
    }
    for (column, wanted, found) in pair(&expected.columns, &actual.columns) {
        let mut difference = self::column(name, column, wanted, found);
        // ADD COLUMN puts the column at the end. That is no repair if a column that belongs after it exists already.
        let after = expected.columns.iter().skip_while(|(known, _)| *known != column);
        if found.is_none() && after.into_iter().any(|(known, _)| actual.columns.iter().any(|(there, _)| known == there))
        {
            difference.repair = None;
        }
        differences.push(difference);
    }
    differences.extend(order(header, &expected.columns, &actual.columns));
    for (constraint, wanted, found) in pair(&expected.constraints, &actual.constraints) {
        let add = wanted.map(|definition| format!("ALTER TABLE {name} ADD {definition};"));
        let drop = found.map(|_| format!("ALTER TABLE {name} DROP CONSTRAINT {constraint};"));
        let repair = match (wanted, found, drop, add) {
            (Some(wanted), Some(found), ..) if found.strip_suffix(" NOT VALID") == Some(wanted) => {
                format!("ALTER TABLE {name} VALIDATE CONSTRAINT {constraint};")
            }
            (_, _, Some(drop), Some(add)) => format!("{drop}\n{add}"),
            (_, _, drop, add) => drop.or(add).unwrap_or_default(),
        };
        let object = format!("constraint {constraint} on {name}");
        // A constraint that is dropped and created again has lost its comment.
        let comment =
            comments.iter().find(|(aspect, _)| found.is_some() && aspect.object == format!("comment on {object}"));
        let repair = comment.map_or_else(|| repair.clone(), |(_, comment)| format!("{repair}\n{comment}"));
        differences.push(Difference::new(&object, wanted, found).repair(Some(repair)));
    }
    differences
}

/// Removes CREATE TABLE and the constraints that are added to it from the statements, and returns them.
fn take(statements: &mut Vec<(Aspect, String)>) -> (String, Vec<String>) {
    let (mut create, mut added) = (String::new(), Vec::new());
    statements.retain(|(aspect, statement)| {
        if aspect.object.starts_with("constraint ") {
            added.push(statement.clone());
        } else if statement.starts_with("CREATE ") && create.is_empty() {
            create.clone_from(statement);
        } else {
            return true;
        }
        false
    });
    (create, added)
}

fn parts(statement: &str) -> Option<Parts<'_>> {
    let (mut open, mut depth) = (None, 0_usize);
    let close = tokens(statement).find(|token| {
        match token.text {
            "(" => {
                open = open.or(Some(token.start));
                depth += 1;
            }
            ")" if depth <= 1 => return true,
            ")" => depth -= 1,
            _ => {}
        }
        false
    })?;
    let list = statement.get(open? + 1..close.start)?;
    let (mut columns, mut constraints) = (Vec::new(), Vec::new());
    for item in items(list) {
        match added(item) {
            Some(constraint) => constraints.push(constraint),
            None => columns.push((*words(item).first()?, item)),
        }
    }
    let before = &statement[..open?];
    let create = &before[..before.find("TABLE")? + "TABLE".len()];
    Some(Parts { create, columns, constraints, options: statement[close.end()..].trim_end_matches(';').trim() })
}

/// Returns the name and the definition of `CONSTRAINT name definition`, inside CREATE TABLE or in ALTER TABLE.
fn added(text: &str) -> Option<(&str, &str)> {
    let start = if text.starts_with("CONSTRAINT ") {
        0
    } else {
        text.find(" ADD CONSTRAINT ").filter(|_| text.starts_with("ALTER ")).map(|at| at + 5)?
    };
    let definition = text[start..].trim_end_matches(';');
    Some((words(definition).get(1).copied()?, definition))
}

/// Pairs the items of two lists by their names, and returns the pairs that differ. One side of a pair may be missing.
fn pair<'t>(
    expected: &[(&'t str, &'t str)],
    actual: &[(&'t str, &'t str)],
) -> Vec<(&'t str, Option<&'t str>, Option<&'t str>)> {
    let find =
        |list: &[(&'t str, &'t str)], name: &str| list.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
    let mut pairs: Vec<_> = expected.iter().map(|(name, text)| (*name, Some(*text), find(actual, name))).collect();
    let extra = actual.iter().filter(|(name, _)| find(expected, name).is_none());
    pairs.extend(extra.map(|(name, text)| (*name, None, Some(*text))));
    pairs.retain(|(_, expected, actual)| expected != actual);
    pairs
}

/// Compares the order of the columns that both tables have.
fn order(header: &str, expected: &[(&str, &str)], actual: &[(&str, &str)]) -> Option<Difference> {
    let common = |list: &[(&str, &str)], other: &[(&str, &str)]| -> Vec<String> {
        let names = list.iter().map(|(name, _)| *name).filter(|name| other.iter().any(|(known, _)| known == name));
        names.map(str::to_owned).collect()
    };
    let (expected, actual) = (common(expected, actual).join(", "), common(actual, expected).join(", "));
    if expected == actual {
        return None;
    }
    let object = format!("column order of {header}");
    Some(Difference::new(&object, Some(&expected), Some(&actual)).detail(format!("is {actual}; expected {expected}")))
}

/// The properties of a column, as its line in CREATE TABLE states them.
#[derive(Default, PartialEq)]
struct Column {
    data_type: String,
    compression: String,
    collation: String,
    default: String,
    generated: String,
    not_null: bool,
}

impl Column {
    fn parse(line: &str) -> Self {
        let mut column = Self::default();
        let mut words = words(line);
        if words.ends_with(&["NOT", "NULL"]) {
            column.not_null = true;
            words.truncate(words.len() - 2);
        }
        let mut part = &mut column.data_type;
        let mut last = false;
        for word in words.into_iter().skip(1) {
            match word {
                "COMPRESSION" if !last => part = &mut column.compression,
                "COLLATE" if !last => part = &mut column.collation,
                // These words begin an expression, which reaches to the end.
                "DEFAULT" if !last => (part, last) = (&mut column.default, true),
                "GENERATED" if !last => (part, last) = (&mut column.generated, true),
                word => {
                    if !part.is_empty() {
                        part.push(' ');
                    }
                    part.push_str(word);
                }
            }
        }
        column
    }
}

/// Names the differences in a column, and the statements that repair them. An extra column is left to a person.
fn column(table: &str, name: &str, expected: Option<&str>, actual: Option<&str>) -> Difference {
    let difference = Difference::new(&format!("column {table}.{name}"), expected, actual);
    let (Some(expected), Some(actual)) = (expected, actual) else {
        return difference.repair(expected.map(|line| format!("ALTER TABLE {table} ADD COLUMN {line};")));
    };
    let (expected, actual) = (Column::parse(expected), Column::parse(actual));
    let alter = format!("ALTER TABLE {table} ALTER COLUMN {name}");
    let (mut details, mut repairs) = (Vec::new(), Vec::new());
    let mut differs = |what: &str, expected: &str, actual: &str, repair: Option<String>| {
        if expected != actual {
            let or_none = |text: &str| {
                if text.is_empty() { "none".to_owned() } else { text.to_owned() }
            };
            details.push(format!("{what} is {}, expected {}", or_none(actual), or_none(expected)));
            repairs.extend(repair.map(|repair| format!("{alter} {repair};")));
        }
    };
    let data_type = &expected.data_type;
    differs("type", data_type, &actual.data_type, Some(format!("TYPE {data_type}")));
    let collate = if expected.collation.is_empty() { "\"default\"" } else { &expected.collation };
    differs("collation", &expected.collation, &actual.collation, Some(format!("TYPE {data_type} COLLATE {collate}")));
    let compression = if expected.compression.is_empty() { "default" } else { &expected.compression };
    differs("compression", &expected.compression, &actual.compression, Some(format!("SET COMPRESSION {compression}")));
    let default = &expected.default;
    let set = if default.is_empty() { "DROP DEFAULT".to_owned() } else { format!("SET DEFAULT {default}") };
    differs("default", default, &actual.default, Some(set));
    let identity = identity(&expected.generated, &actual.generated);
    differs("generation", &expected.generated, &actual.generated, identity);
    let null = |not_null: bool| if not_null { "NOT NULL" } else { "NULL" };
    let set = if expected.not_null { "SET NOT NULL" } else { "DROP NOT NULL" };
    differs("nullability", null(expected.not_null), null(actual.not_null), Some(set.to_owned()));
    if details.is_empty() {
        return difference;
    }
    difference.detail(details.join("; ")).repair((!repairs.is_empty()).then(|| repairs.join("\n")))
}

/// Returns the action that gives a column the expected kind of identity, or removes the identity or the expression.
/// Options of the identity's sequence are left to a person.
fn identity(expected: &str, actual: &str) -> Option<String> {
    const IDENTITY: &str = " AS IDENTITY";
    match (expected.split_once(IDENTITY), actual.split_once(IDENTITY)) {
        (Some(_), None) if actual.is_empty() => Some(format!("ADD GENERATED {expected}")),
        (Some((when, options)), Some((_, found))) if options == found => Some(format!("SET GENERATED {when}")),
        (None, Some(_)) if expected.is_empty() => Some("DROP IDENTITY".to_owned()),
        (None, None) if expected.is_empty() => Some("DROP EXPRESSION".to_owned()),
        _ => None,
    }
}

/// Returns the statement that makes a table LOGGED or UNLOGGED.
fn logged(name: &str, expected: &str, actual: &str) -> Option<String> {
    let word = if expected.contains("UNLOGGED") { "UNLOGGED" } else { "LOGGED" };
    (expected != actual).then(|| format!("ALTER TABLE {name} SET {word};"))
}
