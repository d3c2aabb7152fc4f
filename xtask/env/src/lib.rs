//! Reads the two texts about databases that people write by hand: a PostgreSQL URL, and a file in the format of `.env`.
//!
//! Both texts hold secrets, and people mistype both. All mistakes can be reported at once. No report quotes the text.

mod address;
mod database_url;
mod env_file;
mod url_error;

pub use address::Address;
pub use database_url::{DatabaseUrl, local_url};
pub use env_file::{EnvFile, Fault, Value};
pub use url_error::UrlError;
