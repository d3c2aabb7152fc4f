//! Renders tables: CREATE TABLE, and the statements that follow it.

use super::super::kind::Rank;
use super::super::model::Model;
use super::super::object::Object;
use super::super::rows::{Column, Constraint, Relation, class};
use super::{column, column_comments, comment, options};

/// The last words of a constraint that ALTER TABLE has to add. CREATE TABLE would ignore these words.
const NOT_VALID: &str = " NOT VALID";

/// Renders a table with its columns and all of its constraints except foreign keys.
pub(super) fn table(model: &Model<'_>, relation: &Relation) -> Object {
    let name = model.qualified(relation.schema, &relation.name);
    let mut object = Object::new((class::RELATION, relation.oid), Rank::Table, "table", &name);
    object.statements.push(create(model, relation, &name));
    object.statements.extend(
        constraints(model, relation, true).map(|constraint| {
            format!("ALTER TABLE {name} ADD CONSTRAINT {} {};", constraint.name, constraint.definition)
        }),
    );
    if let Some(of_type) = &relation.of_type {
        object.statements.push(format!("ALTER TABLE {name} OF {of_type};"));
    }
    object.statements.extend(ancestry(model, relation, &name));
    for column in model.columns(relation.oid) {
        object.statements.extend(column::settings(model, &name, column));
    }
    object.statements.extend(properties(model, relation, &name));
    object.statements.extend(comments(model, relation, &name));
    object
}

fn create(model: &Model<'_>, relation: &Relation, name: &str) -> String {
    let inherits = inherits(model, relation);
    let columns = model.columns(relation.oid).iter().filter(|column| column.local || !inherits);
    let mut items: Vec<String> = columns.map(|column| column::definition(model, relation, column)).collect();
    items.extend(
        constraints(model, relation, false)
            .map(|constraint| format!("CONSTRAINT {} {}", constraint.name, constraint.definition)),
    );
    let unlogged = if relation.unlogged { "UNLOGGED " } else { "" };
    let mut statement = format!("CREATE {unlogged}TABLE {name} (");
    for (index, item) in items.iter().enumerate() {
        statement.push_str(if index == 0 { "\n    " } else { ",\n    " });
        statement.push_str(item);
    }
    statement.push_str("\n)");
    if inherits {
        let parents: Vec<_> =
            model.parents(relation.oid).into_iter().map(|parent| model.relation_name(parent)).collect();
        statement.push_str(&format!("\nINHERITS ({})", parents.join(", ")));
    }
    if let (Some(key), 'p') = (&relation.definition, relation.kind) {
        statement.push_str(&format!("\nPARTITION BY {key}"));
    }
    // The access method 2 is heap. A partitioned table may have no access method.
    if relation.method != 2 && relation.method != 0 {
        statement.push_str(&format!("\nUSING {}", model.access_method(relation.method)));
    }
    let mut with = relation.options.as_deref().map_or_else(Vec::new, |text| options(text, ""));
    with.extend(model.toast_options(relation).map_or_else(Vec::new, |text| options(text, "toast.")));
    if !with.is_empty() {
        statement.push_str(&format!("\nWITH ({})", with.join(", ")));
    }
    statement.push(';');
    statement
}

/// Returns whether CREATE TABLE has INHERITS. A table whose columns are all its own got its parents after its creation.
fn inherits(model: &Model<'_>, relation: &Relation) -> bool {
    !relation.partition && model.columns(relation.oid).iter().any(|column| !column.local)
}

/// Returns the table's own constraints except foreign keys: those that ALTER TABLE has to add, or the others.
fn constraints<'r>(model: &Model<'r>, relation: &'r Relation, added: bool) -> impl Iterator<Item = &'r Constraint> {
    let inherits = inherits(model, relation);
    let constraints: Vec<_> = model.constraints(relation.oid).to_vec();
    constraints.into_iter().filter(move |constraint| {
        constraint.kind != 'f'
            && constraint.definition.ends_with(NOT_VALID) == added
            && (constraint.local || constraint.kind != 'c' || !inherits)
    })
}

