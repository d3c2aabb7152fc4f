//! The databases themselves: the setup lock, creation, history, migration, scratch databases, the proof, the
//! page that shows the schemas.

pub(crate) mod accepted_rows;
pub(crate) mod apply;
pub(crate) mod cancel;
pub(crate) mod converge;
pub(crate) mod create;
pub(crate) mod deep;
mod failure;
pub(crate) mod foresee;
mod held;
pub(crate) mod history;
pub(crate) mod lock;
pub(crate) mod page;
pub(crate) mod plan;
pub(crate) mod present;
pub(crate) mod privileges;
pub(crate) mod proof;
mod reach;
pub(crate) mod ready;
mod remains;
mod room;
pub(crate) mod round_trip;
mod rows;
mod sample;
pub(crate) mod scratch;
pub(crate) mod side_by_side;
mod statements;
mod template;
pub(crate) mod test_database;
mod transaction;
mod watch;
