//! What every part of a command has at hand.

use crate::interrupt::Interrupt;
use crate::report::Reporter;
use crate::workspace::Workspace;

/// The workspace that a command works on, where it reports to, and whether somebody asked it to end.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) reporter: &'a Reporter,
    pub(crate) interrupt: &'a Interrupt,
}
