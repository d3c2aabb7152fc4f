//! Ctrl-C, and the other signals that ask to end.
//!
//! The first one ends what runs at the moment, and the benchmarks end in order. A second one of the same kind ends this
//! program at once; the [`crate::keeper`] cleans up all the same. On a terminal, the first Ctrl-C comes as two signals
//! of different kinds: one from the terminal, one from `cargo xtask`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use signal_hook::iterator::Signals;

use crate::problem::Problem;

/// Whether somebody asked to end, and what has to end then.
#[derive(Clone, Default)]
pub(crate) struct Interrupt(Arc<State>);

#[derive(Default)]
struct State {
    asked: AtomicBool,
    /// The process group that runs at the moment; 0 if there is none.
    group: AtomicI32,
}

impl Interrupt {
    /// Starts to listen.
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
                    eprintln!("What the benchmarks made is being removed in the background.");
                    std::process::exit(i32::from(Problem::interrupted().exit));
                }
                seen.push(signal);
                listener.0.asked.store(true, Ordering::SeqCst);
                listener.end_group();
            }
        });
        Ok(interrupt)
    }

    /// # Errors
    /// Somebody asked to end.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        if self.0.asked.load(Ordering::SeqCst) { Err(Problem::interrupted()) } else { Ok(()) }
    }

    /// This process group runs now; it is asked to end if somebody asks this program to.
    pub(crate) fn runs(&self, group: Pid) {
        self.0.group.store(group.as_raw(), Ordering::SeqCst);
        if self.check().is_err() {
            self.end_group();
        }
    }

    /// It has ended.
    pub(crate) fn ended(&self) {
        self.0.group.store(0, Ordering::SeqCst);
    }

    fn end_group(&self) {
        let group = self.0.group.load(Ordering::SeqCst);
        if group > 0 {
            // A group that has just ended needs no signal.
            let _ = killpg(Pid::from_raw(group), Signal::SIGTERM);
        }
    }
}
