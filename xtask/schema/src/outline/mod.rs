//! A database's tables and views for readers: their columns with the comments, and the foreign keys between the tables.
//!
//! It comes from the same rows and the same model as the DDL, and it is written as Markdown with a Mermaid diagram, which
//! GitHub shows as a picture.

mod definition;
mod markdown;
mod mermaid;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::pin::Pin;

use sqlx::postgres::PgConnection;

use super::History;
use super::error::ReadError;
use super::model::{Model, unquote};
use super::read;
use super::rows::{Column, Constraint, Oid, Relation, class};

/// The tables and views of a database, as a reader wants to know them. Partitions are left out, because they look like their
/// parents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Tables first, then views, each sorted by name.
    entities: Vec<Entity>,
    references: Vec<Reference>,
}

/// The future that reads an outline.
pub type OutlineReading<'c> = Pin<Box<dyn Future<Output = Result<Outline, ReadError>> + Send + 'c>>;

/// A table or a view. All names are without the quotes that SQL may need.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entity {
    /// With the name of its schema before it, unless that is `public`.
    name: String,
    kind: EntityKind,
    comment: Option<String>,
    /// The partition key, and the number of its partitions.
    partitions: Option<(String, usize)>,
    /// The tables that it inherits from.
    inherits: Vec<String>,
    columns: Vec<Field>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum EntityKind {
    Table,
    ForeignTable,
    View,
    MaterializedView,
}

/// A column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Field {
    name: String,
    /// As SQL writes it, for example `numeric(15,2)`.
    type_name: String,
    nullable: bool,
    in_primary_key: bool,
    /// The other columns of each unique key that it is a part of.
    unique_with: Vec<Vec<String>>,
    /// The tables that it refers to.
    refers_to: Vec<String>,
    comment: Option<String>,
}

/// A foreign key. The tables are positions in the list of entities.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reference {
    from: usize,
    to: usize,
    columns: Vec<String>,
    /// Whether a row may refer to none.
    optional: bool,
    /// Whether at most one row refers to the same row.
    unique: bool,
}

impl Outline {
    /// Reads the outline of a database. The table of the migrations' history is left out.
    ///
    /// # Errors
    /// The server refuses the query, or answers only a part of it. The connection is in no transaction afterwards.
    pub fn read<'c>(connection: &'c mut PgConnection, history: &'c History<'_>) -> OutlineReading<'c> {
        Box::pin(async move {
            let rows = read::rows(connection).await?;
            Ok(Self::of(&Model::new(&rows, history)))
        })
    }

    fn of(model: &Model<'_>) -> Self {
        let shown = |relation: &&Relation| {
            !relation.partition && !model.is_history(relation.oid) && !model.is_texts(relation.oid)
        };
        let mut found: Vec<_> =
            model.relations("rpfvm").filter(shown).map(|relation| (entity(model, relation), relation)).collect();
        found.sort_by(|(one, _), (other, _)| (one.kind.is_view(), &one.name).cmp(&(other.kind.is_view(), &other.name)));
        let places: BTreeMap<Oid, usize> = found.iter().enumerate().map(|(at, (_, table))| (table.oid, at)).collect();
        let mut outline =
            Self { entities: found.into_iter().map(|(entity, _)| entity).collect(), references: Vec::new() };
        outline.add_references(model, &places);
        outline
    }

    /// Adds the foreign keys. One of a partition alone, or to a partition alone, counts as one of its parent.
    fn add_references(&mut self, model: &Model<'_>, places: &BTreeMap<Oid, usize>) {
        let by_name: BTreeMap<String, Oid> =
            model.relations("rpf").map(|relation| (model.relation_name(relation.oid), relation.oid)).collect();
        let keys = model.rows.constraints.iter().filter(|constraint| constraint.kind == 'f' && constraint.parent == 0);
        for key in keys {
            let place = |oid| places.get(&root(model, oid)).copied();
            let to = definition::referenced(&key.definition).and_then(|name| by_name.get(name)).copied();
            let (Some(from), Some(to)) = (place(key.relation), to.and_then(place)) else { continue };
            let columns = key_columns(model, key.relation, &key.definition).unwrap_or_default();
            let numbers: Vec<i64> = columns.iter().map(|column| column.number).collect();
            let reference = Reference {
                from,
                to,
                columns: columns.iter().map(|column| unquote(&column.name)).collect(),
                optional: columns.iter().any(|column| !column.not_null),
                unique: unique_keys(model, key.relation)
                    .iter()
                    .any(|unique| unique.iter().all(|it| numbers.contains(it))),
            };
            let referenced = self.entities[to].name.clone();
            for field in self.entities[from].columns.iter_mut().filter(|field| reference.columns.contains(&field.name))
            {
                if !field.refers_to.contains(&referenced) {
                    field.refers_to.push(referenced.clone());
                }
            }
            if !self.references.contains(&reference) {
                self.references.push(reference);
            }
        }
        self.references
            .sort_by(|one, other| (one.to, one.from, &one.columns).cmp(&(other.to, other.from, &other.columns)));
    }
}

