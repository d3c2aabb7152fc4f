//! The layout of the catalogs: which columns they have on this server, what the columns mean, and how they are read.

use std::collections::BTreeMap;

use super::array::Cells;
use super::{known, privileges};

/// The meaning of a column, which says how its value becomes a text that doesn't depend on numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A value that is the same in every database.
    Value,
    /// DDL that the server writes for an expression tree.
    Ddl,
    /// An expression tree of a column that this program doesn't know.
    Tree,
    /// The numbers of objects in this catalog.
    Objects(String),
    /// The numbers of columns of the relation in another column of the row.
    Columns(String),
    /// The number of an object in the catalog that another column of the row names.
    Addressed { class: String },
    /// The number of a column, or 0, of the object in these columns of the row.
    Part { class: String, object: String },
    /// The number of an object in an unknown catalog.
    Number,
}

/// A column of a catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) meaning: Meaning,
    /// Whether the column is compared. The others are read because something refers to them.
    pub(super) compared: bool,
    /// Whether the order of the values means something.
    pub(super) ordered: bool,
    expression: String,
}

/// A catalog.
#[derive(Debug)]
pub(super) struct Catalog {
    pub(super) name: String,
    /// Its own number.
    pub(super) oid: String,
    pub(super) columns: Vec<Column>,
    /// The columns that tell its rows apart, without numbers of objects. Without them, the whole row does.
    pub(super) key: Vec<usize>,
    /// Whether its rows are compared. The others are read for their names.
    pub(super) compared: bool,
}

/// The column of a catalog's own numbers.
pub(super) const OID: &str = "oid";

/// The unchanged value of a column that is read as something else.
pub(super) const NUMBER: &str = "number of the column";

/// The answers to `layout.sql`.
#[derive(Default)]
pub(super) struct Answers<'t> {
    /// Each column: its catalog, the number of that, its name, its type, and whether this role may read it.
    pub(super) columns: Vec<[&'t str; 5]>,
    /// What the server documents about references: a catalog, its columns, the other catalog, the columns there.
    pub(super) references: Vec<[&'t str; 5]>,
    /// The unique indexes of the catalogs: a catalog, and the names of the columns.
    pub(super) keys: Vec<[&'t str; 2]>,
}

impl<'t> Answers<'t> {
    /// Returns `None` if a row hasn't as many texts as it has to.
    pub(super) fn of(texts: &'t [(&str, Vec<Cells<'_>>)]) -> Option<Self> {
        let mut answers = Self::default();
        for (name, rows) in texts {
            match *name {
                "column" => answers.columns = rows.iter().map(self::texts).collect::<Option<_>>()?,
                "reference" => answers.references = rows.iter().map(self::texts).collect::<Option<_>>()?,
                _ => answers.keys = rows.iter().map(self::texts).collect::<Option<_>>()?,
            }
        }
        Some(answers)
    }
}

/// The catalogs of a server, and the columns that this role may not read.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) catalogs: Vec<Catalog>,
    pub(super) unread: Vec<String>,
}

impl Layout {
    /// Makes the layout, with owners and privileges if they are asked for. Returns `None` if an answer isn't complete.
    pub(super) fn new(answers: &Answers<'_>, with_privileges: bool) -> Option<Self> {
        let mut catalogs: Vec<Catalog> = Vec::new();
        let mut unread = Vec::new();
        for [catalog, oid, column, of_type, readable] in answers.columns.iter().copied() {
            let compared = match known::CATALOGS.iter().find(|(name, ..)| *name == catalog) {
                Some(_) if with_privileges && privileges::is_compared(catalog, None) => true,
                Some((_, false, _)) => continue,
                known => known.is_none(),
            };
            let is_view = known::VIEWS.iter().any(|(name, _)| *name == catalog);
            let asked_for =
                with_privileges && (of_type == privileges::TYPE || privileges::is_compared(catalog, Some(column)));
            let ignored = !asked_for
                && (known::COLUMNS.iter().any(|(of, name, _)| (*of, *name) == (catalog, column))
                    || known::TYPES.iter().any(|(name, _)| *name == of_type));
            if readable != "true" && !is_view {
                if !ignored {
                    unread.push(format!("{catalog}.{column}"));
                }
                continue;
            }
            if catalogs.last().is_none_or(|last| last.name != catalog) {
                let (name, oid) = (catalog.to_owned(), oid.to_owned());
                catalogs.push(Catalog { name, oid, columns: Vec::new(), key: Vec::new(), compared });
            }
            if !ignored {
                let columns = &mut catalogs.last_mut()?.columns;
                let asked_for = if asked_for { privileges::expression(catalog, column) } else { None };
                columns.push(match asked_for {
                    Some(expression) => Column {
                        name: column.to_owned(),
                        meaning: Meaning::Value,
                        compared: true,
                        ordered: true,
                        expression: format!("({expression})::text"),
                    },
                    None => self::column(catalog, column, of_type, answers)?,
                });
                if (catalog, column) == ("pg_attribute", "attnum") {
                    let (name, expression) = (NUMBER.to_owned(), "c.attnum::text".to_owned());
                    columns.push(Column { name, meaning: Meaning::Value, compared: false, ordered: true, expression });
                }
            }
        }
        for catalog in &mut catalogs {
            catalog.set_key(answers)?;
        }
        Some(Self { catalogs, unread })
    }

    /// The statements that read the rows of all catalogs, each as one array.
    pub(super) fn statements(&self) -> String {
        self.catalogs.iter().map(Catalog::statement).collect()
    }
}

