//! Names the differences between two columns of one name.

use super::compare::Difference;
use super::parse::{statements, words};
use super::repair::Repair;

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

/// Returns whether two lines of a column have different types, collations or ways to make values.
pub(super) fn changes_type(expected: Option<&str>, actual: Option<&str>) -> bool {
    let [expected, actual] = [expected, actual].map(|line| line.map(Column::parse).unwrap_or_default());
    (expected.data_type, expected.collation, expected.generated)
        != (actual.data_type, actual.collation, actual.generated)
}

/// The statements that repair a column, in the order in which they have to run.
#[derive(Default)]
struct Repairs {
    warnings: Vec<String>,
    statements: Vec<String>,
    /// The reason why there are none.
    not: Option<&'static str>,
}

impl Repairs {
    fn add(&mut self, warning: &str, statement: String) {
        self.warnings.extend((!warning.is_empty()).then(|| format!("-- {warning}")));
        self.statements.push(statement);
    }
}

/// Names the differences in a column, and what repairs them. An extra column is left to a person.
pub(super) fn column(table: &str, body: &str, name: &str, expected: Option<&str>, actual: Option<&str>) -> Difference {
    let difference = Difference::new(&format!("column {table}.{name}"), expected, actual);
    let (Some(line), Some(actual)) = (expected, actual) else {
        let Some(line) = expected else { return difference.repair(Repair::Not("it may hold data")) };
        let column = Column::parse(line);
        let fails = column.not_null && column.default.is_empty() && column.generated.is_empty();
        let warning = if fails { "fails if the table has rows, because there is no default" } else { "" };
        return difference.repair(Repair::warned(warning, format!("ALTER TABLE {table} ADD COLUMN {line};")));
    };
    let (expected, actual) = (Column::parse(line), Column::parse(actual));
    let mut details = Vec::new();
    let mut differs = |what: &str, expected: &str, actual: &str| {
        let or_none = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
        if expected != actual {
            details.push(format!("{what} is {}, expected {}", or_none(actual), or_none(expected)));
        }
    };
    differs("type", &expected.data_type, &actual.data_type);
    differs("collation", &expected.collation, &actual.collation);
    differs("compression", &expected.compression, &actual.compression);
    differs("default", &expected.default, &actual.default);
    differs("generation", &expected.generated, &actual.generated);
    let null = |not_null: bool| if not_null { "NOT NULL" } else { "NULL" };
    differs("nullability", null(expected.not_null), null(actual.not_null));
    if details.is_empty() {
        return difference.repair(Repair::Not("the two are written in different ways"));
    }
    let repairs = repairs(table, body, name, &expected, &actual);
    let repair = match repairs.not {
        Some(reason) => Repair::Not(reason),
        None => Repair::Statements([repairs.warnings, repairs.statements].concat().join("\n")),
    };
    difference.detail(details.join("; ")).repair(repair)
}

fn repairs(table: &str, body: &str, name: &str, expected: &Column, actual: &Column) -> Repairs {
    let alter = format!("ALTER TABLE {table} ALTER COLUMN {name}");
    let mut repairs = Repairs::default();
    let (wanted, found) = (Generation::of(&expected.generated), Generation::of(&actual.generated));
    if wanted != found {
        match found {
            Generation::None => {}
            Generation::Identity { .. } if matches!(wanted, Generation::Identity { .. }) => {}
            Generation::Identity { .. } => {
                let warning = "loses data: the position of the sequence behind the identity";
                repairs.add(warning, format!("{alter} DROP IDENTITY;"));
            }
            Generation::Stored if wanted == Generation::None => repairs.add("", format!("{alter} DROP EXPRESSION;")),
            _ => repairs.not = Some("what generates a column can't be changed without its values"),
        }
    }
    let data_type = &expected.data_type;
    if (data_type, &expected.collation) != (&actual.data_type, &actual.collation) {
        match conversion(&actual.data_type, data_type) {
            Some(warning) => repairs.add(warning, format!("{alter} TYPE {data_type}{};", collate(expected))),
            None => repairs.not = Some("no conversion between the two types is known to keep the values"),
        }
        // The server gives the column the storage and the compression of its new type.
        let storage = format!("ALTER TABLE ONLY {table} ALTER COLUMN {name} SET STORAGE ");
        let storage = statements(body).into_iter().find(|statement| statement.starts_with(&storage));
        repairs.statements.extend(storage.map(str::to_owned));
    }
    let retyped = data_type != &actual.data_type || expected.collation != actual.collation;
    if expected.compression != actual.compression || retyped && !expected.compression.is_empty() {
        let compression = if expected.compression.is_empty() { "default" } else { &expected.compression };
        repairs.add("", format!("{alter} SET COMPRESSION {compression};"));
    }
    if expected.default != actual.default {
        let default = &expected.default;
        let set = if default.is_empty() { "DROP DEFAULT".to_owned() } else { format!("SET DEFAULT {default}") };
        repairs.add("", format!("{alter} {set};"));
    }
    if expected.not_null && !actual.not_null {
        repairs.add("fails if a row has NULL", format!("{alter} SET NOT NULL;"));
    }
    match (&wanted, &found) {
        (Generation::Identity { when, options }, Generation::Identity { options: actual_options, .. })
            if wanted != found =>
        {
            match options == actual_options {
                true => repairs.add("", format!("{alter} SET GENERATED {when};")),
                false => repairs.not = Some("the sequence behind the identity has other options"),
            }
        }
        (Generation::Identity { options, .. }, Generation::None | Generation::Stored) => {
            repairs.add("", format!("{alter} ADD GENERATED {};", expected.generated));
            repairs.statements.push(go_on(table, name, options));
        }
        (Generation::Stored | Generation::Virtual, Generation::None) => {
            repairs.not = Some("a column that exists can't be made a generated one");
        }
        _ => {}
    }
    if !expected.not_null && actual.not_null {
        repairs.add("", format!("{alter} DROP NOT NULL;"));
    }
    repairs
}

