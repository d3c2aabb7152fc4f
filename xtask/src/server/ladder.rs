//! The ladder: a server that runs already, then compose, then the binaries of this machine, then fetched ones.

use std::cell::OnceCell;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::compose::{self, Compose, Unusable};
#[cfg(unix)]
use super::local::{self, Binaries, Build, Cluster, Found};
use super::no_server::{self, Skipped};
use super::{Choice, Provider, Record, Rung, Server, StartError, has_cluster, roles};
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
    /// Whether nothing may be fetched.
    offline: bool,
    /// What this run knows about compose. A Docker that hangs is asked only once.
    compose: OnceCell<Result<Compose, Unusable>>,
}

impl<'a> Ladder<'a> {
    pub(crate) fn new(context: Context<'a>, choice: Choice, patience: Duration, share: bool, offline: bool) -> Self {
        Self { context, choice, patience, share, offline, compose: OnceCell::new() }
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
    /// A rung failed, or none can be used. The error then holds the reason for each.
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
        for rung in self.order() {
            match self.start_one(rung, settings, step).await {
                Ok(server) => return Ok(server),
                Err(StartError::Unusable(unusable)) => skipped.push(Skipped { rung, unusable }),
                Err(StartError::Failed(error)) => return Err(error),
                Err(StartError::PortTaken) => return Err(no_server::port_taken(settings).into()),
            }
        }
        Err(self.give_up(skipped).into())
    }

    /// The problem that no rung can be used.
    fn give_up(&self, mut skipped: Vec<Skipped>) -> Problem {
        let uses = self.record().rung().filter(|_| self.choice == Choice::Auto);
        match skipped.pop_if(|last| Some(last.rung) == uses) {
            Some(Skipped { rung, unusable }) => no_server::data_is_with(rung, &self.place(rung.provider()), unusable),
            None => no_server::none(skipped),
        }
    }

    /// Where a provider keeps this checkout's data.
    pub(crate) fn place(&self, provider: Provider) -> String {
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
        let leaves = |before: &Rung| self.order().iter().all(|rung| rung.provider() != before.provider());
        let Some(before) = self.record().rung().filter(leaves) else { return };
        let back = match before {
            Rung::Running => "and are used again when the URLs lead there".to_owned(),
            Rung::Compose | Rung::Local | Rung::Fetched => format!("and --server {} uses them again", before.name()),
        };
        self.context.reporter.note(&format!(
            "So far, this checkout's databases are in {}. They stay there, {back}.",
            self.place(before.provider())
        ));
    }

    /// Describes the server that [`Ladder::start`] would start.
    ///
    /// # Errors
    /// The errors of [`Ladder::start`], as far as they can be known without a start.
    pub(crate) async fn would_start(&self, settings: &mut Settings<'_>, mut skipped: Vec<Skipped>) -> Result<String> {
        if let Some(problem) = settings.urls().find_map(no_server::no_password) {
            return Err(problem.into());
        }
        for rung in self.order() {
            let usable = match self.find(rung)? {
                Ok(usable) => usable,
                Err(unusable) => {
                    skipped.push(Skipped { rung, unusable });
                    continue;
                }
            };
            match self.foresee(&usable, settings).await {
                Ok(()) => return Ok(format!("{}: {}", rung.name(), usable.describe())),
                Err(StartError::Unusable(unusable)) => skipped.push(Skipped { rung, unusable }),
                Err(StartError::Failed(error)) => return Err(error),
                Err(StartError::PortTaken) if settings.may_choose_port() => {
                    let address = settings.first_url().address.clone();
                    self.another_port(settings, &address)?;
                    return Ok(format!("{}: {}", rung.name(), usable.describe()));
                }
                Err(StartError::PortTaken) => return Err(no_server::port_taken(settings).into()),
            }
        }
        Err(self.give_up(skipped).into())
    }

    async fn foresee(&self, usable: &Usable, settings: &Settings<'_>) -> Result<(), StartError> {
        let url = settings.first_url();
        match usable {
            Usable::Compose(compose) => compose.foresee(url, self.context.interrupt).await?,
            #[cfg(unix)]
            Usable::Cluster(cluster, _) | Usable::ToFetch(cluster, _) => cluster.refuse_superuser(settings.urls())?,
        }
        #[cfg(unix)]
        if !local::port_is_free(&url.address) && self.started(&url.address).await?.is_none() {
            return Err(StartError::PortTaken);
        }
        Ok(())
    }

    /// The order of the rungs. Where this checkout's data is, no other one is tried. Otherwise compose comes before a
    /// private cluster, and nothing is fetched that this machine has or that the user has named.
    fn order(&self) -> Vec<Rung> {
        let record = self.record();
        match (self.choice, record.rung()) {
            (Choice::Running, _) => Vec::new(),
            (Choice::Compose, _) => vec![Rung::Compose],
            (Choice::Local, _) => vec![Rung::Local],
            (Choice::Fetched, _) => vec![Rung::Fetched],
            (Choice::Auto, Some(rung @ (Rung::Compose | Rung::Local | Rung::Fetched))) => vec![rung],
            // A run that was killed may have made the cluster.
            (Choice::Auto, _) if has_cluster(self.root()) => vec![record.cluster_rung(), Rung::Compose],
            #[cfg(unix)]
            (Choice::Auto, _) if !Binaries::are_named() => vec![Rung::Compose, Rung::Local, Rung::Fetched],
            (Choice::Auto, _) => vec![Rung::Compose, Rung::Local],
        }
    }

