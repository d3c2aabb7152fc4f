//! Scratch databases: where everything is tried that must not touch a developer's data.
//!
//! Their names, `<database>_scratch_<12 hex digits>`, are given by this program only. Whoever makes one holds an
//! advisory lock with the same digits for as long as it is used: one whose lock is free was left behind, and is swept.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use anyhow::Result;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Row};

use super::history::History;
use super::session::Opened;
use super::sql::identifier;
use super::{apply, create, session};
use crate::database_url::DatabaseUrl;
use crate::problem::Problem;
use crate::workspace::Database;

/// How many bits 12 hexadecimal digits are.
const BITS: u32 = 48;

/// "sx": what stands above the digits in the lock's key, so that it meets no other program's.
const KEY_SPACE: i64 = 0x7378 << BITS;

/// PostgreSQL cuts longer names off.
const LONGEST_NAME: usize = 63;

const INFIX: &str = "_scratch_";

/// In this time a server notices that a session's client is gone ([`session::watch_client`]).
const NOTICED: Duration = Duration::from_millis(300);

/// A scratch database in use.
pub(crate) struct Scratch {
    name: String,
    url: DatabaseUrl,
    run: String,
    /// Holds the lock.
    maintenance: PgConnection,
}

impl Scratch {
    /// Makes an empty one on the URL's server.
    ///
    /// # Errors
    /// The URL's role may not make databases.
    pub(crate) async fn create(url: &DatabaseUrl, run: &str) -> Result<Self> {
        let mut maintenance = session::maintenance(url, run).await?;
        session::watch_client(&mut maintenance).await;
        sweep(&mut maintenance, std::slice::from_ref(url)).await?;
        let digits = RandomState::new().build_hasher().finish() >> (u64::BITS - BITS);
        let suffix = format!("{INFIX}{digits:012x}");
        let name = format!("{}{suffix}", cut(&url.database, LONGEST_NAME - suffix.len()));
        sqlx::query("SELECT pg_advisory_lock($1)").bind(key(digits)).execute(&mut maintenance).await?;
        create::create(&mut maintenance, &name).await.map_err(|error| {
            Problem::failed(format!("A scratch database can't be made at {}: {error}.", url.address))
                .remedy(format!("As a superuser of that server: ALTER ROLE {} CREATEDB;", identifier(&url.user)))
        })?;
        Ok(Self { name, url: url.clone(), run: run.to_owned(), maintenance })
    }

    /// How to connect to it.
    pub(crate) fn options(&self) -> PgConnectOptions {
        self.url.options(&self.run).database(&self.name)
    }

    /// Opens a session in it.
    ///
    /// # Errors
    /// It can't be opened.
    pub(crate) async fn open(&self) -> Result<PgConnection> {
        match session::open(self.options()).await {
            Opened::Session(mut connection) => {
                session::watch_client(&mut connection).await;
                Ok(connection)
            }
            Opened::Missing => Err(Problem::failed("A scratch database was gone as soon as it was made.").into()),
            Opened::Failed(answer) => {
                Err(Problem::unavailable(format!("A scratch database can't be opened: {answer:?}.")).into())
            }
        }
    }

    /// Opens a session in it and applies all migrations.
    ///
    /// # Errors
    /// It can't be opened, or a migration fails.
    pub(crate) async fn migrated(&self, database: &Database) -> Result<PgConnection> {
        let mut connection = self.open().await?;
        let all = History::compare(database, &[]).pending;
        apply::pending(&mut connection, database, &all, |_| {}).await.1?;
        Ok(connection)
    }

    /// The URL that leads to it, with the password.
    pub(crate) fn url(&self) -> String {
        self.url.of_database(&self.name, &self.run)
    }

    /// Drops it.
    ///
    /// # Errors
    /// The server refuses, or is gone.
    pub(crate) async fn discard(mut self) -> Result<()> {
        drop_database(&mut self.maintenance, &self.name).await?;
        session::close(self.maintenance).await;
        Ok(())
    }
}

/// Drops scratch databases of these URLs' databases that nobody uses any more. Returns their names.
///
/// # Errors
/// The server refuses, or is gone.
pub(crate) async fn sweep(connection: &mut PgConnection, urls: &[DatabaseUrl]) -> Result<Vec<String>> {
    let rows = sqlx::raw_sql(
        "SELECT datname FROM pg_database WHERE datname ~ '_scratch_[0-9a-f]{12}$' \
         AND pg_has_role(current_user, datdba, 'MEMBER')",
    )
    .fetch_all(&mut *connection)
    .await?;
    let names = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()?;
    let mut found: Vec<(String, i64)> =
        names.into_iter().filter_map(|name| key_of(&name, urls).map(|key| (name, key))).collect();
    let mut swept = Vec::new();
    for round in 0..2 {
        // Of a run that was killed just now, the server may not know yet that it is gone.
        if round > 0 && !found.is_empty() {
            tokio::time::sleep(NOTICED).await;
        }
        let mut held = Vec::new();
        for (name, key) in found {
            let row = sqlx::query("SELECT pg_try_advisory_lock($1)").bind(key).fetch_one(&mut *connection).await?;
            if !row.try_get::<bool, _>(0)? {
                held.push((name, key));
                continue;
            }
            let dropped = drop_database(connection, &name).await;
            sqlx::query("SELECT pg_advisory_unlock($1)").bind(key).execute(&mut *connection).await?;
            dropped?;
            swept.push(name);
        }
        found = held;
    }
    Ok(swept)
}

/// The key of a scratch database's lock, if it's one of these URLs' databases.
fn key_of(name: &str, urls: &[DatabaseUrl]) -> Option<i64> {
    let (base, digits) = name.rsplit_once(INFIX)?;
    let longest = LONGEST_NAME - INFIX.len() - digits.len();
    let ours = urls.iter().any(|url| cut(&url.database, longest) == base);
    u64::from_str_radix(digits, 16).ok().filter(|_| ours).map(key)
}

async fn drop_database(connection: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    // FORCE ends the sessions in it; ending them first and dropping then would be a race.
    let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", identifier(name));
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.map(drop)
}

#[expect(clippy::cast_possible_wrap, reason = "48 bits fit")]
fn key(digits: u64) -> i64 {
    KEY_SPACE | digits as i64
}

/// The first bytes of a name, not ending inside a character.
fn cut(name: &str, longest: usize) -> &str {
    let mut end = name.len().min(longest);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}
