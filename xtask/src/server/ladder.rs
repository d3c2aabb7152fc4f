//! The ladder of providers: a server that runs already, then compose, then local.

use std::cell::OnceCell;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::compose::{self, Compose, Unusable};
#[cfg(unix)]
use super::local::{Binaries, Cluster};
use super::no_server::{self, Skipped};
use super::{Choice, Provider, Record, Server, StartError, has_cluster, roles};
use crate::connection::session;
use crate::context::Context;
use crate::env_file::Settings;
use crate::problem::Problem;
use crate::report::Step;

/// The ladder, with the choices of the user.
pub(crate) struct Ladder<'a> {
    pub(crate) context: Context<'a>,
    pub(crate) choice: Choice,
    /// How long a server may take to become ready.
    pub(crate) patience: Duration,
    /// Whether databases of other checkouts are used, from now on.
    pub(super) share: bool,
    /// What this run knows about compose. A Docker that hangs is asked only once.
    compose: OnceCell<Result<Compose, Unusable>>,
}

impl<'a> Ladder<'a> {
    pub(crate) fn new(context: Context<'a>, choice: Choice, patience: Duration, share: bool) -> Self {
        Self { context, choice, patience, share, compose: OnceCell::new() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.context.workspace.root
    }

    pub(super) fn record(&self) -> Record {
        Record::read(self.root())
    }

    /// Tries the other rungs: starts a server, and makes the logins of the URLs work there.
    ///
    /// # Errors
    /// A provider failed, or no provider can be used. The error then holds the reason for each.
    pub(crate) async fn start(
        &self,
        settings: &mut Settings<'_>,
        mut skipped: Vec<Skipped>,
        step: &Step<'_>,
    ) -> Result<Server> {
        if let Some(problem) = settings.urls().find_map(no_server::no_password) {
            return Err(problem.into());
        }
        self.say_what_stays();
        for provider in self.order() {
            match self.start_one(provider, settings, step).await {
                Ok(server) => return Ok(server),
                Err(StartError::Unusable(unusable)) => skipped.push(Skipped { provider, unusable }),
                Err(StartError::Failed(error)) => return Err(error),
                Err(StartError::PortTaken) => return Err(no_server::port_taken(settings).into()),
            }
        }
        Err(self.give_up(skipped).into())
    }

    /// The problem that no provider can be used.
    fn give_up(&self, mut skipped: Vec<Skipped>) -> Problem {
        let uses = self.record().uses.filter(|_| self.choice == Choice::Auto);
        match skipped.pop_if(|last| Some(last.provider) == uses) {
            Some(Skipped { provider, unusable }) => no_server::data_is_with(provider, &self.place(provider), unusable),
            None => no_server::none(skipped),
        }
    }

    /// Where a provider keeps this checkout's data.
    pub(super) fn place(&self, provider: Provider) -> String {
        match provider {
            Provider::Compose => format!("the volume {}", compose::volume(&self.record().project(self.root()))),
            #[cfg(unix)]
            Provider::Local => match Cluster::locate(self.root()) {
                Ok(cluster) => cluster.dir().display().to_string(),
                Err(_) => "its private cluster".to_owned(),
            },
            Provider::Running => format!("the server at {}", self.record().running_at()),
            #[cfg(not(unix))]
            Provider::Local => "its private cluster".to_owned(),
        }
    }

    /// Says where the data stays that the user leaves behind by choosing another provider.
    fn say_what_stays(&self) {
        let Some(before) = self.record().uses.filter(|before| !self.order().contains(before)) else { return };
        let back = match before {
            Provider::Running => "and are used again when the URLs lead there".to_owned(),
            Provider::Compose | Provider::Local => format!("and --server {} uses them again", before.name()),
        };
        self.context.reporter.note(&format!(
            "So far, this checkout's databases are in {}. They stay there, {back}.",
            self.place(before)
        ));
    }

    /// Describes the server that [`Ladder::start`] would start.
    ///
    /// # Errors
    /// No provider can be used. The error holds the reason for each.
    pub(crate) fn would_start(&self, mut skipped: Vec<Skipped>) -> Result<String> {
        for provider in self.order() {
            match self.rung(provider)? {
                Ok(rung) => return Ok(format!("{}: {}", provider.name(), rung.describe())),
                Err(unusable) => skipped.push(Skipped { provider, unusable }),
            }
        }
        Err(self.give_up(skipped).into())
    }

    /// The order of the providers. Where this checkout's data is, no other provider is tried. Otherwise compose comes
    /// before local.
    fn order(&self) -> Vec<Provider> {
        match (self.choice, self.record().uses) {
            (Choice::Running, _) => Vec::new(),
            (Choice::Compose, _) => vec![Provider::Compose],
            (Choice::Local, _) => vec![Provider::Local],
            (Choice::Auto, Some(provider @ (Provider::Compose | Provider::Local))) => vec![provider],
            // A run that was killed may have made the cluster.
            (Choice::Auto, _) if has_cluster(self.root()) => vec![Provider::Local, Provider::Compose],
            (Choice::Auto, _) => vec![Provider::Compose, Provider::Local],
        }
    }

    async fn start_one(
        &self,
        provider: Provider,
        settings: &mut Settings<'_>,
        step: &Step<'_>,
    ) -> Result<Server, StartError> {
        let rung = self.rung(provider)?.map_err(|unusable| self.skipped(provider, unusable))?;
        step.doing(&format!("starting {}", rung.describe()));
        loop {
            match self.start_rung(&rung, settings).await {
                Err(StartError::PortTaken) if settings.may_choose_port() => {
                    let address = settings.first_url().address.clone();
                    let port = self.another_port(settings, &address)?;
                    self.context
                        .reporter
                        .note(&format!("{address} is taken, so port {port} is used instead, in {}.", settings.names()));
                }
                Err(StartError::Unusable(unusable)) => return Err(self.skipped(provider, unusable)),
                ended => return ended,
            }
        }
    }

    /// Reports at once why a provider is skipped, because the next one may take a while.
    fn skipped(&self, provider: Provider, unusable: Unusable) -> StartError {
        self.context.reporter.note(&format!(
            "{} was skipped: {}.",
            provider.name(),
            unusable.why.trim_end_matches('.')
        ));
        StartError::Unusable(unusable)
    }

    async fn start_rung(&self, rung: &Rung, settings: &Settings<'_>) -> Result<Server, StartError> {
        let url = settings.first_url();
        let (provider, version, mut superuser) = match rung {
            Rung::Compose(compose) => {
                if let Some(image) = compose.image_to_pull() {
                    self.context
                        .reporter
                        .note(&format!("Pulling the image {image}. This takes a while, but only the first time."));
                }
                let version = compose.start(url, self.patience, self.context.interrupt).await?;
                let superuser = compose::log_in(url).await.map_err(|answer| roles::no_superuser(&answer))?;
                (Provider::Compose, version, superuser)
            }
            #[cfg(unix)]
            Rung::Local(cluster, binaries) => {
                cluster.refuse_superuser(settings.urls())?;
                let interrupt = self.context.interrupt;
                let (version, superuser) = cluster.start(binaries, &url.address, self.patience, interrupt).await?;
                (Provider::Local, version, superuser)
            }
        };
        roles::let_in(&mut superuser, settings.urls()).await?;
        roles::make_declared(&mut superuser, &settings.targets).await?;
        session::close(superuser).await;
        Ok(Server { provider, address: url.address.clone(), version, is_own: true, others: Vec::new() })
    }

    /// Whether the server at the first URL's address was started for this checkout.
    pub(crate) async fn is_own(&self, settings: &Settings<'_>) -> Result<bool> {
        Ok(self.started(&settings.first_url().address).await?.is_some())
    }

    /// Makes the roles that the databases declare, as the superuser of a server that was started for this checkout earlier.
    /// On any other server, only the URLs' roles could make them.
    ///
    /// # Errors
    /// The connection is lost.
    pub(crate) async fn make_declared(&self, settings: &Settings<'_>) -> Result<()> {
        let url = settings.first_url();
        if !roles::lacks_declared(&settings.targets).await? {
            return Ok(());
        }
        let superuser = match self.started(&url.address).await? {
            #[cfg(unix)]
            Some(Provider::Local) => Cluster::locate(self.root())?.log_in(&url.address).await?.ok(),
            Some(Provider::Compose) => compose::log_in(url).await.ok(),
            _ => None,
        };
        if let Some(mut superuser) = superuser {
            roles::make_declared(&mut superuser, &settings.targets).await?;
            session::close(superuser).await;
        }
        Ok(())
    }

    /// Returns compose, or the reason why it can't be used.
    pub(super) fn compose(&self) -> Result<Result<Compose, Unusable>> {
        if let Some(known) = self.compose.get() {
            return Ok(known.clone());
        }
        let found = Compose::find(self.root(), self.patience, self.context.interrupt)?;
        Ok(self.compose.get_or_init(|| found).clone())
    }

    /// Returns a provider that can be used here, or the reason why it can't be used.
    fn rung(&self, provider: Provider) -> Result<Result<Rung, Unusable>> {
        #[cfg(unix)]
        if provider == Provider::Local {
            let rung = Cluster::locate(self.root()).and_then(|cluster| {
                let binaries = cluster.binaries(self.context.interrupt)?;
                Ok(Rung::Local(cluster, binaries))
            });
            return match rung {
                Ok(rung) => Ok(Ok(rung)),
                Err(error) => {
                    self.context.interrupt.check()?;
                    let problem = error.downcast::<Problem>()?;
                    let why = [vec![problem.what], problem.details].concat().join(" ");
                    Ok(Err(Unusable { why, remedy: problem.remedies.join(", ") }))
                }
            };
        }
        if provider == Provider::Compose {
            return Ok(self.compose()?.map(Rung::Compose));
        }
        Ok(Err(Unusable {
            why: "a private cluster needs a Unix system".into(),
            remedy: "Start a server, or install Docker.".into(),
        }))
    }
}

/// A provider that can be used here.
enum Rung {
    Compose(Compose),
    #[cfg(unix)]
    Local(Cluster, Binaries),
}

impl Rung {
    fn describe(&self) -> String {
        match self {
            Self::Compose(compose) => compose.describe(),
            #[cfg(unix)]
            Self::Local(_, binaries) => format!("PostgreSQL {} from {}", binaries.version(), binaries.dir.display()),
        }
    }
}
