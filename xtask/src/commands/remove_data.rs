//! `cargo xtask db-stop --remove-data`: deletes the server that db-setup started, with all that is in it.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::confirm;
use crate::checkout::CheckoutLock;
use crate::context::Context;
use crate::database::guard::Guard;
use crate::database::loss;
use crate::env_file::Settings;
use crate::problem::{Code, Problem};
use crate::report::Outcome;
use crate::server::compose::Compose;
#[cfg(unix)]
use crate::server::local::Cluster;
use crate::server::{Choice, Ladder, Provider, Record};
use crate::target::Target;

/// The command, for a user who is asked to repeat it.
const COMMAND: &str = "cargo xtask db-stop --remove-data";

/// Runs the command. Returns lines that say what to type next.
pub(super) async fn run(yes: bool, patience: Duration, context: Context<'_>) -> Result<Vec<String>> {
    let Context { workspace, reporter, interrupt } = context;
    let root = workspace.root.as_path();
    let step = reporter.step("server");
    let settings = Settings::of(workspace)?;
    let claim = Record::claim(root, false, settings.environment.clone());
    let guard = Guard { claim: &claim, production: workspace.metadata.production() };
    guard.check_settings(&settings.targets)?;
    let removal = Removal { context, settings: &settings, guard: &guard, patience };
    // A server that is there is asked what is in it, before the question and again when nobody else can change it any more.
    if let Some((provider, names)) = removal.look(true).await? {
        confirm::by_name(context, &names, yes, COMMAND)?;
        let _lock = CheckoutLock::take(root, patience, reporter, interrupt)?;
        if removal.look(false).await?.is_none_or(|(again, _)| again != provider) {
            return Err(Problem::failed(
                Code::CheckoutBusy,
                "Another run has changed this checkout's server meanwhile.",
            )
            .remedy(format!("See what is there now: {COMMAND}"))
            .into());
        }
        removal.remove(provider).await?;
        step.end(Outcome::Done, &format!("{} is deleted, with all its databases", removal.place(provider)));
    } else {
        let _lock = CheckoutLock::take(root, patience, reporter, interrupt)?;
        removal.clear().await?;
        let what = match Record::read(root).uses {
            Some(Provider::Running) => "db-setup didn't start the server that has the databases, so it wasn't touched",
            _ => "no server that db-setup started has data here, so nothing was deleted",
        };
        step.end(Outcome::Unchanged, what);
    }
    Ok(vec![
        "Kept: .env, which is yours, and the cache of new clusters, which all checkouts of yours share".into(),
        "Make empty databases: cargo xtask db-setup".into(),
    ])
}

struct Removal<'a> {
    context: Context<'a>,
    settings: &'a Settings<'a>,
    guard: &'a Guard<'a>,
    patience: Duration,
}

impl<'a> Removal<'a> {
    fn root(&self) -> &'a Path {
        &self.context.workspace.root
    }

    fn ladder(&self) -> Ladder<'a> {
        Ladder::new(self.context, Choice::Auto, self.patience, false, true)
    }

    /// Names what a provider has.
    fn place(&self, provider: Provider) -> String {
        self.ladder().place(provider)
    }

    /// The providers that have data of this checkout.
    fn with_data(&self) -> Result<Vec<Provider>> {
        let mut found = Vec::new();
        #[cfg(unix)]
        if Cluster::locate(self.root())?.has_data() {
            found.push(Provider::Local);
        }
        if let Some(compose) = self.compose()?
            && compose.has_data(self.context.interrupt)?
        {
            found.push(Provider::Compose);
        }
        Ok(found)
    }

    /// Compose, if it may have made something for this checkout.
    fn compose(&self) -> Result<Option<Compose>> {
        if !Record::read(self.root()).has_project() {
            return Ok(None);
        }
        match Compose::find(self.root(), self.patience, self.context.interrupt)? {
            Ok(compose) => Ok(Some(compose)),
            Err(unusable) => {
                let what = format!(
                    "This checkout may have a container and a volume, but Docker can't be asked: {}.",
                    unusable.why
                );
                Err(Problem::unavailable(Code::DockerUnusable, what)
                    .detail("Nothing was deleted.")
                    .remedy(unusable.remedy)
                    .remedy(format!("Then: {COMMAND}"))
                    .into())
            }
        }
    }

    /// Finds the server whose data may be deleted, and the names that its user has to type. `None` if no provider has data.
    async fn look(&self, aloud: bool) -> Result<Option<(Provider, String)>> {
        let with_data = self.with_data()?;
        let address = &self.settings.first_url().address;
        let running = if with_data.is_empty() { None } else { self.ladder().started(address).await? };
        let Some(provider) = running.filter(|provider| with_data.contains(provider)) else {
            let Some(first) = with_data.first() else { return Ok(None) };
            let what = format!("Nothing runs at {address}, so nobody knows what is in {}.", self.place(*first));
            return Err(Problem::unavailable(Code::DataServerStopped, what)
                .detail("Nothing was deleted.")
                .remedy(format!("Start it: cargo xtask db-setup --server {}. Then: {COMMAND}", first.name()))
                .into());
        };
        let is_there = |target: &&Target<'_>| target.url.address.same_server(address);
        let targets: Vec<Target<'_>> = self.settings.targets.iter().filter(is_there).cloned().collect();
        let found = loss::look(self.context, &targets).await?;
        self.guard.check(found.iter().map(|found| (found.target, found.stamp.clone())))?;
        let others = loss::others(self.context, &targets).await?;
        self.guard.check_others(&others)?;
        let mut names = String::new();
        if aloud {
            names = loss::say(&found, "will be deleted", self.context.reporter);
            for other in &others {
                self.context.reporter.warning(&format!("{other} will be deleted as well."));
            }
            for other in with_data.iter().filter(|other| **other != provider) {
                let other = self.place(*other);
                self.context.reporter.note(&format!("{other} stays, because its server doesn't run."));
            }
        }
        if names.is_empty() {
            self.settings.first_url().kept_name().clone_into(&mut names);
        }
        Ok(Some((provider, names)))
    }

    async fn remove(&self, provider: Provider) -> Result<()> {
        match provider {
            #[cfg(unix)]
            Provider::Local => Cluster::locate(self.root())?.remove(self.context.interrupt).await?,
            Provider::Compose => {
                if let Some(compose) = self.compose()? {
                    compose.remove(self.context.interrupt)?;
                }
            }
            _ => return Ok(()),
        }
        Ok(Record::forget(self.root(), provider)?)
    }

    /// Removes what a killed run has left, when no provider has data any more.
    async fn clear(&self) -> Result<()> {
        #[cfg(unix)]
        if Cluster::locate(self.root())?.dir().exists() {
            self.remove(Provider::Local).await?;
        }
        if Record::read(self.root()).has_project() {
            self.remove(Provider::Compose).await?;
        }
        // The run may have been killed between the data and the record of it.
        Ok(Record::forget(self.root(), Provider::Local)?)
    }
}
