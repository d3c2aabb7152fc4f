//! Stops the container.

use std::time::Duration;

use anyhow::Result;

use super::{Compose, SERVICE, Unusable, failed, find, override_file, volume};
use crate::interrupt::Interrupt;
use crate::problem::{Code, Problem};
use crate::process::Child;

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

    /// Whether this checkout's volume exists.
    ///
    /// # Errors
    /// Docker doesn't answer.
    pub(crate) fn has_data(&self, interrupt: &Interrupt) -> Result<bool> {
        let volume = volume(&self.project);
        let inspect = ["volume", "inspect", "--format", "{{.Name}}", &volume];
        let inspect = Child::new("docker", self.question).args(inspect);
        let ended = inspect.run(interrupt)?;
        match ended.status.success() {
            true => Ok(true),
            false if ended.stderr.to_lowercase().contains("no such volume") => Ok(false),
            false => Err(failed(&inspect, &ended).remedy("See whether Docker answers: docker ps").into()),
        }
    }

    /// Deletes the container, its volume, and the files that this program has made for compose.
    ///
    /// # Errors
    /// Compose fails, or Docker doesn't answer in time.
    pub(crate) fn remove(&self, interrupt: &Interrupt) -> Result<()> {
        let down = self.compose(STOP, None).args(["down", "--volumes"]);
        let ended = down.run(interrupt)?;
        if !ended.status.success() {
            return Err(failed(&down, &ended)
                .remedy("See whether Docker answers (docker ps), then: cargo xtask db-stop --remove-data")
                .into());
        }
        override_file::remove(self);
        drop(std::fs::remove_file(self.empty_file_path()));
        Ok(())
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
