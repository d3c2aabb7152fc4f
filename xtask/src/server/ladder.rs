//! The ladder of providers: a server that runs already, then compose, then local.

use std::cell::OnceCell;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::compose::{Compose, Unusable};
#[cfg(unix)]
use super::local::{self, Binaries, Cluster};
use super::no_server::{self, Skipped};
use super::{Choice, Provider, Record, Server, StartError, roles};
use crate::connection::readiness::{self, Answer};
use crate::context::Context;
use crate::database_url::{Address, DatabaseUrl};
use crate::env_file::{FILE, Settings};
use crate::problem::Problem;
use crate::report::Step;

/// How many ports above the wanted one are tried.
const PORTS: u16 = 100;

/// The ladder, with the choices of the user.
pub(crate) struct Ladder<'a> {
    pub(crate) context: Context<'a>,
    pub(crate) choice: Choice,
    /// How long a server may take to become ready.
    pub(crate) patience: Duration,
    /// What this run knows about compose. A Docker that hangs is asked only once.
    compose: OnceCell<Result<Compose, Unusable>>,
}

/// The result of the look at the URLs' address.
pub(crate) enum Look {
    /// A server that accepts the login of each URL.
    Found(Server),
    /// There is no server to use, so one must be started. The list holds the providers that were skipped.
    ToStart(Vec<Skipped>),
}

impl<'a> Ladder<'a> {
    pub(crate) fn new(context: Context<'a>, choice: Choice, patience: Duration) -> Self {
        Self { context, choice, patience, compose: OnceCell::new() }
    }

    fn root(&self) -> &Path {
        &self.context.workspace.root
    }

    /// Tries the first rung, the server that answers at the URLs' address. It starts nothing. It changes only the port
    /// in settings whose `.env` isn't made yet.
    ///
    /// # Errors
    /// A server is there but can't be used, because it refuses the login or isn't PostgreSQL. Or no server is there,
    /// and this program may not start one at that address.
    pub(crate) async fn look(&self, settings: &mut Settings<'_>, step: &Step<'_>) -> Result<Look> {
        let first = settings.first_url().clone();
        let address = first.address.clone();
        let other = settings.urls().find(|url| !url.address.same_server(&address)).cloned();
        let is_ours_to_start = address.is_loopback() && !address.is_socket();
        if matches!(self.choice, Choice::Compose | Choice::Local) {
            return if is_ours_to_start && other.is_none() {
                Ok(Look::ToStart(Vec::new()))
            } else {
                Err(no_server::not_startable(settings).into())
            };
        }
        if let Some(other) = other {
            return self.look_at_several(settings, &first, &other, step).await;
        }
        let absent = match self.answer(settings.urls(), step).await? {
            (_, Answer::Ready(version)) => return Ok(Look::Found(running(address, version))),
            (_, Answer::NoDatabase) => return Ok(Look::Found(running(address, String::new()))),
            (url, Answer::Refused(said)) => {
                if self.choice == Choice::Auto && self.is_ours(&address).await? {
                    return Ok(Look::ToStart(Vec::new()));
                }
                let why = format!("PostgreSQL at {address} refuses the login of {}: {said}", url.variable);
                return self.go_elsewhere(settings, &address, why, roles::refused(&url, &said));
            }
            (url, Answer::Never(said)) => {
                let why = format!("{address} can't be used: {said}");
                let problem =
                    Problem::unavailable(format!("{} names {address}, which can't be used: {said}.", url.variable))
                        .remedy(no_server::who_listens(&address));
                return self.go_elsewhere(settings, &address, why, problem);
            }
            (_, Answer::Nothing(said) | Answer::NotYet(said)) => said,
        };
        let unusable =
            Unusable { why: format!("{address}: {absent}"), remedy: format!("Start a server at {address}.") };
        let skipped = vec![Skipped { provider: Provider::Running, unusable }];
        if self.choice == Choice::Running || !is_ours_to_start {
            let problem = no_server::none(skipped).detail(if address.is_loopback() {
                "Nothing else was tried, because --server running only uses a server that runs already.".to_owned()
            } else {
                format!("Nothing was started, because {} isn't this machine.", address.host)
            });
            return Err(problem.into());
        }
        Ok(Look::ToStart(skipped))
    }

