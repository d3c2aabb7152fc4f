//! Joins the rows: which objects are part of the schema, what their names are, and which object belongs to which.

use std::collections::{BTreeMap, BTreeSet};

use super::rows::{
    Aggregate, Column, Constraint, Dependency, Id, Index, Inheritance, Listed, Oid, Range, Relation, Rows, Sequence,
    Trigger, Type, class,
};
use super::{History, Table, texts_table};

/// The rows of a catalog, with maps that find them by their keys.
pub(super) struct Model<'r> {
    pub(super) rows: &'r Rows,
    schemas: BTreeMap<Oid, &'r str>,
    relations: BTreeMap<Oid, &'r Relation>,
    types: BTreeMap<Oid, &'r Type>,
    columns: BTreeMap<Oid, Vec<&'r Column>>,
    defaults: BTreeMap<(Oid, i64), &'r str>,
    constraints: BTreeMap<Oid, Vec<&'r Constraint>>,
    sequences: BTreeMap<Oid, &'r Sequence>,
    comments: BTreeMap<(Oid, Oid, i64), &'r str>,
    members: BTreeMap<Id, Oid>,
    /// The columns that sequences belong to, by sequence.
    owned: BTreeMap<Oid, Dependency>,
    /// The sequences that belong to the columns of a table, by table.
    sequences_of: BTreeMap<Oid, Vec<Oid>>,
    indexes: BTreeMap<Oid, &'r Index>,
    /// The tables that have an index as their replica identity.
    replica_identities: BTreeSet<Oid>,
    triggers: BTreeMap<Oid, &'r Trigger>,
    parents: BTreeMap<Oid, Vec<&'r Inheritance>>,
    /// The tables and indexes that have a table or index as their parent.
    heirs: BTreeMap<Oid, Vec<Oid>>,
    labels: BTreeMap<Oid, Vec<&'r str>>,
    ranges: BTreeMap<Oid, &'r Range>,
    aggregates: BTreeMap<Oid, &'r Aggregate>,
    definitions: BTreeMap<Id, &'r str>,
    /// The remarks about triggers of constraints that don't fire as they should, by constraint.
    enforcement: BTreeMap<Oid, Vec<String>>,
    /// The constraints that partitions have from a constraint.
    children: BTreeMap<Oid, Vec<&'r Constraint>>,
    /// The table that has the history of the migrations.
    history: Option<Oid>,
    /// The table that has the texts of the migrations.
    texts: Option<Oid>,
    excluded: BTreeSet<Oid>,
}

impl<'r> Model<'r> {
    /// Joins the rows. The objects of extensions and of sessions are left out.
    pub(super) fn new(rows: &'r Rows, history: &History<'_>) -> Self {
        let mut model = Self {
            rows,
            schemas: rows.schemas.iter().map(|schema| (schema.oid, schema.name.as_str())).collect(),
            relations: rows.relations.iter().map(|relation| (relation.oid, relation)).collect(),
            types: rows.types.iter().map(|of_type| (of_type.oid, of_type)).collect(),
            columns: BTreeMap::new(),
            defaults: BTreeMap::new(),
            constraints: BTreeMap::new(),
            sequences: rows.sequences.iter().map(|sequence| (sequence.oid, sequence)).collect(),
            comments: BTreeMap::new(),
            members: BTreeMap::new(),
            owned: BTreeMap::new(),
            sequences_of: BTreeMap::new(),
            indexes: rows.indexes.iter().map(|index| (index.oid, index)).collect(),
            replica_identities: rows
                .indexes
                .iter()
                .filter(|index| index.replica_identity)
                .map(|index| index.relation)
                .collect(),
            triggers: rows.triggers.iter().map(|trigger| (trigger.oid, trigger)).collect(),
            parents: BTreeMap::new(),
            heirs: BTreeMap::new(),
            labels: BTreeMap::new(),
            ranges: rows.ranges.iter().map(|range| (range.oid, range)).collect(),
            aggregates: rows.aggregates.iter().map(|aggregate| (aggregate.oid, aggregate)).collect(),
            definitions: BTreeMap::new(),
            enforcement: BTreeMap::new(),
            children: BTreeMap::new(),
            history: None,
            texts: None,
            excluded: BTreeSet::new(),
        };
        for column in &rows.columns {
            model.columns.entry(column.relation).or_default().push(column);
        }
        for columns in model.columns.values_mut() {
            columns.sort_unstable_by_key(|column| column.number);
        }
        for default in &rows.defaults {
            model.defaults.insert((default.relation, default.column), &default.expression);
        }
        for constraint in &rows.constraints {
            let owner = if constraint.relation > 0 { constraint.relation } else { constraint.domain };
            model.constraints.entry(owner).or_default().push(constraint);
            if constraint.parent > 0 {
                model.children.entry(constraint.parent).or_default().push(constraint);
            }
        }
        for constraints in model.constraints.values_mut() {
            constraints.sort_unstable_by_key(|constraint| ("puxcf".find(constraint.kind), &constraint.name));
        }
        for comment in &rows.comments {
            model.comments.insert((comment.class, comment.oid, comment.column), &comment.text);
        }
        for dependency in rows.dependencies() {
            if dependency.kind == 'e' {
                model.members.insert((dependency.class, dependency.oid), dependency.on_oid);
            } else if (dependency.class, dependency.on_class) == (class::RELATION, class::RELATION)
                && dependency.on_column > 0
                && "ai".contains(dependency.kind)
                && model.sequences.contains_key(&dependency.oid)
            {
                model.owned.insert(dependency.oid, dependency);
            }
        }
        for (sequence, owner) in &model.owned {
            model.sequences_of.entry(owner.on_oid).or_default().push(*sequence);
        }
        for inheritance in &rows.inheritance {
            model.parents.entry(inheritance.child).or_default().push(inheritance);
            model.heirs.entry(inheritance.parent).or_default().push(inheritance.child);
        }
        for parents in model.parents.values_mut() {
            parents.sort_unstable_by_key(|inheritance| inheritance.position);
        }
        for label in &rows.labels {
            model.labels.entry(label.of_type).or_default().push(&label.literal);
        }
        for definition in &rows.definitions {
            model.definitions.extend(definition.text.as_deref().map(|text| ((definition.class, definition.oid), text)));
        }
        let found = model.find_history(history);
        model.history = found.map(|table| table.oid);
        model.texts = found.and_then(|table| model.find_texts(table));
        model.excluded = model.find_excluded();
        model.enforcement = model.find_enforcement();
        model
    }

