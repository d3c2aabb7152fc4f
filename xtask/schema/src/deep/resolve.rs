//! Replaces the numbers in the rows of the catalogs by the names of what they stand for.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use super::array::{self, Cells};
use super::layout::{Catalog, Meaning, NUMBER, OID, by_name};
use crate::parse::canonical;

/// The first number of objects that users make.
const FIRST_OF_USERS: &str = "16384";

/// A name is made of other names. This many levels are enough for every catalog.
const DEEPEST: usize = 8;

/// A text in which no number of an object is left.
#[derive(Clone)]
pub(super) struct Named {
    pub(super) text: String,
    /// Whether it belongs to a session's temporary objects, or to the tables that hold large values. A table has one of
    /// these if it has, or ever had, a column for which it could be needed.
    pub(super) passing: bool,
}

impl Named {
    fn lasting(text: impl Into<String>) -> Self {
        Self { text: text.into(), passing: false }
    }
}

/// The rows of all catalogs, found by their numbers.
pub(super) struct Resolver<'r> {
    catalogs: &'r [Catalog],
    rows: &'r [Vec<&'r str>],
    by_name: BTreeMap<&'r str, usize>,
    by_oid: HashMap<&'r str, usize>,
    /// For each catalog, the rows by the numbers of their objects.
    objects: Vec<HashMap<Cow<'r, str>, usize>>,
    /// The names of the columns by number, of each relation.
    columns: HashMap<Cow<'r, str>, HashMap<Cow<'r, str>, Cow<'r, str>>>,
    names: RefCell<HashMap<(usize, usize), Named>>,
}

