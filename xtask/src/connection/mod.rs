//! Connections to servers: opening a session, asking whether a server is ready, sessions that write, the
//! deadline of an answer, the roles that databases declare, and quoting names in SQL.

pub(crate) mod deadline;
pub(crate) mod declared;
pub(crate) mod readiness;
pub(crate) mod session;
pub(crate) mod sql;
pub(crate) mod working;
