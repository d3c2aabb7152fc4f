//! Renders the objects of a catalog as canonical DDL. There is one way to write each object, in every version of
//! PostgreSQL.

mod attached;
mod column;
mod query;
mod table;
mod types;

use super::kind::Rank;
use super::model::{Model, literal};
use super::object::{self, Object};
use super::rows::{Id, Oid, Relation, class};
use super::{DIGEST, History, NAME_ONLY, VERSION};

/// The comment that the schema public has in a new database.
const STANDARD_PUBLIC: &str = "standard public schema";

/// Renders all objects, in order.
pub(super) fn objects(model: &Model<'_>, history: &History<'_>) -> Vec<Object> {
    let mut objects = Vec::new();
    schemas(model, &mut objects);
    extensions(model, &mut objects);
    types::all(model, &mut objects);
    routines(model, &mut objects);
    for relation in model.relations("S") {
        sequence(model, relation, &mut objects);
    }
    for relation in model.relations("rpf") {
        let object = table::table(model, relation);
        let is_left_out = (model.is_history(relation.oid) && table::is_usual_history(&object))
            || (model.is_texts(relation.oid) && table::is_usual_texts(&object));
        if !is_left_out {
            objects.push(object);
        }
    }
    for relation in model.relations("vm") {
        objects.push(view(model, relation));
    }
    attached::all(model, &mut objects);
    database(model, &mut objects);
    by_name_only(model, &mut objects);
    drop_history_schema(model, history, &mut objects);
    depend_on_extensions(model, &mut objects);
    object::sort(objects, model)
}

/// Adds the statements that make objects depend on extensions. Such an object is dropped with the extension.
fn depend_on_extensions(model: &Model<'_>, objects: &mut [Object]) {
    let dependencies: Vec<_> = model.rows.dependencies().filter(|dependency| dependency.kind == 'x').collect();
    if dependencies.is_empty() {
        return;
    }
    let owners = object::owners(objects, model);
    let mut statements = Vec::new();
    for dependency in dependencies {
        let id = (dependency.class, dependency.oid);
        let extension = model.rows.extensions.iter().find(|extension| extension.oid == dependency.on_oid);
        // A partition's trigger has no place of its own, unless its state differs from its parent's.
        let trigger = if dependency.class == class::TRIGGER { model.trigger(dependency.oid) } else { None };
        let place = owners.get(&id).or_else(|| owners.get(&(class::RELATION, trigger?.relation)));
        let (Some(&at), Some(extension)) = (place, extension) else { continue };
        let object: &Object = &objects[at];
        let which = if object.id == id && trigger.is_none() {
            let kinds = ["function", "procedure", "aggregate", "materialized view", "index"];
            let kind = kinds.into_iter().find(|kind| object.header.starts_with(kind)).unwrap_or("index");
            let name = object.header.get(kind.len() + 1..).unwrap_or_default();
            format!("{} {name}", kind.to_uppercase())
        } else if let Some(trigger) = trigger {
            format!("TRIGGER {} ON {}", trigger.name, model.relation_name(trigger.relation))
        } else {
            format!("INDEX {}", model.relation_name(dependency.oid))
        };
        statements.push((at, format!("ALTER {which} DEPENDS ON EXTENSION {};", extension.name)));
    }
    statements.sort_unstable();
    statements.dedup();
    for (at, statement) in statements {
        objects[at].statements.push(statement);
    }
}

/// Returns `COMMENT ON`, if there is a comment. `column` is 0 for the object itself.
fn comment(model: &Model<'_>, (class, oid): Id, column: i64, target: &str) -> Option<String> {
    model.comment(class, oid, column).map(|text| format!("COMMENT ON {target} IS {};", literal(text)))
}

/// Returns options for a list in parentheses. The catalog has each option on its own line, as `name=value`.
fn options(text: &str, prefix: &str) -> Vec<String> {
    let option = |line: &str| {
        let (name, value) = line.split_once('=').unwrap_or((line, "true"));
        let word =
            !value.is_empty() && value.chars().all(|character| character.is_ascii_alphabetic() || character == '_');
        let number = value.starts_with(|c: char| c.is_ascii_digit() || c == '-')
            && value.chars().all(|c| c.is_ascii_digit() || c == '.' || c == '-');
        let value = if word || number { value.to_owned() } else { literal(value) };
        format!("{prefix}{name}={value}")
    };
    let mut options: Vec<String> = text.lines().map(option).collect();
    options.sort_unstable();
    options
}

