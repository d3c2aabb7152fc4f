//! Reads what people write about databases by hand: a PostgreSQL URL, and a file in the format of `.env`.
//!
//! Both hold secrets and both get mistyped. All that is wrong can be reported at once, and no report quotes the text.

mod address;
mod database_url;
mod env_file;
mod url_error;

pub use address::Address;
pub use database_url::DatabaseUrl;
pub use env_file::{EnvFile, Fault, Value};
pub use url_error::UrlError;
