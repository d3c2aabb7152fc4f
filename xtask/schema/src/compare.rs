//! Names the differences between two catalogs.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use similar::TextDiff;

use super::parse::{Block, blocks, statements};
use super::repair;
use super::{Catalog, NAME_ONLY, privileges, table_diff};

/// The way in which an object differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DifferenceKind {
    /// The database has the object, and the committed schema doesn't.
    Extra,
    /// The committed schema has the object, and the database doesn't.
    Missing,
    /// Both have the object, but with different definitions.
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

/// One object that differs from the committed schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The way in which the object differs.
    pub kind: DifferenceKind,
    /// The object, for example `column public.orders.status`.
    pub object: String,
    /// The difference, if a few words can describe it, for example `type is text, expected bigint`.
    pub detail: Option<String>,
    /// The object's statement in the committed schema.
    pub expected: Option<String>,
    /// The object's statement in the database.
    pub actual: Option<String>,
    /// The statement that repairs the database. There is none if data would be lost.
    pub repair: Option<String>,
}

impl Difference {
    /// Makes a difference between two statements. One of them may be missing.
    pub(super) fn new(object: &str, expected: Option<&str>, actual: Option<&str>) -> Self {
        let kind = match (expected, actual) {
            (_, None) => DifferenceKind::Missing,
            (None, _) => DifferenceKind::Extra,
            _ => DifferenceKind::Different,
        };
        let (expected, actual) = (expected.map(str::to_owned), actual.map(str::to_owned));
        Self { kind, object: object.to_owned(), detail: None, expected, actual, repair: None }
    }

    /// Adds the words that describe the difference.
    pub(super) fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// Adds the statement that repairs the difference.
    pub(super) fn repair(self, repair: Option<String>) -> Self {
        Self { repair, ..self }
    }

    /// Returns whether it is about owners and privileges.
    #[must_use]
    pub fn is_of_privileges(&self) -> bool {
        privileges::is_header(&self.object)
    }

    /// Puts the name of the URL's role into the repair, where the text of a catalog has no name for it. `role` is quoted.
    #[must_use]
    pub fn for_role(self, role: &str) -> Self {
        let repair = self.repair.as_deref().filter(|_| self.is_of_privileges());
        match repair.map(|repair| privileges::with_role(repair, role)) {
            Some(repair) => Self { repair: Some(repair), ..self },
            None => self,
        }
    }

    /// Returns the lines that differ. `-` marks an expected line, and `+` marks a line of the database.
    pub fn diff(&self) -> Vec<String> {
        let line_end = |text: &Option<String>| text.as_ref().map_or_else(String::new, |text| format!("{text}\n"));
        let (expected, actual) = (line_end(&self.expected), line_end(&self.actual));
        let diff = TextDiff::from_lines(&expected, &actual);
        let unified = diff.unified_diff().context_radius(1).to_string();
        unified.lines().filter(|line| !line.starts_with("@@")).map(str::to_owned).collect()
    }
}

impl fmt::Display for Difference {
    /// Writes one line with the object, and then, indented, the difference and the statement that repairs it.
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

/// Names every object in which a database differs from the committed schema. The list is empty if the texts are equal,
/// and only then.
pub fn compare(expected: &Catalog, actual: &Catalog) -> Vec<Difference> {
    if expected.text == actual.text {
        return Vec::new();
    }
    let (expected, actual) = expected.with_common_versions(actual);
    if expected == actual {
        return Vec::new();
    }
    let (expected, actual) = (&Catalog { text: expected }, &Catalog { text: actual });
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
            (expected, actual) if privileges::is_header(header) => {
                let (expected, actual) = (expected.map(String::as_str), actual.map(String::as_str));
                differences.push(privileges::difference(header, expected, actual));
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

/// Reports a difference that is in no object, for example in the order of the objects in an edited file.
fn unnamed(expected: &Catalog, actual: &Catalog) -> Difference {
    let lines = expected.text.lines().zip(actual.text.lines());
    let line = lines.take_while(|(expected, actual)| expected == actual).count();
    let nth = |text: &str| text.lines().nth(line).unwrap_or("<end of the text>").to_owned();
    let (expected, actual) = (nth(&expected.text), nth(&actual.text));
    Difference::new("text of the schema", Some(&expected), Some(&actual))
        .detail(format!("the objects are the same, but the texts differ from line {} on", line + 1))
}

/// Names the differences within one object that both sides have.
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
                // Both sides have the object. Only a property of it may be missing on one side.
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

/// The subject of a statement: an object, or a property of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Aspect {
    /// The object.
    pub(super) object: String,
    /// The property. It is empty for the object itself.
    pub(super) of: &'static str,
}

/// Returns the statements of an object, each with its subject.
fn named(header: &str, body: &str) -> Vec<(Aspect, String)> {
    let statements = statements(body).into_iter();
    statements.map(|statement| (repair::aspect(header, statement), statement.to_owned())).collect()
}
