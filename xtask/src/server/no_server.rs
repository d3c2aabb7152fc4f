//! The problems of a run that finds no server to use, with the ways to fix them.

use super::compose::Unusable;
use super::{Rung, free_port};
use crate::connection::readiness;
use crate::database_url::{Address, DatabaseUrl};
use crate::env_file::Settings;
use crate::problem::{Code, Exit, Problem};

/// A rung that was skipped, with the reason.
pub(crate) struct Skipped {
    pub(super) rung: Rung,
    pub(super) unusable: Unusable,
}

/// The problem that the URLs don't all name one port of this machine, but `--server compose` or `local` needs that.
pub(super) fn not_startable(settings: &Settings<'_>) -> Problem {
    let named = settings.urls().map(|url| format!("{} names {}.", url.variable, url.address));
    Problem::unavailable(
        Code::TwoServers,
        "With this --server, db-setup starts one server, so all URLs must name one port of this machine.",
    )
    .details(named)
    .remedy("Write one port of localhost into all URLs, or leave --server out: cargo xtask db-setup")
}

/// Adds a remedy to a problem with the server that is there: how to get another server for this checkout.
pub(super) fn ways_out(problem: Problem, settings: &Settings<'_>, address: &Address) -> Problem {
    problem.remedy(format!("or {}", own_server(settings, address)))
}

/// How to get a server and databases of this checkout's own, in place of what is at the address.
pub(crate) fn own_server(settings: &Settings<'_>, address: &Address) -> String {
    if !settings.urls_from_file {
        return "let db-setup choose the port: remove the URLs from the environment, and leave --server at auto."
            .to_owned();
    }
    if settings.may_choose_port() {
        return "use a server of your own, on another port: cargo xtask db-setup --server compose, or cargo xtask \
                db-setup --server local"
            .to_owned();
    }
    let port = free_port(address).unwrap_or(address.port);
    if let Some(command) = settings.command_for_port(address, port) {
        return format!("use a server of your own, on another port: {command} && cargo xtask db-setup");
    }
    let variables: Vec<_> = settings.urls().map(|url| url.variable.as_str()).collect();
    let variables = variables.join(" and ");
    format!("use a server of your own: put a free port, such as {port}, into {variables} and run this again.")
}

pub(super) fn port_taken(settings: &Settings<'_>) -> Problem {
    let address = &settings.first_url().address;
    let what = format!("Port {} is taken by another program.", address.port);
    ways_out(Problem::unavailable(Code::PortTaken, what).remedy(readiness::who_listens(address)), settings, address)
}

/// The problem that a URL names no password.
pub(super) fn no_password(url: &DatabaseUrl) -> Option<Problem> {
    let what = format!("{} has no password, but a server that db-setup starts needs one.", url.variable);
    let remedy = format!("Add a password: {}=postgres://{}:PASSWORD@…", url.variable, url.user);
    url.password.is_empty().then(|| Problem::failed(Code::NoPassword, what).remedy(remedy))
}

/// The problem that the server with this checkout's data doesn't answer, and this program can't start it.
pub(super) fn data_is_elsewhere(address: &Address, absent: &str) -> Problem {
    Problem::unavailable(
        Code::DataServerStopped,
        format!("The server at {address} has this checkout's databases, and doesn't answer: {absent}."),
    )
    .detail("db-setup didn't start that server. So nothing was started in its place, and nothing was changed.")
    .remedy(format!("Start the server at {address}, then: cargo xtask db-setup"))
    .remedy(elsewhere(&[Rung::Compose, Rung::Local, Rung::Fetched]))
}

/// The problem that the rung with this checkout's data can't be used.
pub(super) fn data_is_with(rung: Rung, place: &str, unusable: Unusable) -> Problem {
    let others =
        [Rung::Compose, Rung::Local, Rung::Fetched].into_iter().filter(|other| other.provider() != rung.provider());
    let others: Vec<_> = others.collect();
    Problem::unavailable(
        Code::DataElsewhere,
        format!(
            "This checkout's databases are in {place}, but {} can't be used: {}.",
            rung.name(),
            unusable.why.trim_end_matches('.')
        ),
    )
    .details(unusable.details)
    .detail("Nothing was started in its place, and nothing was changed.")
    .remedy(unusable.remedy)
    .remedy(elsewhere(&others))
}

/// The problem that the server at the URL's address isn't the one that has this checkout's data.
pub(super) fn stranger(url: &DatabaseUrl, rung: Rung, place: &str) -> Problem {
    let DatabaseUrl { variable, address, database, .. } = url;
    Problem::unavailable(
        Code::DataElsewhere,
        format!(
            "This checkout's databases are in {place}, but another server answers at {address}, and has no {database}."
        ),
    )
    .detail("Nothing was made there, and nothing was changed.")
    .remedy(format!("Stop that server, or put another port into {variable}, then: cargo xtask db-setup"))
    .remedy(readiness::who_listens(address))
    .remedy(format!(
        "or leave those databases alone ({}), and make empty ones on the server that answers: \
         cargo xtask db-setup --server running",
        rung.name()
    ))
}

/// How to leave the data where it is, and to begin with empty databases.
fn elsewhere(rungs: &[Rung]) -> String {
    let commands: Vec<_> = rungs.iter().map(|rung| format!("cargo xtask db-setup --server {}", rung.name())).collect();
    format!("or leave those databases alone, and make empty ones elsewhere: {}", commands.join(", or "))
}

/// The problem that no rung has a server, with the reason for each.
pub(super) fn none(skipped: Vec<Skipped>) -> Problem {
    // A user who has chosen one provider is told what is wrong with it.
    if let [Skipped { rung, unusable: Unusable { problem: Some(problem), .. } }] = skipped.as_slice() {
        let alone = format!("Nothing else was tried, because --server {} uses nothing else.", rung.name());
        return Problem { exit: Exit::Unavailable, ..problem.clone() }.detail(alone);
    }
    let mut problem = Problem::unavailable(Code::NoServer, "There is no PostgreSQL to use.");
    for Skipped { rung, unusable: Unusable { why, details, remedy, .. } } in skipped {
        problem = problem
            .detail(format!("{}: {}.", rung.name(), why.trim_end_matches('.')))
            .details(details.into_iter().map(|line| format!("  {line}")))
            .remedy(remedy);
    }
    problem
}
