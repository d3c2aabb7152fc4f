//! Why a catalog could not be read.

use std::fmt;

/// Why a catalog could not be read. Nothing was compared in any of these cases.
#[derive(Debug)]
pub enum ReadError {
    /// The server has refused the query, or the connection was cut.
    Query(sqlx::Error),
    /// The server has answered only a part of the query.
    Partial,
    /// The schema was changed while it was read, so that names could not be found any more.
    Changed,
    /// A row has a value that its column can't have.
    Value {
        /// The column, as `kind of row.name`.
        column: String,
        /// The value; `NULL` stands for none.
        value: String,
    },
    /// A row is of a kind that this program does not know.
    Kind(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query(_) => {
                formatter.write_str("the catalog of the database can't be read; nothing has been compared")
            }
            Self::Partial => formatter.write_str(
                "the server has answered only a part of the catalog query; nothing has been compared. \
                 Run the command again",
            ),
            Self::Changed => formatter.write_str(
                "the schema was changed while it was read; nothing has been compared. Run the command again",
            ),
            Self::Value { column, value } => write!(
                formatter,
                "the catalog has {value:?} as `{column}`; was the schema changed while it was read? \
                 Run the command again"
            ),
            Self::Kind(kind) => {
                write!(formatter, "the catalog query has answered with a row of the unknown kind {kind:?}")
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
