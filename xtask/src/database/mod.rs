//! The databases themselves: the setup lock, creation, history, migration, scratch databases, the proof, the
//! page that shows the schemas.

pub(crate) mod accepted_rows;
pub(crate) mod anew;
pub(crate) mod apply;
pub(crate) mod cancel;
mod contents;
pub(crate) mod converge;
pub(crate) mod create;
pub(crate) mod deep;
pub(crate) mod exchange;
mod failure;
pub(crate) mod foresee;
pub(crate) mod guard;
pub(crate) mod history;
pub(crate) mod lock;
pub(crate) mod loss;
mod marked;
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
pub(crate) mod snapshot;
mod statements;
pub(crate) mod status;
pub(crate) mod texts;
mod transaction;
mod watch;
