//! The typed rows of `catalog.sql` and `unusual.sql`. Each struct has its fields in the order of the columns.

use super::error::ReadError;
use super::records::Records;

/// The number of an object. Objects in different catalogs may have the same number.
pub(super) type Oid = u32;

/// An object: the number of its catalog, and its own number there.
pub(super) type Id = (Oid, Oid);

/// The numbers of the catalogs themselves. They are the same in every version of PostgreSQL.
pub(super) mod class {
    pub(crate) const COLUMN: u32 = 1249;
    pub(crate) const DATABASE: u32 = 1262;
    pub(crate) const SETTING: u32 = 2964;
    pub(crate) const TYPE: u32 = 1247;
    pub(crate) const PROC: u32 = 1255;
    pub(crate) const RELATION: u32 = 1259;
    pub(crate) const DEFAULT: u32 = 2604;
    pub(crate) const CONSTRAINT: u32 = 2606;
    pub(crate) const SCHEMA: u32 = 2615;
    pub(crate) const RULE: u32 = 2618;
    pub(crate) const TRIGGER: u32 = 2620;
    pub(crate) const EXTENSION: u32 = 3079;
    pub(crate) const POLICY: u32 = 3256;
    pub(crate) const STATISTICS: u32 = 3381;
    pub(crate) const EVENT_TRIGGER: u32 = 3466;
    pub(crate) const DEFAULT_PRIVILEGES: u32 = 826;
}

/// That an object needs another one, or one of its columns.
#[derive(Clone, Copy)]
pub(super) struct Dependency {
    pub(super) class: Oid,
    pub(super) oid: Oid,
    pub(super) on_class: Oid,
    pub(super) on_oid: Oid,
    pub(super) on_column: i64,
    pub(super) kind: char,
}

impl Rows {
    /// All dependencies.
    pub(super) fn dependencies(&self) -> impl Iterator<Item = Dependency> {
        self.dependencies.iter().flat_map(|Dependencies { class, on_class, kind, objects }| {
            objects.iter().map(|(oid, on_oid, on_column)| Dependency {
                class: *class,
                oid: *oid,
                on_class: *on_class,
                on_oid: *on_oid,
                on_column: *on_column,
                kind: *kind,
            })
        })
    }
}

/// A value in PostgreSQL's text format. Only optional values may be NULL.
trait Field: Sized {
    fn parse(value: Option<&str>) -> Option<Self>;
}

impl Field for String {
    fn parse(value: Option<&str>) -> Option<Self> {
        value.map(str::to_owned)
    }
}

impl Field for Option<String> {
    fn parse(value: Option<&str>) -> Option<Self> {
        Some(value.filter(|text| !text.is_empty()).map(str::to_owned))
    }
}

impl Field for Oid {
    fn parse(value: Option<&str>) -> Option<Self> {
        value?.parse().ok()
    }
}

impl Field for i64 {
    fn parse(value: Option<&str>) -> Option<Self> {
        value?.parse().ok()
    }
}

impl Field for bool {
    fn parse(value: Option<&str>) -> Option<Self> {
        Some(value? == "t")
    }
}

/// PostgreSQL's type `"char"`. An empty value becomes a space.
impl Field for char {
    fn parse(value: Option<&str>) -> Option<Self> {
        Some(value?.chars().next().unwrap_or(' '))
    }
}

/// A line of three numbers for each.
impl Field for Vec<(Oid, Oid, i64)> {
    fn parse(value: Option<&str>) -> Option<Self> {
        let numbers = |line: &str| {
            let mut numbers = line.split(' ');
            let (oid, on_oid, on_column) = (numbers.next()?, numbers.next()?, numbers.next()?);
            let all = (oid.parse().ok()?, on_oid.parse().ok()?, on_column.parse().ok()?);
            numbers.next().is_none().then_some(all)
        };
        value?.lines().map(numbers).collect()
    }
}

fn value<T: Field>(records: &mut Records<'_>, name: &str) -> Result<T, ReadError> {
    let text = records.field()?;
    T::parse(text).ok_or_else(|| ReadError::Value { column: name.to_owned(), value: text.unwrap_or("NULL").to_owned() })
}

