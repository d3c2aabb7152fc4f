//! Blocking queries for the tests, which are not asynchronous.

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, Connection};
use xtask_schema::{Catalog, Deep, History};

/// A login over TCP.
pub(crate) fn options(host: &str, port: u16, user: &str, password: &str, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .host(host)
        .port(port)
        .username(user)
        .password(password)
        .database(database)
        .ssl_mode(PgSslMode::Disable)
        .application_name("test")
}

/// A session that stays open, with the runtime that drives it.
pub(crate) struct Session {
    runtime: tokio::runtime::Runtime,
    connection: PgConnection,
}

impl Session {
    /// Connects and logs in.
    pub(crate) fn open(options: &PgConnectOptions) -> Result<Self, sqlx::Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connection = runtime.block_on(xtask_connect::connect(options.clone()))?;
        Ok(Self { runtime, connection })
    }

    /// Runs statements.
    pub(crate) fn execute(&mut self, statements: &str) -> Result<(), sqlx::Error> {
        let sql = sqlx::raw_sql(AssertSqlSafe(statements.to_owned()));
        self.runtime.block_on(sql.execute(&mut self.connection)).map(drop)
    }

    /// Returns the rows of a query with one column of type text. NULL becomes an empty string.
    pub(crate) fn query(&mut self, query: &str) -> Result<Vec<String>, sqlx::Error> {
        let sql = sqlx::query_scalar::<_, Option<String>>(AssertSqlSafe(query.to_owned()));
        let rows = self.runtime.block_on(sql.fetch_all(&mut self.connection))?;
        Ok(rows.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// Reads every catalog of the session's database, as the deep proof does.
    pub(crate) fn deep(&mut self) -> Deep {
        self.runtime.block_on(Deep::read(&mut self.connection, false)).unwrap()
    }

    /// Does the same with owners and privileges.
    pub(crate) fn deep_with_privileges(&mut self) -> Deep {
        self.runtime.block_on(Deep::read(&mut self.connection, true)).unwrap()
    }

    /// Reads the canonical text of the session's database, as the fast proof does.
    pub(crate) fn catalog(&mut self, history: &History<'_>) -> Catalog {
        self.runtime.block_on(Catalog::read(&mut self.connection, history)).unwrap().0
    }

    /// Logs out. The server has ended the session when this returns.
    pub(crate) fn close(self) {
        let _ = self.runtime.block_on(self.connection.close());
    }
}

/// Returns the rows of a query, or the error.
pub(crate) fn try_query(options: &PgConnectOptions, query: &str) -> Result<Vec<String>, sqlx::Error> {
    let mut session = Session::open(options)?;
    let rows = session.query(query);
    session.close();
    rows
}

/// Returns the rows of a query with one column of type text.
#[track_caller]
pub(crate) fn query(options: &PgConnectOptions, query: &str) -> Vec<String> {
    try_query(options, query).unwrap_or_else(|error| panic!("{query}: {error}"))
}

/// Runs statements.
#[track_caller]
pub(crate) fn execute(options: &PgConnectOptions, statements: &str) {
    let mut session = Session::open(options).unwrap();
    session.execute(statements).unwrap_or_else(|error| panic!("{statements}: {error}"));
    session.close();
}

/// The query for all databases except those that initdb makes.
pub(crate) const DATABASES: &str =
    "SELECT datname::text FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1') ORDER BY 1";

/// Returns all databases except those that initdb makes.
#[track_caller]
pub(crate) fn databases(options: &PgConnectOptions) -> Vec<String> {
    query(options, DATABASES)
}

/// Returns the tables that `\dt` lists.
#[track_caller]
pub(crate) fn tables(options: &PgConnectOptions) -> Vec<String> {
    query(
        options,
        "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') \
         AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND pg_table_is_visible(c.oid) ORDER BY 1",
    )
}

/// Returns the versions in a history table, in the order in which they were applied.
#[track_caller]
pub(crate) fn applied(options: &PgConnectOptions, table: &str) -> Vec<i64> {
    let rows = query(options, &format!("SELECT version::text FROM {table} ORDER BY installed_on, version"));
    rows.iter().map(|version| version.parse().unwrap()).collect()
}

/// Returns each row of the catalog and of the history table, with the transaction that wrote it. If two fingerprints
/// are equal, nothing was written between them.
#[track_caller]
pub(crate) fn fingerprint(options: &PgConnectOptions, history: &str) -> Vec<String> {
    query(
        options,
        &format!(
            "SELECT 'class ' || oid || ' ' || xmin::text || ' ' || relname FROM pg_class WHERE oid >= 16384 \
             UNION ALL SELECT 'schema ' || oid || ' ' || xmin::text FROM pg_namespace \
             UNION ALL SELECT 'type ' || oid || ' ' || xmin::text FROM pg_type WHERE oid >= 16384 \
             UNION ALL SELECT 'role ' || oid || ' ' || xmin::text FROM pg_authid \
             UNION ALL SELECT 'database ' || oid || ' ' || xmin::text FROM pg_database \
             UNION ALL SELECT 'comment ' || d.objoid || ' ' || d.xmin::text FROM pg_shdescription d \
             UNION ALL SELECT 'history ' || version || ' ' || xmin::text FROM {history} ORDER BY 1"
        ),
    )
}

/// Quotes a name for SQL.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a string for SQL.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
