//! A question to the user, before something is lost.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crate::interrupt::Interrupt;
use crate::problem::Problem;
use crate::report::Reporter;

/// How often the wait for an answer looks for Ctrl-C.
const LOOK: Duration = Duration::from_millis(20);

/// Asks whether to go on, and returns whether the answer is "yes". Returns `None` if nobody can be asked.
///
/// # Errors
/// The user pressed Ctrl-C.
pub(crate) fn agrees(question: &str, reporter: &Reporter, interrupt: &Interrupt) -> Result<Option<bool>, Problem> {
    if !reporter.can_ask() {
        return Ok(None);
    }
    reporter.note(&format!("{question} Type yes to go on:"));
    // A thread that reads can't be stopped. It ends with this process.
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        drop(sender.send(read.map(|_| line)));
    });
    loop {
        interrupt.check()?;
        match receiver.recv_timeout(LOOK) {
            Ok(answer) => return Ok(Some(answer.is_ok_and(|line| line.trim() == "yes"))),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(Some(false)),
        }
    }
}
