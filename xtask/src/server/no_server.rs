//! The problems of a run that finds no server to use, with the ways to fix them.

use super::Provider;
use super::compose::Unusable;
use crate::database_url::Address;
use crate::env_file::Settings;
use crate::problem::Problem;

/// A provider that was skipped, with the reason.
pub(crate) struct Skipped {
    pub(super) provider: Provider,
    pub(super) unusable: Unusable,
}

/// The problem that the URLs don't all name one port of this machine, but `--server compose` or `local` needs that.
pub(super) fn not_startable(settings: &Settings<'_>) -> Problem {
    let named = settings.urls().map(|url| format!("{} names {}.", url.variable, url.address));
    Problem::unavailable(
        "With this --server, db-setup starts one server, so all URLs must name one port of this machine.",
    )
    .details(named)
    .remedy("Change all URLs to one port of localhost, or leave --server at auto.")
}

/// Adds a remedy to a problem with the server that is there: how to get another server for this checkout.
pub(super) fn ways_out(problem: Problem, settings: &Settings<'_>, address: &Address) -> Problem {
    let remedy = if settings.new_file.is_none() {
        let variables: Vec<_> = settings.urls().map(|url| url.variable.as_str()).collect();
        let (variables, port) = (variables.join(" and "), address.port.saturating_add(1));
        format!("use a server of your own: put a free port, such as {port}, into {variables} and run this again.")
    } else {
        "let db-setup choose the port: remove the URLs from the environment, and leave --server at auto.".to_owned()
    };
    problem.remedy(format!("or {remedy}"))
}

pub(super) fn who_listens(address: &Address) -> String {
    let port = address.port;
    let command = if cfg!(target_os = "linux") {
        format!("ss --listening --tcp --processes 'sport = :{port}'")
    } else {
        format!("lsof -nP -iTCP:{port} -sTCP:LISTEN")
    };
    format!("See which program listens there: {command}")
}

pub(super) fn port_taken(settings: &Settings<'_>) -> Problem {
    let address = &settings.first_url().address;
    let what = format!("Port {} is taken by another program.", address.port);
    ways_out(Problem::unavailable(what).remedy(who_listens(address)), settings, address)
}

/// The problem that no provider has a server, with the reason for each provider.
pub(super) fn none(skipped: Vec<Skipped>) -> Problem {
    let mut problem = Problem::unavailable("There is no PostgreSQL to use.");
    for skipped in skipped {
        problem = problem
            .detail(format!("{}: {}.", skipped.provider.name(), skipped.unusable.why.trim_end_matches('.')))
            .remedy(skipped.unusable.remedy);
    }
    problem
}
