//! The databases themselves: the setup lock, creation, history, migration, scratch databases, the proof.

pub(crate) mod accepted_rows;
pub(crate) mod apply;
pub(crate) mod cancel;
pub(crate) mod converge;
pub(crate) mod create;
pub(crate) mod deep;
mod failure;
pub(crate) mod history;
pub(crate) mod lock;
pub(crate) mod plan;
pub(crate) mod present;
pub(crate) mod privileges;
pub(crate) mod proof;
mod reach;
mod ready;
mod remains;
mod room;
pub(crate) mod round_trip;
mod rows;
mod sample;
pub(crate) mod scratch;
mod statements;
mod transaction;
mod watch;
