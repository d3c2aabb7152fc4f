//! What a start of the container would meet, without a start.

use std::path::Path;

use anyhow::Result;

use super::{Compose, failed, image, log_in, no_image};
use crate::connection::readiness::Answer;
use crate::database_url::DatabaseUrl;
use crate::interrupt::Interrupt;
use crate::problem::Problem;
use crate::process::{Child, Ended};
use crate::server::{Record, StartError};

impl Compose {
    /// Finds out, as far as that is possible without a start, whether [`Compose::start`] would succeed.
    ///
    /// # Errors
    /// The errors of [`Compose::start`].
    pub(crate) async fn foresee(&self, url: &DatabaseUrl, interrupt: &Interrupt) -> Result<(), StartError> {
        self.refuse_address(url).map_err(StartError::Unusable)?;
        if let Some(problem) = self.refuse_file(url, interrupt)? {
            return Err(problem.into());
        }
        if let (false, Ok(docker)) = (self.image_is_there, which::which("docker")) {
            let inspect = Child::new(docker, self.question).args(["manifest", "inspect", &image()]).run(interrupt);
            // An old program asks for an option instead of asking the registry.
            let is_refused = |ended: &Ended| !ended.status.success() && !ended.stderr.contains("experimental");
            if let Some(ended) = inspect.ok().filter(is_refused) {
                return Err(StartError::Unusable(no_image(&ended.stderr)));
            }
            interrupt.check()?;
        }
        if Record::read(&self.root).has_project()
            && self.publishes(url.address.port, interrupt)?
            && let Err(Answer::Refused(said)) = log_in(url).await
        {
            return Err(self.other_password(&said, url).into());
        }
        Ok(())
    }

    /// Returns the problem with a compose file that compose can't read. It makes no file, and a program that is slow to answer
    /// isn't one that can't read it.
    fn refuse_file(&self, url: &DatabaseUrl, interrupt: &Interrupt) -> Result<Option<Problem>> {
        let empty = self.empty_file_path();
        let nothing = Path::new("/dev/null");
        let env_file = match empty.is_file() {
            true => empty.as_path(),
            // The standalone program refuses a device.
            false if self.command.len() > 1 && nothing.exists() => nothing,
            false => return Ok(None),
        };
        let config = self.compose_with(env_file, self.question, Some(url)).args(["config", "--quiet"]);
        let ended = config.run(interrupt).ok().filter(|ended| !ended.status.success());
        interrupt.check()?;
        Ok(ended.map(|ended| failed(&config, &ended)))
    }
}