    async fn start_one(&self, rung: Rung, settings: &mut Settings<'_>, step: &Step<'_>) -> Result<Server, StartError> {
        let usable = self.find(rung)?.map_err(|unusable| self.skipped(rung, unusable))?;
        #[cfg(unix)]
        let usable = self.fetch(usable, step)?.map_err(|unusable| self.skipped(rung, unusable))?;
        step.doing(&format!("starting {}", usable.describe()));
        loop {
            match self.start_usable(&usable, settings).await {
                Err(StartError::PortTaken) if settings.may_choose_port() => {
                    let address = settings.first_url().address.clone();
                    let port = self.another_port(settings, &address)?;
                    self.context
                        .reporter
                        .note(&format!("{address} is taken, so port {port} is used instead, in {}.", settings.names()));
                }
                Err(StartError::Unusable(unusable)) => return Err(self.skipped(rung, unusable)),
                ended => return ended,
            }
        }
    }

    /// Reports at once why a rung is skipped, because the next one may take a while.
    fn skipped(&self, rung: Rung, unusable: Unusable) -> StartError {
        self.context.reporter.note(&format!("{} was skipped: {}.", rung.name(), unusable.why.trim_end_matches('.')));
        StartError::Unusable(unusable)
    }

    /// Fetches binaries that aren't there yet. Returns the cluster with them, or the reason why they can't be fetched.
    #[cfg(unix)]
    fn fetch(&self, usable: Usable, step: &Step<'_>) -> Result<Result<Usable, Unusable>> {
        let Usable::ToFetch(cluster, build) = usable else { return Ok(Ok(usable)) };
        let binaries = build.fetch(self.patience, self.context, step);
        self.or_unusable(binaries.map(|binaries| Usable::Cluster(cluster, binaries)))
    }

    async fn start_usable(&self, usable: &Usable, settings: &Settings<'_>) -> Result<Server, StartError> {
        let url = settings.first_url();
        let (provider, version, mut superuser) = match usable {
            Usable::Compose(compose) => {
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
            Usable::ToFetch(_, build) => {
                let why = format!("{} wasn't fetched", build.describe());
                return Err(StartError::Failed(anyhow::anyhow!(why)));
            }
            #[cfg(unix)]
            Usable::Cluster(cluster, binaries) => {
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

    /// Finds what a rung has here, or the reason why it can't be used. Nothing is started or fetched.
    fn find(&self, rung: Rung) -> Result<Result<Usable, Unusable>> {
        #[cfg(unix)]
        if rung.provider() == Provider::Local {
            return self
                .or_unusable(Cluster::locate(self.root()).and_then(|cluster| self.with_binaries(cluster, rung)));
        }
        if rung == Rung::Compose {
            return Ok(self.compose()?.map(Usable::Compose));
        }
        Ok(Err(Unusable::new("a private cluster needs a Unix system", "Start a server, or install Docker.")))
    }

    #[cfg(unix)]
    fn with_binaries(&self, cluster: Cluster, rung: Rung) -> Result<Usable> {
        let interrupt = self.context.interrupt;
        if rung != Rung::Fetched {
            let binaries = cluster.binaries(interrupt)?;
            return Ok(Usable::Cluster(cluster, binaries));
        }
        Ok(match cluster.fetched(self.offline, interrupt)? {
            Found::Ready(binaries) => Usable::Cluster(cluster, binaries),
            Found::ToFetch(build) => Usable::ToFetch(cluster, build),
        })
    }

    /// Takes a problem for the reason why a rung can't be used. Ctrl-C and other errors stay errors.
    #[cfg(unix)]
    fn or_unusable(&self, found: Result<Usable>) -> Result<Result<Usable, Unusable>> {
        let Err(error) = found else { return found.map(Ok) };
        self.context.interrupt.check()?;
        let problem = error.downcast::<Problem>()?;
        Ok(Err(Unusable::of(problem)))
    }
}

/// What a rung has here.
enum Usable {
    Compose(Compose),
    #[cfg(unix)]
    Cluster(Cluster, Binaries),
    #[cfg(unix)]
    ToFetch(Cluster, Build),
}

impl Usable {
    fn describe(&self) -> String {
        match self {
            Self::Compose(compose) => compose.describe(),
            #[cfg(unix)]
            Self::ToFetch(_, build) => build.describe(),
            #[cfg(unix)]
            Self::Cluster(_, binaries) => format!("PostgreSQL {} from {}", binaries.version(), binaries.dir.display()),
        }
    }
}
