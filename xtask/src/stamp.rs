//! The stamp of a database: the checkout that it belongs to. Two checkouts that use the same databases without knowing of each
//! other break each other with their next migrations.
//!
//! The stamp is a line of the database's comment. The comment belongs to the server and not to the database: no proof looks
//! at it, and neither pg_dump nor CREATE DATABASE … TEMPLATE copies it, so a copy of a database belongs to nobody. Lines of
//! the user's are kept.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row};

use crate::checkout;
use crate::connection::sql::{identifier, literal};
use crate::database_url::Address;
use crate::problem::{Code, Problem};
use crate::target::Target;

/// The beginning of the line. JSON follows it.
const PREFIX: &str = "xtask: ";

/// The comment of the session's database, and whether the session may replace it. Ready to be asked in one message with
/// another query.
pub(crate) const COMMENT: &str = "SELECT shobj_description(oid, 'pg_database'), pg_has_role(datdba, 'USAGE') \
                                  AND NOT current_setting('transaction_read_only')::bool \
                                  FROM pg_database WHERE datname = current_database()";

/// The lock of a run that replaces the comment, "xtask st" in ASCII.
const KEY: i64 = 0x7874_6173_6b20_7374;

/// A checkout, as a database names it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Stamp {
    pub(crate) checkout: PathBuf,
    pub(crate) branch: Option<String>,
    /// When the checkout made the database or migrated it.
    pub(crate) at: String,
    pub(crate) machine: String,
    /// The environment of the settings at that time. Stamps of older versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) environment: Option<String>,
    /// What is kept, if the database is a snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) snapshot: Option<Kept>,
}

/// What a snapshot keeps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The name that its user gave it.
    pub(crate) name: String,
    /// The snapshots that were made together have this in common.
    pub(crate) set: String,
    /// The databases of the set, by their names in the repository.
    pub(crate) all: Vec<String>,
    /// The name in the repository of the database that is kept.
    pub(crate) database: String,
    /// Its name on the server.
    pub(crate) of: String,
    /// Its limit of connections. A snapshot has a mark there.
    pub(crate) limit: i32,
    /// When it was kept.
    pub(crate) at: String,
}

/// Now, as stamps write a time.
pub(crate) fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A time of a stamp, for people.
pub(crate) fn readable(at: &str) -> String {
    DateTime::parse_from_rfc3339(at).map_or_else(|_| at.to_owned(), |at| at.format("%F %R UTC").to_string())
}

impl Stamp {
    /// The stamp of a checkout, without the environment.
    pub(crate) fn of(checkout: &Path) -> Self {
        Self {
            checkout: checkout.to_owned(),
            branch: checkout::branch(checkout),
            at: now(),
            machine: checkout::machine(),
            environment: None,
            snapshot: None,
        }
    }

    /// The comment of a database with this stamp: the lines that it has already, and this one in place of an older stamp.
    pub(crate) fn in_comment(&self, comment: Option<&str>) -> Result<String, serde_json::Error> {
        let line = self.line()?;
        let lines = comment.into_iter().flat_map(|comment| comment.split('\n'));
        let kept = lines.filter(|line| stamp_in(Some(line)).is_none());
        Ok(kept.chain([line.as_str()]).collect::<Vec<_>>().join("\n"))
    }

    /// Whether it is the stamp of this checkout.
    pub(crate) fn is_of(&self, checkout: &Path) -> bool {
        self.checkout == checkout && self.machine == checkout::machine()
    }

