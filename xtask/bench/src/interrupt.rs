//! Handles Ctrl-C and the other signals that ask this program to end.
//!
//! The first signal ends the command that runs at the moment, and the benchmarks end in order. A second signal of the
//! same kind ends this program at once. The [`crate::keeper`] cleans up in both cases. On a terminal, the first Ctrl-C
//! arrives as two signals of different kinds. One comes from the terminal, and one from `cargo xtask`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use signal_hook::iterator::Signals;

use crate::problem::Problem;

/// Whether this program was asked to end, and the process group that must end then.
#[derive(Clone, Default)]
pub(crate) struct Interrupt(Arc<State>);

#[derive(Default)]
struct State {
    asked: AtomicBool,
    /// The process group that runs at the moment, or 0 if none runs.
    group: AtomicI32,
}

impl Interrupt {
    /// Installs the handlers for the signals.
    ///
    /// # Errors
    /// The handlers can't be installed.
    pub(crate) fn listen() -> Result<Self> {
        let interrupt = Self::default();
        let ending = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
        let mut signals =
            Signals::new(ending.map(|signal| signal as i32)).context("The handler for Ctrl-C can't be installed")?;
        let listener = interrupt.clone();
        std::thread::spawn(move || {
            let mut seen = Vec::new();
            for signal in signals.forever() {
                if seen.contains(&signal) {
                    eprintln!("A process in the background still removes everything that the benchmarks made.");
                    std::process::exit(i32::from(Problem::interrupted().exit));
                }
                seen.push(signal);
                listener.0.asked.store(true, Ordering::SeqCst);
                listener.end_group();
            }
        });
        Ok(interrupt)
    }

    /// Returns an error as soon as this program was asked to end.
    ///
    /// # Errors
    /// This program was asked to end.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        if self.0.asked.load(Ordering::SeqCst) { Err(Problem::interrupted()) } else { Ok(()) }
    }

    /// Remembers the process group that runs now. An interruption of this program ends the group too.
    pub(crate) fn runs(&self, group: Pid) {
        self.0.group.store(group.as_raw(), Ordering::SeqCst);
        if self.check().is_err() {
            self.end_group();
        }
    }

    /// Forgets the process group, which has ended.
    pub(crate) fn ended(&self) {
        self.0.group.store(0, Ordering::SeqCst);
    }

    fn end_group(&self) {
        let group = self.0.group.load(Ordering::SeqCst);
        if group > 0 {
            // An error only means that the group has just ended.
            let _ = killpg(Pid::from_raw(group), Signal::SIGTERM);
        }
    }
}