/// Returns the statements that make a table a partition or a child of another table.
fn ancestry(model: &Model<'_>, relation: &Relation, name: &str) -> Vec<String> {
    let parents = model.parents(relation.oid);
    if let Some(bound) = &relation.bound {
        let attach = |parent| format!("ALTER TABLE {} ATTACH PARTITION {name} {bound};", model.relation_name(parent));
        return parents.into_iter().map(attach).collect();
    }
    if !inherits(model, relation) {
        let inherit = |parent| format!("ALTER TABLE {name} INHERIT {};", model.relation_name(parent));
        return parents.into_iter().map(inherit).collect();
    }
    // An inherited column can have another default or nullability than its parents' column.
    let mut statements = Vec::new();
    for column in model.columns(relation.oid).iter().filter(|column| !column.local) {
        let inherited: Vec<&Column> = parents
            .iter()
            .flat_map(|parent| model.columns(*parent))
            .filter(|inherited| inherited.name == column.name)
            .copied()
            .collect();
        let alter = format!("ALTER TABLE ONLY {name} ALTER COLUMN {}", column.name);
        let default = model.default(column);
        if column.generated == ' ' && inherited.iter().any(|parent| model.default(parent) != default) {
            statements.push(match default {
                Some(default) => format!("{alter} SET DEFAULT {default};"),
                None => format!("{alter} DROP DEFAULT;"),
            });
        }
        if column.not_null && inherited.iter().all(|parent| !parent.not_null) {
            statements.push(format!("{alter} SET NOT NULL;"));
        }
    }
    statements
}

/// Returns the statements for replica identity, clustering, row security and the sequences that belong to columns.
fn properties(model: &Model<'_>, relation: &Relation, name: &str) -> Vec<String> {
    let mut statements = Vec::new();
    let constraints = model.constraints(relation.oid).iter().filter(|constraint| "pux".contains(constraint.kind));
    for constraint in constraints {
        let Some(index) = model.rows.indexes.iter().find(|index| index.oid == constraint.index) else {
            continue;
        };
        statements.extend(index_properties(name, &constraint.name, index.clustered, index.replica_identity));
        // pg_get_constraintdef doesn't return these options.
        if let Some(text) = model.relation(index.oid).and_then(|relation| relation.options.as_deref()) {
            let index = model.relation_name(index.oid);
            statements.push(format!("ALTER INDEX {index} SET ({});", options(text, "").join(", ")));
        }
        // The index of a partitioned table is as valid as the indexes of its partitions.
        if !index.valid && relation.kind != 'p' {
            statements.push(format!("-- invalid: the index of constraint {}", constraint.name));
        }
    }
    match relation.replica_identity {
        'f' => statements.push(format!("ALTER TABLE ONLY {name} REPLICA IDENTITY FULL;")),
        'n' => statements.push(format!("ALTER TABLE ONLY {name} REPLICA IDENTITY NOTHING;")),
        _ => {}
    }
    if relation.row_security {
        statements.push(format!("ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;"));
    }
    if relation.force_row_security {
        statements.push(format!("ALTER TABLE ONLY {name} FORCE ROW LEVEL SECURITY;"));
    }
    for (sequence, number) in model.owned_by(relation.oid, 'a') {
        if let Some(column) = model.columns(relation.oid).iter().find(|column| column.number == number) {
            let sequence = model.relation_name(sequence);
            statements.push(format!("ALTER SEQUENCE {sequence} OWNED BY {name}.{};", column.name));
        }
    }
    statements
}

/// Returns the statements that cluster a table on an index, or make the index the table's replica identity.
pub(super) fn index_properties(table: &str, index: &str, clustered: bool, replica_identity: bool) -> Vec<String> {
    let mut statements = Vec::new();
    if clustered {
        statements.push(format!("ALTER TABLE {table} CLUSTER ON {index};"));
    }
    if replica_identity {
        statements.push(format!("ALTER TABLE ONLY {table} REPLICA IDENTITY USING INDEX {index};"));
    }
    statements
}

/// Returns the comments on the table and on everything that is created with it.
fn comments(model: &Model<'_>, relation: &Relation, name: &str) -> Vec<String> {
    let mut statements = Vec::from_iter(comment(model, (class::RELATION, relation.oid), 0, &format!("TABLE {name}")));
    statements.extend(column_comments(model, relation.oid, name));
    for constraint in model.constraints(relation.oid).iter().filter(|constraint| constraint.kind != 'f') {
        let target = format!("CONSTRAINT {} ON {name}", constraint.name);
        statements.extend(comment(model, (class::CONSTRAINT, constraint.oid), 0, &target));
        if constraint.index > 0 {
            let target = format!("INDEX {}", model.relation_name(constraint.index));
            statements.extend(comment(model, (class::RELATION, constraint.index), 0, &target));
        }
    }
    for (sequence, _) in model.owned_by(relation.oid, 'i') {
        let target = format!("SEQUENCE {}", model.relation_name(sequence));
        statements.extend(comment(model, (class::RELATION, sequence), 0, &target));
    }
    statements
}
