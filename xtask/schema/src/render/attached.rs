//! Renders the objects that a separate statement attaches to a table or view: indexes, foreign keys, triggers, rules,
//! policies and statistics. Event triggers are here as well.

use std::collections::BTreeMap;

use super::super::kind::Rank;
use super::super::model::Model;
use super::super::object::{Object, one_line};
use super::super::rows::{Constraint, Id, Oid, Policy, class};
use super::{comment, table};

/// Renders all of these objects.
pub(super) fn all(model: &Model<'_>, objects: &mut Vec<Object>) {
    let of_constraints: BTreeMap<Oid, &Constraint> = model
        .rows
        .constraints
        .iter()
        .filter(|constraint| "pux".contains(constraint.kind))
        .map(|constraint| (constraint.index, constraint))
        .collect();
    indexes(model, &of_constraints, objects);
    foreign_keys(model, objects);
    triggers(model, objects);
    rules(model, objects);
    policies(model, objects);
    statistics(model, objects);
    event_triggers(model, objects);
}

/// Makes an object of this relation. It is written after the relation, in the order of `step` and `name`.
fn of_relation(model: &Model<'_>, id: Id, relation: Oid, step: u8, kind: &str, name: &str) -> Option<Object> {
    let relation = model.relation(relation)?;
    let rank = if "vm".contains(relation.kind) { Rank::View } else { Rank::Table };
    let owner = model.qualified(relation.schema, &relation.name);
    let header = one_line(&format!("{kind} {name} on {owner}"));
    Some(Object { id, place: (rank, owner, step, name.to_owned()), header, statements: Vec::new() })
}

fn indexes(model: &Model<'_>, of_constraints: &BTreeMap<Oid, &Constraint>, objects: &mut Vec<Object>) {
    for index in model.rows.indexes.iter().filter(|index| !of_constraints.contains_key(&index.oid)) {
        let Some(relation) = model.relation(index.oid) else { continue };
        let name = model.qualified(relation.schema, &relation.name);
        let id = (class::RELATION, index.oid);
        let (Some(mut object), Some(definition)) =
            (of_relation(model, id, index.relation, 1, "index", &name), &index.definition)
        else {
            continue;
        };
        object.header = one_line(&format!("index {name}"));
        let table = model.relation_name(index.relation);
        let partitioned = relation.kind == 'I';
        if !index.valid && !partitioned {
            object
                .statements
                .push("-- invalid: PostgreSQL does not use it; CREATE INDEX CONCURRENTLY has failed".to_owned());
        }
        object.statements.push(format!("{definition};"));
        let parents = model.parents(index.oid);
        if partitioned || !parents.is_empty() {
            object.place.0 = Rank::PartitionedIndex;
        }
        for parent in parents {
            object.statements.push(format!("ALTER INDEX {} ATTACH PARTITION {name};", model.relation_name(parent)));
        }
        // The index of a partition's constraint is created with its table, before this index.
        let attached = model.heirs(index.oid).iter().filter(|heir| of_constraints.contains_key(heir));
        let mut attached: Vec<_> = attached.map(|heir| model.relation_name(*heir)).collect();
        attached.sort_unstable();
        for child in attached {
            object.statements.push(format!("ALTER INDEX {name} ATTACH PARTITION {child};"));
        }
        object.statements.extend(table::index_properties(
            &table,
            &relation.name,
            index.clustered,
            index.replica_identity,
        ));
        object.statements.extend(comment(model, id, 0, &format!("INDEX {name}")));
        objects.push(object);
    }
}

/// Renders foreign keys. The foreign keys that partitions have from their parents are created with the parents' ones.
fn foreign_keys(model: &Model<'_>, objects: &mut Vec<Object>) {
    for constraint in
        model.rows.constraints.iter().filter(|constraint| constraint.kind == 'f' && constraint.parent == 0)
    {
        let id = (class::CONSTRAINT, constraint.oid);
        let Some(mut object) = of_relation(model, id, constraint.relation, 0, "foreign key", &constraint.name) else {
            continue;
        };
        object.place.0 = Rank::ForeignKey;
        let table = model.relation_name(constraint.relation);
        object
            .statements
            .push(format!("ALTER TABLE {table} ADD CONSTRAINT {} {};", constraint.name, constraint.definition));
        object.statements.extend(renamed_in_partitions(model, constraint));
        // Bulk loads disable these triggers with ALTER TABLE ... DISABLE TRIGGER ALL, and may forget to enable them.
        object.statements.extend(model.enforcement(constraint.oid).iter().map(|remark| format!("-- {remark}")));
        object.statements.extend(comment(model, id, 0, &format!("CONSTRAINT {} ON {table}", constraint.name)));
        objects.push(object);
    }
}

/// Returns the statements for the partitions in which a foreign key has another name.
fn renamed_in_partitions(model: &Model<'_>, root: &Constraint) -> Vec<String> {
    let mut statements = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        let children = model.children(parent.oid).iter();
        // The server makes further rows for the partitions of the table that the key refers to, with names of its own.
        for child in children.filter(|child| child.relation != parent.relation) {
            if child.name != root.name {
                let table = model.relation_name(child.relation);
                statements.push(format!("ALTER TABLE {table} RENAME CONSTRAINT {} TO {};", root.name, child.name));
            }
            parents.push(child);
        }
    }
    statements.sort_unstable();
    statements
}

