//! The reasons why a catalog can't be read.

use std::fmt;

/// The reason why a catalog can't be read. Nothing is compared in any of these cases.
#[derive(Debug)]
pub enum ReadError {
    /// The server refused the query, or the connection was cut.
    Query(sqlx::Error),
    /// The server answered only a part of the query.
    Partial,
    /// The schema was changed while it was read, so some names were gone.
    Changed,
    /// A row has a value that its column can't have.
    Value {
        /// The column, as `kind of row.name`.
        column: String,
        /// The value. `NULL` means that there was none.
        value: String,
    },
    /// A row has a kind that this program doesn't know.
    Kind(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query(_) => formatter.write_str("the catalog of the database can't be read, so nothing was compared"),
            Self::Partial => formatter.write_str(
                "the server answered only a part of the catalog query, so nothing was compared. \
                 Run the command again",
            ),
            Self::Changed => formatter
                .write_str("the schema was changed while it was read, so nothing was compared. Run the command again"),
            Self::Value { column, value } => write!(
                formatter,
                "the catalog has the unexpected value {value:?} in `{column}`, so nothing was compared. Perhaps the \
                 schema was changed while it was read. Run the command again"
            ),
            Self::Kind(kind) => {
                write!(
                    formatter,
                    "the catalog query returned a row of the unknown kind {kind:?}, so nothing was compared"
                )
            }
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Query(error) => Some(error),
            Self::Partial | Self::Changed | Self::Value { .. } | Self::Kind(_) => None,
        }
    }
}

impl From<sqlx::Error> for ReadError {
    fn from(error: sqlx::Error) -> Self {
        Self::Query(error)
    }
}
