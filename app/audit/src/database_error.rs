//! An error of the database, or of the connection to it, that is safe to show.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// An error of PostgreSQL, or of the connection to it.
///
/// Neither the message nor the `Debug` output quotes a row. With a refused row, PostgreSQL sends the whole row as the
/// detail of the error. The row of a unit of stock contains the key that the shop sells. For the same reason the error
/// has no `source`.
pub struct DatabaseError(sqlx::Error);

impl DatabaseError {
    /// Returns PostgreSQL's error code, for example `23505`.
    pub fn code(&self) -> Option<Cow<'_, str>> {
        self.0.as_database_error().and_then(sqlx::error::DatabaseError::code)
    }

    /// Returns the constraint or unique index that refused a row.
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