impl<'r> Resolver<'r> {
    pub(super) fn new(catalogs: &'r [Catalog], rows: &'r [Vec<&'r str>]) -> Self {
        let by_name = by_name(catalogs);
        let objects = catalogs.iter().zip(rows).map(|(catalog, rows)| {
            let Some(oid) = catalog.column(OID) else { return HashMap::new() };
            let rows = rows.iter().enumerate();
            rows.filter_map(|(at, row)| Some((array::cells(row).nth(oid)??, at))).collect()
        });
        let mut columns = HashMap::<_, HashMap<_, _>>::new();
        if let Some(at) = by_name.get("pg_attribute").copied() {
            let [relation, number, name] = ["attrelid", NUMBER, "attname"].map(|name| catalogs[at].column(name));
            for row in &rows[at] {
                let text = |column: Option<usize>| array::cells(row).nth(column?)?;
                if let (Some(relation), Some(number), Some(name)) = (text(relation), text(number), text(name)) {
                    columns.entry(relation).or_default().insert(number, name);
                }
            }
        }
        Self {
            catalogs,
            rows,
            by_oid: catalogs.iter().enumerate().map(|(at, catalog)| (catalog.oid.as_str(), at)).collect(),
            objects: objects.collect(),
            by_name,
            columns,
            names: RefCell::default(),
        }
    }

    /// The name that tells a row apart from the others of its catalog.
    pub(super) fn key(&self, catalog: usize, row: usize) -> Named {
        self.name(catalog, row, 0)
    }

    /// The value of a cell.
    pub(super) fn value(&self, catalog: usize, cells: &Cells<'_>, column: usize) -> Named {
        self.cell(catalog, cells, column, 0)
    }

    fn name(&self, catalog: usize, row: usize, depth: usize) -> Named {
        if let Some(known) = self.names.borrow().get(&(catalog, row)) {
            return known.clone();
        }
        let layout = &self.catalogs[catalog];
        let cells: Cells<'_> = array::cells(self.rows[catalog][row]).collect();
        let (mut schema, mut parts, mut passing) = (None, Vec::new(), false);
        for column in &layout.key {
            let cell = self.cell(catalog, &cells, *column, depth + 1);
            passing |= cell.passing;
            if matches!(&layout.columns[*column].meaning, Meaning::Objects(to) if to == "pg_namespace") {
                schema = Some(cell.text);
            } else {
                parts.push(cell.text);
            }
        }
        if layout.name == "pg_namespace" {
            let name = parts.first().map_or("", String::as_str);
            passing = name == "pg_toast" || name.starts_with("pg_temp_") || name.starts_with("pg_toast_temp_");
        }
        let text = parts.join(", ");
        let text = schema.map_or_else(|| text.clone(), |schema| format!("{schema}.{text}"));
        let named = Named { text, passing };
        self.names.borrow_mut().insert((catalog, row), named.clone());
        named
    }

    fn cell(&self, catalog: usize, cells: &Cells<'_>, column: usize, depth: usize) -> Named {
        let layout = &self.catalogs[catalog];
        let Some(value) = cells.get(column).and_then(Option::as_deref) else { return Named::lasting("NULL") };
        let other = |name: &str| layout.column(name).and_then(|at| cells.get(at)).and_then(Option::as_deref);
        let described = &layout.columns[column];
        let mut named = match &described.meaning {
            Meaning::Value => Named::lasting(value),
            Meaning::Ddl => Named::lasting(canonical(value.to_owned())),
            Meaning::Tree => Named::lasting(self.tree(value, depth)),
            Meaning::Objects(to) => match self.by_name.get(to.as_str()) {
                Some(to) => self.each(value, described.ordered, |number| self.object(*to, number, depth)),
                // The catalog is left out as a whole.
                None => Named::lasting(value),
            },
            Meaning::Columns(relation) => {
                let relation = other(relation).unwrap_or_default();
                self.each(value, true, |number| Named::lasting(self.column(relation, number)))
            }
            Meaning::Addressed { class } => match self.by_oid.get(other(class).unwrap_or_default()) {
                Some(to) => self.object(*to, value, depth),
                None => Named::lasting(value),
            },
            Meaning::Part { class, object } => {
                let is_relation = other(class).and_then(|class| self.by_oid.get(class)) == self.by_name.get("pg_class");
                let relation = other(object).unwrap_or_default();
                Named::lasting(if is_relation { self.column(relation, value) } else { value.to_owned() })
            }
            Meaning::Number => self.each(value, true, |number| self.any(number, depth)),
        };
        if !described.ordered && described.meaning == Meaning::Value {
            named.text = sorted(&named.text);
        }
        named
    }

    /// Names each number in a value, which is one number or a list of them.
    fn each(&self, value: &str, ordered: bool, name: impl Fn(&str) -> Named) -> Named {
        let numbers = value.split(|character: char| !character.is_ascii_digit() && character != '-');
        let mut named: Vec<Named> = numbers.filter(|number| !number.is_empty()).map(name).collect();
        if !ordered {
            named.sort_by(|left, right| left.text.cmp(&right.text));
        }
        let passing = named.iter().any(|named| named.passing);
        let texts: Vec<String> = named.into_iter().map(|named| named.text).collect();
        Named { text: texts.join(" "), passing }
    }

    /// The name of an object in a catalog.
    fn object(&self, catalog: usize, number: &str, depth: usize) -> Named {
        match self.objects[catalog].get(number) {
            _ if number == "0" => Named::lasting("-"),
            _ if depth > DEEPEST => Named::lasting(number),
            Some(row) => self.name(catalog, *row, depth),
            None => Named::lasting("an object that is gone"),
        }
    }

    /// The name of a column. 0 stands for an expression or for the whole relation, and negative numbers for columns that
    /// every table has.
    fn column(&self, relation: &str, number: &str) -> String {
        let name = self.columns.get(relation).and_then(|columns| columns.get(number));
        name.map_or_else(|| number.to_owned(), |name| name.clone().into_owned())
    }

    /// The names of all objects with a number, in whichever catalogs. Numbers below 16384 are the same in every database.
    fn any(&self, number: &str, depth: usize) -> Named {
        if !is_of_users(number.as_bytes()) || depth > DEEPEST {
            return Named::lasting(number);
        }
        let found = (0..self.catalogs.len()).filter(|catalog| self.objects[*catalog].contains_key(number));
        let found: Vec<String> =
            found.map(|at| format!("{} {}", self.catalogs[at].name, self.object(at, number, depth + 1).text)).collect();
        Named::lasting(if found.is_empty() { "an object that is gone".to_owned() } else { found.join(" or ") })
    }

    /// An expression tree, without the places in the text that it was made of, and without numbers of users' objects.
    fn tree(&self, tree: &str, depth: usize) -> String {
        let mut words = Vec::new();
        let mut place = false;
        for word in tree.split(' ') {
            if !place {
                let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
                let known = is_number && is_of_users(word.as_bytes());
                words.push(if known { self.any(word, depth).text } else { word.to_owned() });
            }
            place = [":location", ":stmt_location", ":stmt_len"].contains(&word);
        }
        words.join(" ")
    }
}

/// Returns whether these digits can be the number of an object that users have made.
pub(super) fn is_of_users(digits: &[u8]) -> bool {
    (digits.len(), digits) >= (FIRST_OF_USERS.len(), FIRST_OF_USERS.as_bytes())
}

/// Sorts the elements of an array. Where an element has quotes, the array is left as it is.
fn sorted(array: &str) -> String {
    let elements = array.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).filter(|rest| !rest.contains('"'));
    let Some(elements) = elements else { return array.to_owned() };
    let mut elements: Vec<&str> = elements.split(',').collect();
    elements.sort_unstable();
    format!("{{{}}}", elements.join(","))
}
