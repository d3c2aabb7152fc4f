//! An error of the database or of the way to it, fit to be shown.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// What went wrong between us and PostgreSQL.
///
/// Neither its message nor its `Debug` output quotes a row: the detail that PostgreSQL sends with a refused row is the
/// whole row, and with a unit of stock that is the key that is sold. For the same reason it has no `source`.
pub struct DatabaseError(sqlx::Error);

impl DatabaseError {
    /// PostgreSQL's code for what it refused, as in `23505`.
    pub fn code(&self) -> Option<Cow<'_, str>> {
        self.0.as_database_error().and_then(sqlx::error::DatabaseError::code)
    }

    /// The constraint or unique index that refused a row.
    pub fn constraint(&self) -> Option<&str> {
        self.0.as_database_error().and_then(sqlx::error::DatabaseError::constraint)
    }
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            sqlx::Error::Io(error) => write!(f, "{error}"),
            sqlx::Error::Database(error) => write!(f, "the server says: {}", error.message()),
            other => write!(f, "{other}"),
        }
    }
}

impl fmt::Debug for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseError({self})")
    }
}

impl Error for DatabaseError {}
