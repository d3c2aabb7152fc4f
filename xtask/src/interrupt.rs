//! Ctrl-C and the signals that ask to end.
//!
//! The first one ends the command in order: children are stopped, statements are cancelled on the server and
//! the exit code is 130. The second one ends the process at once.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::problem::{Exit, Problem};

/// How often work that waits is interrupted by a look at the flag. Tokio's own signals would do without, and would have
/// tokio built twice: sqlx's macros, which are built for this machine as well, ask for it without them.
const LOOK: Duration = Duration::from_millis(20);

/// Whether somebody asked to end.
#[derive(Clone)]
pub(crate) struct Interrupt {
    asked: Arc<AtomicBool>,
    /// Whether this program itself wants part of its work to end.
    stop: Stop,
}

/// Ends work before its time, as Ctrl-C does.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks the work to end.
    pub(crate) fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Interrupt {
    /// Starts to listen.
    ///
    /// # Errors
    /// When the handlers can't be installed.
    pub(crate) fn listen() -> Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in ending_signals() {
            // In this order: a second signal finds the flag set and ends the process.
            signal_hook::flag::register_conditional_shutdown(signal, Exit::Interrupted as i32, Arc::clone(&asked))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&asked)))
                .context("the handler for Ctrl-C can't be installed")?;
        }
        Ok(Self { asked, stop: Stop::default() })
    }

    /// For loops that wait without a runtime.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        if self.asked.load(Ordering::Relaxed) || self.stop.is_asked() { Err(interrupted()) } else { Ok(()) }
    }

    /// For work that is to end also when this program wants it to.
    pub(crate) fn with_stop(&self) -> (Self, Stop) {
        let stop = Stop::default();
        (Self { asked: Arc::clone(&self.asked), stop: stop.clone() }, stop)
    }

    /// Runs `work` until it is done or somebody asks to end; then `work` is dropped where it stands.
    ///
    /// # Errors
    /// Those of `work`, or a [`Problem`] with [`Exit::Interrupted`].
    pub(crate) async fn guard<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut work = pin!(work);
        let mut ticks = tokio::time::interval(LOOK);
        poll_fn(|context| {
            while ticks.poll_tick(context).is_ready() {
                self.check()?;
            }
            work.as_mut().poll(context)
        })
        .await
    }
}

/// Whether an error says that somebody asked to end.
pub(crate) fn is_interruption(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Problem>().is_some_and(|problem| problem.exit == Exit::Interrupted)
}

fn interrupted() -> Problem {
    Problem::new(Exit::Interrupted, "Interrupted.")
}

#[cfg(unix)]
fn ending_signals() -> [i32; 3] {
    use nix::sys::signal::Signal;
    [Signal::SIGINT as i32, Signal::SIGTERM as i32, Signal::SIGHUP as i32]
}

#[cfg(not(unix))]
fn ending_signals() -> [i32; 1] {
    [2] // SIGINT, the only one of the three that Windows has.
}
