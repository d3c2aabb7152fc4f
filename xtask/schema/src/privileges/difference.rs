//! Names the differences between the owners and privileges of one object, and the statements that repair them.

use std::collections::BTreeSet;

use super::super::compare::Difference;
use super::super::model::literal;
use super::super::parse::{items, words};
use super::super::repair::Repair;
use super::super::sql::{Kind, tokens};
use super::{ALL, DEFAULTS, LOADER, OPTION};

/// Compares the owners and privileges of one object.
pub(crate) fn difference(header: &str, expected: Option<&str>, actual: Option<&str>) -> Difference {
    let [wanted, found] = [expected, actual].map(|body| units(body.unwrap_or_default()));
    let (mut remarks, mut repairs) = (Vec::new(), Some(Vec::new()));
    let mut add = |remark: String, repair: Option<String>| {
        remarks.push(remark);
        match (&mut repairs, repair) {
            (Some(repairs), Some(repair)) => repairs.push(repair),
            _ => repairs = None,
        }
    };
    // An owner comes first. Then what is too much goes, before what is missing comes.
    for unit in found.difference(&wanted) {
        match unit {
            Unit::Owner { of, role } => {
                let to = wanted.iter().find_map(Unit::owner);
                // What initdb has made had an owner whose name isn't known here.
                let is_ours = ["schema public", "schema pg_", "schema information_schema"];
                let known = to.is_some() || !is_ours.iter().any(|name| header.contains(name));
                let to = to.unwrap_or(LOADER);
                add(
                    format!(
                        "the owner is {}, expected {}",
                        shown(role),
                        if known { shown(to) } else { "the usual one" }
                    ),
                    known.then(|| format!("{of} OWNER TO {to};")),
                );
            }
            // The statement about everything does it again. To take it back first would take those on columns as well.
            Unit::Privilege(privilege) if wanted.contains(&Unit::Privilege(privilege.everything())) => {}
            Unit::Privilege(privilege) => add(privilege.remark(true), privilege.inverse()),
            Unit::Other(statement) => add(format!("unexpected: {statement}"), None),
        }
    }
    for unit in wanted.difference(&found) {
        match unit {
            Unit::Owner { .. } if found.iter().any(|unit| unit.owner().is_some()) => {}
            Unit::Owner { of, role } => {
                add(
                    format!("the owner is {}, expected {}", shown(LOADER), shown(role)),
                    Some(format!("{of} OWNER TO {role};")),
                );
            }
            Unit::Privilege(privilege) => add(privilege.remark(false), privilege.statement()),
            Unit::Other(statement) => add(format!("missing: {statement}"), None),
        }
    }
    let difference = Difference::new(header, expected, actual);
    if remarks.is_empty() {
        return difference;
    }
    difference.detail(remarks.join("; ")).repair(match repairs {
        Some(repairs) => Repair::exact(repairs.join("\n")),
        None => Repair::Not("only another role can change it, or the owner that it had isn't known here"),
    })
}

/// The words for a role in a remark.
fn shown(role: &str) -> &str {
    if role == LOADER { "the URL's role" } else { role }
}

/// One owner or one privilege, as a statement says it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Owner {
        of: String,
        role: String,
    },
    Privilege(Privilege),
    /// A statement that only an edited file can have.
    Other(String),
}

impl Unit {
    fn owner(&self) -> Option<&str> {
        match self {
            Self::Owner { role, .. } => Some(role),
            Self::Privilege(_) | Self::Other(_) => None,
        }
    }
}

/// One privilege: the words before GRANT or REVOKE, the words from ON up to TO or FROM, and so on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Privilege {
    granted: bool,
    before: String,
    privilege: String,
    on: String,
    role: String,
    grantable: bool,
    /// What stands around a statement that a DO block makes.
    of_database: bool,
    grantor: Option<String>,
}

impl Privilege {
    /// `taken` says that the database has it, and that the schema file doesn't.
    fn remark(&self, taken: bool) -> String {
        let role = shown(&self.role);
        let privilege = if self.privilege == ALL { "do everything with it" } else { &self.privilege };
        let not = if taken == self.granted { "" } else { " not" };
        let more = if self.grantable { ", and may grant it" } else { "" };
        let by = self.grantor.as_ref().map_or_else(String::new, |by| format!(" (granted by {by})"));
        format!("{role} may{not} {privilege}{more}{by}")
    }

