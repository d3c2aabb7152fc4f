//! Migrations that reach beyond their database: they would change the developer's own server while they go up and down on a
//! scratch database.
//!
//! Statements that say so are refused before they run. What a function or a DO block does is found in the transaction of
//! the migration, which is then rolled back.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};
use xtask_schema::sql::{Kind, Token, tokens};

use super::held::PATTERN;
use super::statements;
use crate::connection::session;
use crate::connection::sql::literal;
use crate::migrations::MigrationFile;
use crate::problem::{Code, Problem, Problems};
use crate::target::Target;

/// The objects that all databases of a server share.
const SHARED: [&str; 7] = ["DATABASE", "GROUP", "PARAMETER", "ROLE", "SYSTEM", "TABLESPACE", "USER"];

const REMEDY: &str = "Do it where the server is set up, and take it out of the migration.";

/// Refuses the statements of these migrations that reach beyond the database, on the way up and, if wanted, on the way down.
///
/// # Errors
/// All such statements.
pub(super) fn refuse(migrations: &[MigrationFile], down: bool) -> Result<(), Problems> {
    let mut problems = Problems::default();
    for file in migrations {
        problems.0.extend(refused(&file.file, file.migration.sql.as_str()));
        if let Some(file) = file.down.as_ref().filter(|_| down) {
            problems.0.extend(refused(&file.file, file.migration.sql.as_str()));
        }
    }
    problems.into_result()
}

fn refused(file: &Path, sql: &str) -> Vec<Problem> {
    let found = statements::each(sql).filter_map(|(start, text)| {
        let statement: Vec<Token<'_>> = tokens(text).filter(|token| !token.is_blank()).collect();
        Some((start, beyond(&statement)?))
    });
    let problem = |(start, what): (usize, String)| {
        let position = sql[..start].chars().count() + 1;
        let (line, column) = statements::line_and_column(sql, position);
        Problem::failed(
            Code::ReachesBeyond,
            format!("{what} reaches beyond the database, so nothing was run on a scratch database."),
        )
        .at(file, line, Some(column))
        .detail("All databases of the server share what it changes.")
        .remedy(REMEDY)
    };
    found.map(problem).collect()
}

