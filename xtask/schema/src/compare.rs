//! Names the differences between two catalogs.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use similar::TextDiff;

use super::parse::{Block, blocks, statements};
use super::repair;
use super::{Catalog, NAME_ONLY, table_diff};

/// What is wrong with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DifferenceKind {
    /// The database has it and the committed schema has not.
    Extra,
    /// The committed schema has it and the database has not.
    Missing,
    /// Both have it, and not the same.
    Different,
}

impl fmt::Display for DifferenceKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Extra => "extra",
            Self::Missing => "missing",
            Self::Different => "different",
        })
    }
}

/// One object that is not as the committed schema says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What is wrong with it.
    pub kind: DifferenceKind,
    /// The object: `column public.orders.status`.
    pub object: String,
    /// What differs, where a few words say it: `type is text, expected bigint`.
    pub detail: Option<String>,
    /// Its statement in the committed schema.
    pub expected: Option<String>,
    /// Its statement in the database.
    pub actual: Option<String>,
    /// The statement that makes the database as expected. There is none where data would be lost.
    pub repair: Option<String>,
}

impl Difference {
    /// A difference between two statements, one of which may be missing.
    pub(super) fn new(object: &str, expected: Option<&str>, actual: Option<&str>) -> Self {
        let kind = match (expected, actual) {
            (_, None) => DifferenceKind::Missing,
            (None, _) => DifferenceKind::Extra,
            _ => DifferenceKind::Different,
        };
        let (expected, actual) = (expected.map(str::to_owned), actual.map(str::to_owned));
        Self { kind, object: object.to_owned(), detail: None, expected, actual, repair: None }
    }

    /// The same with the words that say what differs.
    pub(super) fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// The same with the statement that repairs it.
    pub(super) fn repair(self, repair: Option<String>) -> Self {
        Self { repair, ..self }
    }

    /// The lines that differ, with `-` for what is expected and `+` for what is there.
    pub fn diff(&self) -> Vec<String> {
        let line_end = |text: &Option<String>| text.as_ref().map_or_else(String::new, |text| format!("{text}\n"));
        let (expected, actual) = (line_end(&self.expected), line_end(&self.actual));
        let diff = TextDiff::from_lines(&expected, &actual);
        let unified = diff.unified_diff().context_radius(1).to_string();
        unified.lines().filter(|line| !line.starts_with("@@")).map(str::to_owned).collect()
    }
}

impl fmt::Display for Difference {
    /// One line with the object, then what differs and the statement that repairs it, indented.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind, self.object)?;
        if let Some(detail) = &self.detail {
            write!(formatter, ": {detail}")?;
        } else if self.kind == DifferenceKind::Different {
            for line in self.diff() {
                write!(formatter, "\n    {line}")?;
            }
        }
        if let Some(repair) = &self.repair {
            formatter.write_str("\n  repair:")?;
            for line in repair.lines() {
                write!(formatter, "\n    {line}")?;
            }
        }
        Ok(())
    }
}

/// Names every object in which a database differs from the committed schema. None are named exactly where the texts
/// are equal.
pub fn compare(expected: &Catalog, actual: &Catalog) -> Vec<Difference> {
    if expected.text == actual.text {
        return Vec::new();
    }
    let (expected_blocks, actual_blocks) = (blocks(&expected.text), blocks(&actual.text));
    let by_header = |blocks: &[Block]| -> BTreeMap<String, String> {
        blocks.iter().map(|block| (block.header.clone(), block.body.clone())).collect()
    };
    let (expected_bodies, actual_bodies) = (by_header(&expected_blocks), by_header(&actual_blocks));

    let mut differences = Vec::new();
    let mut seen = HashSet::new();
    for block in expected_blocks.iter().chain(&actual_blocks).filter(|block| seen.insert(&block.header)) {
        let header = &block.header;
        match (expected_bodies.get(header), actual_bodies.get(header)) {
            (Some(expected), Some(actual)) if expected == actual => {}
            (Some(expected), Some(actual)) if header.is_empty() => {
                differences.push(Difference::new("head of the schema file", Some(expected), Some(actual)));
            }
            (Some(expected), Some(actual)) => differences.extend(object(header, expected, actual)),
            (expected, actual) => {
                let name =
                    if header.is_empty() { "head of the schema file" } else { header.trim_end_matches(NAME_ONLY) };
                let (expected, actual) = (expected.map(String::as_str), actual.map(String::as_str));
                let repair = repair::object(header, expected, actual);
                differences.push(Difference::new(name, expected, actual).repair(repair));
            }
        }
    }
    if differences.is_empty() {
        differences.push(unnamed(expected, actual));
    }
    differences
}

/// What can't be named, such as the order of the objects in an edited file, is a difference all the same.
fn unnamed(expected: &Catalog, actual: &Catalog) -> Difference {
    let lines = expected.text.lines().zip(actual.text.lines());
    let line = lines.take_while(|(expected, actual)| expected == actual).count();
    let nth = |text: &str| text.lines().nth(line).unwrap_or("<end of the text>").to_owned();
    let (expected, actual) = (nth(&expected.text), nth(&actual.text));
    Difference::new("text of the schema", Some(&expected), Some(&actual))
        .detail(format!("the objects are the same, and the texts differ from line {} on", line + 1))
}

/// The differences within one object that both have.
fn object(header: &str, body: &str, actual: &str) -> Vec<Difference> {
    let (mut expected, mut actual) = (named(header, body), named(header, actual));
    let mut differences = Vec::new();
    if header.starts_with("table ") {
        differences.extend(table_diff::table(header, &mut expected, &mut actual));
    }
    let mut keys: Vec<&Aspect> = expected.iter().map(|(aspect, _)| aspect).collect();
    keys.extend(
        actual.iter().map(|(aspect, _)| aspect).filter(|aspect| !expected.iter().any(|(known, _)| known == *aspect)),
    );
    for key in keys {
        let find = |side: &[(Aspect, String)]| {
            let found: Vec<_> =
                side.iter().filter(|(aspect, _)| aspect == key).map(|(_, text)| text.as_str()).collect();
            (!found.is_empty()).then(|| found.join("\n"))
        };
        let (expected, actual) = (find(&expected), find(&actual));
        if expected != actual {
            let mut difference = Difference::new(&key.object, expected.as_deref(), actual.as_deref());
            difference.repair = repair::statement(header, body, key, expected.as_deref(), actual.as_deref());
            if !key.of.is_empty() {
                // The object is there on both sides; it is one of its properties that is not.
                difference.kind = DifferenceKind::Different;
                let is = repair::value(key.of, actual.as_deref());
                let expected = repair::value(key.of, expected.as_deref());
                difference.detail = Some(format!("{} is {is}, expected {expected}", key.of));
            }
            differences.push(difference);
        }
    }
    differences
}

/// What a statement says something about: an object, or a property of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Aspect {
    /// The object.
    pub(super) object: String,
    /// The property; empty for the object itself.
    pub(super) of: &'static str,
}

/// The statements of an object with what each of them is about.
fn named(header: &str, body: &str) -> Vec<(Aspect, String)> {
    let statements = statements(body).into_iter();
    statements.map(|statement| (repair::aspect(header, statement), statement.to_owned())).collect()
}