/// Declares a struct for each kind of row, and `Rows`, which contains the rows of all kinds.
macro_rules! rows {
    ($($(#[$doc:meta])* $tag:literal $list:ident: $name:ident { $($field:ident: $type:ty),* $(,)? })*) => {
        $(
            $(#[$doc])*
            pub(super) struct $name { $(pub(super) $field: $type),* }

            impl $name {
                fn read(records: &mut Records<'_>) -> Result<Self, ReadError> {
                    $(let $field = value(records, concat!($tag, ".", stringify!($field)))?;)*
                    records.end()?;
                    Ok(Self { $($field),* })
                }
            }
        )*

        /// All rows, by kind.
        #[derive(Default)]
        pub(super) struct Rows {
            $(pub(super) $list: Vec<$name>,)*
            /// The number of files whose statements have all been answered.
            pub(super) ends: usize,
        }

        impl Rows {
            /// Adds all rows of the kind with this name.
            pub(super) fn add(&mut self, kind: &str, text: &str) -> Result<(), ReadError> {
                let mut records = Records::new(text);
                match kind {
                    $($tag => while records.begin() {
                        self.$list.push($name::read(&mut records)?);
                    })*
                    "end" => self.ends += 1,
                    other => return Err(ReadError::Kind(other.to_owned())),
                }
                Ok(())
            }
        }
    };
}

rows! {
    /// A table that `\dt` lists.
    "listed" listed: Listed { oid: Oid, owner: String }
    "schema" schemas: Schema { oid: Oid, name: String }
    /// A table, index, sequence, view, composite type and so on. `definition` is a view's query or a partition key.
    "relation" relations: Relation {
        oid: Oid, schema: Oid, name: String, kind: char, unlogged: bool, partition: bool, method: Oid,
        of_type: Option<String>, row_security: bool, force_row_security: bool, replica_identity: char, toast: Oid,
        options: Option<String>, bound: Option<String>, definition: Option<String>,
    }
    "inheritance" inheritance: Inheritance { child: Oid, parent: Oid, position: i64, detached: bool }
    "column" columns: Column {
        relation: Oid, number: i64, name: String, type_oid: Oid, type_name: String, not_null: bool, local: bool,
        identity: char, generated: char, compression: char, varlena: bool, storage: char, collation: Oid,
        collation_name: Option<String>, options: Option<String>,
    }
    "default" defaults: Default { oid: Oid, relation: Oid, column: i64, expression: String }
    "constraint" constraints: Constraint {
        oid: Oid, relation: Oid, domain: Oid, name: String, kind: char, index: Oid, parent: Oid, local: bool,
        definition: String,
    }
    "index" indexes: Index {
        oid: Oid, relation: Oid, valid: bool, clustered: bool, replica_identity: bool, definition: Option<String>,
    }
    "sequence" sequences: Sequence {
        oid: Oid, type_name: String, start: i64, increment: i64, min: i64, max: i64, cache: i64, cycle: bool,
    }
    /// A type. `base` and the fields after it belong to domains.
    "type" types: Type {
        oid: Oid, schema: Oid, name: String, kind: char, relation: Oid, element: Oid, storage: char, collation: Oid,
        not_null: bool, base: Option<String>, base_oid: Oid, collation_name: Option<String>, default: Option<String>,
    }
    "routine" routines: Routine { oid: Oid, schema: Oid, signature: String, kind: char, definition: Option<String> }
    "trigger" triggers: Trigger {
        oid: Oid, relation: Oid, name: String, enabled: char, parent: Oid, internal: bool, constraint: Oid,
        definition: Option<String>,
    }
    /// What was set for this database. The role is empty if it was set for all of them.
    "setting" settings: Setting { role: Option<String>, values: String }
    "encoding" encodings: Encoding { name: String }
    "extension" extensions: Extension { oid: Oid, schema: Oid, name: String }
    "comment" comments: Comment { class: Oid, oid: Oid, column: i64, text: String }
    /// The dependencies between the objects of two catalogs, of one kind: an object, the one that it needs, and a column.
    "dependencies" dependencies: Dependencies {
        class: Oid, on_class: Oid, kind: char, objects: Vec<(Oid, Oid, i64)>,
    }
    "unusual" unusual: Unusual { found: bool }
    "label" labels: Label { of_type: Oid, literal: String }
    "range" ranges: Range {
        oid: Oid, multirange: Oid, subtype: String, multirange_name: String, operator_class: Option<String>,
        collation: Option<String>, canonical: Option<String>, difference: Option<String>,
    }
    "aggregate" aggregates: Aggregate { oid: Oid, name: String, arguments: Option<String>, parts: String }
    "rule" rules: Rule { oid: Oid, relation: Oid, name: String, enabled: char, definition: Option<String> }
    "policy" policies: Policy {
        oid: Oid, relation: Oid, name: String, command: char, permissive: bool, roles: Option<String>,
        using: Option<String>, check: Option<String>,
    }
    "statistics" statistics: Statistics { oid: Oid, relation: Oid, schema: Oid, name: String, definition: String }
    "event trigger" event_triggers: EventTrigger {
        oid: Oid, name: String, event: String, function: String, enabled: char, tags: Option<String>,
    }
    /// An object of a kind that has no struct of its own.
    "other" others: Other { class: Oid, oid: Oid, kind: String, identity: String }
    /// A digest of an extension's objects.
    "members" members: Members { extension: Oid, version: String, digest: String }
    /// The statement that makes an object of a rare kind, or lines about it.
    "definition" definitions: Definition { class: Oid, oid: Oid, text: Option<String> }
    "access method" access_methods: AccessMethod { oid: Oid, name: String }
}
