//! Connections to servers: opening a session, asking whether a server is ready, sessions that write, and
//! quoting names in SQL.

pub(crate) mod readiness;
pub(crate) mod session;
pub(crate) mod sql;
pub(crate) mod working;