    /// Finds the table that has the history of the migrations.
    fn find_history(&self, history: &History<'_>) -> Option<&'r Relation> {
        let is_history = |relation: &&Relation| {
            "rp".contains(relation.kind)
                && unquote(&relation.name) == history.table
                && match history.schema {
                    Some(schema) => self.schemas.get(&relation.schema).is_some_and(|name| unquote(name) == schema),
                    None => self.rows.listed.iter().any(|listed| listed.oid == relation.oid),
                }
        };
        self.rows.relations.iter().find(is_history)
    }

    /// Finds the table that has the texts of the migrations, beside the history.
    fn find_texts(&self, history: &Relation) -> Option<Oid> {
        let name = texts_table(&unquote(&history.name));
        let is_texts = |relation: &&Relation| {
            relation.kind == 'r' && relation.schema == history.schema && unquote(&relation.name) == name
        };
        self.rows.relations.iter().find(is_texts).map(|relation| relation.oid)
    }

    /// Finds the relations that aren't part of the schema: those of extensions, and temporary ones.
    fn find_excluded(&self) -> BTreeSet<Oid> {
        let relations = self.rows.relations.iter();
        let mut excluded: BTreeSet<Oid> = relations
            .filter(|relation| {
                !self.schemas.contains_key(&relation.schema)
                    || self.members.contains_key(&(class::RELATION, relation.oid))
            })
            .map(|relation| relation.oid)
            .collect();
        // The sequences of the columns of these tables are left out as well.
        let owned = self.owned.iter().filter(|(_, owner)| excluded.contains(&owner.on_oid)).map(|(oid, _)| *oid);
        let owned: Vec<Oid> = owned.collect();
        excluded.extend(owned);
        excluded
    }

    /// Counts the triggers of constraints that don't fire as they should. Those of a partition's foreign key belong to the
    /// foreign key that the partition has it from.
    fn find_enforcement(&self) -> BTreeMap<Oid, Vec<String>> {
        let constraints: BTreeMap<Oid, &Constraint> =
            self.rows.constraints.iter().map(|constraint| (constraint.oid, constraint)).collect();
        let mut counts = BTreeMap::<(Oid, Oid, char), usize>::new();
        for trigger in self.rows.triggers.iter().filter(|trigger| trigger.internal && trigger.enabled != 'O') {
            let mut of = trigger.constraint;
            while let Some(constraint) = constraints.get(&of).filter(|found| found.kind == 'f' && found.parent > 0) {
                of = constraint.parent;
            }
            *counts.entry((of, trigger.relation, trigger.enabled)).or_default() += 1;
        }
        let mut remarks = BTreeMap::<Oid, Vec<String>>::new();
        for ((constraint, relation, state), count) in counts {
            let (triggers, are, fire) =
                if count == 1 { ("1 trigger", "is", "fires") } else { (&*format!("{count} triggers"), "are", "fire") };
            let relation = self.relation_name(relation);
            remarks.entry(constraint).or_default().push(match state {
                'R' => format!("not enforced: {triggers} on {relation} {fire} only in replicas"),
                'A' => format!("enforced in replicas as well: {triggers} on {relation} {fire} always"),
                _ => format!("not enforced: {triggers} on {relation} {are} disabled"),
            });
        }
        remarks.values_mut().for_each(|remarks| remarks.sort_unstable());
        remarks
    }

    /// Returns the remarks about triggers of a constraint that don't fire as they should.
    pub(super) fn enforcement(&self, constraint: Oid) -> &[String] {
        self.enforcement.get(&constraint).map_or(&[], Vec::as_slice)
    }

    /// Returns the constraints that partitions have from a constraint.
    pub(super) fn children(&self, constraint: Oid) -> &[&'r Constraint] {
        self.children.get(&constraint).map_or(&[], Vec::as_slice)
    }

    /// Returns whether this is the table that has the history of the migrations.
    pub(super) fn is_history(&self, relation: Oid) -> bool {
        self.history == Some(relation)
    }

    /// Returns whether this is the table that has the texts of the migrations.
    pub(super) fn is_texts(&self, relation: Oid) -> bool {
        self.texts == Some(relation)
    }

    /// Returns the relation, if it is part of the schema.
    pub(super) fn relation(&self, oid: Oid) -> Option<&'r Relation> {
        self.relations.get(&oid).copied().filter(|_| !self.excluded.contains(&oid))
    }