impl EntityKind {
    fn is_view(self) -> bool {
        matches!(self, Self::View | Self::MaterializedView)
    }
}

fn entity(model: &Model<'_>, relation: &Relation) -> Entity {
    let kind = match relation.kind {
        'v' => EntityKind::View,
        'm' => EntityKind::MaterializedView,
        'f' => EntityKind::ForeignTable,
        _ => EntityKind::Table,
    };
    let comment = |column| model.comment(class::RELATION, relation.oid, column).map(str::to_owned);
    let primary = primary_key(model, relation.oid);
    let unique: Vec<_> = unique_keys(model, relation.oid).into_iter().filter(|key| *key != primary).collect();
    let columns = model.columns(relation.oid);
    let name_of =
        |number: &i64| columns.iter().find(|column| column.number == *number).map(|column| unquote(&column.name));
    let field = |column: &&Column| Field {
        name: unquote(&column.name),
        type_name: column.type_name.clone(),
        nullable: !column.not_null && !kind.is_view(),
        in_primary_key: primary.contains(&column.number),
        unique_with: unique
            .iter()
            .filter(|key| key.contains(&column.number))
            .map(|key| key.iter().filter(|number| **number != column.number).filter_map(name_of).collect())
            .collect(),
        refers_to: Vec::new(),
        comment: comment(column.number),
    };
    let partition_key = relation.definition.clone().filter(|_| relation.kind == 'p');
    let parents = model.parents(relation.oid);
    Entity {
        name: shown_name(model, relation),
        kind,
        comment: comment(0),
        partitions: partition_key.map(|key| (key, model.heirs(relation.oid).len())),
        inherits: parents
            .iter()
            .filter_map(|oid| model.relation(*oid))
            .map(|parent| shown_name(model, parent))
            .collect(),
        columns: columns.iter().map(field).collect(),
    }
}

fn shown_name(model: &Model<'_>, relation: &Relation) -> String {
    let (schema, name) = (unquote(model.schema(relation.schema)), unquote(&relation.name));
    if schema == "public" { name } else { format!("{schema}.{name}") }
}

/// The table that a partition is a part of, however deep it is, or the table itself.
fn root(model: &Model<'_>, mut oid: Oid) -> Oid {
    while let Some(parent) = model.relation(oid).filter(|table| table.partition).and_then(|_| model.parents(oid).pop())
    {
        oid = parent;
    }
    oid
}

/// The columns that a key consists of. `None` if one of its parts isn't a plain column.
fn key_columns<'r>(model: &Model<'r>, relation: Oid, definition: &str) -> Option<Vec<&'r Column>> {
    let columns = model.columns(relation);
    let names = definition::columns(definition, |name| columns.iter().any(|column| column.name == name))?;
    Some(names.into_iter().filter_map(|name| columns.iter().find(|column| column.name == name).copied()).collect())
}

/// The numbers of the columns of the primary key. It is empty if there is none.
fn primary_key(model: &Model<'_>, relation: Oid) -> Vec<i64> {
    let constraints = model.constraints(relation).iter().filter(|constraint| constraint.relation == relation);
    let key = constraints.filter(|constraint| constraint.kind == 'p').find_map(|key| numbers(model, key));
    key.unwrap_or_default()
}

/// The numbers of the columns of each unique key, the primary one included. A unique index counts, unless it leaves out rows
/// that it could hold.
fn unique_keys(model: &Model<'_>, relation: Oid) -> Vec<Vec<i64>> {
    let constraints = model.constraints(relation).iter().filter(|constraint| constraint.relation == relation);
    let mut keys: Vec<_> =
        constraints.filter(|constraint| "pu".contains(constraint.kind)).filter_map(|key| numbers(model, key)).collect();
    for index in model.rows.indexes.iter().filter(|index| index.relation == relation && index.valid) {
        let Some(text) = index.definition.as_deref().filter(|text| text.starts_with("CREATE UNIQUE INDEX ")) else {
            continue;
        };
        let Some(columns) = key_columns(model, relation, text) else { continue };
        let is_whole = definition::predicate(text)
            .is_none_or(|rows| columns.iter().any(|column| rows == format!("({} IS NOT NULL)", column.name)));
        if is_whole {
            keys.push(columns.iter().map(|column| column.number).collect());
        }
    }
    keys.sort();
    keys.dedup();
    keys
}

fn numbers(model: &Model<'_>, key: &Constraint) -> Option<Vec<i64>> {
    let columns = key_columns(model, key.relation, &key.definition)?;
    Some(columns.iter().map(|column| column.number).collect())
}
