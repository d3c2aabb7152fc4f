//! The ladder: what runs already, compose, local.

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

/// What the ladder needs to know.
pub(crate) struct Ladder<'a> {
    pub(crate) context: Context<'a>,
    pub(crate) choice: Choice,
    /// How long a server may take until it is ready.
    pub(crate) patience: Duration,
}

/// What the look at the URLs' address came to.
pub(crate) enum Look {
    /// A server that lets everybody in.
    Found(Server),
    /// There is none: one has to be started.
    ToStart(Vec<Skipped>),
}

impl Ladder<'_> {
    fn root(&self) -> &Path {
        &self.context.workspace.root
    }

    /// The first rung: what answers at the URLs' address. Nothing is started or changed, but for the port in
    /// settings whose `.env` isn't made yet.
    ///
    /// # Errors
    /// A server is there and can't be used: it refuses the login, or isn't PostgreSQL; or none is there, and it
    /// would not be ours to start.
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
                "Nothing else was tried: --server running only uses what runs.".to_owned()
            } else {
                format!("Nothing was started: {} isn't this machine.", address.host)
            });
            return Err(problem.into());
        }
        Ok(Look::ToStart(skipped))
    }

    /// Two servers, or more: each has to run already.
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
                            "{} and {} name two servers, and db-setup only ever starts one.",
                            first.variable, other.variable
                        ))
                        .remedy(format!("Start a server at {}", url.address))
                        .remedy("or let both URLs name the same host and port.")
                        .into());
                }
            }
        }
        Ok(Look::Found(running(first.address.clone(), String::new())))
    }

    /// The first answer that isn't a yes, with the URL that got it; else the last yes. "Not yet" is waited for.
    async fn answer<'u>(
        &self,
        urls: impl IntoIterator<Item = &'u DatabaseUrl>,
        step: &Step<'_>,
    ) -> Result<(DatabaseUrl, Answer)> {
        let mut last = None;
        for url in urls {
            let options = url.options("xtask");
            let mut answer = readiness::ask(options.clone()).await;
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

    /// Whether what listens there was started for this checkout.
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
        match Compose::find(self.root(), self.context.interrupt)? {
            Ok(compose) => compose.publishes(address.port, self.context.interrupt),
            Err(_) => Ok(false),
        }
    }

    /// The port belongs to somebody else. A checkout whose `.env` isn't made yet takes another port; one that has
    /// its `.env` is left as it is.
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
            .note(&format!("It isn't this checkout's, so port {port} is taken instead, in the new {FILE}."));
        let unusable = Unusable { why, remedy: format!("Let the URLs in {FILE} log in there.") };
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

    /// The other rungs: starts a server, and lets everybody in whom the URLs name.
    ///
    /// # Errors
    /// No provider has one, with the reason of each; or one failed.
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

    /// What would be started, without starting it.
    ///
    /// # Errors
    /// No provider could, with the reason of each.
    pub(crate) fn would_start(&self, mut skipped: Vec<Skipped>) -> Result<String> {
        for provider in self.order() {
            match self.rung(provider)? {
                Ok(rung) => return Ok(format!("{}: {}", provider.name(), rung.describe())),
                Err(unusable) => skipped.push(Skipped { provider, unusable }),
            }
        }
        Err(no_server::none(skipped).into())
    }

    /// Compose before local, unless this checkout's data is in a private cluster already.
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
        // Before it is started: what fails half way can be stopped as well.
        Record::write(self.root(), provider);
        if let Some(url) = settings.urls().find(|url| url.password.is_empty()) {
            return Err(Problem::failed(format!(
                "{} has no password, and a server of our own asks for one.",
                url.variable
            ))
            .remedy(format!("Put one in: {}=postgres://{}:PASSWORD@…", url.variable, url.user))
            .into());
        }
        step.doing(&format!("starting {}", rung.describe()));
        loop {
            match self.start_rung(&rung, settings).await {
                // Taken by somebody else in the meantime: if the port is ours to choose, by another one.
                Err(StartError::PortTaken) if settings.made_file() => {
                    let address = settings.first_url().address.clone();
                    let port = self.another_port(settings, &address)?;
                    settings.rewrite(self.root())?;
                    self.context
                        .reporter
                        .note(&format!("{address} is taken; going on with port {port}, in the new {FILE}."));
                }
                Err(StartError::Unusable(unusable)) => return Err(self.skipped(provider, unusable)),
                ended => return ended,
            }
        }
    }

    /// Says at once why a provider is skipped: the next one may take a while.
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
                        .note(&format!("Pulling the image {image}; this takes a while, the first time only."));
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

    /// A provider that can be used here, or why it can't.
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
            return Ok(Compose::find(self.root(), self.context.interrupt)?.map(Rung::Compose));
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

/// The reason of a wait that came to nothing; Ctrl-C stays an error.
fn readiness_words(error: anyhow::Error) -> Result<String> {
    if crate::interrupt::is_interruption(&error) {
        return Err(error);
    }
    Ok(error.to_string().trim_end_matches('.').to_owned())
}
