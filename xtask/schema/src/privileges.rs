//! Owners and privileges: how they are read and written, and how their differences are named and repaired.
//!
//! They are at the end of a text, in objects of their own, and only if the reader was asked for them. What is usual isn't
//! written: an object belongs to the role that loads the text, and has the privileges of a new object. So most objects
//! have nothing here, and the name of the URL's role, which differs between machines, isn't in the text. Where that role
//! gets a privilege from another owner, it is `CURRENT_USER`.

mod difference;

use std::collections::{BTreeMap, BTreeSet};

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row};

use super::error::ReadError;
use super::model::literal;
use super::object::one_line;
use super::parse::canonical;
use super::sql::{Kind, Token, tokens};
pub(super) use difference::difference;

/// The first words of the statements about privileges that new objects get.
const DEFAULTS: &str = "ALTER DEFAULT PRIVILEGES";

/// The first words of the headers of these objects.
const HEADER: &str = "privileges of ";

const SQL: &str = concat!(
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;\n",
    include_str!("settings.sql"),
    include_str!("privileges.sql")
);

/// The privileges of a table. PostgreSQL 17 and later have MAINTAIN as well, so the text of GRANT ALL doesn't list them.
const TABLE_PRIVILEGES: [&str; 7] = ["DELETE", "INSERT", "REFERENCES", "SELECT", "TRIGGER", "TRUNCATE", "UPDATE"];
const ALL: &str = "ALL";

/// The URL's role, whatever its name is.
const LOADER: &str = "CURRENT_USER";

/// Reads the unusual owners and privileges of a database, as the text of their objects.
pub(super) async fn read(connection: &mut PgConnection) -> Result<String, ReadError> {
    let answer = sqlx::raw_sql(AssertSqlSafe(SQL)).fetch_all(&mut *connection).await;
    if answer.is_err() {
        // An error of this would only repeat the first one.
        let _ = sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await;
    }
    let mut objects = BTreeMap::<Place, Statements>::new();
    let mut ended = false;
    for row in answer? {
        let row = Unusual::of(&row)?;
        if row.verb == "end" {
            ended = true;
        } else {
            objects.entry(row.place()).or_default().add(&row);
        }
    }
    // An incomplete answer must never look like usual privileges.
    if !ended {
        return Err(ReadError::Partial);
    }
    let newest = connection.server_version_num().is_some_and(|version| version >= 170_000).then_some("MAINTAIN");
    let of_tables = TABLE_PRIVILEGES.into_iter().chain(newest).map(str::to_owned).collect();
    let mut text = String::new();
    for (place, statements) in objects {
        text.push_str(&format!("\n-- {HEADER}{}\n", one_line(&place.name)));
        for statement in statements.all(&place.target, &of_tables) {
            text.push_str(&canonical(statement));
            text.push('\n');
        }
    }
    Ok(text)
}

/// A row of `privileges.sql`.
struct Unusual {
    verb: String,
    kind: String,
    identity: String,
    privilege: String,
    role: String,
    grantable: bool,
    grantor: Option<String>,
    /// Of privileges that new objects get: the kind of object, the role that makes them, and their schema.
    new: [Option<String>; 3],
}

impl Unusual {
    fn of(row: &PgRow) -> Result<Self, sqlx::Error> {
        let get = |index: usize| row.try_get::<Option<String>, _>(index);
        let text = |index: usize| Ok::<_, sqlx::Error>(get(index)?.unwrap_or_default());
        Ok(Self {
            verb: text(0)?,
            kind: text(1)?,
            identity: text(2)?,
            privilege: text(3)?,
            role: text(4)?,
            grantable: get(5)?.is_some(),
            grantor: get(6)?,
            new: [get(7)?, get(8)?, get(9)?],
        })
    }

    /// The object. Privileges of new objects are written after all others, so that no object of the text gets them.
    fn place(&self) -> Place {
        match self.kind.as_str() {
            "new" => {
                let [kind, by, schema] = &self.new;
                let kind = kind.as_deref().unwrap_or_default();
                let (mut name, mut before) = (format!("new {}", kind.to_lowercase()), format!("{DEFAULTS} "));
                if let Some(by) = by {
                    name.push_str(&format!(" of {by}"));
                    before.push_str(&format!("FOR ROLE {by} "));
                }
                if let Some(schema) = schema {
                    name.push_str(&format!(" in schema {schema}"));
                    before.push_str(&format!("IN SCHEMA {schema} "));
                }
                Place { last: true, name, target: Target::New { before, kind: kind.to_owned() } }
            }
            "database" => Place { last: false, name: "the database".to_owned(), target: Target::Database },
            kind => Place {
                last: false,
                name: format!("{kind} {}", self.identity),
                target: Target::Object { kind: kind.to_owned(), identity: self.identity.clone() },
            },
        }
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    last: bool,
    name: String,
    target: Target,
}

/// What privileges are on.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Object { kind: String, identity: String },
    New { before: String, kind: String },
    Database,
}