fn schemas(model: &Model<'_>, objects: &mut Vec<Object>) {
    let mut public = false;
    for schema in &model.rows.schemas {
        let id = (class::SCHEMA, schema.oid);
        let mut object = Object::new(id, Rank::Schema, "schema", &schema.name);
        if schema.name == "public" {
            public = true;
            // A schema that was dropped and created again has no comment. This difference doesn't matter.
            if model.comment(class::SCHEMA, schema.oid, 0) != Some(STANDARD_PUBLIC) {
                object.statements.extend(comment(model, id, 0, "SCHEMA public"));
            }
            if object.statements.is_empty() {
                continue;
            }
        } else if schema.oid < 16384 || model.extension_of(id).is_some() {
            continue;
        } else {
            object.statements.push(format!("CREATE SCHEMA {};", schema.name));
            object.statements.extend(comment(model, id, 0, &format!("SCHEMA {}", schema.name)));
        }
        objects.push(object);
    }
    if !public {
        let mut object = Object::new((class::SCHEMA, 0), Rank::Schema, "schema", "public");
        object.statements.push("DROP SCHEMA public;".to_owned());
        objects.push(object);
    }
}

/// Removes the schema of the history, because no migration makes it. It stays if something else is in it.
fn drop_history_schema(model: &Model<'_>, history: &History<'_>, objects: &mut Vec<Object>) {
    let schema =
        model.rows.schemas.iter().find(|schema| {
            schema.name != "public" && Some(super::model::unquote(&schema.name).as_str()) == history.schema
        });
    let Some(schema) = schema else { return };
    let owners = object::owners(objects, model);
    let used = model.rows.dependencies().any(|dependency| {
        (dependency.on_class, dependency.on_oid) == (class::SCHEMA, schema.oid)
            && owners.contains_key(&(dependency.class, dependency.oid))
    });
    if !used {
        objects.retain(|object| object.id != (class::SCHEMA, schema.oid));
    }
}

/// Renders extensions with their schemas, and a digest of their objects. Their versions and comments come from the
/// server's installation, so digests are compared only where the versions are equal.
fn extensions(model: &Model<'_>, objects: &mut Vec<Object>) {
    for extension in &model.rows.extensions {
        let mut object = Object::new((class::EXTENSION, extension.oid), Rank::Extension, "extension", &extension.name);
        object.statements.push(format!(
            "CREATE EXTENSION {} WITH SCHEMA {};",
            extension.name,
            model.schema(extension.schema)
        ));
        for members in model.rows.members.iter().filter(|members| members.extension == extension.oid) {
            object.statements.push(format!("{VERSION}{}{DIGEST}{}", members.version, members.digest));
        }
        objects.push(object);
    }
}

fn routines(model: &Model<'_>, objects: &mut Vec<Object>) {
    // The temporary functions of a session aren't part of the schema.
    let routines = model.rows.routines.iter();
    for routine in routines.filter(|routine| model.has_schema(routine.schema)) {
        let id = (class::PROC, routine.oid);
        let kind = match routine.kind {
            'a' => "aggregate",
            'p' => "procedure",
            _ => "function",
        };
        let mut object = Object::new(id, Rank::Routine, kind, &routine.signature);
        if let Some(definition) = &routine.definition {
            object.statements.push(format!("{};", definition.trim_end()));
        }
        if let Some(aggregate) = model.aggregate(routine.oid) {
            let arguments = aggregate.arguments.as_deref().unwrap_or("*");
            object
                .statements
                .push(format!("CREATE AGGREGATE {}({arguments}) (\n    {}\n);", aggregate.name, aggregate.parts));
        }
        // PostgreSQL writes an aggregate without arguments with a star.
        let target = format!("{} {}", kind.to_uppercase(), routine.signature);
        let target = if kind == "aggregate" { target.replace("()", "(*)") } else { target };
        object.statements.extend(comment(model, id, 0, &target));
        objects.push(object);
    }
}

/// Renders a sequence, unless it belongs to an identity column. OWNED BY is written after the table.
fn sequence(model: &Model<'_>, relation: &Relation, objects: &mut Vec<Object>) {
    let Some(sequence) = model.sequence(relation.oid) else {
        return;
    };
    if model.owner_of(relation.oid).is_some_and(|owner| owner.kind == 'i') {
        return;
    }
    let name = model.qualified(relation.schema, &relation.name);
    let mut object = Object::new((class::RELATION, relation.oid), Rank::Sequence, "sequence", &name);
    let unlogged = if relation.unlogged { "UNLOGGED " } else { "" };
    let mut statement = format!("CREATE {unlogged}SEQUENCE {name} AS {}", sequence.type_name);
    for option in column::sequence_options(sequence) {
        statement.push_str("\n    ");
        statement.push_str(&option);
    }
    statement.push(';');
    object.statements.push(statement);
    object.statements.extend(comment(model, object.id, 0, &format!("SEQUENCE {name}")));
    objects.push(object);
}

