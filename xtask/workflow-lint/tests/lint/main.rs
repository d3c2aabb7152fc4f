//! The program itself, on checkouts in temporary folders.
//!
//! Where a finding is expected, its rule stands between `«` and `»` right before the place: line, column and rule are
//! compared, and nothing else may be found.

#![allow(clippy::unwrap_used, missing_docs)]

mod calls;
mod files;
mod output;
mod repository;
mod rules;
mod support;
