//! Renders columns, and the sequences of identity columns.

use super::super::model::Model;
use super::super::rows::{Column, Relation, Sequence};
use super::options;

/// Returns the column's line in CREATE TABLE.
pub(super) fn definition(model: &Model<'_>, relation: &Relation, column: &Column) -> String {
    let mut line = format!("{} {}", column.name, column.type_name);
    if let Some(compression) = compression(column) {
        line.push_str(&format!(" COMPRESSION {compression}"));
    }
    if let Some(collation) = collation(model, column) {
        line.push_str(&format!(" COLLATE {collation}"));
    }
    let default = model.default(column);
    match (column.generated, default) {
        ('s', Some(expression)) => line.push_str(&format!(" GENERATED ALWAYS AS ({expression}) STORED")),
        ('v', Some(expression)) => line.push_str(&format!(" GENERATED ALWAYS AS ({expression}) VIRTUAL")),
        (_, Some(expression)) => line.push_str(&format!(" DEFAULT {expression}")),
        (_, None) => {}
    }
    line.push_str(&identity(model, relation, column).unwrap_or_default());
    if column.not_null {
        line.push_str(" NOT NULL");
    }
    line
}

/// Returns the column's collation, if it isn't the collation of the column's type.
pub(super) fn collation<'r>(model: &Model<'r>, column: &'r Column) -> Option<&'r str> {
    let of_type = model.type_of(column.type_oid).map_or(100, |of_type| of_type.collation);
    if column.collation == 0 || column.collation == of_type {
        return None;
    }
    column.collation_name.as_deref()
}

/// Returns `GENERATED ... AS IDENTITY`. A partition's column that gets its identity from the parent has no sequence and
/// needs no words.
pub(super) fn identity(model: &Model<'_>, relation: &Relation, column: &Column) -> Option<String> {
    let when = match column.identity {
        'a' => "ALWAYS",
        'd' => "BY DEFAULT",
        _ => return None,
    };
    let owned = model.owned_by(relation.oid, 'i');
    let (oid, _) = owned.into_iter().find(|(_, number)| *number == column.number)?;
    let mut options = Vec::new();
    let name = model.relation_name(oid);
    let usual = format!("{}_{}_seq", relation.name, column.name);
    if name != model.qualified(relation.schema, &usual) {
        options.push(format!("SEQUENCE NAME {name}"));
    }
    options.extend(model.sequence(oid).map_or_else(Vec::new, sequence_options));
    let options = if options.is_empty() { String::new() } else { format!(" ({})", options.join(" ")) };
    Some(format!(" GENERATED {when} AS IDENTITY{options}"))
}

/// Returns the options that aren't the defaults for a sequence of this type and direction.
pub(super) fn sequence_options(sequence: &Sequence) -> Vec<String> {
    let (type_min, type_max) = match sequence.type_name.as_str() {
        "smallint" => (i64::from(i16::MIN), i64::from(i16::MAX)),
        "integer" => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    let rising = sequence.increment > 0;
    let (min, max) = if rising { (1, type_max) } else { (type_min, -1) };
    let start = if rising { sequence.min } else { sequence.max };
    let mut options = Vec::new();
    let mut option = |differs: bool, text: String| {
        if differs {
            options.push(text);
        }
    };
    option(sequence.start != start, format!("START WITH {}", sequence.start));
    option(sequence.increment != 1, format!("INCREMENT BY {}", sequence.increment));
    option(sequence.min != min, format!("MINVALUE {}", sequence.min));
    option(sequence.max != max, format!("MAXVALUE {}", sequence.max));
    option(sequence.cache != 1, format!("CACHE {}", sequence.cache));
    option(sequence.cycle, "CYCLE".to_owned());
    options
}

/// Returns the column's compression, if it was set.
pub(super) fn compression(column: &Column) -> Option<&'static str> {
    match column.compression {
        'p' => Some("pglz"),
        'l' => Some("lz4"),
        _ => None,
    }
}

/// Returns the name of the column's storage.
pub(super) fn storage(column: &Column) -> &'static str {
    match column.storage {
        'e' => "EXTERNAL",
        'm' => "MAIN",
        'x' => "EXTENDED",
        _ => "PLAIN",
    }
}

/// Returns the storage of columns of this type.
pub(super) fn usual_storage(model: &Model<'_>, column: &Column) -> char {
    model.type_of(column.type_oid).map_or(if column.varlena { 'x' } else { 'p' }, |of_type| of_type.storage)
}

/// Returns the statements that set storage and options. CREATE TABLE can't set the storage before PostgreSQL 16.
pub(super) fn settings(model: &Model<'_>, relation: &str, column: &Column) -> Vec<String> {
    let alter = format!("ALTER TABLE ONLY {relation} ALTER COLUMN {}", column.name);
    let mut statements = Vec::new();
    if column.storage != usual_storage(model, column) {
        statements.push(format!("{alter} SET STORAGE {};", storage(column)));
    }
    if let Some(text) = &column.options {
        statements.push(format!("{alter} SET ({});", options(text, "").join(", ")));
    }
    statements
}
