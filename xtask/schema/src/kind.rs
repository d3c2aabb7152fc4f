//! The kinds of objects: the order in which they are written, and how they are dropped or replaced.
//!
//! A new kind is a new row of `KINDS`.

/// The groups of kinds, in the order in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Schema,
    Extension,
    Type,
    Routine,
    Sequence,
    /// A table, followed by its indexes, rules, triggers and so on.
    Table,
    /// An index of a partitioned table. It follows the partitions. If it came first, each partition would get another
    /// index when it is attached.
    PartitionedIndex,
    ForeignKey,
    View,
    EventTrigger,
    Other,
}

/// The statement that drops an object. A kind that holds data has none.
#[derive(Clone, Copy)]
enum Dropped {
    /// `DROP KIND name`.
    ByName,
    /// `DROP KIND name ON table`, where the header is `kind name on table`.
    OnTable,
    /// `DROP KIND name`, where the header is `kind name on table`.
    WithoutTable,
    /// `ALTER TABLE table DROP CONSTRAINT name`, where the header is `kind name on table`.
    Constraint,
}

/// The ways in which a changed definition replaces the old one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Replaced {
    /// No statement is right in all cases.
    No,
    /// The definition itself replaces the old one.
    ByItself,
    /// `CREATE OR REPLACE` replaces the old one.
    OrReplace,
    /// The object is dropped and created again, with its comment and its state.
    Anew,
    /// The missing labels are added.
    Labels,
}

/// A kind of object.
pub(super) struct Kind {
    /// The words that headers begin with.
    word: &'static str,
    dropped: Option<Dropped>,
    pub(super) replaced: Replaced,
}

/// The kinds that can be dropped or replaced. The others hold data, or this program doesn't know their statements.
const KINDS: [Kind; 14] = [
    Kind::new("function", Some(Dropped::ByName), Replaced::ByItself),
    Kind::new("procedure", Some(Dropped::ByName), Replaced::ByItself),
    Kind::new("view", Some(Dropped::ByName), Replaced::OrReplace),
    // It would lose its indexes if it were created again.
    Kind::new("materialized view", Some(Dropped::ByName), Replaced::No),
    Kind::new("domain", Some(Dropped::ByName), Replaced::No),
    Kind::new("enum", None, Replaced::Labels),
    Kind::new("index", Some(Dropped::ByName), Replaced::Anew),
    Kind::new("event trigger", Some(Dropped::ByName), Replaced::Anew),
    Kind::new("statistics", Some(Dropped::WithoutTable), Replaced::Anew),
    Kind::new("trigger", Some(Dropped::OnTable), Replaced::Anew),
    Kind::new("rule", Some(Dropped::OnTable), Replaced::Anew),
    Kind::new("policy", Some(Dropped::OnTable), Replaced::Anew),
    Kind::new("foreign key", Some(Dropped::Constraint), Replaced::Anew),
    Kind::new("constraint", Some(Dropped::Constraint), Replaced::No),
];

impl Kind {
    const fn new(word: &'static str, dropped: Option<Dropped>, replaced: Replaced) -> Self {
        Self { word, dropped, replaced }
    }

    /// Returns the kind of the object below a header, and the rest of the header.
    pub(super) fn of(header: &str) -> Option<(&'static Self, &str)> {
        // "function of access method" is a part of an operator family.
        KINDS
            .iter()
            .filter(|_| !header.starts_with("function of "))
            .find_map(|kind| Some((kind, header.strip_prefix(kind.word)?.strip_prefix(' ')?)))
    }
}

/// Returns the statement that drops the object below a header, unless data would be lost.
pub(super) fn drop_statement(header: &str) -> Option<String> {
    let (kind, rest) = Kind::of(header)?;
    let on_table = || rest.rsplit_once(" on ");
    let name = match kind.dropped? {
        Dropped::ByName => rest.to_owned(),
        Dropped::WithoutTable => on_table()?.0.to_owned(),
        Dropped::OnTable => {
            let (name, table) = on_table()?;
            format!("{name} ON {table}")
        }
        Dropped::Constraint => {
            let (name, table) = on_table()?;
            return Some(format!("ALTER TABLE {table} DROP CONSTRAINT {name};"));
        }
    };
    Some(format!("DROP {} {name};", kind.word.to_uppercase()))
}