    /// Returns all relations of these kinds that are part of the schema.
    pub(super) fn relations<'s>(&'s self, kinds: &'s str) -> impl Iterator<Item = &'r Relation> + use<'s, 'r> {
        let relations = self.rows.relations.iter();
        relations.filter(move |relation| kinds.contains(relation.kind) && !self.excluded.contains(&relation.oid))
    }

    /// Returns the qualified name of a relation, even if the relation is left out.
    pub(super) fn relation_name(&self, oid: Oid) -> String {
        self.relations
            .get(&oid)
            .map_or_else(|| "?".to_owned(), |relation| self.qualified(relation.schema, &relation.name))
    }

    /// Returns a name with the name of its schema before it.
    pub(super) fn qualified(&self, schema: Oid, name: &str) -> String {
        format!("{}.{name}", self.schema(schema))
    }

    /// Returns whether this is a schema, and not the temporary schema of a session.
    pub(super) fn has_schema(&self, oid: Oid) -> bool {
        self.schemas.contains_key(&oid)
    }

    /// Returns the name of a schema.
    pub(super) fn schema(&self, oid: Oid) -> &'r str {
        self.schemas.get(&oid).copied().unwrap_or("?")
    }

    /// Returns a type that users made, or a built-in type with unusual storage or collation.
    pub(super) fn type_of(&self, oid: Oid) -> Option<&'r Type> {
        self.types.get(&oid).copied()
    }

    /// Returns the columns of a table, view or composite type, in their physical order.
    pub(super) fn columns(&self, relation: Oid) -> &[&'r Column] {
        self.columns.get(&relation).map_or(&[], Vec::as_slice)
    }

    /// Returns the default of a column, or the expression that generates its values.
    pub(super) fn default(&self, column: &Column) -> Option<&'r str> {
        self.defaults.get(&(column.relation, column.number)).copied()
    }

    /// Returns the constraints of a table or domain: keys first, foreign keys last, and each kind sorted by name.
    pub(super) fn constraints(&self, owner: Oid) -> &[&'r Constraint] {
        self.constraints.get(&owner).map_or(&[], Vec::as_slice)
    }

    /// Returns the properties of a sequence.
    pub(super) fn sequence(&self, oid: Oid) -> Option<&'r Sequence> {
        self.sequences.get(&oid).copied()
    }

    /// Returns the column that a sequence belongs to. Its kind is `i` for an identity column, and `a` for OWNED BY.
    pub(super) fn owner_of(&self, sequence: Oid) -> Option<Dependency> {
        self.owned.get(&sequence).copied()
    }

    /// Returns the sequences that belong to a table's columns. The kind is `i` for identity columns, and `a` for
    /// OWNED BY.
    pub(super) fn owned_by(&self, table: Oid, kind: char) -> Vec<(Oid, i64)> {
        let sequences = self.sequences_of.get(&table).into_iter().flatten();
        let owned = sequences.filter_map(|oid| Some((*oid, self.owned.get(oid)?)));
        let mut owned: Vec<_> =
            owned.filter(|(_, owner)| owner.kind == kind).map(|(oid, owner)| (oid, owner.on_column)).collect();
        owned.sort_unstable_by_key(|(oid, column)| (*column, self.relation_name(*oid)));
        owned
    }

    /// Returns the comment on an object (column 0) or on one of its columns.
    pub(super) fn comment(&self, class: Oid, oid: Oid, column: i64) -> Option<&'r str> {
        self.comments.get(&(class, oid, column)).copied()
    }

    /// Returns the statement that makes an object of a rare kind, or lines about it.
    pub(super) fn definition(&self, id: Id) -> Option<&'r str> {
        self.definitions.get(&id).copied()
    }

    /// Returns the extension that made an object.
    pub(super) fn extension_of(&self, id: Id) -> Option<Oid> {
        self.members.get(&id).copied()
    }

    /// Returns the tables that a table inherits from or is a partition of, or the index that an index is attached to.
    pub(super) fn parents(&self, child: Oid) -> Vec<Oid> {
        let parents = self.parents.get(&child).into_iter().flatten();
        parents.map(|inheritance| inheritance.parent).collect()
    }

    /// Returns the tables that inherit from a table or are its partitions, or the indexes that are attached to an index.
    pub(super) fn heirs(&self, parent: Oid) -> &[Oid] {
        self.heirs.get(&parent).map_or(&[], Vec::as_slice)
    }

    /// Returns whether a partition is half detached, so that its rows can't be seen in its parent.
    pub(super) fn is_half_detached(&self, child: Oid) -> bool {
        self.parents.get(&child).into_iter().flatten().any(|inheritance| inheritance.detached)
    }

    /// Returns the properties of an index.
    pub(super) fn index(&self, oid: Oid) -> Option<&'r Index> {
        self.indexes.get(&oid).copied()
    }

    /// Returns whether an index is the replica identity of a table.
    pub(super) fn has_replica_identity(&self, table: Oid) -> bool {
        self.replica_identities.contains(&table)
    }

    /// Returns a trigger.
    pub(super) fn trigger(&self, oid: Oid) -> Option<&'r Trigger> {
        self.triggers.get(&oid).copied()
    }

    /// Returns the labels of an enum, as literals and in their order.
    pub(super) fn labels(&self, of_type: Oid) -> &[&'r str] {
        self.labels.get(&of_type).map_or(&[], Vec::as_slice)
    }

    /// Returns the properties of a range.
    pub(super) fn range(&self, of_type: Oid) -> Option<&'r Range> {
        self.ranges.get(&of_type).copied()
    }

    /// Returns the parts of an aggregate.
    pub(super) fn aggregate(&self, routine: Oid) -> Option<&'r Aggregate> {
        self.aggregates.get(&routine).copied()
    }

    /// Returns the tables that `\dt` lists, in its order.
    pub(super) fn listed(&self) -> Vec<Table> {
        let table = |listed: &Listed| {
            let relation = self.relations.get(&listed.oid)?;
            let schema = unquote(self.schemas.get(&relation.schema)?);
            let kind = if relation.kind == 'p' { "partitioned table" } else { "table" };
            let shown = !matches!(schema.as_str(), "pg_catalog" | "information_schema");
            let (name, owner) = (unquote(&relation.name), listed.owner.clone());
            shown.then(|| Table { schema, name, kind: kind.to_owned(), owner })
        };
        let mut tables: Vec<_> = self.rows.listed.iter().filter_map(table).collect();
        tables.sort_unstable();
        tables
    }

    /// Returns the options of a table's TOAST table, which stores the large values.
    pub(super) fn toast_options(&self, relation: &Relation) -> Option<&'r str> {
        self.relations.get(&relation.toast)?.options.as_deref()
    }

    /// Returns the name of an access method.
    pub(super) fn access_method(&self, oid: Oid) -> &'r str {
        self.rows.access_methods.iter().find(|method| method.oid == oid).map_or("?", |method| &method.name)
    }
}

/// Returns a name without the quotes that SQL may need.
pub(super) fn unquote(name: &str) -> String {
    match name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => name.to_owned(),
    }
}

/// Returns a string as a literal on one line.
pub(super) fn literal(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut literal = String::from("E'");
    for character in text.chars() {
        match character {
            '\'' => literal.push_str("''"),
            '\\' => literal.push_str("\\\\"),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            other if other.is_control() => literal.push_str(&format!("\\u{:04x}", u32::from(other))),
            other => literal.push(other),
        }
    }
    literal.push('\'');
    literal
}
