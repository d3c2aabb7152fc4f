//! Connections to servers: how a session is opened, whether a server is ready, and how names are quoted in SQL.

pub(crate) mod readiness;
pub(crate) mod session;
pub(crate) mod sql;
