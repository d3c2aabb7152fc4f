//! The pipeline: everything that CI runs, the same on a laptop and on GitHub.
//!
//! A step is data: what it proves, what it needs, what it runs, and what it reads. A step isn't run again while what it
//! reads is unchanged. Steps run side by side if they can. Steps that compile
//! take turns, because they share one target folder, and steps that work on databases run beside them.

mod checks;
mod command;
mod findings;
mod inputs;
pub(crate) mod kept;
mod machine;
pub(crate) mod packages;
mod reads;
pub(crate) mod schedule;
pub(crate) mod selection;
mod setting;
pub(crate) mod step;
pub(crate) mod steps;
#[cfg(unix)]
mod test_log;

pub(crate) use checks::Refusal;