/// Returns the statement after which an identity goes on behind the numbers that the rows have.
fn go_on(table: &str, name: &str, options: &str) -> String {
    let quote = |text: &str| text.replace('\'', "''");
    let falls = options.contains("INCREMENT BY -");
    let (last, than) = if falls { ("min", "<") } else { ("max", ">") };
    let start =
        options.split_once("START WITH ").or_else(|| options.split_once(if falls { "MAXVALUE " } else { "MINVALUE " }));
    let start = start.and_then(|(_, rest)| rest.split([' ', ')']).next()).unwrap_or(if falls { "-1" } else { "1" });
    let sequence = format!("pg_get_serial_sequence('{}', '{}')", quote(table), quote(&super::model::unquote(name)));
    format!("SELECT setval({sequence}, {last}({name})) FROM {table} HAVING {last}({name}) {than}= {start};")
}

fn collate(column: &Column) -> String {
    let collation = if column.collation.is_empty() { "\"default\"" } else { &column.collation };
    let has_collation = ["text", "character", "name", "\"char\""];
    if column.collation.is_empty() && !has_collation.iter().any(|word| column.data_type.starts_with(word)) {
        return String::new();
    }
    format!(" COLLATE {collation}")
}

/// What makes the values of a column.
#[derive(PartialEq, Eq)]
enum Generation {
    None,
    Identity { when: String, options: String },
    Stored,
    Virtual,
}

impl Generation {
    fn of(text: &str) -> Self {
        match text.split_once(" AS IDENTITY") {
            Some((when, options)) => Self::Identity { when: when.to_owned(), options: options.to_owned() },
            None if text.is_empty() => Self::None,
            None if text.ends_with(" STORED") => Self::Stored,
            None => Self::Virtual,
        }
    }
}

/// Returns when the conversion of a column loses data or fails, or `None` if it isn't known to keep the values.
fn conversion(from: &str, to: &str) -> Option<&'static str> {
    const LOSES: &str = "loses data: digits or characters that the type has no room for are cut off or rounded; fails if a value is too large";
    const NUMBERS: [&str; 4] = ["smallint", "integer", "bigint", "numeric"];
    let base = |text: &str| text.split('(').next().unwrap_or_default().to_owned();
    let size = |text: &str| -> Vec<i64> {
        let list = text.split_once('(').and_then(|(_, list)| list.strip_suffix(')')).unwrap_or_default();
        list.split(',').filter_map(|number| number.trim().parse().ok()).collect()
    };
    let (from_base, to_base, from_size, to_size) = (base(from), base(to), size(from), size(to));
    let number = |name: &str| NUMBERS.iter().position(|known| *known == name);
    let text = |name: &str| matches!(name, "text" | "character varying");
    if from == to {
        return Some("");
    }
    if let (Some(narrow), Some(wide)) = (number(&from_base), number(&to_base)) {
        let fits = match (from_size.as_slice(), to_size.as_slice()) {
            (_, []) => narrow <= wide,
            ([digits, places], [to_digits, to_places]) => {
                places <= to_places && digits - places <= to_digits - to_places
            }
            _ => false,
        };
        return Some(if fits { "" } else { LOSES });
    }
    if text(&from_base) && text(&to_base) {
        let fits = match (from_size.first(), to_size.first()) {
            (_, None) => true,
            (Some(from), Some(to)) => from <= to,
            (None, Some(_)) => false,
        };
        return Some(if fits { "" } else { LOSES });
    }
    None
}
