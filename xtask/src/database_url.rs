//! The databases' URLs. An error of one becomes a problem that says what to write.

use xtask_env::UrlError;
pub(crate) use xtask_env::{Address, DatabaseUrl, local_url};

use crate::problem::{Code, Problem};

/// Reads the URL that a variable has, for sessions of this process.
///
/// # Errors
/// It can't be used, or this process's environment stands in the way. The message quotes nothing of it.
pub(crate) fn parse(variable: &str, text: &str) -> Result<DatabaseUrl, Problem> {
    DatabaseUrl::parse(variable, text).and_then(DatabaseUrl::in_environment).map_err(|error| {
        let remedy = match error {
            UrlError::SessionsFromEnvironment => "unset PGOPTIONS".to_owned(),
            _ => format!("{variable}=postgres://USER:PASSWORD@localhost:5432/DATABASE"),
        };
        Problem::failed(Code::UrlUnusable, format!("{variable} {error}.")).remedy(remedy)
    })
}
