//! Renders enums, domains, composite types and ranges.

use super::super::kind::Rank;
use super::super::model::Model;
use super::super::object::Object;
use super::super::rows::{Type, class};
use super::{column, column_comments, comment};

/// Renders the types that users made. Base types are added elsewhere, by name only.
pub(super) fn all(model: &Model<'_>, objects: &mut Vec<Object>) {
    for of_type in model.rows.types.iter().filter(|of_type| of_type.oid >= 16384) {
        let composite = of_type.kind == 'c';
        let of_row = composite && model.relation(of_type.relation).is_none_or(|relation| relation.kind != 'c');
        if of_row
            || !model.has_schema(of_type.schema)
            || !"edrc".contains(of_type.kind)
            || model.extension_of((class::TYPE, of_type.oid)).is_some()
        {
            continue;
        }
        let name = model.qualified(of_type.schema, &of_type.name);
        let (kind, statement) = match of_type.kind {
            'e' => ("enum", enumeration(model, of_type, &name)),
            'd' => ("domain", domain(model, of_type, &name)),
            'r' => ("range", range(model, of_type, &name)),
            _ => ("composite type", record(model, of_type, &name)),
        };
        // PostgreSQL records the dependencies of a composite type for its entry among the relations.
        let id = if composite { (class::RELATION, of_type.relation) } else { (class::TYPE, of_type.oid) };
        let mut object = Object::new(id, Rank::Type, kind, &name);
        object.statements.push(statement);
        let sql_kind = if of_type.kind == 'd' { "DOMAIN" } else { "TYPE" };
        for constraint in model.constraints(of_type.oid).iter().filter(|constraint| constraint.domain == of_type.oid) {
            if constraint.definition.ends_with(" NOT VALID") {
                let added =
                    format!("ALTER DOMAIN {name} ADD CONSTRAINT {} {};", constraint.name, constraint.definition);
                object.statements.push(added);
            }
        }
        object.statements.extend(comment(model, (class::TYPE, of_type.oid), 0, &format!("{sql_kind} {name}")));
        if composite {
            object.statements.extend(column_comments(model, of_type.relation, &name));
        }
        for constraint in model.constraints(of_type.oid).iter().filter(|constraint| constraint.domain == of_type.oid) {
            let target = format!("CONSTRAINT {} ON DOMAIN {name}", constraint.name);
            object.statements.extend(comment(model, (class::CONSTRAINT, constraint.oid), 0, &target));
        }
        objects.push(object);
    }
}

fn enumeration(model: &Model<'_>, of_type: &Type, name: &str) -> String {
    let labels: Vec<_> = model.labels(of_type.oid).iter().map(|label| format!("\n    {label}")).collect();
    format!("CREATE TYPE {name} AS ENUM ({}\n);", labels.join(","))
}

fn domain(model: &Model<'_>, of_type: &Type, name: &str) -> String {
    let mut statement = format!("CREATE DOMAIN {name} AS {}", of_type.base.as_deref().unwrap_or("?"));
    let of_base = model.type_of(of_type.base_oid).map_or(100, |base| base.collation);
    if let (true, Some(collation)) = (of_type.collation != of_base, &of_type.collation_name) {
        statement.push_str(&format!(" COLLATE {collation}"));
    }
    if let Some(default) = &of_type.default {
        statement.push_str(&format!(" DEFAULT {default}"));
    }
    if of_type.not_null {
        statement.push_str(" NOT NULL");
    }
    for constraint in model.constraints(of_type.oid).iter().filter(|constraint| constraint.domain == of_type.oid) {
        if !constraint.definition.ends_with(" NOT VALID") {
            statement.push_str(&format!("\n    CONSTRAINT {} {}", constraint.name, constraint.definition));
        }
    }
    statement.push(';');
    statement
}

fn record(model: &Model<'_>, of_type: &Type, name: &str) -> String {
    let line = |column: &&super::super::rows::Column| {
        let collation = column::collation(model, column).map_or_else(String::new, |name| format!(" COLLATE {name}"));
        format!("\n    {} {}{collation}", column.name, column.type_name)
    };
    let lines: Vec<_> = model.columns(of_type.relation).iter().map(line).collect();
    format!("CREATE TYPE {name} AS ({}\n);", lines.join(","))
}

fn range(model: &Model<'_>, of_type: &Type, name: &str) -> String {
    let Some(range) = model.range(of_type.oid) else {
        return format!("CREATE TYPE {name};");
    };
    let mut parts = vec![format!("SUBTYPE = {}", range.subtype)];
    let mut part = |name: &str, value: &Option<String>| {
        if let Some(value) = value {
            parts.push(format!("{name} = {value}"));
        }
    };
    part("SUBTYPE_OPCLASS", &range.operator_class);
    part("COLLATION", &range.collation);
    part("CANONICAL", &range.canonical);
    part("SUBTYPE_DIFF", &range.difference);
    parts.push(format!("MULTIRANGE_TYPE_NAME = {}", range.multirange_name));
    format!("CREATE TYPE {name} AS RANGE (\n    {}\n);", parts.join(",\n    "))
}
