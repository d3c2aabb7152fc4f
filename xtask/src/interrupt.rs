//! Ctrl-C, and the signals that ask a process to end.
//!
//! The first signal ends the command in order: child processes are stopped, statements are cancelled on the server, and
//! the exit code is 130. The second signal ends the process at once.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::problem::{Code, Exit, Problem};

/// How often work that waits checks the flag. Tokio's own signals would need no check, but tokio would be compiled
/// twice: sqlx's macros run in the compiler, and they use tokio without signals.
const LOOK: Duration = Duration::from_millis(20);

/// Tells whether the user, or this program itself, asked the work to end.
#[derive(Clone)]
pub(crate) struct Interrupt {
    asked: Arc<AtomicBool>,
    /// Whether this program itself wants part of its work to end.
    stop: Stop,
}

/// Ends a part of the work early, as Ctrl-C ends all of it.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks the work to end.
    pub(crate) fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns whether the work was asked to end.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Interrupt {
    /// Starts to listen.
    ///
    /// # Errors
    /// The handlers can't be installed.
    pub(crate) fn listen() -> Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in ending_signals() {
            // The order matters: a second signal finds the flag set and ends the process.
            signal_hook::flag::register_conditional_shutdown(signal, Exit::Interrupted as i32, Arc::clone(&asked))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&asked)))
                .context("the handler for Ctrl-C can't be installed")?;
        }
        Ok(Self { asked, stop: Stop::default() })
    }

    /// For work in a process that isn't this program's own, such as a test. Its signals keep their meaning.
    pub(crate) fn never() -> Self {
        Self { asked: Arc::default(), stop: Stop::default() }
    }

    /// Fails if the work was asked to end. Loops that wait without a runtime call it.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        if self.asked.load(Ordering::Relaxed) || self.stop.is_asked() { Err(interrupted()) } else { Ok(()) }
    }

    /// Returns an interrupt for work that this program may end by itself, and the handle that ends it.
    pub(crate) fn with_stop(&self) -> (Self, Stop) {
        let stop = Stop::default();
        (Self { asked: Arc::clone(&self.asked), stop: stop.clone() }, stop)
    }

    /// Runs `work` until it is done. If it is asked to end before that, `work` is dropped at the point that it has
    /// reached.
    ///
    /// # Errors
    /// The errors of `work`, or a [`Problem`] with [`Exit::Interrupted`].
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

/// Returns whether an error says that the work was asked to end.
pub(crate) fn is_interruption(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Problem>().is_some_and(|problem| problem.exit == Exit::Interrupted)
}

fn interrupted() -> Problem {
    Problem::new(Code::Interrupted, Exit::Interrupted, "Interrupted.")
}

/// The signals that ask a process to end.
#[cfg(unix)]
pub(crate) fn ending_signals() -> [i32; 3] {
    use nix::sys::signal::Signal;
    [Signal::SIGINT as i32, Signal::SIGTERM as i32, Signal::SIGHUP as i32]
}

#[cfg(not(unix))]
fn ending_signals() -> [i32; 1] {
    [2] // SIGINT, the only one of the three that Windows has.
}
