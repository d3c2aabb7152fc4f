//! The pipeline: everything that CI runs, the same on a laptop and on GitHub.
//!
//! A step is data: what it proves, what it needs, what it runs. Steps run side by side as far as they can: those that
//! work on databases while cargo compiles, and those that compile in turn, since they share one target folder.

mod checks;
mod command;
mod findings;
mod machine;
pub(crate) mod schedule;
pub(crate) mod selection;
pub(crate) mod step;
pub(crate) mod steps;

pub(crate) use checks::Refusal;