/// Returns the words that say when a trigger or rule fires. The default, everywhere but in replicas, has none.
fn enabled(state: char) -> Option<&'static str> {
    match state {
        'D' => Some("DISABLE"),
        'R' => Some("ENABLE REPLICA"),
        'A' => Some("ENABLE ALWAYS"),
        _ => None,
    }
}

fn triggers(model: &Model<'_>, objects: &mut Vec<Object>) {
    for trigger in model.rows.triggers.iter().filter(|trigger| !trigger.internal) {
        let id = (class::TRIGGER, trigger.oid);
        let (Some(mut object), Some(definition)) =
            (of_relation(model, id, trigger.relation, 3, "trigger", &trigger.name), &trigger.definition)
        else {
            continue;
        };
        let table = model.relation_name(trigger.relation);
        // A partition has its parent's trigger. Only the state of the trigger can differ.
        if let Some(parent) = model.trigger(trigger.parent) {
            if parent.enabled == trigger.enabled {
                continue;
            }
            object.place.0 = Rank::PartitionedIndex;
            object.header = one_line(&format!("partition trigger {} on {table}", trigger.name));
            let state = enabled(trigger.enabled).unwrap_or("ENABLE");
            object.statements.push(format!("ALTER TABLE {table} {state} TRIGGER {};", trigger.name));
        } else {
            object.statements.push(format!("{definition};"));
            if let Some(state) = enabled(trigger.enabled) {
                object.statements.push(format!("ALTER TABLE {table} {state} TRIGGER {};", trigger.name));
            }
        }
        object.statements.extend(comment(model, id, 0, &format!("TRIGGER {} ON {table}", trigger.name)));
        objects.push(object);
    }
}

fn rules(model: &Model<'_>, objects: &mut Vec<Object>) {
    for rule in &model.rows.rules {
        let id = (class::RULE, rule.oid);
        let (Some(mut object), Some(definition)) =
            (of_relation(model, id, rule.relation, 2, "rule", &rule.name), &rule.definition)
        else {
            continue;
        };
        let table = model.relation_name(rule.relation);
        object.statements.push(format!("{};", definition.trim_end().trim_end_matches(';')));
        if let Some(state) = enabled(rule.enabled) {
            object.statements.push(format!("ALTER TABLE {table} {state} RULE {};", rule.name));
        }
        object.statements.extend(comment(model, id, 0, &format!("RULE {} ON {table}", rule.name)));
        objects.push(object);
    }
}

fn policies(model: &Model<'_>, objects: &mut Vec<Object>) {
    for policy in &model.rows.policies {
        let id = (class::POLICY, policy.oid);
        let Some(mut object) = of_relation(model, id, policy.relation, 4, "policy", &policy.name) else {
            continue;
        };
        let table = model.relation_name(policy.relation);
        object.statements.push(policy_statement(policy, &table));
        object.statements.extend(comment(model, id, 0, &format!("POLICY {} ON {table}", policy.name)));
        objects.push(object);
    }
}

fn policy_statement(policy: &Policy, table: &str) -> String {
    let mut statement = format!("CREATE POLICY {} ON {table}", policy.name);
    if !policy.permissive {
        statement.push_str(" AS RESTRICTIVE");
    }
    match policy.command {
        'r' => statement.push_str(" FOR SELECT"),
        'a' => statement.push_str(" FOR INSERT"),
        'w' => statement.push_str(" FOR UPDATE"),
        'd' => statement.push_str(" FOR DELETE"),
        _ => {}
    }
    if let Some(roles) = policy.roles.as_deref().filter(|roles| *roles != "PUBLIC") {
        statement.push_str(&format!(" TO {roles}"));
    }
    for (keyword, expression) in [("USING", &policy.using), ("WITH CHECK", &policy.check)] {
        if let Some(expression) = expression {
            statement.push_str(&format!("\n    {keyword} ({expression})"));
        }
    }
    statement.push(';');
    statement
}

fn statistics(model: &Model<'_>, objects: &mut Vec<Object>) {
    for statistics in &model.rows.statistics {
        let id = (class::STATISTICS, statistics.oid);
        let name = model.qualified(statistics.schema, &statistics.name);
        let Some(mut object) = of_relation(model, id, statistics.relation, 5, "statistics", &name) else {
            continue;
        };
        object.statements.push(format!("{};", statistics.definition));
        object.statements.extend(comment(model, id, 0, &format!("STATISTICS {name}")));
        objects.push(object);
    }
}

fn event_triggers(model: &Model<'_>, objects: &mut Vec<Object>) {
    for trigger in &model.rows.event_triggers {
        let id = (class::EVENT_TRIGGER, trigger.oid);
        if model.extension_of(id).is_some() {
            continue;
        }
        let name = &trigger.name;
        let mut object = Object::new(id, Rank::EventTrigger, "event trigger", name);
        let when = trigger.tags.as_ref().map_or_else(String::new, |tags| format!("\n    WHEN TAG IN ({tags})"));
        let function = &trigger.function;
        object.statements.push(format!(
            "CREATE EVENT TRIGGER {name} ON {}{when}\n    EXECUTE FUNCTION {function}();",
            trigger.event
        ));
        if let Some(state) = enabled(trigger.enabled) {
            object.statements.push(format!("ALTER EVENT TRIGGER {name} {state};"));
        }
        object.statements.extend(comment(model, id, 0, &format!("EVENT TRIGGER {name}")));
        objects.push(object);
    }
}
