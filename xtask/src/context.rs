//! The values that every part of a command needs.

use crate::interrupt::Interrupt;
use crate::report::Reporter;
use crate::workspace::Workspace;

/// The workspace that a command works on, the reporter that shows its events, and the signal that asks it to end.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) reporter: &'a Reporter,
    pub(crate) interrupt: &'a Interrupt,
}