    /// Whether its checkout was on this machine, and isn't there any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.machine == checkout::machine() && !is_checkout(&self.checkout)
    }

    /// The time since it was written. There is none if it was written in the future.
    pub(crate) fn age(&self) -> Option<Duration> {
        let at = DateTime::parse_from_rfc3339(&self.at).ok()?;
        Utc::now().signed_duration_since(at).to_std().ok()
    }

    /// The line of the comment. It is in ASCII, because databases of any encoding show it.
    pub(crate) fn line(&self) -> Result<String, serde_json::Error> {
        let mut line = PREFIX.to_owned();
        for c in serde_json::to_string(self)?.chars() {
            match c {
                ' '..='~' => line.push(c),
                other => line.extend(other.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}"))),
            }
        }
        Ok(line)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { checkout, branch, at, machine, .. } = self;
        write!(f, "{}", checkout.display())?;
        if *machine != checkout::machine() {
            write!(f, " on {machine}")?;
        }
        let at = readable(at);
        match branch {
            Some(branch) => write!(f, " (branch {branch}, {at})"),
            None => write!(f, " ({at})"),
        }
    }
}

/// Reads the stamp in a database's comment.
pub(crate) fn stamp_in(comment: Option<&str>) -> Option<Stamp> {
    comment?.lines().find_map(|line| serde_json::from_str(line.strip_prefix(PREFIX)?).ok())
}

/// This checkout, for the question whose a database is.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// Its folder.
    pub(crate) checkout: PathBuf,
    /// The checkouts whose databases it shares on purpose.
    pub(crate) shares: Vec<PathBuf>,
    /// Whether it has started the server itself. Then no database there is another checkout's: the cluster was copied with
    /// its stamps.
    pub(crate) owns_server: bool,
    /// The environment, as its settings have it.
    pub(crate) environment: Option<String>,
}

/// Whose a database is.
#[derive(Clone, Debug)]
pub(crate) enum Whose {
    Ours,
    /// Another checkout's, which this one shares it with on purpose.
    Shared,
    /// Nobody's: it has no stamp, or that of a checkout that isn't there any more.
    Free(Option<Stamp>),
    /// A checkout's that may be on another machine, or the server is. The folder tells nothing then.
    Remote(Stamp),
    /// Another checkout's of this machine.
    Others(Stamp),
}

