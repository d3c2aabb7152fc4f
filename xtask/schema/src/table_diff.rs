//! Names the differences between two tables, column by column and constraint by constraint.

use super::column_diff;
use super::compare::{Aspect, Difference};
use super::parse::{items, statements, words};
use super::repair::{self, Repair};
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

/// A table's column or constraint comes from the table that it is a partition of.
const PARTITION: Repair = Repair::Not("the table is a partition, so this has to be repaired in its parent");

/// Names the differences between two tables with one name, and removes CREATE TABLE and ADD CONSTRAINT from the lists.
/// `body` has all expected statements.
pub(super) fn table(
    header: &str,
    body: &str,
    expected: &mut Vec<(Aspect, String)>,
    actual: &mut Vec<(Aspect, String)>,
) -> Vec<Difference> {
    let name = header.trim_start_matches("table ");
    let partition = expected.iter().any(|(aspect, _)| aspect.of == "partition");
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
        differences.push(difference.repair(options(name, &expected, &actual)));
    }
    let constraints = constraints(name, body, &expected, &actual, partition);
    // The columns of an extra key can't be made nullable.
    let (extra, others): (Vec<_>, Vec<_>) = constraints.into_iter().partition(|found| found.expected.is_none());
    differences.extend(extra);
    for (column, wanted, found) in pair(&expected.columns, &actual.columns) {
        let mut difference = column_diff::column(name, body, column, wanted, found);
        // ADD COLUMN puts the column at the end. That is no repair if a column that belongs after it exists already.
        let after = expected.columns.iter().skip_while(|(known, _)| *known != column);
        let later = after.into_iter().any(|(known, _)| actual.columns.iter().any(|(there, _)| known == there));
        if found.is_none() && later {
            difference = difference.repair(Repair::Not("a column can be added only at the end"));
        }
        if partition && (wanted.is_none() || found.is_none() || column_diff::changes_type(wanted, found)) {
            difference = difference.repair(PARTITION);
        }
        differences.push(difference);
    }
    differences.extend(order(header, &expected.columns, &actual.columns));
    differences.extend(others);
    differences
}

/// Names the differences between the constraints of two tables.
fn constraints(name: &str, body: &str, expected: &Parts<'_>, actual: &Parts<'_>, partition: bool) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (constraint, wanted, found) in pair(&expected.constraints, &actual.constraints) {
        let object = format!("constraint {constraint} on {name}");
        let drop = || format!("ALTER TABLE {name} DROP CONSTRAINT {constraint};");
        let repair = match (wanted, found) {
            _ if partition => PARTITION,
            (Some(wanted), Some(found)) if found.strip_suffix(" NOT VALID") == Some(wanted) => {
                let validate = format!("ALTER TABLE {name} VALIDATE CONSTRAINT {constraint};");
                Repair::warned(repair::failure(wanted), validate)
            }
            (Some(wanted), found) => {
                let mut all = Vec::from_iter(found.map(|_| drop()));
                all.push(format!("ALTER TABLE {name} ADD {wanted};"));
                all.extend(found.into_iter().flat_map(|_| with_constraint(name, body, constraint)));
                Repair::warned(repair::failure(wanted), all.join("\n"))
            }
            (None, Some(found)) if found.contains(" PRIMARY KEY ") || found.contains(" UNIQUE ") => {
                Repair::warned("fails if a foreign key needs it", drop())
            }
            (None, _) => Repair::exact(drop()),
        };
        differences.push(Difference::new(&object, wanted, found).repair(repair));
    }
    differences
}

/// Returns the statements about a constraint and its index, which are lost if the constraint is made again.
fn with_constraint(table: &str, body: &str, constraint: &str) -> Vec<String> {
    let schema = table.find('.').map_or("", |dot| &table[..=dot]);
    let index = format!("{schema}{constraint}");
    let about = [
        format!("COMMENT ON CONSTRAINT {constraint} ON {table} IS "),
        format!("COMMENT ON INDEX {index} IS "),
        format!("ALTER INDEX {index} SET ("),
        format!("ALTER TABLE {table} CLUSTER ON {constraint};"),
        format!("ALTER TABLE ONLY {table} REPLICA IDENTITY USING INDEX {constraint};"),
    ];
    let statements = statements(body).into_iter();
    statements.filter(|statement| about.iter().any(|start| statement.starts_with(start))).map(str::to_owned).collect()
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

/// Repairs what stands before and after the list of columns.
fn options(name: &str, expected: &Parts<'_>, actual: &Parts<'_>) -> Repair {
    let with = |parts: &Parts<'_>| -> (String, Vec<String>) {
        let (before, list) = parts.options.rsplit_once("WITH (").unwrap_or((parts.options, ""));
        (before.trim_end().to_owned(), items(list.trim_end_matches(')')).into_iter().map(str::to_owned).collect())
    };
    let ((other, wanted), (found_other, found)) = (with(expected), with(actual));
    if other != found_other {
        return Repair::Not(
            "a table can't be given another parent, key of its partitions or access method without its rows",
        );
    }
    let mut statements = Vec::new();
    let mut warning = "";
    if expected.create != actual.create {
        let word = if expected.create.contains("UNLOGGED") { "UNLOGGED" } else { "LOGGED" };
        statements.push(format!("ALTER TABLE {name} SET {word};"));
        warning = "fails if a foreign key links it with a table that isn't so";
    }
    if wanted != found {
        statements.push(repair::set_options(&format!("ALTER TABLE {name}"), &wanted, &found));
    }
    Repair::warned(warning, statements.join("\n"))
}
