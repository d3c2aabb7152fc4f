//! The first rung of the ladder: the look at the URLs' address, where a server may run already.

use std::time::Instant;

use anyhow::Result;

use super::compose::Unusable;
use super::ladder::Ladder;
#[cfg(unix)]
use super::local::Cluster;
use super::no_server::{self, Skipped};
use super::{Choice, PORTS, Provider, Record, Rung, Server, free_port, roles};
use crate::connection::readiness::{self, Answer};
use crate::connection::{deadline, session};
use crate::database_url::{Address, DatabaseUrl};
use crate::env_file::{FILE, Settings};
use crate::problem::{Code, Problem};
use crate::report::Step;
use crate::stamp::{self, Other};
use crate::target::Target;

/// The result of the look at the URLs' address.
pub(crate) enum Look {
    /// A server that accepts the login of each URL.
    Found(Server),
    /// There is no server to use, so one must be started. The list holds the providers that were skipped.
    ToStart(Vec<Skipped>),
}

impl Ladder<'_> {
    /// Tries the first rung, the server that answers at the URLs' address. It starts nothing. It changes only the port
    /// in settings whose `.env` isn't made yet.
    ///
    /// # Errors
    /// A server is there but can't be used, because it refuses the login or isn't PostgreSQL. Or no server is there,
    /// and this program may not start one at that address.
    pub(crate) async fn look(&self, settings: &mut Settings<'_>, step: &Step<'_>) -> Result<Look> {
        let look = self.look_for_server(settings, step).await?;
        let Look::Found(mut server) = look else { return Ok(look) };
        let others = self.others(settings).await;
        let Some(first) = others.first() else { return Ok(Look::Found(server)) };
        if self.started(&server.address).await?.is_some() {
            server.is_own = true;
        } else if self.share {
            server.others = others.into_iter().map(|other| other.stamp.checkout).collect();
        } else {
            let address = server.address;
            let why = format!("The databases at {address} belong to the checkout {}", first.stamp);
            if self.may_go_elsewhere(settings, &address) {
                let remedy = "To share those databases on purpose: cargo xtask db-setup --share".to_owned();
                return self.to_another_port(settings, &address, why, remedy);
            }
            return Err(stamp::refusal(&others, &no_server::own_server(settings, &address)).into());
        }
        Ok(Look::Found(server))
    }

    /// The databases at the URLs that belong to other checkouts. A server that can't be asked is left to the work that
    /// follows.
    async fn others(&self, settings: &Settings<'_>) -> Vec<Other> {
        let claim = Record::claim(self.root(), false, None);
        let mut others = Vec::new();
        let mut asked: Vec<&Address> = Vec::new();
        for Target { url, .. } in &settings.targets {
            if asked.iter().any(|address| address.same_server(&url.address)) {
                continue;
            }
            asked.push(&url.address);
            let ask = async {
                let mut connection = session::maintenance(url, session::READER).await?;
                let found = claim.others(&mut connection, &settings.targets, &url.address).await?;
                session::close(connection).await;
                Ok::<_, anyhow::Error>(found)
            };
            let limit = deadline::for_an_answer(self.patience);
            others.extend(deadline::within(limit, &url.address, ask).await.unwrap_or_default());
        }
        others
    }

    /// Whether another checkout has made databases at the URLs since this run looked there.
    pub(crate) async fn is_late(&self, settings: &Settings<'_>) -> bool {
        !self.others(settings).await.is_empty()
    }

    async fn look_for_server(&self, settings: &mut Settings<'_>, step: &Step<'_>) -> Result<Look> {
        let first = settings.first_url().clone();
        let address = first.address.clone();
        let other = settings.urls().find(|url| !url.address.same_server(&address)).cloned();
        let is_ours_to_start = address.is_loopback() && !address.is_socket();
        if matches!(self.choice, Choice::Compose | Choice::Local | Choice::Fetched) {
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
            (url, Answer::NoDatabase) => {
                self.refuse_stranger(&url).await?;
                return Ok(Look::Found(running(address, String::new())));
            }
            (url, Answer::Refused(said)) => {
                if self.choice == Choice::Auto && self.started(&address).await?.is_some() {
                    return Ok(Look::ToStart(Vec::new()));
                }
                let why = format!("PostgreSQL at {address} refuses the login of {}: {said}", url.variable);
                return self.go_elsewhere(settings, &address, why, roles::refused(&url, &said));
            }
            // The server is paused, or hangs.
            (_, Answer::Stranger(_)) if self.choice == Choice::Auto && self.started(&address).await?.is_some() => {
                return Ok(Look::ToStart(Vec::new()));
            }
            (url, Answer::Never(said) | Answer::Stranger(said)) => {
                let why = format!("{address} can't be used: {said}");
                let problem = Problem::unavailable(
                    Code::AddressTaken,
                    format!("{} names {address}, which can't be used: {said}.", url.variable),
                )
                .remedy(readiness::who_listens(&address));
                return self.go_elsewhere(settings, &address, why, problem);
            }
            (_, Answer::Nothing(said) | Answer::NotYet(said)) => said,
        };
        if self.choice == Choice::Auto && self.record().uses_running(&address) {
            return Err(no_server::data_is_elsewhere(&address, &absent).into());
        }
        let unusable = Unusable::new(format!("{address}: {absent}"), format!("Start a server at {address}."));
        let skipped = vec![Skipped { rung: Rung::Running, unusable }];
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

    /// Refuses a server without the databases, if this checkout has them on another one.
    async fn refuse_stranger(&self, url: &DatabaseUrl) -> Result<()> {
        let uses = self.record().rung().filter(|rung| *rung != Rung::Running);
        let Some(rung) = uses.filter(|_| self.choice == Choice::Auto) else { return Ok(()) };
        if self.started(&url.address).await?.is_some() {
            return Ok(());
        }
        Err(no_server::stranger(url, rung, &self.place(rung.provider())).into())
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
                Answer::Nothing(said) | Answer::NotYet(said) | Answer::Never(said) | Answer::Stranger(said) => {
                    return Err(Problem::unavailable(
                        Code::ServerMissing,
                        format!("{} names {}: {said}.", url.variable, url.address),
                    )
                    .detail(format!(
                        "{} and {} name two servers, but db-setup starts only one.",
                        first.variable, other.variable
                    ))
                    .remedy(format!("Start a server at {}, then: cargo xtask db-setup", url.address))
                    .remedy("or write the same host and port into both URLs, then: cargo xtask db-setup")
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
            if matches!(answer, Answer::NotYet(_)) && readiness::is_web_server(&options).await {
                answer = Answer::Stranger(readiness::WEB_SERVER.to_owned());
            }
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
        last.ok_or_else(|| Problem::failed(Code::NoDatabase, "There is no database to look for.").into())
    }

    /// The provider that started the server at that address for this checkout, if one did.
    pub(crate) async fn started(&self, address: &Address) -> Result<Option<Provider>> {
        #[cfg(unix)]
        if let Ok(cluster) = Cluster::locate(self.root())
            && cluster.running().await?.is_some_and(|running| running.port == address.port)
        {
            return Ok(Some(Provider::Local));
        }
        if !self.record().has_project() {
            return Ok(None);
        }
        match self.compose()? {
            Ok(compose) if compose.publishes(address.port, self.context.interrupt)? => Ok(Some(Provider::Compose)),
            _ => Ok(None),
        }
    }

    /// Handles a port that belongs to another program. A checkout takes another port if its `.env` isn't made yet, or is
    /// still what this program made of the contract. Any other `.env` is never changed.
    fn go_elsewhere(
        &self,
        settings: &mut Settings<'_>,
        address: &Address,
        why: String,
        problem: Problem,
    ) -> Result<Look> {
        if !self.may_go_elsewhere(settings, address) {
            return Err(no_server::ways_out(problem, settings, address).into());
        }
        let remedy = format!("Change the URLs in {FILE} to a login that works there.");
        self.to_another_port(settings, address, why, remedy)
    }

    /// Whether this checkout may leave the server at the address, and have one of its own on another port.
    pub(crate) fn may_go_elsewhere(&self, settings: &Settings<'_>, address: &Address) -> bool {
        let is_local = address.is_loopback() && !address.is_socket();
        let has_data_there = self.record().uses_running(address);
        self.choice == Choice::Auto && settings.may_choose_port() && is_local && !has_data_there
    }

    /// Leaves the server at the address alone, for the reason `why`. `remedy` is the way to use it all the same.
    fn to_another_port(
        &self,
        settings: &mut Settings<'_>,
        address: &Address,
        why: String,
        remedy: String,
    ) -> Result<Look> {
        let port = self.another_port(settings, address)?;
        self.context.reporter.note(&format!("{why}."));
        self.context.reporter.note(&format!(
            "That server isn't this checkout's, so port {port} is used instead, in {}.",
            settings.names()
        ));
        let unusable = Unusable::new(why, remedy);
        Ok(Look::ToStart(vec![Skipped { rung: Rung::Running, unusable }]))
    }

    pub(super) fn another_port(&self, settings: &mut Settings<'_>, address: &Address) -> Result<u16> {
        let port = free_port(address).ok_or_else(|| {
            Problem::unavailable(
                Code::NoFreePort,
                format!("Port {} and the {PORTS} ports above it are all taken.", address.port),
            )
        })?;
        settings.set_port(address, port);
        Ok(port)
    }
}

fn running(address: Address, version: String) -> Server {
    Server { provider: Provider::Running, address, version, is_own: false, others: Vec::new() }
}

/// Returns the reason why a wait failed. Ctrl-C stays an error.
fn readiness_words(error: anyhow::Error) -> Result<String> {
    if crate::interrupt::is_interruption(&error) {
        return Err(error);
    }
    Ok(error.to_string().trim_end_matches('.').to_owned())
}