    /// Looks at URLs that name several servers. Each of these servers must run already.
    async fn look_at_several(
        &self,
        settings: &Settings<'_>,
        first: &DatabaseUrl,
        other: &DatabaseUrl,
        step: &Step<'_>,
    ) -> Result<Look> {
        for url in settings.urls() {
            match self.answer([url], step).await?.1 {
                Answer::Ready(_) | Answer::NoDatabase => {}
                Answer::Refused(said) => return Err(roles::refused(url, &said).into()),
                Answer::Nothing(said) | Answer::NotYet(said) | Answer::Never(said) => {
                    return Err(Problem::unavailable(format!("{} names {}: {said}.", url.variable, url.address))
                        .detail(format!(
                            "{} and {} name two servers, but db-setup starts only one.",
                            first.variable, other.variable
                        ))
                        .remedy(format!("Start a server at {}", url.address))
                        .remedy("or change both URLs to the same host and port.")
                        .into());
                }
            }
        }
        Ok(Look::Found(running(first.address.clone(), String::new())))
    }

    /// Returns the first answer that isn't a yes, with its URL, or else the last yes. After "not yet" it asks again
    /// until the deadline.
    async fn answer<'u>(
        &self,
        urls: impl IntoIterator<Item = &'u DatabaseUrl>,
        step: &Step<'_>,
    ) -> Result<(DatabaseUrl, Answer)> {
        let mut last = None;
        for url in urls {
            let options = url.options("xtask");
            let mut answer = readiness::ask_within(self.patience, options.clone()).await;
            if let Answer::NotYet(said) = &answer {
                step.doing(&format!("{} isn't ready yet: {said}", url.address));
                let alive = async || Ok(self.context.interrupt.check()?);
                answer = match readiness::wait(&options, Instant::now() + self.patience, alive).await {
                    Ok(answer) => answer,
                    Err(error) => Answer::Never(readiness_words(error)?),
                };
            }
            let yes = matches!(answer, Answer::Ready(_) | Answer::NoDatabase);
            last = Some((url.clone(), answer));
            if !yes {
                break;
            }
        }
        last.ok_or_else(|| Problem::failed("There is no database to look for.").into())
    }

    /// Returns whether the server at that address was started for this checkout.
    async fn is_ours(&self, address: &Address) -> Result<bool> {
        #[cfg(unix)]
        if let Ok(cluster) = Cluster::locate(self.root())
            && cluster.running().await?.is_some_and(|running| running.port == address.port)
        {
            return Ok(true);
        }
        if Record::read(self.root()) != Some(Provider::Compose) {
            return Ok(false);
        }
        match self.compose()? {
            Ok(compose) => compose.publishes(address.port, self.context.interrupt),
            Err(_) => Ok(false),
        }
    }

    /// Handles a port that belongs to another program. A checkout whose `.env` isn't made yet takes another port. An
    /// `.env` that exists is never changed.
    fn go_elsewhere(
        &self,
        settings: &mut Settings<'_>,
        address: &Address,
        why: String,
        problem: Problem,
    ) -> Result<Look> {
        let ours = settings.new_file.is_some() && settings.urls_from_file;
        if self.choice != Choice::Auto || !ours || !address.is_loopback() || address.is_socket() {
            return Err(no_server::ways_out(problem, settings, address).into());
        }
        let port = self.another_port(settings, address)?;
        self.context.reporter.note(&format!("{why}."));
        self.context
            .reporter
            .note(&format!("That server isn't this checkout's, so port {port} is used instead, in the new {FILE}."));
        let unusable = Unusable { why, remedy: format!("Change the URLs in {FILE} to a login that works there.") };
        Ok(Look::ToStart(vec![Skipped { provider: Provider::Running, unusable }]))
    }

    #[cfg(unix)]
    fn another_port(&self, settings: &mut Settings<'_>, address: &Address) -> Result<u16> {
        let free = |port: &u16| local::port_is_free(&Address { host: address.host.clone(), port: *port });
        let from = address.port.saturating_add(1);
        let port = (from..=from.saturating_add(PORTS)).find(free).ok_or_else(|| {
            Problem::unavailable(format!(
                "The ports from {} to {} are all taken.",
                address.port,
                from.saturating_add(PORTS)
            ))
        })?;
        settings.set_port(address, port);
        Ok(port)
    }

    #[cfg(not(unix))]
    fn another_port(&self, settings: &mut Settings<'_>, address: &Address) -> Result<u16> {
        let port = address.port.saturating_add(1);
        settings.set_port(address, port);
        Ok(port)
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
        for provider in self.order() {
            match self.start_one(provider, settings, step).await {
                Ok(server) => return Ok(server),
                Err(StartError::Unusable(unusable)) => skipped.push(Skipped { provider, unusable }),
                Err(StartError::Failed(error)) => return Err(error),
                Err(StartError::PortTaken) => return Err(no_server::port_taken(settings).into()),
            }
        }
        Err(no_server::none(skipped).into())
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
        Err(no_server::none(skipped).into())
    }

    /// The order of the providers: compose before local, unless this checkout's data is in a private cluster already.
    fn order(&self) -> Vec<Provider> {
        match self.choice {
            Choice::Running => Vec::new(),
            Choice::Compose => vec![Provider::Compose],
            Choice::Local => vec![Provider::Local],
            Choice::Auto if Record::read(self.root()) == Some(Provider::Local) => {
                vec![Provider::Local, Provider::Compose]
            }
            Choice::Auto => vec![Provider::Compose, Provider::Local],
        }
    }

    async fn start_one(
        &self,
        provider: Provider,
        settings: &mut Settings<'_>,
        step: &Step<'_>,
    ) -> Result<Server, StartError> {
        let rung = self.rung(provider)?.map_err(|unusable| self.skipped(provider, unusable))?;
        // The record is written before the start, so that db-stop can also stop a server whose start failed halfway.
        Record::write(self.root(), provider);
        if let Some(url) = settings.urls().find(|url| url.password.is_empty()) {
            return Err(Problem::failed(format!(
                "{} has no password, but a server that db-setup starts needs one.",
                url.variable
            ))
            .remedy(format!("Add a password: {}=postgres://{}:PASSWORD@…", url.variable, url.user))
            .into());
        }
        step.doing(&format!("starting {}", rung.describe()));
        loop {
            match self.start_rung(&rung, settings).await {
                // Another program took the port in the meantime. If this run made `.env`, it may choose another port.
                Err(StartError::PortTaken) if settings.made_file() => {
                    let address = settings.first_url().address.clone();
                    let port = self.another_port(settings, &address)?;
                    settings.rewrite(self.root())?;
                    self.context
                        .reporter
                        .note(&format!("{address} is taken, so port {port} is used instead, in the new {FILE}."));
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
        let (provider, version) = match rung {
            Rung::Compose(compose) => {
                if let Some(image) = compose.image_to_pull() {
                    self.context
                        .reporter
                        .note(&format!("Pulling the image {image}. This takes a while, but only the first time."));
                }
                let version = compose.start(url, self.patience, self.context.interrupt).await?;
                // The first URL's role is the container's superuser.
                roles::let_in(&url.options("xtask").database("postgres"), settings.urls()).await?;
                (Provider::Compose, version)
            }
            #[cfg(unix)]
            Rung::Local(cluster, binaries) => {
                let version = cluster.start(binaries, &url.address, self.patience, self.context.interrupt).await?;
                roles::let_in(&cluster.superuser(&url.address)?, settings.urls()).await?;
                (Provider::Local, version)
            }
        };
        Ok(Server { provider, address: url.address.clone(), version })
    }

    /// Returns compose, or the reason why it can't be used.
    fn compose(&self) -> Result<Result<Compose, Unusable>> {
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

fn running(address: Address, version: String) -> Server {
    Server { provider: Provider::Running, address, version }
}

/// Returns the reason why a wait failed. Ctrl-C stays an error.
fn readiness_words(error: anyhow::Error) -> Result<String> {
    if crate::interrupt::is_interruption(&error) {
        return Err(error);
    }
    Ok(error.to_string().trim_end_matches('.').to_owned())
}
