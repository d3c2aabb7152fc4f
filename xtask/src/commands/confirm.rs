//! The question before something is thrown away. On a terminal its user answers, and elsewhere `--yes` does.

use std::io::{BufRead, IsTerminal};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::Result;

use crate::context::Context;
use crate::problem::{Code, Problem};

/// How often a wait for the answer looks whether it was asked to end.
const LOOK: Duration = Duration::from_millis(20);

/// Asks the user to type a name, after the command has said what would be lost. `command` is the one that needs no question.
///
/// # Errors
/// Another name was typed, nobody can be asked, or the run was asked to end.
pub(super) fn by_name(context: Context<'_>, name: &str, yes: bool, command: &str) -> Result<()> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Problem::usage(Code::NotConfirmed, "Nobody can be asked here, because this is no terminal.")
            .detail("Nothing was changed.")
            .remedy(format!("If all of that may go: {command} --yes"))
            .into());
    }
    context.reporter.question(&format!("Type {name} to go on:"));
    let typed = answer(context)?;
    if typed.trim() == name {
        return Ok(());
    }
    Err(Problem::failed(Code::NotConfirmed, format!("\"{}\" isn't {name}.", typed.trim()))
        .detail("Nothing was changed.")
        .remedy(format!("Run it again, and type the name: {command}"))
        .into())
}

/// Reads a line from the terminal. A read can't be interrupted, so another thread does it, which ends with the process.
fn answer(context: Context<'_>) -> Result<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        // Without an answer, the name isn't typed.
        drop(std::io::stdin().lock().read_line(&mut line));
        drop(sender.send(line));
    });
    loop {
        context.interrupt.check()?;
        match receiver.recv_timeout(LOOK) {
            Ok(line) => return Ok(line),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(String::new()),
        }
    }
}
