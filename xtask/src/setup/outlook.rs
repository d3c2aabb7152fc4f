//! What a setup would find and do, without doing it: for the dry run of db-setup, and for doctor.

use anyhow::Result;

use super::{Setup, end_ready, end_server, end_settings};
use crate::checkout;
use crate::context::Context;
use crate::database::plan;
use crate::database::ready::Ready;
use crate::env_file::{CONTRACT, FILE, Settings, Written};
use crate::report::{Outcome, Step, count};
use crate::server::{Look, Server};
use crate::target::Target;

/// What a setup would find at the URLs.
pub(crate) enum Outlook {
    /// Every database is set up and proven. Nothing is left to do.
    Ready(Ready),
    /// A server answers, and has work to do in its databases.
    Server(Server),
    /// A server would be started. The text says which one.
    ToStart(String),
}

impl Setup<'_> {
    /// Finds out what [`Setup::run`] would find. Nothing is changed but the port in settings whose `.env` isn't made yet.
    ///
    /// # Errors
    /// The errors of [`Setup::run`] before its work in the databases, as far as they can be known without a start.
    pub(crate) async fn outlook(&self, settings: &mut Settings<'_>, step: &Step<'_>) -> Result<Outlook> {
        if let Some(ready) = self.ready(settings, true).await? {
            return Ok(Outlook::Ready(ready));
        }
        let root = self.context.workspace.root.as_path();
        self.refuse_remote(settings)?;
        checkout::refuse_closed_state_dir(root)?;
        settings.refuse_closed_folder(root)?;
        let ladder = self.ladder();
        match ladder.look(settings, step).await? {
            Look::Found(server) => Ok(Outlook::Server(server)),
            Look::ToStart(skipped) => Ok(Outlook::ToStart(ladder.would_start(settings, skipped).await?)),
        }
    }

    /// Shows what [`Setup::run`] would do, and changes nothing.
    ///
    /// # Errors
    /// The errors that [`Setup::run`] would meet before it changes anything.
    pub(crate) async fn plan(&self) -> Result<()> {
        self.context.interrupt.guard(self.plan_steps()).await
    }

    async fn plan_steps(&self) -> Result<()> {
        let Context { workspace, reporter, .. } = self.context;
        let settings_step = reporter.step("settings");
        let mut settings = Settings::of(workspace)?;
        if settings.new_file.is_some() {
            let variables = count(settings.required, "variable");
            settings_step.end(Outcome::Done, &format!("would make {FILE} from {CONTRACT}, with {variables}"));
        } else {
            end_settings(settings_step, Written::Nothing, &settings);
        }
        let server_step = reporter.step("server");
        match self.outlook(&mut settings, &server_step).await? {
            Outlook::Ready(ready) => end_ready(server_step, &ready, &settings, reporter, false),
            Outlook::Server(server) => {
                end_server(server_step, &server);
                plan::show(&settings.targets, self.patience, self.context).await?;
            }
            Outlook::ToStart(text) => {
                let address = &settings.first_url().address;
                server_step.end(Outcome::Done, &format!("would start PostgreSQL at {address}, {text}"));
                for Target { database, url, .. } in &settings.targets {
                    let (name, migrations) = (&url.database, count(database.migrations.len(), "migration"));
                    let what = format!("would make {name} unless it exists, and apply what is pending of {migrations}");
                    reporter.step(&database.name).end(Outcome::Done, &what);
                }
            }
        }
        Ok(())
    }
}
