//! Stops the container.

use std::time::Duration;

use anyhow::Result;

use super::{Compose, SERVICE, Unusable, failed, find};
use crate::interrupt::Interrupt;
use crate::problem::{Code, Problem};

/// How long `stop` may take. Docker kills the container after 10 s.
const STOP: Duration = Duration::from_secs(45);

impl Compose {
    /// Stops the container and keeps its volume. Returns whether a container was running.
    ///
    /// # Errors
    /// Compose fails, or Docker doesn't answer in time.
    pub(crate) fn stop(&self, interrupt: &Interrupt) -> Result<bool> {
        self.try_to_stop(interrupt).map_err(|error| match error.downcast_ref::<Problem>() {
            Some(slow) if slow.code == Code::ProgramSlow => not_stopped(&self.project, find::silent(slow)).into(),
            _ => error,
        })
    }

    fn try_to_stop(&self, interrupt: &Interrupt) -> Result<bool> {
        if !matches!(self.state(interrupt)?.as_str(), "running" | "paused") {
            return Ok(false);
        }
        let stop = self.compose(STOP, None).args(["stop", SERVICE]);
        let ended = stop.run(interrupt)?;
        if !ended.status.success() {
            return Err(failed(&stop, &ended)
                .remedy("See whether Docker answers (docker ps), then stop the container: cargo xtask db-stop")
                .into());
        }
        Ok(true)
    }
}

/// The problem that Docker can't be used, so that nobody knows whether the container still runs.
pub(crate) fn not_stopped(project: &str, unusable: Unusable) -> Problem {
    let Unusable { why, remedy, .. } = unusable;
    let why = why.trim_end_matches('.');
    Problem::unavailable(
        Code::ContainerNotStopped,
        format!("This checkout's container may still run, because Docker could not be asked to stop it: {why}."),
    )
    .detail("Its data is kept in any case.")
    .remedy(remedy)
    .remedy(format!("See whether it runs: docker ps --filter label=com.docker.compose.project={project}"))
    .remedy("Stop it: cargo xtask db-stop")
}