fn view(model: &Model<'_>, relation: &Relation) -> Object {
    let name = model.qualified(relation.schema, &relation.name);
    let kind = if relation.kind == 'm' { "materialized view" } else { "view" };
    let mut object = Object::new((class::RELATION, relation.oid), Rank::View, kind, &name);
    let sql_kind = kind.to_uppercase();
    let mut statement = format!("CREATE {sql_kind} {name}");
    if relation.kind == 'm' && relation.method != 2 {
        statement.push_str(&format!(" USING {}", model.access_method(relation.method)));
    }
    let mut with = relation.options.as_deref().map_or_else(Vec::new, |text| options(text, ""));
    with.extend(model.toast_options(relation).map_or_else(Vec::new, |text| options(text, "toast.")));
    if !with.is_empty() {
        statement.push_str(&format!(" WITH ({})", with.join(", ")));
    }
    let query = query::canonical(relation.definition.as_deref().unwrap_or_default().trim_end().trim_end_matches(';'));
    object.statements.push(format!("{statement} AS\n{query};"));
    for column in model.columns(relation.oid) {
        if let Some(default) = model.default(column) {
            object.statements.push(format!("ALTER VIEW {name} ALTER COLUMN {} SET DEFAULT {default};", column.name));
        }
        if relation.kind == 'm' {
            object.statements.extend(column::compression(column).map(|compression| {
                format!("ALTER TABLE ONLY {name} ALTER COLUMN {} SET COMPRESSION {compression};", column.name)
            }));
            object.statements.extend(column::settings(model, &name, column));
        }
    }
    object.statements.extend(comment(model, object.id, 0, &format!("{sql_kind} {name}")));
    object.statements.extend(column_comments(model, relation.oid, &name));
    object
}

/// Returns the comments on a relation's columns.
fn column_comments(model: &Model<'_>, relation: Oid, name: &str) -> Vec<String> {
    let columns = model.columns(relation).iter();
    let statement = |column: &&super::rows::Column| {
        comment(model, (class::RELATION, relation), column.number, &format!("COLUMN {name}.{}", column.name))
    };
    columns.filter_map(statement).collect()
}

/// Renders what was set for this database alone, and its encoding if that isn't UTF-8.
fn database(model: &Model<'_>, objects: &mut Vec<Object>) {
    for (number, setting) in (0..).zip(&model.rows.settings) {
        let (name, who) = match &setting.role {
            None => ("of the database".to_owned(), "'ALTER DATABASE '".to_owned()),
            Some(role) => (
                format!("of {role} in the database"),
                format!("{} || ' IN DATABASE '", literal(&format!("ALTER ROLE {role}"))),
            ),
        };
        let mut object = Object::new((class::SETTING, number), Rank::Other, "settings", &name);
        let statement = |line: &str| {
            let (name, value) = line.split_once('=').unwrap_or((line, ""));
            // The server keeps a list of names with their quotes.
            let is_list = ["search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries"]
                .contains(&name);
            let set = literal(&format!(" SET {name} TO {}", if is_list { value.to_owned() } else { literal(value) }));
            format!("DO $do$ BEGIN EXECUTE {who} || quote_ident(current_database()) || {set}; END $do$;")
        };
        let mut statements: Vec<String> = setting.values.lines().map(statement).collect();
        statements.sort_unstable();
        object.statements = statements;
        objects.push(object);
    }
    for encoding in model.rows.encodings.iter().filter(|encoding| encoding.name != "UTF8") {
        let mut object = Object::new((class::DATABASE, 0), Rank::Other, "encoding", "of the database");
        object.statements.push(format!("-- it is {}, and must be UTF8", encoding.name));
        objects.push(object);
    }
}

/// Adds the objects of rare kinds. Those without a definition are compared by name.
fn by_name_only(model: &Model<'_>, objects: &mut Vec<Object>) {
    let mut add = |id: Id, kind: &str, name: &str| {
        let mut object = Object::new(id, Rank::Other, kind, name);
        match model.definition(id) {
            Some(definition) => object.statements.push(definition.to_owned()),
            None => object.header.push_str(NAME_ONLY),
        }
        if let Some(text) = model.comment(id.0, id.1, 0) {
            object.statements.push(format!("-- its comment: {}", literal(text)));
        }
        objects.push(object);
    };
    for of_type in &model.rows.types {
        let id = (class::TYPE, of_type.oid);
        let made_here = of_type.oid >= 16384 && of_type.element == 0 && "bp".contains(of_type.kind);
        if made_here && model.extension_of(id).is_none() {
            add(id, "base type", &model.qualified(of_type.schema, &of_type.name));
        }
    }
    for other in &model.rows.others {
        add((other.class, other.oid), &other.kind, &other.identity);
    }
}
