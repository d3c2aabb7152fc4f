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
    let kind = if relation.kind == 'f' { "foreign table" } else { "table" };
    let mut object = Object::new((class::RELATION, relation.oid), Rank::Table, kind, &name);
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
    if let Some(options) = model.definition((class::COLUMN, relation.oid)) {
        object.statements.extend(options.lines().map(str::to_owned));
    }
    object.statements.extend(properties(model, relation, &name));
    object.statements.extend(comments(model, relation, &name));
    object
}

/// The columns of the table that sqlx makes for the history of the migrations.
const HISTORY: [&str; 6] = [
    "version bigint NOT NULL,",
    "description text NOT NULL,",
    "installed_on timestamp with time zone DEFAULT now() NOT NULL,",
    "success boolean NOT NULL,",
    "checksum bytea NOT NULL,",
    "execution_time bigint NOT NULL,",
];

/// The columns of the table that `cargo xtask` makes beside it, for the texts of the migrations.
const TEXTS: [&str; 8] = [
    "version bigint NOT NULL,",
    "checksum bytea NOT NULL,",
    "up text NOT NULL,",
    "down text,",
    "branch text,",
    "commit text,",
    "recorded_at timestamp with time zone DEFAULT now() NOT NULL,",
    "sum bytea NOT NULL,",
];

/// Returns whether a table is the one that sqlx makes for the history.
pub(super) fn is_usual_history(object: &Object) -> bool {
    has_only(object, &HISTORY)
}

/// Returns whether a table is the one that is made for the texts of the migrations.
pub(super) fn is_usual_texts(object: &Object) -> bool {
    has_only(object, &TEXTS)
}

/// Returns whether a table has these columns, the version as its key, and nothing else. The name of its key depends on the
/// table's first name.
fn has_only(object: &Object, wanted: &[&str]) -> bool {
    let [create] = object.statements.as_slice() else { return false };
    let lines: Vec<&str> = create.lines().map(str::trim).collect();
    let [first, columns @ .., key, last] = lines.as_slice() else { return false };
    first.starts_with("CREATE TABLE ")
        && columns == wanted
        && key.starts_with("CONSTRAINT ")
        && key.ends_with(" PRIMARY KEY (version)")
        && *last == ");"
}

fn create(model: &Model<'_>, relation: &Relation, name: &str) -> String {
    let inherits = inherits(model, relation);
    let columns = model.columns(relation.oid).iter().filter(|column| column.local || !inherits);
    let mut items: Vec<String> = columns.map(|column| column::definition(model, relation, column)).collect();
    items.extend(
        constraints(model, relation, false)
            .map(|constraint| format!("CONSTRAINT {} {}", constraint.name, constraint.definition)),
    );
    let which = if relation.kind == 'f' {
        "FOREIGN "
    } else if relation.unlogged {
        "UNLOGGED "
    } else {
        ""
    };
    let mut statement = format!("CREATE {which}TABLE {name} (");
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
    if let (Some(server), 'f') = (model.definition((class::RELATION, relation.oid)), relation.kind) {
        statement.push_str(&format!("\n{server}"));
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
        let mut statements: Vec<String> = parents.into_iter().map(attach).collect();
        if model.is_half_detached(relation.oid) {
            let remark = "-- half detached: DETACH PARTITION CONCURRENTLY was not finished, and its parent doesn't show its rows";
            statements.push(remark.to_owned());
        }
        return statements;
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
        if !column.not_null && inherited.iter().any(|parent| parent.not_null) {
            statements.push(format!("{alter} DROP NOT NULL;"));
        }
        if let Some(identity) = column::identity(model, relation, column) {
            statements.push(format!("{alter} ADD{identity};"));
        }
        if inherited.iter().any(|parent| parent.compression != column.compression) {
            let compression = column::compression(column).unwrap_or("default");
            statements.push(format!("{alter} SET COMPRESSION {compression};"));
        }
        // The table has it from its parent, if not from its type, and settings that equal the type's are not written.
        if column.storage == column::usual_storage(model, column)
            && inherited.iter().any(|parent| parent.storage != column.storage)
        {
            statements.push(format!("{alter} SET STORAGE {};", column::storage(column)));
        }
    }
    // A child's constraint can be valid, or not inherited any more, while its parents' one isn't.
    for constraint in model.constraints(relation.oid).iter().filter(|found| found.kind == 'c' && !found.local) {
        let of_parents = parents.iter().flat_map(|parent| model.constraints(*parent));
        let mut of_parents = of_parents.filter(|found| found.name == constraint.name);
        if of_parents.any(|found| found.definition.strip_suffix(NOT_VALID) == Some(constraint.definition.as_str())) {
            statements.push(format!("ALTER TABLE {name} VALIDATE CONSTRAINT {};", constraint.name));
        } else if constraint.definition.ends_with(NOT_VALID) {
            statements.push(format!("-- not valid: constraint {}", constraint.name));
        }
    }
    statements
}

/// Returns the statements for replica identity, clustering, row security and the sequences that belong to columns.
fn properties(model: &Model<'_>, relation: &Relation, name: &str) -> Vec<String> {
    let mut statements = Vec::new();
    let constraints = model.constraints(relation.oid).iter().filter(|constraint| "pux".contains(constraint.kind));
    for constraint in constraints {
        let Some(index) = model.index(constraint.index) else { continue };
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
        let remarks = model.enforcement(constraint.oid).iter();
        statements.extend(remarks.map(|remark| format!("-- constraint {} is {remark}", constraint.name)));
    }
    match relation.replica_identity {
        'f' => statements.push(format!("ALTER TABLE ONLY {name} REPLICA IDENTITY FULL;")),
        'n' => statements.push(format!("ALTER TABLE ONLY {name} REPLICA IDENTITY NOTHING;")),
        'i' if !model.has_replica_identity(relation.oid) => {
            statements.push("-- no replica identity: its index is gone".to_owned());
        }
        _ => {}
    }
    if relation.row_security {
        statements.push(format!("ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;"));
    }
    if relation.force_row_security {
        statements.push(format!("ALTER TABLE ONLY {name} FORCE ROW LEVEL SECURITY;"));
    }
    for (oid, number) in model.owned_by(relation.oid, 'i') {
        let column = model.columns(relation.oid).iter().find(|column| column.number == number);
        if let (Some(sequence), Some(column)) = (model.sequence(oid), column)
            && sequence.type_name != column.type_name
        {
            statements.push(format!("ALTER SEQUENCE {} AS {};", model.relation_name(oid), sequence.type_name));
        }
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
    let mut statements = Vec::from_iter(comment(
        model,
        (class::RELATION, relation.oid),
        0,
        &format!("{} {name}", if relation.kind == 'f' { "FOREIGN TABLE" } else { "TABLE" }),
    ));
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