    /// The same about all privileges of a table.
    fn everything(&self) -> Self {
        Self { privilege: ALL.to_owned(), ..self.clone() }
    }

    /// The statement. There is none if only another role can run it.
    fn statement(&self) -> Option<String> {
        self.write(self.granted)
    }

    /// The statement that takes this one back.
    fn inverse(&self) -> Option<String> {
        self.write(!self.granted)
    }

    fn write(&self, grant: bool) -> Option<String> {
        if self.grantor.is_some() {
            return None;
        }
        let Self { privilege, on, role, .. } = self;
        // In a file, the role that loads it makes the objects. A repair may be run by another role.
        let before = match self.before.strip_prefix(DEFAULTS) {
            Some(rest) if !rest.starts_with(" FOR ROLE ") => format!("{DEFAULTS} FOR ROLE {LOADER}{rest}"),
            _ => self.before.clone(),
        };
        let (verb, to) = if grant { ("GRANT", "TO") } else { ("REVOKE", "FROM") };
        let option = if grant && self.grantable { OPTION } else { "" };
        if self.of_database {
            let end = literal(&format!(" {to} {role}{option}"));
            return Some(format!(
                "DO $do$ BEGIN EXECUTE '{verb} {privilege} ON DATABASE ' || quote_ident(current_database()) || {end}; END $do$;"
            ));
        }
        let space = if before.is_empty() { "" } else { " " };
        Some(format!("{before}{space}{verb} {privilege} {on} {to} {role}{option};"))
    }
}

/// Splits the statements of an object into the owner and single privileges.
fn units(body: &str) -> BTreeSet<Unit> {
    let (mut units, mut start) = (BTreeSet::new(), 0);
    for token in tokens(body) {
        let ends = token.text == ";" || token.kind == Kind::Comment;
        if ends {
            units.extend(units_of(body[start..token.end()].trim()));
            start = token.end();
        }
    }
    units.extend(units_of(body[start..].trim()));
    units
}

fn units_of(statement: &str) -> Vec<Unit> {
    let (grantor, statement) = match statement.strip_prefix("-- by ").and_then(|rest| rest.split_once(": ")) {
        Some((grantor, statement)) => (Some(grantor.to_owned()), statement),
        None => (None, statement),
    };
    if statement.is_empty() {
        return Vec::new();
    }
    let of_database = statement.starts_with("DO ");
    let inner = if of_database { from_block(statement) } else { statement.trim_end_matches(';').to_owned() };
    let words = words(&inner);
    if let ["ALTER", .., "OWNER", "TO", role] = words.as_slice() {
        return vec![Unit::Owner { of: words[..words.len() - 3].join(" "), role: (*role).to_owned() }];
    }
    let place = |wanted: &[&str]| words.iter().position(|word| wanted.contains(word));
    let last = words.iter().rposition(|word| ["TO", "FROM"].contains(word));
    let (Some(verb), Some(on), Some(to)) = (place(&["GRANT", "REVOKE"]), place(&["ON"]), last) else {
        return vec![Unit::Other(statement.to_owned())];
    };
    let role = words.get(to + 1).copied().unwrap_or_default().to_owned();
    let list = words.get(verb + 1..on).unwrap_or_default().join(" ");
    let unit = |privilege: &&str| {
        Unit::Privilege(Privilege {
            granted: words[verb] == "GRANT",
            before: words[..verb].join(" "),
            privilege: (*privilege).to_owned(),
            on: words.get(on..to).unwrap_or_default().join(" "),
            role: role.clone(),
            grantable: words.len() > to + 2,
            of_database,
            grantor: grantor.clone(),
        })
    };
    items(&list).iter().map(unit).collect()
}

/// Returns the statement that a DO block makes for its own database, without the database's name.
fn from_block(block: &str) -> String {
    let inner = block.trim_start_matches("DO $do$ BEGIN EXECUTE ").trim_end_matches("; END $do$;");
    let strings = tokens(inner).filter(|token| token.kind == Kind::String && token.text.starts_with('\''));
    strings.map(|token| token.text[1..token.text.len().max(2) - 1].replace("''", "'")).collect::<Vec<_>>().join("")
}
