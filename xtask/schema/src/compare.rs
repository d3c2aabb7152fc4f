//! Names the differences between two catalogs.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use similar::TextDiff;

use super::parse::{Block, blocks, statements};
use super::repair::{self, Repair};
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
    /// What repairs the database. `None` means that nobody wants to know.
    pub repair: Option<Repair>,
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
        let repair = Some(Repair::Not("no statement is known that repairs it"));
        Self { kind, object: object.to_owned(), detail: None, expected, actual, repair }
    }

    /// Adds the words that describe the difference.
    pub(super) fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// Adds what repairs the difference.
    pub(super) fn repair(self, repair: Repair) -> Self {
        Self { repair: Some(repair), ..self }
    }

    /// Returns whether it is about owners and privileges.
    #[must_use]
    pub fn is_of_privileges(&self) -> bool {
        privileges::is_header(&self.object)
    }

    /// Puts the name of the URL's role into the repair, where the text of a catalog has no name for it. `role` is quoted.
    #[must_use]
    pub fn for_role(self, role: &str) -> Self {
        match &self.repair {
            Some(Repair::Statements(statements)) if self.is_of_privileges() => {
                let repair = Repair::Statements(privileges::with_role(statements, role));
                self.repair(repair)
            }
            _ => self,
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
    /// Writes one line with the object, and then, indented, the difference and what repairs it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind, self.object)?;
        if let Some(detail) = &self.detail {
            write!(formatter, ": {detail}")?;
        } else if self.kind == DifferenceKind::Different {
            for line in self.diff() {
                write!(formatter, "\n    {line}")?;
            }
        }
        match &self.repair {
            Some(Repair::Statements(statements)) => {
                formatter.write_str("\n  repair:")?;
                statements.lines().try_for_each(|line| write!(formatter, "\n    {line}"))
            }
            Some(Repair::Not(reason)) => write!(formatter, "\n  no repair: {reason}"),
            None => Ok(()),
        }
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
    for header in expected_blocks.iter().map(|block| &block.header).filter(|header| seen.insert(*header)) {
        match (expected_bodies.get(header), actual_bodies.get(header)) {
            (Some(expected), Some(actual)) if expected == actual => {}
            (Some(expected), Some(actual)) if header.is_empty() => {
                differences.push(Difference::new("head of the schema file", Some(expected), Some(actual)));
            }
            (Some(expected), actual) if privileges::is_header(header) => {
                differences.push(privileges::difference(header, Some(expected), actual.map(String::as_str)));
            }
            (Some(expected), Some(actual)) => {
                let mut found = object(header, expected, actual);
                // The trigger of a partitioned table takes those of the partitions with it.
                let of_partitions = header.split(" on ").next().map(|trigger| format!("partition {trigger} on "));
                let has_partitions = of_partitions.is_some_and(|start| {
                    expected_bodies.range(start.clone()..).next().is_some_and(|(known, _)| known.starts_with(&start))
                });
                if header.starts_with("trigger ") && has_partitions {
                    let of_trigger = found.iter_mut().filter(|difference| difference.object == *header);
                    let reason = "the state of the trigger in a partition would be lost";
                    of_trigger.for_each(|difference| difference.repair = Some(Repair::Not(reason)));
                }
                differences.extend(found);
            }
            (expected, _) => differences.push(alone(header, expected, None)),
        }
    }
    // Objects are written after what they need, so they can be dropped in the opposite order. What needs others is dropped
    // before the others are changed, and what is needed when nothing needs it any more.
    let extra = actual_blocks.iter().rev().map(|block| &block.header).filter(|header| seen.insert(*header));
    let (last, first): (Vec<_>, Vec<_>) = extra.partition(|header| repair::is_needed(header));
    let alone = |header: &String| alone(header, None, actual_bodies.get(header));
    differences.splice(0..0, first.into_iter().map(alone));
    differences.extend(last.into_iter().map(alone));
    if differences.is_empty() {
        differences.push(unnamed(expected, actual));
    }
    differences
}

/// Reports an object that only one side has.
fn alone(header: &str, expected: Option<&String>, actual: Option<&String>) -> Difference {
    let name = if header.is_empty() { "head of the schema file" } else { header.trim_end_matches(NAME_ONLY) };
    let (expected, actual) = (expected.map(String::as_str), actual.map(String::as_str));
    if privileges::is_header(header) {
        return privileges::difference(header, expected, actual);
    }
    let difference = Difference::new(name, expected, actual);
    if header.is_empty() { difference } else { difference.repair(repair::object(header, expected, actual)) }
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
        differences.extend(table_diff::table(header, body, &mut expected, &mut actual));
    }
    let mut seen = HashSet::new();
    let keys = expected.iter().chain(&actual).map(|(aspect, _)| aspect).filter(|aspect| seen.insert(*aspect));
    for key in keys {
        let find = |side: &[(Aspect, String)]| {
            let found: Vec<_> =
                side.iter().filter(|(aspect, _)| aspect == key).map(|(_, text)| text.as_str()).collect();
            (!found.is_empty()).then(|| found.join("\n"))
        };
        let (expected, actual) = (find(&expected), find(&actual));
        if expected != actual {
            let mut difference = Difference::new(&key.object, expected.as_deref(), actual.as_deref());
            difference.repair = Some(repair::statement(header, body, key, expected.as_deref(), actual.as_deref()));
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