/// The statements of an object: its owner, and its privileges by all that they share.
#[derive(Default)]
struct Statements {
    owner: Option<String>,
    /// By whether they are granted, the role, whether it may grant them, and who has granted them.
    privileges: BTreeMap<(bool, String, bool, Option<String>), BTreeSet<String>>,
}

impl Statements {
    fn add(&mut self, row: &Unusual) {
        if row.verb == "OWNER" {
            self.owner = Some(row.role.clone());
            return;
        }
        let granted = row.verb == "GRANT";
        let key = (granted, row.role.clone(), granted && row.grantable, row.grantor.clone());
        self.privileges.entry(key).or_default().insert(row.privilege.clone());
    }

    /// `of_tables` are all privileges that a table of this server has.
    fn all(self, target: &Target, of_tables: &BTreeSet<String>) -> Vec<String> {
        let mut all = Vec::new();
        if let (Some(owner), Target::Object { kind, identity }) = (self.owner, target) {
            all.push(format!("ALTER {} {identity} OWNER TO {owner};", owned(kind)));
        }
        for ((granted, role, grantable, grantor), privileges) in self.privileges {
            let verb = if granted { "GRANT" } else { "REVOKE" };
            let to = format!("{} {role}{}", if granted { "TO" } else { "FROM" }, if grantable { OPTION } else { "" });
            // Privileges on columns can't stand beside ALL.
            let (everything, rest) = if privileges.is_superset(of_tables) {
                (Some(ALL.to_owned()), &privileges - of_tables)
            } else {
                (None, privileges)
            };
            let rest = rest.into_iter().collect::<Vec<_>>().join(", ");
            for privileges in everything.into_iter().chain(Some(rest).filter(|rest| !rest.is_empty())) {
                let statement = match target {
                    Target::Object { kind, identity } => {
                        format!("{verb} {privileges} ON {} {identity} {to};", grantable_kind(kind))
                    }
                    Target::New { before, kind } => format!("{before}{verb} {privileges} ON {kind} {to};"),
                    Target::Database => format!(
                        "DO $do$ BEGIN EXECUTE '{verb} {privileges} ON DATABASE ' || quote_ident(current_database()) || {}; END $do$;",
                        literal(&format!(" {to}"))
                    ),
                };
                // Only the role itself can grant in its own name.
                all.push(match &grantor {
                    None => statement,
                    Some(grantor) => format!("-- by {grantor}: {statement}"),
                });
            }
        }
        all
    }
}

const OPTION: &str = " WITH GRANT OPTION";

/// The words for a kind of object in `ALTER … OWNER TO`.
fn owned(kind: &str) -> String {
    match kind {
        "foreign-data wrapper" => "FOREIGN DATA WRAPPER".to_owned(),
        "statistics object" => "STATISTICS".to_owned(),
        _ => kind.to_uppercase(),
    }
}

/// The words for a kind of object in `GRANT … ON`.
fn grantable_kind(kind: &str) -> String {
    match kind {
        "view" | "materialized view" | "foreign table" => "TABLE".to_owned(),
        "aggregate" => "FUNCTION".to_owned(),
        "foreign-data wrapper" => "FOREIGN DATA WRAPPER".to_owned(),
        "server" => "FOREIGN SERVER".to_owned(),
        _ => kind.to_uppercase(),
    }
}

/// Returns the place where the owners and privileges of a text begin, or its end.
pub(super) fn begin(text: &str) -> usize {
    let begins = |start: usize| text[..start].ends_with("\n\n") && text[start + "-- ".len()..].starts_with(HEADER);
    let mut comments = tokens(text).filter(|token| token.kind == Kind::Comment && token.text.starts_with("-- "));
    comments.find(|token| begins(token.start)).map_or(text.len(), |token| token.start - 1)
}

/// Returns whether this is the name of an object whose privileges are compared.
pub(super) fn is_header(header: &str) -> bool {
    header.starts_with(HEADER)
}

/// Puts the name of the URL's role into a repair, because a superuser may run it. `role` is quoted where that is needed.
pub(super) fn with_role(statements: &str, role: &str) -> String {
    let text = |token: Token<'_>| {
        if token.kind == Kind::Word && token.text == LOADER { role.to_owned() } else { token.text.to_owned() }
    };
    tokens(statements).map(text).collect()
}
