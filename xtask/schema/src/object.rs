//! The objects of a schema as statements, in an order in which they can be created.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::kind::Rank;
use super::model::Model;
use super::rows::{Id, class};

/// The place of an object among objects that don't depend on each other: its kind, the relation that it belongs to, its
/// kind within that relation, and its name.
pub(super) type Place = (Rank, String, u8, String);

/// One object, or one group of statements that belong together.
pub(super) struct Object {
    pub(super) id: Id,
    pub(super) place: Place,
    /// The kind and the name, for example `table public.users`.
    pub(super) header: String,
    /// Its statements, which end with semicolons, and its comment lines.
    pub(super) statements: Vec<String>,
}

impl Object {
    /// Makes an object that belongs to no relation.
    pub(super) fn new(id: Id, rank: Rank, kind: &str, name: &str) -> Self {
        Self {
            id,
            place: (rank, name.to_owned(), 0, String::new()),
            header: one_line(&format!("{kind} {name}")),
            statements: Vec::new(),
        }
    }
}

/// Makes a header one line, because a quoted name may contain line breaks.
pub(super) fn one_line(text: &str) -> String {
    if text.chars().any(char::is_control) { text.replace(char::is_control, "?") } else { text.to_owned() }
}

/// Sorts the objects by their places, but puts each one after the objects that it depends on.
pub(super) fn sort(mut objects: Vec<Object>, model: &Model<'_>) -> Vec<Object> {
    objects.sort_by(|left, right| left.place.cmp(&right.place));
    let owners = owners(&objects, model);
    let mut waiting_for: Vec<BTreeSet<usize>> = objects.iter().map(|_| BTreeSet::new()).collect();
    let mut needed_by: Vec<Vec<usize>> = objects.iter().map(|_| Vec::new()).collect();
    for dependency in model.rows.dependencies() {
        // A sequence doesn't wait for the table that owns it, because the table may need the sequence for a default.
        let owned = dependency.class == class::RELATION && model.owner_of(dependency.oid).is_some();
        let object = owners.get(&(dependency.class, dependency.oid));
        let needed = owners.get(&(dependency.on_class, dependency.on_oid));
        if let (Some(&object), Some(&needed), false) = (object, needed, owned)
            && object != needed
            && waiting_for[object].insert(needed)
        {
            needed_by[needed].push(object);
        }
    }

    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..objects.len()).filter(|&index| waiting_for[index].is_empty()).map(Reverse).collect();
    let mut placed = vec![false; objects.len()];
    let mut order = Vec::with_capacity(objects.len());
    let mut first = 0;
    while order.len() < objects.len() {
        // Objects that depend on each other in a circle are taken in the order of their places.
        let next = ready.pop().map(|Reverse(index)| index).or_else(|| {
            first += placed[first..].iter().position(|placed| !placed)?;
            Some(first)
        });
        let Some(next) = next else { break };
        if std::mem::replace(&mut placed[next], true) {
            continue;
        }
        order.push(next);
        for &object in &needed_by[next] {
            waiting_for[object].remove(&next);
            if waiting_for[object].is_empty() && !placed[object] {
                ready.push(Reverse(object));
            }
        }
    }
    let mut slots: Vec<Option<Object>> = objects.into_iter().map(Some).collect();
    order.into_iter().filter_map(|index| slots[index].take()).collect()
}

/// Returns the index of the object that each entry of the catalogs belongs to. A default belongs to its table, for
/// example.
pub(super) fn owners(objects: &[Object], model: &Model<'_>) -> BTreeMap<Id, usize> {
    let rows = model.rows;
    let mut owners: BTreeMap<Id, usize> =
        objects.iter().enumerate().map(|(index, object)| (object.id, index)).collect();
    let mut belongs = |part: Id, whole: Id| {
        if let Some(&index) = owners.get(&whole) {
            owners.entry(part).or_insert(index);
        }
    };
    for default in &rows.defaults {
        belongs((class::DEFAULT, default.oid), (class::RELATION, default.relation));
    }
    for constraint in rows.constraints.iter().filter(|constraint| constraint.kind != 'f') {
        let domain = constraint.relation == 0;
        let whole = if domain { (class::TYPE, constraint.domain) } else { (class::RELATION, constraint.relation) };
        belongs((class::CONSTRAINT, constraint.oid), whole);
        belongs((class::RELATION, constraint.index), whole);
    }
    for of_type in rows.types.iter().filter(|of_type| of_type.relation > 0) {
        belongs((class::TYPE, of_type.oid), (class::RELATION, of_type.relation));
    }
    for range in &rows.ranges {
        belongs((class::TYPE, range.multirange), (class::TYPE, range.oid));
    }
    for of_type in rows.types.iter().filter(|of_type| of_type.element > 0) {
        belongs((class::TYPE, of_type.oid), (class::TYPE, of_type.element));
    }
    for rule in rows.rules.iter().filter(|rule| rule.definition.is_none()) {
        belongs((class::RULE, rule.oid), (class::RELATION, rule.relation));
    }
    for dependency in rows.dependencies().filter(|dependency| dependency.kind == 'e') {
        belongs((dependency.class, dependency.oid), (class::EXTENSION, dependency.on_oid));
    }
    owners
}