/// Returns the name of a statement that reaches beyond the database.
fn beyond(statement: &[Token<'_>]) -> Option<String> {
    let word = |index: usize| -> String {
        let token = statement.get(index).filter(|token| token.kind == Kind::Word);
        token.map(|token| token.text.to_ascii_uppercase()).unwrap_or_default()
    };
    let is_shared = |index| SHARED.contains(&word(index).as_str());
    let position = |wanted: &str| statement.iter().position(|token| token.is_word(wanted));
    let (first, second) = (word(0), word(1));
    match first.as_str() {
        "CREATE" | "ALTER" | "DROP" => {
            let is_mapping = second == "USER" && word(2) == "MAPPING";
            let is_other = ["SUBSCRIPTION", "OWNED"].contains(&second.as_str());
            ((is_shared(1) && !is_mapping) || is_other).then(|| format!("{first} {second}"))
        }
        "GRANT" | "REVOKE" => match position("on") {
            None => Some(format!("{first} of a role")),
            Some(on) => is_shared(on + 1).then(|| format!("{first} … ON {}", word(on + 1))),
        },
        "COMMENT" => is_shared(2).then(|| format!("COMMENT ON {}", word(2))),
        "SECURITY" => position("on").filter(|on| is_shared(on + 1)).map(|_| "SECURITY LABEL".to_owned()),
        "REASSIGN" => Some("REASSIGN OWNED".to_owned()),
        "COPY" => {
            let on_machine = |pair: &[Token<'_>]| {
                (pair[0].is_word("from") || pair[0].is_word("to"))
                    && (pair[1].is_word("program") || pair[1].kind == Kind::String)
            };
            statement.windows(2).any(on_machine).then(|| "COPY with a program or a file of the server".to_owned())
        }
        _ => None,
    }
}

/// What all databases of a server share, as one session sees it: names, with contents.
#[derive(PartialEq, Eq)]
pub(super) struct Shared(BTreeSet<(String, String)>);

/// A reader of what is shared, without what concerns one scratch database.
pub(super) struct Reader {
    query: String,
}

impl Reader {
    /// Makes a reader for the scratch database of a session.
    ///
    /// # Errors
    /// The query fails.
    pub(super) async fn new(connection: &mut PgConnection) -> Result<Self> {
        let row = sqlx::raw_sql("SELECT current_database()::text, current_setting('is_superuser') = 'on'");
        let row = row.fetch_one(connection).await?;
        let scratch = literal(&row.try_get::<String, _>(0)?);
        let mut query = format!(
            "SELECT 'the role ' || rolname, (to_jsonb(r) - 'rolpassword')::text FROM pg_roles AS r \
             UNION ALL SELECT 'the database ' || datname, \
             (to_jsonb(d) - 'datfrozenxid' - 'datminmxid' - 'datcollversion')::text \
             FROM pg_database AS d WHERE datname <> {scratch} AND datname !~ {PATTERN} \
             UNION ALL SELECT 'a setting of ' || COALESCE('the role ' || setrole::regrole::text, 'all roles') \
             || COALESCE(' in the database ' || (SELECT datname FROM pg_database WHERE oid = setdatabase), ''), \
             to_jsonb(s)::text FROM (SELECT NULLIF(setrole, 0) AS setrole, setdatabase, setconfig \
             FROM pg_db_role_setting) AS s \
             WHERE setdatabase NOT IN (SELECT oid FROM pg_database WHERE datname = {scratch} OR datname ~ {PATTERN}) \
             UNION ALL SELECT 'a membership in the role ' || roleid::regrole::text, to_jsonb(m)::text FROM pg_auth_members AS m \
             UNION ALL SELECT 'the tablespace ' || spcname, to_jsonb(t)::text FROM pg_tablespace AS t \
             UNION ALL SELECT 'a comment on a role, a database or a tablespace', to_jsonb(c)::text FROM pg_shdescription AS c \
             WHERE objoid <> COALESCE((SELECT oid FROM pg_database WHERE datname = {scratch}), 0) \
             UNION ALL SELECT 'a privilege for the setting ' || parname, to_jsonb(p)::text FROM pg_parameter_acl AS p"
        );
        if row.try_get(1)? {
            query.push_str(
                " UNION ALL SELECT 'the password of the role ' || rolname, COALESCE(md5(rolpassword), '') FROM pg_authid",
            );
        }
        Ok(Self { query })
    }

    /// Reads what is shared.
    ///
    /// # Errors
    /// The query fails.
    pub(super) async fn read(&self, connection: &mut PgConnection) -> Result<Shared> {
        let rows = sqlx::raw_sql(AssertSqlSafe(self.query.as_str())).fetch_all(connection).await?;
        let rows = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        Ok(Shared(rows.collect::<Result<_, sqlx::Error>>()?))
    }
}

/// Watches a file that runs on a scratch database.
pub(super) struct Watch<'a> {
    pub(super) reader: &'a Reader,
    /// What was shared when the file's transaction began.
    pub(super) before: Shared,
    pub(super) target: &'a Target<'a>,
    /// The name of the sessions.
    pub(super) run: &'a str,
    pub(super) file: &'a Path,
}

impl Watch<'_> {
    /// Fails if the open transaction of `connection` has changed something that is shared.
    ///
    /// # Errors
    /// A problem that names what was changed. Or the server can't be asked.
    pub(super) async fn refuse_changes(&self, connection: &mut PgConnection) -> Result<(), Problem> {
        let file = self.file.display();
        let changed = self.changes(connection).await.map_err(|error| {
            Problem::failed(
                Code::ReachesBeyond,
                format!("It can't be told whether {file} reaches beyond its database: {error}."),
            )
        })?;
        if changed.is_empty() {
            return Ok(());
        }
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        Err(Problem::failed(
            Code::ReachesBeyond,
            format!("{name} reaches beyond its database: it changes what all databases of the server share."),
        )
        .at(self.file, 1, None)
        .details(changed.into_iter().map(|name| format!("It changes {name}.")))
        .detail("It ran on a scratch database, and its transaction was rolled back. So nothing has changed.")
        .remedy(REMEDY))
    }

    /// The names of what the transaction has changed. Others may have changed something meanwhile, and a second session
    /// sees what they did.
    async fn changes(&self, connection: &mut PgConnection) -> Result<BTreeSet<String>> {
        if self.reader.read(connection).await? == self.before {
            return Ok(BTreeSet::new());
        }
        let mut other = session::maintenance(&self.target.url, self.run).await?;
        let earlier = self.reader.read(&mut other).await?;
        let own = self.reader.read(connection).await?;
        let later = self.reader.read(&mut other).await?;
        session::close(other).await;
        let added = own.0.iter().filter(|entry| !earlier.0.contains(*entry) && !later.0.contains(*entry));
        let removed = earlier.0.intersection(&later.0).filter(|entry| !own.0.contains(*entry));
        Ok(added.chain(removed).map(|(name, _)| name.clone()).collect())
    }
}
