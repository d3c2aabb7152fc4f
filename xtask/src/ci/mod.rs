//! The pipeline: everything that CI runs, the same on a laptop and on GitHub.
//!
//! A step is data: what it proves, what it needs, and what it runs. Steps run side by side if they can. Steps that compile
//! take turns, because they share one target folder, and steps that work on databases run beside them.

mod checks;
mod command;
mod findings;
mod machine;
pub(crate) mod schedule;
pub(crate) mod selection;
mod setting;
pub(crate) mod step;
pub(crate) mod steps;

pub(crate) use checks::Refusal;