impl Catalog {
    /// Chooses the first unique index that contains no number of the row itself.
    fn set_key(&mut self, answers: &Answers<'_>) -> Option<()> {
        for [catalog, names] in answers.keys.iter().copied() {
            if catalog == self.name && names != OID {
                let find = |name| self.columns.iter().position(|column| column.name == name);
                // A column that isn't read can't tell rows apart.
                if let Some(key) = names.split(' ').map(find).collect() {
                    self.key = key;
                    break;
                }
            }
        }
        if !self.compared {
            let key = &self.key;
            let mut at = 0;
            self.columns.retain(|column| {
                at += 1;
                column.name == OID || key.contains(&(at - 1))
            });
            self.key = (0..self.columns.len()).filter(|at| self.columns[*at].name != OID).collect();
        }
        Some(())
    }

    fn statement(&self) -> String {
        let find = |list: &'static [(&str, &'static str)]| {
            list.iter().find(|(name, _)| *name == self.name).map(|(_, text)| *text)
        };
        let from = find(known::VIEWS).map_or_else(|| format!("pg_catalog.{}", self.name), str::to_owned);
        let rows = find(known::ROWS).map_or_else(String::new, |condition| format!(" WHERE {condition}"));
        let expressions: Vec<&str> = self.columns.iter().map(|column| column.expression.as_str()).collect();
        format!(
            "SELECT '{}', array_agg(r)::text FROM (SELECT ARRAY[{}]::text[] AS r FROM {from} AS c{rows}) AS rows;\n",
            self.name,
            expressions.join(", ")
        )
    }

    /// The place of a column.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

/// Describes a column. The unchanged number of a column of a relation is read beside its place.
fn column(catalog: &str, column: &str, of_type: &str, answers: &Answers<'_>) -> Option<Column> {
    let read_as = known::READ_AS.iter().find(|(of, name, ..)| (*of, *name) == (catalog, column));
    let plain = format!("c.\"{column}\"");
    let (meaning, expression) = match read_as {
        Some((.., expression, is_ddl)) => {
            (if *is_ddl { Meaning::Ddl } else { Meaning::Value }, format!("({expression})::text"))
        }
        None if of_type.starts_with("reg") => {
            (meaning(catalog, column, of_type, answers)?, format!("{plain}::oid::text"))
        }
        None => (meaning(catalog, column, of_type, answers)?, format!("{plain}::text")),
    };
    let ordered = !known::UNORDERED.contains(&(catalog, column));
    Some(Column { name: column.to_owned(), meaning, compared: column != OID, ordered, expression })
}

fn meaning(catalog: &str, column: &str, of_type: &str, answers: &Answers<'_>) -> Option<Meaning> {
    if let Some(meaning) = address(catalog, column, answers) {
        return Some(meaning);
    }
    for [of, columns, to, to_columns, _] in answers.references.iter().copied() {
        if of != catalog {
            continue;
        }
        match (columns.split_once(' '), to_columns) {
            (None, OID) if columns == column => return Some(Meaning::Objects(to.to_owned())),
            (Some((relation, number)), "attrelid attnum") if number == column => {
                return Some(Meaning::Columns(relation.to_owned()));
            }
            _ => {}
        }
    }
    let objects = |catalog: &str| Meaning::Objects(catalog.to_owned());
    Some(match of_type.trim_start_matches('_') {
        "regclass" => objects("pg_class"),
        "regcollation" => objects("pg_collation"),
        "regconfig" => objects("pg_ts_config"),
        "regdictionary" => objects("pg_ts_dict"),
        "regnamespace" => objects("pg_namespace"),
        "regoper" | "regoperator" => objects("pg_operator"),
        "regproc" | "regprocedure" => objects("pg_proc"),
        "regrole" => objects("pg_authid"),
        "regtype" => objects("pg_type"),
        "oid" if column != OID => Meaning::Number,
        "pg_node_tree" => Meaning::Tree,
        _ => Meaning::Value,
    })
}

/// Returns the meaning of the columns that are the address of any object, in whichever catalog.
fn address(catalog: &str, column: &str, answers: &Answers<'_>) -> Option<Meaning> {
    const ADDRESSES: [[&str; 3]; 3] = [
        ["classid", "objid", "objsubid"],
        ["refclassid", "refobjid", "refobjsubid"],
        ["classoid", "objoid", "objsubid"],
    ];
    let has = |name: &str| answers.columns.iter().any(|[of, _, known, ..]| (*of, *known) == (catalog, name));
    ADDRESSES.iter().find_map(|[class, object, part]| {
        if column == *object && has(class) {
            Some(Meaning::Addressed { class: (*class).to_owned() })
        } else if column == *part && has(class) {
            Some(Meaning::Part { class: (*class).to_owned(), object: (*object).to_owned() })
        } else {
            None
        }
    })
}

/// Returns the texts of a row that has exactly this many.
fn texts<'c, const N: usize>(cells: &'c Cells<'_>) -> Option<[&'c str; N]> {
    let texts: Vec<&str> = cells.iter().map(Option::as_deref).collect::<Option<_>>()?;
    texts.try_into().ok()
}

/// Returns the catalogs by the names that references use.
pub(super) fn by_name(catalogs: &[Catalog]) -> BTreeMap<&str, usize> {
    catalogs.iter().enumerate().map(|(at, catalog)| (catalog.name.as_str(), at)).collect()
}