impl Claim {
    /// The stamp of this checkout.
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp { environment: self.environment.clone(), ..Stamp::of(&self.checkout) }
    }

    /// Says whose a database at this address is.
    pub(crate) fn whose(&self, stamp: Option<Stamp>, address: &Address) -> Whose {
        let Some(stamp) = stamp else { return Whose::Free(None) };
        if stamp.checkout == self.checkout {
            Whose::Ours
        } else if self.shares.contains(&stamp.checkout) {
            Whose::Shared
        } else if !address.is_loopback() {
            Whose::Remote(stamp)
        } else if self.owns_server {
            Whose::Free(Some(stamp))
        } else if is_checkout(&stamp.checkout) {
            Whose::Others(stamp)
        } else if stamp.machine != checkout::machine() {
            Whose::Remote(stamp)
        } else {
            Whose::Free(Some(stamp))
        }
    }

    /// Whether a stamp is that of another checkout that is still there.
    pub(crate) fn is_others(&self, stamp: &Stamp) -> bool {
        stamp.checkout != self.checkout && is_checkout(&stamp.checkout)
    }

    /// Returns the databases that belong to other checkouts of this machine, without opening them. `connection` leads to
    /// any database of `server`.
    ///
    /// # Errors
    /// The query fails.
    pub(crate) async fn others(
        &self,
        connection: &mut PgConnection,
        targets: &[Target<'_>],
        server: &Address,
    ) -> Result<Vec<Other>, sqlx::Error> {
        let rows = sqlx::raw_sql("SELECT datname::text, shobj_description(oid, 'pg_database') FROM pg_database");
        let rows = rows.fetch_all(connection).await?;
        let mut others = Vec::new();
        for url in targets.iter().map(|target| &target.url).filter(|url| url.address.same_server(server)) {
            for row in &rows {
                let (database, comment): (String, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
                if database == url.kept_name()
                    && let Whose::Others(stamp) = self.whose(stamp_in(comment.as_deref()), &url.address)
                {
                    others.push(Other { database, address: url.address.clone(), stamp });
                }
            }
        }
        Ok(others)
    }
}

impl Whose {
    /// A line for a user whose run uses a database of another checkout.
    pub(crate) fn note(&self, database: &str) -> Option<String> {
        match self {
            Self::Remote(stamp) | Self::Others(stamp) => {
                Some(format!("{database} belongs to another checkout: {stamp}. It is used all the same."))
            }
            Self::Ours | Self::Shared | Self::Free(_) => None,
        }
    }
}

/// A line about a database that this checkout has taken over.
pub(crate) fn taken(database: &str, from: &Stamp) -> String {
    let why =
        if is_checkout(&from.checkout) { "its server is this one's own" } else { "that one isn't there any more" };
    format!("{database} belonged to another checkout: {from}. It is this checkout's from now on, because {why}.")
}

/// Whether there is a checkout of a workspace. A folder that can't be looked into may be one.
fn is_checkout(folder: &Path) -> bool {
    folder.join("Cargo.toml").try_exists().unwrap_or(true)
}

/// A database that belongs to another checkout.
#[derive(Clone, Debug)]
pub(crate) struct Other {
    database: String,
    address: Address,
    pub(crate) stamp: Stamp,
}

/// The problem that the databases belong to another checkout. `own_way` is the way to databases of this checkout's own.
pub(crate) fn refusal(others: &[Other], own_way: &str) -> Problem {
    let names: Vec<_> = others.iter().map(|other| format!("{} ({})", other.database, other.address)).collect();
    let belongs = if others.len() == 1 { "belongs" } else { "belong" };
    Problem::unavailable(Code::OtherCheckout, format!("{} {belongs} to another checkout.", names.join(" and ")))
        .details(others.iter().map(|other| format!("{}: {}", other.database, other.stamp)))
        .detail("Two checkouts with one database break each other with their next migrations. Nothing was changed.")
        .remedy("To share what is there with that checkout, on purpose and from now on: cargo xtask db-setup --share")
        .remedy(format!("or {own_way}"))
}

/// What a session found in the comment of its database.
pub(crate) struct Found {
    comment: Option<String>,
    /// Whether the session may replace it.
    pub(crate) may_write: bool,
}

impl Found {
    /// Reads the row that [`COMMENT`] gives.
    pub(crate) fn of(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self { comment: row.try_get(0)?, may_write: row.try_get(1)? })
    }

    pub(crate) fn stamp(&self) -> Option<Stamp> {
        stamp_in(self.comment.as_deref())
    }

    /// Writes the stamp of this checkout, if the session may and the comment is still the one that was found. Returns
    /// whether it was written. A database without our stamp is as good as before, so no failure is an error.
    pub(crate) async fn write(&self, connection: &mut PgConnection, claim: &Claim, database: &str) -> bool {
        if !self.may_write {
            return false;
        }
        let written = self.try_write(connection, claim, database).await;
        if written.is_err() {
            drop(sqlx::raw_sql("ROLLBACK").execute(connection).await);
        }
        written.unwrap_or(false)
    }

    async fn try_write(&self, connection: &mut PgConnection, claim: &Claim, database: &str) -> anyhow::Result<bool> {
        let comment = claim.stamp().in_comment(self.comment.as_deref())?;
        // A run with nothing else to do holds no setup lock. This lock is never waited for.
        let begin = format!(
            "BEGIN; SET LOCAL synchronous_commit = off; SELECT pg_try_advisory_xact_lock({KEY}) \
             AND shobj_description(oid, 'pg_database') IS NOT DISTINCT FROM {} \
             FROM pg_database WHERE datname = current_database()",
            self.comment.as_deref().map_or_else(|| "NULL".to_owned(), literal)
        );
        let row = sqlx::raw_sql(AssertSqlSafe(begin)).fetch_one(&mut *connection).await?;
        if !row.try_get::<bool, _>(0)? {
            sqlx::raw_sql("ROLLBACK").execute(connection).await?;
            return Ok(false);
        }
        let comment = literal(&comment);
        let write = format!("COMMENT ON DATABASE {} IS {comment}; COMMIT", identifier(database));
        sqlx::raw_sql(AssertSqlSafe(write)).execute(connection).await?;
        Ok(true)
    }
}
