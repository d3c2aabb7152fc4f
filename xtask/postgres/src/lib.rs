//! The part of sqlx that xtask uses, under the names that sqlx gives it.
//!
//! The package `sqlx` adds macros to its two parts `sqlx-core` and `sqlx-postgres`. Xtask uses no macro of sqlx, and
//! would have to wait for their compilation before its first command could run. The shop's crates use the macros, so
//! they depend on the package `sqlx`. They share the two parts with xtask, because both ask for the same features.

pub use sqlx_core::connection::{ConnectOptions, Connection};
pub use sqlx_core::error::{self, Error, Result};
pub use sqlx_core::executor::Executor;
pub use sqlx_core::query::query;
pub use sqlx_core::query_scalar::query_scalar;
pub use sqlx_core::raw_sql::raw_sql;
pub use sqlx_core::row::Row;
pub use sqlx_core::sql_str::{AssertSqlSafe, SqlSafeStr};
pub use sqlx_core::value::ValueRef;
pub use sqlx_core::{config, migrate};
pub use sqlx_postgres as postgres;
